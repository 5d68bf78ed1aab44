//! The audit log over HTTP: every change by a person is one row, nothing else is, and no row holds a secret.

use http::Method;
use serde_json::{Value, json};
use tests::{
    Agent, App, Operator, Person,
    accounts::{PASSWORD, SignedIn, poll, refresh, sign_in, start_device},
    executables::{ELF_AMD64, elf},
    surface::{self, Caller, Route},
    upload::Multipart,
};

const ORG: &str = "org-audited";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const LINUX: (&str, &str) = ("linux", "amd64");

/// What the routes of the walk need: each of these is there once.
struct Scene {
    app: App,
    admin: Operator,
    agent: Agent,
    task: String,
    token: String,
}

async fn scene() -> Scene {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = app.enroll(ORG).await;
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    admin.send_release("1.0.0", LINUX, b"an agent").await.expect(201);
    let task = admin.order_command(agent.id(), "whoami").await;
    admin.mint(3).await;
    let sql = "SELECT id FROM enrollment_tokens WHERE max_uses = 3";
    let token = app.database().value(sql, []);
    Scene { app, admin, agent, task, token }
}

impl Scene {
    fn rows(&self) -> i64 {
        self.app.database().count("audit_log")
    }

    fn last(&self, column: &str) -> String {
        let sql = format!("SELECT {column} FROM audit_log ORDER BY seq DESC LIMIT 1");
        self.app.database().value(&sql, [])
    }

    /// The task is a test that ended and whose result could not be stored, so many times.
    fn end_unstored(&self, attempts: u32) {
        let sql = "UPDATE tasks SET type = 'execute_test', status = 'completed', ended_by = 'result', completed_at = 1,
                          result = '{\"exit_code\":126}', payload = '{\"test_uuid\":\"u1\",\"test_name\":\"t\"}',
                          ingest_attempts = ?1, next_ingest_at = iif(?1 < 10, 1, NULL)";
        self.app.database().execute(sql, [attempts]);
    }

    /// Somebody else asked for a command.
    fn await_approval(&self) {
        let sql = "INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at, updated_at)
                   VALUES ('w1', ?1, 'command', '{}', '{}', 'user_x', 1, 9999999999999, 1)";
        self.app.database().execute(sql, [ORG]);
    }

    /// Makes what the route needs beyond the scene, and returns its id.
    async fn prepare(&self, route: &Route) -> String {
        let id = |answer: tests::Answer| {
            let data = answer.data();
            data["id"].as_str().unwrap_or_else(|| panic!("{data} has no id")).to_owned()
        };
        match route.pattern {
            "/api/agent/admin/schedules/{id}" => id(self
                .admin
                .post("/api/agent/admin/schedules", &self.schedule())
                .await
                .expect(201)),
            "/api/users/invitations/{id}/revoke" => {
                id(self.admin.post("/api/users/invite", &invited()).await.expect(200))
            }
            "/api/users/{id}" | "/api/users/{id}/role" | "/api/users/{id}/status" => {
                id(self.admin.post("/api/users", &account()).await.expect(201))
            }
            "/api/users/{id}/sessions" => {
                SignedIn::start(&self.app, ORG, "ada@example.org", "analyst").await.user
            }
            "/api/api-keys/{id}" => id(self.admin.post("/api/api-keys", &key()).await.expect(201)),
            "/api/agent/admin/approvals/{id}/approve" | "/api/agent/admin/approvals/{id}/deny" => {
                self.await_approval();
                "w1".to_owned()
            }
            "/api/agent/admin/ingestion/retry" => {
                self.end_unstored(1);
                String::new()
            }
            "/api/agent/admin/ingestion/reset" => {
                self.end_unstored(10);
                String::new()
            }
            "/api/agent/admin/tokens/{id}" => self.token.clone(),
            pattern if route.method == Method::DELETE && pattern.ends_with("/promote") => {
                let path = "/api/agent/admin/versions/1.0.0/linux/amd64/promote";
                self.admin.request(Method::POST, path).send().await.expect(200);
                String::new()
            }
            "/api/agent/admin/agents/{id}/tags/{tag}" => {
                let path = format!("/api/agent/admin/agents/{}/tags", self.agent.id());
                self.admin.post(&path, &json!({ "tag": self.agent.id() })).await.expect(200);
                self.agent.id().to_owned()
            }
            pattern if pattern.contains("/agents/{id}") => self.agent.id().to_owned(),
            pattern if pattern.contains("/tasks/{id}") => self.task.clone(),
            _ => TEST.to_owned(),
        }
    }

