//! Work that an organisation lets nobody do alone, and rehearsals of any work (fleet.md D-67).

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App, Operator, Person,
    executables::{ELF_AMD64, elf},
};

const ORG: &str = "org-1";
const TASKS: &str = "/api/agent/admin/tasks";
const APPROVALS: &str = "/api/agent/admin/approvals";
const DEMANDS: &str = "/api/agent/admin/settings/approvals";

fn admin(app: &App, user: &str) -> Operator {
    Operator::new(app.server(), ORG, Person::admin(ORG).named(user).token())
}

async fn put(who: &Operator, body: &Value) -> Answer {
    who.request(Method::PUT, DEMANDS).json(body).send().await
}

fn all(wanted: bool) -> Value {
    json!({"commands": wanted, "uninstalls": wanted, "mandatory_updates": wanted})
}

/// An application whose organisation demands two people for everything, and who asks.
async fn strict() -> (App, Operator, Operator) {
    let app = App::start().await;
    let (ann, bob) = (admin(&app, "ann"), admin(&app, "bob"));
    put(&ann, &all(true)).await.expect(200);
    (app, ann, bob)
}

async fn command(who: &Operator, agent: &str, query: &str) -> Answer {
    let order = json!({"org_id": ORG, "agent_ids": [agent], "command": "whoami"});
    who.post(&format!("{TASKS}/command{query}"), &order).await
}

async fn ask(who: &Operator, agent: &str) -> String {
    let data = command(who, agent, "").await.expect(202).data();
    assert_eq!(
        (&data["task_ids"], &data["approval"]["status"]),
        (&json!([]), &json!("pending_approval"))
    );
    data["approval"]["id"].as_str().expect("an id").to_owned()
}

async fn decide(who: &Operator, id: &str, verb: &str) -> Answer {
    who.post(&format!("{APPROVALS}/{id}/{verb}"), &json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_another_person() {
    // D-67
    let (app, ann, bob) = strict().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let id = ask(&ann, agent.id()).await;
    agent.get("/api/agent/tasks").send().await.expect(204);
    let refused = decide(&ann, &id, "approve").await.expect(403);
    assert_eq!(refused.error(), "Another person must approve this request");
    // An operator may run no commands, and so approves none.
    let operator = Operator::new(app.server(), ORG, Person::operator(ORG).token());
    assert_eq!(
        decide(&operator, &id, "approve").await.expect(403).error(),
        "Insufficient permissions"
    );

    // Two who approve at once make one batch.
    let cat = admin(&app, "cat");
    let answers = join_all([&bob, &cat].map(|who| decide(who, &id, "approve"))).await;
    let mut statuses: Vec<_> = answers.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let shown = ann.get(&format!("{APPROVALS}/{id}")).await.expect(200).data();
    assert_eq!((&shown["status"], &shown["requested_by"]), (&json!("approved"), &json!("ann")));
    let task = agent.get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!(json!([task["id"]]), shown["task_ids"]);
    assert_eq!(
        (&task["created_by"], &task["payload"]["command"]),
        (&json!("ann"), &json!("whoami"))
    );
    assert_eq!(app.database().count("tasks"), 1);
    for (action, count) in [("approval.request", 1), ("approval.approve", 1), ("task.create", 0)] {
        assert_eq!(app.database().count(&format!("audit_log WHERE action = '{action}'")), count);
    }
}

#[tokio::test]
async fn what_is_denied_or_too_late_never_happens() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let denied = ask(&ann, agent.id()).await;
    let path = format!("{APPROVALS}/{denied}/deny");
    let shown = bob.post(&path, &json!({"reason": "not today"})).await.expect(200).data();
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("denied"), &json!("not today")));
    let refused = decide(&bob, &denied, "approve").await.expect(409);
    assert_eq!(refused.error(), "The request has been decided: denied");

    let late = ask(&ann, agent.id()).await;
    app.database().execute("UPDATE approvals SET expires_at = 1 WHERE id = ?1", [&late]);
    assert_eq!(
        decide(&bob, &late, "approve").await.expect(409).error(),
        "The request has been decided: expired"
    );
    assert_eq!(app.maintain().await["undecided"], 1);
    let listed = bob.get(&format!("{APPROVALS}?status=expired")).await.expect(200).data();
    assert_eq!((&listed["total"], &listed["approvals"][0]["id"]), (&json!(1), &json!(late)));
    assert_eq!(bob.get(APPROVALS).await.expect(200).data()["total"], 2);
    assert_eq!(app.database().count("tasks"), 0);
    assert_eq!(decide(&bob, "nobody", "approve").await.expect(404).error(), "Approval not found");
}

