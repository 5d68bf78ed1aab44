//! Rows of the application's database: to look at what nobody is told, and to let time pass.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Params, types::FromSql};
use serde_json::Value;

/// The file of one state directory.
#[derive(Debug, Clone)]
pub struct Database(PathBuf);

impl Database {
    pub fn in_state(directory: &Path) -> Self {
        Self(directory.join("sqlite_db.db"))
    }

    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(&self.0).expect("the database opens");
        connection.busy_timeout(Duration::from_secs(10)).expect("a time-out is accepted");
        connection
    }

    /// Returns the number of rows changed.
    #[track_caller]
    pub fn execute(&self, sql: &str, params: impl Params) -> usize {
        self.connect().execute(sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one value of the one row.
    #[track_caller]
    pub fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> T {
        let row = self.connect().query_row(sql, params, |row| row.get(0));
        row.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub fn count(&self, table: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {table}"), [])
    }

    /// A column of JSON text.
    #[track_caller]
    pub fn json(&self, sql: &str, params: impl Params) -> Value {
        let text: String = self.value(sql, params);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{sql}: {error}: {text}"))
    }

    /// Kinds and details of an agent's events, oldest first.
    pub fn events(&self, agent_id: &str) -> Vec<(String, Value)> {
        let connection = self.connect();
        let sql = "SELECT event_type, details FROM agent_events WHERE agent_id = ?1 ORDER BY id";
        let mut statement = connection.prepare(sql).expect("events have a kind and details");
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
        let rows = statement.query_map([agent_id], read).expect("events can be read");
        let parse = |details: String| serde_json::from_str(&details).expect("details are JSON");
        rows.map(|row| row.expect("an event can be read"))
            .map(|(kind, it)| (kind, parse(it)))
            .collect()
    }

    /// Lets time pass for one task: every instant of its row moves into the past.
    pub fn age_task(&self, id: &str, by: Duration) {
        let sql = "UPDATE tasks SET created_at = created_at - ?2, expires_at = expires_at - ?2,
                          assigned_at = assigned_at - ?2, overdue_at = overdue_at - ?2,
                          completed_at = completed_at - ?2
                    WHERE id = ?1";
        assert_eq!(self.execute(sql, (id, millis(by))), 1, "no task {id}");
    }

    /// Lets time pass for one agent: its silence, its budgets, its rotation.
    pub fn age_agent(&self, id: &str, by: Duration) {
        let sql = "UPDATE agents SET last_heartbeat_at = last_heartbeat_at - ?2,
                          budget_started_at = budget_started_at - ?2,
                          results_started_at = results_started_at - ?2,
                          rotation_started_at = rotation_started_at - ?2,
                          previous_key_expires_at = previous_key_expires_at - ?2,
                          offline_at = offline_at - ?2, rejected_since = rejected_since - ?2,
                          polled_at = polled_at - ?2
                    WHERE id = ?1";
        assert_eq!(self.execute(sql, (id, millis(by))), 1, "no agent {id}");
        // Its history took the move for a heartbeat.
        let sql = "DELETE FROM heartbeat_history WHERE agent_id = ?1
                      AND recorded_at = (SELECT last_heartbeat_at FROM agents WHERE id = ?1)";
        self.execute(sql, [id]);
    }

    /// Lets time pass for one schedule: what is to come comes sooner.
    pub fn age_schedule(&self, id: &str, by: Duration) {
        let sql = "UPDATE schedules SET next_run_at = next_run_at - ?2, failing_since = failing_since - ?2,
                          retry_at = retry_at - ?2, last_run_at = last_run_at - ?2
                    WHERE id = ?1";
        assert_eq!(self.execute(sql, (id, millis(by))), 1, "no schedule {id}");
        let sql =
            "UPDATE schedule_agents SET next_run_at = next_run_at - ?2 WHERE schedule_id = ?1";
        self.execute(sql, (id, millis(by)));
    }

    /// Makes one schedule due since that long ago.
    pub fn make_due(&self, id: &str, since: Duration) {
        let now = jiff::Timestamp::now().as_millisecond();
        let sql = "UPDATE schedules SET next_run_at = ?2 WHERE id = ?1";
        assert_eq!(self.execute(sql, (id, now - millis(since))), 1, "no schedule {id}");
    }

    /// Lets every budget's window end.
    pub fn end_windows(&self) {
        self.execute("DELETE FROM rate_limits", []);
        self.execute("UPDATE agents SET budget_used = 0, results_used = 0", []);
        self.execute("UPDATE api_keys SET budget_used = 0", []);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("tests think in days, not in ages")
}
