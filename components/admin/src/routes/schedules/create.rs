//! `POST /api/agent/admin/schedules`: a new schedule; with `?dry_run=true` only whom it would reach.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Json,
    openapi::Operation,
    schema::{self, Object, Text},
};

use super::{body, shown::Shown, timing};
use crate::{
    bindings::myrmidon::domain::schedules::{
        self, MissedRunPolicy, NewSchedule, ScheduleDryRun, ScheduleType,
    },
    caller::Caller,
    faults::schedules::schedule as refused,
    permission::CreateSchedules,
    routes::tasks::{
        created::{DryRun, is_dry_run},
        metadata,
    },
};

/// What the command line calls the organisation of whoever is signed in.
const OWN: &str = "default";

pub(crate) fn describe() -> Operation {
    Operation::new("Schedule a test, or see whom it would reach")
        .query_word::<DryRun>("dry_run")
        .body(Rules::STRICT, read)
        .answers::<Rehearsal>(200)
        .answers::<Shown>(201)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<CreateSchedules>, mut request: Request) -> Answer {
    let dry_run = is_dry_run(&request)?;
    let (org_id, new) = schema::read(request.body(Rules::STRICT).await?, read)?;
    if org_id != OWN {
        caller.require_org(&org_id)?;
    }
    if dry_run {
        let run = schedules::dry_run_schedule(caller.actor(), new).await.map_err(refused)?;
        return Response::data(StatusCode::OK, &Rehearsal::from(run));
    }
    let created = schedules::create_schedule(caller.actor(), new).await.map_err(refused)?;
    Response::data(StatusCode::CREATED, &Shown::from(created))
}

fn read(body: &mut Object<'_>) -> (String, NewSchedule) {
    let name = body.optional_string("name", body::NAME);
    let least_one = body::agents(Some("At least one agent_id is required"));
    let agent_ids = body.strings("agent_ids", least_one, body::AGENT);
    let org_id = body.string("org_id", Text::required(255, "org_id is required"));
    let test_uuid = body.string("test_uuid", Text::filled(255));
    let test_name = body.string("test_name", Text::any(255));
    let binary_name = body.string("binary_name", Text::any(255));
    let execution_timeout = body::execution_timeout(body).unwrap_or(300);
    let priority = body::priority(body).unwrap_or(1);
    let metadata = Json { text: metadata::read(body) };
    let schedule_type: ScheduleType = body.choice("schedule_type");
    let config = body.object("schedule_config", |it| timing::config(it, Some(schedule_type)));
    let timezone = body.optional_string("timezone", body::ZONE);
    let target_index = body.optional_string("target_index", Text::any(255));
    let (policy, window) = body::missed_runs(body);
    let windows = timing::windows(body).unwrap_or_else(|| "[]".to_owned());
    let new = NewSchedule {
        name,
        agent_ids,
        test_uuid,
        test_name,
        binary_name,
        execution_timeout,
        priority,
        metadata,
        schedule_type,
        schedule_config: Json { text: config.unwrap_or_default() },
        timezone: timezone.unwrap_or_else(|| "UTC".to_owned()),
        target_index,
        missed_run_policy: policy.unwrap_or(MissedRunPolicy::RunOnce),
        missed_run_window_seconds: window.unwrap_or(body::USUAL_WINDOW_SECONDS),
        blackout_windows: Json { text: windows },
    };
    (org_id, new)
}

#[derive(JsonSchema, Serialize)]
struct Rehearsal {
    dry_run: bool,
    would_create: usize,
    targets: Vec<Target>,
    skipped: Vec<Skipped>,
}

#[derive(JsonSchema, Serialize)]
struct Target {
    agent_id: String,
    hostname: String,
}

#[derive(JsonSchema, Serialize)]
struct Skipped {
    agent_id: String,
    hostname: Option<String>,
    reason: String,
}

impl From<ScheduleDryRun> for Rehearsal {
    fn from(it: ScheduleDryRun) -> Self {
        let target =
            |it: schedules::DryTarget| Target { agent_id: it.agent_id, hostname: it.hostname };
        let skipped = |it: schedules::DrySkip| Skipped {
            agent_id: it.agent_id,
            hostname: it.hostname,
            reason: it.reason,
        };
        Self {
            dry_run: true,
            would_create: it.targets.len(),
            targets: it.targets.into_iter().map(target).collect(),
            skipped: it.skipped.into_iter().map(skipped).collect(),
        }
    }
}
