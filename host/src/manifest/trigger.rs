//! `[[trigger.http]]`: which component answers which path.

use toml::Value;

use super::{Component, section::Section};
use crate::fault::Cause;

/// A component answers requests, those of this route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    pub route: Route,
    pub component: String,
}

/// Which requests a trigger is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A pattern, as `/api/users/:id` or `/static/...`.
    Path(String),
    /// `{ private = true }`: reached by service chaining only.
    Private,
}

pub(super) fn read_all(mut section: Section<'_>, components: &[Component]) -> Vec<HttpTrigger> {
    let triggers = section.array("http");
    for kind in section.keys() {
        section.take(&kind);
        section.report(&kind, Cause::UnknownTrigger);
    }
    triggers
        .into_iter()
        .enumerate()
        .filter_map(|(index, trigger)| read(&section, index, trigger, components))
        .collect()
}

fn read(
    section: &Section<'_>,
    index: usize,
    trigger: Value,
    components: &[Component],
) -> Option<HttpTrigger> {
    let key = format!("http[{}]", index + 1);
    let Value::Table(table) = trigger else {
        section.report(&key, Cause::WrongType("a table"));
        return None;
    };
    let mut trigger = section.nested(&key, table);
    trigger.string("id");
    let route = route(&mut trigger);
    if matches!(trigger.peek("component"), Some(Value::Table(_))) {
        trigger.take("component");
        trigger.report("component", Cause::Unsupported("write it as [component.<id>] and name it"));
        return None;
    }
    for key in ["components", "static_response"] {
        if trigger.take(key).is_some() {
            trigger.report(key, Cause::Unsupported("a trigger has one component"));
        }
    }
    if let Some(mut executor) = trigger.section("executor") {
        if executor.string("type").is_some_and(|it| it != "http" && it != "spin") {
            executor.report("type", Cause::Unsupported("only the http executor"));
        }
        executor.finish();
    }
    let component = trigger.required_string("component");
    if let Some(id) = component.as_ref().filter(|id| !components.iter().any(|it| it.id == **id)) {
        trigger.report("component", Cause::UnknownComponent(id.clone()));
    }
    trigger.finish();
    Some(HttpTrigger { route: route?, component: component? })
}

fn route(trigger: &mut Section<'_>) -> Option<Route> {
    match trigger.take("route") {
        Some(Value::String(pattern)) => {
            if let Err(e) = crate::routes::check(&pattern) {
                trigger.report("route", Cause::Invalid(e.to_string()));
            }
            Some(Route::Path(pattern))
        }
        Some(Value::Table(table)) => {
            if table.len() == 1 && table.get("private") == Some(&Value::Boolean(true)) {
                return Some(Route::Private);
            }
            trigger.report("route", Cause::WrongType("a pattern or { private = true }"));
            None
        }
        Some(_) => {
            trigger.report("route", Cause::WrongType("a pattern or { private = true }"));
            None
        }
        None => {
            trigger.report("route", Cause::Missing);
            None
        }
    }
}
