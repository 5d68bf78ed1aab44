//! How the domain's refusals look to agents.

use web::{
    Problem,
    contract::{Fault, TurnedAway},
};

use crate::bindings::myrmidon::domain::{
    build_downloads, distribution::FetchError as UpdateError, presence::HeartbeatError,
};

/// The one failure of the whole tier: causes look alike.
pub(crate) fn unauthenticated() -> Problem {
    Problem::unauthenticated("Invalid agent credentials")
}

fn rate_limited(budget: web::contract::Budget) -> Problem {
    Problem::RateLimited(budget, "Too many agent requests, try again later")
}

pub(crate) fn turned_away(cause: TurnedAway) -> Problem {
    match cause {
        TurnedAway::Unauthenticated(budget) => unauthenticated().counted(budget),
        TurnedAway::RateLimited(budget) => rate_limited(budget),
        TurnedAway::Unavailable => Fault::Unavailable.into(),
    }
}

pub(crate) fn heartbeat(error: HeartbeatError) -> Problem {
    match error {
        HeartbeatError::TurnedAway(cause) => turned_away(cause),
        HeartbeatError::Stale(budget) => stale().counted(budget),
    }
}

pub(crate) fn stale() -> Problem {
    Problem::bad_request("Stale or invalid heartbeat timestamp")
}

pub(crate) fn update(error: UpdateError) -> Problem {
    match error {
        UpdateError::NoRelease(budget) => {
            Problem::not_found("No version available for this platform").counted(budget)
        }
        UpdateError::NoBinary(budget) => {
            Problem::not_found("Binary file not found on server").counted(budget)
        }
        UpdateError::RateLimited(budget) => rate_limited(budget),
        UpdateError::TurnedAway(cause) => turned_away(cause),
        UpdateError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn binary(error: build_downloads::FetchError, name: &str) -> Problem {
    match error {
        build_downloads::FetchError::NotFound(budget) => {
            Problem::not_found(format!("Binary not found: {name}")).counted(budget)
        }
        build_downloads::FetchError::TurnedAway(cause) => turned_away(cause),
        build_downloads::FetchError::Fault(fault) => fault.into(),
    }
}
