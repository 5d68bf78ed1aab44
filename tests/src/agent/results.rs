//! Handing in results (§8.7), and the queue of those that could not be handed in (§8.8).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::Agent;

const WAITS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    Accepted,
    /// It waits in the queue.
    Queued,
}

enum Reply {
    Taken,
    /// 400 or 404: never again.
    Refused,
    Unclear,
}

impl Agent {
    pub(super) async fn submit(&self, task_id: &str, result: &Value) -> Submitted {
        for attempt in 0..=WAITS.len() {
            match self.hand_in(task_id, result).await {
                Reply::Taken => return Submitted::Accepted,
                Reply::Refused => return self.enqueue(task_id, result),
                Reply::Unclear => {}
            }
            if let Some(wait) = WAITS.get(attempt) {
                (self.pause)(*wait).await;
            }
        }
        // Any answer will do, none too.
        drop(self.report(task_id, &json!({ "status": "failed" })).await);
        self.enqueue(task_id, result)
    }

    /// Sends what waits, in the order of file names, until something is neither taken nor refused.
    pub(super) async fn drain(&self) {
        for task_id in self.disk.queued() {
            let Some(content) = self.disk.read_queued(&task_id) else { continue };
            let entry: Value = serde_json::from_str(&content).unwrap_or_default();
            if !entry["result"].is_object() {
                // A damaged file helps nobody.
                self.disk.dequeue(&task_id);
                continue;
            }
            match self.hand_in(&task_id, &entry["result"]).await {
                Reply::Taken | Reply::Refused => self.disk.dequeue(&task_id),
                Reply::Unclear => return,
            }
        }
    }

    async fn hand_in(&self, task_id: &str, result: &Value) -> Reply {
        let path = format!("/api/agent/tasks/{task_id}/result");
        match self.call(&Method::POST, &path, Some(result)).await.map(|it| it.status.as_u16()) {
            Ok(200..300) => Reply::Taken,
            Ok(400 | 404) => Reply::Refused,
            Ok(_) | Err(_) => Reply::Unclear,
        }
    }

    fn enqueue(&self, task_id: &str, result: &Value) -> Submitted {
        let entry = json!({ "task_id": task_id, "result": result });
        self.disk.enqueue(task_id, &entry.to_string());
        Submitted::Queued
    }
}
