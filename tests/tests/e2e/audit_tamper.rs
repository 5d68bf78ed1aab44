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
    for trigger in ["audit_log_keeps", "audit_log_stands"] {
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

#[tokio::test]
async fn a_head_that_is_not_ours_is_found() {
    check(&["UPDATE audit_heads SET mac = NULL"], 6, "head").await;
    check(&["UPDATE audit_heads SET mac = zeroblob(32)"], 6, "head").await;
    check(&["DELETE FROM audit_heads"], 1, "head").await;
}

/// The rows are made to look as if they waited for their first seal, and are forged. Neither the next
/// change nor the sweep makes them ours.
#[tokio::test]
async fn rows_that_were_unsealed_with_their_head_are_found_for_good() {
    let attacks: [(&[&str], u64); 2] = [
        (
            &[
                "UPDATE audit_log SET hash = NULL WHERE seq >= 4",
                "UPDATE audit_log SET actor = 'nobody' WHERE seq = 5",
                "UPDATE audit_heads SET sealed_seq = 3,
                        sealed_hash = (SELECT hash FROM audit_log WHERE seq = 3)",
            ],
            3,
        ),
        (
            &[
                "UPDATE audit_log SET hash = NULL, at = at - 3600000",
                "UPDATE audit_log SET actor = 'nobody' WHERE seq = 5",
                "UPDATE audit_heads SET sealed_seq = 0, sealed_hash = NULL, mac = NULL",
            ],
            1,
        ),
    ];
    for (sql, seq) in attacks {
        let app = busy().await;
        tamper(&app, sql);
        let unsealed: i64 =
            app.database().value("SELECT count(*) FROM audit_log WHERE hash IS NULL", []);
        app.admin(ORG).mint(9).await;
        app.maintain().await;
        let still: i64 =
            app.database().value("SELECT count(*) FROM audit_log WHERE hash IS NULL", []);
        assert_eq!(still, unsealed + 1, "{sql:?}");
        let found = served(&app).await;
        assert_eq!(found["first_problem"], json!({ "seq": seq, "kind": "head" }), "{sql:?}");
        assert_eq!(program(&app, &["verify", "--org", ORG]).status.code(), Some(1));
    }
}

/// As after an upgrade: nothing is sealed until somebody says that the log is what it was.
#[tokio::test]
async fn a_head_without_proof_is_adopted_by_hand() {
    let app = busy().await;
    tamper(&app, &["UPDATE audit_heads SET mac = NULL"]);
    assert_eq!(served(&app).await["valid"], false);
    let adopted = program(&app, &["adopt"]);
    assert!(String::from_utf8_lossy(&adopted.stdout).contains("org-tampered: adopted 6:"));
    assert_eq!(served(&app).await["valid"], true);
    app.admin(ORG).mint(9).await;
    let whole = served(&app).await;
    assert_eq!((&whole["valid"], &whole["head"]["seq"]), (&json!(true), &json!(7)));
    assert!(program(&app, &["adopt"]).stdout.is_empty());
}

/// What the file cannot show by itself: it is an older one, rows and head alike.
#[tokio::test]
async fn a_log_that_was_turned_back_is_found_by_a_head_that_was_noted() {
    let app = busy().await;
    let old: Vec<u8> = app.database().value("SELECT mac FROM audit_heads", []);
    for uses in 1..=3 {
        app.admin(ORG).mint(uses).await;
    }
    let noted = String::from_utf8(program(&app, &["head", "--org", ORG]).stdout).unwrap();
    let (org, anchor) = noted.trim().split_once(' ').unwrap();
    assert_eq!(org, ORG);
    assert!(program(&app, &["verify", "--org", ORG, "--anchor", anchor]).status.success());
    let cut = [
        "DELETE FROM audit_log WHERE seq > 6",
        "UPDATE audit_heads SET last_seq = 6, sealed_seq = 6,
                sealed_hash = (SELECT hash FROM audit_log WHERE seq = 6)",
    ];
    tamper(&app, &cut);
    assert_eq!(served(&app).await["valid"], false);
    app.database().execute("UPDATE audit_heads SET mac = ?1", [old]);
    assert_eq!(served(&app).await["valid"], true);
    assert_eq!(program(&app, &["verify", "--org", ORG, "--anchor", anchor]).status.code(), Some(1));
}

#[tokio::test]
async fn another_secret_verifies_nothing() {
    let app = busy().await;
    let output = program_knowing(&app, &"f".repeat(32), &["verify"]);
    assert_eq!(output.status.code(), Some(1));
}
