//! A small fleet for the tests of this crate, and what they ask of it.

use std::sync::{Mutex, PoisonError};

use domain::{
    devices::Presented,
    enrollment::Allowance,
    secrets::Digest,
    time::{Span, Timestamp},
};

use crate::{
    Db, Error, Row, Value,
    audit::Entry,
    enrollment_tokens::{self, Token},
    native::Memory,
    tasks::record_cancellation,
};

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The agent `a1` of `org`, presenting this key.
pub(crate) fn device(key: &str) -> Presented {
    Presented { agent: "a1".into(), key: Digest::of(key) }
}

/// Inserts the agent `a1` of `org`, on linux/amd64, with this key.
pub(crate) async fn agent(db: &Memory, key: &str) {
    other_agent(db, "a1", "org", key).await;
}

pub(crate) async fn other_agent(db: &Memory, id: &str, org: &str, key: &str) {
    run(
        db,
        "INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at, updated_at, key_digest)
         VALUES (?1, ?2, 'host-' || ?1, 'linux', 'amd64', '1.0.0', ?3, ?3, ?3, ?4)",
        &[id.into(), org.into(), NOW.into(), (&Digest::of(key)).into()],
    )
    .await;
}

/// The token `k1` of `org` with the secret `secret`, good for an hour.
pub(crate) async fn token(db: &Memory, max_uses: u32) {
    let token = Token {
        id: "k1".into(),
        org: "org".into(),
        allowance: Allowance { expires_at: NOW + Span::hours(1), max_uses, use_count: 0 },
        metadata: "{}".to_owned(),
        created_at: NOW,
        created_by: "user".into(),
    };
    let digest = Digest::of("secret");
    enrollment_tokens::insert(db, &token, &digest, &entry("token.create")).await.unwrap();
}

/// Something that `user` does now.
pub(crate) fn entry(action: &'static str) -> Entry {
    Entry {
        at: NOW,
        actor: "user".to_owned(),
        address: "192.0.2.1".to_owned(),
        request_id: "r1".to_owned(),
        action,
        details: None,
    }
}

/// Sets one column of `a1`.
pub(crate) async fn update_agent(db: &Memory, column: &str, value: impl Into<Value>) {
    let sql = format!("UPDATE agents SET {column} = ?1 WHERE id = 'a1'");
    run(db, &sql, &[value.into()]).await;
}

/// A rotation of `a1` to this key, as it waits for the agent.
pub(crate) async fn start_rotation(db: &Memory, key: &str) {
    run(
        db,
        "UPDATE agents
            SET pending_key_digest = ?1, pending_key_sealed = x'00', rotation_started_at = ?2
          WHERE id = 'a1'",
        &[(&Digest::of(key)).into(), NOW.into()],
    )
    .await;
}

/// A task of `a1`, created `NOW`, that may run for 300 s and waits for a day.
pub(crate) async fn task(db: &Memory, id: &str, status: &str) {
    task_of(db, id, "a1", status).await;
}

pub(crate) async fn task_of(db: &Memory, id: &str, agent: &str, status: &str) {
    task_in(db, id, agent, status, "b1", NOW).await;
}

pub(crate) async fn task_in(
    db: &Memory,
    id: &str,
    agent: &str,
    status: &str,
    batch: &str,
    created_at: Timestamp,
) {
    run(
        db,
        "INSERT INTO tasks (id, agent_id, org_id, type, status, ended_by, payload, execution_timeout_seconds,
                            ttl_seconds, created_at, expires_at, batch_id)
         SELECT ?1, id, org_id, 'execute_test', ?3, iif(?3 IN ('completed', 'failed', 'expired'), 'result', NULL),
                '{\"test_uuid\":\"u1\",\"test_name\":\"LSASS read\"}', 300, 86400, ?4, ?4 + 86400000, ?5
           FROM agents WHERE id = ?2",
        &[id.into(), agent.into(), status.into(), created_at.into(), batch.into()],
    )
    .await;
}

/// What a person of `org` does to `t1`; `false` when it had ended.
pub(crate) async fn cancel(db: &Memory) -> bool {
    let entry = entry("task.cancel");
    let cancelled = record_cancellation(db, &"org".into(), &"t1".into(), &entry).await;
    cancelled.unwrap().is_some()
}

