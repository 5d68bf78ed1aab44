//! The audit log as a chain: each row's hash covers the row and the hash before it.
//!
//! The hash is keyed (HMAC-SHA256, RFC 2104) under a key that the database does not hold, and so is the
//! head that says how far the rows are sealed: whoever can write the file cannot make it agree with
//! itself again. What neither can show is that the file is an older one, whole or in part: for that a
//! head is noted elsewhere.

mod verification;

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

pub use self::verification::{Fault, FaultKind, Verification};
use crate::{
    ids::OrgId,
    sealing::TooShort,
    secrets::{Digest, Secret},
    time::{Span, Timestamp},
};

const SALT: &[u8] = b"myrmidon-audit-log-v1";
const INFO: &[u8] = b"chain";
const SHORTEST_SECRET: usize = 32;

/// What begins the text that a head's code is over: no row begins like it.
const HEAD: &[u8] = b"head";

/// How long the first rows of a log may wait for their seal. Until then its head proves nothing.
pub const YOUTH: Span = Span::seconds(600);

/// One row: who did what, from where, to what, and what that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub org: OrgId,
    /// 1, 2, 3 … per organisation, without a gap.
    pub seq: u64,
    pub at: Timestamp,
    pub actor: String,
    pub address: String,
    pub request_id: String,
    pub action: String,
    pub target_type: String,
    pub target_id: String,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    /// None until it is sealed.
    pub hash: Option<Digest>,
}

/// Where an organisation's log ends, and how far it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    pub last_seq: u64,
    pub sealed_seq: u64,
    /// Of the row `sealed_seq`.
    pub sealed_hash: Option<Digest>,
    /// Proves the two above; none before the first seal.
    pub mac: Option<Digest>,
}

/// What sealing rows writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seals {
    /// At least one.
    pub hashes: Vec<(u64, Digest)>,
    /// Of the head that the last of them makes.
    pub mac: Digest,
}

/// The head is not one that we wrote: nothing is sealed after it, or forged rows would become ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the head of an audit log is not ours, or its first rows have waited for too long")]
pub struct Distrusted;

/// What rows are sealed with.
#[derive(Clone)]
pub struct ChainKey(Hmac<Sha256>);

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(…)")
    }
}

