//! What has become due of a schedule: decided on values, machine by machine where they have their own
//! times.

use domain::{
    schedules::{Caught, Lateness, Lot, Mode, Patience, ScheduleType, Timing},
    time::Timestamp,
};
use store::schedules::{Member, Schedule};

use crate::{bindings::exports::myrmidon::domain::types::Fault, fault};

const ENDED: &str = "No run is left outside the blackout windows";
const ENDED_FOR_SOME: &str = "An agent has no run left outside the blackout windows";

pub(super) struct Due {
    /// Agents and the occurrences they run now.
    pub(super) runs: Vec<(String, Vec<Timestamp>)>,
    pub(super) next: Option<Timestamp>,
    /// Occurrences that are let go.
    pub(super) missed: u32,
    machines: Option<Machines>,
}

/// Where machines have their own times.
struct Machines {
    /// Of those that are due, in the order of the runs.
    turns: Vec<Turn>,
    /// The next run of the others.
    others: Option<Timestamp>,
    /// Whether one will not run again.
    is_one_ended: bool,
}

struct Turn {
    agent: String,
    /// Since when it is due.
    since: Timestamp,
    next: Option<Timestamp>,
    /// The occurrence that it runs now.
    ran: Option<Timestamp>,
    /// Occurrences of its own that are let go.
    missed: u32,
}

impl Due {
    pub(super) fn of(
        schedule: &Schedule,
        timing: &Timing,
        members: &[Member],
        now: Timestamp,
    ) -> Self {
        let lateness = Lateness { now, failing_since: schedule.failing_since };
        let mut patience = Patience::of_a_tick();
        let mut caught = |at: Timestamp, agent: Option<&str>| {
            let lot = Lot { schedule: schedule.id.as_str(), agent };
            timing.catch_up(at, lot, schedule.missed, lateness, &mut patience)
        };
        if timing.mode != Mode::PerMachine {
            let Caught { runs, skipped, next } = caught(schedule.next_run_at.unwrap_or(now), None);
            let runs = members.iter().map(|it| (it.agent.0.clone(), runs.clone())).collect();
            return Self { runs, next, missed: skipped, machines: None };
        }
        let (mut runs, mut turns) = (Vec::new(), Vec::new());
        let (mut others, mut is_one_ended) = (None, false);
        for member in members {
            let Some(since) = member.next_run_at.filter(|it| *it <= now) else {
                is_one_ended |= member.next_run_at.is_none();
                others = earliest(others, member.next_run_at);
                continue;
            };
            let agent = member.agent.0.clone();
            let caught = caught(since, Some(&agent));
            is_one_ended |= caught.next.is_none();
            turns.push(Turn {
                agent: agent.clone(),
                since,
                next: caught.next,
                ran: caught.runs.last().copied(),
                missed: caught.skipped,
            });
            runs.push((agent, caught.runs));
        }
        Self::of_machines(runs, Machines { turns, others, is_one_ended })
    }

    fn of_machines(runs: Vec<(String, Vec<Timestamp>)>, machines: Machines) -> Self {
        let Machines { turns, others, .. } = &machines;
        Self {
            runs,
            next: turns.iter().fold(*others, |next, it| earliest(next, it.next)),
            missed: turns.iter().fold(0, |missed, it| missed.saturating_add(it.missed)),
            machines: Some(machines),
        }
    }

    /// Instead of running: what became due up to `oldest` is let go. Machines that became due since then
    /// stay so.
    pub(super) fn give_up(self, oldest: Timestamp) -> Self {
        let count = |runs: &[Timestamp]| u32::try_from(runs.len()).unwrap_or(u32::MAX);
        let Some(machines) = self.machines else {
            // Who shares a time shares its occurrences, too; without anybody it is one all the same.
            let runs = self.runs.first().map_or(1, |(_, runs)| count(runs));
            let missed = self.missed.saturating_add(runs).max(1);
            return Self { runs: Vec::new(), next: self.next, missed, machines: None };
        };
        let (mut turns, mut others) = (Vec::new(), machines.others);
        for (turn, (_, runs)) in machines.turns.into_iter().zip(&self.runs) {
            if turn.since > oldest {
                others = earliest(others, Some(turn.since));
                continue;
            }
            let missed = turn.missed.saturating_add(count(runs));
            turns.push(Turn { ran: None, missed, ..turn });
        }
        Self::of_machines(Vec::new(), Machines { turns, others, ..machines })
    }

    /// Whether nothing of it runs.
    pub(super) fn is_idle(&self) -> bool {
        self.runs.iter().all(|(_, runs)| runs.is_empty())
    }

    pub(super) const fn is_per_machine(&self) -> bool {
        self.machines.is_some()
    }

    pub(super) fn last_run(&self) -> Option<Timestamp> {
        self.runs.iter().filter_map(|(_, runs)| runs.last().copied()).max()
    }

    /// Why a schedule that recurs will not run again, or not on every machine.
    pub(super) fn end(&self, kind: ScheduleType) -> Option<&'static str> {
        let ended = match &self.machines {
            None => self.next.is_none().then_some(ENDED),
            Some(it) => it.is_one_ended.then_some(ENDED_FOR_SOME),
        };
        ended.filter(|_| kind != ScheduleType::Once)
    }

    /// `[next run, agent, occurrence that ran]` of each machine that was due, instants in Unix
    /// milliseconds.
    pub(super) fn members_json(&self) -> Result<Option<String>, Fault> {
        let tuple = |it: &Turn| (it.next.map(|it| it.0), it.agent.clone(), it.ran.map(|it| it.0));
        let tuples = |it: &Machines| it.turns.iter().map(tuple).collect::<Vec<_>>();
        let json = self.machines.as_ref().map(|it| serde_json::to_string(&tuples(it)));
        json.transpose().map_err(|it| fault::unavailable(&it))
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}
