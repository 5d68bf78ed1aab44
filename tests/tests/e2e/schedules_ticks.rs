//! Runs of schedules: each occurrence once for each agent, whoever ticks and dies, and whenever.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::{
    Agent, App, Machine, Operator,
    executables::{ELF_AMD64, elf},
    program::Installation,
};

const PATH: &str = "/api/agent/admin/schedules";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// Half a day away, so that no occurrence comes while a test runs, nor within the hours it goes back.
fn daily() -> Value {
    let away = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12);
    let time = away.strftime("%H:%M").to_string();
    json!({"schedule_type": "daily", "schedule_config": {"time": time}})
}

fn once() -> Value {
    json!({"schedule_type": "once", "schedule_config": {"date": "2099-02-10", "time": "14:00"}})
}

fn counted(processed: u32, created: u32, skipped: u32, missed: u32, failed: u32) -> Value {
    json!({
        "processed": processed, "tasks_created": created, "skipped": skipped, "missed": missed,
        "failed": failed, "remaining": false,
    })
}

async fn fleet(size: usize) -> (App, Operator, Vec<Agent>) {
    let app = App::start().await;
    let admin = app.admin("org-1");
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    let mut agents = Vec::new();
    for _ in 0..size {
        agents.push(app.enroll("org-1").await);
    }
    (app, admin, agents)
}

/// A schedule of all agents. Returns its id.
async fn schedule(admin: &Operator, agents: &[Agent], timing: &Value) -> String {
    let agents: Vec<_> = agents.iter().map(Agent::id).collect();
    let created = admin.schedule(&agents, TEST, timing).await.expect(201).data();
    created["id"].as_str().expect("an id").to_owned()
}

async fn read(admin: &Operator, id: &str) -> Value {
    admin.get(&format!("{PATH}/{id}")).await.expect(200).data()
}

// A13 224, 229, 230
#[tokio::test]
async fn a_due_schedule_runs_on_all_its_agents() {
    let (app, admin, agents) = fleet(2).await;
    let id = schedule(&admin, &agents, &daily()).await;
    let next = read(&admin, &id).await["next_run_at"].clone();
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 0));
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 2, 0, 0, 0));
    let after = read(&admin, &id).await;
    assert_eq!(after["next_run_at"], next);
    assert_ne!(after["last_run_at"], Value::Null);
    let tasks = admin.get("/api/agent/admin/tasks").await.expect(200).data();
    let task = &tasks["tasks"][0];
    assert_eq!(tasks["total"], 2);
    assert_eq!((&task["status"], &task["created_by"]), (&json!("pending"), &json!("user_admin")));
    assert_eq!(
        (&task["payload"]["test_uuid"], &task["payload"]["test_name"]),
        (&json!(TEST), &json!("LSASS read"))
    );
    // And an agent can do it.
    let offered = agents[0].get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!(offered["payload"]["binary_sha256"], task["payload"]["binary_sha256"]);
}

// D-54, B7 457
#[tokio::test(flavor = "multi_thread")]
async fn five_ticks_at_once_make_one_batch() {
    let (app, admin, agents) = fleet(4).await;
    for _ in 0..3 {
        let id = schedule(&admin, &agents, &daily()).await;
        app.database().make_due(&id, SECOND);
    }
    let done = join_all((0..5).map(|_| app.tick())).await;
    let total = |key: &str| done.iter().map(|it| it[key].as_i64().expect("a count")).sum::<i64>();
    assert_eq!((total("processed"), total("tasks_created")), (3, 12), "{done:?}");
    assert_eq!(app.database().count("tasks"), 12);
}

// D-52, B7 458
#[tokio::test]
async fn reading_between_due_time_and_tick_cancels_nothing() {
    let (app, admin, agents) = fleet(1).await;
    let id = schedule(&admin, &agents, &daily()).await;
    app.database().make_due(&id, 90 * SECOND);
    let due = app.database().value::<i64>("SELECT next_run_at FROM schedules", []);
    for path in [PATH.to_owned(), format!("{PATH}/{id}"), format!("{PATH}/{id}/preview")] {
        admin.get(&path).await.expect(200);
    }
    assert_eq!(app.database().value::<i64>("SELECT next_run_at FROM schedules", []), due);
    let preview = admin.get(&format!("{PATH}/{id}/preview?n=1")).await.expect(200).data();
    assert_eq!(preview["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(app.tick().await["tasks_created"], 1);
}

// D-53, D-36, A13 227, 228, B7 461
#[tokio::test]
async fn only_active_agents_get_tasks() {
    let (app, admin, agents) = fleet(4).await;
    let id = schedule(&admin, &agents, &daily()).await;
    let set = "UPDATE agents SET status = ?2 WHERE id = ?1";
    for (agent, status) in
        agents.iter().zip(["active", "disabled", "uninstalled", "decommissioned"])
    {
        app.database().execute(set, [agent.id(), status]);
    }
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 1, 1, 0, 0));
    let left = json!([agents[0].id(), agents[1].id()]);
    assert_eq!(read(&admin, &id).await["agent_ids"], left);
    for agent in &agents[..2] {
        app.database().execute(set, [agent.id(), "decommissioned"]);
    }
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 0, 0, 0, 0));
    let after = read(&admin, &id).await;
    assert_eq!((&after["agent_ids"], &after["status"]), (&json!([]), &json!("active")));
    assert_ne!(after["next_run_at"], Value::Null);
}

