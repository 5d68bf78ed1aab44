//! Texts and numbers that mean harm, in every field of every route: never a fault of ours, and what is taken
//! comes back as it was sent.

use http::Method;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Person,
    executables::{ELF_AMD64, elf},
    hostile::{encoded, percent_encoded, raw_values, texts},
    surface::{self, Caller},
    upload::Multipart,
};

const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const PLACE: &str = "@@here@@";

const HEADERS: &[&str] = &[
    "authorization",
    "x-agent-id",
    "x-agent-version",
    "x-request-timestamp",
    "content-type",
    "content-encoding",
    "x-request-id",
    "traceparent",
    "x-forwarded-for",
    "spin-client-addr",
    "spin-full-url",
    "spin-path-info",
    "host",
    "cookie",
    "accept",
    "accept-encoding",
    "origin",
    "range",
    "if-none-match",
    "expect",
    "idempotency-key",
];

const HEADER_VALUES: &[&[u8]] = &[
    b"",
    b"\xff\xfe\x80",
    "é🦀".as_bytes(),
    &[b'x'; 8000],
    b"0",
    b"-1",
    b"\"',;=\\",
    b"9999-99-99T99:99:99Z",
    b"+275760-09-13T00:00:00.000Z",
    b"0000-00-00T00:00:00Z",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"2026-07-11T14:24:22.1234567890123456789Z",
    b"2026-07-11T14:24:22+99:99",
    b"multipart/form-data; boundary=",
    b"application/json; charset=",
    b"gzip, gzip, br",
    b"1, 2, 3, 4",
];

/// A document that a route takes, with every field there is.
struct Body {
    method: Method,
    path: String,
    document: Value,
}

struct Fleet {
    app: App,
    agent: Agent,
    task: String,
    /// Good for many machines.
    token: String,
}

impl Fleet {
    async fn start() -> Self {
        let app = App::start().await;
        let agent = app.enroll("org-1").await;
        app.admin("org-1").upload_build(TEST, &elf(ELF_AMD64)).await;
        let task = app.admin("org-1").order_command(agent.id(), "id").await;
        let token = app.admin("org-1").mint(1000).await;
        Self { app, agent, task, token }
    }

    fn bodies(&self) -> Vec<Body> {
        let body = |method, path: &str, document| Body { method, path: path.to_owned(), document };
        let task = |rest: &str| format!("/api/agent/tasks/{}/{rest}", self.task);
        let release = json!({
            "version": "1", "os": "linux", "arch": "amd64", "binary_path": "x", "release_notes": "x",
            "mandatory": true,
        });
        let report = json!({"status": "executing", "error": "x"});
        let mut bodies = vec![
            body(Method::POST, "/api/agent/enroll", machine(&self.token, "h")),
            body(Method::POST, "/api/agent/heartbeat", heartbeat(&self.agent)),
            body(Method::PATCH, &task("status"), report),
            body(Method::POST, &task("result"), result()),
        ];
        for (path, document) in orders(self.agent.id()) {
            bodies.push(body(Method::POST, &format!("/api/agent/admin/{path}"), document));
        }
        for path in ["versions", "versions/build"] {
            bodies.push(body(Method::POST, &format!("/api/agent/admin/{path}"), release.clone()));
        }
        bodies
    }

    async fn send(&self, method: &Method, path: &str, body: Vec<u8>) -> Answer {
        let request = if path.contains("/admin/") {
            self.app.request(method.clone(), path).bearer(Person::admin("org-1").token())
        } else {
            self.agent.request(method.clone(), path)
        };
        request.set("content-type", "application/json").raw_body(body).send().await
    }

    /// As if nothing had happened: budgets are whole, the task waits for its result.
    fn reset(&self) {
        self.app.database().end_windows();
        let sql = "UPDATE tasks SET status = 'executing', ended_by = NULL, result = NULL, completed_at = NULL WHERE id = ?1";
        self.app.database().execute(sql, [&self.task]);
        self.app.database().execute("DELETE FROM tasks WHERE id <> ?1", [&self.task]);
        self.app.database().execute("DELETE FROM agent_events", []);
        self.app.database().execute("UPDATE enrollment_tokens SET use_count = 0", []);
    }

