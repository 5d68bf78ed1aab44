//! What an agent reports of its own task: authentication, budget, guard and change in one statement.
//!
//! `None` means that the common case did not hold, whichever part of it: the caller asks
//! [`crate::devices`] and then the task itself. The request is counted by a trigger, from the values
//! that the statement computed.

use domain::{
    devices::Presented,
    ids::{AgentId, TaskId},
    rate_limit::{Budget, DEVICE, Limit, RESULTS},
    tasks::{DOWNLOAD_ALLOWANCE, REPORTING_ALLOWANCE, TaskStatus},
    time::Timestamp,
};

use crate::{
    Db, Error, Row, Value,
    devices::{
        Admitted, authenticated, budget, decode_admitted, guard, within_budget,
        within_results_budget,
    },
    tasks::{BEYOND, Task, decode, task_columns},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub task: Task,
    pub budget: Budget,
}

/// The request as it will be counted by the trigger.
macro_rules! counted_by_trigger {
    () => {
        "report_used      = iif(agents.budget_started_at > ?4, agents.budget_used + 1, 1),
         report_window_at = iif(agents.budget_started_at > ?4, agents.budget_started_at, ?3)"
    };
}

macro_rules! returned {
    () => {
        concat!(" RETURNING ", task_columns!(), ", tasks.report_used, tasks.report_window_at")
    };
}

/// The agent goes on with its task: `Downloading` or `Executing`. Saying so again changes nothing.
pub async fn record_progress(
    db: &impl Db,
    device: &Presented,
    id: &TaskId,
    status: TaskStatus,
    now: Timestamp,
) -> Result<Option<Reported>, Error> {
    let mut params = guard(device, DEVICE, now);
    params.extend([
        id.into(),
        status.as_str().into(),
        DOWNLOAD_ALLOWANCE.into(),
        REPORTING_ALLOWANCE.into(),
    ]);
    let sql = concat!(
        "UPDATE tasks
            SET status = ?7,
                overdue_at = CASE WHEN tasks.status = ?7 THEN tasks.overdue_at
                                  WHEN ?7 = 'downloading' THEN ?3 + ?8 + ?9
                                  ELSE ?3 + tasks.execution_timeout_seconds * 1000 + ?9 END, ",
        counted_by_trigger!(),
        " FROM agents
          WHERE tasks.id = ?6 AND tasks.agent_id = agents.id
            AND (tasks.status IN ('assigned', 'downloading') OR tasks.status = 'executing' AND ?7 = 'executing')
            AND ",
        authenticated!(),
        " AND ",
        within_budget!(),
        returned!()
    );
    record(db, sql, &params, DEVICE, now).await
}

/// The agent gave up, and maybe says why (D-30).
pub async fn record_failure(
    db: &impl Db,
    device: &Presented,
    id: &TaskId,
    error: Option<&str>,
    now: Timestamp,
) -> Result<Option<Reported>, Error> {
    let mut params = guard(device, DEVICE, now);
    params.extend([id.into(), error.into()]);
    let sql = concat!(
        "UPDATE tasks
            SET status = 'failed', ended_by = 'report', completed_at = ?3, overdue_at = NULL,
                result = iif(?7 IS NULL, tasks.result,
                             json_object('error', ?7, 'exit_code', -1, 'stdout', '', 'stderr', ?7,
                                         'execution_duration_ms', 0)), ",
        counted_by_trigger!(),
        " FROM agents
          WHERE tasks.id = ?6 AND tasks.agent_id = agents.id
            AND tasks.status IN ('assigned', 'downloading', 'executing')
            AND ",
        authenticated!(),
        " AND ",
        within_budget!(),
        returned!()
    );
    record(db, sql, &params, DEVICE, now).await
}

