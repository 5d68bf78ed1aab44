//! Work that an organisation lets nobody do alone, and rehearsals of any work (fleet.md D-67).

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App, Operator, Person,
    accounts::{self, SignedIn},
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

async fn uninstall(who: &Operator, agents: &Value, query: &str) -> Answer {
    let order = json!({"org_id": ORG, "agent_ids": agents, "cleanup": true});
    who.post(&format!("{TASKS}/uninstall{query}"), &order).await
}

fn approval(answer: &Answer) -> String {
    answer.data()["approval"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_uninstallation_reaches_its_agent_once_approved() {
    let (app, ann, bob) = strict().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let agents = json!([agent.id()]);
    let rehearsed = uninstall(&ann, &agents, "?dry_run=true").await.expect(200).data();
    assert_eq!(rehearsed["requires_approval"], true);
    let id = approval(&uninstall(&ann, &agents, "").await.expect(202));
    agent.get("/api/agent/tasks").send().await.expect(204);
    let done = decide(&bob, &id, "approve").await.expect(200).data();
    assert_eq!((&done["kind"], &done["skipped"]), (&json!("uninstall"), &json!([])));
    let task = agent.get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!((&task["type"], &task["id"]), (&json!("uninstall"), &done["task_ids"][0]));
    assert_eq!(task["payload"]["command"], "cleanup");
}

#[tokio::test]
async fn whoever_went_since_is_named_before_and_after() {
    let (app, ann, bob) = strict().await;
    let (here, gone) = (app.enroll(ORG).await, app.enroll(ORG).await);
    let id = approval(&uninstall(&ann, &json!([gone.id(), here.id()]), "").await.expect(202));
    let away = "UPDATE agents SET status = 'decommissioned' WHERE id = ?1";
    app.database().execute(away, [gone.id()]);

    let rehearse = async |who: &Operator| decide(who, &id, "approve?dry_run=true").await;
    assert_eq!(
        rehearse(&ann).await.expect(403).error(),
        "Another person must approve this request"
    );
    assert_eq!(
        decide(&bob, &id, "approve?dry_run=yes").await.expect(400).error(),
        "Validation failed: dry_run: Invalid option: expected one of \"true\"|\"false\""
    );
    let rehearsed = rehearse(&bob).await.expect(200).data();
    assert_eq!((&rehearsed["dry_run"], &rehearsed["would_create"]), (&json!(true), &json!(1)));
    assert_eq!(rehearsed["targets"][0]["agent_id"], here.id());
    let named = |it: &Value| (it["agent_id"].clone(), it["reason"].clone());
    let left_out = (json!(gone.id()), json!("not_active"));
    assert_eq!(named(&rehearsed["skipped"][0]), left_out);
    assert_eq!(app.database().count("tasks"), 0);
    let pending = "approvals WHERE status = 'pending_approval'";
    assert_eq!(app.database().count(pending), 1);

    let done = decide(&bob, &id, "approve").await.expect(200).data();
    assert_eq!(named(&done["skipped"][0]), left_out);
    assert_eq!(
        (done["skipped"].as_array().map(Vec::len), app.database().count("tasks")),
        (Some(1), 1)
    );
    let refused = rehearse(&bob).await.expect(409);
    assert_eq!(refused.error(), "The request has been decided: approved");
}

#[tokio::test]
async fn a_key_asks_and_neither_it_nor_its_maker_approves() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let minted = ann.post("/api/api-keys", &json!({"name": "ci", "scope": "read-write"})).await;
    let key = minted.expect(201).data()["key"].as_str().expect("a key").to_owned();
    let machine = Operator::new(app.server(), ORG, key);
    // Keys run no commands; what they may ask for is a mandatory release.
    let release = machine.publish("9.0.0", ("linux", "amd64"), true, b"agent").await;
    let id = release["awaiting_approval"].as_str().expect("an approval").to_owned();
    for query in ["", "?dry_run=true"] {
        let verb = format!("approve{query}");
        let refused = decide(&machine, &id, &verb).await.expect(403);
        assert_eq!(refused.error(), "An API key cannot approve requests");
        let refused = decide(&ann, &id, &verb).await.expect(403);
        assert_eq!(refused.error(), "Another person must approve this request");
    }
    agent.get("/api/agent/version").send().await.expect(204);
    decide(&bob, &id, "approve").await.expect(200);
    agent.get("/api/agent/version").send().await.expect(200);
}

#[tokio::test]
async fn a_mandatory_release_that_is_denied_or_withdrawn_is_never_offered() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let publish = async |version: &str| {
        let release = ann.publish(version, ("linux", "amd64"), true, b"agent").await;
        release["awaiting_approval"].as_str().expect("an approval").to_owned()
    };
    let denied = publish("9.0.0").await;
    decide(&bob, &denied, "deny").await.expect(200);
    agent.get("/api/agent/version").send().await.expect(204);
    decide(&bob, &denied, "approve").await.expect(409);

    let withdrawn = publish("9.1.0").await;
    ann.delete("/api/agent/admin/versions/9.1.0/linux/amd64").await.expect(200);
    let shown = ann.get(&format!("{APPROVALS}/{withdrawn}")).await.expect(200).data();
    assert_eq!((&shown["status"], &shown["decided_by"]), (&json!("expired"), &Value::Null));
    assert_eq!(
        decide(&bob, &withdrawn, "approve").await.expect(409).error(),
        "The request has been decided: expired"
    );
    agent.get("/api/agent/version").send().await.expect(204);
}

