//! How the domain's refusals look to strangers.

use web::{
    Problem, StatusCode,
    contract::{TurnedAway, Uncounted},
};

use crate::bindings::myrmidon::domain::{distribution::FetchError, enrollment::EnrollError};

pub(crate) const TOO_MANY_ENROLLMENTS: &str = "Too many enrollment attempts, try again later";
pub(crate) const TOO_MANY_DOWNLOADS: &str = "Too many download requests, try again later";

pub(crate) fn uncounted(cause: Uncounted, too_many: &'static str) -> Problem {
    match cause {
        Uncounted::RateLimited(budget) => Problem::RateLimited(budget, too_many),
        Uncounted::Fault(fault) => fault.into(),
    }
}

pub(crate) fn enrollment(error: EnrollError) -> Problem {
    match error {
        EnrollError::Rejected(budget) => {
            Problem::unauthenticated("Invalid or expired enrollment token").counted(budget)
        }
        EnrollError::TokenSpent(budget) => {
            Problem::conflict("Enrollment token no longer available").counted(budget)
        }
        EnrollError::RateLimited(budget) => Problem::RateLimited(budget, TOO_MANY_ENROLLMENTS),
        EnrollError::NoSigningKey(budget) => Problem::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "Enrollment is unavailable: no update signing key is configured",
        )
        .counted(budget),
        EnrollError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn download(error: FetchError) -> Problem {
    match error {
        FetchError::NoRelease(budget) => {
            Problem::not_found("No version available for this platform").counted(budget)
        }
        FetchError::NoBinary(budget) => {
            Problem::not_found("Binary file not found on server").counted(budget)
        }
        FetchError::RateLimited(budget)
        | FetchError::TurnedAway(TurnedAway::RateLimited(budget)) => {
            Problem::RateLimited(budget, TOO_MANY_DOWNLOADS)
        }
        FetchError::TurnedAway(TurnedAway::Unauthenticated(budget)) => {
            Problem::unauthenticated("Unauthorized").counted(budget)
        }
        FetchError::TurnedAway(TurnedAway::Unavailable) => web::contract::Fault::Unavailable.into(),
        FetchError::Fault(fault) => fault.into(),
    }
}
