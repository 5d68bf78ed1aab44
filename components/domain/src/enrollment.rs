//! How an unknown machine becomes a known agent.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        enrollment::{EnrollError, EnrollRequest, Enrolled, Guest},
        types::Fault,
    },
};

impl Guest for Component {
    async fn enroll(_request: EnrollRequest) -> Result<Enrolled, EnrollError> {
        Err(EnrollError::Fault(Fault::Unavailable))
    }

    async fn server_url() -> Result<String, Fault> {
        Err(Fault::Unavailable)
    }
}