#[tokio::test]
async fn nobody_switches_it_off_alone() {
    let (_app, ann, bob) = strict().await;
    let waiting = put(&ann, &all(false)).await.expect(202).data();
    let id = waiting["approval"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(ann.get(DEMANDS).await.expect(200).data(), all(true));
    decide(&ann, &id, "approve").await.expect(403);
    decide(&bob, &id, "approve").await.expect(200);
    assert_eq!(ann.get(DEMANDS).await.expect(200).data(), all(false));
}

#[tokio::test]
async fn a_mandatory_release_is_not_offered_before_its_approval() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let release = ann.publish("9.0.0", ("linux", "amd64"), true, b"agent").await;
    let id = release["awaiting_approval"].as_str().expect("an approval").to_owned();
    agent.get("/api/agent/version").send().await.expect(204);
    app.get("/api/agent/download?os=linux&arch=amd64").send().await.expect(404);
    decide(&bob, &id, "approve").await.expect(200);
    let offered = agent.get("/api/agent/version").send().await.expect(200);
    assert!(offered.text().contains("9.0.0"));
}

#[tokio::test]
async fn a_dry_run_says_who_would_be_hit_and_changes_nothing() {
    let app = App::start().await;
    let (here, gone) = (app.enroll(ORG).await, app.enroll(ORG).await);
    app.database().execute("UPDATE agents SET status = 'uninstalled' WHERE id = ?1", [gone.id()]);
    let uuid = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
    app.admin(ORG).send_build(uuid, &elf(ELF_AMD64)).await.expect(200);
    let agents = json!([here.id(), gone.id(), "nobody"]);
    let test = json!({"org_id": ORG, "agent_ids": agents, "payload": {"test_uuid": uuid, "test_name": "", "binary_name": ""}});
    let plain = json!({"org_id": ORG, "agent_ids": agents, "command": "id"});
    for (kind, order) in
        [("", &test), ("/command", &plain), ("/update", &plain), ("/uninstall", &plain)]
    {
        let path = format!("{TASKS}{kind}?dry_run=true");
        let data = app.admin(ORG).post(&path, order).await.expect(200).data();
        assert_eq!((&data["dry_run"], &data["would_create"]), (&json!(true), &json!(1)), "{kind}");
        assert_eq!(data["targets"][0]["agent_id"], here.id(), "{kind}");
        let reasons: Vec<_> =
            data["skipped"].as_array().expect("a list").iter().map(|it| &it["reason"]).collect();
        assert_eq!(reasons, ["already_uninstalled", "unknown_agent"], "{kind}");
    }
    assert_eq!((app.database().count("tasks"), app.database().count("approvals")), (0, 0));
    let answer = app.admin(ORG).post(&format!("{TASKS}?dry_run=yes"), &test).await.expect(400);
    assert!(answer.error().contains("dry_run"), "{}", answer.error());
    // The same names as the command-line client leaves empty are those of the build.
    let order = json!({"org_id": ORG, "agent_ids": [here.id()], "payload": test["payload"]});
    app.admin(ORG).post(TASKS, &order).await.expect(201);
    let again =
        app.admin(ORG).post(&format!("{TASKS}?dry_run=true"), &order).await.expect(200).data();
    assert_eq!(again["targets"][0]["note"], "identical_task_pending");
}
