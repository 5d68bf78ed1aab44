//! Agent binaries as agents and strangers get them: which is the latest, proven, whole.

use http::Method;
use http_body_util::BodyExt as _;
use insta::assert_snapshot;
use serde_json::json;
use tests::{
    Agent, App, Machine, Operator, Person,
    agent::{Ended, Submitted, Update, UpdateError, Work},
    clock::next_millisecond,
};

const ORG: &str = "org-1";
const LINUX: (&str, &str) = ("linux", "amd64");

async fn latest(agent: &Agent) -> Option<String> {
    let answer = agent.get("/api/agent/version").set("x-agent-version", "none").send().await;
    (answer.status == 200).then(|| answer.data()["version"].as_str().expect("a version").to_owned())
}

// B6 447, A15 340, A15 347
#[tokio::test(flavor = "multi_thread")]
async fn without_a_release_there_is_nothing_to_update_to() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    assert!(agent.get("/api/agent/version").send().await.expect(204).body.is_empty());
    let nothing = "No version available for this platform";
    assert_eq!(agent.get("/api/agent/update").send().await.expect(404).error(), nothing);
    assert_eq!(
        app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(404).error(),
        nothing
    );
}

// §10.1, B6 448, B6 449, §9.7
#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_announced_with_the_signature_of_the_vectors() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    app.admin(ORG).publish("0.7.0", LINUX, false, b"achilles-test-binary").await;
    let answer = agent.get("/api/agent/version").send().await.expect(200);
    let expected = json!({
        "version": "0.7.0",
        "sha256": "49c4e33f680490c29be9baa0f72b3a2ca9292cf8234010a3722d92785584ad57",
        "size": 20,
        "mandatory": false,
        "signature": "666248035fd954aacb536e0aaad3f4f95d2ccb051da4be9118abaa0ed26c6e32c683bcdff060e78a05c2276b3e7ec9417fc908e85cc99cd22de8bc4993b86802",
    });
    assert_eq!(answer.data(), expected);
    agent.get("/api/agent/version").set("x-agent-version", "0.7.0").send().await.expect(204);
    // Only the very same text is the same version.
    agent.get("/api/agent/version").set("x-agent-version", "v0.7.0").send().await.expect(200);
}

// D-59
#[tokio::test(flavor = "multi_thread")]
async fn the_latest_is_the_highest_not_the_last_published() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    for (published, expected) in [
        ("0.6.9", "0.6.9"),
        ("0.6.10", "0.6.10"),
        ("0.6.2", "0.6.10"),
        ("0.7.0-rc.1", "0.7.0-rc.1"),
        ("0.7.0", "0.7.0"),
        ("0.7.0-rc.2", "0.7.0"),
        ("0.10.0", "0.10.0"),
        ("0.9.9", "0.10.0"),
    ] {
        admin.publish(published, LINUX, false, published.as_bytes()).await;
        assert_eq!(latest(&agent).await.as_deref(), Some(expected), "after {published}");
    }
    admin.delete("/api/agent/admin/versions/0.10.0/linux/amd64").await.expect(200);
    assert_eq!(latest(&agent).await.as_deref(), Some("0.9.9"));
}

// D-59
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_version_is_offered_until_the_promotion_is_taken_back() {
    let app = App::start().await;
    let (agent, admin) = (app.enroll(ORG).await, app.admin(ORG));
    for version in ["1.0.0", "2.0.0"] {
        admin.publish(version, LINUX, false, version.as_bytes()).await;
        next_millisecond().await;
    }
    admin.publish("1.0.0", ("windows", "amd64"), false, b"windows").await;
    let promote = "/api/agent/admin/versions/1.0.0/linux/amd64/promote";
    let promoted = admin.request(Method::POST, promote).send().await.expect(200).data();
    assert_eq!((&promoted["version"], &promoted["promoted"]), (&json!("1.0.0"), &json!(true)));
    for _ in 0..2 {
        assert_eq!(latest(&agent).await.as_deref(), Some("1.0.0"));
        assert_eq!(agent.get("/api/agent/update").send().await.expect(200).body, "1.0.0");
        let path = "/api/agent/download?os=linux&arch=amd64";
        assert_eq!(app.get(path).send().await.expect(200).body, "1.0.0");
        // What is newer waits.
        admin.publish("3.0.0", LINUX, false, b"3.0.0").await;
    }
    let listed = admin.get("/api/agent/admin/versions?os=linux").await.expect(200).data();
    let flags =
        listed.as_array().expect("a list").iter().map(|it| (&it["version"], &it["promoted"]));
    assert_eq!(
        flags.collect::<Vec<_>>(),
        [("3.0.0", false), ("2.0.0", false), ("1.0.0", true)]
            .map(|(version, is)| (json!(version), json!(is)))
            .each_ref()
            .map(|(version, is)| (version, is))
    );
    // Taking it back again changes nothing.
    for _ in 0..2 {
        admin.delete(promote).await.expect(200);
        assert_eq!(latest(&agent).await.as_deref(), Some("3.0.0"));
    }
    // A promotion goes with its release.
    admin.request(Method::POST, promote).send().await.expect(200);
    admin.delete("/api/agent/admin/versions/1.0.0/linux/amd64").await.expect(200);
    assert_eq!(latest(&agent).await.as_deref(), Some("3.0.0"));
    let actions = "SELECT json_group_array(action || ' ' || target_id) FROM audit_log WHERE action LIKE 'release.%'";
    let target = "1.0.0/linux/amd64";
    let expected = ["promote", "unpromote", "promote"].map(|it| format!("release.{it} {target}"));
    assert_eq!(app.database().json(actions, []), json!(expected));
}

