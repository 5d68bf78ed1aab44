//! The JSON of the shared records (fleet.md §4.4, §4.9), field by field in its documented order.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use serde_json::value::RawValue;

use super::{Json, Release, Task, Timestamp};
use crate::instant;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(instant::Text::of(self.unix_ms).as_str())
    }
}

/// The text as it is; it is not rebuilt, only checked.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut task = serializer.serialize_struct("Task", 26)?;
        task.serialize_field("id", &self.id)?;
        task.serialize_field("agent_id", &self.agent_id)?;
        task.serialize_field("org_id", &self.org_id)?;
        task.serialize_field("type", &self.type_)?;
        task.serialize_field("priority", &self.priority)?;
        task.serialize_field("status", &self.status)?;
        task.serialize_field("payload", &self.payload)?;
        task.serialize_field("result", &self.result)?;
        task.serialize_field("created_at", &self.created_at)?;
        task.serialize_field("assigned_at", &self.assigned_at)?;
        task.serialize_field("completed_at", &self.completed_at)?;
        task.serialize_field("ttl", &self.ttl)?;
        task.serialize_field("created_by", &self.created_by)?;
        task.serialize_field("notes", &self.notes)?;
        task.serialize_field("notes_history", &self.notes_history)?;
        task.serialize_field("target_index", &self.target_index)?;
        task.serialize_field("batch_id", &self.batch_id)?;
        task.serialize_field("retry_count", &self.retry_count)?;
        task.serialize_field("max_retries", &self.max_retries)?;
        task.serialize_field("original_task_id", &self.original_task_id)?;
        task.serialize_field("es_ingested", &u8::from(self.ingested))?;
        task.serialize_field("ingest_attempts", &self.ingest_attempts)?;
        task.serialize_field("last_ingest_attempt_at", &self.last_ingest_attempt_at)?;
        task.serialize_field("agent_hostname", &self.agent_hostname)?;
        task.serialize_field("late", &self.late)?;
        task.serialize_field("notes_count", &self.notes_count)?;
        task.end()
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut release = serializer.serialize_struct("AgentVersion", 13)?;
        release.serialize_field("version", &self.version)?;
        release.serialize_field("os", &self.os)?;
        release.serialize_field("arch", &self.arch)?;
        release.serialize_field("binary_path", &self.binary_path)?;
        release.serialize_field("binary_sha256", &self.binary_sha256)?;
        release.serialize_field("binary_size", &self.binary_size)?;
        release.serialize_field("release_notes", &self.release_notes)?;
        release.serialize_field("mandatory", &self.mandatory)?;
        release.serialize_field("signed", &self.signed)?;
        release.serialize_field("binary_signature", &self.binary_signature)?;
        release.serialize_field("created_at", &self.created_at)?;
        release.serialize_field("awaiting_approval", &self.awaiting_approval)?;
        release.serialize_field("promoted", &self.promoted)?;
        release.end()
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixtures;

    #[test]
    fn a_task_has_its_documented_keys_in_their_order() {
        let expected = concat!(
            r#"{"id":"t","agent_id":"a","org_id":"o","type":"execute_test","priority":5,"status":"assigned","#,
            r#""payload":{"test_uuid":"u","arguments":[]},"result":null,"created_at":"2026-07-11T09:20:11.000Z","#,
            r#""assigned_at":"2026-07-11T09:20:32.004Z","completed_at":null,"ttl":604800,"created_by":"user_2ab","#,
            r#""notes":null,"notes_history":[],"target_index":null,"batch_id":"b","retry_count":0,"max_retries":2,"#,
            r#""original_task_id":null,"es_ingested":0,"ingest_attempts":0,"last_ingest_attempt_at":null,"#,
            r#""agent_hostname":null,"late":false,"notes_count":0}"#,
        );
        assert_eq!(serde_json::to_string(&fixtures::task()).unwrap(), expected);
    }

    #[test]
    fn text_that_is_not_json_never_reaches_an_answer() {
        assert!(serde_json::to_string(&Json { text: r#"{"open":"#.to_owned() }).is_err());
    }
}
