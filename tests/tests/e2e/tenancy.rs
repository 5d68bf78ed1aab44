//! Two organisations on one installation: neither learns of the other, nor changes anything of it (fleet.md §2.5, D-19).

use http::Method;
use serde_json::{Value, json};
use tests::{
    Agent, App, Person, Request,
    executables::{ELF_AMD64, elf},
    surface::{self, Caller},
};

const MINE: &str = "org-mine";
const THEIRS: &str = "org-theirs";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const LINUX: (&str, &str) = ("linux", "amd64");

/// Everything an organisation can own, once.
struct Theirs {
    agent: Agent,
    task: String,
    batch: String,
    approval: String,
    token: String,
    schedule: String,
    user: String,
    invitation: String,
    key: String,
}

async fn theirs(app: &App) -> Theirs {
    let agent = app.enroll(THEIRS).await;
    let task = app.admin(THEIRS).order_command(agent.id(), "whoami").await;
    app.admin(THEIRS).mint(5).await;
    let sql = "SELECT id FROM enrollment_tokens WHERE org_id = ?1 ORDER BY created_at DESC, max_uses DESC LIMIT 1";
    let token = app.database().value(sql, [THEIRS]);
    app.admin(THEIRS).send_release("1.0.0", LINUX, b"their agent").await.expect(201);
    app.admin(THEIRS).send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let daily = json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}});
    let scheduled = app.admin(THEIRS).schedule(&[agent.id()], TEST, &daily).await.expect(201);
    let schedule = scheduled.data()["id"].as_str().expect("an id").to_owned();
    let batch = app.database().value("SELECT batch_id FROM tasks WHERE id = ?1", [&task]);
    let approval = "00000000-0000-7000-8000-00000000000a".to_owned();
    let sql = "INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at, updated_at)
               VALUES (?1, ?2, 'command', '{}', '{}', 'user_x', 1, 9999999999999, 1)";
    app.database().execute(sql, (&approval, THEIRS));
    let admin = app.admin(THEIRS);
    let id = |it: &Value| it["id"].as_str().expect("an id").to_owned();
    let account =
        json!({"email": "them@example.org", "name": "Them", "password": "correct horse battery"});
    let user = id(&admin.post("/api/users", &account).await.expect(201).data());
    let guest = json!({"email": "guest@example.org", "role": "analyst"});
    let invitation = id(&admin.post("/api/users/invite", &guest).await.expect(200).data());
    let order = json!({"name": "ci", "scope": "read"});
    let key = id(&admin.post("/api/api-keys", &order).await.expect(201).data());
    Theirs { agent, task, batch, approval, token, schedule, user, invitation, key }
}

/// All rows of all tables that somebody owns, as text.
fn everything(app: &App) -> String {
    let rows = |table: &str| {
        let columns =
            "SELECT group_concat('quote(\"' || name || '\")', ' || ') FROM pragma_table_info(?1)";
        let columns: String = app.database().value(columns, [table]);
        app.database().value::<String>(
            &format!("SELECT coalesce(group_concat({columns} || char(10), ''), '') FROM {table}"),
            [],
        )
    };
    [
        "agents",
        "tasks",
        "enrollment_tokens",
        "agent_releases",
        "builds",
        "schedules",
        "schedule_agents",
        "approvals",
        "release_promotions",
        "users",
        "invitations",
        "api_keys",
    ]
    .map(rows)
    .concat()
}