    async fn is_unharmed(&self) {
        self.reset();
        let body = self.agent.heartbeat_body(None);
        let answer = self.agent.post("/api/agent/heartbeat", &body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tasks = self
            .app
            .get("/api/agent/admin/tasks")
            .bearer(Person::admin("org-1").token())
            .send()
            .await;
        assert_eq!(tasks.expect(200).data()["total"], 1);
    }
}

fn assert_no_fault_of_ours(target: &str, answer: &Answer) {
    assert!(answer.status.as_u16() < 500, "{target:.200}: {} {}", answer.status, answer.text());
}

fn machine(token: &str, hostname: &str) -> Value {
    json!({
        "token": token, "hostname": hostname, "os": "linux", "arch": "amd64", "agent_version": hostname,
    })
}

fn heartbeat(agent: &Agent) -> Value {
    let gap = tests::agent::Gap { reason: "dns_failure".into(), offline_seconds: 7, failures: 2 };
    let mut body = agent.heartbeat_body(Some(&gap));
    body["reconnect_context"]["detail"] = json!("x");
    body["reconnect_context"]["system_at_failure"] =
        json!({"disk_free_mb": 1, "memory_mb": 2, "total_memory_mb": 3, "cpu_percent": 4});
    body
}

fn result() -> Value {
    let control = json!({
        "control_id": "c", "control_name": "n", "validator": "v", "exit_code": 0, "compliant": true,
        "severity": "s", "category": "c", "subcategory": "s", "techniques": ["t"], "tactics": ["t"],
        "expected": "e", "actual": "a", "details": "d", "skipped": false, "error_message": "m",
    });
    json!({
        "task_id": "t", "test_uuid": "u", "exit_code": 0, "stdout": "o", "stderr": "e",
        "started_at": "s", "completed_at": "c", "execution_duration_ms": 1, "binary_sha256": "b",
        "hostname": "h", "os": "linux", "arch": "amd64", "error": "x", "bundle_results": {
            "schema_version": "1", "bundle_id": "b", "bundle_name": "n", "bundle_category": "c",
            "bundle_subcategory": "s", "execution_id": "e", "started_at": "s", "completed_at": "c",
            "overall_exit_code": 0, "total_controls": 1, "passed_controls": 1, "failed_controls": 0,
            "controls": [control],
        },
    })
}

/// What operators order, by the last part of its route.
fn orders(agent_id: &str) -> [(&'static str, Value); 5] {
    let agents = json!([agent_id]);
    let metadata = json!({
        "category": "", "subcategory": "", "severity": "", "techniques": ["x"], "tactics": ["x"],
        "threat_actor": "", "target": ["x"], "complexity": "", "tags": ["x"], "score": null,
        "integrations": ["x"],
    });
    let test = json!({
        "org_id": "org-1", "agent_ids": agents, "test_uuid": TEST, "test_name": "t",
        "binary_name": "b", "execution_timeout": 1, "arguments": ["x"], "priority": 1,
        "metadata": metadata, "target_index": "x", "max_retries": 1,
    });
    let command = json!({
        "org_id": "org-1", "agent_ids": agents, "command": "x", "execution_timeout": 1, "priority": 1,
    });
    [
        (
            "tokens",
            json!({"org_id": "org-1", "ttl_hours": 1, "max_uses": 1, "metadata": {"a": "x"}}),
        ),
        ("tasks", test),
        ("tasks/command", command),
        ("tasks/update", json!({"org_id": "org-1", "agent_ids": agents})),
        ("tasks/uninstall", json!({"org_id": "org-1", "agent_ids": agents, "cleanup": true})),
    ]
}

/// Pointers to every value in a document, containers included.
fn places(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, it)| (index.to_string(), it)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        found.push(format!("/{key}"));
        found.extend(places(child).into_iter().map(|it| format!("/{key}{it}")));
    }
    found
}

fn with(document: &Value, place: &str, value: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(place).expect("it is there") = value;
    document
}

fn with_raw(document: &Value, place: &str, raw: &[u8]) -> Vec<u8> {
    let text = with(document, place, json!(PLACE)).to_string();
    let (before, after) = text.split_once(&format!("\"{PLACE}\"")).expect("it is there");
    [before.as_bytes(), raw, after.as_bytes()].concat()
}

#[track_caller]
fn is_sound(answer: &Answer, path: &str, what: &str) {
    let expected =
        answer.status.as_u16() < 500 || (path.ends_with("/versions/build") && answer.status == 503);
    assert!(expected, "{} {path} {what:.120}: {}", answer.status, answer.text());
    assert_ne!(answer.status, 401, "{path} {what:.120}: it never got there");
    // D-09
    let text = answer.text();
    for leak in ["SQLITE", "sqlite", "panicked", "src/", "constraint", "syntax error"] {
        assert!(!text.contains(leak), "{path} {what:.120}: {text}");
    }
}

