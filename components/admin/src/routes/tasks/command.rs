//! `POST /api/agent/admin/tasks/command`: run a shell command on agents.

use web::{
    Answer, Problem, Request,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use super::created;
use crate::{
    bindings::myrmidon::domain::tasks::{self, NewCommand},
    caller::Caller,
    faults,
    permission::CommandAgents,
};

/// In UTF-16 units, as the text of the refusal does not say.
const LONGEST: usize = 10_240;

pub(crate) fn describe() -> Operation {
    Operation::new("Run a command on agents")
        .body(Rules::STRICT, read)
        .query_word::<created::DryRun>("dry_run")
        .answers::<created::Created>(201)
        .answers::<created::Rehearsed>(200)
        .answers::<created::Waiting>(202)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<CommandAgents>, mut request: Request) -> Answer {
    let (org_id, command) = schema::read(request.body(Rules::STRICT).await?, read)?;
    let dry_run = created::is_dry_run(&request)?;
    caller.require_org(&org_id)?;
    check(&command.command)?;
    let ids = tasks::create_commands(caller.actor(), command, dry_run)
        .await
        .map_err(|it| faults::creation(it, "tasks"))?;
    created::answer(ids)
}

fn read(body: &mut Object<'_>) -> (String, NewCommand) {
    let target = created::target(body);
    let command = NewCommand {
        agent_ids: target.agent_ids,
        command: body.string("command", Text::required(usize::MAX, "command is required")),
        execution_timeout: created::execution_timeout(body),
        priority: created::priority(body),
    };
    (target.org_id, command)
}

fn check(command: &str) -> Result<(), Problem> {
    if command.trim().is_empty() {
        return Err(Problem::bad_request("command is required and must be a non-empty string"));
    }
    if command.encode_utf16().count() > LONGEST {
        return Err(Problem::bad_request("command exceeds maximum length (10 KB)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_content_and_an_end() {
        assert!(check("whoami /all").is_ok());
        assert!(check(" \t\n").is_err());
        assert!(check(&"é".repeat(LONGEST)).is_ok());
        assert!(check(&"é".repeat(LONGEST + 1)).is_err());
        assert!(check(&"😀".repeat(LONGEST / 2 + 1)).is_err());
    }
}