fn mine(request: Request<'_>) -> Request<'_> {
    request.bearer(Person::admin(MINE).token())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn nothing_of_theirs_can_be_addressed() {
    let app = App::start().await;
    let theirs = theirs(&app).await;
    let before = everything(&app);
    for route in surface::routes() {
        let (Caller::Person(_), true) = (route.caller, route.pattern.contains('{')) else {
            continue;
        };
        let (path, expected) = match route.pattern {
            it if it.contains("/admin/agents/{id}") => {
                (route.path(theirs.agent.id()), (404, "Agent not found"))
            }
            it if it.contains("/admin/tasks/{id}") => {
                (route.path(&theirs.task), (404, "Task not found"))
            }
            it if it.contains("/admin/schedules/{id}") => {
                (route.path(&theirs.schedule), (404, "Schedule not found"))
            }
            it if it.contains("/admin/approvals/{id}") => {
                (route.path(&theirs.approval), (404, "Approval not found"))
            }
            it if it.contains("/admin/tasks/batches/{batch_id}") => {
                (route.path(&theirs.batch), (404, "Batch not found"))
            }
            it if it.contains("/admin/tokens/{id}") => {
                (route.path(&theirs.token), (404, "Token not found"))
            }
            "/api/users/invitations/{id}/revoke" => {
                (route.path(&theirs.invitation), (404, "Invitation not found"))
            }
            it if it.starts_with("/api/users/{id}") => {
                (route.path(&theirs.user), (404, "User not found"))
            }
            "/api/api-keys/{id}" => {
                (route.path(&theirs.key), (404, "API key not found or already revoked"))
            }
            "/api/agent/admin/versions/{version}/{os}/{arch}" => (
                "/api/agent/admin/versions/1.0.0/linux/amd64".to_owned(),
                (404, "Version not found"),
            ),
            "/api/agent/admin/versions/{version}/{os}/{arch}/promote" => (
                "/api/agent/admin/versions/1.0.0/linux/amd64/promote".to_owned(),
                (404, "Version not found"),
            ),
            "/api/tests/builds/{uuid}/download" => (route.path(TEST), (404, "Build not found")),
            // Answers what it answers to an id that nobody has: there is no build, and now there is none either.
            "/api/tests/builds/{uuid}" => (route.path(TEST), (200, "")),
            // Makes a build of mine, beside theirs.
            "/api/tests/builds/{uuid}/upload-binary" => continue,
            other => panic!("{other} takes an id, and this test does not know whose"),
        };
        let request = mine(app.request(route.method.clone(), &path));
        let request = match route.pattern {
            it if it.ends_with("/notes") => request.json(&json!({"content": "mine"})),
            it if it.ends_with("/tags") => request.json(&json!({"tag": "mine"})),
            it if it.ends_with("/deny") => request.json(&json!({})),
            _ if route.method == Method::PUT => {
                request.json(&json!({"role": "admin", "status": "disabled"}))
            }
            _ => request,
        };
        let answer = request.send().await;
        assert_eq!(answer.status, expected.0, "{route:?}: {}", answer.text());
        if expected.0 == 404 {
            assert_eq!(answer.error(), expected.1, "{route:?}");
        }
    }
    assert_eq!(everything(&app), before);
    // To its own organisation all of it is there.
    assert_eq!(app.admin(THEIRS).task(&theirs.task).await["id"], json!(theirs.task));
    assert_eq!(app.admin(THEIRS).build(TEST).await["exists"], true);
}

#[tokio::test]
async fn a_foreign_id_is_answered_as_one_that_nobody_has() {
    let app = App::start().await;
    let theirs = theirs(&app).await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    for (pattern, id) in [
        ("/api/agent/admin/agents/{id}", theirs.agent.id()),
        ("/api/agent/admin/tasks/{id}", &theirs.task),
        ("/api/agent/admin/schedules/{id}", &theirs.schedule),
        ("/api/agent/admin/schedules/{id}/preview", &theirs.schedule),
        ("/api/tests/builds/{id}", TEST),
        ("/api/tests/builds/{id}/download", TEST),
    ] {
        let foreign = mine(app.get(&pattern.replace("{id}", id))).send().await;
        let unknown = mine(app.get(&pattern.replace("{id}", nobody))).send().await;
        assert_eq!((foreign.status, foreign.text()), (unknown.status, unknown.text()), "{pattern}");
    }
}

#[tokio::test]
async fn lists_never_show_anything_of_theirs() {
    let app = App::start().await;
    let theirs = theirs(&app).await;
    let rows = async |path: &str| -> (Vec<Value>, u64) {
        let data = mine(app.get(path)).send().await.expect(200).data();
        let list = data.as_object().map_or(&data, |it| {
            ["agents", "tasks", "groups", "approvals"]
                .iter()
                .find_map(|key| it.get(*key))
                .expect("a list")
        });
        let list = list.as_array().expect("an array").clone();
        let total = data["total"].as_u64().unwrap_or(list.len() as u64);
        (list, total)
    };
    let lists = ["agents", "tasks", "tokens", "versions", "schedules"]
        .map(|it| format!("/api/agent/admin/{it}"));
    for path in &lists {
        assert_eq!(rows(path).await, (Vec::new(), 0), "{path}");
    }
    for filter in [
        format!("tasks?agent_id={}", theirs.agent.id()),
        "tasks?search=whoami".to_owned(),
        "tasks/grouped".to_owned(),
        "approvals".to_owned(),
        format!("tasks/grouped?agent_id={}", theirs.agent.id()),
        "tasks?status=pending&type=execute_command".to_owned(),
        "agents?os=linux&status=active".to_owned(),
        "agents?hostname=%25".to_owned(),
        "agents?limit=0".to_owned(),
    ] {
        assert_eq!(rows(&format!("/api/agent/admin/{filter}")).await, (Vec::new(), 0), "{filter}");
    }
    // With something of mine beside it, it is mine alone that is shown.
    let agent = app.enroll(MINE).await;
    app.admin(MINE).order_command(agent.id(), "whoami").await;
    app.admin(MINE).send_release("1.0.0", LINUX, b"my agent").await.expect(201);
    app.admin(MINE).mint(3).await;
    app.admin(MINE).send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let daily = json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}});
    app.admin(MINE).schedule(&[agent.id()], TEST, &daily).await.expect(201);
    for path in &lists {
        let (list, total) = rows(path).await;
        assert_eq!((list.len(), total), (1, 1), "{path}");
        assert!(!Value::from(list).to_string().contains(THEIRS), "{path}");
    }
}

