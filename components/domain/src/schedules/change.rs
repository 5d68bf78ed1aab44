//! A change to a schedule: read, decide, and write if nobody was faster; otherwise once more.

use domain::{
    ids::{AgentId, OrgId, ScheduleId},
    platform::Platform,
    schedules::{Mode, ScheduleStatus, ScheduleType, Timing},
    tasks::eligibility::distinct,
    time::{Span, Timestamp},
};
use store::schedules::{self, Member, Schedule as Row, changes, changes::Roster};

use super::{
    creation::{Runs, pairs, runs, unfit, without_run},
    timing,
};
use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        schedules::{Schedule, ScheduleChange, ScheduleError},
        types::Actor,
    },
    call::Call,
};

/// Ticks come once a minute and people rarely; who loses this often loses to something else.
const ATTEMPTS: usize = 4;

pub(super) async fn change(
    by: Actor,
    id: ScheduleId,
    change: ScheduleChange,
) -> Result<Schedule, ScheduleError> {
    let call = Call::begin()?;
    let org = OrgId(by.org_id.clone());
    let entry = audit::entry(&call, &by, "schedule.update");
    let mut last = ScheduleError::Contended;
    for _ in 0..ATTEMPTS {
        let found = schedules::find(call.db, &org, &id).await?.ok_or(ScheduleError::NotFound)?;
        let members = schedules::members(call.db, &id).await?;
        let platform = match &change.agent_ids {
            Some(_) => platform(&call, &org, &found).await?,
            None => None,
        };
        let changed = Changed::of(found, members, &change, call.now)?;
        let roster = changed.roster.as_deref().map(|pairs| Roster { pairs, platform });
        if changes::record_change(call.db, &changed.row, roster, call.now, &entry).await? {
            audit::seal(&call, &org).await;
            return super::read(&call, &org, &id).await?.ok_or(ScheduleError::NotFound);
        }
        if let Some(roster) = roster {
            last = unfit(&call, &org, roster.pairs, platform).await?;
        }
    }
    Err(last)
}

/// What the test runs on, while it has a build.
async fn platform(call: &Call, org: &OrgId, row: &Row) -> Result<Option<Platform>, ScheduleError> {
    let build = store::builds::find(call.db, org, &row.test_uuid).await?;
    Ok(build.map(|it| it.platform))
}

/// A row as it shall be, and the agents, if they or their times change.
struct Changed {
    row: Row,
    roster: Option<String>,
}

impl Changed {
    fn of(
        found: Row,
        members: Vec<Member>,
        change: &ScheduleChange,
        now: Timestamp,
    ) -> Result<Self, ScheduleError> {
        let was_active = found.status == ScheduleStatus::Active;
        let was_shared = timing::of(&found).is_ok_and(|it| it.mode != Mode::PerMachine);
        let row = merge(found, change);
        let timing = timing::of(&row)?;
        let retimed = change.schedule_config.is_some()
            || change.timezone.is_some()
            || change.blackout_windows.is_some();
        let members = seated(members, change);
        let is_active = row.status == ScheduleStatus::Active;
        if is_active && (retimed || !was_active) {
            let (agents, own) = split(&members);
            let of_all = row.last_occurrence_at;
            let last = own.into_iter().map(|it| last_of(it, was_shared, of_all));
            return Self::retimed(row, &timing, &agents, &last.collect::<Vec<_>>(), now, change);
        }
        let mut changed = Self { row, roster: None };
        if change.agent_ids.is_some() {
            changed.seat(&timing, &members, now, is_active)?;
        }
        Ok(changed)
    }

    /// Every run is computed anew.
    fn retimed(
        mut row: Row,
        timing: &Timing,
        agents: &[AgentId],
        last: &[Option<Timestamp>],
        now: Timestamp,
        change: &ScheduleChange,
    ) -> Result<Self, ScheduleError> {
        let Runs { next, members } =
            runs(timing, &row.id, agents, last, row.last_occurrence_at, now)?;
        if next.is_none() && !(timing.mode == Mode::PerMachine && agents.is_empty()) {
            let is_over = row.kind == ScheduleType::Once && change.schedule_config.is_none();
            return Err(match without_run(timing, now) {
                ScheduleError::NotInTheFuture if is_over => ScheduleError::Elapsed,
                other => other,
            });
        }
        row.next_run_at = next;
        Ok(Self { row, roster: Some(pairs(agents, &members)?) })
    }

    /// Other agents at the same times: who stays keeps its own, and a run that is due stays due.
    fn seat(
        &mut self,
        timing: &Timing,
        members: &[Member],
        now: Timestamp,
        is_active: bool,
    ) -> Result<(), ScheduleError> {
        let (agents, last) = split(members);
        let mut times = vec![None; agents.len()];
        if timing.mode == Mode::PerMachine && is_active {
            let drawn = runs(timing, &self.row.id, &agents, &last, None, now)?.members;
            times = members.iter().zip(drawn).map(|(it, new)| it.next_run_at.or(new)).collect();
            self.row.next_run_at = times.iter().copied().flatten().min();
        } else if timing.mode == Mode::PerMachine {
            times = members.iter().map(|it| it.next_run_at).collect();
        }
        self.roster = Some(pairs(&agents, &times)?);
        Ok(())
    }
}

/// What counts as a machine's last run when its times are drawn anew, so that no day is drawn twice (D-51):
/// while they shared their times, its own is that of all.
fn last_of(
    own: Option<Timestamp>,
    was_shared: bool,
    of_all: Option<Timestamp>,
) -> Option<Timestamp> {
    if was_shared { own.max(of_all) } else { own.or(of_all) }
}

fn split(members: &[Member]) -> (Vec<AgentId>, Vec<Option<Timestamp>>) {
    members.iter().map(|it| (it.agent.clone(), it.last_occurrence_at)).unzip()
}

/// The agents as the change wants them, with what is known of those that stay.
fn seated(members: Vec<Member>, change: &ScheduleChange) -> Vec<Member> {
    let Some(wanted) = &change.agent_ids else { return members };
    let mut known: std::collections::HashMap<_, _> =
        members.into_iter().map(|it| (it.agent.clone(), it)).collect();
    let seat = |agent: AgentId| {
        let new = Member { agent: agent.clone(), next_run_at: None, last_occurrence_at: None };
        known.remove(&agent).unwrap_or(new)
    };
    distinct(wanted.clone()).into_iter().map(seat).collect()
}

fn merge(mut row: Row, change: &ScheduleChange) -> Row {
    let text = |it: &Option<String>, old: String| it.clone().unwrap_or(old);
    row.name = change.name.clone().or(row.name);
    row.timezone = text(&change.timezone, row.timezone);
    row.config = text(&change.schedule_config.as_ref().map(|it| it.text.clone()), row.config);
    let windows = change.blackout_windows.as_ref().map(|it| it.text.clone());
    row.blackout_windows = text(&windows, row.blackout_windows);
    row.status = change.status.map_or(row.status, Into::into);
    row.priority = change.priority.unwrap_or(row.priority);
    row.execution_timeout_seconds =
        change.execution_timeout.unwrap_or(row.execution_timeout_seconds);
    row.missed.policy = change.missed_run_policy.map_or(row.missed.policy, Into::into);
    if let Some(seconds) = change.missed_run_window_seconds {
        row.missed.window = Span::seconds(seconds.into());
    }
    row
}
