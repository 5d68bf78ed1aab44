//! `agents` as they come: a new one spends one use of its token, in the statement that creates it.

use domain::{
    ids::{AgentId, OrgId},
    platform::Platform,
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error};

#[derive(Debug, Clone)]
pub struct NewAgent<'a> {
    pub id: &'a AgentId,
    pub hostname: &'a str,
    pub platform: Platform,
    pub agent_version: &'a str,
    pub key: &'a Digest,
}

/// Creates the agent in the token's organisation and returns that, or `None` when the token expired
/// or another machine took its last use first: then nothing happened.
pub async fn insert(
    db: &impl Db,
    agent: NewAgent<'_>,
    token: &Digest,
    now: Timestamp,
) -> Result<Option<OrgId>, Error> {
    let rows = db
        .query(
            "INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, enrolled_by,
                                 created_at, updated_at, key_digest)
             SELECT ?1, org_id, ?2, ?3, ?4, ?5, ?8, id, ?8, ?8, ?6
               FROM enrollment_tokens
              WHERE digest = ?7 AND expires_at > ?8 AND use_count < max_uses
          RETURNING org_id",
            &[
                agent.id.into(),
                agent.hostname.into(),
                agent.platform.os.as_str().into(),
                agent.platform.arch.as_str().into(),
                agent.agent_version.into(),
                agent.key.into(),
                token.into(),
                now.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(|mut row| row.text(0).map(OrgId)).transpose()
}

#[cfg(test)]
mod tests {
    use domain::platform::{Arch, Os};

    use super::*;
    use crate::{
        enrollment_tokens,
        fixtures::{NOW, events, integer, last_details, plan, token},
        native::Memory,
    };

    async fn enroll(db: &impl Db, id: &str, now: Timestamp) -> Option<String> {
        let agent = NewAgent {
            id: &id.into(),
            hostname: "ws-0417",
            platform: Platform { os: Os::Windows, arch: Arch::Amd64 },
            agent_version: "0.6.2",
            key: &Digest::of(id),
        };
        insert(db, agent, &Digest::of("secret"), now).await.unwrap().map(|it| it.0)
    }

    #[tokio::test]
    async fn a_new_agent_spends_a_use_and_is_an_event() {
        let db = Memory::migrated();
        token(&db, 2).await;
        assert_eq!(enroll(&db, "a1", NOW).await.as_deref(), Some("org"));
        assert_eq!(integer(&db, "SELECT use_count FROM enrollment_tokens").await, Some(1));
        assert_eq!(events(&db).await, ["enrolled"]);
        let details =
            r#"{"hostname":"ws-0417","os":"windows","arch":"amd64","agent_version":"0.6.2"}"#;
        assert_eq!(last_details(&db).await, details);
    }

    #[tokio::test]
    async fn the_last_use_is_spent_by_one_of_two_racing_machines() {
        let db = Memory::migrated();
        token(&db, 1).await;
        for _ in 0..2 {
            let seen = enrollment_tokens::find(&db, &Digest::of("secret")).await.unwrap().unwrap();
            assert_eq!(seen.check(NOW), Ok(()));
        }
        assert!(enroll(&db, "a1", NOW).await.is_some());
        assert!(enroll(&db, "a2", NOW).await.is_none());
        assert_eq!(integer(&db, "SELECT count(*) FROM agents").await, Some(1));
        assert_eq!(integer(&db, "SELECT use_count FROM enrollment_tokens").await, Some(1));
    }

    #[tokio::test]
    async fn an_expired_token_creates_nobody() {
        let db = Memory::migrated();
        token(&db, 1).await;
        assert_eq!(enroll(&db, "a1", Timestamp(NOW.0 + 3_600_000)).await, None);
        assert_eq!(integer(&db, "SELECT count(*) FROM agents").await, Some(0));
    }

    #[tokio::test]
    async fn enrolling_looks_the_token_up() {
        plan(async |db| drop(enroll(db, "a1", NOW).await)).await.never_scans();
    }
}