#[tokio::test]
async fn figures_never_count_anything_of_theirs() {
    let app = App::start().await;
    let mut theirs = theirs(&app).await;
    theirs.agent.heartbeat().await;
    theirs.agent.work().await;
    let figures = async |of: &str| {
        let read = async |path: &str| {
            let path = format!("/api/agent/admin/metrics{path}");
            app.admin(of).get(&path).await.expect(200).data()
        };
        (read("").await, read("/fleet-health").await)
    };
    let nothing = json!({
        "total": 0, "online": 0, "offline": 0, "by_os": {}, "by_status": {}, "by_version": {}, "pending_tasks": 0,
        "task_activity_24h": {"completed": 0, "failed": 0, "total": 0, "success_rate": 0, "in_progress": 0},
    });
    let health = json!({
        "fleet_uptime_percent_30d": 0, "task_success_rate_7d": 100, "mtbf_hours": null,
        "stale_agent_count": 0, "stale_agent_ids": [], "avg_health_score": 0,
    });
    assert_eq!(figures(MINE).await, (nothing, health));
    let before = figures(THEIRS).await;
    assert_eq!((&before.0["total"], &before.0["online"]), (&json!(1), &json!(1)));
    assert_eq!(before.0["task_activity_24h"]["completed"], 1);

    // Nor does anything of mine change what they see.
    let mut own = app.enroll(MINE).await;
    own.heartbeat().await;
    app.admin(MINE).order_command(own.id(), "id").await;
    let (metrics, health) = figures(MINE).await;
    assert_eq!((&metrics["total"], &metrics["pending_tasks"]), (&json!(1), &json!(1)));
    assert_eq!(health["stale_agent_ids"], json!([own.id()]));
    assert_eq!(figures(THEIRS).await, before);
}

#[tokio::test]
async fn many_agents_are_mine_or_nobodys() {
    let app = App::start().await;
    let theirs = theirs(&app).await;
    let own = app.enroll(MINE).await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    let agent = |id: &str| {
        let sql = "SELECT status || tags || updated_at FROM agents WHERE id = ?1";
        app.database().value::<String>(sql, [id])
    };
    let before = agent(theirs.agent.id());
    for action in ["add_tag", "remove_tag", "disable", "enable", "decommission"] {
        let skipped = |id: &str| json!({"agent_id": id, "reason": "not_found"});
        let order = json!({
            "agent_ids": [theirs.agent.id(), own.id(), nobody], "action": action, "tag": "mine",
        });
        let outcome = app.admin(MINE).post("/api/agent/admin/agents/bulk", &order).await;
        let expected = json!({
            "updated": [own.id()], "skipped": [skipped(theirs.agent.id()), skipped(nobody)],
        });
        assert_eq!(outcome.expect(200).data(), expected, "{action}");
        assert_eq!(agent(theirs.agent.id()), before, "{action}");
    }
    assert_eq!(app.admin(THEIRS).task(&theirs.task).await["status"], "pending");
    let log = app.admin(THEIRS).get("/api/audit?action=agent.").await.expect(200).data();
    assert_eq!(log["total"], 0);
}