// D-56
#[tokio::test]
async fn an_agent_that_is_away_gathers_one_task_and_not_one_for_each_day() {
    let (app, admin, agents) = fleet(2).await;
    let id = schedule(&admin, &agents, &daily()).await;
    app.database().make_due(&id, 3 * SECOND);
    assert_eq!(app.tick().await, counted(1, 2, 0, 0, 0));
    app.database().execute(
        "UPDATE tasks SET status = 'expired', ended_by = 'sweep' WHERE agent_id = ?1",
        [agents[0].id()],
    );
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 1, 1, 0, 0));
    let waiting = format!("tasks WHERE agent_id = '{}' AND status = 'pending'", agents[1].id());
    assert_eq!(app.database().count(&waiting), 1);
}

// D-55, A13 225, 226, B7 459
#[tokio::test]
async fn a_single_run_without_its_build_is_tried_for_an_hour_and_says_why() {
    let (app, admin, agents) = fleet(1).await;
    let id = schedule(&admin, &agents, &once()).await;
    app.database().make_due(&id, SECOND);
    admin.delete(&format!("/api/tests/builds/{TEST}")).await.expect(200);
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 1));
    let failing = read(&admin, &id).await;
    let reason = format!("Build metadata not found for test {TEST}");
    assert_eq!((&failing["status"], &failing["last_error"]), (&json!("active"), &json!(reason)));
    assert_ne!(failing["last_error_at"], Value::Null);

    // The build comes back within the hour, and the run is made.
    app.database().age_schedule(&id, HOUR / 2);
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    assert_eq!(app.tick().await, counted(1, 1, 0, 0, 0));
    let done = read(&admin, &id).await;
    assert_eq!((&done["status"], &done["last_error"]), (&json!("completed"), &Value::Null));

    // It does not, and the reason stays.
    let id = schedule(&admin, &agents, &once()).await;
    app.database().make_due(&id, SECOND);
    admin.delete(&format!("/api/tests/builds/{TEST}")).await.expect(200);
    app.tick().await;
    app.database().age_schedule(&id, HOUR + SECOND);
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 1));
    let over = read(&admin, &id).await;
    assert_eq!((&over["status"], &over["last_error"]), (&json!("completed"), &json!(reason)));
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 0));
    assert_eq!(app.database().count("tasks"), 1);
}

// D-55
#[tokio::test]
async fn a_single_run_that_nobody_could_take_says_so() {
    let (app, admin, agents) = fleet(2).await;
    let id = schedule(&admin, &agents, &once()).await;
    app.database().execute("UPDATE agents SET status = 'disabled'", []);
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 0, 2, 0, 0));
    let over = read(&admin, &id).await;
    assert_eq!(
        (&over["status"], &over["last_error"]),
        (&json!("completed"), &json!("No agent could take the run"))
    );
    assert_ne!(over["last_error_at"], Value::Null);
}

