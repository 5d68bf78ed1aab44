//! Work as operators order it, look at it and call it off (fleet.md §5.5).

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Machine, Person,
    executables::{ELF_AMD64, PE_AMD64, elf, pe},
};

const TASKS: &str = "/api/agent/admin/tasks";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";

async fn order(app: &App, kind: &str, order: &Value) -> Answer {
    app.post(&format!("{TASKS}{kind}"))
        .bearer(Person::admin("org-1").token())
        .json(order)
        .send()
        .await
}

async fn ids(app: &App, kind: &str, body: &Value) -> Vec<String> {
    let data = order(app, kind, body).await.expect(201).data();
    let ids = data["task_ids"].as_array().expect("a list").iter();
    ids.map(|it| it.as_str().expect("text").to_owned()).collect()
}

async fn list(app: &App, query: &str) -> (Vec<Value>, u64) {
    let request = app.get(&format!("{TASKS}{query}")).bearer(Person::analyst("org-1").token());
    let data = request.send().await.expect(200).data();
    (data["tasks"].as_array().expect("a list").clone(), data["total"].as_u64().expect("a number"))
}

async fn enroll(app: &App, hostname: &str, os: &str) -> Agent {
    app.enroll_machine("org-1", Machine { hostname: hostname.into(), ..Machine::of(os, "amd64") })
        .await
}

fn command(agents: &[&str], command: &str) -> Value {
    json!({"org_id": "org-1", "agent_ids": agents, "command": command})
}

fn test(agents: &[&str]) -> Value {
    json!({"org_id": "org-1", "agent_ids": agents, "test_uuid": TEST, "test_name": "LSASS read", "binary_name": "x.exe"})
}

#[tokio::test]
async fn a_test_is_ordered_with_the_facts_of_its_build() {
    // A2 11, A14 288, 295, B5 443
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let binary = [elf(ELF_AMD64), b"the test".to_vec()].concat();
    app.admin("org-1").send_build(TEST, &binary).await.expect(200);
    let ids = ids(&app, "", &test(&[agent.id()])).await;
    let task = app.admin("org-1").task(&ids[0]).await;
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&binary));
    assert_eq!(
        task["payload"],
        json!({
            "test_uuid": TEST, "test_name": "LSASS read", "binary_name": TEST, "binary_sha256": sha256,
            "binary_size": binary.len(), "execution_timeout": 300, "arguments": [],
            "metadata": {
                "category": "", "subcategory": "", "severity": "", "techniques": [], "tactics": [], "threat_actor": "",
                "target": [], "complexity": "", "tags": [], "score": null, "integrations": [],
            },
        })
    );
    let mut rest = task;
    rest["payload"] = Value::Null;
    insta::assert_snapshot!(
        tests::request::redacted(&serde_json::to_string_pretty(&rest).expect("JSON")),
        @r#"
    {
      "agent_hostname": null,
      "agent_id": "[uuid]",
      "assigned_at": null,
      "batch_id": "[uuid]",
      "completed_at": null,
      "created_at": "[instant]",
      "created_by": "user_admin",
      "es_ingested": 0,
      "id": "[uuid]",
      "ingest_attempts": 0,
      "last_ingest_attempt_at": null,
      "late": false,
      "max_retries": 2,
      "notes": null,
      "notes_count": 0,
      "notes_history": [],
      "org_id": "org-1",
      "original_task_id": null,
      "payload": null,
      "priority": 1,
      "result": null,
      "retry_count": 0,
      "status": "pending",
      "target_index": null,
      "ttl": 604800,
      "type": "execute_test"
    }
    "#
    );
}

#[tokio::test]
async fn what_was_ordered_is_kept_in_every_detail() {
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let metadata = json!({
        "category": "mitre-top10", "subcategory": "credentials", "severity": "high", "techniques": ["T1003.001"],
        "tactics": ["credential-access"], "threat_actor": "Ünknown", "target": ["windows-endpoint"],
        "complexity": "low", "tags": ["a", "a"], "score": 7.5, "integrations": [],
    });
    let mut body = test(&[agent.id()]);
    body["execution_timeout"] = json!(120);
    body["arguments"] = json!(["--mode", "", "a b", "\"q\""]);
    body["priority"] = json!(0);
    body["metadata"] = metadata.clone();
    body["target_index"] = json!("achilles-results-x");
    body["max_retries"] = json!(5);
    let task = app.admin("org-1").task(&ids(&app, "", &body).await[0]).await;
    assert_eq!(task["payload"]["metadata"], metadata);
    assert_eq!(task["payload"]["arguments"], body["arguments"]);
    assert_eq!(
        (&task["payload"]["execution_timeout"], &task["priority"]),
        (&json!(120), &json!(0))
    );
    // D-21
    assert_eq!(
        (&task["max_retries"], &task["target_index"]),
        (&json!(5), &json!("achilles-results-x"))
    );
}

