//! One agent: switched off and on, tagged, removed.

use http::Method;
use serde_json::{Value, json};
use tests::{
    App,
    executables::{ELF_AMD64, elf},
};

use super::{AGENTS, NOBODY, ORG, enroll, gone, operator, path};

const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const STATUSES: &str = r#"Invalid option: expected one of "active"|"disabled""#;

/// The row, as text, but for the time of its last change.
fn row(app: &App, id: &str) -> String {
    let columns =
        "SELECT group_concat('quote(' || name || ')', '||') FROM pragma_table_info('agents')
                    WHERE name <> 'updated_at'";
    let columns: String = app.database().value(columns, []);
    app.database().value(&format!("SELECT {columns} FROM agents WHERE id = ?1"), [id])
}

// A10 131, D-84
#[tokio::test]
async fn an_agent_is_switched_off_and_on() {
    let app = App::start().await;
    let admin = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    agent.heartbeat().await;
    app.database().execute("UPDATE agents SET updated_at = 1", []);

    let mut expected = admin.agent(agent.id()).await;
    assert_eq!((&expected["status"], &expected["is_online"]), (&json!("active"), &json!(true)));
    let disabled = admin.patch(&path(&agent), &json!({"status": "disabled"})).await;
    let disabled = disabled.expect(200).data();
    expected["status"] = json!("disabled");
    expected["is_online"] = json!(false);
    expected["is_stale"] = json!(false);
    assert_ne!(disabled["updated_at"], "1970-01-01T00:00:00.001Z");
    expected["updated_at"] = disabled["updated_at"].clone();
    assert_eq!(disabled, expected);
    assert_eq!(admin.agent(agent.id()).await, disabled);
    let refused = agent.get("/api/agent/tasks").send().await.expect(401);
    assert_eq!(refused.error(), "Invalid agent credentials");

    // What it is already is no event.
    admin.patch(&path(&agent), &json!({"status": "disabled"})).await.expect(200);
    let active = admin.patch(&path(&agent), &json!({"status": "active"})).await.expect(200).data();
    assert_eq!((&active["status"], &active["is_online"]), (&json!("active"), &json!(true)));
    agent.get("/api/agent/tasks").send().await.expect(204);
    let events = app.database().events(agent.id());
    let changes: Vec<_> = events.into_iter().filter(|it| it.0 == "status_changed").collect();
    let change = |from: &str, to: &str| ("status_changed".into(), json!({"from": from, "to": to}));
    assert_eq!(changes, [change("active", "disabled"), change("disabled", "active")]);
}

// A10 132, B4 420, 421
#[tokio::test]
async fn a_change_sets_what_it_names_and_nothing_else() {
    let app = App::start().await;
    let admin = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    agent.heartbeat().await;
    let change = async |body: Value| {
        app.database().execute("UPDATE agents SET updated_at = 1", []);
        let before = admin.agent(agent.id()).await;
        let after = admin.patch(&path(&agent), &body).await.expect(200).data();
        assert_ne!(after["updated_at"], before["updated_at"], "{body}");
        let mut expected = before;
        for (field, value) in body.as_object().expect("an object") {
            expected[field] = value.clone();
        }
        expected["updated_at"] = after["updated_at"].clone();
        assert_eq!(after, expected, "{body}");
    };
    let events = app.database().events(agent.id());
    let before = row(&app, agent.id());
    change(json!({})).await;
    assert_eq!(row(&app, agent.id()), before);
    change(json!({"tags": ["finance", "pilot"]})).await;
    change(json!({"tags": ["a", "a"]})).await;
    change(json!({})).await;
    change(json!({"tags": []})).await;
    change(json!({"tags": ["ä/ö", " ", "x".repeat(64)]})).await;
    change(json!({"status": "active"})).await;
    assert_eq!(app.database().events(agent.id()), events);
    // What nobody knows is ignored.
    let body = json!({"hostname": "mine", "org_id": "org-2", "agent_version": "9"});
    admin.patch(&path(&agent), &body).await.expect(200);
    let agent = admin.agent(agent.id()).await;
    assert_eq!((&agent["hostname"], &agent["org_id"]), (&json!("ws-1"), &json!(ORG)));
}

