//! `audit_log`: who did what. Rows are written by the triggers of the tables that change; here they
//! are named, sealed and read.
//!
//! Absent on purpose: anything that inserts, changes or deletes a row of the log.

use domain::{
    audit::{Head, Record, Seals},
    ids::OrgId,
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, Value};

pub mod check;
pub mod list;

/// On whose behalf a statement changes something: what it sets the row's `audit` to.
///
/// A statement that writes many rows puts it on one of them, so that one call is one row of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub at: Timestamp,
    pub actor: String,
    pub address: String,
    pub request_id: String,
    /// `noun.verb`.
    pub action: &'static str,
    /// What the changed row does not say by itself, such as the other rows of the call. Never a secret.
    pub details: Option<serde_json::Value>,
}

impl Entry {
    #[must_use]
    pub fn with_details(self, details: serde_json::Value) -> Self {
        Self { details: Some(details), ..self }
    }
}

impl From<&Entry> for Value {
    fn from(it: &Entry) -> Self {
        let mut entry = serde_json::json!({
            "at": it.at.0,
            "actor": it.actor,
            "address": it.address,
            "request_id": it.request_id,
            "action": it.action,
        });
        if let Some(details) = &it.details {
            entry["details"] = details.clone();
        }
        Self::Text(entry.to_string())
    }
}

/// Part of a log, and its head as it was at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub head: Head,
    /// In the order of their numbers.
    pub rows: Vec<Record>,
}

/// What [`decode`] reads.
macro_rules! record_columns {
    () => {
        "org_id, seq, at, actor, address, request_id, action, target_type, target_id, before, after, hash"
    };
}

pub(crate) use record_columns;

/// What [`decode_section`] reads: the head, and rows that a statement chooses.
macro_rules! section_of {
    ($rows:literal) => {
        concat!(
            "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    last_seq, sealed_seq, sealed_hash, mac
               FROM audit_heads WHERE org_id = ?1
              UNION ALL
             SELECT * FROM (SELECT ",
            record_columns!(),
            ", NULL, NULL, NULL, NULL FROM audit_log WHERE org_id = ?1 AND ",
            $rows,
            " ORDER BY seq LIMIT ?2)"
        )
    };
}

/// The rows from this number on.
pub async fn section(db: &impl Db, org: &OrgId, from: u64, limit: u32) -> Result<Section, Error> {
    let params = [org.into(), limit.into(), from.cast_signed().into()];
    decode_section(db.query(section_of!("seq >= ?3"), &params).await?)
}

/// The rows that follow the sealed ones.
pub async fn unsealed(db: &impl Db, org: &OrgId, limit: u32) -> Result<Section, Error> {
    let unsealed = section_of!("seq > (SELECT sealed_seq FROM audit_heads WHERE org_id = ?1)");
    decode_section(db.query(unsealed, &[org.into(), limit.into()]).await?)
}

/// Every organisation that has a log, or a head without one.
pub async fn list_organisations(db: &impl Db) -> Result<Vec<OrgId>, Error> {
    let sql = "SELECT org_id FROM audit_heads UNION SELECT org_id FROM audit_log ORDER BY org_id";
    let rows = db.query(sql, &[]).await?;
    rows.into_iter().map(|mut row| Ok(OrgId(row.text(0)?))).collect()
}

/// Organisations whose log has rows to be sealed.
pub async fn list_unsealed(db: &impl Db, limit: u32) -> Result<Vec<OrgId>, Error> {
    let rows = db
        .query(
            "SELECT org_id FROM audit_heads WHERE sealed_seq < last_seq ORDER BY org_id LIMIT ?1",
            &[limit.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| Ok(OrgId(row.text(0)?))).collect()
}

/// Seals rows that follow `head`, which must still be the head, and proves the head that this makes.
/// `false` when another was faster: it will have sealed the same rows with the same hashes.
///
/// The trigger `audit_heads_sealing` seals the rows.
pub async fn record_seals(
    db: &impl Db,
    org: &OrgId,
    head: &Head,
    seals: &Seals,
) -> Result<bool, Error> {
    let Some((last, hash)) = seals.hashes.last() else { return Ok(false) };
    let hashes: Vec<_> = seals.hashes.iter().map(|(seq, hash)| (seq, hash.to_hex())).collect();
    let hashes = serde_json::to_string(&hashes).expect("numbers and digits are JSON");
    let rows = db
        .query(
            "UPDATE audit_heads SET sealed_seq = ?4, sealed_hash = ?5, mac = ?6, sealing = ?7
              WHERE org_id = ?1 AND sealed_seq = ?2 AND sealed_hash IS ?3
          RETURNING 1",
            &[
                org.into(),
                head.sealed_seq.cast_signed().into(),
                head.sealed_hash.as_ref().map(Value::from).into(),
                last.cast_signed().into(),
                hash.into(),
                (&seals.mac).into(),
                hashes.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Proves a head as it is. `false` when it is another by now. Only for whoever has verified its log.
pub async fn record_mac(
    db: &impl Db,
    org: &OrgId,
    head: &Head,
    mac: &Digest,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE audit_heads SET mac = ?4
              WHERE org_id = ?1 AND sealed_seq = ?2 AND sealed_hash IS ?3
          RETURNING 1",
            &[
                org.into(),
                head.sealed_seq.cast_signed().into(),
                head.sealed_hash.as_ref().map(Value::from).into(),
                mac.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

const HEAD: usize = 12;

fn decode_section(rows: Vec<Row>) -> Result<Section, Error> {
    let (heads, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|it| it.is_null(0));
    let head = heads.into_iter().next().map(decode_head).transpose()?;
    let rows = rows.into_iter().map(decode).collect::<Result<_, _>>()?;
    Ok(Section { head: head.unwrap_or_default(), rows })
}

fn decode_head(mut row: Row) -> Result<Head, Error> {
    Ok(Head {
        last_seq: row.integer(HEAD)?,
        sealed_seq: row.integer(HEAD + 1)?,
        sealed_hash: decode_hash(&mut row, HEAD + 2)?,
        mac: decode_hash(&mut row, HEAD + 3)?,
    })
}

fn decode(mut row: Row) -> Result<Record, Error> {
    Ok(Record {
        org: OrgId(row.text(0)?),
        seq: row.integer(1)?,
        at: row.timestamp(2)?,
        actor: row.text(3)?,
        address: row.text(4)?,
        request_id: row.text(5)?,
        action: row.text(6)?,
        target_type: row.text(7)?,
        target_id: row.text(8)?,
        before: row.optional_text(9)?,
        after: row.optional_text(10)?,
        hash: decode_hash(&mut row, 11)?,
    })
}

fn decode_hash(row: &mut Row, column: usize) -> Result<Option<Digest>, Error> {
    if row.is_null(column) { Ok(None) } else { Ok(Some(row.bytes::<32>(column)?.into())) }
}

#[cfg(test)]
mod tests;
