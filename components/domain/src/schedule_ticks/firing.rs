//! What the tasks of a run are made of: prepared before the claim, carried out inside it.

use domain::tasks::{TIME_TO_LIVE, expires_at};
use serde_json::json;
use store::schedules::Schedule;

use super::Due;
use crate::{
    bindings::exports::myrmidon::domain::{
        tasks::NewTest,
        types::{Fault, Json},
    },
    call::{self, Call},
    catalog, fault,
    tasks::payload::Payload,
    transfers,
};

pub(super) struct Prepared {
    pub(super) batch_id: String,
    /// JSON.
    pub(super) common: String,
    /// JSON.
    pub(super) targets: String,
    pub(super) count: u32,
}

/// Or why there can be no tasks now.
pub(super) async fn prepare(
    call: &Call,
    schedule: &Schedule,
    due: &Due,
) -> Result<Result<Prepared, String>, Fault> {
    let test_uuid = &schedule.test_uuid;
    let Some(build) = store::builds::find(call.db, &schedule.org, test_uuid).await? else {
        return Ok(Err(format!("Build metadata not found for test {test_uuid}")));
    };
    let blobs = transfers::open_store().await?;
    if transfers::find(&blobs, &build.sha256, build.size).await?.is_none() {
        return Ok(Err(format!("Binary file not found: {}", build.filename)));
    }
    let mut test = test(schedule);
    catalog::resolve(call, &schedule.org, test_uuid, &mut test.metadata).await?;
    let payload = Payload::test(&test, &build).to_json()?;
    let batch_id = call::sortable_id(call.now);
    let common = json!({
        "at": call.now.0,
        "expires_at": expires_at(call.now, TIME_TO_LIVE).0,
        "ttl_seconds": TIME_TO_LIVE,
        "batch_id": batch_id,
        "os": build.platform.os.as_str(),
        "arch": build.platform.arch.as_str(),
        "payload": payload,
    });
    let each = due.runs.iter().flat_map(|(agent, runs)| runs.iter().map(move |at| (agent, at.0)));
    let targets: Vec<_> =
        each.map(|(agent, at)| (call::sortable_id(call.now), agent, at)).collect();
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let targets = serde_json::to_string(&targets).map_err(|it| fault::unavailable(&it))?;
    Ok(Ok(Prepared { batch_id, common: common.to_string(), targets, count }))
}

fn test(schedule: &Schedule) -> NewTest {
    NewTest {
        agent_ids: Vec::new(),
        test_uuid: schedule.test_uuid.clone(),
        test_name: schedule.test_name.clone(),
        binary_name: schedule.binary_name.clone(),
        execution_timeout: schedule.execution_timeout_seconds,
        arguments: Vec::new(),
        priority: schedule.priority,
        metadata: Json { text: schedule.metadata.clone() },
        target_index: schedule.target_index.clone(),
        max_retries: 0,
    }
}
