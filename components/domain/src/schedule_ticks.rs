//! Ticks: what is due is claimed and run, one statement per schedule (D-54). A server that dies in
//! between has either done all of a run or nothing of it.

mod firing;

use domain::{
    schedules::{Caught, Lateness, Lot, Mode, RETRIED_FOR, ScheduleType, Timing},
    time::{Span, Timestamp},
};
use store::schedules::{Member, Schedule, members, ticks};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        schedule_ticks::{Guest, Ticked},
        types::Fault,
    },
    call::{self, Call},
    fault,
    schedules::timing,
};
use firing::Prepared;

/// Schedules that are read at once.
const PAGE: u32 = 50;
/// A tick leaves the rest to the next one after this.
const PATIENCE: Span = Span::seconds(20);

const MISSED: &str = "The run was missed and its policy let it go";
const NOBODY: &str = "No agent is left to run it";

impl Guest for Component {
    async fn tick(limit: u32) -> Result<Ticked, Fault> {
        let call = Call::begin().await?;
        let mut done = Ticked {
            processed: 0,
            tasks_created: 0,
            skipped: 0,
            missed: 0,
            failed: 0,
            remaining: false,
        };
        let mut left = limit;
        while left > 0 {
            let due = ticks::list_due(call.db, call.now, left.min(PAGE)).await?;
            if due.is_empty() {
                return Ok(done);
            }
            for schedule in due {
                if call::now() > call.now + PATIENCE {
                    done.remaining = true;
                    return Ok(done);
                }
                left = left.saturating_sub(1);
                run(&call, &schedule, &mut done).await?;
            }
        }
        done.remaining = !ticks::list_due(call.db, call.now, 1).await?.is_empty();
        Ok(done)
    }
}

/// `(next, agent, occurrence that ran)` of one machine, instants in Unix milliseconds.
type Turn = (Option<i64>, String, Option<i64>);

/// What has become due of a schedule, machine by machine where they have their own times.
struct Due {
    /// Agents and the occurrences they run now.
    runs: Vec<(String, Vec<Timestamp>)>,
    /// Where machines have their own times.
    members: Option<Vec<Turn>>,
    next: Option<Timestamp>,
    missed: u32,
}

async fn run(call: &Call, schedule: &Schedule, done: &mut Ticked) -> Result<(), Fault> {
    let timing = match timing::of(schedule) {
        Ok(timing) => timing,
        Err(error) => return fail(call, schedule, None, &error.to_string(), done).await,
    };
    let members = members(call.db, &schedule.id).await?;
    let due = due(schedule, &timing, &members, call.now);
    if due.runs.iter().all(|(_, runs)| runs.is_empty()) {
        return let_go(call, schedule, &due, done).await;
    }
    match firing::prepare(call, schedule, &due).await? {
        Ok(prepared) => fire(call, schedule, &due, &prepared, done).await,
        Err(reason) => fail(call, schedule, Some(&due), &reason, done).await,
    }
}

async fn fire(
    call: &Call,
    schedule: &Schedule,
    due: &Due,
    prepared: &Prepared,
    done: &mut Ticked,
) -> Result<(), Fault> {
    let is_once = schedule.kind == ScheduleType::Once;
    let members = due.members_json()?;
    let advance = ticks::Advance {
        occurrence: due.last_run().or(schedule.next_run_at),
        next: due.next.filter(|_| !is_once),
        members: members.as_deref(),
        skipped: due.missed,
        firing: Some(ticks::Firing { common: &prepared.common, targets: &prepared.targets }),
        error: None,
        completes: is_once,
    };
    if ticks::claim(call.db, schedule, advance, call.now).await? {
        let created = ticks::count_tasks(call.db, schedule, &prepared.batch_id).await?;
        done.processed += 1;
        done.tasks_created += created;
        done.skipped += prepared.count.saturating_sub(created);
        done.missed += due.missed;
    }
    Ok(())
}

/// Nothing of it shall run, or nobody is there to. A single run that ends so says why.
async fn let_go(
    call: &Call,
    schedule: &Schedule,
    due: &Due,
    done: &mut Ticked,
) -> Result<(), Fault> {
    let is_once = schedule.kind == ScheduleType::Once;
    let members = due.members_json()?;
    let reason = if due.missed > 0 { MISSED } else { NOBODY };
    let advance = ticks::Advance {
        occurrence: schedule.next_run_at.filter(|_| due.missed == 0),
        next: due.next.filter(|_| !is_once),
        members: members.as_deref(),
        skipped: due.missed,
        firing: None,
        error: if is_once { Some(reason) } else { schedule.last_error.as_deref() },
        completes: is_once,
    };
    if ticks::claim(call.db, schedule, advance, call.now).await? {
        done.processed += 1;
        done.missed += due.missed;
    }
    Ok(())
}

/// Tries again at later ticks; after an hour the occurrence is given up, its reason kept (D-55).
async fn fail(
    call: &Call,
    schedule: &Schedule,
    due: Option<&Due>,
    reason: &str,
    done: &mut Ticked,
) -> Result<(), Fault> {
    done.failed += 1;
    let since = schedule.failing_since.unwrap_or(call.now);
    if call.now < since + RETRIED_FOR {
        return Ok(ticks::record_failure(call.db, schedule, reason, call.now).await?);
    }
    let is_once = schedule.kind == ScheduleType::Once;
    let members = due.map(Due::members_json).transpose()?.flatten();
    let advance = ticks::Advance {
        occurrence: None,
        next: due.and_then(|it| it.next).filter(|_| !is_once),
        members: members.as_deref(),
        skipped: 1,
        firing: None,
        error: Some(reason),
        completes: is_once,
    };
    ticks::claim(call.db, schedule, advance, call.now).await?;
    Ok(())
}

fn due(schedule: &Schedule, timing: &Timing, members: &[Member], now: Timestamp) -> Due {
    let lateness = Lateness { now, failing_since: schedule.failing_since };
    let caught = |at: Timestamp, agent: Option<&str>| {
        let lot = Lot { schedule: schedule.id.as_str(), agent };
        timing.catch_up(at, lot, schedule.missed, lateness)
    };
    if timing.mode != Mode::PerMachine {
        let Caught { runs, skipped, next } = caught(schedule.next_run_at.unwrap_or(now), None);
        let runs = members.iter().map(|it| (it.agent.0.clone(), runs.clone())).collect();
        return Due { runs, members: None, next, missed: skipped };
    }
    let (mut runs, mut advanced, mut missed) = (Vec::new(), Vec::new(), 0_u32);
    let mut next: Option<Timestamp> = None;
    for member in members {
        let mut own = member.next_run_at;
        if let Some(at) = own.filter(|it| *it <= now) {
            let caught = caught(at, Some(member.agent.as_str()));
            let ran = caught.runs.last().map(|it| it.0);
            own = caught.next;
            missed = missed.saturating_add(caught.skipped);
            advanced.push((own.map(|it| it.0), member.agent.0.clone(), ran));
            runs.push((member.agent.0.clone(), caught.runs));
        }
        next = [next, own].into_iter().flatten().min();
    }
    Due { runs, members: Some(advanced), next, missed }
}

impl Due {
    fn last_run(&self) -> Option<Timestamp> {
        self.runs.iter().filter_map(|(_, runs)| runs.last().copied()).max()
    }

    fn members_json(&self) -> Result<Option<String>, Fault> {
        let json = self.members.as_ref().map(serde_json::to_string).transpose();
        json.map_err(|it| fault::unavailable(&it))
    }
}
