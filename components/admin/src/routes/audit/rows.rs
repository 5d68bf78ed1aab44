//! A row of the log as JSON and as cells of a table.

use schemars::JsonSchema;
use serde::Serialize;
use web::contract::{Json, Timestamp};

use crate::bindings::myrmidon::domain::audit::Audited;

#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    seq: u64,
    at: Timestamp,
    actor: String,
    address: String,
    request_id: String,
    action: String,
    target_type: String,
    target_id: String,
    before: Option<Json>,
    after: Option<Json>,
    hash: Option<String>,
}

impl From<Audited> for Shown {
    fn from(it: Audited) -> Self {
        Self {
            seq: it.seq,
            at: it.at,
            actor: it.actor,
            address: it.address,
            request_id: it.request_id,
            action: it.action,
            target_type: it.target_type,
            target_id: it.target_id,
            before: it.before,
            after: it.after,
            hash: it.hash,
        }
    }
}

pub(super) const COLUMNS: [&str; 11] = [
    "seq",
    "at",
    "actor",
    "address",
    "request_id",
    "action",
    "target_type",
    "target_id",
    "before",
    "after",
    "hash",
];

pub(super) fn cells(it: Audited) -> [String; COLUMNS.len()] {
    let json = |it: Option<Json>| it.map(|it| it.text).unwrap_or_default();
    [
        it.seq.to_string(),
        web::instant::Text::of(it.at.unix_ms).as_str().to_owned(),
        it.actor,
        it.address,
        it.request_id,
        it.action,
        it.target_type,
        it.target_id,
        json(it.before),
        json(it.after),
        it.hash.unwrap_or_default(),
    ]
    .map(harmless)
}

/// A cell that a spreadsheet would take for a formula gets an apostrophe in front, which it does not show.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "ada", "2001:db8::1", "{\"a\":\"=1\"}", "a=1"] {
            assert_eq!(harmless(cell.to_owned()), cell);
        }
    }
}
