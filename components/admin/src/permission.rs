//! Permissions as types, so that a handler's signature says what its caller may do (fleet.md §2.4).

use crate::bindings::myrmidon::domain::identity::Permissions;

pub(crate) trait Permission: 'static {
    const NEEDED: Permissions;
}

macro_rules! permissions {
    ($($name:ident => $flag:ident),+ $(,)?) => {$(
        pub(crate) struct $name;

        impl Permission for $name {
            const NEEDED: Permissions = Permissions::$flag;
        }
    )+};
}

permissions! {
    CreateTokens => ENDPOINTS_TOKENS_CREATE,
    DeleteTokens => ENDPOINTS_TOKENS_DELETE,
    ReadAgents => ENDPOINTS_AGENTS_READ,
    WriteAgents => ENDPOINTS_AGENTS_WRITE,
    DeleteAgents => ENDPOINTS_AGENTS_DELETE,
    ReadTasks => ENDPOINTS_TASKS_READ,
    CreateTasks => ENDPOINTS_TASKS_CREATE,
    CommandAgents => ENDPOINTS_TASKS_COMMAND,
    CancelTasks => ENDPOINTS_TASKS_CANCEL,
    ReadVersions => ENDPOINTS_VERSIONS_READ,
    CreateVersions => ENDPOINTS_VERSIONS_CREATE,
    DeleteVersions => ENDPOINTS_VERSIONS_DELETE,
    ReadBuilds => TESTS_BUILDS_READ,
    CreateBuilds => TESTS_BUILDS_CREATE,
    DeleteBuilds => TESTS_BUILDS_DELETE,
}
