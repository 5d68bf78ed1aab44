//! The audit log as a chain: each row's hash covers the row and the hash before it.
//!
//! The hash is keyed (HMAC-SHA256, RFC 2104) under a key that the database does not hold, so whoever can
//! write the file cannot make it agree with itself again. What the chain cannot show by itself is the
//! loss of its end together with the head that counts it: for that a head is noted elsewhere.

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
    time::Timestamp,
};

const SALT: &[u8] = b"myrmidon-audit-log-v1";
const INFO: &[u8] = b"chain";
const SHORTEST_SECRET: usize = 32;

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
}

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

    /// The hashes of rows that follow the sealed ones, as far as they follow without a gap.
    pub fn seals(&self, head: &Head, rows: &[Record]) -> Vec<(u64, Digest)> {
        let mut previous = head.sealed_hash;
        let following = (head.sealed_seq + 1..).zip(rows);
        let seal = |(seq, row): (u64, &Record)| {
            let hash = (row.seq == seq).then(|| self.link(previous.as_ref(), row))?;
            previous = Some(hash);
            Some((seq, hash))
        };
        following.map_while(seal).collect()
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
        let seals = key("s").seals(&head, &[row(1), row(2), row(4)]);
        assert_eq!(seals.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
        let first = key("s").link(None, &row(1));
        assert_eq!(seals[1].1, key("s").link(Some(&first), &row(2)));
    }

    #[test]
    fn a_short_secret_makes_no_key_and_no_key_shows_itself() {
        let short = Secret::new("s".repeat(31));
        assert!(ChainKey::derive(&short).is_err());
        assert_eq!(format!("{:?}", key("s")), "ChainKey(…)");
    }
}
