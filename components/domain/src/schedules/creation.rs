//! A new schedule, or what it would do.

use domain::{
    builds::Build,
    ids::{AgentId, OrgId, ScheduleId},
    platform::Platform,
    schedules::{Lot, MissedRuns, Mode, Patience, ScheduleStatus, ScheduleType, Timing},
    tasks::eligibility::{Refusal, distinct, refusal},
    time::{Span, Timestamp},
};
use store::{
    schedules::{self, changes, changes::Roster},
    tasks::creation::list_candidates,
};

use super::timing::{self, Unreadable};
use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        schedules::{
            NewSchedule, Schedule, ScheduleDryRun, ScheduleError, UnfitPlatform, UnfitStatus,
        },
        types::{Actor, Fault},
    },
    call::{self, Call},
    fault,
    tasks::name_of,
    transfers,
};

pub(super) async fn create(by: Actor, mut request: NewSchedule) -> Result<Schedule, ScheduleError> {
    let call = Call::begin()?;
    let org = OrgId(by.org_id.clone());
    let build = build(&call, &org, &request.test_uuid).await?;
    if request.test_name.is_empty() {
        request.test_name = name_of(&call, &org, &build, &request.test_uuid).await?;
    }
    let id = ScheduleId(call::random_id());
    let agents = distinct(request.agent_ids.clone());
    let timing = read_timing(&request)?;
    let times = first_runs(&timing, &id, &agents, call.now)?;
    let pairs = pairs(&agents, &times.members)?;
    let schedule = row(&by, request, &build, times.next, call.now, id);
    let entry = audit::entry(&call, &by, "schedule.create");
    let roster = Roster { pairs: &pairs, platform: Some(build.platform) };
    if !changes::insert(call.db, &schedule, roster, &entry).await? {
        return Err(unfit(&call, &org, &pairs, Some(build.platform)).await?);
    }
    audit::seal(&call, &org).await;
    super::read(&call, &org, &schedule.id).await?.ok_or(ScheduleError::Fault(Fault::Unavailable))
}

pub(super) async fn dry_run(
    by: Actor,
    request: NewSchedule,
) -> Result<ScheduleDryRun, ScheduleError> {
    let call = Call::begin()?;
    let org = OrgId(by.org_id.clone());
    let build = build(&call, &org, &request.test_uuid).await?;
    let timing = read_timing(&request)?;
    let agents = distinct(request.agent_ids);
    first_runs(&timing, &ScheduleId(call::random_id()), &agents, call.now)?;
    let pairs = pairs(&agents, &[])?;
    super::dry_run::judge(&call, &org, &pairs, build.platform).await
}

/// The build that the schedule's tasks will run; its bytes must be there, too.
async fn build(call: &Call, org: &OrgId, test_uuid: &str) -> Result<Build, ScheduleError> {
    let build = store::builds::find(call.db, org, test_uuid).await?;
    let build = build.ok_or_else(|| ScheduleError::UnknownBuild(test_uuid.to_owned()))?;
    let blobs = transfers::open_store().await?;
    if transfers::find(&blobs, &build.sha256, build.size).await?.is_none() {
        return Err(ScheduleError::MissingBinary(build.filename));
    }
    Ok(build)
}

fn read_timing(request: &NewSchedule) -> Result<Timing, ScheduleError> {
    timing::read(
        request.schedule_type.into(),
        &request.schedule_config.text,
        &request.timezone,
        &request.blackout_windows.text,
    )
    .map_err(Into::into)
}

impl From<Unreadable> for ScheduleError {
    fn from(it: Unreadable) -> Self {
        match it {
            Unreadable::Config => Self::invalid("schedule_config", "Invalid input"),
            Unreadable::Zone => {
                Self::invalid("timezone", "Invalid input: expected an IANA time zone")
            }
            Unreadable::Blackouts => Self::invalid("blackout_windows", "Invalid input"),
        }
    }
}

/// When a schedule runs next; of each machine, where it has a time of its own.
pub(super) struct Runs {
    pub(super) next: Option<Timestamp>,
    /// As many as agents, or none at all.
    pub(super) members: Vec<Option<Timestamp>>,
}

fn first_runs(
    timing: &Timing,
    id: &ScheduleId,
    agents: &[AgentId],
    now: Timestamp,
) -> Result<Runs, ScheduleError> {
    let last = vec![None; agents.len()];
    let runs = runs(timing, id, agents, &last, None, now)?;
    match runs.next {
        Some(_) => Ok(runs),
        None => Err(without_run(timing, now)),
    }
}