#[tokio::test]
async fn the_query_may_name_no_other_organisation() {
    // B2 401; before the body is looked at
    let app = App::start().await;
    for route in surface::routes().iter().filter(|it| matches!(it.caller, Caller::Person(_))) {
        let path = route.path(TEST);
        let send = async |query: &str| {
            let request = mine(app.request(route.method.clone(), &format!("{path}?{query}")));
            let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&route.method);
            let request = if has_body { request.json(&json!({})) } else { request };
            request.send().await
        };
        let answer = send(&format!("org_id={THEIRS}")).await;
        assert_eq!(answer.status, 403, "{route:?}: {}", answer.text());
        assert_eq!(answer.error(), "Access denied to this organization", "{route:?}");
        for evasion in [
            format!("org_id={MINE}&org_id={THEIRS}"),
            format!("org_id={THEIRS}&org_id={MINE}"),
            format!("org_id[]={THEIRS}"),
            format!("org_id[a]={THEIRS}"),
            "org_id=Org-Mine".to_owned(),
            format!("org_id={MINE}%20"),
            format!("org%5Fid={THEIRS}"),
        ] {
            let answer = send(&evasion).await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 403),
                "{route:?} {evasion}: {}",
                answer.text()
            );
        }
        let answer = send(&format!("org_id={MINE}")).await;
        assert_ne!(answer.status, 403, "{route:?}: {}", answer.text());
    }
}

fn orders(org: &str, agent: &str) -> [(&'static str, Value); 5] {
    let agents = json!([agent]);
    [
        ("tokens", json!({"org_id": org})),
        (
            "tasks",
            json!({"org_id": org, "agent_ids": agents, "test_uuid": TEST, "test_name": "t", "binary_name": "b"}),
        ),
        ("tasks/command", json!({"org_id": org, "agent_ids": agents, "command": "id"})),
        ("tasks/update", json!({"org_id": org, "agent_ids": agents})),
        ("tasks/uninstall", json!({"org_id": org, "agent_ids": agents})),
    ]
}

#[tokio::test]
async fn a_body_may_name_no_other_organisation() {
    // B2 402
    let app = App::start().await;
    let agent = app.enroll(THEIRS).await;
    app.database().execute("DELETE FROM enrollment_tokens", []);
    for (route, order) in orders(THEIRS, agent.id()) {
        // The query does not mask the body (D-19).
        for query in ["", &format!("?org_id={MINE}")] {
            let answer = mine(app.post(&format!("/api/agent/admin/{route}{query}")))
                .json(&order)
                .send()
                .await;
            assert_eq!(answer.status, 403, "{route}{query}: {}", answer.text());
            assert_eq!(answer.error(), "org_id does not match your organization", "{route}{query}");
        }
    }
    assert_eq!((app.database().count("tasks"), app.database().count("enrollment_tokens")), (0, 0));
}

#[tokio::test]
async fn nobody_gives_work_to_agents_of_others() {
    // B2 404, B5 439, D-19, D-37
    let app = App::start().await;
    let theirs = app.enroll(THEIRS).await;
    let own = app.enroll(MINE).await;
    app.admin(MINE).send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    for (route, mut order) in orders(MINE, theirs.id()).into_iter().skip(1) {
        for agents in
            [json!([theirs.id()]), json!([own.id(), theirs.id()]), json!([theirs.id(), own.id()])]
        {
            order["agent_ids"] = agents;
            let answer =
                mine(app.post(&format!("/api/agent/admin/{route}"))).json(&order).send().await;
            assert_eq!(answer.status, 404, "{route}: {}", answer.text());
            assert_eq!(answer.error(), format!("Agent not found: {}", theirs.id()), "{route}");
        }
        // The same words as for an agent that nobody has.
        order["agent_ids"] = json!(["nobody", own.id()]);
        let answer = mine(app.post(&format!("/api/agent/admin/{route}"))).json(&order).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.error().as_str()),
            (404, "Agent not found: nobody"),
            "{route}"
        );
    }
    assert_eq!(app.database().count("tasks"), 0);
}

#[tokio::test]
async fn a_task_belongs_to_the_organisation_of_its_agent() {
    // D-25
    let app = App::start().await;
    let agent = app.enroll(MINE).await;
    let task = app.admin(MINE).order_command(agent.id(), "id").await;
    assert_eq!(app.admin(MINE).task(&task).await["org_id"], MINE);
}

