//! The import rule: which of our crates may depend on which others of ours.
//!
//! `ARCHITECTURE.md` states it; test dependencies are free.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::command::cargo;

/// Folder → crates of ours that it, or what is in it, may use. The first that fits counts.
const RULES: &[(&str, &[&str])] = &[
    ("crates/domain", &[]),
    ("crates/web", &[]),
    ("crates", &["domain"]),
    ("components/domain", &["domain", "store", "blobs", "oidc"]),
    ("components", &["web"]),
    ("host", &[]),
    ("cli", &["host", "store", "domain", "oidc"]),
    ("tests", &["host", "store", "domain"]),
    ("bench/hello", &[]),
    ("bench", &["store"]),
    ("xtask", &[]),
];

pub(super) fn offences(root: &Path) -> Result<Vec<String>> {
    let metadata = cargo("metadata", &["--no-deps", "--format-version", "1"]).output()?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut offences = Vec::new();
    for package in packages {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest
            .parent()
            .and_then(|it| it.strip_prefix(root).ok())
            .context("a package lies elsewhere")?;
        let folder = folder.display().to_string();
        let ours: Vec<&str> = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|it| it["path"].is_string() && it["kind"] != "dev")
            .filter_map(|it| it["name"].as_str())
            .collect();
        offences.extend(in_package(&folder, &ours));
    }
    Ok(offences)
}

fn in_package(folder: &str, ours: &[&str]) -> Vec<String> {
    let Some((_, permitted)) =
        RULES.iter().find(|(within, _)| Path::new(folder).starts_with(within))
    else {
        return vec![format!("{folder}: no import rule says what it may use")];
    };
    ours.iter()
        .filter(|it| !permitted.contains(it))
        .map(|it| format!("{folder}: may not depend on `{it}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::in_package;

    #[test]
    fn a_tier_may_use_the_web_vocabulary_but_no_storage() {
        assert_eq!(in_package("components/agent", &["web"]), Vec::<String>::new());
        assert_eq!(in_package("components/agent", &["web", "store"]).len(), 1);
    }

    #[test]
    fn an_unknown_folder_has_no_rule() {
        assert_eq!(in_package("elsewhere", &[]).len(), 1);
        assert_eq!(in_package("hostel", &[]).len(), 1);
    }

    #[test]
    fn a_rule_is_for_a_folder_and_not_for_its_namesakes() {
        assert_eq!(in_package("host/tests/guest", &[]), Vec::<String>::new());
        assert_eq!(in_package("crates/domain-x", &["domain"]), Vec::<String>::new());
        assert_eq!(in_package("components/domain-x", &["store"]).len(), 1);
    }
}
