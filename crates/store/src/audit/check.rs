//! The log against its own chain, a page at a time; what is right is [`domain::audit`]'s to say.

use domain::{
    audit::{ChainKey, Fault, FaultKind, Head, Verification},
    ids::OrgId,
    time::Timestamp,
};

use super::{record_mac, section};
use crate::{Db, Error};

const PAGE: u32 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were looked at and found right.
    pub sealed: u64,
    /// Rows at the end that wait for their seal.
    pub unsealed: u64,
    /// Where it first goes wrong.
    pub fault: Option<Fault>,
    /// Where to go on; none at the end, or where something is wrong.
    pub next: Option<u64>,
    pub head: Head,
}

/// Looks at `most` rows or somewhat more, from the row of this number on. What is before it is taken
/// for right.
pub async fn check(
    db: &impl Db,
    key: &ChainKey,
    org: &OrgId,
    from: u64,
    most: u64,
    now: Timestamp,
) -> Result<Checked, Error> {
    let before;
    let mut walk = Verification::of_all(key, org, now);
    if from > 1 {
        before = section(db, org, from - 1, 1).await?;
        let Some(row) = before.rows.first().filter(|it| it.seq == from - 1) else {
            let missing = Fault { seq: from - 1, kind: FaultKind::Missing };
            return Ok(summary(&walk, Some(missing), None, before.head));
        };
        walk = Verification::after(key, row, now);
    }
    loop {
        let page = section(db, org, walk.next(), PAGE).await?;
        let is_last = page.rows.len() < PAGE as usize;
        let passed = walk.pass(&page.head, &page.rows);
        let judged = passed.and_then(|()| if is_last { walk.end(&page.head) } else { Ok(()) });
        if judged.is_err() || is_last {
            return Ok(summary(&walk, judged.err(), None, page.head));
        }
        if walk.sealed + walk.unsealed >= most {
            return Ok(summary(&walk, None, Some(walk.next()), page.head));
        }
    }
}

/// Proves the head of a log that nobody has proven, as on the first start after an upgrade, or where
/// sealing failed for long. None where it is proven, or the head is not that of rows sealed under this
/// key: then there is nothing to adopt.
///
/// Nothing but the word of whoever asks says that the log is what it was before.
pub async fn adopt(
    db: &impl Db,
    key: &ChainKey,
    org: &OrgId,
    now: Timestamp,
) -> Result<Option<Head>, Error> {
    let mut walk = Verification::of_all(key, org, now);
    loop {
        let page = section(db, org, walk.next(), PAGE).await?;
        let mac = key.head_mac(org, page.head.sealed_seq, page.head.sealed_hash.as_ref());
        let proven = Head { mac: Some(mac), ..page.head };
        let is_last = page.rows.len() < PAGE as usize;
        let passed = walk.pass(&proven, &page.rows);
        let judged = passed.and_then(|()| if is_last { walk.end(&proven) } else { Ok(()) });
        if judged.is_err() || page.head.mac.is_some() || page.head.last_seq == 0 {
            return Ok(None);
        }
        if is_last {
            return Ok(record_mac(db, org, &page.head, &mac).await?.then_some(proven));
        }
    }
}

fn summary(
    walk: &Verification<'_>,
    fault: Option<Fault>,
    next: Option<u64>,
    head: Head,
) -> Checked {
    Checked { sealed: walk.sealed, unsealed: walk.unsealed, fault, next, head }
}

#[cfg(test)]
mod tests {
    use domain::secrets::Secret;

    use super::*;
    use crate::{
        audit::{record_seals, unsealed},
        fixtures::{NOW, agent, entry, run},
        native::Memory,
    };

    const ROWS: u64 = 450;

    fn key() -> ChainKey {
        ChainKey::derive(&Secret::new("s".repeat(32))).unwrap()
    }