/// The agent's result: once, from a running task or one that only we gave up (D-48).
///
/// Which task, test and machine it is about stands in our rows, not in the body (D-26, D-31).
pub async fn record_result(
    db: &impl Db,
    device: &Presented,
    id: &TaskId,
    body: &str,
    now: Timestamp,
) -> Result<Option<Reported>, Error> {
    let mut params = guard(device, RESULTS, now);
    params.extend([id.into(), body.into()]);
    let sql = concat!(
        "UPDATE tasks
            SET status = 'completed', ended_by = 'result', completed_at = ?3, overdue_at = NULL,
                late = tasks.status IN ('failed', 'expired'),
                result = json_set(?7,
                  '$.task_id',   tasks.id,
                  '$.test_uuid', coalesce(json_extract(tasks.payload, '$.test_uuid'), ''),
                  '$.hostname',  coalesce(nullif(json_extract(?7, '$.hostname'), ''), agents.hostname),
                  '$.os',        coalesce(nullif(json_extract(?7, '$.os'), ''), agents.os),
                  '$.arch',      coalesce(nullif(json_extract(?7, '$.arch'), ''), agents.arch)),
                -- Room for the attempt to store it, which mostly follows at once: were the row to change
                -- its size then, all of the result would be written twice. Nobody is shown it before.
                last_ingest_attempt_at = iif(tasks.type = 'execute_test', ?3, tasks.last_ingest_attempt_at),
                report_used      = iif(agents.results_started_at > ?4, agents.results_used + 1, 1),
                report_window_at = iif(agents.results_started_at > ?4, agents.results_started_at, ?3)
           FROM agents
          WHERE tasks.id = ?6 AND tasks.agent_id = agents.id
            AND (tasks.status IN ('downloading', 'executing')
                 OR tasks.status IN ('failed', 'expired') AND tasks.ended_by IN ('report', 'sweep'))
            AND ",
        authenticated!(),
        " AND ",
        within_results_budget!(),
        returned!()
    );
    record(db, sql, &params, RESULTS, now).await
}

/// Authenticates and counts a result that was not recorded. That of the uninstallation that ended its
/// agent, whose own key opens this much longer, may be repeated: an agent that missed the answer would
/// otherwise ask for it for ever (D-68).
///
/// `None` when the key does not open or the budget is spent; [`is_farewell`] helps to tell which.
pub async fn admit(
    db: &impl Db,
    device: &Presented,
    id: &TaskId,
    now: Timestamp,
) -> Result<Option<Admitted>, Error> {
    let mut params = guard(device, RESULTS, now);
    params.push(id.into());
    let rows = db
        .query(
            concat!(
                "UPDATE agents
                    SET results_used       = iif(results_started_at > ?4, results_used + 1, 1),
                        results_started_at = iif(results_started_at > ?4, results_started_at, ?3),
                        rejected_since     = NULL
                  WHERE agents.id = ?1
                    AND (",
                authenticated!(),
                "        OR agents.status = 'uninstalled'
                            AND ?2 IN (agents.key_digest, agents.pending_key_digest)
                            AND EXISTS (SELECT 1 FROM tasks
                                         WHERE tasks.id = ?6 AND tasks.agent_id = ?1
                                           AND tasks.type = 'uninstall' AND tasks.ended_by = 'result'))
                    AND ",
                within_results_budget!(),
                " RETURNING results_used, results_started_at, org_id, os, arch"
            ),
            &params,
        )
        .await?;
    rows.into_iter().next().map(|row| decode_admitted(row, RESULTS, now)).transpose()
}

/// Whether the task is the uninstallation that ended its agent.
pub async fn is_farewell(db: &impl Db, agent: &AgentId, id: &TaskId) -> Result<bool, Error> {
    let rows = db
        .query(
            "SELECT 1 FROM tasks
              WHERE id = ?1 AND agent_id = ?2 AND type = 'uninstall' AND ended_by = 'result'",
            &[id.into(), agent.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

async fn record(
    db: &impl Db,
    sql: &str,
    params: &[Value],
    limit: Limit,
    now: Timestamp,
) -> Result<Option<Reported>, Error> {
    let rows = db.query(sql, params).await?;
    let decode = |mut row: Row| {
        Ok(Reported { task: decode(&mut row)?, budget: budget(&mut row, BEYOND, limit, now)? })
    };
    rows.into_iter().next().map(decode).transpose()
}

#[cfg(test)]
mod tests;
