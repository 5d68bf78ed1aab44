//! What an organisation knows of tests that it has not been told in a request.

mod library;

use domain::{catalog::Test, ids::OrgId};
use serde::{Deserialize, Serialize};
use store::catalogs;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        catalog::Guest,
        types::{Actor, Fault, Json},
    },
    call::Call,
    fault,
};

/// As much metadata as a request may bring.
const LARGEST_METADATA: usize = 16 * 1024;

impl Guest for Component {
    async fn reload(by: Actor) -> Result<u32, Fault> {
        let call = Call::begin()?;
        let tests = library::scan(std::path::Path::new(library::ROOT));
        let entries: Vec<_> = tests.iter().filter_map(|(id, it)| entry(id, it)).collect();
        let entries = serde_json::to_string(&entries).map_err(|it| fault::unavailable(&it))?;
        let org = OrgId(by.org_id.clone());
        let entry = audit::entry(&call, &by, "catalog.reload");
        let size = catalogs::replace(call.db, &org, &entries, &entry).await?;
        audit::seal(&call, &org).await;
        Ok(size)
    }
}

/// A request's metadata stays where it says anything of category or techniques; otherwise all of it
/// is the catalog's, if that knows the test (fleet.md §6.4, step 5).
pub(crate) async fn resolve(
    call: &Call,
    org: &OrgId,
    test_uuid: &str,
    metadata: &mut Json,
) -> Result<(), store::Error> {
    if says_something(&metadata.text) {
        return Ok(());
    }
    if let Some(known) = catalogs::find_metadata(call.db, org, test_uuid).await? {
        metadata.text = known;
    }
    Ok(())
}

fn says_something(metadata: &str) -> bool {
    #[derive(Deserialize)]
    struct Gist {
        #[serde(default)]
        category: String,
        #[serde(default)]
        techniques: Vec<String>,
    }
    serde_json::from_str::<Gist>(metadata)
        .map_or(true, |it| !it.category.is_empty() || !it.techniques.is_empty())
}

#[derive(Serialize)]
struct Entry<'a> {
    test_uuid: &'a str,
    name: &'a str,
    metadata: Metadata<'a>,
}

/// fleet.md §4.5, in its order.
#[derive(Serialize)]
struct Metadata<'a> {
    category: &'a str,
    subcategory: &'a str,
    severity: &'a str,
    techniques: &'a [String],
    tactics: &'a [String],
    threat_actor: &'a str,
    target: &'a [String],
    complexity: &'a str,
    tags: &'a [String],
    score: Option<f64>,
    integrations: &'a [String],
}

/// `None` for a test whose metadata no request could bring either.
fn entry<'a>(test_uuid: &'a str, it: &'a Test) -> Option<Entry<'a>> {
    let metadata = Metadata {
        category: &it.category,
        subcategory: &it.subcategory,
        severity: &it.severity,
        techniques: &it.techniques,
        tactics: &it.tactics,
        threat_actor: &it.threat_actor,
        target: &it.target,
        complexity: &it.complexity,
        tags: &it.tags,
        score: it.score,
        integrations: &it.integrations,
    };
    let size = serde_json::to_string(&metadata).ok()?.len();
    (size <= LARGEST_METADATA).then_some(Entry { test_uuid, name: &it.name, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metadata: &str, expected: bool) {
        assert_eq!(says_something(metadata), expected, "{metadata}");
    }

    #[test]
    fn metadata_without_category_and_techniques_says_nothing() {
        check(r#"{"category":"","techniques":[],"severity":"high"}"#, false);
        check("{}", false);
        check(r#"{"category":"x","techniques":[]}"#, true);
        check(r#"{"category":"","techniques":["T1"]}"#, true);
        // What we cannot read we do not replace either.
        check(r#"{"category":7}"#, true);
    }

    #[test]
    fn a_test_that_says_too_much_is_left_out() {
        let techniques = vec!["x".repeat(255); 100];
        assert!(entry("id", &Test { techniques, ..Test::default() }).is_none());
        let shown = serde_json::to_string(&entry("id", &Test::default())).unwrap();
        let expected = r#"{"test_uuid":"id","name":"","metadata":{"category":"","subcategory":"","severity":"","techniques":[],"tactics":[],"threat_actor":"","target":[],"complexity":"","tags":[],"score":null,"integrations":[]}}"#;
        assert_eq!(shown, expected);
    }
}
