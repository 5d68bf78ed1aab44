//! The real program, as its first user meets it: what it prints, and what it does by itself.
//!
//! It must have been built: `cargo build --release -p cli`.

use http::Method;
use tests::{Request, program::Installation};

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_command_enrolls_an_agent() {
    let installation = Installation::new().expect("an installation");
    let program = installation.start().await.expect("it starts");
    let (url, body) = program.enroll_command().await.expect("a command");
    let base = format!("http://{}", installation.address());
    let path = url.strip_prefix(&base).expect("it goes to this server");
    let server = installation.server();
    let answer = Request::new(&server, Method::POST, path).json(&body).send().await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    assert_eq!(installation.database().count("agents"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_calls_every_cron_route() {
    let installation = Installation::scheduled("* * * * * *").expect("an installation");
    let program = installation.start_scheduler().await.expect("it starts");
    for task in ["auto-rotation", "cleanup", "ingestion", "maintenance", "schedules"] {
        program.logged(&format!("GET \"/api/cron/{task}\" 200 ")).await.expect("it is called");
    }
    assert!(!program.log().contains("a cron task failed"), "{}", program.log());
}
