//! The log as a file, made page by page while it is read: newest first, at most [`MOST_ROWS`] rows.
//!
//! `X-Total-Count` says how many rows the file has when it is whole, `X-Export-Limit` the bound.
//! Where the database fails midway the file ends early, and is shorter than that.

use spin_sdk::{wasip3, wit_bindgen::StreamWriter};
use web::{Answer, HeaderName, HeaderValue, Problem, contract::Actor, download};

use super::rows::{COLUMNS, Shown, cells};
use crate::bindings::{
    myrmidon::domain::audit::{self, AuditFilter, AuditRows, Audited},
    wit_stream,
};

const MOST_ROWS: u64 = 100_000;
const PAGE: u32 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 4180.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

pub(super) async fn start(actor: Actor, filter: AuditFilter, format: Format) -> Answer {
    let filter = AuditFilter { limit: PAGE, ..filter };
    let first = audit::list_entries(actor.clone(), filter.clone()).await?;
    let total = first.rest.min(MOST_ROWS);
    let (writer, content) = wit_stream::new();
    wasip3::spawn(write(actor, filter, format, first.rows, writer));
    let (name, kind) = match format {
        Format::Csv => ("audit.csv", "text/csv; charset=utf-8; header=present"),
        Format::Ndjson => ("audit.ndjson", "application/x-ndjson"),
    };
    Ok(download::export(name, kind, content)
        .with(HeaderName::from_static("x-total-count"), HeaderValue::from(total))
        .with(HeaderName::from_static("x-export-limit"), HeaderValue::from(MOST_ROWS)))
}

async fn write(
    actor: Actor,
    mut filter: AuditFilter,
    format: Format,
    first: AuditRows,
    mut writer: StreamWriter<u8>,
) {
    let mut page = first;
    let mut left = MOST_ROWS;
    let mut is_first = true;
    loop {
        let (next, number) = (page.next, page.entries.len() as u64);
        let Ok(bytes) = render(page.entries, format, is_first) else { return };
        if !writer.write_all(bytes).await.is_empty() {
            return;
        }
        is_first = false;
        left = left.saturating_sub(number);
        let (Some(next), true) = (next, left > 0) else { return };
        filter.before = Some(next);
        match audit::next_entries(actor.clone(), filter.clone()).await {
            Ok(it) => page = it,
            Err(_) => return,
        }
    }
}

/// `begins` where the names of the columns come first.
fn render(entries: Vec<Audited>, format: Format, begins: bool) -> Result<Vec<u8>, Problem> {
    let unpresentable = |it: &dyn std::error::Error| Problem::Unpresentable(it.to_string());
    match format {
        Format::Ndjson => {
            let mut bytes = Vec::new();
            for entry in entries {
                serde_json::to_writer(&mut bytes, &Shown::from(entry))
                    .map_err(|it| unpresentable(&it))?;
                bytes.push(b'\n');
            }
            Ok(bytes)
        }
        Format::Csv => {
            let mut table =
                csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            if begins {
                table.write_record(COLUMNS).map_err(|it| unpresentable(&it))?;
            }
            for entry in entries {
                table.write_record(cells(entry)).map_err(|it| unpresentable(&it))?;
            }
            table.into_inner().map_err(|it| unpresentable(&it))
        }
    }
}