#[tokio::test]
async fn whoever_asked_may_take_it_back() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let id = ask(&ann, agent.id()).await;
    let shown = decide(&ann, &id, "deny").await.expect(200).data();
    assert_eq!((&shown["status"], &shown["decided_by"]), (&json!("denied"), &json!("ann")));
    decide(&bob, &id, "approve").await.expect(409);
    assert_eq!(app.database().count("tasks"), 0);
}

#[tokio::test]
async fn an_old_request_to_loosen_does_not_undo_a_newer_decision() {
    let app = App::start().await;
    let (ann, bob) = (admin(&app, "ann"), admin(&app, "bob"));
    let commands = json!({"commands": true, "uninstalls": false, "mandatory_updates": false});
    put(&ann, &commands).await.expect(200);
    let id = approval(&put(&ann, &all(false)).await.expect(202));
    put(&bob, &all(true)).await.expect(200);
    for verb in ["approve?dry_run=true", "approve"] {
        let refused = decide(&bob, &id, verb).await.expect(409);
        assert_eq!(refused.error(), "The settings have changed since the request; ask again");
    }
    assert_eq!(ann.get(DEMANDS).await.expect(200).data(), all(true));
}

#[tokio::test]
async fn a_second_account_is_no_second_person() {
    let (app, ann, bob) = strict().await;
    let agent = app.enroll(ORG).await;
    let id = ask(&ann, agent.id()).await;
    let wish = json!({"email": "ann2@example.org", "name": "Ann", "password": accounts::PASSWORD, "role": "admin"});
    ann.post("/api/users", &wish).await.expect(201);
    let second = SignedIn::again(&app, "ann2@example.org").await;
    let second = Operator::new(app.server(), ORG, &second.access_token);
    // One whom the second account invites is no other either.
    let guest = json!({"email": "ann3@example.org", "role": "admin"});
    let secret = second.post("/api/users/invite", &guest).await.expect(200).data()["token"].clone();
    let accepted = json!({"token": secret, "name": "Ann", "password": accounts::PASSWORD});
    app.post("/api/auth/accept-invitation").json(&accepted).send().await.expect(201);
    let third = SignedIn::again(&app, "ann3@example.org").await;
    let third = Operator::new(app.server(), ORG, &third.access_token);
    let refusal = "Whoever made an account and whoever has it cannot approve each other's requests";
    for who in [&second, &third] {
        assert_eq!(decide(who, &id, "approve").await.expect(403).error(), refusal);
    }
    // Nor the other way round.
    let theirs = ask(&third, agent.id()).await;
    assert_eq!(decide(&ann, &theirs, "approve").await.expect(403).error(), refusal);
    assert_eq!(app.database().count("tasks"), 0);
    decide(&bob, &id, "approve").await.expect(200);
    decide(&bob, &theirs, "approve").await.expect(200);
}

#[tokio::test]
async fn pages_end_where_there_is_nothing_more() {
    let (app, ann, _) = strict().await;
    let agent = app.enroll(ORG).await;
    for _ in 0..2 {
        ask(&ann, agent.id()).await;
    }
    let page = async |query: &str| {
        let data = ann.get(&format!("{APPROVALS}?{query}")).await.expect(200).data();
        let count = data["approvals"].as_array().expect("a list").len();
        (count, data["total"].clone(), data["next_cursor"].clone())
    };
    assert_eq!(page("limit=2").await, (2, json!(2), Value::Null));
    assert_eq!(page("limit=0").await, (0, json!(2), Value::Null));
    let (count, _, next) = page("limit=1").await;
    let next = next.as_str().expect("a cursor");
    assert_eq!(count, 1);
    // Beside a cursor an offset says nothing.
    for query in [format!("limit=1&cursor={next}"), format!("offset=1&cursor={next}")] {
        assert_eq!(page(&query).await, (1, json!(2), Value::Null), "{query}");
    }
}