// B4 420
#[tokio::test]
async fn what_is_no_change_is_refused_before_the_agent_is_looked_for() {
    let app = App::start().await;
    let admin = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    let before = row(&app, agent.id());
    let many: Vec<_> = (0..51).map(|it| it.to_string()).collect();
    for (body, field, message) in [
        (json!({"status": "decommissioned"}), "status", STATUSES),
        (json!({"status": "uninstalled"}), "status", STATUSES),
        (json!({"status": "Active"}), "status", STATUSES),
        (json!({"status": null}), "status", STATUSES),
        (json!({"tags": "a"}), "tags", "Invalid input: expected array, received string"),
        (json!({"tags": [7]}), "tags.0", "Invalid input: expected string, received number"),
        (json!({"tags": ["a", ""]}), "tags.1", "Too small: expected string to have >=1 characters"),
        (
            json!({"tags": ["x".repeat(65)]}),
            "tags.0",
            "Too big: expected string to have <=64 characters",
        ),
        (json!({"tags": many}), "tags", "Too big: expected array to have <=50 items"),
    ] {
        for id in [agent.id(), NOBODY] {
            let answer = admin.patch(&format!("{AGENTS}/{id}"), &body).await;
            let expected = json!({
                "success": false, "error": format!("Validation failed: {field}: {message}"),
                "details": [{"path": field, "message": message}],
            });
            assert_eq!((answer.status.as_u16(), answer.json()), (400, expected), "{id} {body}");
        }
    }
    assert_eq!(row(&app, agent.id()), before);
    for body in [json!({}), json!({"status": "active"}), json!({"tags": []})] {
        let answer = admin.patch(&format!("{AGENTS}/{NOBODY}"), &body).await.expect(404);
        assert_eq!(answer.error(), "Agent not found", "{body}");
    }
}

// D-35
#[tokio::test]
async fn nobody_comes_back_who_is_gone() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let (removed, left) = gone(&app).await;
    for (agent, status) in [(&removed, "decommissioned"), (&left, "uninstalled")] {
        let before = row(&app, agent.id());
        for wish in ["active", "disabled"] {
            let body = json!({"status": wish, "tags": ["back"]});
            let answer = admin.patch(&path(agent), &body).await.expect(409);
            let expected = format!("Agent is {status} and its status cannot change any more");
            assert_eq!(answer.error(), expected, "{wish}");
        }
        assert_eq!(row(&app, agent.id()), before);
        agent.get("/api/agent/tasks").send().await.expect(401);
        // What people note about it is theirs.
        let noted = admin.patch(&path(agent), &json!({"tags": ["scrapped"]})).await.expect(200);
        assert_eq!(noted.data()["tags"], json!(["scrapped"]));
        assert_eq!(noted.data()["status"], status);
    }
}

// A10 128, 133
#[tokio::test]
async fn a_removed_agent_is_kept_and_no_longer_shown() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = enroll(&app, "ws-1").await;
    agent.heartbeat().await;
    let waiting = admin.rotate_key(agent.id()).await;
    let answer = admin.delete(&path(&agent)).await.expect(200);
    let expected = json!({"success": true, "data": {"id": agent.id(), "status": "decommissioned"}});
    assert_eq!(answer.json(), expected);

    let shown = admin.agent(agent.id()).await;
    assert_eq!((&shown["status"], &shown["is_online"]), (&json!("decommissioned"), &json!(false)));
    let page = async |query: &str| admin.get(&format!("{AGENTS}{query}")).await.expect(200).data();
    let nothing = json!({"agents": [], "total": 0, "next_cursor": null});
    for query in ["", "?online_only=true", "?hostname=ws", "?os=linux"] {
        assert_eq!(page(query).await, nothing, "{query}");
    }
    let listed = page("?status=decommissioned").await;
    assert_eq!((&listed["total"], &listed["agents"][0]["id"]), (&json!(1), &json!(agent.id())));
    let (kind, details) = app.database().events(agent.id()).pop().expect("events");
    assert_eq!(kind, "decommissioned");
    assert_eq!(details, json!({"from": "active", "to": "decommissioned"}));

    // Its key is dead at once, and so is one that waits for it.
    let refused = agent.get("/api/agent/tasks").send().await.expect(401);
    assert_eq!(refused.error(), "Invalid agent credentials");
    let body = agent.heartbeat_body(None);
    agent.post("/api/agent/heartbeat", &body).send().await.expect(401);
    agent.identity.agent_key = waiting;
    agent.get("/api/agent/tasks").send().await.expect(401);

    // Once more does nothing.
    let events = app.database().events(agent.id()).len();
    assert_eq!(admin.delete(&path(&agent)).await.expect(200).json(), expected);
    assert_eq!(app.database().events(agent.id()).len(), events);
}

