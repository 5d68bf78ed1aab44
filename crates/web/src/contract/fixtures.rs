//! A record of each kind, for tests.

use super::{Arch, Json, Os, Release, Task, TaskStatus, TaskType, Timestamp};

fn json(text: &str) -> Json {
    Json { text: text.to_owned() }
}

pub(super) fn task() -> Task {
    Task {
        id: "t".into(),
        agent_id: "a".into(),
        org_id: "o".into(),
        type_: TaskType::ExecuteTest,
        priority: 5,
        status: TaskStatus::Assigned,
        payload: json(r#"{"test_uuid":"u","arguments":[]}"#),
        result: None,
        created_at: Timestamp { unix_ms: 1_783_761_611_000 },
        assigned_at: Some(Timestamp { unix_ms: 1_783_761_632_004 }),
        completed_at: None,
        ttl: 604_800,
        created_by: Some("user_2ab".into()),
        notes: None,
        notes_history: json("[]"),
        notes_count: 0,
        target_index: None,
        batch_id: "b".into(),
        retry_count: 0,
        max_retries: 2,
        original_task_id: None,
        ingested: false,
        ingest_attempts: 0,
        last_ingest_attempt_at: None,
        late: false,
        agent_hostname: None,
    }
}

pub(super) fn release() -> Release {
    Release {
        version: "0.6.2".into(),
        os: Os::Linux,
        arch: Arch::Amd64,
        binary_path: "p".into(),
        binary_sha256: "00".into(),
        binary_size: 7,
        release_notes: String::new(),
        mandatory: false,
        signed: false,
        binary_signature: "00".into(),
        created_at: Timestamp { unix_ms: 1_783_761_611_000 },
        awaiting_approval: None,
        promoted: false,
    }
}