/// The next runs after now, given when each machine ran last.
pub(super) fn runs(
    timing: &Timing,
    id: &ScheduleId,
    agents: &[AgentId],
    last_of_each: &[Option<Timestamp>],
    last: Option<Timestamp>,
    now: Timestamp,
) -> Result<Runs, ScheduleError> {
    let (schedule, mut patience) = (id.as_str(), Patience::of_a_request());
    if timing.mode != Mode::PerMachine {
        let lot = Lot { schedule, agent: None };
        let next = timing.next_open(now, last, lot, &mut patience);
        return Ok(Runs { next, members: Vec::new() });
    }
    let mut members = Vec::with_capacity(agents.len());
    for (agent, last) in agents.iter().zip(last_of_each) {
        let lot = Lot { schedule, agent: Some(agent.as_str()) };
        members.push(timing.next_open(now, *last, lot, &mut patience));
        if patience.is_spent() {
            return Err(ScheduleError::invalid(
                "blackout_windows",
                "The blackout windows leave too little time for so many agents",
            ));
        }
    }
    Ok(Runs { next: members.iter().copied().flatten().min(), members })
}

/// Why there is no next run.
pub(super) fn without_run(timing: &Timing, now: Timestamp) -> ScheduleError {
    let lot = Lot { schedule: "", agent: None };
    let is_once = timing.recurrence.kind() == ScheduleType::Once;
    if is_once && timing.next(now, None, lot).is_none() {
        return ScheduleError::NotInTheFuture;
    }
    ScheduleError::invalid("blackout_windows", "No run is left outside the blackout windows")
}

/// A roster: each agent with its next run, where it has one of its own.
pub(super) fn pairs(
    agents: &[AgentId],
    members: &[Option<Timestamp>],
) -> Result<String, ScheduleError> {
    let time = |index: usize| members.get(index).copied().flatten().map(|it| it.0);
    let pairs: Vec<_> = agents.iter().enumerate().map(|(i, it)| (time(i), it.as_str())).collect();
    serde_json::to_string(&pairs).map_err(|it| fault::unavailable(&it).into())
}

/// Why agents cannot be in a schedule.
pub(super) async fn unfit(
    call: &Call,
    org: &OrgId,
    pairs: &str,
    platform: Option<Platform>,
) -> Result<ScheduleError, ScheduleError> {
    let candidates = list_candidates(call.db, org, pairs).await?;
    Ok(match refusal(candidates, platform) {
        Some(Refusal::Unknown(agents)) => {
            ScheduleError::UnknownAgents(agents.into_iter().map(|it| it.0).collect())
        }
        Some(Refusal::Ineligible(agents)) => {
            let unfit = agents
                .into_iter()
                .map(|(it, status)| UnfitStatus { agent_id: it.0, status: status.as_str().into() });
            ScheduleError::IneligibleAgents(unfit.collect())
        }
        Some(Refusal::WrongPlatform(agents)) => {
            let build_platform = platform.map(|it| it.to_string()).unwrap_or_default();
            let unfit = agents.into_iter().map(|(it, own)| UnfitPlatform {
                agent_id: it.0,
                agent_platform: own.to_string(),
                build_platform: build_platform.clone(),
            });
            ScheduleError::WrongPlatform(unfit.collect())
        }
        // What stood in the way is gone already.
        None => ScheduleError::Contended,
    })
}

fn row(
    by: &Actor,
    request: NewSchedule,
    build: &Build,
    next: Option<Timestamp>,
    now: Timestamp,
    id: ScheduleId,
) -> schedules::Schedule {
    let is_named = !request.binary_name.is_empty();
    schedules::Schedule {
        id,
        org: OrgId(by.org_id.clone()),
        name: request.name,
        test_name: request.test_name,
        binary_name: if is_named { request.binary_name } else { build.filename.clone() },
        test_uuid: request.test_uuid,
        execution_timeout_seconds: request.execution_timeout,
        priority: request.priority,
        metadata: request.metadata.text,
        target_index: request.target_index,
        kind: request.schedule_type.into(),
        config: request.schedule_config.text,
        timezone: request.timezone,
        blackout_windows: request.blackout_windows.text,
        missed: MissedRuns {
            policy: request.missed_run_policy.into(),
            window: Span::seconds(request.missed_run_window_seconds.into()),
        },
        status: ScheduleStatus::Active,
        next_run_at: next,
        last_run_at: None,
        last_occurrence_at: None,
        skipped_runs: 0,
        last_skipped_at: None,
        failing_since: None,
        last_error: None,
        last_error_at: None,
        version: 1,
        created_by: by.user_id.clone(),
        created_at: now,
        updated_at: now,
    }
}
