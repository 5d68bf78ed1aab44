//! Polling and dispatch (§8.6): the four kinds of task, step by step.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Agent, Ended, Submitted, Update};
use crate::server::Unreachable;

/// Bytes of a test binary; more is not downloaded (`max_binary_size`).
const MAX_BINARY: u64 = 100 << 20;

/// What the agent reads of a task. Anything that does not decode is a lost task.
#[derive(Debug, Clone, Deserialize)]
struct Task {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    payload: Payload,
}

#[derive(Debug, Clone, Deserialize)]
struct Payload {
    test_uuid: String,
    test_name: String,
    binary_name: String,
    binary_sha256: String,
    binary_size: u64,
    execution_timeout: i64,
    arguments: Option<Vec<String>>,
    command: Option<String>,
}

/// Something to run, for the closure that stands for running it.
#[derive(Debug, Clone)]
pub enum Job {
    Test {
        task_id: String,
        uuid: String,
        name: String,
        binary: bytes::Bytes,
        arguments: Vec<String>,
        timeout: i64,
    },
    Command {
        task_id: String,
        command: String,
        timeout: i64,
    },
}

/// What running came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub exit_code: i64,
    pub stdout: String,
    pub stderr: String,
    pub bundle_results: Option<Value>,
}

/// What one poll led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// 204.
    Nothing,
    /// No answer, or one that is not understood: ignored until the next poll.
    Unclear(String),
    Done {
        task_id: String,
        submitted: Submitted,
    },
    /// Given up, and reported as failed.
    Aborted {
        task_id: String,
        reason: String,
    },
    /// Of a kind it does not know: it says nothing.
    Ignored {
        task_id: String,
    },
}

impl Job {
    pub fn name(&self) -> &str {
        match self {
            Self::Test { name, .. } => name,
            Self::Command { command, .. } => command,
        }
    }
}

impl Outcome {
    pub fn of(exit_code: i64, stdout: &str) -> Self {
        Self { exit_code, stdout: stdout.to_owned(), stderr: String::new(), bundle_results: None }
    }
}

impl Agent {
    /// Asks for a task and carries it out to its end.
    pub async fn work(&mut self) -> Work {
        let answer = match self.call(&Method::GET, "/api/agent/tasks", None).await {
            Ok(answer) => answer,
            Err(error) => return Work::Unclear(error.to_string()),
        };
        if answer.status == 204 {
            return Work::Nothing;
        }
        let decoded: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status != 200 || decoded["success"] != true {
            return Work::Unclear(format!("{} {}", answer.status, answer.text()));
        }
        match serde_json::from_value::<Task>(decoded["data"].clone()) {
            Ok(task) if !task.id.is_empty() => self.perform(task).await,
            Ok(_) => Work::Unclear("a task without an id".into()),
            Err(error) => Work::Unclear(error.to_string()),
        }
    }

    /// Works until there is nothing to do.
    pub async fn work_all(&mut self) -> Vec<Work> {
        let mut done = Vec::new();
        loop {
            match self.work().await {
                Work::Nothing => return done,
                work => done.push(work),
            }
        }
    }

    async fn perform(&mut self, task: Task) -> Work {
        self.current_task = Some(task.id.clone());
        let performed = match task.kind.as_str() {
            "execute_test" => self.run_test(&task).await,
            "execute_command" => self.run_command(&task).await,
            "update_agent" => self.run_update(&task).await,
            "uninstall" => self.run_uninstall(&task).await,
            _ => return Work::Ignored { task_id: task.id },
        };
        self.current_task = None;
        match performed {
            Ok(submitted) => {
                self.last_task_completed = Some(task.id.clone());
                Work::Done { task_id: task.id, submitted }
            }
            Err(reason) => {
                // Any answer will do, none too.
                drop(self.report(&task.id, &json!({ "status": "failed", "error": reason })).await);
                Work::Aborted { task_id: task.id, reason }
            }
        }
    }

    async fn run_test(&self, task: &Task) -> Result<Submitted, String> {
        self.proceed(&task.id, "downloading").await?;
        let binary = self.download(&task.payload).await?;
        self.proceed(&task.id, "executing").await?;
        let job = Job::Test {
            task_id: task.id.clone(),
            uuid: task.payload.test_uuid.clone(),
            name: task.payload.test_name.clone(),
            binary,
            arguments: task.payload.arguments.clone().unwrap_or_default(),
            timeout: task.payload.execution_timeout,
        };
        self.run(task, job).await
    }

