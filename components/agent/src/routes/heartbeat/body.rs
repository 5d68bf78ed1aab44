//! A heartbeat's body (fleet.md §5.2): what is kept of it, and what an event takes from it.
//!
//! An agent does not notice that its heartbeats are refused, so a newer agent's additions are
//! ignored everywhere and its new reasons count as unknown (D-79).

use serde::Serialize;
use serde_json::Number;
use web::{
    contract::{Arch, Os, RuntimeStatus},
    schema::{Object, Text, Whole},
};

#[derive(Serialize)]
pub(super) struct Body {
    pub(super) timestamp: String,
    status: RuntimeStatus,
    current_task: Option<String>,
    system: Option<System>,
    pub(super) agent_version: String,
    last_task_completed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_context: Option<Context>,
}

#[derive(Serialize)]
struct System {
    hostname: String,
    os: Os,
    arch: Arch,
    uptime_seconds: Number,
    cpu_percent: Number,
    memory_mb: Number,
    disk_free_mb: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_memory_mb: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_cpu_percent: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_memory_mb: Option<Number>,
}

#[derive(Serialize)]
struct Context {
    reason: &'static str,
    #[serde(flatten)]
    story: Story,
}

/// What happened while we were not told.
#[derive(Serialize)]
pub(super) struct Story {
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure_at: Option<String>,
    offline_duration_seconds: Number,
    failure_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_at_failure: Option<Load>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_start_time: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Load {
    disk_free_mb: Number,
    memory_mb: Number,
    total_memory_mb: Number,
    cpu_percent: Number,
}

/// Details of the `came_online` event (fleet.md §6.3).
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Reconnect<'a> {
    Told {
        #[serde(flatten)]
        story: &'a Story,
        reconnect_reason: &'static str,
    },
    Guessed {
        reconnect_reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        process_start_time: Option<&'a str>,
    },
}

impl Body {
    pub(super) fn reconnect(&self) -> Reconnect<'_> {
        match &self.reconnect_context {
            Some(Context { reason, story }) => Reconnect::Told { story, reconnect_reason: reason },
            None => Reconnect::Guessed {
                reconnect_reason: self.reconnect_reason.unwrap_or(UNKNOWN),
                process_start_time: self.process_start_time.as_deref(),
            },
        }
    }
}

const SHORT: Text = Text::note(255);
const LONG: Text = Text::note(4096);

pub(super) fn schema(body: &mut Object<'_>) -> Body {
    body.forget_nulls_except(&["current_task", "last_task_completed"]);
    Body {
        timestamp: body.string("timestamp", Text::required(64, "timestamp is required")),
        status: body.choice("status"),
        current_task: body.nullable_string("current_task", SHORT),
        system: body.object("system", system),
        agent_version: body.string("agent_version", Text::any(64)),
        last_task_completed: body.nullable_string("last_task_completed", SHORT),
        reconnect_reason: body.optional_string("reconnect_reason", SHORT).map(|it| reason(&it)),
        process_start_time: body.optional_string("process_start_time", SHORT),
        reconnect_context: body.optional_object("reconnect_context", context),
    }
}

fn system(system: &mut Object<'_>) -> System {
    system.forget_nulls_except(&[]);
    System {
        hostname: system.string("hostname", Text::note(255)),
        os: system.choice("os"),
        arch: system.choice("arch"),
        uptime_seconds: system.number("uptime_seconds"),
        cpu_percent: system.number("cpu_percent"),
        memory_mb: system.number("memory_mb"),
        disk_free_mb: system.number("disk_free_mb"),
        total_memory_mb: system.optional_number("total_memory_mb"),
        process_cpu_percent: system.optional_number("process_cpu_percent"),
        process_memory_mb: system.optional_number("process_memory_mb"),
    }
}

