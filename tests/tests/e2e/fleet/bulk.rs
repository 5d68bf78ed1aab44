//! One thing done to many agents in one step.

use serde_json::{Value, json};
use tests::{Agent, Answer, App, Operator};

use super::{AGENTS, NOBODY, ORG, OTHER, enroll, enroll_in, gone, ids, operator, path};

async fn bulk(by: &Operator, agent_ids: &Value, action: &str, tag: Option<&str>) -> Answer {
    let mut body = json!({ "agent_ids": agent_ids, "action": action });
    if let Some(tag) = tag {
        body["tag"] = json!(tag);
    }
    by.post(&format!("{AGENTS}/bulk"), &body).await
}

/// Agents of every kind.
struct Fleet {
    app: App,
    admin: Operator,
    active: Agent,
    disabled: Agent,
    removed: Agent,
    left: Agent,
    foreign: Agent,
}

impl Fleet {
    async fn start() -> Self {
        let app = App::start().await;
        let admin = app.admin(ORG);
        let (active, disabled) = (enroll(&app, "active").await, enroll(&app, "disabled").await);
        admin.patch(&path(&disabled), &json!({"status": "disabled"})).await.expect(200);
        let (removed, left) = gone(&app).await;
        let foreign = enroll_in(&app, OTHER, "foreign").await;
        Self { app, admin, active, disabled, removed, left, foreign }
    }

    fn all(&self) -> Value {
        let Self { active, disabled, removed, left, foreign, .. } = self;
        let mut all = ids(&[active, disabled, removed, left, foreign]);
        all.as_array_mut().expect("a list").extend([json!(NOBODY), json!(active.id())]);
        all
    }

    /// Does it to all, and expects of each of them: `None` that it was done, else why not.
    async fn check(&self, action: &str, tag: Option<&str>, reasons: [Option<&str>; 4]) {
        let answer = bulk(&self.admin, &self.all(), action, tag).await.expect(200);
        let (mut updated, mut skipped) = (Vec::new(), Vec::new());
        let known = [&self.active, &self.disabled, &self.removed, &self.left];
        let known = known.map(Agent::id).into_iter().zip(reasons);
        for (id, reason) in
            known.chain([self.foreign.id(), NOBODY].map(|it| (it, Some("not_found"))))
        {
            match reason {
                None => updated.push(id),
                Some(reason) => skipped.push(json!({"agent_id": id, "reason": reason})),
            }
        }
        let expected = json!({"success": true, "data": {"updated": updated, "skipped": skipped}});
        assert_eq!(answer.json(), expected, "{action}");
    }

    fn column(&self, column: &str, agent: &Agent) -> String {
        let sql = format!("SELECT {column} FROM agents WHERE id = ?1");
        self.app.database().value(&sql, [agent.id()])
    }

    fn statuses(&self) -> [String; 5] {
        let Self { active, disabled, removed, left, foreign, .. } = self;
        [active, disabled, removed, left, foreign].map(|it| self.column("status", it))
    }

    fn tags(&self) -> [String; 5] {
        let Self { active, disabled, removed, left, foreign, .. } = self;
        [active, disabled, removed, left, foreign].map(|it| self.column("tags", it))
    }
}

const GONE: [Option<&str>; 2] = [Some("decommissioned"), Some("uninstalled")];

#[tokio::test]
async fn many_agents_are_switched_off_and_on() {
    let fleet = Fleet::start().await;
    fleet.check("disable", None, [None, Some("already_disabled"), GONE[0], GONE[1]]).await;
    let after = ["disabled", "disabled", "decommissioned", "uninstalled", "active"];
    assert_eq!(fleet.statuses(), after);
    fleet.active.get("/api/agent/tasks").send().await.expect(401);
    fleet.foreign.get("/api/agent/tasks").send().await.expect(204);
    fleet.check("enable", None, [None, None, GONE[0], GONE[1]]).await;
    fleet.active.get("/api/agent/tasks").send().await.expect(204);
    fleet
        .check("enable", None, [Some("already_active"), Some("already_active"), GONE[0], GONE[1]])
        .await;
    assert_eq!(fleet.statuses(), ["active", "active", "decommissioned", "uninstalled", "active"]);
    let events = fleet.app.database().events(fleet.active.id());
    let change = |from: &str, to: &str| ("status_changed".into(), json!({"from": from, "to": to}));
    assert_eq!(events[1..], [change("active", "disabled"), change("disabled", "active")]);
}

#[tokio::test]
async fn many_agents_are_removed() {
    let fleet = Fleet::start().await;
    let task = fleet.admin.order_command(fleet.active.id(), "id").await;
    let theirs = fleet.app.admin(OTHER).order_command(fleet.foreign.id(), "id").await;
    fleet.check("decommission", None, [None, None, GONE[0], GONE[1]]).await;
    let gone = "decommissioned";
    assert_eq!(fleet.statuses(), [gone, gone, gone, "uninstalled", "active"]);
    assert_eq!(fleet.admin.task(&task).await["status"], "expired");
    assert_eq!(fleet.app.admin(OTHER).task(&theirs).await["status"], "pending");
    fleet.check("decommission", None, [GONE[0], GONE[0], GONE[0], GONE[1]]).await;
}