#[tokio::test]
async fn one_order_is_one_batch_with_a_task_per_agent_in_their_order() {
    // A14 289, 311–313
    let app = App::start().await;
    let (a, b, c) = (
        enroll(&app, "a", "linux").await,
        enroll(&app, "b", "linux").await,
        enroll(&app, "c", "linux").await,
    );
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let agents = [c.id(), a.id(), b.id()];
    let mut batches = Vec::new();
    for (kind, body) in [("", test(&agents)), ("/command", command(&agents, "id"))] {
        let ids = ids(&app, kind, &body).await;
        let mut tasks = Vec::new();
        for id in &ids {
            tasks.push(app.admin("org-1").task(id).await);
        }
        assert_eq!(
            tasks.iter().map(|it| it["agent_id"].as_str().expect("text")).collect::<Vec<_>>(),
            agents
        );
        assert!(tasks.iter().all(|it| it["batch_id"] == tasks[0]["batch_id"]), "{tasks:?}");
        batches.push(tasks[0]["batch_id"].clone());
    }
    assert_ne!(batches[0], batches[1]);
    // Naming an agent twice gives it one task.
    assert_eq!(ids(&app, "/command", &command(&[a.id(), b.id(), a.id()], "id")).await.len(), 2);
}

#[tokio::test]
async fn everything_wrong_with_an_order_is_named_at_once() {
    // A2 12–14, A14 290, 291, 326, B5 426
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let agents = json!([agent.id()]);
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let base = test(&[agent.id()]);
    let undefined = |it: &str| format!("{it}: Invalid input: expected string, received undefined");
    #[rustfmt::skip]
    let cases = [
        ("", json!({}), format!("{}; agent_ids: Invalid input: expected array, received undefined; {}", undefined("org_id"), undefined("test_uuid"))),
        ("", with(base.clone(), "org_id", json!("")), "org_id: org_id is required".to_owned()),
        ("", with(base.clone(), "agent_ids", json!([])), "agent_ids: At least one agent_id is required".to_owned()),
        ("", with(base.clone(), "agent_ids", json!("x")), "agent_ids: Invalid input: expected array, received string".to_owned()),
        ("", with(base.clone(), "agent_ids", json!([1])), "agent_ids.0: Invalid input: expected string, received number".to_owned()),
        ("", with(base.clone(), "test_uuid", json!("")), "test_uuid: Too small: expected string to have >=1 characters".to_owned()),
        ("", with(with(base.clone(), "execution_timeout", json!(0)), "priority", json!(11)),
            "execution_timeout: Too small: expected number to be >0; priority: Too big: expected number to be <=10".to_owned()),
        ("", with(base.clone(), "execution_timeout", json!(1.5)), "execution_timeout: Invalid input: expected int, received number".to_owned()),
        ("", with(base.clone(), "priority", json!(-1)), "priority: Too small: expected number to be >=0".to_owned()),
        ("", with(base.clone(), "max_retries", json!(6)), "max_retries: Too big: expected number to be <=5".to_owned()),
        ("", with(base.clone(), "arguments", json!([null])), "arguments.0: Invalid input: expected string, received null".to_owned()),
        ("", with(base.clone(), "metadata", json!({})), format!("{}; {}; {}",
            undefined("metadata.category"), undefined("metadata.subcategory"), undefined("metadata.severity"))),
        ("", with(base.clone(), "metadata", json!([])), "metadata: Invalid input: expected object, received array".to_owned()),
        ("/command", json!({"org_id": "org-1", "agent_ids": agents}), undefined("command")),
        ("/command", json!({"org_id": "org-1", "agent_ids": agents, "command": ""}), "command: command is required".to_owned()),
        ("/update", json!({"org_id": "org-1"}), "agent_ids: Invalid input: expected array, received undefined".to_owned()),
        ("/update", json!({"org_id": "org-1", "agent_ids": []}), "agent_ids: At least one agent_id is required".to_owned()),
        ("/uninstall", json!({"org_id": "org-1", "agent_ids": []}), "agent_ids: At least one agent_id is required".to_owned()),
        ("/uninstall", json!({"org_id": "org-1", "agent_ids": agents, "cleanup": "yes"}), "cleanup: Invalid input: expected boolean, received string".to_owned()),
    ];
    for (kind, body, expected) in cases {
        let answer = order(&app, kind, &body).await;
        assert_eq!(answer.status, 400, "{kind} {body}: {}", answer.text());
        assert_eq!(answer.error(), format!("Validation failed: {expected}"), "{kind} {body}");
    }
    let all = order(&app, "", &with(base, "metadata", json!({}))).await;
    assert_eq!(all.json()["details"].as_array().map(Vec::len), Some(11));
    assert_eq!(app.database().count("tasks"), 0);
}

