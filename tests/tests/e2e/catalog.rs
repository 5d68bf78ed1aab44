//! The catalog of tests: the library that lies beside the manifest, and what it adds to tasks
//! (fleet.md §5.8, §6.4 step 5, §6.11).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Operator, Person,
    executables::{ELF_AMD64, elf},
};

const ORG: &str = "org-1";
const RELOAD: &str = "/api/agent/admin/catalog/reload";
const TASKS: &str = "/api/agent/admin/tasks";
/// Of the library.
const BASELINE: &str = "7a3c1f52-0d64-4c1b-9e0a-51f2c6b7d801";
const STAGED: &str = "b85e90c4-6f1d-4d3e-8a27-c0d9431e6f02";
const ACCOUNTS: &str = "1d9b7e36-2c58-4f0a-b3c4-8e6a05f1d903";
const GUESTS: &str = "e40f2a8b-93b7-4a65-9d18-27c5be80a104";
/// Of nobody's library.
const UNKNOWN: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";

async fn reload(who: &Operator) -> Answer {
    who.request(Method::POST, RELOAD).send().await
}

/// An application with an agent and a build of each of these tests, its catalog loaded.
async fn loaded(tests: &[&str]) -> (App, Operator, Agent) {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = app.enroll(ORG).await;
    for test in tests {
        admin.send_build(test, &elf(ELF_AMD64)).await.expect(200);
    }
    reload(&admin).await.expect(200);
    (app, admin, agent)
}

fn empty() -> Value {
    json!({
        "category": "", "subcategory": "", "severity": "", "techniques": [], "tactics": [], "threat_actor": "",
        "target": [], "complexity": "", "tags": [], "score": null, "integrations": [],
    })
}

/// The payload of a task of this test; `more` is what its order says beside the names.
async fn payload(admin: &Operator, agent: &Agent, test: &str, more: &Value) -> Value {
    let mut order = json!({"test_uuid": test, "test_name": "Named", "binary_name": test});
    order.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let id = admin.order("", agent.id(), &order).await;
    admin.task(&id).await["payload"].clone()
}

fn staged() -> Value {
    json!({
        "category": "intel-driven", "subcategory": "apt", "severity": "critical",
        "techniques": ["T1204.002", "T1059.001", "T1547.001"], "tactics": ["execution", "persistence"],
        "threat_actor": "Sample Group", "target": ["windows-endpoint"], "complexity": "medium",
        "tags": ["multi-stage"], "score": 9.1, "integrations": [],
    })
}

#[tokio::test]
async fn a_reload_reads_the_library_and_is_recorded() {
    let app = App::start().await;
    let answer = reload(&app.admin(ORG)).await.expect(200);
    assert_eq!(answer.json(), json!({"success": true, "catalogSize": 4}));
    let log =
        "SELECT json_group_array(json_array(action, actor, before, json(after))) FROM audit_log";
    let expected = json!([["catalog.reload", "user_admin", null, {"size": 4}]]);
    assert_eq!(app.database().json(log, []), expected);
    // Again puts the same in place of it.
    reload(&app.admin(ORG)).await.expect(200);
    let ids = "SELECT json_group_array(test_uuid) FROM (SELECT test_uuid FROM catalog_entries ORDER BY test_uuid)";
    // The folder is the id, whatever the header says; a folder with another name is no test.
    let known = json!([ACCOUNTS, BASELINE, STAGED, GUESTS]);
    assert_eq!(app.database().json(ids, []), known);
}

#[tokio::test]
async fn a_reload_is_for_whoever_may_sync_tests() {
    let app = App::start().await;
    for (person, status) in [
        (Person::explorer(ORG), 403),
        (Person::analyst(ORG), 403),
        (Person::operator(ORG), 200),
        (Person::admin(ORG), 200),
    ] {
        let who = Operator::new(app.server(), ORG, person.token());
        reload(&who).await.expect(status);
    }
    assert_eq!(app.database().count("catalogs"), 1);
}