#[tokio::test]
async fn many_agents_get_a_tag_and_lose_it() {
    let fleet = Fleet::start().await;
    let full: Vec<_> = (0..50).map(|it| it.to_string()).collect();
    for (agent, tags) in [(&fleet.active, json!(["pilot", "a"])), (&fleet.disabled, json!(full))] {
        fleet.admin.patch(&path(agent), &json!({ "tags": tags })).await.expect(200);
    }
    let (tagged, full_tags) = (Some("already_tagged"), json!(full).to_string());
    fleet.check("add_tag", Some("pilot"), [tagged, Some("too_many_tags"), None, None]).await;
    let one = r#"["pilot"]"#;
    assert_eq!(fleet.tags(), [r#"["pilot","a"]"#, &full_tags, one, one, "[]"]);
    let not = Some("not_tagged");
    fleet.check("remove_tag", Some("pilot"), [None, not, None, None]).await;
    assert_eq!(fleet.tags(), [r#"["a"]"#, &full_tags, "[]", "[]", "[]"]);
    fleet.check("remove_tag", Some("pilot"), [not; 4]).await;
    // A full agent that has the tag is told that, not that it is full.
    fleet.check("add_tag", Some("7"), [None, tagged, None, None]).await;
}

#[tokio::test]
async fn one_call_is_one_entry_of_the_log() {
    let fleet = Fleet::start().await;
    let admin = &fleet.admin;
    let entries = async |action: &str| {
        let page = admin.get(&format!("/api/audit?action={action}")).await.expect(200).data();
        page["entries"].as_array().expect("a list").clone()
    };
    let everybody = [
        (&fleet.active, "active"),
        (&fleet.disabled, "disabled"),
        (&fleet.removed, "decommissioned"),
        (&fleet.left, "uninstalled"),
    ];
    for (action, tag, name, changed) in [
        ("add_tag", Some("x"), "agent.tag", &everybody[..]),
        ("remove_tag", Some("x"), "agent.untag", &everybody[..]),
        ("disable", None, "agent.disable", &everybody[..1]),
        (
            "enable",
            None,
            "agent.enable",
            &[(&fleet.active, "disabled"), (&fleet.disabled, "disabled")][..],
        ),
    ] {
        bulk(admin, &fleet.all(), action, tag).await.expect(200);
        let [entry] = &entries(name).await[..] else { panic!("{name}") };
        assert_eq!(
            (&entry["actor"], &entry["target_type"]),
            (&json!("user_admin"), &json!("agent"))
        );
        // Those that changed, each with what it was; not those that were only asked for.
        let mut named = entry["after"]["details"]["agents"].as_array().expect("a list").clone();
        named.sort_by_key(|it| it["id"].to_string());
        let mut expected: Vec<_> =
            changed.iter().map(|(it, was)| json!({"id": it.id(), "status": was})).collect();
        expected.sort_by_key(|it| it["id"].to_string());
        assert_eq!(named, expected, "{name}");
        // Where nothing changes, there is nothing to tell.
        bulk(admin, &fleet.all(), action, tag).await.expect(200);
        assert_eq!(entries(name).await.len(), 1, "{name}");
    }
    let before = entries("agent.decommission").await.len();
    bulk(admin, &fleet.all(), "decommission", None).await.expect(200);
    assert_eq!(entries("agent.decommission").await.len(), before + 1);
    assert_eq!(
        fleet.app.admin(OTHER).get("/api/audit?action=agent.").await.expect(200).data()["total"],
        0
    );
}

#[tokio::test]
async fn many_need_the_permission_that_one_needs() {
    let fleet = Fleet::start().await;
    let operator = operator(&fleet.app);
    let all = fleet.all();
    bulk(&operator, &all, "add_tag", Some("x")).await.expect(200);
    let (statuses, tags) = (fleet.statuses(), fleet.tags());
    for (action, tag) in [("decommission", None), ("remove_tag", Some("x"))] {
        let answer = bulk(&operator, &all, action, tag).await.expect(403);
        assert_eq!(answer.error(), "Insufficient permissions", "{action}");
    }
    assert_eq!((fleet.statuses(), fleet.tags()), (statuses, tags));
    bulk(&operator, &all, "disable", None).await.expect(200);
    bulk(&operator, &all, "enable", None).await.expect(200);
}

#[tokio::test]
async fn an_order_for_many_has_bounds() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let actions = r#"Invalid option: expected one of "enable"|"disable"|"decommission"|"add_tag"|"remove_tag""#;
    let id = json!([agent.id()]);
    let many = |count: usize| -> Value { (0..count).map(|it| format!("nobody-{it}")).collect() };
    for (body, path, message) in [
        (
            json!({"agent_ids": [], "action": "disable"}),
            "agent_ids",
            "At least one agent_id is required",
        ),
        (
            json!({"action": "disable"}),
            "agent_ids",
            "Invalid input: expected array, received undefined",
        ),
        (
            json!({"agent_ids": [7], "action": "disable"}),
            "agent_ids.0",
            "Invalid input: expected string, received number",
        ),
        (
            json!({"agent_ids": many(1001), "action": "disable"}),
            "agent_ids",
            "Too big: expected array to have <=1000 items",
        ),
        (json!({"agent_ids": id, "action": "uninstall"}), "action", actions),
        (json!({"agent_ids": id}), "action", actions),
        (json!({"agent_ids": id, "action": "add_tag", "tag": ""}), "tag", "Tag is required"),
        (
            json!({"agent_ids": id, "action": "remove_tag"}),
            "tag",
            "Invalid input: expected string, received undefined",
        ),
        (
            json!({"agent_ids": id, "action": "add_tag", "tag": "x".repeat(65)}),
            "tag",
            "Too big: expected string to have <=64 characters",
        ),
    ] {
        let answer = admin.post(&format!("{AGENTS}/bulk"), &body).await.expect(400);
        assert_eq!(answer.json()["details"], json!([{"path": path, "message": message}]), "{body}");
    }
    let mut most = many(999);
    most.as_array_mut().expect("a list").push(json!(agent.id()));
    let outcome = bulk(&admin, &most, "disable", None).await.expect(200).data();
    assert_eq!(outcome["updated"], json!([agent.id()]));
    assert_eq!(outcome["skipped"].as_array().expect("a list").len(), 999);
}
