//! Whoever can write the database cannot rewrite history unnoticed: server and program find it, both.

use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::{
    App,
    application::{ENCRYPTION_SECRET, root},
};

const ORG: &str = "org-tampered";

async fn busy() -> App {
    let app = App::start().await;
    for uses in 1..=6 {
        app.admin(ORG).mint(uses).await;
    }
    app
}

/// Past every trigger, as an editor of the file.
fn tamper(app: &App, sql: &[&str]) {
    for trigger in ["audit_log_keeps", "audit_log_stands", "audit_log_sealed"] {
        app.database().execute(&format!("DROP TRIGGER {trigger}"), []);
    }
    for sql in sql {
        assert!(app.database().execute(sql, []) > 0, "{sql} changed nothing");
    }
}

async fn served(app: &App) -> Value {
    app.admin(ORG).get("/api/audit/verify").await.expect(200).data()
}

/// `myrmidon audit …` on the same state.
fn program(app: &App, arguments: &[&str]) -> Output {
    program_knowing(app, ENCRYPTION_SECRET, arguments)
}

fn program_knowing(app: &App, secret: &str, arguments: &[&str]) -> Output {
    Command::new(root().join("target/release/myrmidon"))
        .arg("audit")
        .args(arguments)
        .arg("--from")
        .arg(root().join("spin.toml"))
        .arg("--state-dir")
        .arg(app.state_dir())
        .args(["--variable", &format!("encryption_secret={secret}")])
        .arg("--env-file")
        .arg(app.state_dir().join("no.env"))
        .env_clear()
        .output()
        .expect("target/release/myrmidon is built")
}

async fn check(sql: &[&str], seq: u64, kind: &str) {
    let app = busy().await;
    assert_eq!(served(&app).await["valid"], true);
    assert!(program(&app, &["verify"]).status.success());

    tamper(&app, sql);

    let found = served(&app).await;
    assert_eq!(found["valid"], false, "{sql:?}");
    assert_eq!(found["first_problem"], json!({ "seq": seq, "kind": kind }), "{sql:?}");
    let output = program(&app, &["verify", "--org", ORG]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{sql:?}: {text}");
    assert!(text.contains(&format!("BROKEN at row {seq}: {kind}")), "{sql:?}: {text}");
}

#[tokio::test]
async fn a_changed_row_is_found() {
    check(&["UPDATE audit_log SET actor = 'nobody' WHERE seq = 3"], 3, "changed").await;
}

#[tokio::test]
async fn a_missing_row_is_found() {
    check(&["DELETE FROM audit_log WHERE seq = 4"], 4, "missing").await;
}

#[tokio::test]
async fn a_missing_end_is_found() {
    check(&["DELETE FROM audit_log WHERE seq > 4"], 5, "missing").await;
}

#[tokio::test]
async fn rows_that_changed_places_are_found() {
    let swap = [
        "UPDATE audit_log SET seq = 100 WHERE seq = 2",
        "UPDATE audit_log SET seq = 2 WHERE seq = 3",
        "UPDATE audit_log SET seq = 3 WHERE seq = 100",
    ];
    check(&swap, 2, "reordered").await;
}

#[tokio::test]
async fn a_forged_row_is_found() {
    let forge = "INSERT INTO audit_log SELECT org_id, 7, at, 'eve', address, request_id, action, target_type,
                        target_id, before, after, hash FROM audit_log WHERE seq = 6";
    check(&[forge], 7, "unexpected").await;
    let announced = "UPDATE audit_heads SET last_seq = 7";
    check(&[forge, announced], 7, "changed").await;
}

#[tokio::test]
async fn a_seal_that_was_wiped_is_found() {
    check(&["UPDATE audit_log SET hash = NULL WHERE seq = 5"], 5, "unsealed").await;
    check(&["UPDATE audit_heads SET sealed_seq = 0, sealed_hash = NULL"], 1, "head").await;
}

/// What the chain cannot show by itself: its end went, and the head with it.
#[tokio::test]
async fn an_end_that_went_with_its_head_is_found_by_a_head_that_was_noted() {
    let app = busy().await;
    let noted = String::from_utf8(program(&app, &["head", "--org", ORG]).stdout).unwrap();
    let (org, anchor) = noted.trim().split_once(' ').unwrap();
    assert_eq!(org, ORG);
    assert!(program(&app, &["verify", "--org", ORG, "--anchor", anchor]).status.success());
    let cut = [
        "DELETE FROM audit_log WHERE seq > 4",
        "UPDATE audit_heads SET last_seq = 4, sealed_seq = 4,
                sealed_hash = (SELECT hash FROM audit_log WHERE seq = 4)",
    ];
    tamper(&app, &cut);
    assert_eq!(served(&app).await["valid"], true);
    assert_eq!(program(&app, &["verify", "--org", ORG, "--anchor", anchor]).status.code(), Some(1));
}

#[tokio::test]
async fn another_secret_verifies_nothing() {
    let app = busy().await;
    let output = program_knowing(&app, &"f".repeat(32), &["verify"]);
    assert_eq!(output.status.code(), Some(1));
}