/// Another token than the one that was minted is nobody's.
#[track_caller]
fn is_sound_at(answer: &Answer, path: &str, place: &str, what: &str) {
    if (path, place) == ("/api/agent/enroll", "/token") {
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{what:.120}: {}", answer.status);
    } else {
        is_sound(answer, path, what);
    }
}

#[tokio::test]
async fn no_value_in_any_field_of_any_body_is_our_fault() {
    let fleet = Fleet::start().await;
    for Body { method, path, document } in fleet.bodies() {
        for place in places(&document) {
            for raw in raw_values() {
                fleet.reset();
                let answer = fleet.send(&method, &path, with_raw(&document, &place, &raw)).await;
                let what = format!("{place} {}", String::from_utf8_lossy(&raw));
                is_sound_at(&answer, &path, &place, &what);
            }
        }
        fleet.is_unharmed().await;
    }
}

#[tokio::test]
async fn no_text_in_any_field_of_any_body_is_our_fault() {
    let fleet = Fleet::start().await;
    for Body { method, path, document } in fleet.bodies() {
        for place in places(&document) {
            for text in texts() {
                fleet.reset();
                let sent = with(&document, &place, json!(text)).to_string().into_bytes();
                let answer = fleet.send(&method, &path, sent).await;
                is_sound_at(&answer, &path, &place, &format!("{place} {text:?}"));
            }
        }
        fleet.is_unharmed().await;
    }
}

#[tokio::test]
async fn whole_bodies_of_any_kind_are_not_our_fault() {
    let fleet = Fleet::start().await;
    for Body { method, path, document } in fleet.bodies() {
        let whole = document.to_string().into_bytes();
        let mut bodies: Vec<Vec<u8>> = raw_values();
        bodies.extend([
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"\0"].concat(),
            [b"\xef\xbb\xbf", &whole[..]].concat(),
            [&whole[..], &whole[..]].concat(),
            vec![b' '; (10 << 20) + 1],
            whole.iter().flat_map(|it| [*it, 0]).collect(),
            // Every key twice, and keys that are no names.
            format!("{{{0},{0}}}", &document.to_string()[1..whole.len() - 1]).into_bytes(),
            document
                .to_string()
                .replacen('{', r#"{"\u0000":1,"":2,"__proto__":{},"constructor":null,"#, 1)
                .into_bytes(),
            document
                .to_string()
                .replacen('{', &format!("{{\"{}\":1,", "k".repeat(100_000)), 1)
                .into_bytes(),
        ]);
        for raw in bodies {
            fleet.reset();
            let answer = fleet.send(&method, &path, raw.clone()).await;
            let shown = String::from_utf8_lossy(&raw[..raw.len().min(100)]).into_owned();
            is_sound(&answer, &path, &shown);
        }
        fleet.is_unharmed().await;
    }
}

#[tokio::test]
async fn of_a_key_that_is_there_twice_the_last_counts() {
    let fleet = Fleet::start().await;
    let body = format!(
        r#"{{"org_id":"org-2","org_id":"org-1","agent_ids":["{}"],"command":"a","command":"b"}}"#,
        fleet.agent.id()
    );
    let answer = fleet
        .send(&Method::POST, "/api/agent/admin/tasks/command", body.into_bytes())
        .await
        .expect(201);
    let id = answer.data()["task_ids"][0].as_str().expect("text").to_owned();
    let task = fleet.app.admin("org-1").task(&id).await;
    assert_eq!((&task["payload"]["command"], &task["org_id"]), (&json!("b"), &json!("org-1")));
}

