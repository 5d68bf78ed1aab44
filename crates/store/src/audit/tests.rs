//! Every statement of the log, and what its triggers let nobody do.

use domain::{audit::ChainKey, secrets::Secret};

use super::*;
use crate::{
    agents::rotation,
    enrollment_tokens,
    fixtures::{NOW, agent, entry, integer, plan, run, text, token},
    native::Memory,
};

fn key() -> ChainKey {
    ChainKey::derive(&Secret::new("s".repeat(32))).unwrap()
}

async fn log(db: &Memory) -> Section {
    section(db, &"org".into(), 1, 100).await.unwrap()
}

/// Seals what waits and says whether it was the first to.
async fn seal(db: &Memory, waiting: &Section) -> bool {
    let Some(seals) = key().seals(&waiting.head, &waiting.rows, NOW).unwrap() else { return false };
    record_seals(db, &"org".into(), &waiting.head, &seals).await.unwrap()
}

async fn waiting(db: &Memory) -> Section {
    unsealed(db, &"org".into(), 100).await.unwrap()
}

/// Three rows: a token minted, a key rotated, the token revoked.
async fn busy() -> Memory {
    let db = Memory::migrated();
    token(&db, 3).await;
    agent(&db, "key").await;
    let pending = (&Digest::of("next"), &b"sealed"[..]);
    let rotate = entry("agent.rotate-key").with_details(serde_json::json!({"why": "routine"}));
    rotation::start(&db, &"org".into(), &"a1".into(), pending, &rotate).await.unwrap().unwrap();
    let revoke = entry("token.revoke");
    assert!(enrollment_tokens::delete(&db, &"org".into(), &"k1".into(), &revoke).await.unwrap());
    db
}

#[tokio::test]
async fn a_row_says_who_did_what_and_what_that_changed() {
    let Section { head, rows } = log(&busy().await).await;
    assert_eq!(head, Head { last_seq: 3, ..Head::default() });
    let seen: Vec<_> =
        rows.iter().map(|it| (it.seq, it.action.as_str(), it.target_id.as_str())).collect();
    assert_eq!(
        seen,
        [(1, "token.create", "k1"), (2, "agent.rotate-key", "a1"), (3, "token.revoke", "k1")]
    );
    let row = &rows[1];
    assert_eq!((row.at, row.actor.as_str(), row.org.as_str()), (NOW, "user", "org"));
    assert_eq!((row.address.as_str(), row.request_id.as_str()), ("192.0.2.1", "r1"));
    let shown = |started: &str| {
        format!(
            r#"{{"hostname":"host-a1","status":"active","tags":[],"rotation_started_at":{started}"#
        )
    };
    assert_eq!(row.before, Some(shown("null") + "}"));
    let after = shown(&NOW.0.to_string()) + r#","details":{"why":"routine"}}"#;
    assert_eq!(row.after, Some(after));
    assert_eq!((rows[0].before.is_none(), rows[2].after.is_none()), (true, true));
}

#[tokio::test]
async fn an_entry_does_not_stay_in_the_row_it_came_with() {
    let db = busy().await;
    let left =
        "SELECT (SELECT count(audit) FROM agents) + (SELECT count(audit) FROM enrollment_tokens)";
    assert_eq!(integer(&db, left).await, Some(0));
}

#[tokio::test]
async fn a_statement_that_fails_leaves_no_row() {
    let db = busy().await;
    let sql = "UPDATE agents SET audit = ?1, budget_used = NULL WHERE id = 'a1'";
    assert!(db.query(sql, &[(&entry("agent.update")).into()]).await.is_err());
    assert_eq!(log(&db).await.head.last_seq, 3);
}

#[tokio::test]
async fn each_organisation_counts_for_itself() {
    let db = busy().await;
    crate::fixtures::other_agent(&db, "b1", "other", "key").await;
    let sql = "UPDATE agents SET audit = ?1 WHERE id = 'b1'";
    run(&db, sql, &[(&entry("agent.update")).into()]).await;
    let other = section(&db, &"other".into(), 1, 9).await.unwrap();
    assert_eq!((other.head.last_seq, other.rows.len(), other.rows[0].seq), (1, 1, 1));
    let nobody = section(&db, &"nobody".into(), 1, 9).await.unwrap();
    assert_eq!(nobody, Section { head: Head::default(), rows: Vec::new() });
}

#[tokio::test]
async fn what_was_written_is_sealed_once() {
    let db = busy().await;
    let orgs = async || list_unsealed(&db, 9).await.unwrap();
    assert_eq!(orgs().await, ["org".into()]);
    let seen_by_both = waiting(&db).await;
    assert!(seal(&db, &seen_by_both).await);
    assert!(!seal(&db, &seen_by_both).await);
    assert!(orgs().await.is_empty());
    let Section { head, rows } = log(&db).await;
    assert_eq!((head.sealed_seq, head.sealed_hash), (3, rows[2].hash));
    assert!(rows.iter().all(|it| it.hash.is_some()));
    assert_eq!(waiting(&db).await.rows, []);
}

#[tokio::test]
async fn whoever_read_an_older_head_seals_nothing() {
    let db = busy().await;
    let all = waiting(&db).await;
    let first = Section { rows: all.rows[..1].to_vec(), ..all.clone() };
    assert!(seal(&db, &first).await);
    assert!(!seal(&db, &all).await);
    assert_eq!(log(&db).await.head.sealed_seq, 1);
    assert!(seal(&db, &waiting(&db).await).await);
    let key = key();
    let org = "org".into();
    let mut walk = domain::audit::Verification::of_all(&key, &org, NOW);
    let Section { head, rows } = log(&db).await;
    assert_eq!((walk.pass(&head, &rows), walk.end(&head)), (Ok(()), Ok(())));
}

#[tokio::test]
async fn the_log_can_only_grow() {
    let db = busy().await;
    assert!(seal(&db, &waiting(&db).await).await);
    for sql in [
        "DELETE FROM audit_log WHERE seq = 1",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET actor = 'eve'",
        "UPDATE audit_log SET hash = NULL",
        "UPDATE audit_log SET hash = zeroblob(32)",
        "UPDATE audit_log SET seq = 9 WHERE seq = 1",
        "UPDATE audit_log SET after = NULL WHERE seq = 1",
    ] {
        let refused = db.query(sql, &[]).await.unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("append_only"), "{sql}: {cause}");
    }
}

#[tokio::test]
async fn no_secret_and_no_digest_of_one_is_in_the_log() {
    let db = busy().await;
    let everything = "SELECT group_concat(before || after, ' ') FROM audit_log";
    let seen = text(&db, everything).await.unwrap();
    for hidden in ["digest", "sealed", "key_"] {
        assert!(!seen.contains(hidden), "{hidden}: {seen}");
    }
}

#[tokio::test]
async fn the_log_is_read_and_sealed_by_its_key() {
    let org = "org".into();
    plan(async |db| drop(section(db, &org, 1, 9).await)).await.never_scans();
    plan(async |db| drop(unsealed(db, &org, 9).await)).await.never_scans();
    plan(async |db| drop(list_unsealed(db, 9).await)).await.uses("audit_heads_unsealed");
    let head = Head::default();
    let seals = Seals { hashes: vec![(1, Digest::of("x"))], mac: Digest::of("y") };
    plan(async |db| drop(record_seals(db, &org, &head, &seals).await)).await.never_scans();
    plan(async |db| drop(record_mac(db, &org, &head, &seals.mac).await)).await.never_scans();
}
