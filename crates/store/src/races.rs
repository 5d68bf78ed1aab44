//! Real threads on one file, each with its own connection, as instances have.

use std::{path::PathBuf, thread};

use domain::{
    devices::Presented,
    platform::{Arch, Os, Platform},
    rate_limit::Limit,
    secrets::Digest,
    time::Timestamp,
};

use crate::{
    Db as _, agents::enrollment, devices, fixtures::NOW, native::File, rate_limits, task_queue,
};

const THREADS: usize = 5;

/// A migrated database with a token of three uses, an agent, and three tasks for it.
struct Fleet(PathBuf);

impl Fleet {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("myrmidon-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fleet = Self(folder);
        let db = fleet.open();
        db.migrate(NOW).unwrap();
        for (sql, digest) in [
            ("INSERT INTO enrollment_tokens (id, org_id, digest, max_uses, expires_at, created_at, created_by)
              VALUES ('k1', 'org', ?1, 3, ?2 + 1000, ?2, 'user')", "token"),
            ("INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at, updated_at, key_digest)
              VALUES ('a1', 'org', 'host', 'linux', 'amd64', '1', ?2, ?2, ?2, ?1)", "key"),
            ("INSERT INTO tasks (id, agent_id, org_id, type, payload, execution_timeout_seconds, ttl_seconds, created_at, expires_at, batch_id)
              SELECT value, 'a1', 'org', 'execute_test', '{}', 1, 1, ?2, ?2 + 1000, hex(?1)
                FROM json_each('[\"t1\",\"t2\",\"t3\"]')", "batch"),
        ] {
            block_on(db.query(sql, &[(&Digest::of(digest)).into(), NOW.into()])).unwrap();
        }
        fleet
    }

    fn open(&self) -> File {
        File::open(&self.0.join("fleet.db")).unwrap()
    }

    /// What all of them got, sorted.
    fn race<T: Ord + Send>(&self, work: impl Fn(&File, usize) -> Option<T> + Sync) -> Vec<T> {
        let work = &work;
        let mut got: Vec<T> = thread::scope(|scope| {
            let start = |number| scope.spawn(move || work(&self.open(), number));
            let racing: Vec<_> = (0..THREADS).map(start).collect();
            racing.into_iter().filter_map(|it| it.join().unwrap()).collect()
        });
        got.sort();
        got
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn presented(key: &str) -> Presented {
    Presented { agent: "a1".into(), key: Digest::of(key) }
}

#[test]
fn five_polls_share_three_tasks() {
    let fleet = Fleet::new("polls");
    let tasks = fleet.race(|db, _| {
        let polled = block_on(task_queue::claim(db, &presented("key"), NOW)).unwrap().unwrap();
        polled.task.map(|it| it.0)
    });
    assert_eq!(tasks, ["t1", "t2", "t3"]);
}

#[test]
fn five_machines_share_three_uses() {
    let fleet = Fleet::new("uses");
    let enrolled = fleet.race(|db, number| {
        let id = format!("new-{number}").into();
        let agent = enrollment::NewAgent {
            id: &id,
            hostname: "host",
            platform: Platform { os: Os::Linux, arch: Arch::Arm64 },
            agent_version: "1",
            key: &Digest::of(id.as_str()),
        };
        block_on(enrollment::insert(db, agent, &Digest::of("token"), NOW)).unwrap()
    });
    assert_eq!(enrolled.len(), 3);
}

#[test]
fn five_requests_share_a_budget_of_three() {
    let fleet = Fleet::new("budget");
    let limit = Limit { requests: 3, window_seconds: 60 };
    let left = fleet.race(|db, _| {
        let admitted = block_on(devices::admit(db, &presented("key"), limit, NOW)).unwrap();
        admitted.map(|it| it.budget.remaining)
    });
    assert_eq!(left, [0, 1, 2]);
    let counted = fleet.race(|db, _| {
        let counted = block_on(rate_limits::count(db, "caller", limit, NOW)).unwrap();
        Some((counted.allowed, counted.budget.remaining))
    });
    assert_eq!(counted, [(false, 0), (false, 0), (true, 0), (true, 1), (true, 2)]);
}

#[test]
fn a_key_is_promoted_once() {
    let fleet = Fleet::new("promotion");
    let start = "UPDATE agents SET pending_key_digest = ?1, pending_key_sealed = x'00', rotation_started_at = 0";
    block_on(fleet.open().query(start, &[(&Digest::of("next")).into()])).unwrap();
    let promoted = fleet.race(|db, _| {
        let expires = Timestamp(NOW.0 + 1);
        block_on(devices::record_promotion(db, &presented("next"), expires, NOW))
            .unwrap()
            .then_some(())
    });
    assert_eq!(promoted.len(), 1);
}
