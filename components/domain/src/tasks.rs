//! Work as operators give it.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        tasks::{CancelError, CreateError, Guest, NewCommand, NewTest, TaskFilter, TaskPage},
        types::{Actor, Fault, Task},
    },
};

impl Guest for Component {
    async fn create_tests(_by: Actor, _request: NewTest) -> Result<Vec<String>, CreateError> {
        Err(CreateError::Fault(Fault::Unavailable))
    }

    async fn create_commands(_by: Actor, _request: NewCommand) -> Result<Vec<String>, CreateError> {
        Err(CreateError::Fault(Fault::Unavailable))
    }

    async fn create_updates(
        _by: Actor,
        _agent_ids: Vec<String>,
    ) -> Result<Vec<String>, CreateError> {
        Err(CreateError::Fault(Fault::Unavailable))
    }

    async fn create_uninstalls(
        _by: Actor,
        _agent_ids: Vec<String>,
        _cleanup: bool,
    ) -> Result<Vec<String>, CreateError> {
        Err(CreateError::Fault(Fault::Unavailable))
    }

    async fn list_tasks(_by: Actor, _filter: TaskFilter) -> Result<TaskPage, Fault> {
        Err(Fault::Unavailable)
    }

    async fn find_task(_by: Actor, _id: String) -> Result<Option<Task>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn cancel(_by: Actor, _id: String) -> Result<Task, CancelError> {
        Err(CancelError::Fault(Fault::Unavailable))
    }
}
