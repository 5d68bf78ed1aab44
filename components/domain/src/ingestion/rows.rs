//! Documents as the JSON that the statement which stores them reads.

use domain::results::documents::{Document, Documents};
use serde::Serialize;

/// The JSON texts of one task's documents.
pub(super) struct Json {
    pub(super) target: String,
    pub(super) tags: String,
    pub(super) documents: String,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    test_uuid: &'a str,
    test_name: &'a str,
    error_code: i64,
    error_name: &'a str,
    outcome: &'static str,
    category: &'a str,
    subcategory: &'a str,
    severity: &'a str,
    techniques: &'a [String],
    tactics: &'a [String],
    control_id: Option<&'a str>,
    control_validator: Option<&'a str>,
}

impl Json {
    pub(super) fn of(documents: &Documents) -> Result<Self, serde_json::Error> {
        let rows: Vec<_> = documents.each.iter().map(Row::from).collect();
        Ok(Self {
            target: serde_json::to_string(&documents.target)?,
            tags: serde_json::to_string(&documents.tags)?,
            documents: serde_json::to_string(&rows)?,
        })
    }
}

impl<'a> From<&'a Document> for Row<'a> {
    fn from(it: &'a Document) -> Self {
        Self {
            id: &it.id,
            test_uuid: &it.test_uuid,
            test_name: &it.test_name,
            error_code: it.error_code,
            error_name: &it.error_name,
            outcome: it.outcome.as_str(),
            category: &it.category,
            subcategory: &it.subcategory,
            severity: &it.severity,
            techniques: &it.techniques,
            tactics: &it.tactics,
            control_id: it.control_id.as_deref(),
            control_validator: it.control_validator.as_deref(),
        }
    }
}
