//! Ticks: what is due is claimed and run, one statement per schedule (D-54). A server that dies in
//! between has either done all of a run or nothing of it. What one schedule fails at does not keep the
//! others.

mod due;
mod firing;

use domain::{
    ids::ScheduleId,
    schedules::{RETRIED_FOR, ScheduleType},
    time::Span,
};
use store::schedules::{Schedule, members, ticks};

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
use due::Due;
use firing::Prepared;

/// Schedules that are read at once.
const PAGE: u32 = 50;
/// A tick leaves the rest to the next one after this.
const PATIENCE: Span = Span::seconds(20);

const MISSED: &str = "The run was missed and its policy let it go";
const NOBODY: &str = "No agent is left to run it";
const BROKEN: &str = "The run could not be made and is tried again";

impl Guest for Component {
    async fn tick(limit: u32) -> Result<Ticked, Fault> {
        let call = Call::begin()?;
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
                let (id, outcome) = match schedule {
                    Ok(it) => (it.id.clone(), run(&call, &it, &mut done).await),
                    Err(unreadable) => (unreadable.id, Err(unreadable.source.into())),
                };
                if outcome.is_err() {
                    put_off(&call, &id, &mut done).await?;
                }
            }
        }
        done.remaining = !ticks::list_due(call.db, call.now, 1).await?.is_empty();
        Ok(done)
    }
}

/// What went wrong is in the log already; here is whose it was. Fails when not even that can be noted.
async fn put_off(call: &Call, id: &ScheduleId, done: &mut Ticked) -> Result<(), Fault> {
    fault::warn(&format!("the run of schedule {id} failed and is put off"));
    done.failed += 1;
    Ok(ticks::record_fault(call.db, id, BROKEN, call.now).await?)
}

async fn run(call: &Call, schedule: &Schedule, done: &mut Ticked) -> Result<(), Fault> {
    let timing = match timing::of(schedule) {
        Ok(timing) => timing,
        Err(error) => return fail(call, schedule, None, &error.to_string(), done).await,
    };
    let members = members(call.db, &schedule.id).await?;
    let due = Due::of(schedule, &timing, &members, call.now);
    if due.is_idle() {
        return let_go(call, schedule, &due, done).await;
    }
    match firing::prepare(call, schedule, &due).await? {
        Ok(prepared) => fire(call, schedule, &due, &prepared, done).await,
        Err(reason) => fail(call, schedule, Some(due), &reason, done).await,
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
        error: due.end(schedule.kind),
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

/// Nothing of it shall run, or nobody is there to. A single run that ends so says why. Of machines with
/// their own times nobody ran.
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
        occurrence: schedule.next_run_at.filter(|_| due.missed == 0 && !due.is_per_machine()),
        next: due.next.filter(|_| !is_once),
        members: members.as_deref(),
        skipped: due.missed,
        firing: None,
        error: if is_once {
            Some(reason)
        } else {
            due.end(schedule.kind).or(schedule.last_error.as_deref())
        },
        completes: is_once,
    };
    if ticks::claim(call.db, schedule, advance, call.now).await? {
        done.processed += 1;
        done.missed += due.missed;
    }
    Ok(())
}

/// Tries again at later ticks; after an hour the occurrence is given up, its reason kept (D-55). Of
/// machines with their own times those give up that have waited for an hour.
async fn fail(
    call: &Call,
    schedule: &Schedule,
    due: Option<Due>,
    reason: &str,
    done: &mut Ticked,
) -> Result<(), Fault> {
    let oldest = call.now - RETRIED_FOR;
    let is_over = schedule.failing_since.is_some_and(|it| it <= oldest);
    let given_up = due.map(|it| it.give_up(oldest));
    if !is_over || given_up.as_ref().is_some_and(|it| it.missed == 0) {
        ticks::record_failure(call.db, schedule, reason, call.now).await?;
        done.failed += 1;
        return Ok(());
    }
    let is_once = schedule.kind == ScheduleType::Once;
    let members = given_up.as_ref().map(Due::members_json).transpose()?.flatten();
    let advance = ticks::Advance {
        occurrence: None,
        next: given_up.as_ref().and_then(|it| it.next).filter(|_| !is_once),
        members: members.as_deref(),
        skipped: given_up.as_ref().map_or(1, |it| it.missed),
        firing: None,
        error: Some(reason),
        completes: is_once,
    };
    ticks::claim(call.db, schedule, advance, call.now).await?;
    done.failed += 1;
    Ok(())
}
