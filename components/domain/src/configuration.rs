//! Variables of the manifest. An empty one is an unset one; white space around one is no part of it.

use spin_sdk::variables;

use crate::bindings::exports::myrmidon::domain::types::Fault;

/// The value of a variable the call cannot do without.
pub(crate) async fn required(name: &'static str) -> Result<String, Fault> {
    match optional(name).await? {
        Some(value) => Ok(value),
        None => Err(crate::fault::misconfigured(name)),
    }
}

/// `None` when the variable is empty, undefined or not granted to the tier.
pub(crate) async fn optional(name: &'static str) -> Result<Option<String>, Fault> {
    match variables::get(name).await {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|it| !it.is_empty())),
        Err(variables::Error::Undefined(_)) => Ok(None),
        Err(error) => Err(crate::fault::unavailable(&error)),
    }
}