#[tokio::test]
async fn orders_have_a_size() {
    // D-29
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let base = test(&[agent.id()]);
    let long = |length: usize| json!("x".repeat(length));
    for (key, most, over) in [
        ("test_name", long(255), long(256)),
        ("binary_name", long(255), long(256)),
        ("arguments", json!(vec!["x"; 256]), json!(vec!["x"; 257])),
        ("arguments", json!([long(4096)]), json!([long(4097)])),
    ] {
        let mut body = base.clone();
        body[key] = over;
        let answer = order(&app, "", &body).await.expect(400);
        assert!(answer.error().contains("Too big: expected "), "{key}: {}", answer.error());
        body[key] = most;
        order(&app, "", &body).await.expect(201);
    }
    let mut body = base.clone();
    body["agent_ids"] = json!(vec!["x"; 1001]);
    let answer = order(&app, "", &body).await.expect(400);
    assert_eq!(
        answer.error(),
        "Validation failed: agent_ids: Too big: expected array to have <=1000 items"
    );
    for huge in
        [json!(1e18), json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(4_294_967_296_u64)]
    {
        let mut body = base.clone();
        body["execution_timeout"] = huge.clone();
        let answer = order(&app, "", &body).await;
        assert_eq!(answer.status, 400, "{huge}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_thousand_agents_get_their_tasks_at_once() {
    let app = App::start().await;
    enroll(&app, "ws-1", "linux").await;
    // Copies of the one that enrolled.
    let columns = "SELECT group_concat(name) FROM pragma_table_info('agents') WHERE name <> 'id'";
    let columns: String = app.database().value(columns, []);
    let copy = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO agents (id, {columns})
         SELECT printf('00000000-0000-4000-8000-%012d', i), {columns} FROM agents, n"
    );
    app.database().execute("DROP TRIGGER agents_enrolled", []);
    app.database().execute(&copy, []);
    let agents: String = app.database().value("SELECT json_group_array(id) FROM agents", []);
    let agents: Vec<String> = serde_json::from_str(&agents).expect("a list");
    assert_eq!(agents.len(), 1000);
    let body = json!({"org_id": "org-1", "agent_ids": agents, "command": "id"});
    assert_eq!(ids(&app, "/command", &body).await.len(), 1000);
    assert_eq!(app.database().count("tasks"), 1000);
}

#[tokio::test]
async fn a_test_without_a_build_is_not_ordered() {
    // A14 292, 293
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let answer = order(&app, "", &test(&[agent.id()])).await.expect(404);
    assert_eq!(answer.error(), format!("Build metadata not found for test {TEST}"));
    // A build whose bytes are gone.
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    app.lose_values();
    let answer = order(&app, "", &test(&[agent.id()])).await.expect(404);
    assert_eq!(answer.error(), format!("Binary file not found: {TEST}"));
    assert_eq!(app.database().count("tasks"), 0);
}

#[tokio::test]
async fn a_test_for_one_platform_is_not_ordered_for_another() {
    // D-45
    let app = App::start().await;
    let (linux, windows) =
        (enroll(&app, "lin", "linux").await, enroll(&app, "win", "windows").await);
    app.admin("org-1").send_build(TEST, &pe(PE_AMD64)).await.expect(200);
    for agents in [vec![linux.id()], vec![windows.id(), linux.id()]] {
        let answer = order(&app, "", &test(&agents)).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 409 | 422),
            "{} {}",
            answer.status,
            answer.text()
        );
        assert!(
            answer.error().contains(linux.id()) && !answer.error().contains(windows.id()),
            "{}",
            answer.error()
        );
    }
    assert_eq!(app.database().count("tasks"), 0);
    let ids = ids(&app, "", &test(&[windows.id()])).await;
    assert_eq!(
        app.admin("org-1").task(&ids[0]).await["payload"]["binary_name"],
        format!("{TEST}.exe")
    );
}

