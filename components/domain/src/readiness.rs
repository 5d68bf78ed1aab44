//! Whether the rules can be applied right now.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{readiness::Guest, types::Fault},
    call::Call,
};

impl Guest for Component {
    async fn check() -> Result<(), Fault> {
        let call = Call::begin()?;
        Ok(store::readiness::check(call.db).await?)
    }
}
