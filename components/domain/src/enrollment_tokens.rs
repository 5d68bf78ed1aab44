//! The tokens that let machines enroll themselves.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        enrollment_tokens::{Guest, Minted, NewToken, Token},
        types::{Actor, Fault},
    },
};

impl Guest for Component {
    async fn mint(_by: Actor, _token: NewToken) -> Result<Minted, Fault> {
        Err(Fault::Unavailable)
    }

    async fn list_active(_by: Actor, _limit: u32, _offset: u32) -> Result<Vec<Token>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn revoke(_by: Actor, _id: String) -> Result<bool, Fault> {
        Err(Fault::Unavailable)
    }
}