pub(crate) async fn run(db: &impl Db, sql: &str, params: &[Value]) -> Vec<Row> {
    db.query(sql, params).await.unwrap()
}

/// The first column of the first row.
pub(crate) async fn integer(db: &Memory, sql: &str) -> Option<i64> {
    let mut row = run(db, sql, &[]).await.swap_remove(0);
    if row.is_null(0) { None } else { Some(row.integer(0).unwrap()) }
}

/// The first column of the first row.
pub(crate) async fn text(db: &Memory, sql: &str) -> Option<String> {
    run(db, sql, &[]).await.swap_remove(0).optional_text(0).unwrap()
}

/// The types of all events, oldest first.
pub(crate) async fn events(db: &Memory) -> Vec<String> {
    let rows = run(db, "SELECT event_type FROM agent_events ORDER BY id", &[]).await;
    rows.into_iter().map(|mut row| row.text(0).unwrap()).collect()
}

/// The details of the last event.
pub(crate) async fn last_details(db: &Memory) -> String {
    let sql = "SELECT details FROM agent_events ORDER BY id DESC LIMIT 1";
    text(db, sql).await.unwrap()
}

/// How the database would run what `work` asks of it, triggers included.
pub(crate) async fn plan(work: impl AsyncFnOnce(&Planner)) -> Planner {
    let planner = Planner { db: Memory::explaining_triggers(), steps: Mutex::default() };
    work(&planner).await;
    planner
}

/// Explains each statement instead of running it.
pub(crate) struct Planner {
    db: Memory,
    steps: Mutex<Vec<String>>,
}

impl Db for Planner {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let rows = self.db.query(&format!("EXPLAIN QUERY PLAN {sql}"), params).await?;
        // What a foreign key does by itself has no name.
        let steps = rows.into_iter().filter_map(|mut row| row.optional_text(3).unwrap());
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).extend(steps);
        Ok(Vec::new())
    }
}

impl Planner {
    fn steps(&self) -> Vec<String> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[track_caller]
    pub(crate) fn uses(&self, index: &str) -> &Self {
        let steps = self.steps();
        let named = |step: &String| step.split(' ').any(|word| word == index);
        assert!(steps.iter().any(named), "{index} is not used: {steps:#?}");
        self
    }

    /// In how many steps these words are.
    pub(crate) fn times(&self, words: &str) -> usize {
        self.steps().iter().filter(|it| it.contains(words)).count()
    }

    /// Finds rows of a table that grows by more than whose they are, and walks none. For statements
    /// that end with all they read: a page, which ends earlier, may begin at the organisation's first.
    #[track_caller]
    pub(crate) fn never_reads_an_organisation(&self) -> &Self {
        let steps = self.steps();
        assert!(!steps.is_empty(), "nothing was asked");
        let small = ["agent_counts", "task_counts", "fleet_scores", "audit_heads"];
        let reads = |step: &&String| {
            let whole = step.ends_with("(org_id=?)") && step.starts_with("SEARCH ");
            (whole || step.starts_with("SCAN tasks") || step.starts_with("SCAN agents"))
                && !small.iter().any(|it| step.split(' ').any(|word| word == *it))
        };
        assert_eq!(steps.iter().find(reads), None, "in {steps:#?}");
        self
    }

    /// Neither walks a table or a whole index nor sorts.
    #[track_caller]
    pub(crate) fn never_scans(&self) -> &Self {
        let steps = self.steps();
        assert!(!steps.is_empty(), "nothing was asked");
        let walks = |step: &&String| {
            // The organisations are a list that the index is asked for, one by one.
            // And what is about to change was looked up before it is walked.
            let of_values = [
                "VIRTUAL TABLE",
                "CONSTANT ROW",
                "(subquery",
                "SCAN organisations",
                "SCAN changing",
            ];
            (step.starts_with("SCAN ") && !of_values.iter().any(|it| step.contains(it)))
                || step.contains("TEMP B-TREE")
        };
        assert_eq!(steps.iter().find(walks), None, "in {steps:#?}");
        self
    }
}
