//! `/api/agent/admin/agents`: the fleet.

mod bulk;
mod decommission;
mod events;
mod heartbeats;
mod list;
mod rotate_key;
mod show;
mod tags;
mod update;

use serde_json::Number;
use web::{Routes, contract::Timestamp, instant};

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/agents", list::list)
        .described(list::describe)
        .post("/api/agent/admin/agents/bulk", bulk::update)
        .described(bulk::describe)
        .get("/api/agent/admin/agents/{id}", show::show)
        .described(show::describe)
        .patch("/api/agent/admin/agents/{id}", update::update)
        .described(update::describe)
        .delete("/api/agent/admin/agents/{id}", decommission::decommission)
        .described(decommission::describe)
        .get("/api/agent/admin/agents/{id}/heartbeats", heartbeats::list)
        .described(heartbeats::describe)
        .get("/api/agent/admin/agents/{id}/events", events::list)
        .described(events::describe)
        .post("/api/agent/admin/agents/{id}/tags", tags::add)
        .described(tags::describe_addition)
        .delete("/api/agent/admin/agents/{id}/tags/{tag}", tags::remove)
        .described(tags::describe_removal)
        .post("/api/agent/admin/agents/{id}/rotate-key", rotate_key::rotate)
        .described(rotate_key::describe)
}

/// Clients expect text here, the empty one for never.
fn text_or_empty(at: Option<Timestamp>) -> String {
    at.map(|it| instant::Text::of(it.unix_ms).as_str().to_owned()).unwrap_or_default()
}

/// A figure as clients know it: whole ones without a fraction. None for what JSON cannot say.
pub(super) fn number(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        return Some((value as i64).into());
    }
    Number::from_f64(value)
}
