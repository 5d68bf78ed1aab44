//! Whether anybody has tampered with a log: its rows, in order, against the chain and the head.

use super::{ChainKey, Head, Record};
use crate::{ids::OrgId, secrets::Digest, time::Timestamp};

/// What is wrong with a log, where it begins to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub seq: u64,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The row is not what was sealed, or was never sealed by us.
    Changed,
    /// The row is genuine but belongs elsewhere.
    Reordered,
    /// There is no such row, though later ones or the head say that there was.
    Missing,
    /// The row had been sealed, or should have been, and its seal is gone.
    Unsealed,
    /// The row is beyond the end that the head knows.
    Unexpected,
    /// The head does not say what the sealed rows say, is gone, or is not one that we wrote.
    Head,
}

impl FaultKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Reordered => "reordered",
            Self::Missing => "missing",
            Self::Unsealed => "unsealed",
            Self::Unexpected => "unexpected",
            Self::Head => "head",
        }
    }
}

/// A walk along a log, a page at a time. Remembers one hash, however long the log is.
#[derive(Debug)]
pub struct Verification<'a> {
    key: &'a ChainKey,
    org: &'a OrgId,
    now: Timestamp,
    next: u64,
    previous: Option<Digest>,
    /// Rows whose hash was found to be right.
    pub sealed: u64,
    /// Rows at the end that have not been sealed yet.
    pub unsealed: u64,
}

impl<'a> Verification<'a> {
    /// From the first row.
    pub fn of_all(key: &'a ChainKey, org: &'a OrgId, now: Timestamp) -> Self {
        Self { key, org, now, next: 1, previous: None, sealed: 0, unsealed: 0 }
    }

    /// From the row after this one, whose own hash is taken for right.
    pub fn after(key: &'a ChainKey, row: &'a Record, now: Timestamp) -> Self {
        Self { next: row.seq + 1, previous: row.hash, ..Self::of_all(key, &row.org, now) }
    }

    /// The number of the row that has to come now.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The rows that come next, in the order of their numbers, and the head as it was with them.
    pub fn pass(&mut self, head: &Head, rows: &[Record]) -> Result<(), Fault> {
        for row in rows {
            self.judge(head, row, rows)
                .map_err(|kind| Fault { seq: self.next.min(row.seq), kind })?;
            self.next = row.seq + 1;
        }
        let first = rows.first().filter(|it| it.seq == 1);
        if self.key.trusts(self.org, head, first, self.now) {
            Ok(())
        } else {
            Err(Fault { seq: head.sealed_seq.max(1), kind: FaultKind::Head })
        }
    }

    /// To be asked after the last row.
    pub fn end(&self, head: &Head) -> Result<(), Fault> {
        if self.next <= head.last_seq {
            return Err(Fault { seq: self.next, kind: FaultKind::Missing });
        }
        Ok(())
    }

