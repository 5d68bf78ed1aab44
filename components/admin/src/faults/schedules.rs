//! How refusals of schedules look to people.

use web::{Issue, Problem};

use crate::bindings::myrmidon::domain::schedules::ScheduleError;

/// Agents that a message names.
const NAMED: usize = 20;

pub(crate) fn schedule(error: ScheduleError) -> Problem {
    match error {
        ScheduleError::NotFound => not_found(),
        ScheduleError::Invalid(issues) => {
            let issue = |it: crate::bindings::myrmidon::domain::schedules::ScheduleIssue| Issue {
                path: it.path,
                message: it.message.into(),
            };
            Problem::Invalid(issues.into_iter().map(issue).collect())
        }
        ScheduleError::NotInTheFuture => {
            Problem::bad_request("Scheduled time must be in the future")
        }
        ScheduleError::Elapsed => Problem::conflict("Scheduled time has passed"),
        ScheduleError::UnknownAgents(ids) => {
            Problem::not_found(format!("Agent not found: {}", named(ids)))
        }
        ScheduleError::UnknownBuild(test_uuid) => {
            Problem::not_found(format!("Build metadata not found for test {test_uuid}"))
        }
        ScheduleError::MissingBinary(name) => {
            Problem::not_found(format!("Binary file not found: {name}"))
        }
        ScheduleError::WrongPlatform(agents) => {
            let shown = agents.into_iter().map(|it| {
                format!("{} ({}, build is {})", it.agent_id, it.agent_platform, it.build_platform)
            });
            Problem::bad_request(format!("Agents not of the build's platform: {}", named(shown)))
        }
        ScheduleError::IneligibleAgents(agents) => {
            let shown = agents.into_iter().map(|it| format!("{} ({})", it.agent_id, it.status));
            Problem::bad_request(format!("Agents not eligible for schedules: {}", named(shown)))
        }
        ScheduleError::Contended => {
            Problem::conflict("The schedule was changed at the same time; try again")
        }
        ScheduleError::Fault(fault) => fault.into(),
    }
}

pub(crate) fn not_found() -> Problem {
    Problem::not_found("Schedule not found")
}

fn named(agents: impl IntoIterator<Item = String>) -> String {
    let mut agents = agents.into_iter();
    let shown: Vec<_> = agents.by_ref().take(NAMED).collect();
    let more = agents.count();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
