//! Everything that can be called over HTTP: each route with what its caller must prove.
//!
//! The tiers' own tables are the truth: `access.rs` reads them from their sources, and fails when
//! a route of theirs is missing here. So no route can be forgotten by the tests that walk this list.

use http::Method;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Anybody,
    Device,
    /// A person with this permission, named as in fleet.md §2.4.
    Person(&'static str),
    /// A person who signed in by themselves, whatever they may do otherwise.
    SignedIn,
    Scheduler,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub method: Method,
    /// As in the tier's table, with `{parameters}`.
    pub pattern: &'static str,
    pub caller: Caller,
}

impl Route {
    /// The pattern with every parameter replaced by `value`.
    pub fn path(&self, value: &str) -> String {
        let segments =
            self.pattern.split('/').map(|it| if it.starts_with('{') { value } else { it });
        segments.collect::<Vec<_>>().join("/")
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn routes() -> Vec<Route> {
    use Caller::{Anybody, Device, Person, Scheduler, SignedIn};
    let table: &[(&str, &'static str, Caller)] = &[
        ("GET", "/api/health", Anybody),
        ("GET", "/api/health/ready", Anybody),
        ("GET", "/api/capabilities", Anybody),
        ("GET", "/api/openapi.json", Anybody),
        ("POST", "/api/agent/enroll", Anybody),
        ("GET", "/api/agent/config", Anybody),
        ("GET", "/api/agent/download", Anybody),
        ("POST", "/api/agent/heartbeat", Device),
        ("GET", "/api/agent/tasks", Device),
        ("PATCH", "/api/agent/tasks/{id}/status", Device),
        ("POST", "/api/agent/tasks/{id}/result", Device),
        ("GET", "/api/agent/version", Device),
        ("GET", "/api/agent/update", Device),
        ("GET", "/api/agent/binary/{name}", Device),
        ("POST", "/api/agent/admin/tokens", Person("endpoints:tokens:create")),
        ("GET", "/api/agent/admin/tokens", Person("endpoints:tokens:create")),
        ("DELETE", "/api/agent/admin/tokens/{id}", Person("endpoints:tokens:delete")),
        ("GET", "/api/agent/admin/agents", Person("endpoints:agents:read")),
        ("GET", "/api/agent/admin/agents/{id}", Person("endpoints:agents:read")),
        ("POST", "/api/agent/admin/agents/{id}/rotate-key", Person("endpoints:agents:write")),
        ("POST", "/api/agent/admin/agents/bulk", Person("endpoints:agents:write")),
        ("PATCH", "/api/agent/admin/agents/{id}", Person("endpoints:agents:write")),
        ("DELETE", "/api/agent/admin/agents/{id}", Person("endpoints:agents:delete")),
        ("GET", "/api/agent/admin/agents/{id}/heartbeats", Person("endpoints:agents:read")),
        ("GET", "/api/agent/admin/agents/{id}/events", Person("endpoints:agents:read")),
        ("POST", "/api/agent/admin/agents/{id}/tags", Person("endpoints:agents:write")),
        ("DELETE", "/api/agent/admin/agents/{id}/tags/{tag}", Person("endpoints:agents:delete")),
        ("GET", "/api/agent/admin/metrics", Person("endpoints:agents:read")),
        ("GET", "/api/agent/admin/metrics/fleet-health", Person("endpoints:agents:read")),
        ("GET", "/api/agent/admin/settings/auto-rotation", Person("endpoints:agents:write")),
        ("PUT", "/api/agent/admin/settings/auto-rotation", Person("endpoints:agents:write")),
        ("POST", "/api/agent/admin/tasks", Person("endpoints:tasks:create")),
        ("POST", "/api/agent/admin/tasks/command", Person("endpoints:tasks:command")),
        ("POST", "/api/agent/admin/tasks/update", Person("endpoints:tasks:create")),
        ("POST", "/api/agent/admin/tasks/uninstall", Person("endpoints:agents:delete")),
        ("GET", "/api/agent/admin/tasks", Person("endpoints:tasks:read")),
        ("GET", "/api/agent/admin/tasks/{id}", Person("endpoints:tasks:read")),
        ("POST", "/api/agent/admin/tasks/{id}/cancel", Person("endpoints:tasks:cancel")),
        ("POST", "/api/agent/admin/schedules", Person("endpoints:schedules:create")),
        ("GET", "/api/agent/admin/schedules", Person("endpoints:schedules:read")),
        ("GET", "/api/agent/admin/schedules/{id}", Person("endpoints:schedules:read")),
        ("PATCH", "/api/agent/admin/schedules/{id}", Person("endpoints:schedules:write")),
        ("DELETE", "/api/agent/admin/schedules/{id}", Person("endpoints:schedules:delete")),
        ("GET", "/api/agent/admin/schedules/{id}/preview", Person("endpoints:schedules:read")),
        ("GET", "/api/agent/admin/approvals", Person("endpoints:tasks:read")),
        ("GET", "/api/agent/admin/approvals/{id}", Person("endpoints:tasks:read")),
        ("POST", "/api/agent/admin/approvals/{id}/approve", Person("endpoints:tasks:read")),
        ("POST", "/api/agent/admin/approvals/{id}/deny", Person("endpoints:tasks:read")),
        ("GET", "/api/agent/admin/settings/approvals", Person("settings:platform:read")),
        ("PUT", "/api/agent/admin/settings/approvals", Person("settings:platform:write")),
        ("POST", "/api/agent/admin/tasks/bulk", Person("endpoints:tasks:cancel")),
        ("GET", "/api/agent/admin/tasks/grouped", Person("endpoints:tasks:read")),
        ("GET", "/api/agent/admin/tasks/batches/{batch_id}", Person("endpoints:tasks:read")),
        ("DELETE", "/api/agent/admin/tasks/{id}", Person("endpoints:tasks:delete")),
        ("PATCH", "/api/agent/admin/tasks/{id}/notes", Person("endpoints:tasks:notes")),
        ("POST", "/api/agent/admin/versions", Person("endpoints:versions:create")),
        ("GET", "/api/agent/admin/versions", Person("endpoints:versions:read")),
        ("POST", "/api/agent/admin/versions/upload", Person("endpoints:versions:create")),
        ("POST", "/api/agent/admin/versions/build", Person("endpoints:versions:create")),
        (
            "DELETE",
            "/api/agent/admin/versions/{version}/{os}/{arch}",
            Person("endpoints:versions:delete"),
        ),
        (
            "POST",
            "/api/agent/admin/versions/{version}/{os}/{arch}/promote",
            Person("endpoints:versions:create"),
        ),
        (
            "DELETE",
            "/api/agent/admin/versions/{version}/{os}/{arch}/promote",
            Person("endpoints:versions:create"),
        ),
        ("POST", "/api/agent/admin/catalog/reload", Person("tests:sync:execute")),
        ("GET", "/api/tests/builds/{uuid}", Person("tests:builds:read")),
        ("DELETE", "/api/tests/builds/{uuid}", Person("tests:builds:delete")),
        ("GET", "/api/tests/builds/{uuid}/download", Person("tests:builds:create")),
        ("POST", "/api/tests/builds/{uuid}/upload-binary", Person("tests:builds:create")),
        ("GET", "/api/audit", Person("settings:users:manage")),
        ("GET", "/api/audit/verify", Person("settings:users:manage")),
        ("POST", "/api/agent/admin/ingestion/retry", Person("endpoints:tasks:create")),
        ("POST", "/api/agent/admin/ingestion/reset", Person("endpoints:tasks:create")),
        ("GET", "/api/users", Person("settings:users:manage")),
        ("POST", "/api/users", Person("settings:users:manage")),
        ("POST", "/api/users/invite", Person("settings:users:manage")),
        ("GET", "/api/users/invitations", Person("settings:users:manage")),
        ("POST", "/api/users/invitations/{id}/revoke", Person("settings:users:manage")),
        ("PUT", "/api/users/{id}/role", Person("settings:users:manage")),
        ("DELETE", "/api/users/{id}/role", Person("settings:users:manage")),
        ("PUT", "/api/users/{id}/status", Person("settings:users:manage")),
        ("DELETE", "/api/users/{id}/sessions", Person("settings:users:manage")),
        ("DELETE", "/api/users/{id}", Person("settings:users:manage")),
        ("POST", "/api/api-keys", Person("settings:users:manage")),
        ("GET", "/api/api-keys", Person("settings:users:manage")),
        ("DELETE", "/api/api-keys/{id}", Person("settings:users:manage")),
        ("POST", "/api/auth/login", Anybody),
        ("POST", "/api/auth/refresh", Anybody),
        ("POST", "/api/auth/logout", Anybody),
        ("POST", "/api/auth/password", SignedIn),
        ("POST", "/api/auth/accept-invitation", Anybody),
        ("POST", "/api/cli/auth/device-code", Anybody),
        ("POST", "/api/cli/auth/verify", SignedIn),
        ("POST", "/api/cli/auth/poll", Anybody),
        ("POST", "/api/cli/auth/refresh", Anybody),
        ("POST", "/api/cli/auth/logout", Anybody),
        ("GET", "/api/cron/maintenance", Scheduler),
        ("GET", "/api/cron/ingestion", Scheduler),
        ("GET", "/api/cron/retry-ingestion", Scheduler),
        ("GET", "/api/cron/schedules", Scheduler),
        ("GET", "/api/cron/cleanup", Scheduler),
        ("GET", "/api/cron/auto-rotation", Scheduler),
    ];
    let parsed = table.iter().map(|(method, pattern, caller)| Route {
        method: method.parse().expect("a method"),
        pattern,
        caller: *caller,
    });
    parsed.collect()
}

pub const ROLES: [Option<&str>; 5] =
    [None, Some("explorer"), Some("analyst"), Some("operator"), Some("admin")];

/// Whether fleet.md §2.4 gives a role a permission; whoever has no role is an explorer.
pub fn holds(role: Option<&str>, permission: &str) -> bool {
    const EXPLORER: &[&str] = &[
        "tests:library:read",
        "analytics:dashboards:read",
        "analytics:settings:read",
        "settings:platform:read",
    ];
    const ANALYST: &[&str] =
        &["analytics:risk:read", "endpoints:tasks:read", "endpoints:tasks:notes"];
    const ADMIN_ONLY: &[&str] = &[
        "tests:builds:delete",
        "analytics:settings:write",
        "analytics:index:create",
        "endpoints:agents:delete",
        "endpoints:tokens:delete",
        "endpoints:tasks:delete",
        "endpoints:tasks:command",
        "endpoints:schedules:delete",
        "endpoints:versions:delete",
        "settings:platform:write",
        "settings:certificates:delete",
        "settings:users:manage",
        "integrations:write",
    ];
    let explorer = EXPLORER.contains(&permission);
    match role {
        Some("admin") => true,
        Some("operator") => !ADMIN_ONLY.contains(&permission),
        Some("analyst") => explorer || ANALYST.contains(&permission),
        _ => explorer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_of_the_table_is_somebodys() {
        for route in routes() {
            if let Caller::Person(permission) = route.caller {
                assert!(holds(Some("admin"), permission), "{route:?}");
                assert!(
                    !holds(None, permission) || holds(Some("explorer"), permission),
                    "{route:?}"
                );
            }
        }
    }
}
