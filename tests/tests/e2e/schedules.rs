//! Schedules as operators make, read, change and end them (fleet.md §5.7, §6.7).

use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Machine, Operator,
    clock::next_millisecond,
    executables::{ELF_AMD64, elf},
};

const PATH: &str = "/api/agent/admin/schedules";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";

fn daily() -> Value {
    json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}})
}

fn per_machine() -> Value {
    json!({
        "schedule_type": "daily", "timezone": "Europe/Madrid",
        "schedule_config": {"time": "10:00", "randomize_mode": "per_machine"},
    })
}

fn id(schedule: &Value) -> String {
    schedule["id"].as_str().expect("an id").to_owned()
}

async fn fleet(size: usize) -> (App, Operator, Vec<Agent>) {
    let app = App::start().await;
    let admin = app.admin("org-1");
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let mut agents = Vec::new();
    for number in 0..size {
        let machine = Machine { hostname: format!("ws-{number}"), ..Machine::default() };
        agents.push(app.enroll_machine("org-1", machine).await);
    }
    (app, admin, agents)
}

async fn create(admin: &Operator, agents: &[&Agent], timing: &Value) -> Value {
    let agents: Vec<_> = agents.iter().map(|it| it.id()).collect();
    admin.schedule(&agents, TEST, timing).await.expect(201).data()
}

async fn read(admin: &Operator, id: &str) -> Value {
    admin.get(&format!("{PATH}/{id}")).await.expect(200).data()
}

async fn change(admin: &Operator, id: &str, body: &Value) -> Answer {
    admin.patch(&format!("{PATH}/{id}"), body).await
}

// A13 207–209, 216
#[tokio::test]
async fn a_schedule_is_shown_as_documented() {
    let (_app, admin, agents) = fleet(1).await;
    let created = create(&admin, &[&agents[0]], &daily()).await;
    assert_eq!(created, read(&admin, &id(&created)).await);
    let expected = json!({
        "name": "Baseline", "agent_ids": [agents[0].id()], "org_id": "org-1", "test_uuid": TEST,
        "test_name": "LSASS read", "binary_name": TEST, "execution_timeout": 300, "priority": 1,
        "schedule_type": "daily", "schedule_config": {"time": "10:00"}, "timezone": "UTC", "last_run_at": null,
        "status": "active", "created_by": "user_admin", "target_index": null, "agent_next_runs": null,
        "missed_run_policy": "run_once", "missed_run_window_seconds": 86400, "blackout_windows": [],
        "skipped_runs": 0, "last_skipped_at": null, "last_error": null, "last_error_at": null,
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&created[key], value, "{key}");
    }
    let next = created["next_run_at"].as_str().expect("an instant");
    assert!(next.ends_with("T10:00:00.000Z"), "{next}");
    assert_eq!(created["metadata"]["score"], Value::Null);
}