#[tokio::test]
async fn only_a_version_that_is_there_and_approved_is_promoted() {
    let app = App::start().await;
    let (agent, admin) = (app.enroll(ORG).await, app.admin(ORG));
    admin.publish("1.0.0", LINUX, true, b"old").await;
    admin.publish("2.0.0", LINUX, false, b"new").await;
    let promote = async |who: &Operator, rest: &str| {
        let path = format!("/api/agent/admin/versions/{rest}/promote");
        who.request(Method::POST, &path).send().await
    };
    for (rest, status, error) in [
        ("9.0.0/linux/amd64", 404, "Version not found"),
        ("1.0.0/darwin/arm64", 404, "Version not found"),
        ("1.0.0/macos/amd64", 400, "Invalid os parameter"),
        ("1.0.0/linux/x86", 400, "Invalid arch parameter"),
    ] {
        assert_eq!(promote(&admin, rest).await.expect(status).error(), error, "{rest}");
        let path = format!("/api/agent/admin/versions/{rest}/promote");
        assert_eq!(admin.delete(&path).await.expect(status).error(), error, "{rest}");
    }
    let foreign = promote(&app.admin("org-2"), "1.0.0/linux/amd64").await.expect(404);
    assert_eq!(foreign.error(), "Version not found");

    // Where two people are wanted for a mandatory update, a promotion is one.
    let all = json!({"commands": false, "uninstalls": false, "mandatory_updates": true});
    let path = "/api/agent/admin/settings/approvals";
    admin.request(Method::PUT, path).json(&all).send().await.expect(200);
    let unapproved = admin.publish("3.0.0", LINUX, true, b"unapproved").await;
    assert!(unapproved["awaiting_approval"].is_string(), "{unapproved}");
    let refused = promote(&admin, "3.0.0/linux/amd64").await.expect(409);
    assert_eq!(refused.error(), "The version waits for its approval");
    let waiting = promote(&admin, "1.0.0/linux/amd64").await.expect(202).data();
    assert_eq!(latest(&agent).await.as_deref(), Some("2.0.0"));
    let id = waiting["approval"]["id"].as_str().expect("an id");
    let path = format!("/api/agent/admin/approvals/{id}/approve");
    admin.request(Method::POST, &path).send().await.expect(403);
    let bob = Operator::new(app.server(), ORG, Person::admin(ORG).named("bob").token());
    let approved = bob.request(Method::POST, &path).send().await.expect(200).data();
    assert_eq!(approved["summary"]["promotes"], true);
    assert_eq!(latest(&agent).await.as_deref(), Some("1.0.0"));
    // What is not mandatory needs nobody else.
    promote(&admin, "2.0.0/linux/amd64").await.expect(200);
    assert_eq!(latest(&agent).await.as_deref(), Some("2.0.0"));
}

// A15 339, A15 341, A15 353
#[tokio::test(flavor = "multi_thread")]
async fn each_platform_has_its_own_latest() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let (linux, windows) =
        (app.enroll(ORG).await, app.enroll_machine(ORG, Machine::of("windows", "amd64")).await);
    let mac = app.enroll_machine(ORG, Machine::of("darwin", "arm64")).await;
    admin.publish("1.0.0", LINUX, false, b"linux").await;
    admin.publish("2.0.0", ("windows", "amd64"), true, b"windows").await;
    assert_eq!(latest(&linux).await.as_deref(), Some("1.0.0"));
    assert_eq!(latest(&windows).await.as_deref(), Some("2.0.0"));
    assert_eq!(latest(&mac).await, None);
    let mandatory =
        windows.get("/api/agent/version").send().await.expect(200).data()["mandatory"].clone();
    assert_eq!(mandatory, true);
}