fn context(context: &mut Object<'_>) -> Context {
    context.forget_nulls_except(&[]);
    let reason = reason(&context.string("reason", SHORT));
    let offline_duration_seconds = context.number("offline_duration_seconds");
    let failure_count = context.integer("failure_count", Whole::any());
    let story = Story {
        detail: context.optional_string("detail", LONG),
        first_failure_at: context.optional_string("first_failure_at", SHORT),
        offline_duration_seconds,
        failure_count,
        network_state: context.optional_string("network_state", LONG),
        process_start_time: context.optional_string("process_start_time", SHORT),
        system_at_failure: context.optional_object("system_at_failure", |load| Load {
            disk_free_mb: load.number("disk_free_mb"),
            memory_mb: load.number("memory_mb"),
            total_memory_mb: load.number("total_memory_mb"),
            cpu_percent: load.number("cpu_percent"),
        }),
    };
    Context { reason, story }
}

const UNKNOWN: &str = "unknown";

const REASONS: &[&str] = &[
    "service_restart",
    "network_recovery",
    "machine_reboot",
    "update_restart",
    "network_adapter_disabled",
    "dns_failure",
    "server_unreachable",
    "network_unreachable",
    "connection_timeout",
    "connection_reset",
    "tls_error",
    "disk_pressure_crash",
    "memory_pressure_crash",
];

fn reason(sent: &str) -> &'static str {
    REASONS.iter().find(|it| **it == sent).copied().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use web::{Problem, schema::read};

    use super::*;

    fn plain() -> Value {
        json!({
            "timestamp": "2026-07-11T09:15:02.481207331Z", "status": "idle", "current_task": null,
            "system": {"hostname": "ws-0417", "os": "windows", "arch": "amd64", "uptime_seconds": 91234,
                       "cpu_percent": 7.5, "memory_mb": 6120, "disk_free_mb": 81234, "more": true},
            "agent_version": "0.6.2", "last_task_completed": null, "extra": {}
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = plain();
        body[key] = value;
        body
    }

    fn accepted(body: Value) -> Body {
        read(body, schema).unwrap()
    }

    #[test]
    fn unknown_keys_are_dropped() {
        let expected = concat!(
            r#"{"timestamp":"2026-07-11T09:15:02.481207331Z","status":"idle","current_task":null,"#,
            r#""system":{"hostname":"ws-0417","os":"windows","arch":"amd64","uptime_seconds":91234,"#,
            r#""cpu_percent":7.5,"memory_mb":6120,"disk_free_mb":81234},"#,
            r#""agent_version":"0.6.2","last_task_completed":null}"#,
        );
        assert_eq!(serde_json::to_string(&accepted(plain())).unwrap(), expected);
    }

    #[test]
    fn an_empty_body_has_six_issues() {
        let Err(Problem::Invalid(issues)) = read(json!({}), schema) else { panic!("accepted") };
        let paths: Vec<_> = issues.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "timestamp",
                "status",
                "current_task",
                "system",
                "agent_version",
                "last_task_completed"
            ]
        );
    }

    #[track_caller]
    fn check_reconnect(body: Value, expected: &str) {
        assert_eq!(serde_json::to_string(&accepted(body).reconnect()).unwrap(), expected);
    }

    #[test]
    fn the_event_tells_what_the_agent_knows() {
        check_reconnect(plain(), r#"{"reconnect_reason":"unknown"}"#);
        check_reconnect(
            with("reconnect_reason", json!("dns_failure")),
            r#"{"reconnect_reason":"dns_failure"}"#,
        );
        check_reconnect(
            with(
                "reconnect_context",
                json!({"reason": "server_unreachable", "detail": "refused\u{0}", "offline_duration_seconds": 2092,
                       "failure_count": 9, "process_start_time": "2026-07-10T07:55:48Z", "new_in_0_9": [1]}),
            ),
            concat!(
                r#"{"detail":"refused�","offline_duration_seconds":2092,"failure_count":9,"#,
                r#""process_start_time":"2026-07-10T07:55:48Z","reconnect_reason":"server_unreachable"}"#
            ),
        );
    }

    #[test]
    fn a_reason_we_do_not_know_is_unknown() {
        check_reconnect(
            with("reconnect_reason", json!("solar_flare")),
            r#"{"reconnect_reason":"unknown"}"#,
        );
        check_reconnect(with("reconnect_reason", json!(null)), r#"{"reconnect_reason":"unknown"}"#);
    }
}