// D-36
#[tokio::test]
async fn a_removed_agent_leaves_no_work_behind() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let (agent, other) = (enroll(&app, "ws-1").await, enroll(&app, "ws-2").await);
    let daily = json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}});
    let schedule = async |agents: &[&str]| {
        let made = admin.schedule(agents, TEST, &daily).await.expect(201).data();
        format!("/api/agent/admin/schedules/{}", made["id"].as_str().expect("an id"))
    };
    let both = schedule(&[agent.id(), other.id()]).await;
    let alone = schedule(&[agent.id()]).await;

    let running = admin.order_command(agent.id(), "first").await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let status = format!("/api/agent/tasks/{running}/status");
    agent.patch(&status, &json!({"status": "executing"})).send().await.expect(200);
    let assigned = admin.order_command(agent.id(), "second").await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let waiting = admin.order_command(agent.id(), "third").await;
    let anothers = admin.order_command(other.id(), "fourth").await;
    let status = async |id: &str| admin.task(id).await["status"].clone();
    assert_eq!(
        (status(&assigned).await, status(&waiting).await),
        ("assigned".into(), "pending".into())
    );

    admin.delete(&path(&agent)).await.expect(200);
    for (id, expected) in [
        (&waiting, "expired"),
        (&assigned, "expired"),
        // Nobody knows what it did; time will tell.
        (&running, "executing"),
        (&anothers, "pending"),
    ] {
        assert_eq!(status(id).await, expected);
    }
    let agents = async |path: &str| admin.get(path).await.expect(200).data()["agent_ids"].clone();
    assert_eq!(agents(&both).await, json!([other.id()]));
    assert_eq!(agents(&alone).await, json!([]));
    let sql = "SELECT count(*) FROM schedule_agents WHERE agent_id = ?1";
    assert_eq!(app.database().value::<i64>(sql, [agent.id()]), 0);
}

#[tokio::test]
async fn who_is_not_there_cannot_be_removed() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let answer = admin.delete(&format!("{AGENTS}/{NOBODY}")).await.expect(404);
    assert_eq!(answer.text(), r#"{"success":false,"error":"Agent not found"}"#);
    let (_, left) = gone(&app).await;
    let answer = admin.delete(&path(&left)).await.expect(409);
    assert_eq!(answer.error(), "Agent is uninstalled and its status cannot change any more");
    // Operators may switch agents off, not remove them.
    let agent = enroll(&app, "ws-1").await;
    let answer = operator(&app).delete(&path(&agent)).await.expect(403);
    assert_eq!(answer.error(), "Insufficient permissions");
    assert_eq!(admin.agent(agent.id()).await["status"], "active");
}

#[tokio::test]
async fn each_change_is_an_entry_of_whoever_made_it() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let newest =
        async || admin.get("/api/audit?limit=1").await.expect(200).data()["entries"][0].clone();
    let state = |status: &str, tags: Value| json!({"hostname": "ws-1", "status": status, "tags": tags, "rotation_started_at": null});
    // What is true of several at once says of each what it was.
    let became = |status: &str, tags: Value, was: &str| {
        let mut state = state(status, tags);
        state["details"] = json!({"agents": [{"id": agent.id(), "status": was}]});
        state
    };
    let body = json!({"status": "disabled", "tags": ["x"]});
    operator(&app).patch(&path(&agent), &body).await.expect(200);
    let entry = newest().await;
    assert_eq!(
        (&entry["actor"], &entry["action"], &entry["target_id"]),
        (&json!("user_operator"), &json!("agent.update"), &json!(agent.id()))
    );
    assert_eq!(entry["before"], state("active", json!([])));
    assert_eq!(entry["after"], became("disabled", json!(["x"]), "active"));
    admin.request(Method::DELETE, &path(&agent)).send().await.expect(200);
    let entry = newest().await;
    assert_eq!(
        (&entry["actor"], &entry["action"], &entry["target_id"]),
        (&json!("user_admin"), &json!("agent.decommission"), &json!(agent.id()))
    );
    assert_eq!(entry["before"], state("disabled", json!(["x"])));
    assert_eq!(entry["after"], became("decommissioned", json!(["x"]), "disabled"));
}