#[tokio::test]
async fn a_catalog_is_its_organisations_alone() {
    let (app, _, _) = loaded(&[]).await;
    let other = app.admin("org-2");
    other.send_build(STAGED, &elf(ELF_AMD64)).await.expect(200);
    let agent = app.enroll("org-2").await;
    assert_eq!(payload(&other, &agent, STAGED, &json!({})).await["metadata"], empty());
    reload(&other).await.expect(200);
    assert_eq!(payload(&other, &agent, STAGED, &json!({})).await["metadata"], staged());
}

// A14 294, A12 187, 188
#[tokio::test]
async fn a_task_has_the_metadata_of_the_catalog() {
    let (_app, admin, agent) = loaded(&[STAGED, ACCOUNTS, GUESTS, UNKNOWN]).await;
    let metadata =
        async |test: &str| payload(&admin, &agent, test, &json!({})).await["metadata"].clone();
    assert_eq!(metadata(STAGED).await, staged());
    let accounts = metadata(ACCOUNTS).await;
    assert_eq!(accounts["category"], "mitre-top10");
    assert_eq!(
        (&accounts["techniques"], &accounts["target"]),
        (&json!(["T1087.001", "T1033"]), &json!([]))
    );
    assert_eq!((&accounts["threat_actor"], &accounts["score"]), (&json!(""), &json!(6.0)));
    let guests = metadata(GUESTS).await;
    assert_eq!((&guests["integrations"], &guests["score"]), (&json!(["azure"]), &Value::Null));
    assert_eq!(metadata(UNKNOWN).await, empty());
}

#[tokio::test]
async fn what_a_request_says_wins() {
    let (_app, admin, agent) = loaded(&[STAGED]).await;
    for (key, value) in [("category", json!("mine")), ("techniques", json!(["T1"]))] {
        let mut own = empty();
        own[key] = value;
        let payload = payload(&admin, &agent, STAGED, &json!({"metadata": own})).await;
        assert_eq!(payload["metadata"], own, "{key}");
    }
    // What says neither is replaced as a whole.
    let mut own = empty();
    own["severity"] = json!("low");
    let payload = payload(&admin, &agent, STAGED, &json!({"metadata": own})).await;
    assert_eq!(payload["metadata"], staged());
}

#[tokio::test]
async fn a_scheduled_task_has_the_metadata_of_the_catalog() {
    let (app, admin, agent) = loaded(&[STAGED, UNKNOWN]).await;
    for test in [STAGED, UNKNOWN] {
        let daily = json!({
            "schedule_type": "daily", "schedule_config": {"time": "10:00"}, "test_name": "", "binary_name": "",
        });
        let schedule = admin.schedule(&[agent.id()], test, &daily).await.expect(201).data();
        // A name that was left empty is the catalog's, or else the build's.
        let name = if test == STAGED { "Document that starts a script" } else { test };
        assert_eq!(
            (&schedule["test_name"], &schedule["binary_name"]),
            (&json!(name), &json!(test))
        );
        // What the schedule itself holds stays as it was given.
        assert_eq!(schedule["metadata"], empty());
        let id = schedule["id"].as_str().expect("an id");
        app.database().make_due(id, Duration::from_secs(1));
        assert_eq!(app.tick().await["tasks_created"], 1);
        let sql = "SELECT payload FROM tasks WHERE payload ->> 'test_uuid' = ?1";
        let payload = app.database().json(sql, [test]);
        let expected = if test == STAGED { staged() } else { empty() };
        assert_eq!((&payload["metadata"], &payload["test_name"]), (&expected, &json!(name)));
    }
}

#[tokio::test]
async fn names_that_a_task_leaves_empty_are_the_catalogs() {
    let (_app, admin, agent) = loaded(&[BASELINE]).await;
    let names = json!({"test_uuid": BASELINE, "test_name": "", "binary_name": ""});
    let order = json!({"org_id": ORG, "agent_ids": [agent.id()], "payload": names});
    let created = admin.post(TASKS, &order).await.expect(201).data();
    let id = created["task_ids"][0].as_str().expect("an id");
    let payload = admin.task(id).await["payload"].clone();
    assert_eq!(payload["test_name"], "Linux baseline: temporary files and shells");
}
