//! `POST /api/users`: an account with a first password.

use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object},
};

use super::shown::Brief;
use crate::{
    bindings::myrmidon::domain::users::{self, NewUser},
    caller::Caller,
    faults,
    permission::ManageUsers,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Make an account")
        .body(Rules::STRICT, read)
        .answers::<Brief>(201)
        .refuses(&[400, 409])
}

pub(crate) async fn create(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let new = schema::read(request.body(Rules::STRICT).await?, read)?;
    let account = users::create(caller.actor(), new).await.map_err(faults::user_creation)?;
    Response::data(StatusCode::CREATED, &Brief::from(&account))
}

/// The domain says all at once what is wrong with the texts.
fn read(body: &mut Object<'_>) -> NewUser {
    body.forget_nulls_except(&[]);
    NewUser {
        email: body.unjudged_string("email"),
        name: body.unjudged_string("name"),
        password: body.unjudged_string("password"),
        role: body.optional_choice("role"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_text_is_none() {
        let body = json!({"email": 7, "name": "Ada\0", "role": null});
        let new = schema::read(body, read).unwrap();
        assert_eq!((new.email, new.name, new.password, new.role), (None, None, None, None));
        assert!(schema::read(json!({"role": "root"}), read).is_err());
        assert!(schema::read(json!([]), read).is_err());
    }
}
