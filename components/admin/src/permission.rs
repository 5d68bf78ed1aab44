//! Permissions as types, so that a handler's signature says what its caller may do (fleet.md §2.4).

use crate::bindings::myrmidon::domain::identity;

pub(crate) trait Permission: 'static {
    const NEEDED: identity::Permission;
}

macro_rules! permissions {
    ($($name:ident => $word:ident),+ $(,)?) => {$(
        pub(crate) struct $name;

        impl Permission for $name {
            const NEEDED: identity::Permission = identity::Permission::$word;
        }
    )+};
}

permissions! {
    CreateTokens => EndpointsTokensCreate,
    DeleteTokens => EndpointsTokensDelete,
    ReadAgents => EndpointsAgentsRead,
    WriteAgents => EndpointsAgentsWrite,
    DeleteAgents => EndpointsAgentsDelete,
    ReadTasks => EndpointsTasksRead,
    CreateTasks => EndpointsTasksCreate,
    CommandAgents => EndpointsTasksCommand,
    ReadSchedules => EndpointsSchedulesRead,
    CreateSchedules => EndpointsSchedulesCreate,
    WriteSchedules => EndpointsSchedulesWrite,
    DeleteSchedules => EndpointsSchedulesDelete,
    CancelTasks => EndpointsTasksCancel,
    DeleteTasks => EndpointsTasksDelete,
    AnnotateTasks => EndpointsTasksNotes,
    ReadSettings => SettingsPlatformRead,
    WriteSettings => SettingsPlatformWrite,
    ReadVersions => EndpointsVersionsRead,
    CreateVersions => EndpointsVersionsCreate,
    DeleteVersions => EndpointsVersionsDelete,
    ReadBuilds => TestsBuildsRead,
    CreateBuilds => TestsBuildsCreate,
    DeleteBuilds => TestsBuildsDelete,
    SyncTests => TestsSyncExecute,
    ManageUsers => SettingsUsersManage,
}