// A15 345, A15 346, A15 349, §5.1
#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_download_the_agent() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let binary: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
    admin.publish("1.0.0", LINUX, false, &binary).await;
    admin.publish("1.0.0", ("windows", "amd64"), false, b"windows").await;
    let answer = app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(200);
    assert!(answer.body == binary, "{} bytes", answer.body.len());
    let head = |it: &tests::Answer| {
        let names = ["content-type", "content-disposition", "content-length", "x-agent-version"];
        names.map(|name| it.header(name).unwrap_or("(absent)").to_owned())
    };
    assert_eq!(
        head(&answer),
        [
            "application/octet-stream",
            "attachment; filename=\"achilles-agent-linux-amd64\"",
            "3000000",
            "1.0.0"
        ]
    );
    let windows = app.get("/api/agent/download?os=windows&arch=amd64").send().await.expect(200);
    assert_eq!(
        windows.header("content-disposition"),
        Some("attachment; filename=\"achilles-agent-windows-amd64.exe\"")
    );
    let head_only = app
        .request(http::Method::HEAD, "/api/agent/download?os=linux&arch=amd64")
        .send()
        .await
        .expect(200);
    assert!(head_only.body.is_empty());
    assert_eq!(head(&head_only), head(&answer));
}

// §5.1
#[tokio::test(flavor = "multi_thread")]
async fn a_download_names_its_platform() {
    let app = App::start().await;
    let os = r#"Invalid or missing "os" parameter: must be "linux", "windows", or "darwin""#;
    let arch = r#"Invalid or missing "arch" parameter: must be "amd64" or "arm64""#;
    for (query, expected) in [
        ("", os),
        ("?os=beos&arch=amd64", os),
        ("?os=Linux&arch=amd64", os),
        ("?arch=x86", os),
        ("?os=linux", arch),
        ("?os=linux&arch=x86", arch),
    ] {
        let error =
            app.get(&format!("/api/agent/download{query}")).send().await.expect(400).error();
        assert_eq!(error, expected, "{query}");
    }
    let agent = app.enroll(ORG).await;
    assert_eq!(
        agent.get("/api/agent/update?os=beos").send().await.expect(400).error(),
        "Invalid os parameter"
    );
    assert_eq!(
        agent.get("/api/agent/update?arch=x86").send().await.expect(400).error(),
        "Invalid arch parameter"
    );
}

// §8.9
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_updates_itself_and_proves_what_it_got() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let binary = vec![9_u8; 2 << 20];
    app.admin(ORG).publish("0.7.0", LINUX, false, &binary).await;
    assert_eq!(agent.check_update().await.unwrap(), Update::Applied("0.7.0".into()));
    assert_eq!((agent.machine.version.as_str(), agent.ended), ("0.7.0", Some(Ended::Updated)));
    let mut agent = agent.restarted();
    assert_eq!(agent.check_update().await.unwrap(), Update::None);
    agent.heartbeat().await;
    assert_eq!(app.admin(ORG).agent(agent.id()).await["agent_version"], "0.7.0");
}

// §8.9: older releases only where its operators insist.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_back_only_when_it_must() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    admin.publish("0.6.1", LINUX, false, b"older").await;
    assert_eq!(agent.check_update().await.unwrap(), Update::None);
    admin.publish("0.6.1", LINUX, true, b"older, but better").await;
    assert_eq!(agent.check_update().await.unwrap(), Update::Applied("0.6.1".into()));
}

// §9.6
#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_update_is_carried_out_and_reported() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    admin.publish("0.7.0", LINUX, false, b"the next one").await;
    let id = admin.order_update(agent.id()).await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
    );
    let task = admin.task(&id).await;
    assert_eq!(
        (&task["status"], &task["result"]["stdout"]),
        (&json!("completed"), &json!("updated to 0.7.0"))
    );
    assert_eq!(task["payload"]["execution_timeout"], 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_refuses_what_is_not_signed_by_the_key_it_enrolled_with() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    app.admin(ORG).publish("0.7.0", LINUX, false, b"the next one").await;
    agent.identity.update_public_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    assert!(matches!(agent.check_update().await, Err(UpdateError::BadSignature)));
    assert_eq!(agent.ended, None);
}