#[tokio::test]
async fn what_one_schedule_fails_at_does_not_keep_the_others() {
    let (app, admin, agents) = fleet(1).await;
    let [broken, unreadable, sound] = [
        schedule(&admin, &agents, &daily()).await,
        schedule(&admin, &agents, &daily()).await,
        schedule(&admin, &agents, &daily()).await,
    ];
    for (id, since) in [(&broken, 30), (&unreadable, 20), (&sound, 10)] {
        app.database().make_due(id, since * SECOND);
    }
    let aborting = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON tasks WHEN new.schedule_id = '{broken}'
         BEGIN SELECT RAISE(ABORT, 'broken'); END"
    );
    app.database().execute(&aborting, []);
    let skipped = "UPDATE schedules SET skipped_runs = ?2 WHERE id = ?1";
    app.database().execute(skipped, (&unreadable, -1));
    assert_eq!(app.tick().await, counted(1, 1, 0, 0, 2));
    let failing = read(&admin, &broken).await;
    let reason = "The run could not be made and is tried again";
    assert_eq!((&failing["status"], &failing["last_error"]), (&json!("active"), &json!(reason)));

    // However long it takes: nobody gives up what is not the schedule's fault.
    for id in [&broken, &unreadable] {
        app.database().age_schedule(id, 3 * HOUR);
    }
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 2));
    app.database().execute("DROP TRIGGER broken", []);
    app.database().execute(skipped, (&unreadable, 0));
    for id in [&broken, &unreadable] {
        app.database().age_schedule(id, SECOND);
    }
    assert_eq!(app.tick().await, counted(2, 2, 0, 0, 0));
    assert_eq!(read(&admin, &broken).await["last_error"], Value::Null);
}

/// A zone in which it is that hour now.
fn zone_at(hour: i8) -> (String, jiff::tz::TimeZone) {
    let ahead = match hour - jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() {
        it if it < -12 => it + 24,
        it if it > 14 => it - 24,
        it => it,
    };
    let offset = jiff::tz::Offset::from_hours(ahead).expect("less than a day");
    // In these names east is negative.
    (format!("Etc/GMT{:+}", -ahead), offset.to_time_zone())
}

// D-55, where each machine has waited for a time of its own.
#[tokio::test]
async fn only_machines_that_waited_for_an_hour_are_given_up() {
    let (app, admin, agents) = fleet(2).await;
    // At noon an hour ago was today.
    let timing = json!({
        "schedule_type": "daily", "timezone": zone_at(12).0,
        "schedule_config": {"time": "10:00", "randomize_mode": "per_machine"},
    });
    let id = schedule(&admin, &agents, &timing).await;
    app.database().make_due(&id, SECOND);
    let due_since = |agent: &Agent, since: Duration| {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::try_from(since).expect("short");
        let sql = "UPDATE schedule_agents SET next_run_at = ?2 WHERE agent_id = ?1";
        app.database().execute(sql, (agent.id(), at.as_millisecond()));
    };
    due_since(&agents[0], SECOND);
    admin.delete(&format!("/api/tests/builds/{TEST}")).await.expect(200);
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 1));
    app.database().age_schedule(&id, HOUR + SECOND);
    due_since(&agents[1], 60 * SECOND);
    // One is given up; the other is found due at once, and is tried for an hour of its own.
    assert_eq!(app.tick().await, counted(0, 0, 0, 0, 2));
    let after = read(&admin, &id).await;
    assert_eq!((&after["skipped_runs"], &after["last_run_at"]), (&json!(1), &Value::Null));
    let of =
        |agent: &Agent| after["agent_next_runs"][agent.id()].as_str().expect("a time").to_owned();
    let now = jiff::Timestamp::now().to_string();
    assert!(of(&agents[0]) > now && of(&agents[1]) < now, "{after}");
    admin.send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    app.database().age_schedule(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 1, 0, 0, 0));
    assert_eq!(app.database().value::<String>("SELECT agent_id FROM tasks", []), agents[1].id());
}

// D-51
#[tokio::test]
async fn a_machine_that_ran_with_the_fleet_does_not_run_again_that_day_at_its_own_time() {
    let (app, admin, agents) = fleet(3).await;
    // So early that most random times are to come.
    let (name, zone) = zone_at(1);
    for mode in ["fixed", "fleet"] {
        let timing = json!({
            "schedule_type": "daily", "timezone": name,
            "schedule_config": {"time": "01:00", "randomize_mode": mode},
        });
        let id = schedule(&admin, &agents, &timing).await;
        app.database().make_due(&id, SECOND);
        let ran = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
        assert_eq!(app.tick().await["tasks_created"], 3);
        let own = json!({"schedule_config": {"time": "01:00", "randomize_mode": "per_machine"}});
        let changed = admin.patch(&format!("{PATH}/{id}"), &own).await.expect(200).data();
        for agent in &agents {
            let next = changed["agent_next_runs"][agent.id()].as_str().expect("a time");
            let next: jiff::Timestamp = next.parse().expect("an instant");
            let day = |at: jiff::Timestamp| at.to_zoned(zone.clone()).date();
            assert!(day(next) > day(ran), "{mode}: {next} in {name}");
        }
    }
}