#[tokio::test]
async fn a_command_is_neither_blank_nor_endless() {
    // B5 425
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    for blank in [" ", "\t\n \r", "\u{a0}\u{2003}"] {
        let answer = order(&app, "/command", &command(&[agent.id()], blank)).await.expect(400);
        assert_eq!(
            answer.error(),
            "command is required and must be a non-empty string",
            "{blank:?}"
        );
    }
    // 10,240 UTF-16 units; a crab is two.
    for (most, over) in
        [("x".repeat(10_240), "x".repeat(10_241)), ("🦀".repeat(5_120), "🦀".repeat(5_121))]
    {
        let answer = order(&app, "/command", &command(&[agent.id()], &over)).await.expect(400);
        assert_eq!(answer.error(), "command exceeds maximum length (10 KB)");
        let id = &ids(&app, "/command", &command(&[agent.id()], &most)).await[0];
        assert_eq!(app.admin("org-1").task(id).await["payload"]["command"], most);
    }
    let id = &ids(&app, "/command", &command(&[agent.id()], "whoami /all")).await[0];
    let task = app.admin("org-1").task(id).await;
    assert_eq!(
        (&task["type"], &task["ttl"], &task["priority"]),
        (&json!("execute_command"), &json!(604_800), &json!(1))
    );
    assert_eq!(
        (
            &task["payload"]["execution_timeout"],
            &task["payload"]["test_uuid"],
            &task["payload"]["binary_size"]
        ),
        (&json!(300), &json!(""), &json!(0))
    );
}

#[tokio::test]
async fn updates_and_uninstalls_are_ordered_as_documented() {
    // A14 322, 323, 327
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let body = json!({"org_id": "org-1", "agent_ids": [agent.id()]});
    let update = app.admin("org-1").task(&ids(&app, "/update", &body).await[0]).await;
    assert_eq!(
        (&update["type"], &update["payload"]["execution_timeout"]),
        (&json!("update_agent"), &json!(600))
    );
    assert!(update["payload"].get("command").is_none(), "{update}");
    for (cleanup, command) in [(None, ""), (Some(false), ""), (Some(true), "cleanup")] {
        let mut body = body.clone();
        if let Some(cleanup) = cleanup {
            body["cleanup"] = json!(cleanup);
        }
        let task = app.admin("org-1").task(&ids(&app, "/uninstall", &body).await[0]).await;
        assert_eq!(
            (
                &task["type"],
                &task["priority"],
                &task["ttl"],
                &task["payload"]["command"],
                &task["status"]
            ),
            (&json!("uninstall"), &json!(10), &json!(86_400), &json!(command), &json!("pending"))
        );
        assert_eq!(task["payload"]["execution_timeout"], 300);
    }
}

#[tokio::test]
async fn whoever_is_gone_gets_no_work() {
    // A14 324, 325
    let app = App::start().await;
    let (here, gone) = (enroll(&app, "here", "linux").await, enroll(&app, "gone", "linux").await);
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    for status in ["uninstalled", "decommissioned"] {
        app.database().execute("UPDATE agents SET status = ?2 WHERE id = ?1", (gone.id(), status));
        let agents = json!([here.id(), gone.id()]);
        let body = json!({"org_id": "org-1", "agent_ids": agents});
        let answer = order(&app, "/uninstall", &body).await.expect(400);
        assert_eq!(
            answer.error(),
            format!("Agents not eligible for uninstall: {} ({status})", gone.id())
        );
        for (kind, body) in [
            ("", test(&[here.id(), gone.id()])),
            ("/command", command(&[here.id(), gone.id()], "id")),
            ("/update", body),
        ] {
            let answer = order(&app, kind, &body).await.expect(400);
            assert_eq!(
                answer.error(),
                format!("Agents not eligible for tasks: {} ({status})", gone.id()),
                "{kind}"
            );
        }
    }
    assert_eq!(app.database().count("tasks"), 0);
}