#[tokio::test]
async fn orders_come_back_as_they_were_sent() {
    let fleet = Fleet::start().await;
    let operator = fleet.app.admin("org-1");
    for text in texts() {
        fleet.reset();
        // A command.
        let order = json!({"org_id": "org-1", "agent_ids": [fleet.agent.id()], "command": text})
            .to_string();
        let answer =
            fleet.send(&Method::POST, "/api/agent/admin/tasks/command", order.into_bytes()).await;
        if answer.status == 201 {
            let id = answer.data()["task_ids"][0].as_str().expect("text").to_owned();
            assert_eq!(operator.task(&id).await["payload"]["command"], json!(text), "{text:.50}");
            fleet.reset();
        }
        // A test, in every text that it has.
        let order = json!({
            "org_id": "org-1", "agent_ids": [fleet.agent.id()], "test_uuid": TEST, "test_name": text,
            "binary_name": "b", "arguments": [text], "metadata": {
                "category": text, "subcategory": text, "severity": text, "techniques": [text],
                "tactics": [text], "threat_actor": text, "target": [text], "complexity": text,
                "tags": [text, text], "score": -0.5, "integrations": [text],
            },
        });
        let sent = order.to_string().into_bytes();
        let answer = fleet.send(&Method::POST, "/api/agent/admin/tasks", sent).await;
        if answer.status == 201 {
            let id = answer.data()["task_ids"][0].as_str().expect("text").to_owned();
            let payload = operator.task(&id).await["payload"].clone();
            for key in ["test_name", "arguments", "metadata"] {
                assert_eq!(payload[key], order[key], "{text:.50}");
            }
            fleet.reset();
        }
        // A release's notes.
        let form = Multipart::new().text("release_notes", &text).text("version", "1");
        let form = form.text("os", "linux").text("arch", "amd64").file("binary", "a", b"x");
        let request = fleet.app.post("/api/agent/admin/versions/upload");
        let request = request.bearer(Person::admin("org-1").token());
        let answer = form.into_request(request).send().await;
        assert!(matches!(answer.status.as_u16(), 201 | 400), "{text:.50}: {}", answer.text());
        if answer.status == 201 {
            let listed = operator.get("/api/agent/admin/versions").await.expect(200).data();
            assert_eq!(listed[0]["release_notes"], json!(text), "{text:.50}");
        }
    }
}

#[tokio::test]
async fn metadata_and_reports_come_back_as_they_were_sent() {
    let fleet = Fleet::start().await;
    let operator = fleet.app.admin("org-1");
    for text in texts() {
        fleet.reset();
        // A token's metadata.
        let order = json!({"org_id": "org-1", "metadata": {"k": text}}).to_string();
        let answer = fleet.send(&Method::POST, "/api/agent/admin/tokens", order.into_bytes()).await;
        if answer.status == 201 {
            let sql = "SELECT metadata FROM enrollment_tokens WHERE id = ?1";
            let id = answer.data()["id"].as_str().expect("text").to_owned();
            assert_eq!(fleet.app.database().json(sql, [id])["k"], json!(text), "{text:.50}");
        }
        fleet.app.database().execute("DELETE FROM enrollment_tokens", []);
        // A heartbeat.
        let mut body = fleet.agent.heartbeat_body(None);
        body["system"]["hostname"] = json!(text);
        let answer = fleet.agent.post("/api/agent/heartbeat", &body).send().await;
        if answer.status == 200 {
            let detail = operator.agent(fleet.agent.id()).await;
            assert_eq!(
                detail["last_heartbeat_data"]["system"]["hostname"],
                json!(text),
                "{text:.50}"
            );
        }
        // A result: whatever a test prints must be taken.
        let result =
            json!({"exit_code": 1, "stdout": text, "stderr": text, "error": text, "hostname": "h"});
        let path = format!("/api/agent/tasks/{}/result", fleet.task);
        fleet.agent.post(&path, &result).send().await.expect(200);
        let shown = operator.task(&fleet.task).await["result"].clone();
        assert_eq!(
            (&shown["stdout"], &shown["stderr"]),
            (&json!(text), &json!(text)),
            "{text:.50}"
        );
    }
}

#[tokio::test]
async fn a_result_is_taken_even_if_the_database_could_not_hold_it() {
    let fleet = Fleet::start().await;
    fleet.reset();
    let path = format!("/api/agent/tasks/{}/result", fleet.task);
    let result = r#"{"exit_code":-1,"stdout":"a\u0000b","stderr":"\u0000","error":"\u0000"}"#;
    fleet.send(&Method::POST, &path, result.into()).await.expect(200);
    let shown = fleet.app.admin("org-1").task(&fleet.task).await["result"].clone();
    assert_eq!((&shown["stdout"], &shown["stderr"]), (&json!("a\u{fffd}b"), &json!("\u{fffd}")));
}

