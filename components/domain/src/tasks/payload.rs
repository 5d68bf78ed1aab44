//! What a task tells its agent to do: fleet.md §4.5, in its shape and order.

use domain::builds::Build;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    bindings::exports::myrmidon::domain::{tasks::NewTest, types::Fault},
    fault,
};

/// Metadata of a task that is not a test.
const EMPTY_METADATA: &str = r#"{"category":"","subcategory":"","severity":"","techniques":[],"tactics":[],"threat_actor":"","target":[],"complexity":"","tags":[],"score":null,"integrations":[]}"#;

pub(super) struct Payload<'a> {
    test_uuid: &'a str,
    test_name: &'a str,
    binary_name: &'a str,
    binary_sha256: &'a str,
    binary_size: u64,
    execution_timeout: u32,
    arguments: &'a [String],
    metadata: &'a str,
    command: Option<&'a str>,
}

#[derive(Serialize)]
struct Wire<'a> {
    test_uuid: &'a str,
    test_name: &'a str,
    binary_name: &'a str,
    binary_sha256: &'a str,
    binary_size: u64,
    execution_timeout: u32,
    arguments: &'a [String],
    metadata: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
}

impl<'a> Payload<'a> {
    pub(super) fn empty(execution_timeout: u32) -> Self {
        Self {
            test_uuid: "",
            test_name: "",
            binary_name: "",
            binary_sha256: "",
            binary_size: 0,
            execution_timeout,
            arguments: &[],
            metadata: EMPTY_METADATA,
            command: None,
        }
    }

    pub(super) fn command(command: &'a str, execution_timeout: u32) -> Self {
        Self { command: Some(command), ..Self::empty(execution_timeout) }
    }

    /// The binary's name is the build's, whatever the request called it.
    pub(super) fn test(request: &'a NewTest, build: &'a Build) -> Self {
        Self {
            test_uuid: &request.test_uuid,
            test_name: &request.test_name,
            binary_name: &build.filename,
            binary_sha256: &build.sha256,
            binary_size: build.size,
            execution_timeout: request.execution_timeout,
            arguments: &request.arguments,
            metadata: &request.metadata.text,
            command: None,
        }
    }

    pub(super) fn to_json(&self) -> Result<String, Fault> {
        let json = || {
            serde_json::to_string(&Wire {
                test_uuid: self.test_uuid,
                test_name: self.test_name,
                binary_name: self.binary_name,
                binary_sha256: self.binary_sha256,
                binary_size: self.binary_size,
                execution_timeout: self.execution_timeout,
                arguments: self.arguments,
                metadata: serde_json::from_str(self.metadata)?,
                command: self.command,
            })
        };
        json().map_err(|error| fault::unavailable(&error))
    }
}
