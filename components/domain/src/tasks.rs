//! Work as operators give it.

mod administration;
pub(crate) mod creation;
mod groups;
pub(crate) mod payload;

use domain::{
    builds::Build,
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
    Component,
    bindings::exports::myrmidon::domain::{
        tasks::{
            AnnotateError, BatchPage, BulkAction, BulkOutcome, CancelError, CreateError, GroupPage,
            Guest, MemberPosition, NewCommand, NewTest, Ordered, TaskFilter, TaskPage,
            TaskPosition,
        },
        types::{Actor, Fault, Task},
    },
    call::Call,
    catalog, transfers,
};

impl Guest for Component {
    async fn create_tests(
        by: Actor,
        mut request: NewTest,
        dry_run: bool,
    ) -> Result<Ordered, CreateError> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id.clone());
        let build = store::builds::find(call.db, &org, &request.test_uuid).await?;
        let Some(build) = build else {
            return Err(CreateError::UnknownBuild(request.test_uuid));
        };
        let blobs = transfers::open_store().await?;
        if transfers::find(&blobs, &build.sha256, build.size).await?.is_none() {
            return Err(CreateError::MissingBinary(build.filename));
        }
        if request.test_name.is_empty() {
            request.test_name = name_of(&call, &org, &build, &request.test_uuid).await?;
        }
        catalog::resolve(&call, &org, &request.test_uuid, &mut request.metadata).await?;
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
        create(&call, &by, request.agent_ids, order, dry_run).await
    }

    async fn create_commands(
        by: Actor,
        request: NewCommand,
        dry_run: bool,
    ) -> Result<Ordered, CreateError> {
        let call = Call::begin()?;
        let payload = Payload::command(&request.command, request.execution_timeout).to_json()?;
        let order = Order {
            kind: TaskType::ExecuteCommand,
            priority: request.priority,
            execution_timeout: request.execution_timeout,
            ..Order::of(TaskType::ExecuteCommand, &payload)
        };
        create(&call, &by, request.agent_ids, order, dry_run).await
    }

    async fn create_updates(
        by: Actor,
        agent_ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Ordered, CreateError> {
        let call = Call::begin()?;
        let payload = Payload::empty(UPDATE_TIMEOUT).to_json()?;
        let order = Order {
            execution_timeout: UPDATE_TIMEOUT,
            ..Order::of(TaskType::UpdateAgent, &payload)
        };
        create(&call, &by, agent_ids, order, dry_run).await
    }

    async fn create_uninstalls(
        by: Actor,
        agent_ids: Vec<String>,
        cleanup: bool,
        dry_run: bool,
    ) -> Result<Ordered, CreateError> {
        let call = Call::begin()?;
        let command = if cleanup { "cleanup" } else { "" };
        let payload = Payload::command(command, UNINSTALL_TIMEOUT).to_json()?;
        let order = Order {
            priority: UNINSTALL_PRIORITY,
            execution_timeout: UNINSTALL_TIMEOUT,
            ttl: UNINSTALL_TIME_TO_LIVE,
            ..Order::of(TaskType::Uninstall, &payload)
        };
        create(&call, &by, agent_ids, order, dry_run).await
    }

    async fn list_tasks(by: Actor, mut filter: TaskFilter) -> Result<TaskPage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let after = filter.after.take().map(groups::position);
        let wanted = groups::wanted(&filter);
        let matches = tasks::list::count(call.db, &org, &wanted).await?;
        let page = groups::page(filter.limit, filter.offset, after.as_ref());
        let mut listed = match filter.limit {
            0 => Vec::new(),
            _ => tasks::list::list(call.db, &org, &wanted, page, matches).await?,
        };
        let next = groups::cut(&mut listed, filter.limit)
            .map(|it| TaskPosition { at: it.task.created_at.into(), id: it.task.id.0.clone() });
        let tasks = listed.into_iter().map(Into::into).collect();
        Ok(TaskPage { tasks, total: matches.total, next })
    }

    async fn find_task(by: Actor, id: String) -> Result<Option<Task>, Fault> {
        let call = Call::begin()?;
        let task = tasks::find(call.db, &OrgId(by.org_id), &TaskId(id)).await?;
        Ok(task.map(Into::into))
    }

    async fn list_groups(by: Actor, filter: TaskFilter) -> Result<GroupPage, Fault> {
        groups::list(&Call::begin()?, &OrgId(by.org_id), filter).await
    }

    async fn find_batch(
        by: Actor,
        batch_id: String,
        limit: u32,
        offset: u32,
        after: Option<MemberPosition>,
    ) -> Result<Option<BatchPage>, Fault> {
        let call = Call::begin()?;
        let after = after.map(Into::into);
        let wanted = groups::page(limit, offset, after.as_ref());
        groups::find(&call, &OrgId(by.org_id), batch_id.into(), wanted).await
    }

    async fn cancel(by: Actor, id: String) -> Result<Task, CancelError> {
        administration::cancel(&Call::begin()?, &by, &TaskId(id)).await
    }

    async fn delete(by: Actor, id: String) -> Result<bool, Fault> {
        administration::delete(&Call::begin()?, &by, &TaskId(id)).await
    }

    async fn annotate(
        by: Actor,
        id: String,
        content: String,
        expected_count: Option<u32>,
    ) -> Result<Task, AnnotateError> {
        let call = Call::begin()?;
        administration::annotate(&call, &by, &TaskId(id), &content, expected_count).await
    }

    async fn change_many(
        by: Actor,
        ids: Vec<String>,
        action: BulkAction,
    ) -> Result<BulkOutcome, Fault> {
        administration::change_many(&Call::begin()?, &by, ids, action).await
    }
}

/// What a test is called where its order does not say: by the catalog, or else by its build.
pub(crate) async fn name_of(
    call: &Call,
    org: &OrgId,
    build: &Build,
    test_uuid: &str,
) -> Result<String, store::Error> {
    let name = store::catalogs::find_name(call.db, org, test_uuid).await?;
    Ok(name.unwrap_or_else(|| build.filename.clone()))
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

impl From<store::Error> for AnnotateError {
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