#[tokio::test]
async fn names_of_machines_come_back_as_they_were_sent() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(200).await;
    for text in texts() {
        let body = machine(&token, &text);
        let answer = app.post("/api/agent/enroll").json(&body).send().await;
        assert!(matches!(answer.status.as_u16(), 201 | 400), "{text:.50}: {}", answer.text());
        if answer.status == 201 {
            let id = answer.data()["agent_id"].as_str().expect("text").to_owned();
            let agent = app.admin("org-1").agent(&id).await;
            assert_eq!((&agent["hostname"], &agent["agent_version"]), (&json!(text), &json!(text)));
            let hostname = percent_encoded(&text);
            let path = format!("/api/agent/admin/agents?limit=500&hostname={hostname}");
            let page = app.admin("org-1").get(&path).await.expect(200).data();
            let found =
                page["agents"].as_array().expect("a list").iter().any(|it| it["id"] == json!(id));
            assert!(found, "{text:.50} is not found by its name");
        }
    }
}

#[tokio::test]
async fn no_query_is_our_fault() {
    let fleet = Fleet::start().await;
    let parameters = [
        "org_id",
        "status",
        "os",
        "arch",
        "hostname",
        "tag",
        "search",
        "agent_id",
        "type",
        "limit",
        "offset",
        "online_only",
        "test_uuid",
        "%F0%9F%A6%80",
        "",
    ];
    for route in surface::routes().iter().filter(|it| it.method == Method::GET) {
        for parameter in parameters {
            for value in encoded() {
                fleet.app.database().end_windows();
                let target = format!("{}?{parameter}={value}", route.path("x"));
                let Ok(_) = target.parse::<http::Uri>() else { continue };
                let request = match route.caller {
                    Caller::Device => fleet.agent.get(&target),
                    Caller::Scheduler => {
                        fleet.app.get(&target).bearer(tests::application::CRON_SECRET)
                    }
                    Caller::Anybody | Caller::Person(_) | Caller::SignedIn => {
                        fleet.app.get(&target).bearer(Person::admin("org-1").token())
                    }
                };
                let answer = request.send().await;
                assert_no_fault_of_ours(&target, &answer);
            }
        }
    }
    fleet.is_unharmed().await;
}

#[tokio::test]
async fn no_path_is_our_fault() {
    let fleet = Fleet::start().await;
    for route in surface::routes().iter().filter(|it| it.pattern.contains('{')) {
        for value in encoded() {
            fleet.app.database().end_windows();
            let target = route.path(&value);
            let Ok(_) = target.parse::<http::Uri>() else { continue };
            let request = match route.caller {
                Caller::Device => fleet.agent.request(route.method.clone(), &target),
                _ => fleet
                    .app
                    .request(route.method.clone(), &target)
                    .bearer(Person::admin("org-1").token()),
            };
            let answer = request.send().await;
            assert_no_fault_of_ours(&target, &answer);
        }
    }
    fleet.is_unharmed().await;
}

#[tokio::test]
async fn no_header_is_our_fault() {
    let fleet = Fleet::start().await;
    let admin = Person::admin("org-1").token();
    for route in surface::routes() {
        for (name, value) in
            HEADERS.iter().flat_map(|it| HEADER_VALUES.iter().map(move |value| (it, value)))
        {
            fleet.app.database().end_windows();
            let path = route.path("x");
            let request = if route.caller == Caller::Device {
                fleet.agent.request(route.method.clone(), &path)
            } else {
                fleet.app.request(route.method.clone(), &path).bearer(&admin)
            };
            let is_read = route.method == Method::GET;
            let request = if is_read { request } else { request.json(&json!({})) };
            let answer = request.set(name, value).send().await;
            let shown = format!("{route:?} {name}: {:.50}", String::from_utf8_lossy(value));
            let expected = answer.status.as_u16() < 500 || path.ends_with("/versions/build");
            assert!(expected, "{shown}: {} {}", answer.status, answer.text());
        }
    }
    fleet.is_unharmed().await;
}

#[tokio::test]
async fn a_hundred_headers_of_one_name_are_not_our_fault() {
    let fleet = Fleet::start().await;
    for name in [
        "authorization",
        "x-agent-id",
        "content-type",
        "x-request-timestamp",
        "x-forwarded-for",
        "x-request-id",
    ] {
        let mut request = fleet.agent.get("/api/agent/tasks");
        for _ in 0..60 {
            request = request.header(name, "again");
        }
        let answer = request.send().await;
        assert!(answer.status.as_u16() < 500, "{name}: {}", answer.status);
    }
    fleet.is_unharmed().await;
}
