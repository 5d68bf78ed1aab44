//! The life of one task under everything that may happen to it, in any order.
//!
//! Each event runs the statement that serves it; none may undo what an agent's result or a person decided.

use domain::{
    ids::{OrgId, TaskId},
    tasks::{EndedBy, Report, TaskStatus, Verdict},
    time::{Span, Timestamp},
};
use proptest::prelude::*;

use super::{claim, reports};
use crate::{
    fixtures::{NOW, agent, cancel, device, run, task},
    native::Memory,
    tasks::{Task, find, sweeps},
};

#[derive(Debug, Clone, Copy)]
enum Event {
    Wait(i64),
    Poll,
    Report(Report),
    Cancel,
    Expire,
    FailStale,
    FailOverdue,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let report = prop_oneof![
        Just(Report::Status(TaskStatus::Downloading)),
        Just(Report::Status(TaskStatus::Executing)),
        Just(Report::Status(TaskStatus::Failed)),
        Just(Report::Result),
    ];
    let event = prop_oneof![
        1 => prop::sample::select(vec![10, 200, 400, 86_400]).prop_map(Event::Wait),
        2 => Just(Event::Poll),
        6 => report.prop_map(Event::Report),
        1 => prop::sample::select(vec![Event::Cancel, Event::Expire, Event::FailStale, Event::FailOverdue]),
    ];
    prop::collection::vec(event, 1..16)
}

struct Life {
    db: Memory,
    now: Timestamp,
}

impl Life {
    async fn begin() -> Self {
        let db = Memory::migrated();
        agent(&db, "key").await;
        task(&db, "t1", "pending").await;
        Self { db, now: NOW }
    }

    async fn look(&self) -> Task {
        find(&self.db, &OrgId::from("org"), &TaskId::from("t1")).await.unwrap().unwrap()
    }

    async fn happen(&mut self, event: Event) {
        let (db, now) = (&self.db, self.now);
        // Budgets and presence are not the point here.
        run(db, "UPDATE agents SET budget_used = 0, results_used = 0", &[]).await;
        match event {
            Event::Wait(seconds) => self.now = now + Span::seconds(seconds),
            Event::Poll => drop(claim(db, &device("key"), now).await.unwrap().unwrap()),
            Event::Report(report) => self.report(report).await,
            Event::Cancel => {
                cancel(db).await;
            }
            Event::Expire => drop(sweeps::expire(db, now, 9).await.unwrap()),
            Event::FailStale => drop(sweeps::fail_stale(db, now, 9).await.unwrap()),
            Event::FailOverdue => drop(sweeps::fail_overdue(db, now, 9).await.unwrap()),
        }
    }

    /// Records what the domain says is to be recorded, and nothing else.
    async fn report(&self, report: Report) {
        let (db, device, id) = (&self.db, device("key"), TaskId::from("t1"));
        let expected = self.look().await.state().judge(report) == Verdict::Recorded;
        let recorded = match report {
            Report::Result => reports::record_result(db, &device, &id, "{}", self.now).await,
            Report::Status(TaskStatus::Failed) => {
                reports::record_failure(db, &device, &id, Some("why"), self.now).await
            }
            Report::Status(to) => reports::record_progress(db, &device, &id, to, self.now).await,
        };
        assert_eq!(recorded.unwrap().is_some(), expected);
    }
}

async fn live(events: Vec<Event>) {
    let mut life = Life::begin().await;
    let mut before = life.look().await;
    for event in events {
        life.happen(event).await;
        let after = life.look().await;
        let settled = matches!(before.ended_by, Some(EndedBy::Result | EndedBy::Person));
        assert!(!settled || before == after, "{event:?} changed {before:?}");
        assert!(!before.status.has_ended() || after.status.has_ended(), "{event:?} revived");
        assert!(before.result.is_none() || after.result.is_some(), "{event:?} lost a result");
        assert_eq!(after.late, after.late && after.ended_by == Some(EndedBy::Result));
        before = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_undoes_a_result_or_a_persons_decision(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(events));
    }
}
