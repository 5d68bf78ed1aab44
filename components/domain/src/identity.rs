//! Who a person is.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        identity::{Caller, Denied, Guest},
        types::Fault,
    },
};

impl Guest for Component {
    async fn authenticate(_token: Option<String>, _address: String) -> Result<Caller, Denied> {
        Err(Denied::Fault(Fault::Unavailable))
    }
}