// A file that was damaged where it lies must not be run.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_binary_is_not_installed() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    app.admin(ORG).publish("0.7.0", LINUX, false, &[5; 4096]).await;
    let values = rusqlite::Connection::open(app.state_dir().join("sqlite_key_value.db")).unwrap();
    let damaged = values.execute(
        "UPDATE spin_key_value SET value = zeroblob(length(value)) WHERE length(value) = 4096",
        [],
    );
    assert_eq!(damaged.unwrap(), 1);
    drop(values);
    assert!(matches!(agent.check_update().await, Err(UpdateError::Mismatch)));
}

// A15 348, B5 444
#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_its_bytes_is_not_found() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    app.admin(ORG).publish("0.7.0", LINUX, false, b"the next one").await;
    let values = rusqlite::Connection::open(app.state_dir().join("sqlite_key_value.db")).unwrap();
    values.execute("DELETE FROM spin_key_value", []).unwrap();
    drop(values);
    let gone = "Binary file not found on server";
    assert_eq!(agent.get("/api/agent/update").send().await.expect(404).error(), gone);
    assert_eq!(
        app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(404).error(),
        gone
    );
}

// An organisation decides what its agents run as root.
#[tokio::test(flavor = "multi_thread")]
async fn agents_run_only_what_their_own_organisation_published() {
    let app = App::start().await;
    let (ours, theirs) = (app.enroll(ORG).await, app.enroll("org-2").await);
    app.admin(ORG).publish("1.0.0", LINUX, false, b"ours").await;
    assert_eq!((latest(&ours).await.as_deref(), latest(&theirs).await), (Some("1.0.0"), None));
    theirs.get("/api/agent/update").send().await.expect(404);
    app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(200);

    app.admin("org-2").publish("9.0.0", LINUX, true, b"theirs").await;
    assert_eq!(latest(&ours).await.as_deref(), Some("1.0.0"));
    assert_eq!(ours.get("/api/agent/update").send().await.expect(200).body, "ours");
    assert_eq!(theirs.get("/api/agent/update").send().await.expect(200).body, "theirs");
    // A stranger who does not say whose agent is wanted gets nobody's.
    assert_snapshot!(app.get("/api/agent/download?os=linux&arch=amd64").send().await.shown(&["x-agent-version"]), @r#"
    404
    x-agent-version: (absent)
    {"success":false,"error":"No version available for this platform"}
    "#);
    let chosen =
        app.get("/api/agent/download?os=linux&arch=amd64&org_id=org-2").send().await.expect(200);
    assert_eq!(chosen.body, "theirs");
}

// §5.2: for an agent that prepares another machine.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_fetch_any_platform() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    app.admin(ORG).publish("1.0.0", ("darwin", "arm64"), false, b"mac").await;
    let answer = agent.get("/api/agent/update?os=darwin&arch=arm64").send().await.expect(200);
    assert_eq!(
        (answer.body.as_ref(), answer.header("x-agent-version")),
        (&b"mac"[..], Some("1.0.0"))
    );
}

// A15 333, A15 350: replaced and withdrawn bytes do not linger, bytes in use stay.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_live_as_long_as_something_refers_to_them() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let values = || {
        let values =
            rusqlite::Connection::open(app.state_dir().join("sqlite_key_value.db")).unwrap();
        values
            .query_row("SELECT count(*) FROM spin_key_value", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    admin.publish("1.0.0", LINUX, false, b"same").await;
    let alone = values();
    admin.publish("1.0.1", LINUX, false, b"same").await;
    assert_eq!(values(), alone, "identical bytes are kept once");
    admin.publish("1.0.1", LINUX, false, b"other").await;
    assert_eq!(agent.get("/api/agent/update").send().await.expect(200).body, "other");
    admin.delete("/api/agent/admin/versions/1.0.1/linux/amd64").await.expect(200);
    assert_eq!(agent.get("/api/agent/update").send().await.expect(200).body, "same");
    assert_eq!(values(), alone);
    admin.delete("/api/agent/admin/versions/1.0.0/linux/amd64").await.expect(200);
    assert_eq!(values(), 0);
    agent.get("/api/agent/update").send().await.expect(404);
}

// A download that is given up half-way must not hold anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_can_be_given_up() {
    let app = App::start().await;
    app.admin(ORG).publish("1.0.0", LINUX, false, &vec![1; 6 << 20]).await;
    for _ in 0..4 {
        let answer = app.get("/api/agent/download?os=linux&arch=amd64").open().await.unwrap();
        let mut body = answer.into_body();
        assert!(body.frame().await.is_some());
    }
    let whole = app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(200);
    assert_eq!(whole.body.len(), 6 << 20);
}
