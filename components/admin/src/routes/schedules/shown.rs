//! A schedule as clients see it (fleet.md §4.8), and what we add to it after that.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use web::contract::{Json, Timestamp};

use crate::bindings::myrmidon::domain::schedules::{
    MissedRunPolicy, Schedule, ScheduleStatus, ScheduleType,
};

#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    id: String,
    name: Option<String>,
    agent_ids: Vec<String>,
    org_id: String,
    test_uuid: String,
    test_name: String,
    binary_name: String,
    execution_timeout: u32,
    priority: u8,
    metadata: Json,
    schedule_type: ScheduleType,
    schedule_config: Json,
    timezone: String,
    next_run_at: Option<Timestamp>,
    last_run_at: Option<Timestamp>,
    status: ScheduleStatus,
    created_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    target_index: Option<String>,
    agent_next_runs: Option<Times>,
    missed_run_policy: MissedRunPolicy,
    missed_run_window_seconds: u32,
    blackout_windows: Json,
    skipped_runs: u32,
    last_skipped_at: Option<Timestamp>,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
}

/// Agents and their own times, as an object.
pub(super) struct Times(pub(super) Vec<(String, Timestamp)>);

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(agent, at)| (agent, at)))
    }
}

impl JsonSchema for Times {
    fn schema_name() -> Cow<'static, str> {
        "Times".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Timestamp>::json_schema(generator)
    }
}

impl From<Schedule> for Shown {
    fn from(it: Schedule) -> Self {
        Self {
            id: it.id,
            name: it.name,
            agent_ids: it.agent_ids,
            org_id: it.org_id,
            test_uuid: it.test_uuid,
            test_name: it.test_name,
            binary_name: it.binary_name,
            execution_timeout: it.execution_timeout,
            priority: it.priority,
            metadata: it.metadata,
            schedule_type: it.schedule_type,
            schedule_config: it.schedule_config,
            timezone: it.timezone,
            next_run_at: it.next_run_at,
            last_run_at: it.last_run_at,
            status: it.status,
            created_by: it.created_by,
            created_at: it.created_at,
            updated_at: it.updated_at,
            target_index: it.target_index,
            agent_next_runs: it.agent_next_runs.map(Times),
            missed_run_policy: it.missed_run_policy,
            missed_run_window_seconds: it.missed_run_window_seconds,
            blackout_windows: it.blackout_windows,
            skipped_runs: it.skipped_runs,
            last_skipped_at: it.last_skipped_at,
            last_error: it.last_error,
            last_error_at: it.last_error_at,
        }
    }
}