// A13 213–215, 222, 223; B7 456; console.md §6.3
#[tokio::test]
async fn schedules_are_listed_page_by_page_until_they_are_deleted() {
    let (app, admin, agents) = fleet(1).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, id(&create(&admin, &[&agents[0]], &daily()).await));
        next_millisecond().await;
    }
    let list = async |query: &str| {
        let answer = admin.get(&format!("{PATH}{query}")).await.expect(200).json();
        let ids: Vec<_> = answer["data"].as_array().expect("an array").iter().map(id).collect();
        (ids, answer["total"].clone(), answer["next_cursor"].clone())
    };
    let (all, total, next) = list("").await;
    assert_eq!((all, total, next), (ids.clone(), json!(3), Value::Null));
    let (first, total, next) = list("?limit=2&org_id=org-1").await;
    assert_eq!((first.as_slice(), total), (&ids[..2], json!(3)));
    let (rest, _, end) =
        list(&format!("?limit=2&cursor={}", next.as_str().expect("a cursor"))).await;
    assert_eq!((rest.as_slice(), end), (&ids[2..], Value::Null));
    assert_eq!(list("?limit=1&offset=1").await.0, ids[1..2]);
    assert_eq!(list("?limit=0").await.0, Vec::<String>::new());
    for (status, expected) in [("active", 3), ("paused", 0), ("deleted", 0), ("nonsense", 0)] {
        assert_eq!(list(&format!("?status={status}")).await.0.len(), expected, "{status}");
    }
    let refused = admin.get(&format!("{PATH}?cursor=%25")).await.expect(400);
    assert_eq!(refused.error(), "Invalid cursor");
    assert_eq!(app.admin("org-2").get(PATH).await.expect(200).json()["total"], 0);

    let path = format!("{PATH}/{}", ids[0]);
    for _ in 0..2 {
        assert_eq!(admin.delete(&path).await.expect(200).json()["data"], Value::Null);
    }
    assert_eq!(admin.get(&path).await.expect(404).error(), "Schedule not found");
    assert_eq!(admin.get(&format!("{path}/preview")).await.status, 404);
    assert_eq!(change(&admin, &ids[0], &json!({"name": "x"})).await.status, 404);
    assert_eq!(list("").await.0, ids[1..]);
    assert_eq!(
        admin.delete(&format!("{PATH}/nobody")).await.expect(404).error(),
        "Schedule not found"
    );
}

// D-28, A13 210–212, B7 453, 454
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_wrong_with_a_schedule_is_named_field_by_field() {
    let (_app, admin, agents) = fleet(1).await;
    let agents = [agents[0].id()];
    let refuse = async |timing: Value| {
        let answer = admin.schedule(&agents, TEST, &timing).await.expect(400).json();
        let issue = |it: &Value| format!("{}: {}", it["path"], it["message"]).replace('"', "");
        match answer["details"].as_array() {
            Some(issues) => issues.iter().map(issue).collect::<Vec<_>>().join("; "),
            None => answer["error"].as_str().expect("an error").to_owned(),
        }
    };
    let of = |kind: &str, config: Value| json!({"schedule_type": kind, "schedule_config": config});
    for (timing, expected) in [
        (
            of("weekly", json!({"days": [7], "time": "10:00"})),
            "schedule_config.days.0: Too big: expected number to be <=6",
        ),
        (
            of("weekly", json!({"days": [], "time": "10:00"})),
            "schedule_config.days: Too small: expected array to have >=1 items",
        ),
        (
            of("weekly", json!({"days": [1, 1], "time": "10:00"})),
            "schedule_config.days: Invalid input: expected distinct days",
        ),
        (
            of("weekly", json!({"time": "10:00"})),
            "schedule_config.days: Invalid input: expected array, received undefined",
        ),
        (of("daily", json!({"time": "10:00", "more": 1})), "schedule_config: Invalid input"),
        (
            of("daily", json!({"time": "9am"})),
            "schedule_config.time: Invalid input: expected HH:MM",
        ),
        (
            of("daily", json!({"time": "25:61"})),
            "schedule_config.time: Invalid input: expected HH:MM",
        ),
        (of("daily", json!({"days": [1], "time": "10:00"})), "schedule_config: Invalid input"),
        (
            of("monthly", json!({"dayOfMonth": 32, "time": "24:00"})),
            "schedule_config.dayOfMonth: Too big: expected number to be <=31; schedule_config.time: Invalid input: expected HH:MM",
        ),
        (
            of("once", json!({"date": "2030-02-30", "time": "10:00"})),
            "schedule_config.date: Invalid input: expected a date of the calendar, YYYY-MM-DD",
        ),
        (
            of("once", json!({"date": "2020-02-03", "time": "10:00"})),
            "Scheduled time must be in the future",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "timezone": "Mars/X"}),
            "timezone: Invalid input: expected an IANA time zone",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "agent_ids": []}),
            "agent_ids: At least one agent_id is required",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "test_uuid": ""}),
            "test_uuid: Too small: expected string to have >=1 characters",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "missed_run_window_seconds": 59}),
            "missed_run_window_seconds: Too small: expected number to be >=60",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "blackout_windows": [{"start": "9", "end": "10:00"}]}),
            "blackout_windows.0.start: Invalid input: expected HH:MM",
        ),
        (
            json!({"schedule_type": "daily", "schedule_config": {"time": "10:00"}, "blackout_windows": [{"start": "00:00", "end": "00:00"}]}),
            "blackout_windows: No run is left outside the blackout windows",
        ),
    ] {
        assert_eq!(refuse(timing.clone()).await, expected, "{timing}");
    }
}