#[tokio::test]
async fn tasks_are_listed_newest_first_with_their_host() {
    // A2 15–19, A14 266–271, 309
    let app = App::start().await;
    let (a, b) = (enroll(&app, "host-a", "linux").await, enroll(&app, "host-b", "linux").await);
    let mut expected = Vec::new();
    for (agent, text) in [(&a, "one"), (&b, "two"), (&a, "three")] {
        expected.insert(0, ids(&app, "/command", &command(&[agent.id()], text)).await.remove(0));
        app.database().execute("UPDATE tasks SET created_at = created_at - 5000", []);
    }
    let (tasks, total) = list(&app, "").await;
    assert_eq!(
        tasks.iter().map(|it| it["id"].as_str().expect("text")).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        (total, &tasks[0]["agent_hostname"], &tasks[1]["agent_hostname"]),
        (3, &json!("host-a"), &json!("host-b"))
    );
    assert_eq!(list(&app, &format!("?agent_id={}", b.id())).await.1, 1);
    assert_eq!(list(&app, "?limit=2").await.0.len(), 2);
    assert_eq!(list(&app, "?limit=2&offset=2").await, (tasks[2..].to_vec(), 3));
    assert_eq!(list(&app, "?limit=0").await, (vec![], 3));
    app.admin("org-1").cancel(&expected[0]).await.expect(200);
    assert_eq!(
        (list(&app, "?status=pending").await.1, list(&app, "?status=expired").await.1),
        (2, 1)
    );
    assert_eq!(
        list(&app, "?type=execute_command&status=expired").await.0[0]["id"],
        json!(expected[0])
    );
    for nothing in
        ["?status=bogus", "?type=bogus", "?agent_id=nobody", "?type=uninstall", "?search=nope"]
    {
        assert_eq!(list(&app, nothing).await, (vec![], 0), "{nothing}");
    }
    let unknown =
        app.get(&format!("{TASKS}/nobody")).bearer(Person::admin("org-1").token()).send().await;
    assert_eq!(unknown.expect(404).error(), "Task not found");
}

#[tokio::test]
async fn a_search_looks_at_names_commands_and_hosts() {
    // A14 303–308, D-38
    let app = App::start().await;
    let (a, b) = (enroll(&app, "Finance-7", "linux").await, enroll(&app, "lab_1", "linux").await);
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    ids(&app, "", &test(&[a.id()])).await;
    ids(&app, "/command", &command(&[b.id()], "echo 100% of \"it\" \\ x_y")).await;
    for (search, total) in [
        ("lsass", 1),
        ("LSASS%20READ", 1),
        ("ECHO", 1),
        ("finance", 1),
        ("lab_1", 1),
        ("lab%251", 0),
        ("labx1", 0),
        ("100%25", 1),
        ("%25", 1),
        ("_", 1),
        ("%22it%22", 1),
        ("%5C", 1),
        ("e", 2),
        ("", 2),
        ("nothing", 0),
        // Only these three are searched, not the rest of the payload.
        (TEST, 0),
        ("execution_timeout", 0),
        ("binary", 0),
    ] {
        assert_eq!(list(&app, &format!("?search={search}")).await.1, total, "{search}");
    }
    assert_eq!(list(&app, "?search=e&limit=1").await.1, 2);
    assert_eq!(list(&app, "?search=e&limit=1").await.0.len(), 1);
    assert_eq!(list(&app, "?search=e&status=pending&type=execute_test").await.1, 1);
    assert_eq!(list(&app, "?search=e&status=completed").await.1, 0);
}

