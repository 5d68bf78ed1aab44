//! The document as it is committed: `public` serves it, each tier's test holds it to its routes.
//!
//! `cargo xtask openapi` runs those tests with `OPENAPI_WRITE` set, and they write it instead.

use std::{env, fs};

use serde_json::Value;

use super::document;
use crate::Routes;

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../components/public/openapi.json");

/// Compares what a tier's routes say of themselves with what the document says of them.
///
/// # Panics
/// Where they differ, or where a route says nothing.
pub fn assert_current(tier: &str, routes: &Routes) {
    let committed = fs::read_to_string(PLACE).unwrap_or_default();
    let before = serde_json::from_str(&committed).unwrap_or(Value::Null);
    let current = document::with_tier(before, tier, routes);
    let text = format!("{current:#}\n");
    if env::var_os("OPENAPI_WRITE").is_some() {
        fs::write(PLACE, text).expect("the document can be written");
    } else {
        assert!(text == committed, "components/public/openapi.json: run `cargo xtask openapi`");
    }
}