    fn schedule(&self) -> Value {
        json!({
            "org_id": ORG, "agent_ids": [self.agent.id()], "test_uuid": TEST, "test_name": "t", "binary_name": TEST,
            "schedule_type": "daily", "schedule_config": { "time": "10:00" },
        })
    }

    /// Calls the route so that it succeeds, and returns the action that it shall have recorded; none
    /// where there is nothing that it could change.
    async fn call(&self, route: &Route, id: &str) -> Option<&'static str> {
        let step = match (route.method.as_str(), route.pattern) {
            ("POST", "/api/agent/admin/versions/upload") => {
                self.admin.send_release("1.0.1", LINUX, b"another agent").await.expect(201);
                return Some("version.publish");
            }
            ("POST", "/api/tests/builds/{uuid}/upload-binary") => {
                self.admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
                return Some("build.upload");
            }
            // Refused, whoever asks.
            ("POST", "/api/agent/admin/versions" | "/api/agent/admin/versions/build") => {
                return None;
            }
            _ => self
                .of_tasks(route)
                .or_else(|| self.of_fleet(route))
                .or_else(|| of_organization(route)),
        };
        let (body, action) =
            step.unwrap_or_else(|| panic!("what does {route:?} record, and by which call?"));
        let path = match route.pattern {
            pattern if pattern.contains("{version}") => ["1.0.0", "linux", "amd64"]
                .iter()
                .zip(["{version}", "{os}", "{arch}"])
                .fold(pattern.to_owned(), |path, (value, name)| path.replace(name, value)),
            _ => route.path(id),
        };
        let request = self.admin.request(route.method.clone(), &path);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.header("x-request-id", "walk-7").send().await;
        assert!(answer.status.is_success(), "{route:?}: {} {}", answer.status, answer.text());
        assert_eq!(self.last("request_id"), "walk-7", "{route:?}");
        Some(action)
    }

    fn of_tasks(&self, route: &Route) -> Option<Step> {
        let order = |more: Value| {
            let mut order = json!({ "org_id": ORG, "agent_ids": [self.agent.id()] });
            order.as_object_mut()?.extend(more.as_object()?.clone());
            Some(order)
        };
        let below = route.pattern.strip_prefix("/api/agent/admin/")?;
        Some(match (route.method.as_str(), below) {
            ("POST", "tasks") => (
                order(json!({ "test_uuid": TEST, "test_name": "t", "binary_name": TEST })),
                "task.create",
            ),
            ("POST", "tasks/command") => (order(json!({ "command": "id" })), "task.create"),
            ("POST", "tasks/update" | "tasks/uninstall") => (order(json!({})), "task.create"),
            ("POST", "tasks/{id}/cancel") => (None, "task.cancel"),
            ("POST", "tasks/bulk") => {
                (Some(json!({ "task_ids": [self.task], "action": "cancel" })), "task.cancel")
            }
            ("DELETE", "tasks/{id}") => (None, "task.delete"),
            ("PATCH", "tasks/{id}/notes") => (Some(json!({ "content": "seen" })), "task.annotate"),
            ("POST", "schedules") => (Some(self.schedule()), "schedule.create"),
            ("PATCH", "schedules/{id}") => (Some(json!({ "name": "n" })), "schedule.update"),
            ("DELETE", "schedules/{id}") => (None, "schedule.delete"),
            ("POST", "approvals/{id}/approve") => (None, "approval.approve"),
            ("POST", "approvals/{id}/deny") => (Some(json!({})), "approval.deny"),
            ("POST", "ingestion/retry") => (None, "ingestion.retry"),
            ("POST", "ingestion/reset") => (None, "ingestion.reset"),
            _ => return None,
        })
    }

    fn of_fleet(&self, route: &Route) -> Option<Step> {
        let below = route.pattern.strip_prefix("/api/agent/admin/")?;
        Some(match (route.method.as_str(), below) {
            ("POST", "tokens") => (Some(json!({ "org_id": ORG })), "token.create"),
            ("DELETE", "tokens/{id}") => (None, "token.revoke"),
            ("POST", "agents/{id}/rotate-key") => (None, "agent.rotate-key"),
            ("PATCH", "agents/{id}") => (Some(json!({ "status": "disabled" })), "agent.update"),
            ("DELETE", "agents/{id}") => (None, "agent.decommission"),
            ("POST", "agents/{id}/tags") => (Some(json!({ "tag": "t" })), "agent.tag"),
            ("DELETE", "agents/{id}/tags/{tag}") => (None, "agent.untag"),
            ("POST", "agents/bulk") => {
                let many = json!({ "agent_ids": [self.agent.id()], "action": "disable" });
                (Some(many), "agent.disable")
            }
            ("PUT", "settings/auto-rotation") => {
                (Some(json!({ "enabled": true, "intervalDays": 60 })), "settings.update")
            }
            ("PUT", "settings/approvals") => {
                let all =
                    json!({ "commands": true, "uninstalls": true, "mandatory_updates": true });
                (Some(all), "settings.update")
            }
            ("DELETE", "versions/{version}/{os}/{arch}") => (None, "version.withdraw"),
            ("POST", "versions/{version}/{os}/{arch}/promote") => (None, "release.promote"),
            ("DELETE", "versions/{version}/{os}/{arch}/promote") => (None, "release.unpromote"),
            ("POST", "catalog/reload") => (None, "catalog.reload"),
            _ => return None,
        })
    }
}