#[tokio::test]
async fn every_task_is_on_exactly_one_page() {
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    for index in 0..30 {
        ids(&app, "/command", &command(&[agent.id()], &format!("c{index}"))).await;
    }
    app.database().execute("UPDATE tasks SET created_at = 1", []);
    let mut seen = Vec::new();
    for offset in (0..35).step_by(4) {
        let (tasks, total) = list(&app, &format!("?limit=4&offset={offset}")).await;
        assert_eq!(total, 30);
        seen.extend(tasks.into_iter().map(|it| it["id"].to_string()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 30);
}

#[tokio::test]
async fn numbers_in_the_query_are_numbers() {
    // D-11
    let app = App::start().await;
    for query in [
        "limit=abc",
        "limit=-1",
        "limit=501",
        "offset=-1",
        "limit=1&limit=2",
        "search[]=x",
        "search=a&search=b",
    ] {
        let request = app.get(&format!("{TASKS}?{query}")).bearer(Person::admin("org-1").token());
        assert_eq!(request.send().await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_task_is_called_off_until_it_has_ended() {
    // A2 20, 21, A14 272–275
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    for status in ["pending", "assigned", "downloading", "executing"] {
        let id = ids(&app, "/command", &command(&[agent.id()], "id")).await.remove(0);
        app.database().execute("UPDATE tasks SET status = ?2 WHERE id = ?1", (&id, status));
        let task = app.admin("org-1").cancel(&id).await.expect(200).data();
        assert_eq!(
            (&task["status"], &task["completed_at"]),
            (&json!("expired"), &Value::Null),
            "{status}"
        );
        let again = app.admin("org-1").cancel(&id).await.expect(400);
        assert_eq!(again.error(), "Cannot cancel task in status: expired");
    }
    for (status, ended_by) in [("completed", "result"), ("failed", "report"), ("expired", "sweep")]
    {
        let id = ids(&app, "/command", &command(&[agent.id()], "id")).await.remove(0);
        let sql = "UPDATE tasks SET status = ?2, ended_by = ?3, completed_at = 1 WHERE id = ?1";
        app.database().execute(sql, (&id, status, ended_by));
        let answer = app.admin("org-1").cancel(&id).await.expect(400);
        assert_eq!(answer.error(), format!("Cannot cancel task in status: {status}"));
    }
    assert_eq!(app.admin("org-1").cancel("nobody").await.expect(404).error(), "Task not found");
}

#[tokio::test]
async fn what_was_called_off_is_not_handed_out() {
    // D-41
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let id = app.admin("org-1").order_command(agent.id(), "id").await;
    assert_eq!(agent.get("/api/agent/tasks").send().await.expect(200).data()["id"], json!(id));
    app.admin("org-1").cancel(&id).await.expect(200);
    let report = json!({"status": "executing"});
    let answer = agent.patch(&format!("/api/agent/tasks/{id}/status"), &report).send().await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    app.database().age_agent(agent.id(), Duration::from_hours(1));
    assert_eq!(agent.get("/api/agent/tasks").send().await.status, 204);
    assert_eq!(app.admin("org-1").task(&id).await["status"], "expired");
}

#[tokio::test]
async fn of_many_who_call_it_off_at_once_one_does() {
    // D-47
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    let id = app.admin("org-1").order_command(agent.id(), "id").await;
    let admin = app.admin("org-1");
    let answers = futures::future::join_all((0..8).map(|_| admin.cancel(&id))).await;
    let done = answers.iter().filter(|it| it.status == 200).count();
    let late = answers.iter().filter(|it| it.status == 400).count();
    assert_eq!((done, late), (1, 7));
}

#[tokio::test]
async fn no_answer_shows_credentials() {
    // B2 405, D-40
    let app = App::start().await;
    let agent = enroll(&app, "ws-1", "linux").await;
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let mut body = test(&[agent.id()]);
    body["env_vars"] = json!({"AZURE_CLIENT_SECRET": "s3cr3t"});
    body["metadata"] = json!({
        "category": "", "subcategory": "identity-tenant", "severity": "", "techniques": [], "tactics": [],
        "threat_actor": "", "target": [], "complexity": "", "tags": [], "score": null, "integrations": ["azure"],
        "env_vars": {"AZURE_CLIENT_SECRET": "s3cr3t"},
    });
    let id = ids(&app, "", &body).await.remove(0);
    for text in [
        app.admin("org-1").task(&id).await.to_string(),
        list(&app, "").await.0[0].to_string(),
        agent.get("/api/agent/tasks").send().await.expect(200).text(),
        app.admin("org-1").cancel(&id).await.expect(200).text(),
        app.database().value::<String>("SELECT payload FROM tasks", []),
    ] {
        assert!(!text.contains("env_vars") && !text.contains("s3cr3t"), "{text}");
    }
}