    async fn run_command(&self, task: &Task) -> Result<Submitted, String> {
        self.proceed(&task.id, "executing").await?;
        let job = Job::Command {
            task_id: task.id.clone(),
            command: task.payload.command.clone().unwrap_or_default(),
            timeout: task.payload.execution_timeout,
        };
        self.run(task, job).await
    }

    async fn run(&self, task: &Task, job: Job) -> Result<Submitted, String> {
        let started = self.now();
        let outcome = (self.runner)(job);
        let mut result = json!({
            "task_id": task.id, "test_uuid": task.payload.test_uuid, "exit_code": outcome.exit_code,
            "stdout": outcome.stdout, "stderr": outcome.stderr,
            "started_at": started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "completed_at": self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "execution_duration_ms": 12, "binary_sha256": task.payload.binary_sha256,
            "hostname": self.machine.hostname, "os": self.machine.os, "arch": self.machine.arch,
        });
        if let Some(bundle) = outcome.bundle_results {
            result["bundle_results"] = bundle;
        }
        Ok(self.submit(&task.id, &result).await)
    }

    /// Only exit code and output mean something (§8.7).
    async fn run_update(&mut self, task: &Task) -> Result<Submitted, String> {
        // Its answer is not looked at.
        drop(self.report(&task.id, &json!({ "status": "executing" })).await);
        let stdout = match self.check_update().await.map_err(|error| error.to_string())? {
            Update::Applied(version) => format!("updated to {version}"),
            Update::None => "already up to date".to_owned(),
        };
        let result = json!({
            "task_id": "", "test_uuid": "", "exit_code": 0, "stdout": stdout, "stderr": "", "started_at": "",
            "completed_at": "", "execution_duration_ms": 0, "binary_sha256": "", "hostname": "", "os": "", "arch": "",
        });
        Ok(self.submit(&task.id, &result).await)
    }

    async fn run_uninstall(&mut self, task: &Task) -> Result<Submitted, String> {
        // Its answer is not looked at.
        drop(self.report(&task.id, &json!({ "status": "executing" })).await);
        let now = self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let result = json!({
            "task_id": task.id, "test_uuid": "", "exit_code": 0, "stdout": "uninstall initiated", "stderr": "",
            "started_at": now, "completed_at": now, "execution_duration_ms": 0, "binary_sha256": "",
            "hostname": self.machine.hostname, "os": self.machine.os, "arch": self.machine.arch,
        });
        let path = format!("/api/agent/tasks/{}/result", task.id);
        let answer = self
            .call(&Method::POST, &path, Some(&result))
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("uninstall result rejected: {}", answer.status));
        }
        self.ended = Some(Ended::Uninstalled);
        Ok(Submitted::Accepted)
    }

    /// Goes on only when the server says so.
    async fn proceed(&self, task_id: &str, status: &str) -> Result<(), String> {
        let answer = self
            .report(task_id, &json!({ "status": status }))
            .await
            .map_err(|error| error.to_string())?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(format!("status {status} rejected: {}", answer.status))
        }
    }

    pub(super) async fn report(
        &self,
        task_id: &str,
        body: &Value,
    ) -> Result<crate::Answer, Unreachable> {
        self.call(&Method::PATCH, &format!("/api/agent/tasks/{task_id}/status"), Some(body)).await
    }

    /// The name goes into the path as it is.
    async fn download(&self, payload: &Payload) -> Result<bytes::Bytes, String> {
        let path =
            format!("/api/agent/binary/{}?test_uuid={}", payload.binary_name, payload.test_uuid);
        let answer =
            self.call(&Method::GET, &path, None).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("download: status {}", answer.status));
        }
        if payload.binary_size > MAX_BINARY || answer.body.len() as u64 > MAX_BINARY {
            return Err("binary exceeds the maximum size".into());
        }
        let found = hex::encode(Sha256::digest(&answer.body));
        if found != payload.binary_sha256 {
            return Err(format!(
                "SHA256 mismatch: expected {}, got {found}",
                payload.binary_sha256
            ));
        }
        if answer.body.len() as u64 != payload.binary_size {
            return Err(format!(
                "size mismatch: expected {}, got {}",
                payload.binary_size,
                answer.body.len()
            ));
        }
        Ok(answer.body)
    }
}
