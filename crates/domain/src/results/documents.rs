//! From a task and what its agent reported to the documents that are stored (fleet.md §6.9).
//!
//! Total: whatever an agent sends becomes a document, cut to what one may hold. Which task, test,
//! organisation and agent it is about comes from our row alone (D-25).

use super::{Outcome, code_name, event_at, permitted_index};
use crate::time::Timestamp;

/// Characters of one text.
const LONGEST_TEXT: usize = 512;
/// Entries of one list, and characters of one entry.
const MOST_ENTRIES: usize = 64;
const LONGEST_ENTRY: usize = 128;

/// What our row says of the task.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub task: String,
    pub test_uuid: String,
    pub test_name: String,
    pub metadata: Metadata,
    pub target_index: Option<String>,
    pub assigned_at: Timestamp,
    pub received_at: Timestamp,
}

/// What its creator said about the test: fleet.md §4.5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    pub category: String,
    pub subcategory: String,
    pub severity: String,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
    pub threat_actor: String,
    pub target: Vec<String>,
    pub complexity: String,
    pub tags: Vec<String>,
    pub score: Option<f64>,
    pub integrations: Vec<String>,
}

/// What the agent says: fleet.md §4.6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub exit_code: i64,
    pub hostname: String,
    pub completed_at: String,
    pub bundle: Option<Bundle>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bundle {
    pub id: String,
    pub name: String,
    pub subcategory: String,
    pub controls: Vec<Control>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    pub id: String,
    pub name: String,
    pub validator: String,
    pub exit_code: i64,
    pub skipped: bool,
    pub severity: String,
    pub category: String,
    pub subcategory: String,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
}

/// What all documents of a task have in common, and the documents: one, or one per control.
#[derive(Debug, Clone, PartialEq)]
pub struct Documents {
    pub event_at: Timestamp,
    pub hostname: String,
    pub threat_actor: String,
    pub complexity: String,
    pub target: Vec<String>,
    pub tags: Vec<String>,
    /// Always finite.
    pub score: Option<f64>,
    pub target_index: Option<String>,
    pub bundle: Option<BundleName>,
    pub each: Vec<Document>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleName {
    pub id: String,
    pub name: String,
    /// Whose cloud the bundle looked at, where it looked at one.
    pub tenant_label: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The same for the same task and control, so that storing it twice stores it once.
    pub id: String,
    pub test_uuid: String,
    pub test_name: String,
    pub error_code: i64,
    pub error_name: String,
    pub outcome: Outcome,
    pub category: String,
    pub subcategory: String,
    pub severity: String,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
    pub control_id: Option<String>,
    pub control_validator: Option<String>,
}

impl Assignment {
    /// At least one document. Of two controls with the same id the later one stands.
    pub fn documents(&self, report: &Report) -> Documents {
        let bundle = report.bundle.as_ref().filter(|it| !it.controls.is_empty());
        let each = match bundle {
            None => vec![self.of_test(report)],
            Some(bundle) => bundle.controls.iter().map(|it| self.of_control(bundle, it)).collect(),
        };
        let metadata = &self.metadata;
        Documents {
            event_at: event_at(&report.completed_at, self.assigned_at, self.received_at),
            hostname: text(&report.hostname),
            threat_actor: text(&metadata.threat_actor),
            complexity: text(&metadata.complexity),
            target: list(&metadata.target),
            tags: list(&metadata.tags),
            score: metadata.score.filter(|it| it.is_finite()),
            target_index: self.target_index.as_deref().and_then(permitted_index).map(text),
            bundle: bundle.map(|it| BundleName {
                id: text(&it.id),
                name: text(&it.name),
                tenant_label: self.tenant_label(it),
            }),
            each,
        }
    }

    fn of_test(&self, report: &Report) -> Document {
        let metadata = &self.metadata;
        Document {
            id: self.task.clone(),
            test_uuid: text(&self.test_uuid),
            test_name: text(&self.test_name),
            error_code: report.exit_code,
            error_name: code_name(report.exit_code),
            outcome: Outcome::of_code(report.exit_code),
            category: text(&metadata.category),
            subcategory: text(&metadata.subcategory),
            severity: text(&metadata.severity),
            techniques: list(&metadata.techniques),
            tactics: list(&metadata.tactics),
            control_id: None,
            control_validator: None,
        }
    }

    fn of_control(&self, bundle: &Bundle, control: &Control) -> Document {
        let id = text(&control.id);
        let outcome =
            if control.skipped { Outcome::Skipped } else { Outcome::of_code(control.exit_code) };
        Document {
            id: format!("{}::{id}", self.task),
            test_uuid: format!("{}::{id}", text(&bundle.id)),
            test_name: text(&control.name),
            error_code: control.exit_code,
            error_name: code_name(control.exit_code),
            outcome,
            category: text(&control.category),
            subcategory: text(&control.subcategory),
            severity: text(&control.severity),
            techniques: list(&control.techniques),
            tactics: list(&control.tactics),
            control_id: Some(id),
            control_validator: Some(text(&control.validator)),
        }
    }

    fn tenant_label(&self, bundle: &Bundle) -> Option<&'static str> {
        let is_tenants = |it: &str| it == "identity-tenant";
        let concerns_tenant = self.metadata.integrations.iter().any(|it| it == "azure")
            || is_tenants(&bundle.subcategory)
            || is_tenants(&self.metadata.subcategory);
        concerns_tenant.then_some("Azure Tenant")
    }
}

fn text(given: &str) -> String {
    cut(given, LONGEST_TEXT)
}

fn list(given: &[String]) -> Vec<String> {
    given.iter().take(MOST_ENTRIES).map(|it| cut(it, LONGEST_ENTRY)).collect()
}

fn cut(given: &str, most: usize) -> String {
    given.chars().take(most).map(|it| if it == '\0' { '\u{fffd}' } else { it }).collect()
}

#[cfg(test)]
mod tests;
