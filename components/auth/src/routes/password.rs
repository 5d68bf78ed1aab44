//! `POST /api/auth/password`: another password, which ends every other session of the account.

use web::{
    Answer, Problem, Request, Response,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{bindings::myrmidon::domain::sessions, caller::SignedIn, faults};

pub(crate) fn describe() -> Operation {
    Operation::new("Change the own password").body(Rules::STRICT, read).succeeds()
}

pub(crate) async fn change(caller: SignedIn, mut request: Request) -> Answer {
    let Some(session) = caller.session_id else {
        return Err(Problem::forbidden("Your password is with the identity provider"));
    };
    let (present, next) = schema::read(request.body(Rules::STRICT).await?, read)?;
    sessions::change_password(caller.actor, caller.limiter, session, present, next)
        .await
        .map_err(faults::password)?;
    Ok(Response::success())
}

fn read(body: &mut Object<'_>) -> (String, String) {
    let present = body.string("current_password", Text::filled(1024));
    (present, body.string("new_password", Text::filled(1024)))
}
