//! `POST /api/auth/accept-invitation`: whoever was invited chooses a name and a password.

use serde::Serialize;
use serde_json::Value;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Role,
    schema::{self, Text},
};

use crate::{bindings::myrmidon::domain::sessions, faults};

#[derive(Serialize)]
struct Accepted {
    id: String,
    email: String,
    name: String,
    role: Option<Role>,
}

pub(crate) async fn accept(mut request: Request) -> Answer {
    let address = request.client_address();
    let body = request.body(Rules::STRICT).await?;
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).filter(|it| !it.contains('\0')).map(str::to_owned)
    };
    let (name, password) = (text("name"), text("password"));
    let token =
        schema::read(body, |body| body.string("token", Text::required(256, "token is required")))?;
    let it = sessions::accept_invitation(token, name, password, address)
        .await
        .map_err(faults::acceptance)?;
    let accepted = Accepted { id: it.id, email: it.email, name: it.name, role: it.role };
    Response::data(StatusCode::CREATED, &accepted)
}
