//! How the domain's refusals look to people.

pub(crate) mod schedules;

use web::{Problem, StatusCode};

use crate::bindings::myrmidon::domain::{
    agents::{ChangeError, RotateError},
    approvals::DecideError,
    builds, identity, releases,
    tasks::{AnnotateError, CancelError, CreateError},
    users,
};
use web::contract::choices::Choice as _;

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

pub(crate) fn user_creation(error: users::CreateError) -> Problem {
    match error {
        users::CreateError::Invalid(flaws) => Problem::Flawed(flaws),
        users::CreateError::Taken => Problem::conflict(ADDRESS_TAKEN),
        users::CreateError::Fault(fault) => fault.into(),
    }
}

/// `own` says what nobody may do to themselves.
pub(crate) fn user_change(error: users::ChangeError, own: &'static str) -> Problem {
    match error {
        users::ChangeError::NotFound => Problem::not_found("User not found"),
        users::ChangeError::LastAdministrator => {
            Problem::conflict("The last administrator of an organization must stay")
        }
        users::ChangeError::OwnAccount => Problem::bad_request(own),
        users::ChangeError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn invitation(error: users::InviteError) -> Problem {
    match error {
        users::InviteError::InvalidEmail => {
            Problem::invalid("email", "A valid email address is required")
        }
        users::InviteError::Taken => Problem::conflict(ADDRESS_TAKEN),
        users::InviteError::Fault(fault) => fault.into(),
    }
}

const ADDRESS_TAKEN: &str = "A user with this email address already exists";

pub(crate) fn rotation(error: RotateError) -> Problem {
    match error {
        RotateError::NotFound(budget) => Problem::not_found("Agent not found").counted(budget),
        RotateError::Gone((status, budget)) => Problem::refused(
            StatusCode::CONFLICT,
            format!("Agent is {} and gets no key any more", status.word()),
        )
        .counted(budget),
        RotateError::RateLimited(budget) => {
            Problem::RateLimited(budget, "Too many key rotation attempts, try again later")
        }
        RotateError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn agent_change(error: ChangeError) -> Problem {
    match error {
        ChangeError::NotFound => Problem::not_found("Agent not found"),
        ChangeError::Gone(status) => Problem::refused(
            StatusCode::CONFLICT,
            format!("Agent is {} and its status cannot change any more", status.word()),
        ),
        ChangeError::TooManyTags => Problem::bad_request("An agent has at most 50 tags"),
        ChangeError::Fault(fault) => fault.into(),
    }
}

/// `wanted` says what the agents were not eligible for.
pub(crate) fn creation(error: CreateError, wanted: &str) -> Problem {
    match error {
        CreateError::UnknownAgents(ids) => {
            Problem::not_found(format!("Agent not found: {}", ids.join(", ")))
        }
        CreateError::UnknownBuild(test_uuid) => {
            Problem::not_found(format!("Build metadata not found for test {test_uuid}"))
        }
        CreateError::MissingBinary(name) => {
            Problem::not_found(format!("Binary file not found: {name}"))
        }
        CreateError::WrongPlatform(mismatches) => {
            let shown = mismatches.iter().map(|it| {
                format!("{} ({}, build is {})", it.agent_id, it.agent_platform, it.build_platform)
            });
            let shown = shown.collect::<Vec<_>>().join(", ");
            Problem::bad_request(format!("Agents not of the build's platform: {shown}"))
        }
        CreateError::IneligibleAgents(agents) => {
            let shown = agents.iter().map(|it| format!("{} ({})", it.agent_id, it.status));
            let shown = shown.collect::<Vec<_>>().join(", ");
            Problem::bad_request(format!("Agents not eligible for {wanted}: {shown}"))
        }
        CreateError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn annotation(error: AnnotateError) -> Problem {
    match error {
        AnnotateError::NotFound => Problem::not_found("Task not found"),
        AnnotateError::Conflict(count) => Problem::refused(
            StatusCode::CONFLICT,
            format!("The notes have changed: there are {count} now"),
        ),
        AnnotateError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn decision(error: DecideError) -> Problem {
    match error {
        DecideError::NotFound => Problem::not_found("Approval not found"),
        DecideError::OwnRequest => Problem::forbidden("Another person must approve this request"),
        DecideError::Related => Problem::forbidden(
            "Whoever made an account and whoever has it cannot approve each other's requests",
        ),
        DecideError::Outdated => {
            Problem::conflict("The settings have changed since the request; ask again")
        }
        DecideError::NotAPerson => Problem::forbidden("An API key cannot approve requests"),
        DecideError::AlreadyDecided(status) => Problem::refused(
            StatusCode::CONFLICT,
            format!("The request has been decided: {}", status.word()),
        ),
        DecideError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn cancellation(error: CancelError) -> Problem {
    match error {
        CancelError::NotFound => Problem::not_found("Task not found"),
        CancelError::AlreadyEnded(status) => {
            Problem::bad_request(format!("Cannot cancel task in status: {}", status.word()))
        }
        CancelError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn promotion(error: releases::PromoteError) -> Problem {
    match error {
        releases::PromoteError::NotFound => Problem::not_found("Version not found"),
        releases::PromoteError::Unapproved => {
            Problem::conflict("The version waits for its approval")
        }
        releases::PromoteError::Fault(fault) => fault.into(),
    }
}

fn too_large() -> Problem {
    Problem::refused(StatusCode::PAYLOAD_TOO_LARGE, "File too large")
}

pub(crate) fn release_upload(error: releases::UploadError) -> Problem {
    match error {
        releases::UploadError::TooLarge => too_large(),
        releases::UploadError::Empty => Problem::bad_request("Empty file"),
        releases::UploadError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn build_upload(error: builds::UploadError) -> Problem {
    match error {
        builds::UploadError::TooLarge => too_large(),
        builds::UploadError::Empty => Problem::bad_request("Empty file"),
        builds::UploadError::UnknownFormat => Problem::bad_request(
            "File is not a recognised executable (PE, ELF, Mach-O or a script with a shebang)",
        ),
        builds::UploadError::UnsupportedPlatform(platform) => {
            Problem::bad_request(format!("No agent runs executables for {platform}"))
        }
        builds::UploadError::Fault(fault) => fault.into(),
    }
}
