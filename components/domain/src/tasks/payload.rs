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

pub(crate) struct Payload<'a> {
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
    pub(crate) fn empty(execution_timeout: u32) -> Self {
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

    pub(crate) fn command(command: &'a str, execution_timeout: u32) -> Self {
        Self { command: Some(command), ..Self::empty(execution_timeout) }
    }

    /// The binary's name is the build's, whatever the request called it.
    pub(crate) fn test(request: &'a NewTest, build: &'a Build) -> Self {
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

    pub(crate) fn to_json(&self) -> Result<String, Fault> {
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

#[cfg(test)]
mod tests {
    use domain::{
        platform::{Arch, Os, Platform},
        time::Timestamp,
    };

    use super::*;
    use crate::bindings::exports::myrmidon::domain::types::Json;

    #[test]
    fn a_test_is_told_in_the_documented_order() {
        let request = NewTest {
            agent_ids: Vec::new(),
            test_uuid: "3d7c".to_owned(),
            test_name: "LSASS \"read\"".to_owned(),
            binary_name: "other.exe".to_owned(),
            execution_timeout: 120,
            arguments: vec!["-v".to_owned()],
            priority: 5,
            metadata: Json { text: r#"{"category":"x","score":7.50}"#.to_owned() },
            target_index: None,
            max_retries: 2,
        };
        let build = Build {
            platform: Platform { os: Os::Windows, arch: Arch::Amd64 },
            filename: "3d7c.exe".to_owned(),
            sha256: "ab".repeat(32),
            size: 7_340_032,
            signed: false,
            built_at: Timestamp(0),
        };
        let expected = format!(
            r#"{{"test_uuid":"3d7c","test_name":"LSASS \"read\"","binary_name":"3d7c.exe","binary_sha256":"{}","binary_size":7340032,"execution_timeout":120,"arguments":["-v"],"metadata":{{"category":"x","score":7.50}}}}"#,
            "ab".repeat(32)
        );
        assert_eq!(Payload::test(&request, &build).to_json().unwrap(), expected);
    }

    #[test]
    fn an_update_has_no_command_and_an_uninstall_may_have_an_empty_one() {
        let update = Payload::empty(600).to_json().unwrap();
        assert!(update.starts_with(r#"{"test_uuid":"","test_name":"","binary_name":"","binary_sha256":"","binary_size":0,"execution_timeout":600,"arguments":[],"metadata":{"category":"","#));
        assert!(update.ends_with(r#""score":null,"integrations":[]}}"#));
        let uninstall = Payload::command("", 300).to_json().unwrap();
        assert!(uninstall.ends_with(r#","command":""}"#));
    }
}
