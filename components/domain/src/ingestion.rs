//! From a completed test to the rows that analytics read: at once where that is cheap, later otherwise.
//!
//! The agent that reports never learns whether it worked: its result is safe in the task, and whoever
//! comes next tries again.

mod decoding;
mod rows;

use domain::{
    ids::OrgId,
    results::documents::Documents,
    tasks::{TaskStatus, TaskType},
    time::{Span, Timestamp},
};
use store::{
    audit::Entry,
    results::{self, Batch, Unstored},
    tasks::Task,
};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        ingestion::{Guest, Tally},
        types::Fault,
    },
    call::{self, Call},
    fault,
};

/// Documents that are stored while an agent waits; a bundle with more is left to the next run.
const MOST_AT_ONCE: usize = 200;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("result of task {task} is not stored")]
    Unreadable { task: String, source: serde_json::Error },
    #[error("result of task {task} is not stored")]
    Unstored { task: String, source: store::Error },
}

impl Guest for Component {
    async fn run(limit: u32, seconds: u32) -> Result<Tally, Fault> {
        let call = Call::begin()?;
        let end = call.now + Span::seconds(seconds.into());
        run(&call, None, None, limit, end).await
    }
}

/// Stores results of one organisation or of all, the oldest first, each apart from the others, as long
/// as it is not `end`.
///
/// The entry of whoever asked for it goes with the first one.
pub(crate) async fn run(
    call: &Call,
    org: Option<&OrgId>,
    mut audit: Option<Entry>,
    limit: u32,
    end: Timestamp,
) -> Result<Tally, Fault> {
    let mut tally = Tally { attempted: 0, succeeded: 0, failed: 0, given_up: 0 };
    while tally.attempted < limit && call::now() < end {
        let Some(task) = results::claim(call.db, org, audit.as_ref(), call.now).await? else {
            break;
        };
        audit = None;
        tally.attempted += 1;
        match documents(&task) {
            Ok(documents) => count(&mut tally, store(call, &task, &documents).await),
            Err(failed) => count(&mut tally, Err(failed)),
        }
    }
    tally.given_up = results::count_given_up(call.db, org).await?;
    Ok(tally)
}

fn count(tally: &mut Tally, outcome: Result<(), Failed>) {
    match outcome {
        Ok(()) => tally.succeeded += 1,
        Err(failed) => {
            fault::log(&failed);
            tally.failed += 1;
        }
    }
}

/// The first attempt, right after the result was recorded.
pub(crate) async fn attempt(call: &Call, task: &Task) {
    if task.kind != TaskType::ExecuteTest || task.status != TaskStatus::Completed || task.ingested {
        return;
    }
    let task = Unstored::from(task);
    let outcome = match documents(&task) {
        Ok(documents) if documents.each.len() > MOST_AT_ONCE => return,
        Ok(documents) => store(call, &task, &documents).await,
        Err(failed) => Err(failed),
    };
    if let Err(failed) = outcome {
        fault::log(&failed);
        if let Err(error) = results::record_attempt(call.db, &task.task, call.now).await {
            fault::log(&error);
        }
    }
}

fn documents(task: &Unstored) -> Result<Documents, Failed> {
    let unreadable = |source| Failed::Unreadable { task: task.task.0.clone(), source };
    let assignment = decoding::assignment(task).map_err(unreadable)?;
    let report = decoding::report(&task.result).map_err(unreadable)?;
    Ok(assignment.documents(&report))
}

async fn store(call: &Call, task: &Unstored, documents: &Documents) -> Result<(), Failed> {
    let json = rows::Json::of(documents)
        .map_err(|source| Failed::Unreadable { task: task.task.0.clone(), source })?;
    let bundle = documents.bundle.as_ref();
    let batch = Batch {
        task: &task.task,
        org: &task.org,
        agent: &task.agent,
        event_at: documents.event_at,
        hostname: &documents.hostname,
        threat_actor: &documents.threat_actor,
        complexity: &documents.complexity,
        score: documents.score,
        target: &json.target,
        tags: &json.tags,
        target_index: documents.target_index.as_deref(),
        bundle_id: bundle.map(|it| it.id.as_str()),
        bundle_name: bundle.map(|it| it.name.as_str()),
        tenant_label: bundle.and_then(|it| it.tenant_label),
        documents: &json.documents,
    };
    match results::record(call.db, batch, call.now).await {
        Ok(_) => Ok(()),
        Err(source) => Err(Failed::Unstored { task: task.task.0.clone(), source }),
    }
}
