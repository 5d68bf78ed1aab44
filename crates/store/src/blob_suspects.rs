//! `blob_suspects`: what runs of the housekeeping found to be nobody's in the blob store, by name: the
//! digest of a blob, or the id of an upload.

use domain::time::{Span, Timestamp};

use crate::{Db, Error, blob_references::is_referenced};

/// Nobody is at work on a blob for this long. Somewhat less than a day, so that a daily run finds due
/// what the one before it noted.
pub const SUSPECTED_FOR: Span = Span::hours(20);

/// Notes that these were seen now. Returns those that every run has seen for [`SUSPECTED_FOR`].
pub async fn record(db: &impl Db, names: &[&str], now: Timestamp) -> Result<Vec<String>, Error> {
    let names = serde_json::to_string(names).expect("names are JSON");
    let rows = db
        .query(
            "INSERT INTO blob_suspects (name, first_seen_at, last_seen_at)
             SELECT value, ?2, ?2 FROM json_each(?1) WHERE true
                 ON CONFLICT (name) DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at)
          RETURNING name, first_seen_at <= ?3",
            &[names.into(), now.into(), (now - SUSPECTED_FOR).into()],
        )
        .await?;
    let mut due = Vec::new();
    for mut row in rows {
        if row.flag(1)? {
            due.push(row.text(0)?);
        }
    }
    Ok(due)
}

/// Forgets what rows refer to, whoever saw it.
pub async fn delete_referenced(db: &impl Db) -> Result<(), Error> {
    let sql = concat!("DELETE FROM blob_suspects WHERE ", is_referenced!("blob_suspects.name"));
    db.query(sql, &[]).await.map(drop)
}

/// Forgets what the run that began `now` did not see.
pub async fn delete_unseen(db: &impl Db, now: Timestamp) -> Result<(), Error> {
    let sql = "DELETE FROM blob_suspects WHERE last_seen_at < ?1";
    db.query(sql, &[now.into()]).await.map(drop)
}

/// Takes what is due off the list. `false` when another run was faster.
pub async fn claim(db: &impl Db, name: &str, now: Timestamp) -> Result<bool, Error> {
    let rows = db
        .query(
            "DELETE FROM blob_suspects WHERE name = ?1 AND first_seen_at <= ?2 RETURNING 1",
            &[name.into(), (now - SUSPECTED_FOR).into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, plan, run},
        native::Memory,
    };

    const NEXT_DAY: Timestamp = Timestamp(NOW.0 + SUSPECTED_FOR.as_millis());
    const SOON: Timestamp = Timestamp(NEXT_DAY.0 - 1);

    #[tokio::test]
    async fn what_was_seen_twice_with_a_day_between_is_due_and_claimed_once() {
        let db = Memory::migrated();
        assert!(record(&db, &["a", "b"], NOW).await.unwrap().is_empty());
        assert!(record(&db, &["a"], SOON).await.unwrap().is_empty());
        assert!(!claim(&db, "a", SOON).await.unwrap());
        assert_eq!(record(&db, &["a", "new"], NEXT_DAY).await.unwrap(), ["a"]);
        assert!(claim(&db, "a", NEXT_DAY).await.unwrap());
        assert!(!claim(&db, "a", NEXT_DAY).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_run_did_not_see_begins_anew() {
        let db = Memory::migrated();
        record(&db, &["a", "b"], NOW).await.unwrap();
        record(&db, &["b"], SOON).await.unwrap();
        delete_unseen(&db, SOON).await.unwrap();
        assert_eq!(record(&db, &["a", "b"], NEXT_DAY).await.unwrap(), ["b"]);
    }

    #[tokio::test]
    async fn what_rows_refer_to_is_forgotten() {
        let db = Memory::migrated();
        let (kept, left) = ("a".repeat(64), "b".repeat(64));
        record(&db, &[&kept, &left], NOW).await.unwrap();
        let build = "INSERT INTO builds (org_id, test_uuid, os, arch, filename, sha256, size, built_at, created_by)
                     VALUES ('o1', 'test', 'linux', 'amd64', 'a', ?1, 1, 0, 'u1')";
        run(&db, build, &[kept.as_str().into()]).await;
        delete_referenced(&db).await.unwrap();
        assert_eq!(record(&db, &[&kept, &left], NEXT_DAY).await.unwrap(), [left]);
    }

    #[tokio::test]
    async fn suspects_are_found_by_name_or_age() {
        plan(async |db| {
            drop(record(db, &["a"], NOW).await);
            drop(claim(db, "a", NOW).await);
        })
        .await
        .never_scans();
        plan(async |db| drop(delete_unseen(db, NOW).await)).await.uses("blob_suspects_by_sight");
        plan(async |db| drop(delete_referenced(db).await))
            .await
            .uses("agent_releases_by_blob")
            .uses("builds_by_blob");
    }
}