impl ChainKey {
    /// HKDF-SHA256 (RFC 5869) of a secret that serves other keys, too.
    pub fn derive(encryption_secret: &Secret) -> Result<Self, TooShort> {
        if encryption_secret.expose().chars().count() < SHORTEST_SECRET {
            return Err(TooShort);
        }
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(SALT), encryption_secret.expose().as_bytes())
            .expand(INFO, &mut key)
            .expect("32 bytes are within what HKDF-SHA256 gives");
        Ok(Self(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length")))
    }

    /// The hash of a row that follows a row of the hash `previous`; the first row follows none.
    ///
    /// Every field is preceded by whether it is there and how long it is, so that no two rows read alike.
    pub fn link(&self, previous: Option<&Digest>, record: &Record) -> Digest {
        let mut mac = self.0.clone();
        let mut field = |bytes: Option<&[u8]>| match bytes {
            None => mac.update(&[0]),
            Some(bytes) => {
                mac.update(&[1]);
                mac.update(&(bytes.len() as u64).to_be_bytes());
                mac.update(bytes);
            }
        };
        field(previous.map(|it| &it.as_bytes()[..]));
        field(Some(&record.seq.to_be_bytes()));
        field(Some(&record.at.0.to_be_bytes()));
        for text in [
            record.org.as_str(),
            &record.actor,
            &record.address,
            &record.request_id,
            &record.action,
            &record.target_type,
            &record.target_id,
        ] {
            field(Some(text.as_bytes()));
        }
        field(record.before.as_deref().map(str::as_bytes));
        field(record.after.as_deref().map(str::as_bytes));
        Digest::from(<[u8; 32]>::from(mac.finalize().into_bytes()))
    }

    /// The code of a head that says this row is the last sealed one; 0 and none before there is any.
    pub fn head_mac(&self, org: &OrgId, sealed_seq: u64, sealed_hash: Option<&Digest>) -> Digest {
        let mut mac = self.0.clone();
        mac.update(HEAD);
        mac.update(&(org.as_str().len() as u64).to_be_bytes());
        mac.update(org.as_str().as_bytes());
        mac.update(&sealed_seq.to_be_bytes());
        if let Some(hash) = sealed_hash {
            mac.update(hash.as_bytes());
        }
        Digest::from(<[u8; 32]>::from(mac.finalize().into_bytes()))
    }

    /// Whether we wrote this head. One that nobody has sealed yet has no code, and is believed as long
    /// as the first row, where there is one, is young.
    pub fn trusts(&self, org: &OrgId, head: &Head, first: Option<&Record>, now: Timestamp) -> bool {
        match head.mac {
            Some(mac) => {
                // Both are digests under our key: comparing them tells nothing that helps to make one.
                mac == self.head_mac(org, head.sealed_seq, head.sealed_hash.as_ref())
            }
            None => head.sealed_seq == 0 && first.is_none_or(|it| now <= it.at + YOUTH),
        }
    }

    /// The hashes of rows that follow the sealed ones, as far as they follow without a gap; none when
    /// nothing does.
    pub fn seals(
        &self,
        head: &Head,
        rows: &[Record],
        now: Timestamp,
    ) -> Result<Option<Seals>, Distrusted> {
        let Some(first) = rows.first() else { return Ok(None) };
        if !self.trusts(&first.org, head, Some(first), now) {
            return Err(Distrusted);
        }
        let mut previous = head.sealed_hash;
        let following = (head.sealed_seq + 1..).zip(rows);
        let seal = |(seq, row): (u64, &Record)| {
            let hash = (row.seq == seq).then(|| self.link(previous.as_ref(), row))?;
            previous = Some(hash);
            Some((seq, hash))
        };
        let hashes: Vec<_> = following.map_while(seal).collect();
        Ok(hashes
            .last()
            .copied()
            .map(|(seq, hash)| Seals { mac: self.head_mac(&first.org, seq, Some(&hash)), hashes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> ChainKey {
        ChainKey::derive(&Secret::new(secret.repeat(32))).unwrap()
    }

    fn record() -> Record {
        Record {
            org: "org".into(),
            seq: 1,
            at: Timestamp(7),
            actor: "ada".into(),
            address: "192.0.2.1".into(),
            request_id: "r1".into(),
            action: "agent.rotate-key".into(),
            target_type: "agent".into(),
            target_id: "a1".into(),
            before: None,
            after: Some("{}".into()),
            hash: None,
        }
    }

    #[test]
    fn the_hash_depends_on_every_field_the_key_and_what_went_before() {
        let (key, one) = (key("s"), record());
        let changes: [fn(&mut Record); 11] = [
            |it| it.org = "other".into(),
            |it| it.seq = 2,
            |it| it.at = Timestamp(8),
            |it| it.actor = "eve".into(),
            |it| it.address = "192.0.2.2".into(),
            |it| it.request_id = "r2".into(),
            |it| it.action = "agent.rotate".into(),
            |it| it.target_type = "task".into(),
            |it| it.target_id = "a2".into(),
            |it| it.before = Some(String::new()),
            |it| it.after = None,
        ];
        let hash = key.link(None, &one);
        for (number, change) in changes.iter().enumerate() {
            let mut other = record();
            change(&mut other);
            assert_ne!(key.link(None, &other), hash, "change {number}");
        }
        assert_ne!(key.link(Some(&Digest::of("before")), &one), hash);
        assert_ne!(self::key("t").link(None, &one), hash);
        assert_eq!(key.link(None, &Record { hash: Some(hash), ..record() }), hash);
    }

    #[test]
    fn a_text_cannot_move_from_one_field_to_the_next() {
        let key = key("s");
        let one = Record { actor: "ad".into(), address: "a".into(), ..record() };
        let two = Record { actor: "a".into(), address: "da".into(), ..record() };
        assert_ne!(key.link(None, &one), key.link(None, &two));
    }

    #[test]
    fn sealing_stops_at_a_gap() {
        let row = |seq| Record { seq, ..record() };
        let head = Head { last_seq: 9, ..Head::default() };
        let rows = [row(1), row(2), row(4)];
        let seals = key("s").seals(&head, &rows, Timestamp(7)).unwrap().unwrap();
        assert_eq!(seals.hashes.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
        let first = key("s").link(None, &row(1));
        let second = key("s").link(Some(&first), &row(2));
        assert_eq!(seals.hashes[1].1, second);
        assert_eq!(seals.mac, key("s").head_mac(&"org".into(), 2, Some(&second)));
        assert_eq!(key("s").seals(&head, &[], Timestamp(7)), Ok(None));
        assert_eq!(key("s").seals(&head, &[row(2)], Timestamp(7)), Ok(None));
    }

    #[test]
    fn nothing_is_sealed_after_a_head_that_is_not_ours() {
        let (key, now) = (key("s"), Timestamp(7));
        let hash = Digest::of("x");
        let ours = |seq, hash: Option<Digest>| Head {
            last_seq: 9,
            sealed_seq: seq,
            sealed_hash: hash,
            mac: Some(key.head_mac(&"org".into(), seq, hash.as_ref())),
        };
        let next = |seq| [Record { seq, ..record() }];
        let sealed = |head: Head, at| key.seals(&head, &next(head.sealed_seq + 1), at).is_ok();
        assert!(sealed(ours(3, Some(hash)), now));
        assert!(!sealed(Head { mac: None, ..ours(3, Some(hash)) }, now));
        assert!(!sealed(Head { sealed_seq: 2, ..ours(3, Some(hash)) }, now));
        assert!(!sealed(Head { sealed_hash: Some(Digest::of("y")), ..ours(3, Some(hash)) }, now));
        assert!(!sealed(Head { mac: Some(hash), ..ours(3, Some(hash)) }, now));
        let other = self::key("t").head_mac(&"org".into(), 3, Some(&hash));
        assert!(!sealed(Head { mac: Some(other), ..ours(3, Some(hash)) }, now));
        // A log that begins has no code yet. One that pretends to is known by the age of its rows.
        let new = Head { last_seq: 1, ..Head::default() };
        assert!(sealed(new, now + YOUTH));
        assert!(!sealed(new, now + YOUTH + Span::millis(1)));
        assert!(sealed(ours(0, None), now + Span::days(9)));
    }

    #[test]
    fn a_short_secret_makes_no_key_and_no_key_shows_itself() {
        let short = Secret::new("s".repeat(31));
        assert!(ChainKey::derive(&short).is_err());
        assert_eq!(format!("{:?}", key("s")), "ChainKey(…)");
    }
}
