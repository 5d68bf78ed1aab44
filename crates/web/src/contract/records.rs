//! The JSON Schemas of the shared records, beside which `json` writes them. A test compares the keys.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Arch, Json, Os, Release, Task, TaskStatus, TaskType, Timestamp};

impl JsonSchema for Task {
    fn schema_name() -> Cow<'static, str> {
        "Task".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut fields = Fields { generator, properties: Map::new() };
        fields.add::<String>("id");
        fields.add::<String>("agent_id");
        fields.add::<String>("org_id");
        fields.add::<TaskType>("type");
        fields.add::<u8>("priority");
        fields.add::<TaskStatus>("status");
        fields.add::<Json>("payload");
        fields.add::<Json>("result");
        fields.add::<Timestamp>("created_at");
        fields.add::<Option<Timestamp>>("assigned_at");
        fields.add::<Option<Timestamp>>("completed_at");
        fields.add::<u32>("ttl");
        fields.add::<Option<String>>("created_by");
        fields.add::<Option<String>>("notes");
        fields.add::<Vec<Json>>("notes_history");
        fields.add::<Option<String>>("target_index");
        fields.add::<String>("batch_id");
        fields.add::<u32>("retry_count");
        fields.add::<u32>("max_retries");
        fields.add::<Option<String>>("original_task_id");
        fields.add::<u8>("es_ingested");
        fields.add::<u32>("ingest_attempts");
        fields.add::<Option<Timestamp>>("last_ingest_attempt_at");
        fields.add::<Option<String>>("agent_hostname");
        fields.add::<bool>("late");
        fields.add::<u32>("notes_count");
        fields.into_schema()
    }
}

impl JsonSchema for Release {
    fn schema_name() -> Cow<'static, str> {
        "AgentVersion".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut fields = Fields { generator, properties: Map::new() };
        fields.add::<String>("version");
        fields.add::<Os>("os");
        fields.add::<Arch>("arch");
        fields.add::<String>("binary_path");
        fields.add::<String>("binary_sha256");
        fields.add::<u64>("binary_size");
        fields.add::<String>("release_notes");
        fields.add::<bool>("mandatory");
        fields.add::<bool>("signed");
        fields.add::<String>("binary_signature");
        fields.add::<Timestamp>("created_at");
        fields.add::<Option<String>>("awaiting_approval");
        fields.add::<bool>("promoted");
        fields.into_schema()
    }
}

/// All of them are always there.
struct Fields<'a> {
    generator: &'a mut SchemaGenerator,
    properties: Map<String, Value>,
}

impl Fields<'_> {
    fn add<T: JsonSchema>(&mut self, name: &str) {
        let schema = self.generator.subschema_for::<T>();
        self.properties.insert(name.to_owned(), schema.to_value());
    }

    fn into_schema(self) -> Schema {
        let required: Vec<_> = self.properties.keys().cloned().collect();
        let schema =
            json!({ "type": "object", "properties": self.properties, "required": required });
        Schema::try_from(schema).expect("an object is a schema")
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::contract::fixtures;

    #[track_caller]
    fn check<T: Serialize + JsonSchema>(record: &T) {
        let written = serde_json::to_value(record).unwrap();
        let described = T::json_schema(&mut SchemaGenerator::default()).to_value();
        let keys = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&written), keys(&described["properties"]));
    }

    #[test]
    fn what_is_described_is_what_is_written() {
        check(&fixtures::task());
        check(&fixtures::release());
    }
}