#[tokio::test]
async fn agents_and_build_must_be_the_organisations_own() {
    let (app, admin, agents) = fleet(1).await;
    let foreign = app.enroll("org-2").await;
    let elsewhere = app.enroll_machine("org-1", Machine::of("windows", "amd64")).await;
    let order = async |agents: &[&str], test: &str| admin.schedule(agents, test, &daily()).await;
    let answer = order(&[agents[0].id(), foreign.id()], TEST).await.expect(404);
    assert_eq!(answer.error(), format!("Agent not found: {}", foreign.id()));
    let answer = order(&[elsewhere.id()], TEST).await.expect(400);
    assert!(
        answer.error().starts_with("Agents not of the build's platform: "),
        "{}",
        answer.error()
    );
    let answer = order(&[agents[0].id()], "nope").await.expect(404);
    assert_eq!(answer.error(), "Build metadata not found for test nope");
    assert_eq!(app.database().count("schedules"), 0);
    assert_eq!(app.database().count("audit_log WHERE target_type = 'schedule'"), 0);

    let schedule = id(&create(&admin, &[&agents[0]], &daily()).await);
    let answer = change(&admin, &schedule, &json!({"agent_ids": [foreign.id()]})).await.expect(404);
    assert_eq!(answer.error(), format!("Agent not found: {}", foreign.id()));
    assert_eq!(read(&admin, &schedule).await["agent_ids"], json!([agents[0].id()]));
}

// What the command line sends (console.md §6.3).
#[tokio::test]
async fn the_command_line_leaves_names_and_organisation_to_us() {
    let (_app, admin, agents) = fleet(1).await;
    let mut order = daily();
    order["org_id"] = json!("default");
    order["test_name"] = json!("");
    order["binary_name"] = json!("");
    let created = create(&admin, &[&agents[0]], &order).await;
    assert_eq!(created["org_id"], "org-1");
    assert_eq!((&created["test_name"], &created["binary_name"]), (&json!(TEST), &json!(TEST)));
    order["org_id"] = json!("org-2");
    admin.schedule(&[agents[0].id()], TEST, &order).await.expect(403);
}

