//! `builds`: the binary of each test of an organisation.

use domain::{
    builds::Build,
    ids::{AgentId, OrgId},
    platform::Platform,
};

use crate::{Db, Error, Row, audit::Entry};

/// Upper and lower case of the test's UUID are the same.
pub async fn find(db: &impl Db, org: &OrgId, test_uuid: &str) -> Result<Option<Build>, Error> {
    let rows = db
        .query(
            "SELECT os, arch, filename, sha256, size, signed, built_at
               FROM builds
              WHERE org_id = ?1 AND test_uuid = ?2",
            &[org.into(), test_uuid.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// The build that a task of this agent is about to run or running now (D-32).
pub async fn find_for_agent(
    db: &impl Db,
    org: &OrgId,
    agent: &AgentId,
    test_uuid: &str,
) -> Result<Option<Build>, Error> {
    // Two partial indexes hold an agent's few live tasks, each for the very words of its condition;
    // left alone, the planner would read all tasks that the agent ever had.
    let rows = db
        .query(
            "SELECT os, arch, filename, sha256, size, signed, built_at
               FROM builds
              WHERE org_id = ?1 AND test_uuid = ?2
                AND (EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_offered
                              WHERE agent_id = ?3
                                AND status IN ('pending', 'assigned') AND status = 'assigned'
                                AND json_extract(payload, '$.test_uuid') = ?2 COLLATE NOCASE)
                  OR EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_running
                              WHERE agent_id = ?3
                                AND status IN ('downloading', 'executing')
                                AND json_extract(payload, '$.test_uuid') = ?2 COLLATE NOCASE))",
            &[org.into(), test_uuid.into(), agent.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Makes this the build of the test, in place of an earlier one, and returns the digest of the bytes
/// that thereby lost a reference.
pub async fn register(
    db: &impl Db,
    org: &OrgId,
    test_uuid: &str,
    build: &Build,
    entry: &Entry,
) -> Result<Option<String>, Error> {
    let rows = db
        .query(
            "INSERT INTO builds
                    (org_id, test_uuid, os, arch, filename, sha256, size, signed, built_at, created_by, audit)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (org_id, test_uuid) DO UPDATE
                SET replaced_sha256 = sha256,
                    os              = excluded.os,
                    arch            = excluded.arch,
                    filename        = excluded.filename,
                    sha256          = excluded.sha256,
                    size            = excluded.size,
                    signed          = excluded.signed,
                    built_at        = excluded.built_at,
                    created_by      = excluded.created_by,
                    audit           = excluded.audit
          RETURNING nullif(replaced_sha256, sha256)",
            &[
                org.into(),
                test_uuid.into(),
                build.platform.os.as_str().into(),
                build.platform.arch.as_str().into(),
                build.filename.as_str().into(),
                build.sha256.as_str().into(),
                build.size.cast_signed().into(),
                build.signed.into(),
                build.built_at.into(),
                (&entry.actor).into(),
                entry.into(),
            ],
        )
        .await?;
    crate::only(rows)?.optional_text(0)
}

/// Returns the digest of the bytes that thereby lost a reference; none when there was no build.
/// The entry `build.remove` is what deletes the row.
pub async fn delete(
    db: &impl Db,
    org: &OrgId,
    test_uuid: &str,
    entry: &Entry,
) -> Result<Option<String>, Error> {
    let rows = db
        .query(
            "UPDATE builds SET audit = ?3 WHERE org_id = ?1 AND test_uuid = ?2 RETURNING sha256",
            &[org.into(), test_uuid.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| row.text(0)).transpose()
}

fn decode(mut row: Row) -> Result<Build, Error> {
    Ok(Build {
        platform: Platform { os: row.parsed(0)?, arch: row.parsed(1)? },
        filename: row.text(2)?,
        sha256: row.text(3)?,
        size: row.integer(4)?,
        signed: row.flag(5)?,
        built_at: row.timestamp(6)?,
    })
}

#[cfg(test)]
mod tests {
    use domain::{
        platform::{Arch, Os},
        time::Timestamp,
    };

    use super::*;
    use crate::{
        blob_references,
        fixtures::{self, entry, plan},
        native::Memory,
    };

    const TEST: &str = "7d1dd91c-0f47-4c5a-9f0e-3a3f5c1e2b4d";

    fn build(bytes: char) -> Build {
        Build {
            platform: Platform { os: Os::Linux, arch: Arch::Amd64 },
            filename: TEST.to_owned(),
            sha256: bytes.to_string().repeat(64),
            size: 20,
            signed: false,
            built_at: Timestamp(7),
        }
    }

    async fn store(db: &Memory, org: &str, build: &Build) -> Option<String> {
        register(db, &org.into(), TEST, build, &entry("build.upload")).await.unwrap()
    }

    #[tokio::test]
    async fn a_build_comes_back_as_it_was_registered_in_either_case() {
        let db = Memory::migrated();
        assert_eq!(store(&db, "o1", &build('a')).await, None);
        let found = find(&db, &"o1".into(), &TEST.to_uppercase()).await.unwrap();
        assert_eq!(found, Some(build('a')));
        assert_eq!(find(&db, &"o2".into(), TEST).await.unwrap(), None);
    }

    #[tokio::test]
    async fn registering_again_replaces_and_names_the_bytes_that_went() {
        let db = Memory::migrated();
        store(&db, "o1", &build('a')).await;
        assert_eq!(store(&db, "o1", &build('b')).await, Some("a".repeat(64)));
        assert_eq!(store(&db, "o1", &build('b')).await, None);
        assert!(!blob_references::exist(&db, &"a".repeat(64)).await.unwrap());
        assert!(blob_references::exist(&db, &"b".repeat(64)).await.unwrap());
    }

    #[tokio::test]
    async fn deleting_is_for_the_own_organisation_and_names_the_bytes() {
        let db = Memory::migrated();
        store(&db, "o1", &build('a')).await;
        let remove =
            async |org: &str| delete(&db, &org.into(), TEST, &entry("build.remove")).await.unwrap();
        assert_eq!(remove("o2").await, None);
        assert_eq!(remove("o1").await, Some("a".repeat(64)));
        assert_eq!(remove("o1").await, None);
        assert_eq!(find(&db, &"o1".into(), TEST).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_agent_gets_the_build_of_a_live_task_of_its_own_only() {
        let db = Memory::migrated();
        let (org, agent) = ("org".into(), "a1".into());
        fixtures::agent(&db, "ak_1").await;
        fixtures::task(&db, "t1", "pending").await;
        // The task's test is `u1`; the build's says so in another case.
        register(&db, &org, "U1", &build('a'), &entry("build.upload")).await.unwrap();
        for (status, expected) in [
            ("pending", false),
            ("assigned", true),
            ("downloading", true),
            ("executing", true),
            ("completed", false),
        ] {
            let sql = "UPDATE tasks SET status = ?1, ended_by = iif(?1 = 'completed', 'result', NULL), completed_at = 1";
            fixtures::run(&db, sql, &[status.into()]).await;
            let found = find_for_agent(&db, &org, &agent, "u1").await.unwrap();
            assert_eq!(found.is_some(), expected, "{status}");
        }
    }

    #[tokio::test]
    async fn nobody_gets_a_build_by_another_ones_task() {
        let db = Memory::migrated();
        fixtures::agent(&db, "ak_1").await;
        fixtures::task(&db, "t1", "executing").await;
        let upload = entry("build.upload");
        register(&db, &"org".into(), "u1", &build('a'), &upload).await.unwrap();
        for (org, agent, test) in [("o2", "a1", "u1"), ("org", "a2", "u1"), ("org", "a1", "u2")] {
            let found = find_for_agent(&db, &org.into(), &agent.into(), test).await.unwrap();
            assert_eq!(found, None, "{org} {agent} {test}");
        }
    }

    #[tokio::test]
    async fn an_agents_live_tasks_are_found_without_a_scan() {
        let (org, agent) = ("org".into(), "a1".into());
        let plan = plan(async |db| drop(find_for_agent(db, &org, &agent, TEST).await)).await;
        plan.uses("tasks_offered").uses("tasks_running").never_scans();
    }
}
