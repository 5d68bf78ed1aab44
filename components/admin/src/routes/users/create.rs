//! `POST /api/users`: an account with a first password.

use serde_json::Value;
use web::{Answer, Problem, Request, Response, StatusCode, body::Rules, schema};

use super::shown::Brief;
use crate::{
    bindings::myrmidon::domain::users::{self, NewUser},
    caller::Caller,
    faults,
    permission::ManageUsers,
};

pub(crate) async fn create(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let new = read(request.body(Rules::STRICT).await?)?;
    let account = users::create(caller.actor(), new).await.map_err(faults::user_creation)?;
    Response::data(StatusCode::CREATED, &Brief::from(&account))
}

/// The domain says all at once what is wrong with the texts; whether they are texts is seen here.
fn read(body: Value) -> Result<NewUser, Problem> {
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).filter(|it| !it.contains('\0')).map(str::to_owned)
    };
    let (email, name, password) = (text("email"), text("name"), text("password"));
    let role = schema::read(body, |body| {
        body.forget_nulls_except(&[]);
        body.optional_choice("role")
    })?;
    Ok(NewUser { email, name, password, role })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_text_is_none() {
        let new = read(json!({"email": 7, "name": "Ada\0", "role": null})).unwrap();
        assert_eq!((new.email, new.name, new.password, new.role), (None, None, None, None));
        assert!(read(json!({"role": "root"})).is_err());
        assert!(read(json!([])).is_err());
    }
}
