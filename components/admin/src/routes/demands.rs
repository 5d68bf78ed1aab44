//! `/api/agent/admin/settings/approvals`: what an organisation wants two people for.

mod change;
mod show;

use schemars::JsonSchema;
use serde::Serialize;
use web::Routes;

use crate::bindings::myrmidon::domain::approvals::Demands;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/settings/approvals", show::show)
        .described(show::describe)
        .put("/api/agent/admin/settings/approvals", change::change)
        .described(change::describe)
}

#[derive(JsonSchema, Serialize)]
struct Shown {
    commands: bool,
    uninstalls: bool,
    mandatory_updates: bool,
}

impl From<Demands> for Shown {
    fn from(it: Demands) -> Self {
        let Demands { commands, uninstalls, mandatory_updates } = it;
        Self { commands, uninstalls, mandatory_updates }
    }
}
