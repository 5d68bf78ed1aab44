//! New tasks: one per agent, all or none, in one statement.

use domain::{
    ids::{AgentId, OrgId},
    platform::Platform,
    tasks::{TaskType, eligibility::Candidate, expires_at},
    time::Timestamp,
};

use crate::{Db, Error, Row, Value, audit::Entry};

/// What the tasks of one call have in common.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub org: &'a OrgId,
    pub id: &'a str,
    /// A JSON array of `[task id, agent id]`, one pair per distinct agent.
    pub assignments: &'a str,
    pub kind: TaskType,
    pub priority: u8,
    /// JSON, as fleet.md §4.5.
    pub payload: &'a str,
    pub execution_timeout_seconds: u32,
    pub ttl_seconds: u32,
    pub max_retries: u32,
    pub target_index: Option<&'a str>,
    pub created_by: &'a str,
    /// Stands on the first task, for all of them.
    pub entry: Option<&'a Entry>,
    /// Agents of another platform are not eligible.
    pub platform: Option<Platform>,
    /// JSON path in the settings `approvals`: nothing is created while this demand stands.
    pub unless_demanded: Option<&'a str>,
}

/// Creates one task per assignment, or none: unless every agent is of the organisation, active or
/// disabled, and of the platform, and nobody demands an approval. [`list_candidates`] tells what was wrong.
pub async fn insert(db: &impl Db, batch: Batch<'_>, now: Timestamp) -> Result<bool, Error> {
    let rows = db
        .query(
            "INSERT INTO tasks (id, agent_id, org_id, type, priority, payload, execution_timeout_seconds,
                                ttl_seconds, created_at, expires_at, created_by, batch_id, max_retries, target_index, audit)
             SELECT wanted.value ->> 0, agents.id, agents.org_id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                    iif(wanted.key = 0, ?16, NULL)
               FROM json_each(?1) AS wanted CROSS JOIN agents ON agents.id = wanted.value ->> 1
              WHERE json_array_length(?1)
                    = (SELECT count(*)
                         FROM json_each(?1) AS wanted CROSS JOIN agents ON agents.id = wanted.value ->> 1
                        WHERE agents.org_id = ?2 AND agents.status IN ('active', 'disabled')
                          AND (?14 IS NULL OR agents.os = ?14 AND agents.arch = ?15))
                AND (?17 IS NULL OR NOT EXISTS (SELECT 1 FROM organization_settings
                                                 WHERE org_id = ?2 AND name = 'approvals' AND value ->> ?17))
          RETURNING 1",
            &[
                batch.assignments.into(),
                batch.org.into(),
                batch.kind.as_str().into(),
                batch.priority.into(),
                batch.payload.into(),
                batch.execution_timeout_seconds.into(),
                batch.ttl_seconds.into(),
                now.into(),
                expires_at(now, batch.ttl_seconds).into(),
                batch.created_by.into(),
                batch.id.into(),
                batch.max_retries.into(),
                batch.target_index.into(),
                batch.platform.map(|it| it.os.as_str()).into(),
                batch.platform.map(|it| it.arch.as_str()).into(),
                batch.entry.map(Value::from).into(),
                batch.unless_demanded.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// An agent that a task was wanted for, with what a preview says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    pub candidate: Candidate,
    pub hostname: Option<String>,
    /// The same payload waits for this agent already.
    pub is_pending: bool,
}

/// The agents of the assignments, in their order. `payload` is what they would get.
pub async fn list_prospects(
    db: &impl Db,
    org: &OrgId,
    assignments: &str,
    kind: TaskType,
    payload: &str,
) -> Result<Vec<Looked>, Error> {
    let rows = db
        .query(
            "SELECT wanted.value ->> 1, agents.status, agents.os, agents.arch, agents.hostname,
                    EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_offered
                             WHERE tasks.agent_id = agents.id AND tasks.status IN ('pending', 'assigned')
                               AND tasks.type = ?3 AND tasks.payload = ?4)
               FROM json_each(?1) AS wanted
          LEFT JOIN agents ON agents.id = wanted.value ->> 1 AND agents.org_id = ?2
           ORDER BY wanted.key",
            &[assignments.into(), org.into(), kind.as_str().into(), payload.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

/// The agents of the assignments, in their order, whatever they would get.
pub async fn list_candidates(
    db: &impl Db,
    org: &OrgId,
    assignments: &str,
) -> Result<Vec<Candidate>, Error> {
    let rows = db
        .query(
            "SELECT wanted.value ->> 1, agents.status, agents.os, agents.arch
               FROM json_each(?1) AS wanted
          LEFT JOIN agents ON agents.id = wanted.value ->> 1 AND agents.org_id = ?2
           ORDER BY wanted.key",
            &[assignments.into(), org.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| decode_candidate(&mut row)).collect()
}

fn decode(mut row: Row) -> Result<Looked, Error> {
    Ok(Looked {
        candidate: decode_candidate(&mut row)?,
        hostname: row.optional_text(4)?,
        is_pending: row.flag(5)?,
    })
}

fn decode_candidate(row: &mut Row) -> Result<Candidate, Error> {
    let known = if row.is_null(1) {
        None
    } else {
        Some((row.parsed(1)?, Platform { os: row.parsed(2)?, arch: row.parsed(3)? }))
    };
    Ok(Candidate { agent: AgentId(row.text(0)?), known })
}

#[cfg(test)]
mod tests {
    use domain::{
        agents::AgentStatus,
        platform::{Arch, Os},
    };

    use super::*;
    use crate::{
        fixtures::{NOW, agent, entry, integer, other_agent, plan, run, text, update_agent},
        native::Memory,
        tasks::find,
    };

    const LINUX: Platform = Platform { os: Os::Linux, arch: Arch::Amd64 };

    async fn create(db: &Memory, assignments: &str, platform: Option<Platform>) -> bool {
        let batch = Batch {
            org: &"org".into(),
            id: "b1",
            assignments,
            kind: TaskType::ExecuteTest,
            priority: 3,
            payload: r#"{"test_uuid":"u1"}"#,
            execution_timeout_seconds: 60,
            ttl_seconds: 10,
            max_retries: 1,
            target_index: None,
            created_by: "user",
            entry: Some(&entry("task.create")),
            platform,
            unless_demanded: None,
        };
        insert(db, batch, NOW).await.unwrap()
    }

    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        other_agent(&db, "a2", "org", "key2").await;
        other_agent(&db, "foreign", "other", "key3").await;
        db
    }

    #[track_caller]
    fn none(created: Option<i64>) {
        assert_eq!(created, Some(0));
    }

    #[tokio::test]
    async fn each_agent_gets_one_task() {
        let db = fleet().await;
        assert!(create(&db, r#"[["t1","a1"],["t2","a2"]]"#, Some(LINUX)).await);
        let task = find(&db, &"org".into(), &"t2".into()).await.unwrap().unwrap();
        assert_eq!((task.agent.as_str(), task.org.as_str(), task.priority), ("a2", "org", 3));
        assert_eq!((task.created_at, task.ttl_seconds, task.max_retries), (NOW, 10, 1));
        assert_eq!((task.payload.as_str(), task.batch.as_str()), (r#"{"test_uuid":"u1"}"#, "b1"));
        assert_eq!(integer(&db, "SELECT expires_at FROM tasks").await, Some(NOW.0 + 10_000));
        assert_eq!(integer(&db, "SELECT count(*) FROM audit_log").await, Some(1));
    }

    #[tokio::test]
    async fn one_unknown_or_foreign_agent_and_nothing_is_created() {
        let db = fleet().await;
        assert!(!create(&db, r#"[["t1","a1"],["t2","nobody"]]"#, None).await);
        assert!(!create(&db, r#"[["t1","a1"],["t2","foreign"]]"#, None).await);
        none(integer(&db, "SELECT count(*) FROM tasks").await);
    }

    #[tokio::test]
    async fn disabled_agents_get_tasks_and_those_gone_for_good_do_not() {
        let db = fleet().await;
        update_agent(&db, "status", "disabled").await;
        assert!(create(&db, r#"[["t1","a1"]]"#, None).await);
        for status in ["decommissioned", "uninstalled"] {
            update_agent(&db, "status", status).await;
            assert!(!create(&db, r#"[["t2","a2"],["t3","a1"]]"#, None).await);
        }
        assert_eq!(integer(&db, "SELECT count(*) FROM tasks").await, Some(1));
    }

    #[tokio::test]
    async fn an_agent_of_another_platform_is_not_eligible() {
        let db = fleet().await;
        run(&db, "UPDATE agents SET os = 'windows' WHERE id = 'a2'", &[]).await;
        assert!(!create(&db, r#"[["t1","a1"],["t2","a2"]]"#, Some(LINUX)).await);
        assert!(create(&db, r#"[["t1","a1"]]"#, Some(LINUX)).await);
    }

    #[tokio::test]
    async fn candidates_tell_what_is_wrong_in_the_order_asked() {
        let db = fleet().await;
        let wanted = r#"[["t1","foreign"],["t2","a2"],["t3","nobody"]]"#;
        crate::fixtures::task_of(&db, "t9", "a2", "pending").await;
        let payload = text(&db, "SELECT payload FROM tasks").await.unwrap();
        let org = "org".into();
        let looked = async |payload| {
            let kind = TaskType::ExecuteTest;
            list_prospects(&db, &org, wanted, kind, payload).await.unwrap()
        };
        let candidates = looked(&payload).await;
        let seen: Vec<_> = candidates
            .iter()
            .map(|it| (it.candidate.agent.as_str(), it.candidate.known, it.is_pending))
            .collect();
        let known = Some((AgentStatus::Active, LINUX));
        assert_eq!(seen, [("foreign", None, false), ("a2", known, true), ("nobody", None, false)]);
        assert_eq!(candidates[1].hostname.as_deref(), Some("host-a2"));
        assert!(looked("{}").await.iter().all(|it| !it.is_pending));
    }

    #[tokio::test]
    async fn looking_reads_the_tasks_that_wait_and_no_others() {
        let org = "org".into();
        let planned = plan(async |db| {
            drop(list_prospects(db, &org, "[]", TaskType::ExecuteTest, "{}").await);
        })
        .await;
        planned.uses("tasks_offered");
        assert_eq!(planned.times("tasks_by_agent"), 0);
        let of_candidates = plan(async |db| drop(list_candidates(db, &org, "[]").await)).await;
        assert_eq!(of_candidates.times("tasks"), 0);
    }

    #[tokio::test]
    async fn creating_looks_each_agent_up() {
        let batch_plan = plan(async |db| {
            let org = "org".into();
            let batch = Batch {
                org: &org,
                id: "b1",
                assignments: "[]",
                kind: TaskType::ExecuteTest,
                priority: 1,
                payload: "{}",
                execution_timeout_seconds: 1,
                ttl_seconds: 1,
                max_retries: 0,
                target_index: None,
                created_by: "user",
                entry: None,
                platform: None,
                unless_demanded: None,
            };
            drop(insert(db, batch, NOW).await);
        });
        batch_plan.await.uses("sqlite_autoindex_agents_1");
    }
}
