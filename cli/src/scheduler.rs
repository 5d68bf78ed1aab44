//! Calls cron routes when their expressions say so.
//!
//! Expressions stand in the manifest, `[component.<id>.tool.cron] schedule`, in UTC. A task never runs twice at once here:
//! a run that lasts past its next occurrence skips it. Several servers may call at once; tasks are safe against that.

use std::{net::SocketAddr, str::FromStr as _, time::Duration};

use anyhow::{Context as _, Result};
use croner::Cron;
use host::manifest::Route;
use http_body_util::Empty;
use jiff::Timestamp;

pub(crate) struct Task {
    component: String,
    path: String,
    schedule: Cron,
}

/// The manifest's cron tasks. A schedule that no trigger can serve is an error.
pub(crate) fn tasks(manifest: &host::Manifest) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for component in &manifest.components {
        let Some(cron) = component.tool.get("cron") else { continue };
        let id = &component.id;
        let schedule = cron
            .get("schedule")
            .and_then(|it| it.as_str())
            .with_context(|| format!("component.{id}.tool.cron has no schedule"))?;
        let schedule = Cron::from_str(schedule)
            .with_context(|| format!("component.{id}.tool.cron.schedule"))?;
        let path = manifest
            .triggers
            .iter()
            .filter(|it| it.component == *id)
            .find_map(|it| match &it.route {
                Route::Path(path) => Some(path),
                Route::Private => None,
            })
            .with_context(|| format!("component.{id} has a schedule, but no route to call"))?;
        tasks.push(Task { component: id.clone(), path: path.clone(), schedule });
    }
    Ok(tasks)
}

/// Runs one task for ever.
pub(crate) async fn run(application: host::Application, task: Task, secret: String) {
    loop {
        let Some(wait) = until_next(&task.schedule, Timestamp::now()) else { return };
        tokio::time::sleep(wait).await;
        call(&application, &task, &secret).await;
    }
}

/// Until the next occurrence; none when there will never be one.
fn until_next(schedule: &Cron, now: Timestamp) -> Option<Duration> {
    let from = chrono::DateTime::from_timestamp_millis(now.as_millisecond())?;
    let next = schedule.find_next_occurrence(&from, false).ok()?;
    (next - from).to_std().ok()
}

#[expect(clippy::print_stderr, reason = "standard error is the log")]
async fn call(application: &host::Application, task: &Task, secret: &str) {
    let client = SocketAddr::from(([127, 0, 0, 1], 0));
    let request = http::Request::get(&task.path)
        .header("host", "scheduler")
        .header("authorization", format!("Bearer {secret}"))
        .body(Empty::<bytes::Bytes>::new());
    let Ok(request) = request else { return };
    let status = application.handle(request, client).await.status();
    if !status.is_success() {
        let line = serde_json::json!({
            "level": "error", "message": "a cron task failed",
            "component": task.component, "path": task.path, "status": status.as_u16(),
        });
        eprintln!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: &str, now: &str, seconds: u64) {
        let schedule = Cron::from_str(schedule).unwrap();
        assert_eq!(until_next(&schedule, now.parse().unwrap()), Some(Duration::from_secs(seconds)));
    }

    #[test]
    fn the_application_has_tasks_with_routes() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../spin.toml");
        let tasks = tasks(&host::Manifest::load(manifest.as_ref()).unwrap()).unwrap();
        let mut paths: Vec<_> = tasks.iter().map(|it| it.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            ["auto-rotation", "cleanup", "ingestion", "maintenance", "schedules"]
                .map(|it| format!("/api/cron/{it}"))
        );
    }

    #[test]
    fn the_next_minute_is_waited_for() {
        check("* * * * *", "2026-07-11T09:15:30Z", 30);
    }

    #[test]
    fn an_occurrence_that_is_now_has_passed() {
        check("* * * * *", "2026-07-11T09:15:00Z", 60);
    }

    #[test]
    fn a_daily_task_waits_for_its_hour_in_utc() {
        check("0 2 * * *", "2026-07-11T01:00:00Z", 3600);
    }
}