/// What to send, and the action that is recorded.
type Step = (Option<Value>, &'static str);

fn of_organization(route: &Route) -> Option<Step> {
    Some(match (route.method.as_str(), route.pattern) {
        ("POST", "/api/users") => (Some(account()), "user.create"),
        ("POST", "/api/users/invite") => (Some(invited()), "invitation.create"),
        ("POST", "/api/users/invitations/{id}/revoke") => (None, "invitation.revoke"),
        ("PUT", "/api/users/{id}/role") => (Some(json!({ "role": "analyst" })), "user.role"),
        ("DELETE", "/api/users/{id}/role") => (None, "user.role"),
        ("PUT", "/api/users/{id}/status") => {
            (Some(json!({ "status": "disabled" })), "user.disable")
        }
        ("DELETE", "/api/users/{id}/sessions") => (None, "session.end-all"),
        ("DELETE", "/api/users/{id}") => (None, "user.remove"),
        ("POST", "/api/api-keys") => (Some(key()), "api_key.create"),
        ("DELETE", "/api/api-keys/{id}") => (None, "api_key.revoke"),
        ("DELETE", "/api/tests/builds/{uuid}") => (None, "build.remove"),
        _ => return None,
    })
}

fn account() -> Value {
    json!({ "email": "ada@example.org", "name": "Ada", "password": "a long sentence of words" })
}

fn invited() -> Value {
    json!({ "email": "grace@example.org", "role": "analyst" })
}

fn key() -> Value {
    json!({ "name": "pipeline", "scope": "read" })
}

fn routes_of_people(changing: bool) -> Vec<Route> {
    let chosen = |it: &Route| {
        matches!(it.caller, Caller::Person(_)) && (it.method != Method::GET) == changing
    };
    surface::routes().into_iter().filter(chosen).collect()
}

#[tokio::test]
async fn every_change_by_a_person_is_one_row_of_its_name() {
    for route in routes_of_people(true) {
        let scene = scene().await;
        let id = scene.prepare(&route).await;
        let before = scene.rows();
        let Some(action) = scene.call(&route, &id).await else {
            assert_eq!(scene.rows(), before, "{route:?}");
            continue;
        };
        assert_eq!(scene.rows(), before + 1, "{route:?}");
        assert_eq!(scene.last("action"), action, "{route:?}");
        assert_eq!(scene.last("org_id"), ORG, "{route:?}");
        assert!(!scene.last("actor").is_empty() && !scene.last("address").is_empty(), "{route:?}");
        let sealed = "SELECT count(*) FROM audit_log WHERE hash IS NULL";
        assert_eq!(scene.app.database().value::<i64>(sealed, []), 0, "{route:?}");
    }
}

/// What to send and as whom, and the action that is recorded.
type SignIn = (Value, Option<String>, &'static str);

impl Scene {
    /// A body that the route of whoever signs in accepts, its bearer, and the action that it records;
    /// none where it changes nothing of anybody's.
    async fn of_whoever_signs_in(&self, pattern: &str) -> Option<SignIn> {
        let person = SignedIn::start(&self.app, ORG, "ada@example.org", "analyst").await;
        let token = |it: &SignedIn| json!({ "refresh_token": it.refresh_token });
        let bearer = Some(person.access_token.clone());
        Some(match pattern {
            "/api/auth/login" => {
                (json!({ "email": "ada@example.org", "password": PASSWORD }), None, "session.start")
            }
            "/api/auth/logout" => (token(&person), None, "session.end"),
            "/api/auth/password" => {
                let next = "another good one";
                let body = json!({ "current_password": PASSWORD, "new_password": next });
                (body, bearer, "user.password")
            }
            "/api/auth/accept-invitation" => {
                let secret =
                    self.admin.post("/api/users/invite", &invited()).await.expect(200).data();
                let body = json!({ "token": secret["token"], "name": "G", "password": PASSWORD });
                (body, None, "user.accept")
            }
            "/api/cli/auth/verify" => {
                let started = start_device(&self.app).await.expect(200).data();
                (json!({ "user_code": started["user_code"] }), bearer, "device_login.approve")
            }
            "/api/cli/auth/poll" => {
                let started = start_device(&self.app).await.expect(200).data();
                let code = json!({ "user_code": started["user_code"] });
                let verify = self.app.post("/api/cli/auth/verify").bearer(&person.access_token);
                verify.json(&code).send().await.expect(200);
                (json!({ "device_code": started["device_code"] }), None, "session.start")
            }
            "/api/cli/auth/logout" => (token(&person.device().await), None, "session.end"),
            // A device that nobody has approved is nobody's, and going on begins nothing.
            "/api/cli/auth/device-code" | "/api/auth/refresh" | "/api/cli/auth/refresh" => {
                return None;
            }
            _ => panic!("what does {pattern} record?"),
        })
    }
}

#[tokio::test]
async fn signing_in_and_out_is_one_row_of_whoever_it_was() {
    let of_auth = |it: &Route| {
        let is_open = matches!(it.caller, Caller::SignedIn | Caller::Anybody);
        is_open && ["/api/auth/", "/api/cli/auth/"].iter().any(|at| it.pattern.starts_with(at))
    };
    for route in surface::routes().into_iter().filter(of_auth) {
        let scene = scene().await;
        let Some((body, bearer, action)) = scene.of_whoever_signs_in(route.pattern).await else {
            continue;
        };
        let before = scene.rows();
        let mut request =
            scene.app.post(route.pattern).json(&body).header("x-request-id", "walk-8");
        if let Some(bearer) = bearer {
            request = request.bearer(bearer);
        }
        let request = request.from([0x2001, 0xdb8, 0xabcd, 0x12, 0, 0, 0, 1]);
        let answer = request.send().await;
        assert!(answer.status.is_success(), "{route:?}: {}", answer.text());
        assert_eq!(scene.rows(), before + 1, "{route:?}");
        let last = |column| scene.last(column);
        assert_eq!((last("action"), last("org_id")), (action.to_owned(), ORG.to_owned()));
        assert_eq!(last("request_id"), "walk-8", "{route:?}");
        // The whole address, not the network that limiters count.
        assert_eq!(last("address"), "2001:db8:abcd:12::1", "{route:?}");
        let actor = "SELECT count(*) FROM users WHERE id = ?1 AND email <> ''";
        assert_eq!(scene.app.database().value::<i64>(actor, [last("actor")]), 1, "{route:?}");
        let unsealed = "SELECT count(*) FROM audit_log WHERE hash IS NULL";
        assert_eq!(scene.app.database().value::<i64>(unsealed, []), 0, "{route:?}");
        // Again it is refused, or there is nothing to change any more.
        if action != "session.start" || route.pattern.ends_with("poll") {
            scene.app.post(route.pattern).json(&body).send().await;
            assert_eq!(scene.rows(), before + 1, "{route:?}");
        }
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_is_a_row_and_a_wrong_password_is_none() {
    let scene = scene().await;
    let person = SignedIn::start(&scene.app, ORG, "ada@example.org", "analyst").await;
    let before = scene.rows();
    sign_in(&scene.app, "ada@example.org", "wrong password").await.expect(401);
    refresh(&scene.app, "/api/auth", "nobody's").await.expect(401);
    poll(&scene.app, &json!("nobody's")).await.expect(404);
    person.refresh().await.expect(200);
    assert_eq!(scene.rows(), before);
    person.refresh().await.expect(401);
    person.refresh().await.expect(401);
    assert_eq!(scene.rows(), before + 1);
    assert_eq!((scene.last("action"), scene.last("actor")), ("session.reused".into(), person.user));
}

#[tokio::test]
async fn many_at_once_are_one_row_that_lists_what_changed() {
    let scene = scene().await;
    let ended = scene.admin.order_command(scene.agent.id(), "id").await;
    scene.admin.cancel(&ended).await.expect(200);
    let body = json!({ "task_ids": [ended, scene.task, TEST], "action": "cancel" });
    scene.admin.post("/api/agent/admin/tasks/bulk", &body).await.expect(200);
    let details = || {
        let sql = "SELECT after -> '$.details' FROM audit_log ORDER BY seq DESC LIMIT 1";
        scene.app.database().json(sql, [])
    };
    assert_eq!(details(), json!({ "tasks": [{ "id": scene.task, "status": "pending" }] }));
    let body = json!({ "agent_ids": [scene.agent.id(), TEST], "action": "disable" });
    scene.admin.post("/api/agent/admin/agents/bulk", &body).await.expect(200);
    assert_eq!(details(), json!({ "agents": [{ "id": scene.agent.id(), "status": "active" }] }));
}

#[tokio::test]
async fn reading_and_being_refused_record_nothing() {
    let scene = scene().await;
    let before = scene.rows();
    for route in routes_of_people(false) {
        for id in [scene.agent.id(), &scene.task, TEST] {
            scene.admin.get(&route.path(id)).await;
        }
    }
    let explorer = Person::new("nosy", Some(ORG), Some("explorer")).token();
    for route in routes_of_people(true) {
        let path = route.path(scene.agent.id());
        let request = scene.app.request(route.method.clone(), &path).bearer(&explorer);
        assert_eq!(request.json(&json!({})).send().await.status, 403, "{route:?}");
        if route.pattern == "/api/agent/admin/catalog/reload" {
            continue;
        }
        // Of nothing that there is, and with nothing that is needed.
        let unknown = route.path("00000000-0000-4000-8000-000000000000");
        scene.admin.request(route.method.clone(), &unknown).json(&json!([])).send().await;
    }
    assert_eq!(scene.rows(), before);
}

#[tokio::test]
async fn a_row_shows_who_did_what_from_where() {
    let scene = scene().await;
    let path = format!("/api/agent/admin/tasks/{}/cancel", scene.task);
    let request = scene.admin.request(Method::POST, &path).header("x-request-id", "req-1");
    request.send().await.expect(200);
    let page = scene.admin.get("/api/audit?action=task.cancel").await.expect(200).data();
    assert_eq!((page["total"].as_u64(), &page["next_cursor"]), (Some(1), &Value::Null));
    let row = &page["entries"][0];
    assert_eq!(row["target_id"], json!(scene.task));
    assert_eq!(row["target_type"], "task");
    assert_eq!(row["request_id"], "req-1");
    assert_eq!(
        (&row["before"]["status"], &row["after"]["status"]),
        (&json!("pending"), &json!("expired"))
    );
    assert_eq!(row["hash"].as_str().map(str::len), Some(64));
}

#[tokio::test]
async fn no_row_holds_a_secret() {
    let scene = scene().await;
    let secrets = [
        scene.admin.mint(1).await,
        scene.admin.rotate_key(scene.agent.id()).await,
        scene.agent.identity.agent_key.clone(),
    ];
    scene.app.admin(ORG).cancel(&scene.task).await.expect(200);
    let columns =
        "actor || address || action || target_id || ifnull(before, '') || ifnull(after, '')";
    let all: String = scene
        .app
        .database()
        .value(&format!("SELECT group_concat({columns}, ' ') FROM audit_log"), []);
    for secret in &secrets {
        let digest = domain::secrets::Digest::of(secret).to_hex();
        assert!(!all.contains(secret.as_str()) && !all.contains(&digest), "{all}");
    }
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let scene = scene().await;
    let get = async |query: &str| {
        let data = scene.admin.get(&format!("/api/audit?{query}")).await.expect(200).data();
        let actions = data["entries"].as_array().unwrap().iter();
        (actions.map(|it| it["seq"].as_u64().unwrap()).collect::<Vec<_>>(), data)
    };
    let (all, data) = get("limit=2").await;
    let total = data["total"].as_u64().unwrap();
    assert_eq!(all, [total, total - 1]);
    let (rest, last) =
        get(&format!("limit=500&cursor={}", data["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest, (1..total - 1).rev().collect::<Vec<_>>());
    assert_eq!((last["total"].as_u64(), &last["next_cursor"]), (Some(total), &Value::Null));
    for (query, expected) in [
        ("action=version.", 1),
        ("action=token.create", 2),
        ("action=version", 0),
        ("actor=nobody", 0),
        ("target_type=build", 1),
        ("to=2001-01-01T00:00:00Z", 0),
        ("from=2001-01-01T00:00:00Z&action=build.upload", 1),
    ] {
        assert_eq!(get(query).await.1["total"], expected, "{query}");
    }
    for (query, error) in [
        ("cursor=%25", "Invalid cursor"),
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("from=yesterday", "from"),
        ("format=xml", "format"),
    ] {
        let answer = scene.admin.get(&format!("/api/audit?{query}")).await.expect(400);
        assert!(answer.text().contains(error), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_export_is_whole_and_no_cell_of_it_is_a_formula() {
    let scene = scene().await;
    let eve = Person::new("=HYPERLINK(\"http://evil\")", Some(ORG), Some("admin")).token();
    let eve = Operator::new(scene.app.server(), ORG, eve);
    for _ in 0..3 {
        eve.mint(2).await;
    }
    let rows = usize::try_from(scene.rows()).unwrap();
    let csv = eve.get("/api/audit?format=csv").await.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    assert_eq!(csv.header("x-total-count"), Some(rows.to_string().as_str()));
    let text = csv.text();
    assert_eq!(text.lines().count(), rows + 1);
    assert!(text.starts_with("seq,at,actor,address,request_id,action,"), "{text}");
    assert!(text.contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","), "{text}");
    assert!(!text.contains(",=") && !text.contains(",\"="), "{text}");

    // From a cursor on, as many as there are from there on.
    let page = eve.get("/api/audit?limit=2").await.expect(200).data();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = eve.get(&format!("/api/audit?format=csv&cursor={cursor}")).await.expect(200);
    assert_eq!(rest.header("x-total-count"), Some((rows - 2).to_string().as_str()));
    assert_eq!(rest.text().lines().count(), rows - 2 + 1);

    let request = eve
        .request(Method::GET, "/api/audit?action=token.")
        .header("accept", "application/x-ndjson");
    let lines = request.send().await.expect(200).text();
    let rows: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["actor"], "=HYPERLINK(\"http://evil\")");
}

#[tokio::test]
async fn the_log_of_others_is_neither_read_nor_verified() {
    let scene = scene().await;
    let other = scene.app.admin("org-other");
    assert_eq!(other.get("/api/audit").await.expect(200).data()["total"], 0);
    assert_eq!(other.get("/api/audit?format=csv").await.expect(200).text().lines().count(), 1);
    assert_eq!(other.get("/api/audit/verify").await.expect(200).data()["checked"], 0);
}

#[tokio::test]
async fn what_a_crash_left_unsealed_the_sweep_seals() {
    let scene = scene().await;
    let entry = r#"{"at":1,"actor":"a","address":"b","request_id":"c","action":"agent.update"}"#;
    scene.app.database().execute("UPDATE agents SET audit = ?1", [entry]);
    let verified = async || scene.admin.get("/api/audit/verify").await.expect(200).data();
    assert_eq!(
        (&verified().await["unsealed"], &verified().await["valid"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(scene.app.maintain().await["sealed"], 1);
    assert_eq!(scene.app.maintain().await["sealed"], 0);
    assert_eq!(
        (&verified().await["unsealed"], &verified().await["valid"]),
        (&json!(0), &json!(true))
    );
}

#[tokio::test]
async fn changes_at_once_make_one_chain() {
    let scene = scene().await;
    let before = scene.rows();
    let mints = (0..24).map(|_| scene.admin.mint(1));
    futures::future::join_all(mints).await;
    assert_eq!(scene.rows(), before + 24);
    scene.app.maintain().await;
    let verified = scene.admin.get("/api/audit/verify").await.expect(200).data();
    assert_eq!((&verified["valid"], &verified["unsealed"]), (&json!(true), &json!(0)));
    assert_eq!(verified["checked"].as_i64(), Some(scene.rows()));
    assert_eq!(verified["head"]["seq"], verified["checked"]);
}

#[tokio::test]
async fn an_upload_that_is_refused_records_nothing() {
    let scene = scene().await;
    let before = scene.rows();
    let path = format!("/api/tests/builds/{TEST}/upload-binary");
    let form = Multipart::new().file("file", "t", b"neither an executable nor a script");
    let answer = form.into_request(scene.admin.request(Method::POST, &path)).send().await;
    assert_eq!(answer.status, 400);
    assert_eq!(scene.rows(), before);
}