#[tokio::test]
async fn a_run_is_followed_by_the_first_one_that_no_blackout_covers() {
    let (app, admin, agents) = fleet(1).await;
    let from = jiff::Timestamp::now();
    let in_two_days = from + jiff::SignedDuration::from_hours(49);
    let period = json!([{"from": from.to_string(), "until": in_two_days.to_string()}]);
    let always = json!([{"start": "00:00", "end": "00:00"}]);
    for (windows, is_over) in [(period, false), (always, true)] {
        let id = schedule(&admin, &agents, &daily()).await;
        app.database().make_due(&id, SECOND);
        // Past the checks of a change, which would refuse what leaves no run.
        let sql = "UPDATE schedules SET blackout_windows = ?2 WHERE id = ?1";
        app.database().execute(sql, (&id, windows.to_string()));
        assert_eq!(app.tick().await["tasks_created"], 1, "{windows}");
        let after = read(&admin, &id).await;
        assert_eq!(after["status"], "active");
        if is_over {
            let reason = "No run is left outside the blackout windows";
            assert_eq!(
                (&after["next_run_at"], &after["last_error"]),
                (&Value::Null, &json!(reason))
            );
        } else {
            let next = after["next_run_at"].as_str().expect("text");
            let next: jiff::Timestamp = next.parse().expect("an instant");
            assert!(next >= in_two_days, "{next}");
            assert_eq!(after["last_error"], Value::Null);
        }
    }
}

#[tokio::test]
async fn missed_runs_follow_their_policy() {
    let (app, admin, agents) = fleet(1).await;
    for (policy, created, missed, skipped_runs) in
        [("run_once", 1, 2, 2), ("skip", 0, 3, 3), ("run_all", 3, 0, 0)]
    {
        let mut timing = daily();
        timing["missed_run_policy"] = json!(policy);
        timing["missed_run_window_seconds"] = json!(7 * 86_400);
        let id = schedule(&admin, &agents, &timing).await;
        // Two whole days before the last occurrence, so that three have passed.
        app.database().age_schedule(&id, 72 * HOUR);
        let counts = app.tick().await;
        assert_eq!(
            (&counts["tasks_created"], &counts["missed"]),
            (&json!(created), &json!(missed)),
            "{policy}: {counts}"
        );
        let after = read(&admin, &id).await;
        assert_eq!(after["skipped_runs"], json!(skipped_runs), "{policy}");
        assert_eq!(after["last_skipped_at"].is_null(), skipped_runs == 0, "{policy}");
        app.database().execute(
            "UPDATE tasks SET status = 'expired', ended_by = 'sweep' WHERE ended_by IS NULL",
            [],
        );
    }
    // Older than a day: let go, visibly.
    let id = schedule(&admin, &agents, &once()).await;
    app.database().make_due(&id, 25 * HOUR);
    assert_eq!(app.tick().await, counted(1, 0, 0, 1, 0));
    let after = read(&admin, &id).await;
    assert_eq!(after["last_error"], "The run was missed and its policy let it go");
}

// D-51, A13 241
#[tokio::test]
async fn a_machine_whose_time_has_come_runs_alone_and_not_again_that_day() {
    let (app, admin, agents) = fleet(2).await;
    let timing = json!({
        "schedule_type": "daily",
        "schedule_config": {"time": "10:00", "randomize_mode": "per_machine"},
    });
    let id = schedule(&admin, &agents, &timing).await;
    let before = read(&admin, &id).await["agent_next_runs"].clone();
    let now = jiff::Timestamp::now();
    let sql = "UPDATE schedule_agents SET next_run_at = ?2 WHERE agent_id = ?1";
    app.database().execute(sql, (agents[0].id(), now.as_millisecond() - 1000));
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 1, 0, 0, 0));
    let after = read(&admin, &id).await["agent_next_runs"].clone();
    assert_eq!(after[agents[1].id()], before[agents[1].id()]);
    let next: jiff::Timestamp =
        after[agents[0].id()].as_str().expect("text").parse().expect("an instant");
    let day = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    assert!(day(next) > day(now - jiff::SignedDuration::from_secs(1)), "{next}");
    let earliest = [&after[agents[0].id()], &after[agents[1].id()]];
    let earliest = earliest.iter().filter_map(|it| it.as_str()).min();
    assert_eq!(read(&admin, &id).await["next_run_at"].as_str(), earliest);
}

#[tokio::test]
async fn another_organisation_s_agents_and_builds_are_never_touched() {
    let (app, admin, agents) = fleet(1).await;
    let id = schedule(&admin, &agents, &daily()).await;
    // As if an agent had been moved after it was scheduled.
    app.database().execute("UPDATE agents SET org_id = 'org-2'", []);
    app.database().make_due(&id, SECOND);
    assert_eq!(app.tick().await, counted(1, 0, 1, 0, 0));
    assert_eq!(app.database().count("tasks"), 0);
}

