//! How the domain's refusals look to whoever signs in.

use web::{Problem, StatusCode};

use crate::bindings::myrmidon::domain::{
    device_logins::{ApproveError, PollError, StartError},
    identity,
    sessions::{AcceptError, PasswordError, RefreshError, SignInError},
};

pub(crate) fn denied(cause: identity::Denied) -> Problem {
    match cause {
        identity::Denied::Unauthenticated(budget) => {
            Problem::unauthenticated("Unauthorized").counted(budget)
        }
        identity::Denied::RateLimited(budget) => {
            Problem::RateLimited(budget, "Too many requests, please try again later")
        }
        identity::Denied::TooManyKeys(budget) => {
            Problem::RateLimited(budget, "Too many API key authentication attempts")
        }
        identity::Denied::Fault(fault) => fault.into(),
    }
}

const LOCKED: &str = "Too many sign-in attempts. Try again later.";

pub(crate) fn sign_in(error: SignInError) -> Problem {
    match error {
        SignInError::Rejected(budget) => {
            Problem::unauthenticated("Invalid email or password").counted(budget)
        }
        SignInError::Locked(budget) => Problem::RateLimited(budget, LOCKED),
        SignInError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn refresh(error: RefreshError) -> Problem {
    match error {
        RefreshError::Rejected(budget) => {
            Problem::unauthenticated("Invalid or expired refresh token").counted(budget)
        }
        RefreshError::RateLimited(budget) => {
            Problem::RateLimited(budget, "Too many refresh requests. Try again later.")
        }
        RefreshError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn password(error: PasswordError) -> Problem {
    match error {
        PasswordError::Invalid(flaws) => Problem::Flawed(flaws),
        PasswordError::Rejected => Problem::bad_request("The present password is another one"),
        PasswordError::Locked(budget) => Problem::RateLimited(budget, LOCKED),
        PasswordError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn acceptance(error: AcceptError) -> Problem {
    match error {
        AcceptError::Invalid((flaws, budget)) => Problem::Flawed(flaws).counted(budget),
        AcceptError::Rejected(budget) => {
            Problem::bad_request("Invalid or expired invitation").counted(budget)
        }
        AcceptError::Taken(budget) => {
            Problem::conflict("A user with this email address already exists").counted(budget)
        }
        AcceptError::RateLimited(budget) => Problem::RateLimited(budget, LOCKED),
        AcceptError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn start(error: StartError) -> Problem {
    match error {
        StartError::RateLimited(budget) => {
            Problem::RateLimited(budget, "Too many device code requests. Try again later.")
        }
        StartError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn approval(error: ApproveError) -> Problem {
    match error {
        ApproveError::Unknown => Problem::bad_request("Invalid or expired code"),
        ApproveError::Fault(fault) => fault.into(),
    }
}

/// 202 is no failure, but the documented body says so (RFC 8628 §3.5).
pub(crate) fn poll(error: PollError) -> Problem {
    match error {
        PollError::Pending(budget) => {
            Problem::refused(StatusCode::ACCEPTED, "authorization_pending").counted(budget)
        }
        PollError::Unknown(budget) => Problem::not_found("Unknown device code").counted(budget),
        PollError::Expired(budget) => {
            Problem::refused(StatusCode::GONE, "Device code expired").counted(budget)
        }
        PollError::RateLimited(budget) => Problem::RateLimited(budget, "Too many poll requests."),
        PollError::Fault(fault) => fault.into(),
    }
}