// A13 237–240, 242, 243
#[tokio::test]
async fn machines_keep_their_own_times_while_others_come_and_go() {
    let (_app, admin, agents) = fleet(3).await;
    let [one, two, three] = [&agents[0], &agents[1], &agents[2]];
    let created = create(&admin, &[one, two], &per_machine()).await;
    let times = created["agent_next_runs"].clone();
    let earliest = times.as_object().expect("times").values().filter_map(Value::as_str).min();
    assert_eq!(times.as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(created["next_run_at"].as_str(), earliest);

    let body = json!({"agent_ids": [three.id(), two.id()]});
    let changed = change(&admin, &id(&created), &body).await.expect(200).data();
    assert_eq!(changed["agent_ids"], json!([three.id(), two.id()]));
    assert_eq!(changed["agent_next_runs"][two.id()], times[two.id()]);
    assert_eq!(changed["agent_next_runs"].as_object().map(serde_json::Map::len), Some(2));

    let body = json!({"schedule_config": {"time": "10:00", "randomize_mode": "fleet"}});
    let changed = change(&admin, &id(&created), &body).await.expect(200).data();
    assert_eq!(changed["agent_next_runs"], Value::Null);
    let changed = change(&admin, &id(&created), &json!({"agent_ids": []})).await.expect(200).data();
    assert_eq!(changed["agent_ids"], json!([]));
}

// A13 218–221, B7 455, §6.7.3
#[tokio::test]
async fn pausing_keeps_the_next_run_and_resuming_computes_it_anew() {
    let (app, admin, agents) = fleet(1).await;
    let created = create(&admin, &[&agents[0]], &daily()).await;
    let schedule = id(&created);
    let changed = change(&admin, &schedule, &json!({"schedule_config": {"time": "10:07"}})).await;
    let next = changed.expect(200).data()["next_run_at"].as_str().expect("an instant").to_owned();
    assert!(next.ends_with("T10:07:00.000Z"), "{next}");
    let paused = change(&admin, &schedule, &json!({"status": "paused", "name": "B"})).await;
    let paused = paused.expect(200).data();
    assert_eq!((&paused["status"], &paused["name"]), (&json!("paused"), &json!("B")));
    assert_eq!(paused["next_run_at"], json!(next));
    app.database().age_schedule(&schedule, std::time::Duration::from_hours(72));
    assert_eq!(app.tick().await["processed"], 0, "what is paused does not run");
    let resumed = change(&admin, &schedule, &json!({"status": "active"})).await.expect(200).data();
    assert_eq!(resumed["next_run_at"], json!(next));
    for status in ["completed", "deleted", "x"] {
        change(&admin, &schedule, &json!({"status": status})).await.expect(400);
    }
    let other = json!({"schedule_config": {"days": [1], "time": "10:00"}});
    let answer = change(&admin, &schedule, &other).await.expect(400);
    assert_eq!(answer.json()["details"][0]["path"], "schedule_config");
    assert_eq!(
        change(&admin, "nobody", &json!({})).await.expect(404).error(),
        "Schedule not found"
    );
}

#[tokio::test]
async fn a_single_run_that_is_over_cannot_be_resumed() {
    let (app, admin, agents) = fleet(1).await;
    let once = json!({"schedule_type": "once", "schedule_config": {"date": "2099-02-10", "time": "14:00"}});
    let schedule = id(&create(&admin, &[&agents[0]], &once).await);
    app.database().make_due(&schedule, std::time::Duration::from_secs(1));
    assert_eq!(app.tick().await["processed"], 1);
    assert_eq!(read(&admin, &schedule).await["status"], "completed");
    app.database().execute(
        "UPDATE schedules SET schedule_config = json_set(schedule_config, '$.date', '2020-02-10')",
        [],
    );
    let answer = change(&admin, &schedule, &json!({"status": "active"})).await.expect(409);
    assert_eq!(answer.error(), "Scheduled time has passed");
    let config =
        json!({"schedule_config": {"date": "2020-02-11", "time": "14:00"}, "status": "active"});
    let answer = change(&admin, &schedule, &config).await.expect(400);
    assert_eq!(answer.error(), "Scheduled time must be in the future");
}

#[tokio::test]
async fn a_preview_is_what_the_ticks_will_do() {
    let (_app, admin, agents) = fleet(2).await;
    let mut timing = daily();
    timing["timezone"] = json!("America/New_York");
    timing["schedule_config"] = json!({"time": "02:30"});
    timing["blackout_windows"] = json!([{"start": "02:00", "end": "04:00", "days": [0]}]);
    let created = create(&admin, &[&agents[0]], &timing).await;
    let preview =
        async |id: &str, query: &str| admin.get(&format!("{PATH}/{id}/preview{query}")).await;
    let runs = preview(&id(&created), "?n=14").await.expect(200).data()["runs"].clone();
    let runs = runs.as_array().expect("runs").clone();
    assert_eq!(runs.len(), 14);
    let open: Vec<_> = runs.iter().filter(|it| it.get("skipped").is_none()).collect();
    assert_eq!(open.len(), 12, "two of fourteen days are Sundays");
    assert_eq!(open[0]["at"], created["next_run_at"]);
    assert!(open[0]["local"].as_str().expect("text").contains("T02:30:00-0"));

    let own = create(&admin, &[&agents[0], &agents[1]], &per_machine()).await;
    let data = preview(&id(&own), "?n=3").await.expect(200).data();
    assert_eq!((data["runs"].as_array().map(Vec::len), &data["more_agents"]), (Some(3), &json!(0)));
    let times = data["runs"].as_array().expect("runs").iter().flat_map(|it| {
        it["agents"].as_object().expect("times").values().cloned().collect::<Vec<_>>()
    });
    let times: Vec<_> = times.collect();
    for agent in &agents {
        assert!(times.contains(&own["agent_next_runs"][agent.id()]), "{times:?}");
    }
    for (query, message) in [("?n=0", ">=1"), ("?n=101", "<=100"), ("?n=x", "NaN")] {
        let answer = preview(&id(&own), query).await.expect(400);
        assert!(answer.error().contains(message), "{}", answer.error());
    }
}

#[tokio::test]
async fn a_dry_run_says_whom_it_would_reach_and_writes_nothing() {
    let (app, admin, agents) = fleet(2).await;
    let windows = app.enroll_machine("org-1", Machine::of("windows", "amd64")).await;
    let foreign = app.enroll("org-2").await;
    app.database().execute("UPDATE agents SET status = 'disabled' WHERE id = ?1", [agents[1].id()]);
    let mut order = daily();
    order["agent_ids"] = json!([agents[0].id(), agents[1].id(), windows.id(), foreign.id()]);
    order["org_id"] = json!("org-1");
    order["test_uuid"] = json!(TEST);
    order["test_name"] = json!("");
    order["binary_name"] = json!("");
    let run = admin.post(&format!("{PATH}?dry_run=true"), &order).await.expect(200).data();
    assert_eq!((&run["dry_run"], &run["would_create"]), (&json!(true), &json!(1)));
    assert_eq!(run["targets"], json!([{"agent_id": agents[0].id(), "hostname": "ws-0"}]));
    let reasons = run["skipped"].as_array().expect("a list").iter().map(|it| &it["reason"]);
    let expected = ["not_active", "wrong_platform", "unknown_agent"];
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    assert_eq!(run["skipped"][2]["hostname"], Value::Null);
    for word in ["yes", "TRUE", "1"] {
        let refused = admin.post(&format!("{PATH}?dry_run={word}"), &order).await.expect(400);
        assert!(refused.error().contains("dry_run"), "{}", refused.error());
    }
    assert_eq!((app.database().count("schedules"), app.database().count("tasks")), (0, 0));
}

#[tokio::test]
async fn who_changed_a_schedule_is_recorded() {
    let (app, admin, agents) = fleet(1).await;
    let schedule = id(&create(&admin, &[&agents[0]], &daily()).await);
    change(&admin, &schedule, &json!({"status": "paused"})).await.expect(200);
    admin.delete(&format!("{PATH}/{schedule}")).await.expect(200);
    admin.delete(&format!("{PATH}/{schedule}")).await.expect(200);
    let log = "SELECT json_group_array(json_array(action, actor, before ->> 'status', after ->> 'status'))
                 FROM (SELECT * FROM audit_log WHERE target_type = 'schedule' AND target_id = ?1 ORDER BY seq)";
    assert_eq!(
        app.database().json(log, [&schedule]),
        json!([
            ["schedule.create", "user_admin", null, "active"],
            ["schedule.update", "user_admin", "active", "paused"],
            ["schedule.delete", "user_admin", "paused", "deleted"],
        ])
    );
}
