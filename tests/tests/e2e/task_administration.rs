//! What operators do with tasks that exist: look at them by batch, write on them, remove them (fleet.md §5.5).

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tests::{Agent, Answer, App, Machine, Operator, Person, clock::next_millisecond};

const ORG: &str = "org-1";
const TASKS: &str = "/api/agent/admin/tasks";

async fn enroll(app: &App, hostname: &str) -> Agent {
    app.enroll_machine(ORG, Machine { hostname: hostname.into(), ..Machine::default() }).await
}

/// One batch: a command for each agent.
async fn command(app: &App, agents: &[&Agent], command: &str) -> Vec<String> {
    let agents: Vec<_> = agents.iter().map(|it| it.id()).collect();
    let order = json!({"org_id": ORG, "agent_ids": agents, "command": command});
    let path = format!("{TASKS}/command");
    let data = app.admin(ORG).post(&path, &order).await.expect(201).data();
    serde_json::from_value(data["task_ids"].clone()).expect("ids")
}

async fn groups(app: &App, query: &str) -> (Vec<Value>, u64) {
    let request = app.get(&format!("{TASKS}/grouped{query}")).bearer(Person::analyst(ORG).token());
    let data = request.send().await.expect(200).data();
    (data["groups"].as_array().expect("a list").clone(), data["total"].as_u64().expect("a number"))
}

fn commands(groups: &[Value]) -> Vec<&str> {
    groups.iter().map(|it| it["payload"]["command"].as_str().expect("text")).collect()
}

async fn note(who: &Operator, id: &str, body: &Value) -> Answer {
    who.request(Method::PATCH, &format!("{TASKS}/{id}/notes")).json(body).send().await
}

#[tokio::test]
async fn tasks_of_one_call_are_one_group() {
    // A14 314–321
    let app = App::start().await;
    let (b, a, c) =
        (enroll(&app, "b-host").await, enroll(&app, "a-host").await, enroll(&app, "c-host").await);
    let first = command(&app, &[&b, &a, &c], "first").await;
    next_millisecond().await;
    command(&app, &[&c], "second").await;
    app.database().execute(
        "UPDATE tasks SET status = 'failed', ended_by = 'report', completed_at = created_at WHERE id = ?1",
        [&first[0]],
    );
    app.database().execute(
        "UPDATE tasks SET status = 'completed', ended_by = 'result', completed_at = created_at WHERE id = ?1",
        [&first[1]],
    );

    let (shown, total) = groups(&app, "").await;
    assert_eq!((commands(&shown), total), (vec!["second", "first"], 2));
    let group = &shown[1];
    let hosts: Vec<_> =
        group["tasks"].as_array().expect("tasks").iter().map(|it| &it["agent_hostname"]).collect();
    assert_eq!(hosts, ["a-host", "b-host", "c-host"]);
    assert_eq!(group["agent_count"], 3);
    assert_eq!(group["status_counts"], json!({"completed": 1, "failed": 1, "pending": 1}));
    assert_eq!(
        (&group["type"], &group["created_by"]),
        (&json!("execute_command"), &json!("user_admin"))
    );

    // A group is there with all its members when any of them matches.
    for (query, expected) in [
        ("?status=failed", vec!["first"]),
        ("?search=A-HOST", vec!["first"]),
        ("?search=host", vec!["second", "first"]),
        ("?status=pending&search=second", vec!["second"]),
        ("?type=uninstall", vec![]),
        ("?status=bogus", vec![]),
    ] {
        let (shown, total) = groups(&app, query).await;
        assert_eq!((commands(&shown), total), (expected.clone(), expected.len() as u64), "{query}");
    }
    assert_eq!(
        groups(&app, "?status=failed").await.0[0]["tasks"].as_array().map(Vec::len),
        Some(3)
    );
    let (shown, total) = groups(&app, "?limit=1").await;
    assert_eq!((commands(&shown), total), (vec!["second"], 2));
    assert_eq!(commands(&groups(&app, "?limit=1&offset=1").await.0), ["first"]);
    assert_eq!(groups(&app, "?limit=0").await, (vec![], 2));
}

