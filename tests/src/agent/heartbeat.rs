//! Heartbeats (§8.5), and what comes with their answers: new keys (§8.10), and the moment to send
//! results that wait (§8.8).

use http::Method;
use serde_json::{Value, json};

use super::Agent;

/// What one heartbeat came to. As the real agent sees it: any answer but 429 and 5xx is a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// With the status, which the real agent never looks at (D-64).
    Answered {
        status: u16,
        adopted_key: bool,
    },
    Nothing,
}

/// Why there was a silence, for the heartbeat that ends it.
#[derive(Debug, Clone)]
pub struct Gap {
    pub reason: String,
    pub offline_seconds: i64,
    pub failures: i64,
}

impl Agent {
    pub async fn heartbeat(&mut self) -> Heard {
        self.beat(None).await
    }

    /// The heartbeat that ends a silence.
    pub async fn heartbeat_after(&mut self, gap: &Gap) -> Heard {
        self.beat(Some(gap)).await
    }

    async fn beat(&mut self, gap: Option<&Gap>) -> Heard {
        let body = self.heartbeat_body(gap);
        let Ok(answer) = self.call(&Method::POST, "/api/agent/heartbeat", Some(&body)).await else {
            self.failures += 1;
            return Heard::Nothing;
        };
        self.failures = 0;
        let decoded: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let new_key = decoded["data"]["new_api_key"].as_str().filter(|it| !it.is_empty());
        if let Some(key) = new_key {
            key.clone_into(&mut self.identity.agent_key);
            self.disk.keep_key(key);
        }
        self.drain().await;
        Heard::Answered { status: answer.status.as_u16(), adopted_key: new_key.is_some() }
    }

    /// What it would send now.
    pub fn heartbeat_body(&self, gap: Option<&Gap>) -> Value {
        let mut system = self.machine.system.clone();
        system["hostname"] = json!(self.machine.hostname);
        system["os"] = json!(self.machine.os);
        system["arch"] = json!(self.machine.arch);
        let now = self.now();
        let mut body = json!({
            "timestamp": format!("{now:.9}"),
            "status": if self.current_task.is_some() { "executing" } else { "idle" },
            "current_task": self.current_task,
            "system": system,
            "agent_version": self.machine.version,
            "last_task_completed": self.last_task_completed,
        });
        if let Some(gap) = gap {
            let started = "2026-07-10T07:55:48Z";
            body["reconnect_reason"] = json!(gap.reason);
            body["process_start_time"] = json!(started);
            body["reconnect_context"] = json!({
                "reason": gap.reason,
                "first_failure_at": (now - jiff::SignedDuration::from_secs(gap.offline_seconds)).to_string(),
                "offline_duration_seconds": gap.offline_seconds,
                "failure_count": gap.failures,
                "network_state": "adapters_ok",
                "process_start_time": started,
            });
        }
        body
    }
}
