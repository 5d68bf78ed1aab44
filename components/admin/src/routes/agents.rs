//! `/api/agent/admin/agents`: the fleet.

mod list;
mod rotate_key;
mod show;

use web::{Routes, contract::Timestamp, instant};

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/agents", list::list)
        .described(list::describe)
        .get("/api/agent/admin/agents/{id}", show::show)
        .described(show::describe)
        .post("/api/agent/admin/agents/{id}/rotate-key", rotate_key::rotate)
        .described(rotate_key::describe)
}

/// Clients expect text here, the empty one for never.
fn text_or_empty(at: Option<Timestamp>) -> String {
    at.map(|it| instant::Text::of(it.unix_ms).as_str().to_owned()).unwrap_or_default()
}