#[tokio::test]
async fn whoever_belongs_to_no_organisation_sees_and_makes_nothing() {
    let app = App::start().await;
    let agent = app.enroll(MINE).await;
    let token = Person::new("user_x", None, Some("admin")).token();
    for route in surface::routes().iter().filter(|it| matches!(it.caller, Caller::Person(_))) {
        for query in ["", "?org_id=org-mine"] {
            let request =
                app.request(route.method.clone(), &format!("{}{query}", route.path(agent.id())));
            let request = request.bearer(&token);
            let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&route.method);
            let request = if has_body { request.json(&json!({})) } else { request };
            let answer = request.send().await;
            assert_eq!(answer.status, 403, "{route:?}{query}: {}", answer.text());
            assert_eq!(
                answer.error(),
                "Organization isolation required. Configure Clerk Organizations.",
                "{route:?}"
            );
        }
    }
    for claim in [json!(""), json!(null), json!(7), json!(["org-mine"]), json!({"id": "org-mine"})]
    {
        let token =
            Person::new("user_x", None, Some("admin")).claiming("org_id", claim.clone()).token();
        let answer = app.get("/api/agent/admin/agents").bearer(token).send().await;
        assert!(matches!(answer.status.as_u16(), 401 | 403), "{claim}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_agent_never_sees_anothers_task() {
    let app = App::start().await;
    let theirs = theirs(&app).await;
    let own = app.enroll(MINE).await;
    let status = format!("/api/agent/tasks/{}/status", theirs.task);
    let answer =
        own.request(Method::PATCH, &status).json(&json!({"status": "downloading"})).send().await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (404, "Task not found"));
    let path = format!("/api/agent/tasks/{}/result", theirs.task);
    let answer = own
        .request(Method::POST, &path)
        .json(&json!({"exit_code": 0, "stdout": "mine"}))
        .send()
        .await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (404, "Task not found"));
    assert_eq!(own.request(Method::GET, "/api/agent/tasks").send().await.status, 204);
    assert_eq!(app.admin(THEIRS).task(&theirs.task).await["status"], "pending");
}

#[tokio::test]
async fn an_agent_gets_neither_binaries_nor_updates_of_others() {
    // D-32
    let app = App::start().await;
    theirs(&app).await;
    let own = app.enroll(MINE).await;
    assert_eq!(own.request(Method::GET, "/api/agent/version").send().await.status, 204);
    let answer = own.request(Method::GET, "/api/agent/update?os=linux&arch=amd64").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.error().as_str()),
        (404, "No version available for this platform")
    );

    // Not even with a task for a test that only the others have built.
    let task = app.admin(MINE).order_command(own.id(), "id").await;
    let sql = "UPDATE tasks SET type = 'execute_test', status = 'assigned', assigned_at = created_at,
                      payload = json_set(payload, '$.test_uuid', ?2, '$.binary_name', ?2) WHERE id = ?1";
    app.database().execute(sql, (&task, TEST));
    let path = format!("/api/agent/binary/{TEST}?test_uuid={TEST}");
    let answer = own.request(Method::GET, &path).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.error()),
        (404, format!("Binary not found: {TEST}"))
    );

    // Once there is a build of mine, it is mine that is served.
    let script = b"#!/bin/sh\necho mine\n";
    let request = mine(app.post(&format!("/api/tests/builds/{TEST}/upload-binary")));
    let form = tests::upload::Multipart::new()
        .text("os", "linux")
        .text("arch", "amd64")
        .file("file", "t", script);
    form.into_request(request).send().await.expect(200);
    let answer = own.request(Method::GET, &path).send().await.expect(200);
    assert_eq!(answer.body.as_ref(), script);
}

#[tokio::test]
async fn strangers_must_say_whose_agent_they_want_where_there_is_a_choice() {
    let app = App::start().await;
    let download = async |query: &str| {
        app.get(&format!("/api/agent/download?os=linux&arch=amd64{query}")).send().await
    };
    app.admin(THEIRS).send_release("1.0.0", LINUX, b"their agent").await.expect(201);
    assert_eq!(download("").await.expect(200).body, "their agent");
    assert_eq!(download(&format!("&org_id={MINE}")).await.status, 404);
    app.admin(MINE).send_release("0.9.0", LINUX, b"my agent").await.expect(201);
    assert_eq!(download("").await.status, 404);
    assert_eq!(download(&format!("&org_id={MINE}")).await.expect(200).body, "my agent");
    assert_eq!(download(&format!("&org_id={THEIRS}")).await.expect(200).body, "their agent");
    assert_eq!(download("&org_id=nobody").await.status, 404);
}
