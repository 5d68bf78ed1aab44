//! Work as operators give it.

mod creation;
pub(crate) mod payload;

use domain::{
    ids::{OrgId, TaskId},
    tasks::{
        DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY, TIME_TO_LIVE, TaskType, UNINSTALL_PRIORITY,
        UNINSTALL_TIME_TO_LIVE, UNINSTALL_TIMEOUT, UPDATE_TIMEOUT,
    },
};
use store::tasks;

use self::{
    creation::{Order, create},
    payload::Payload,
};
use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        tasks::{CancelError, CreateError, Guest, NewCommand, NewTest, TaskFilter, TaskPage},
        types::{Actor, Fault, Task},
    },
    call::Call,
    transfers,
};

impl Guest for Component {
    async fn create_tests(by: Actor, request: NewTest) -> Result<Vec<String>, CreateError> {
        let call = Call::begin().await?;
        let org = OrgId(by.org_id.clone());
        let build = store::builds::find(call.db, &org, &request.test_uuid).await?;
        let Some(build) = build else {
            return Err(CreateError::UnknownBuild(request.test_uuid));
        };
        let blobs = transfers::open_store().await?;
        if transfers::find(&blobs, &build.sha256, build.size).await?.is_none() {
            return Err(CreateError::MissingBinary(build.filename));
        }
        let payload = Payload::test(&request, &build).to_json()?;
        let order = Order {
            kind: TaskType::ExecuteTest,
            priority: request.priority,
            payload: &payload,
            execution_timeout: request.execution_timeout,
            ttl: TIME_TO_LIVE,
            max_retries: request.max_retries,
            target_index: request.target_index.as_deref(),
            platform: Some(build.platform),
        };
        create(&call, &by, request.agent_ids, order).await
    }

    async fn create_commands(by: Actor, request: NewCommand) -> Result<Vec<String>, CreateError> {
        let call = Call::begin().await?;
        let payload = Payload::command(&request.command, request.execution_timeout).to_json()?;
        let order = Order {
            kind: TaskType::ExecuteCommand,
            priority: request.priority,
            execution_timeout: request.execution_timeout,
            ..Order::of(TaskType::ExecuteCommand, &payload)
        };
        create(&call, &by, request.agent_ids, order).await
    }

    async fn create_updates(by: Actor, agent_ids: Vec<String>) -> Result<Vec<String>, CreateError> {
        let call = Call::begin().await?;
        let payload = Payload::empty(UPDATE_TIMEOUT).to_json()?;
        let order = Order {
            execution_timeout: UPDATE_TIMEOUT,
            ..Order::of(TaskType::UpdateAgent, &payload)
        };
        create(&call, &by, agent_ids, order).await
    }

    async fn create_uninstalls(
        by: Actor,
        agent_ids: Vec<String>,
        cleanup: bool,
    ) -> Result<Vec<String>, CreateError> {
        let call = Call::begin().await?;
        let command = if cleanup { "cleanup" } else { "" };
        let payload = Payload::command(command, UNINSTALL_TIMEOUT).to_json()?;
        let order = Order {
            priority: UNINSTALL_PRIORITY,
            execution_timeout: UNINSTALL_TIMEOUT,
            ttl: UNINSTALL_TIME_TO_LIVE,
            ..Order::of(TaskType::Uninstall, &payload)
        };
        create(&call, &by, agent_ids, order).await
    }

    async fn list_tasks(by: Actor, filter: TaskFilter) -> Result<TaskPage, Fault> {
        let call = Call::begin().await?;
        let org = OrgId(by.org_id);
        let wanted = tasks::list::Filter {
            agent: filter.agent_id.as_deref(),
            status: filter.status.map(Into::into),
            kind: filter.type_.map(Into::into),
            search: filter.search.as_deref(),
        };
        let total = tasks::list::count(call.db, &org, &wanted).await?;
        let tasks = match filter.limit {
            0 => Vec::new(),
            limit => tasks::list::list(call.db, &org, &wanted, limit, filter.offset).await?,
        };
        Ok(TaskPage { tasks: tasks.into_iter().map(Into::into).collect(), total })
    }

    async fn find_task(by: Actor, id: String) -> Result<Option<Task>, Fault> {
        let call = Call::begin().await?;
        let task = tasks::find(call.db, &OrgId(by.org_id), &TaskId(id)).await?;
        Ok(task.map(Into::into))
    }

    async fn cancel(by: Actor, id: String) -> Result<Task, CancelError> {
        let call = Call::begin().await?;
        let entry = audit::entry(&call, &by, "task.cancel");
        let (org, id) = (OrgId(by.org_id), TaskId(id));
        if let Some(cancelled) = tasks::record_cancellation(call.db, &org, &id, &entry).await? {
            audit::seal(&call, &org).await;
            return Ok(cancelled.into());
        }
        match tasks::find(call.db, &org, &id).await? {
            None => Err(CancelError::NotFound),
            Some(task) => Err(CancelError::AlreadyEnded(task.status.into())),
        }
    }
}

impl<'a> Order<'a> {
    fn of(kind: TaskType, payload: &'a str) -> Self {
        Self {
            kind,
            payload,
            priority: DEFAULT_PRIORITY,
            execution_timeout: UPDATE_TIMEOUT,
            ttl: TIME_TO_LIVE,
            max_retries: DEFAULT_MAX_RETRIES,
            target_index: None,
            platform: None,
        }
    }
}

impl From<store::Error> for CancelError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<store::Error> for CreateError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Fault> for CreateError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}