    /// More than two pages of rows, all but the last sealed.
    async fn log() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        for _ in 0..ROWS {
            let sql = "UPDATE agents SET audit = ?1 WHERE id = 'a1'";
            run(&db, sql, &[(&entry("agent.update")).into()]).await;
        }
        let waiting = unsealed(&db, &"org".into(), 449).await.unwrap();
        let seals = key().seals(&waiting.head, &waiting.rows, NOW).unwrap().unwrap();
        assert!(record_seals(&db, &"org".into(), &waiting.head, &seals).await.unwrap());
        db
    }

    /// Long after its rows were written.
    const LATER: Timestamp = Timestamp(NOW.0 + 86_400_000);

    async fn checked(db: &Memory, from: u64, most: u64) -> Checked {
        check(db, &key(), &"org".into(), from, most, LATER).await.unwrap()
    }

    #[tokio::test]
    async fn a_whole_log_is_checked_in_parts() {
        let db = log().await;
        let all = checked(&db, 1, u64::MAX).await;
        assert_eq!((all.sealed, all.unsealed, all.fault, all.next), (449, 1, None, None));
        let first = checked(&db, 1, 100).await;
        assert_eq!((first.sealed, first.fault, first.next), (200, None, Some(201)));
        let rest = checked(&db, 201, 10_000).await;
        assert_eq!((rest.sealed, rest.unsealed, rest.fault, rest.next), (249, 1, None, None));
        let nobody = check(&db, &key(), &"nobody".into(), 1, 9, LATER).await.unwrap();
        assert_eq!((nobody.sealed, nobody.fault, nobody.head), (0, None, Head::default()));
    }

    /// As whoever can write the file would: past the triggers.
    async fn tampered_log(sql: &[&str]) -> Memory {
        let db = log().await;
        for trigger in ["audit_log_keeps", "audit_log_stands"] {
            run(&db, &format!("DROP TRIGGER {trigger}"), &[]).await;
        }
        for sql in sql {
            run(&db, sql, &[]).await;
        }
        db
    }

    async fn tampered(sql: &[&str]) -> Option<(u64, FaultKind)> {
        let found = checked(&tampered_log(sql).await, 1, u64::MAX).await;
        found.fault.map(|it| (it.seq, it.kind))
    }

    const REWRITTEN: &[&str] = &[
        "UPDATE audit_log SET hash = NULL WHERE seq >= 300",
        "UPDATE audit_log SET actor = 'eve' WHERE seq = 310",
        "UPDATE audit_heads SET sealed_seq = 299, sealed_hash = (SELECT hash FROM audit_log WHERE seq = 299)",
    ];

    const BEGUN_ANEW: &[&str] = &[
        "UPDATE audit_log SET hash = NULL",
        "UPDATE audit_log SET actor = 'eve' WHERE seq = 310",
        "UPDATE audit_heads SET sealed_seq = 0, sealed_hash = NULL, mac = NULL",
    ];

    #[tokio::test]
    async fn rows_that_were_unsealed_with_their_head_are_found_and_never_sealed() {
        for (sql, seq) in [(REWRITTEN, 299), (BEGUN_ANEW, 1)] {
            let db = tampered_log(sql).await;
            let found = checked(&db, 1, u64::MAX).await.fault;
            assert_eq!(found, Some(Fault { seq, kind: FaultKind::Head }));
            let waiting = unsealed(&db, &"org".into(), 100).await.unwrap();
            assert!(key().seals(&waiting.head, &waiting.rows, LATER).is_err());
        }
    }

    #[tokio::test]
    async fn only_a_head_without_proof_is_adopted_and_only_with_its_rows() {
        let adopted = async |sql: &[&str]| {
            let db = tampered_log(sql).await;
            let adopted = adopt(&db, &key(), &"org".into(), LATER).await.unwrap();
            let is_whole = checked(&db, 1, u64::MAX).await.fault.is_none();
            (adopted.map(|it| it.sealed_seq), is_whole)
        };
        let unproven = "UPDATE audit_heads SET mac = NULL";
        assert_eq!(adopted(&[unproven]).await, (Some(449), true));
        assert_eq!(adopted(BEGUN_ANEW).await, (Some(0), true));
        assert_eq!(adopted(&[]).await, (None, true));
        assert_eq!(adopted(REWRITTEN).await, (None, false));
        let turned_back = "UPDATE audit_heads SET sealed_seq = 0, sealed_hash = NULL, mac = NULL";
        assert_eq!(adopted(&[turned_back]).await, (None, false));
        let changed = "UPDATE audit_log SET actor = 'eve' WHERE seq = 3";
        assert_eq!(adopted(&[unproven, changed]).await, (None, false));
    }

    #[tokio::test]
    async fn whatever_is_tampered_with_is_found() {
        for (sql, expected) in [
            (&["UPDATE audit_log SET actor = 'eve' WHERE seq = 300"][..], (300, FaultKind::Changed)),
            (&["DELETE FROM audit_log WHERE seq = 7"], (7, FaultKind::Missing)),
            (&["DELETE FROM audit_log WHERE seq > 400"], (401, FaultKind::Missing)),
            (
                &[
                    "UPDATE audit_log SET seq = 1000 WHERE seq = 8",
                    "UPDATE audit_log SET seq = 8 WHERE seq = 9",
                    "UPDATE audit_log SET seq = 9 WHERE seq = 1000",
                ],
                (8, FaultKind::Reordered),
            ),
            (&["UPDATE audit_log SET hash = NULL WHERE seq = 5"], (5, FaultKind::Unsealed)),
            (
                &["INSERT INTO audit_log SELECT org_id, 451, at, 'eve', address, request_id, action,
                          target_type, target_id, before, after, hash FROM audit_log WHERE seq = 1"],
                (451, FaultKind::Unexpected),
            ),
            (
                &["UPDATE audit_heads SET sealed_seq = 0, sealed_hash = NULL"],
                (1, FaultKind::Head),
            ),
            (&["DELETE FROM audit_heads"], (1, FaultKind::Head)),
            (&["UPDATE audit_heads SET mac = NULL"], (449, FaultKind::Head)),
            (&["UPDATE audit_heads SET mac = zeroblob(32)"], (449, FaultKind::Head)),
        ] {
            assert_eq!(tampered(sql).await, Some(expected), "{sql:?}");
        }
        assert_eq!(tampered(&[]).await, None);
    }

    #[tokio::test]
    async fn another_key_proves_nothing() {
        let db = log().await;
        let other = ChainKey::derive(&Secret::new("t".repeat(32))).unwrap();
        let checked = check(&db, &other, &"org".into(), 1, 9, LATER).await.unwrap();
        assert_eq!(checked.fault, Some(Fault { seq: 1, kind: FaultKind::Changed }));
    }

    #[tokio::test]
    async fn going_on_where_nothing_is_says_what_is_missing() {
        let db = log().await;
        let beyond = checked(&db, 900, 9).await;
        assert_eq!(beyond.fault, Some(Fault { seq: 899, kind: FaultKind::Missing }));
    }
}
