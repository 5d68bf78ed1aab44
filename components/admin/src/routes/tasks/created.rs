//! What the routes that create tasks have in common: whom the work is for, and the answer.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{Timestamp, choices::Choice},
    schema::{Length, Object, Text, Whole},
};

use crate::bindings::myrmidon::domain::tasks::{
    Awaiting, Ordered, Rehearsal, WouldGet, WouldNotGet,
};

/// The organisation that the body names, and the agents.
pub(super) struct Target {
    pub(super) org_id: String,
    pub(super) agent_ids: Vec<String>,
}

pub(super) fn target(body: &mut Object<'_>) -> Target {
    let agents = Length { empty: Some("At least one agent_id is required"), most: 1000 };
    Target {
        org_id: body.string("org_id", Text::required(255, "org_id is required")),
        agent_ids: body.strings("agent_ids", agents, Text::any(255)),
    }
}

/// Seconds; five minutes where none are given.
pub(super) fn execution_timeout(body: &mut Object<'_>) -> u32 {
    body.optional_count("execution_timeout", Whole::positive(u32::MAX.into())).unwrap_or(300)
}

pub(super) fn priority(body: &mut Object<'_>) -> u8 {
    let priority = body.optional_count("priority", Whole::between(0, 10)).unwrap_or(1);
    u8::try_from(priority).unwrap_or_default()
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Created {
    task_ids: Vec<String>,
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Waiting {
    task_ids: Vec<String>,
    approval: Approval,
}

#[derive(JsonSchema, Serialize)]
struct Approval {
    id: String,
    status: &'static str,
    expires_at: Timestamp,
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Rehearsed {
    dry_run: bool,
    would_create: usize,
    requires_approval: bool,
    targets: Vec<Hit>,
    skipped: Vec<Skipped>,
}

#[derive(JsonSchema, Serialize)]
struct Hit {
    agent_id: String,
    hostname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Skipped {
    agent_id: String,
    hostname: Option<String>,
    reason: String,
}

/// Whether the caller only wants to know who would be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRun {
    Yes,
    No,
}

impl Choice for DryRun {
    const WORDS: &'static [(&'static str, Self)] = &[("true", Self::Yes), ("false", Self::No)];

    fn word(self) -> &'static str {
        match self {
            Self::Yes => "true",
            Self::No => "false",
        }
    }
}

pub(crate) fn is_dry_run(request: &Request) -> Result<bool, Problem> {
    let query = request.query()?;
    let Some(word) = query.one("dry_run")? else { return Ok(false) };
    let invalid = "Invalid option: expected one of \"true\"|\"false\"";
    let wanted = DryRun::from_word(word).ok_or_else(|| Problem::invalid("dry_run", invalid))?;
    Ok(wanted == DryRun::Yes)
}

pub(super) fn answer(ordered: Ordered) -> Answer {
    match ordered {
        Ordered::Created(task_ids) => Response::data(StatusCode::CREATED, &Created { task_ids }),
        Ordered::AwaitingApproval(it) => Response::data(StatusCode::ACCEPTED, &Waiting::from(it)),
        Ordered::Rehearsed(it) => Response::data(StatusCode::OK, &Rehearsed::from(it)),
    }
}

impl From<Awaiting> for Waiting {
    fn from(it: Awaiting) -> Self {
        let approval =
            Approval { id: it.approval_id, status: "pending_approval", expires_at: it.expires_at };
        Self { task_ids: Vec::new(), approval }
    }
}

impl From<Rehearsal> for Rehearsed {
    fn from(it: Rehearsal) -> Self {
        let hit =
            |it: WouldGet| Hit { agent_id: it.agent_id, hostname: it.hostname, note: it.note };
        Self {
            dry_run: true,
            would_create: it.targets.len(),
            requires_approval: it.requires_approval,
            targets: it.targets.into_iter().map(hit).collect(),
            skipped: it.skipped.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<WouldNotGet> for Skipped {
    fn from(it: WouldNotGet) -> Self {
        Self { agent_id: it.agent_id, hostname: it.hostname, reason: it.reason }
    }
}