    fn judge(&mut self, head: &Head, row: &Record, page: &[Record]) -> Result<(), FaultKind> {
        if row.seq != self.next {
            return Err(FaultKind::Missing);
        }
        if row.seq > head.last_seq {
            let is_gone = head.last_seq == 0;
            return Err(if is_gone { FaultKind::Head } else { FaultKind::Unexpected });
        }
        let Some(hash) = row.hash else {
            if row.seq <= head.sealed_seq {
                return Err(FaultKind::Unsealed);
            }
            self.unsealed += 1;
            return Ok(());
        };
        if self.unsealed > 0 {
            return Err(FaultKind::Unsealed);
        }
        if self.key.link(self.previous.as_ref(), row) != hash {
            let elsewhere = self.belongs_elsewhere(row, hash, page);
            return Err(if elsewhere { FaultKind::Reordered } else { FaultKind::Changed });
        }
        let head_agrees = match row.seq.cmp(&head.sealed_seq) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => head.sealed_hash == Some(hash),
            std::cmp::Ordering::Greater => false,
        };
        if !head_agrees {
            return Err(FaultKind::Head);
        }
        self.previous = Some(hash);
        self.sealed += 1;
        Ok(())
    }

    /// Whether the row would be right after another row of the page, be that row in its place or
    /// one that changed places with it.
    fn belongs_elsewhere(&self, row: &Record, hash: Digest, page: &[Record]) -> bool {
        let mut moved = row.clone();
        let mut fits = |previous: Option<&Digest>, seq| {
            moved.seq = seq;
            self.key.link(previous, &moved) == hash
        };
        fits(None, 1)
            || fits(self.previous.as_ref(), self.next)
            || page.iter().any(|it| {
                it.hash.is_some()
                    && (fits(it.hash.as_ref(), it.seq + 1) || fits(it.hash.as_ref(), it.seq))
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{audit::YOUTH, secrets::Secret};

    const NOW: Timestamp = Timestamp(1000);
    const ROWS: u64 = 8;
    const SEALED: u64 = 6;

    fn key() -> ChainKey {
        ChainKey::derive(&Secret::new("s".repeat(32))).unwrap()
    }

    /// Eight rows, of which six are sealed.
    fn log() -> (Head, Vec<Record>) {
        let row = |seq| Record {
            org: "org".into(),
            seq,
            at: NOW,
            actor: "ada".into(),
            address: "192.0.2.1".into(),
            request_id: "r".into(),
            action: "agent.update".into(),
            target_type: "agent".into(),
            target_id: format!("a{seq}"),
            before: None,
            after: None,
            hash: None,
        };
        let mut rows: Vec<_> = (1..=ROWS).map(row).collect();
        let mut head = Head { last_seq: ROWS, ..Head::default() };
        let seals = key().seals(&head, &rows[..6], NOW).unwrap().unwrap();
        head.mac = Some(seals.mac);
        for (seq, hash) in seals.hashes {
            rows[usize::try_from(seq - 1).unwrap()].hash = Some(hash);
            (head.sealed_seq, head.sealed_hash) = (seq, Some(hash));
        }
        (head, rows)
    }

    fn verify(head: &Head, rows: &[Record], page: usize) -> Result<(u64, u64), (u64, FaultKind)> {
        let (key, org) = (key(), "org".into());
        let mut walk = Verification::of_all(&key, &org, NOW + YOUTH + YOUTH);
        let all = rows.chunks(page).try_for_each(|it| walk.pass(head, it));
        let outcome = all.and_then(|()| walk.end(head));
        outcome.map(|()| (walk.sealed, walk.unsealed)).map_err(|it| (it.seq, it.kind))
    }

    #[track_caller]
    fn check(tamper: impl Fn(&mut Head, &mut Vec<Record>), expected: (u64, FaultKind)) {
        let (mut head, mut rows) = log();
        tamper(&mut head, &mut rows);
        rows.sort_by_key(|it| it.seq);
        for page in [3, 100] {
            assert_eq!(verify(&head, &rows, page), Err(expected), "pages of {page}");
        }
    }

    #[test]
    fn an_untouched_log_is_whole() {
        let (head, rows) = log();
        assert_eq!(verify(&head, &rows, 3), Ok((SEALED, ROWS - SEALED)));
        assert_eq!(verify(&Head::default(), &[], 3), Ok((0, 0)));
    }

    #[test]
    fn a_walk_may_begin_in_the_middle() {
        let ((head, rows), key) = (log(), key());
        let mut walk = Verification::after(&key, &rows[2], NOW);
        assert_eq!(walk.pass(&head, &rows[3..]), Ok(()));
        assert_eq!((walk.next(), walk.sealed, walk.end(&head)), (9, 3, Ok(())));
    }

    #[test]
    fn a_change_is_found() {
        check(|_, rows| rows[3].actor = "eve".into(), (4, FaultKind::Changed));
        check(|_, rows| rows[5].after = Some("{}".into()), (6, FaultKind::Changed));
        check(|_, rows| rows[0].hash = Some(Digest::of("x")), (1, FaultKind::Changed));
    }

    #[test]
    fn rows_that_changed_places_are_found() {
        check(
            |_, rows| {
                rows[3].seq = 5;
                rows[4].seq = 4;
            },
            (4, FaultKind::Reordered),
        );
        check(
            |_, rows| {
                rows[0].seq = 2;
                rows[1].seq = 1;
            },
            (1, FaultKind::Reordered),
        );
    }

    #[test]
    fn a_missing_row_is_found_wherever_it_was() {
        check(|_, rows| drop(rows.remove(0)), (1, FaultKind::Missing));
        check(|_, rows| drop(rows.remove(3)), (4, FaultKind::Missing));
        check(|_, rows| drop(rows.remove(6)), (7, FaultKind::Missing));
        check(|_, rows| rows.truncate(7), (8, FaultKind::Missing));
        check(|_, rows| rows.truncate(4), (5, FaultKind::Missing));
        check(|_, rows| rows.clear(), (1, FaultKind::Missing));
    }

    #[test]
    fn a_row_of_nobodys_is_found() {
        let forged = |hash| {
            move |_: &mut Head, rows: &mut Vec<Record>| {
                rows.push(Record { seq: 9, hash, ..rows[7].clone() });
            }
        };
        check(forged(None), (9, FaultKind::Unexpected));
        check(forged(Some(Digest::of("x"))), (9, FaultKind::Unexpected));
    }

    #[test]
    fn a_seal_that_is_gone_is_found() {
        check(|_, rows| rows[3].hash = None, (4, FaultKind::Unsealed));
        check(|_, rows| rows[5].hash = None, (6, FaultKind::Unsealed));
        check(|_, rows| rows[7].hash = Some(Digest::of("x")), (8, FaultKind::Unsealed));
    }

    #[test]
    fn a_head_that_was_turned_back_is_found() {
        check(|head, _| head.sealed_seq = 4, (4, FaultKind::Head));
        check(|head, _| head.sealed_hash = Some(Digest::of("x")), (6, FaultKind::Head));
        check(|head, _| *head = Head::default(), (1, FaultKind::Head));
        check(|head, _| head.mac = None, (6, FaultKind::Head));
        check(|head, _| head.mac = Some(Digest::of("x")), (6, FaultKind::Head));
    }

    /// As if the rows had never been sealed, so that the next seal would make forged ones ours.
    #[test]
    fn rows_that_were_unsealed_together_with_the_head_are_found() {
        check(
            |head, rows| {
                (head.sealed_seq, head.sealed_hash) = (3, rows[2].hash);
                for it in &mut rows[3..] {
                    it.hash = None;
                }
                rows[4].actor = "eve".into();
            },
            (3, FaultKind::Head),
        );
        check(
            |head, rows| {
                *head = Head { last_seq: ROWS, ..Head::default() };
                for it in &mut *rows {
                    it.hash = None;
                }
                rows[4].actor = "eve".into();
            },
            (1, FaultKind::Head),
        );
    }

    proptest! {
        #[test]
        fn no_sealed_row_can_be_changed_unnoticed(at in 0_usize..6, text in "[a-z]{0,9}") {
            let (head, mut rows) = log();
            let changed = rows[at].action != text;
            rows[at].action = text;
            prop_assert_eq!(verify(&head, &rows, 3).is_err(), changed);
        }
    }
}
