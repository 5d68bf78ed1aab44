//! What clients are told of a build.

use schemars::JsonSchema;
use serde::Serialize;
use web::contract::{Arch, Os, Timestamp};

use crate::bindings::myrmidon::domain::builds::Build;

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(super) enum Information {
    Present(Present),
    Absent { exists: bool },
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Present {
    exists: bool,
    platform: Platform,
    signed: bool,
    file_size: u64,
    built_at: Timestamp,
    filename: String,
    source: &'static str,
}

#[derive(JsonSchema, Serialize)]
struct Platform {
    os: Os,
    arch: Arch,
}

impl From<Option<Build>> for Information {
    fn from(build: Option<Build>) -> Self {
        let Some(it) = build else { return Self::Absent { exists: false } };
        Self::Present(Present {
            exists: true,
            platform: Platform { os: it.platform.os, arch: it.platform.arch },
            signed: it.signed,
            file_size: it.size,
            built_at: it.built_at,
            filename: it.filename,
            source: "uploaded",
        })
    }
}
