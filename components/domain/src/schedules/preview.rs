//! The next runs of a schedule, exactly as ticks will make them. Bounded in machines, too.

use domain::{
    ids::{OrgId, ScheduleId},
    schedules::{Lot, Mode, ScheduleStatus, Timing},
    time::{Span, Timestamp},
};
use store::schedules::{self, Member, Schedule};

use super::timing;
use crate::{
    bindings::exports::myrmidon::domain::{
        schedules::{AgentRun, PreviewRun, SchedulePreview},
        types::Fault,
    },
    call::Call,
    fault,
};

/// Machines' own times that one answer holds.
const MOST_TIMES: u32 = 500;

pub(super) async fn preview(
    org: &OrgId,
    id: &ScheduleId,
    n: u32,
) -> Result<Option<SchedulePreview>, Fault> {
    let call = Call::begin()?;
    let Some(found) = schedules::find(call.db, org, id).await? else { return Ok(None) };
    let timing = timing::of(&found).map_err(|it| fault::unavailable(&it))?;
    if found.status == ScheduleStatus::Completed {
        return Ok(Some(SchedulePreview { runs: Vec::new(), more_agents: 0 }));
    }
    if timing.mode != Mode::PerMachine {
        let runs = shared(&timing, &found, n, call.now);
        return Ok(Some(SchedulePreview { runs, more_agents: 0 }));
    }
    let members = schedules::members(call.db, id).await?;
    let shown = members.len().min((MOST_TIMES / n.max(1)) as usize);
    let runs = own(&timing, &found, &members[..shown], n, call.now);
    let more_agents = u32::try_from(members.len() - shown).unwrap_or(u32::MAX);
    Ok(Some(SchedulePreview { runs, more_agents }))
}

/// Runs that all machines share.
fn shared(timing: &Timing, row: &Schedule, n: u32, now: Timestamp) -> Vec<PreviewRun> {
    let lot = Lot { schedule: row.id.as_str(), agent: None };
    let after = begin(row, row.next_run_at, now);
    let runs = walk(timing, lot, after, row.last_occurrence_at, n);
    runs.into_iter().map(|at| run(timing, at, Vec::new())).collect()
}

/// The n-th run of each machine, together; at the time of the earliest.
fn own(
    timing: &Timing,
    row: &Schedule,
    members: &[Member],
    n: u32,
    now: Timestamp,
) -> Vec<PreviewRun> {
    let mut days: std::collections::BTreeMap<_, Vec<AgentRun>> = std::collections::BTreeMap::new();
    for member in members {
        let lot = Lot { schedule: row.id.as_str(), agent: Some(member.agent.as_str()) };
        let after = begin(row, member.next_run_at, now);
        for at in walk(timing, lot, after, member.last_occurrence_at, n) {
            let Some(local) = timing.zone.local(at) else { continue };
            days.entry(local.date()).or_default().push(AgentRun {
                agent_id: member.agent.0.clone(),
                at: at.into(),
                blackout: timing.blackout(at).is_some(),
            });
        }
    }
    let runs = days.into_values().take(n as usize).filter_map(|agents| {
        let first = agents.iter().map(|it| it.at.unix_ms).min()?;
        Some(run(timing, Timestamp(first), agents))
    });
    runs.collect()
}

/// A run that is due and waits for its tick is the first one.
fn begin(row: &Schedule, next: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let waiting = next.filter(|_| row.status == ScheduleStatus::Active);
    waiting.map_or(now, |it| now.min(it - Span::millis(1)))
}

fn walk(
    timing: &Timing,
    lot: Lot<'_>,
    after: Timestamp,
    last: Option<Timestamp>,
    n: u32,
) -> Vec<Timestamp> {
    let first = timing.next(after, last, lot);
    std::iter::successors(first, |at| timing.next(*at, Some(*at), lot)).take(n as usize).collect()
}

fn run(timing: &Timing, at: Timestamp, agents: Vec<AgentRun>) -> PreviewRun {
    let is_covered = |it: Timestamp| timing.blackout(it).is_some();
    let blackout =
        if agents.is_empty() { is_covered(at) } else { agents.iter().all(|it| it.blackout) };
    PreviewRun { at: at.into(), local: timing.zone.show(at).unwrap_or_default(), blackout, agents }
}