#[tokio::test]
async fn a_batch_has_pages_of_its_own() {
    let app = App::start().await;
    let (a, b) = (enroll(&app, "a").await, enroll(&app, "b").await);
    let ids = command(&app, &[&b, &a], "id").await;
    let batch = app.admin(ORG).task(&ids[0]).await["batch_id"].clone();
    let path = format!("{TASKS}/batches/{}", batch.as_str().expect("text"));
    let shown = app.admin(ORG).get(&format!("{path}?limit=1&offset=1")).await.expect(200).data();
    assert_eq!(
        (&shown["batch_id"], &shown["total"], &shown["agent_count"]),
        (&batch, &json!(2), &json!(2))
    );
    assert_eq!(shown["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["tasks"][0]["agent_hostname"], "b");
    assert_eq!(shown["status_counts"], json!({"pending": 2}));
    let none = app.admin(ORG).get(&format!("{TASKS}/batches/nothing")).await.expect(404);
    assert_eq!(none.error(), "Batch not found");
}

/// What a list shows page by page from its own cursors, one row each.
async fn walk(app: &App, path: &str, rows: &str) -> Vec<Value> {
    let (mut shown, mut next) = (Vec::new(), String::new());
    loop {
        let data = app.admin(ORG).get(&format!("{path}limit=1{next}")).await.expect(200).data();
        let page = data[rows].as_array().expect("a list");
        assert_eq!(page.len(), 1, "{data}");
        shown.extend(page.iter().cloned());
        match data["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return shown,
        }
    }
}

#[tokio::test]
async fn tasks_groups_and_batches_go_on_behind_a_cursor() {
    let app = App::start().await;
    let (a, b) = (enroll(&app, "a").await, enroll(&app, "b").await);
    let ids = command(&app, &[&b, &a], "first").await;
    command(&app, &[&a], "second").await;
    command(&app, &[&b], "third").await;
    let whole = async |path: &str, rows: &str| {
        let data = app.admin(ORG).get(path).await.expect(200).data();
        assert_eq!(data["next_cursor"], Value::Null, "{path}");
        data[rows].as_array().expect("a list").clone()
    };
    for query in ["?", "?search=a&", "?type=execute_command&", "?status=pending&search=i&"] {
        let path = format!("{TASKS}{query}");
        assert_eq!(walk(&app, &path, "tasks").await, whole(&path, "tasks").await, "{query}");
        let path = format!("{TASKS}/grouped{query}");
        assert_eq!(walk(&app, &path, "groups").await, whole(&path, "groups").await, "{query}");
    }
    let batch = app.admin(ORG).task(&ids[0]).await["batch_id"].clone();
    let path = format!("{TASKS}/batches/{}?", batch.as_str().expect("text"));
    let members = walk(&app, &path, "tasks").await;
    assert_eq!(members, whole(&path, "tasks").await);
    assert_eq!(members.len(), 2);
    for list in [TASKS.to_owned(), format!("{TASKS}/grouped"), path] {
        let cursor = format!("{}?cursor=bm9uc2Vuc2U", list.trim_end_matches('?'));
        assert_eq!(app.admin(ORG).get(&cursor).await.expect(400).error(), "Invalid cursor");
    }
}

#[tokio::test]
async fn notes_are_appended() {
    // A14 285–287, B5 440
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    let analyst = Operator::new(app.server(), ORG, Person::analyst(ORG).token());
    for (content, count) in [("seen in EDR console", 1), ("", 2), ("ünd \"so\"", 3)] {
        let task = note(&analyst, &id, &json!({"content": content})).await.expect(200).data();
        assert_eq!((&task["notes"], &task["notes_count"]), (&json!(content), &json!(count)));
    }
    let task = app.admin(ORG).task(&id).await;
    let history = task["notes_history"].as_array().expect("a history");
    assert_eq!(history.len(), 3);
    assert_eq!(
        (&history[0]["content"], &history[0]["editedBy"]),
        (&json!("seen in EDR console"), &json!("user_analyst"))
    );
    let at = history[0]["editedAt"].as_str().expect("an instant");
    assert!(at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    for (body, error) in [
        (json!({}), "content: Invalid input: expected string, received undefined"),
        (json!({"content": 1}), "content: Invalid input: expected string, received number"),
        (
            json!({"content": "x".repeat(10_001)}),
            "content: Too big: expected string to have <=10000 characters",
        ),
        (
            json!({"content": "x", "expected_notes_count": -1}),
            "expected_notes_count: Too small: expected number to be >=0",
        ),
    ] {
        let answer = note(&analyst, &id, &body).await.expect(400);
        assert_eq!(answer.error(), format!("Validation failed: {error}"));
    }
    assert_eq!(
        note(&analyst, "nobody", &json!({"content": "x"})).await.expect(404).error(),
        "Task not found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_note_is_lost_among_many_writers() {
    // D-75
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    let admin = app.admin(ORG);
    let bodies: Vec<_> = (0..20).map(|it| json!({"content": format!("note {it}")})).collect();
    for answer in join_all(bodies.iter().map(|it| note(&admin, &id, it))).await {
        answer.expect(200);
    }
    let task = admin.task(&id).await;
    assert_eq!(task["notes_history"].as_array().map(Vec::len), Some(20));

    // Of those who saw the same notes one writes.
    let seen = json!({"content": "mine", "expected_notes_count": 20});
    let answers = join_all((0..5).map(|_| note(&admin, &id, &seen))).await;
    let mut statuses: Vec<_> = answers.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409]);
    let refused = answers.iter().find(|it| it.status == 409).expect("a refusal");
    assert_eq!(refused.error(), "The notes have changed: there are 21 now");
}

#[tokio::test]
async fn a_task_of_any_status_can_be_removed() {
    // A14 296–302, B5 441
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for (status, ended_by) in [
        ("pending", None),
        ("assigned", None),
        ("executing", None),
        ("completed", Some("result")),
        ("failed", Some("report")),
        ("expired", Some("sweep")),
    ] {
        let id = app.admin(ORG).order_command(agent.id(), "id").await;
        let sql =
            "UPDATE tasks SET status = ?2, ended_by = ?3, completed_at = created_at WHERE id = ?1";
        app.database().execute(sql, (&id, status, ended_by));
        let path = format!("{TASKS}/{id}");
        let removed = app.admin(ORG).delete(&path).await.expect(200);
        assert_eq!(removed.json(), json!({"success": true, "data": null}), "{status}");
        assert_eq!(app.admin(ORG).delete(&path).await.expect(404).error(), "Task not found");
    }
    assert_eq!(app.database().count("tasks"), 0);
    assert_eq!(app.database().count("audit_log WHERE action = 'task.delete'"), 6);
}

#[tokio::test]
async fn many_tasks_are_changed_at_once_each_for_itself() {
    let app = App::start().await;
    let (mine, theirs) = (app.enroll(ORG).await, app.enroll("org-2").await);
    let admin = app.admin(ORG);
    let (a, b) =
        (admin.order_command(mine.id(), "a").await, admin.order_command(mine.id(), "b").await);
    let foreign = app.admin("org-2").order_command(theirs.id(), "c").await;
    admin.cancel(&b).await.expect(200);
    let path = format!("{TASKS}/bulk");
    let ids = json!([a, b, foreign, "nobody", a]);
    let body = json!({"task_ids": ids, "action": "cancel"});
    let done = admin.post(&path, &body).await.expect(200).data();
    let not_found = |id: &str| json!({"task_id": id, "reason": "not_found"});
    assert_eq!(
        done,
        json!({
            "updated": [a],
            "skipped": [{"task_id": b, "reason": "already_ended", "status": "expired"}, not_found(&foreign), not_found("nobody")],
        })
    );

    // Whoever may cancel need not be one who may delete.
    let operator = Operator::new(app.server(), ORG, Person::operator(ORG).token());
    let body = json!({"task_ids": ids, "action": "delete"});
    assert_eq!(operator.post(&path, &body).await.expect(403).error(), "Insufficient permissions");
    let done = admin.post(&path, &body).await.expect(200).data();
    assert_eq!(
        done,
        json!({"updated": [a, b], "skipped": [not_found(&foreign), not_found("nobody")]})
    );
    assert_eq!(app.admin("org-2").task(&foreign).await["status"], "pending");
    // One call is one row of the record.
    assert_eq!(
        app.database().count("audit_log WHERE org_id = 'org-1' AND action = 'task.delete'"),
        1
    );

    for (body, error) in [
        (json!({"task_ids": [], "action": "cancel"}), "task_ids: At least one task_id is required"),
        (
            json!({"task_ids": vec!["x"; 1001], "action": "cancel"}),
            "task_ids: Too big: expected array to have <=1000 items",
        ),
        (
            json!({"task_ids": ["x"], "action": "run"}),
            "action: Invalid option: expected one of \"cancel\"|\"delete\"",
        ),
    ] {
        assert_eq!(
            admin.post(&path, &body).await.expect(400).error(),
            format!("Validation failed: {error}")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_time_ended_is_tried_again() {
    // D-21, D-71
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    let sql = "UPDATE tasks SET type = 'execute_test', status = 'executing', max_retries = 1,
                      overdue_at = created_at - 1000 WHERE id = ?1";
    app.database().execute(sql, [&id]);
    // Many schedulers at once make one retry.
    join_all((0..5).map(|_| app.maintain())).await;
    let (shown, _) = groups(&app, "").await;
    assert_eq!(shown[0]["status_counts"], json!({"failed": 1, "pending": 1}));
    let tasks = shown[0]["tasks"].as_array().expect("tasks");
    let retry = tasks.iter().find(|it| it["status"] == "pending").expect("a retry");
    assert_eq!((&retry["retry_count"], &retry["original_task_id"]), (&json!(1), &json!(id)));
    let (kind, details) = app.database().events(agent.id()).pop().expect("an event");
    assert_eq!(
        (kind.as_str(), &details["retry_created"], &details["retry_count"]),
        ("task_failed", &json!(true), &json!(0))
    );
    // It has to wait for a minute.
    agent.get("/api/agent/tasks").send().await.expect(204);
    app.database().execute("UPDATE tasks SET not_before = not_before - 60000", []);
    let offered = agent.get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!(offered["id"], retry["id"]);
}
