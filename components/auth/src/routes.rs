//! What whoever signs in may ask for, a file per route.

pub(crate) mod accept_invitation;
pub(crate) mod device;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod password;
pub(crate) mod refresh;

use web::{
    Problem, Request,
    body::Rules,
    schema::{self, Object, Text},
};

/// Longer than any that we give out.
const TOKEN: Text = Text::required(256, "refresh_token is required");

/// The one thing that refreshing and signing out are asked with.
async fn refresh_token(request: &mut Request) -> Result<String, Problem> {
    let body = request.body(Rules::STRICT).await?;
    schema::read(body, read_refresh_token)
}

fn read_refresh_token(body: &mut Object<'_>) -> String {
    body.string("refresh_token", TOKEN)
}