// The largest fleet a schedule may have, each of its machines once.
#[tokio::test]
async fn ten_thousand_agents_run_in_one_tick() {
    let (app, admin, agents) = fleet(1).await;
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
                  INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at,
                                      updated_at, key_digest)
                  SELECT 'agent-' || i, org_id, 'host-' || i, os, arch, agent_version, 0, 0, 0, randomblob(32)
                    FROM n, agents";
    app.database().execute(copies, []);
    let mut ids: Vec<_> = (1..10_000).map(|it| format!("agent-{it}")).collect();
    ids.push(agents[0].id().to_owned());
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    for mode in ["fixed", "per_machine"] {
        let config = json!({"time": "10:00", "randomize_mode": mode});
        let timing = json!({"schedule_type": "daily", "schedule_config": config});
        let created = admin.schedule(&ids, TEST, &timing).await.expect(201).data();
        let schedule = created["id"].as_str().expect("an id");
        app.database().make_due(schedule, SECOND);
        let due = "UPDATE schedule_agents SET next_run_at = ?2 WHERE schedule_id = ?1 AND next_run_at IS NOT NULL";
        let now = jiff::Timestamp::now().as_millisecond();
        app.database().execute(due, (schedule, now - 1000));
        let counts = app.tick().await;
        assert_eq!(counts, counted(1, 10_000, 0, 0, 0), "{mode}");
    }
    assert_eq!(app.database().count("tasks"), 20_000);
    let more = [ids.as_slice(), &["one-more"]].concat();
    admin.schedule(&more, TEST, &daily()).await.expect(400);
}

/// The real program is killed again and again while ticks overlap: nothing is lost, nothing is double.
// D-54
#[tokio::test(flavor = "multi_thread")]
async fn death_between_ticks_loses_no_run_and_doubles_none() {
    const ROUNDS: u32 = 6;
    const SCHEDULES: usize = 8;
    let installation = Installation::new().expect("an installation");
    let program = installation.start().await.expect("it starts");
    let operator = Operator::new(&installation.server(), "local", program.admin_token());
    operator.upload_build(TEST, &elf(ELF_AMD64)).await;
    let token = operator.mint(3).await;
    let mut agents = Vec::new();
    for _ in 0..3 {
        let machine = Machine::default();
        agents.push(
            Agent::enroll(&installation.server(), machine, &token).await.expect("it enrolls"),
        );
    }
    let mut ids = Vec::new();
    for _ in 0..SCHEDULES {
        ids.push(schedule(&operator, &agents, &daily()).await);
    }
    let secret = cron_secret(&installation);
    program.kill().await.expect("it dies");
    for round in 0..ROUNDS {
        installation
            .database()
            .execute("UPDATE tasks SET status = 'expired', ended_by = 'sweep'", []);
        for id in &ids {
            installation.database().make_due(id, SECOND);
        }
        let expected = i64::from(round + 1) * i64::try_from(SCHEDULES * agents.len()).unwrap();
        let program = installation.start().await.expect("it starts");
        let server = installation.server();
        let ticks = (0..3).map(|_| {
            let request = tests::Request::new(&server, http::Method::GET, "/api/cron/schedules");
            request.bearer(&secret).try_send()
        });
        let all = join_all(ticks);
        // It dies while they run, later each round; the last round is let live.
        tokio::select! {
            _ = all => {}
            () = tokio::time::sleep(Duration::from_millis(u64::from(round) * 7)), if round + 1 < ROUNDS => {}
        }
        program.kill().await.expect("it dies");
        // Whatever was left is done by the next tick, of the next life.
        let program = installation.start().await.expect("it starts");
        let request = tests::Request::new(&server, http::Method::GET, "/api/cron/schedules");
        request.bearer(&secret).send().await.expect(200);
        let made = installation.database().count("tasks");
        assert_eq!(made, expected, "round {round}");
        program.kill().await.expect("it dies");
    }
    let doubled =
        "SELECT count(*) - count(DISTINCT schedule_id || agent_id || occurrence_at) FROM tasks";
    assert_eq!(installation.database().value::<i64>(doubled, []), 0);
}

fn cron_secret(installation: &Installation) -> String {
    let env = std::fs::read_to_string(installation.folder().join(".env")).expect("secrets");
    let line = env.lines().find_map(|it| it.strip_prefix("SPIN_VARIABLE_CRON_SECRET="));
    line.expect("a cron secret").trim_matches('"').to_owned()
}
