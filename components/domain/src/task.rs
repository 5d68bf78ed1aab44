//! A task, from the store to the contract.

use domain::tasks;

use crate::bindings::exports::myrmidon::domain::types::{Task, TaskStatus, TaskType};

impl From<store::tasks::Task> for Task {
    fn from(it: store::tasks::Task) -> Self {
        Self {
            id: it.id.0,
            agent_id: it.agent.0,
            org_id: it.org.0,
            type_: it.kind.into(),
            priority: it.priority,
            status: it.status.into(),
            payload: it.payload.into(),
            result: it.result.map(Into::into),
            created_at: it.created_at.into(),
            assigned_at: it.assigned_at.map(Into::into),
            completed_at: it.completed_at.map(Into::into),
            ttl: it.ttl_seconds,
            created_by: it.created_by,
            notes: it.notes,
            notes_history: it.notes_history.into(),
            notes_count: it.notes_count,
            target_index: it.target_index,
            batch_id: it.batch,
            retry_count: it.retry_count,
            max_retries: it.max_retries,
            original_task_id: it.original.map(|it| it.0),
            ingested: it.ingested,
            ingest_attempts: it.ingest_attempts,
            last_ingest_attempt_at: it.last_ingest_attempt_at.map(Into::into),
            late: it.late,
            agent_hostname: None,
        }
    }
}

impl From<store::tasks::list::Listed> for Task {
    fn from(it: store::tasks::list::Listed) -> Self {
        Self { agent_hostname: it.hostname, ..it.task.into() }
    }
}

impl From<tasks::TaskStatus> for TaskStatus {
    fn from(it: tasks::TaskStatus) -> Self {
        match it {
            tasks::TaskStatus::Pending => Self::Pending,
            tasks::TaskStatus::Assigned => Self::Assigned,
            tasks::TaskStatus::Downloading => Self::Downloading,
            tasks::TaskStatus::Executing => Self::Executing,
            tasks::TaskStatus::Completed => Self::Completed,
            tasks::TaskStatus::Failed => Self::Failed,
            tasks::TaskStatus::Expired => Self::Expired,
        }
    }
}

impl From<TaskStatus> for tasks::TaskStatus {
    fn from(it: TaskStatus) -> Self {
        match it {
            TaskStatus::Pending => Self::Pending,
            TaskStatus::Assigned => Self::Assigned,
            TaskStatus::Downloading => Self::Downloading,
            TaskStatus::Executing => Self::Executing,
            TaskStatus::Completed => Self::Completed,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Expired => Self::Expired,
        }
    }
}

impl From<tasks::TaskType> for TaskType {
    fn from(it: tasks::TaskType) -> Self {
        match it {
            tasks::TaskType::ExecuteTest => Self::ExecuteTest,
            tasks::TaskType::UpdateAgent => Self::UpdateAgent,
            tasks::TaskType::Uninstall => Self::Uninstall,
            tasks::TaskType::ExecuteCommand => Self::ExecuteCommand,
        }
    }
}

impl From<TaskType> for tasks::TaskType {
    fn from(it: TaskType) -> Self {
        match it {
            TaskType::ExecuteTest => Self::ExecuteTest,
            TaskType::UpdateAgent => Self::UpdateAgent,
            TaskType::Uninstall => Self::Uninstall,
            TaskType::ExecuteCommand => Self::ExecuteCommand,
        }
    }
}
