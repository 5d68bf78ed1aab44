//! The life of an agent, from its enrollment to its end, and the accidents it survives on the way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::{Value, json};
use tests::{
    Agent, App, Machine, Operator,
    agent::{Disk, Ended, Heard, Job, Moment, Outcome, Submitted, Verdict, When, Work},
    executables::executable,
};

const ORG: &str = "org-1";
const TEST: &str = "3d7c0a52-6f0d-4a38-8a0e-0d7c4d9f6b11";
const TAKEN: Heard = Heard::Answered { status: 200, adopted_key: false };

fn done(id: &str) -> Work {
    Work::Done { task_id: id.to_owned(), submitted: Submitted::Accepted }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_lives_its_whole_life() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let token = admin.mint(1).await;
    let mut agent = Agent::enroll(app.server(), Machine::default(), &token).await.unwrap();
    assert_eq!(agent.heartbeat().await, TAKEN);
    let seen = admin.get("/api/agent/admin/agents").await.data()["agents"][0].clone();
    assert_eq!((&seen["id"], &seen["is_online"]), (&json!(agent.id()), &json!(true)));
    assert_eq!(agent.work().await, Work::Nothing);

    let agent = runs_a_test(agent, &admin).await;
    let last = "SELECT last_heartbeat ->> '$.last_task_completed' IS NOT NULL FROM agents";
    assert!(app.database().value::<bool>(last, []));
    let agent = runs_a_command(agent, &admin).await;
    let agent = changes_its_key(agent, &admin).await;
    let agent = becomes_another_version(agent, &admin).await;
    let agent = removes_itself(agent, &admin).await;

    let kinds: Vec<String> = app.database().events(agent.id()).into_iter().map(|it| it.0).collect();
    let expected = "enrolled came_online task_completed task_completed key_rotated task_completed \
                    version_updated task_completed status_changed";
    assert_eq!(kinds.join(" "), expected);
}

/// Downloads it, proves it, runs it, reports.
async fn runs_a_test(agent: Agent, admin: &Operator) -> Agent {
    let binary = executable(&vec![0x90; 1 << 20]);
    admin.upload_build(TEST, &binary).await;
    let mut agent = agent.running(move |job| {
        let Job::Test { uuid, binary: fetched, arguments, timeout, .. } = job else {
            panic!("{job:?}")
        };
        assert!(fetched == binary, "{} bytes", fetched.len());
        assert_eq!((uuid.as_str(), arguments.join(" ").as_str(), timeout), (TEST, "--fast", 120));
        Outcome::of(126, "blocked by the endpoint's protection")
    });
    let order = json!({
        "test_uuid": TEST, "test_name": "LSASS read", "binary_name": TEST, "execution_timeout": 120,
        "arguments": ["--fast"], "priority": 5,
    });
    let test = admin.order("", agent.id(), &order).await;
    assert_eq!(agent.work().await, done(&test));
    let task = admin.task(&test).await;
    assert_eq!((&task["status"], &task["result"]["exit_code"]), (&json!("completed"), &json!(126)));
    assert_eq!(agent.last_task_completed.as_ref(), Some(&test));
    assert_eq!(agent.heartbeat().await, TAKEN);
    agent
}

async fn runs_a_command(agent: Agent, admin: &Operator) -> Agent {
    let mut agent = agent.running(|job| Outcome::of(0, &format!("{}: root", job.name())));
    let command = admin.order_command(agent.id(), "whoami").await;
    assert_eq!(agent.work().await, done(&command));
    assert_eq!(admin.task(&command).await["result"]["stdout"], "whoami: root");
    agent
}

async fn changes_its_key(mut agent: Agent, admin: &Operator) -> Agent {
    let past = agent.clone();
    let new_key = admin.rotate_key(agent.id()).await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    assert_eq!(agent.identity.agent_key, new_key);
    assert_eq!(agent.heartbeat().await, TAKEN);
    past.get("/api/agent/tasks").send().await.expect(401);
    agent
}

/// The signature is checked with the key from the enrollment.
async fn becomes_another_version(mut agent: Agent, admin: &Operator) -> Agent {
    assert_eq!(agent.identity.update_public_key.len(), 44);
    admin.publish("0.7.0", ("linux", "amd64"), false, b"the next version").await;
    let update = admin.order_update(agent.id()).await;
    assert_eq!(agent.work().await, done(&update));
    assert_eq!(agent.ended, Some(Ended::Updated));
    assert_eq!(admin.task(&update).await["result"]["stdout"], "updated to 0.7.0");
    let mut agent = agent.restarted();
    assert_eq!(agent.heartbeat().await, TAKEN);
    assert_eq!(admin.agent(agent.id()).await["agent_version"], "0.7.0");
    agent
}

async fn removes_itself(mut agent: Agent, admin: &Operator) -> Agent {
    let uninstall = admin.order_uninstall(agent.id(), true).await;
    assert_eq!(agent.work().await, done(&uninstall));
    assert_eq!(agent.ended, Some(Ended::Uninstalled));
    let refused = agent.get("/api/agent/tasks").send().await.expect(401);
    assert_eq!(refused.error(), "Invalid agent credentials");
    assert_eq!(admin.agent(agent.id()).await["status"], "uninstalled");
    agent
}

// fleet.md §8.11 item 8, D-68
#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_of_an_agent_may_be_repeated_and_no_other() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = app.enroll(ORG).await;
    let command = admin.order_command(agent.id(), "id").await;
    assert_eq!(agent.work().await, done(&command));
    let uninstall = admin.order_uninstall(agent.id(), true).await;
    assert_eq!(agent.work().await, done(&uninstall));

    let body = json!({"task_id": uninstall, "exit_code": 0, "stdout": "uninstall initiated"});
    let repeat = async |agent: &Agent, id: &str| {
        agent.post(&format!("/api/agent/tasks/{id}/result"), &body).send().await
    };
    for remaining in ["297", "296"] {
        let answer = repeat(&agent, &uninstall).await.expect(200);
        assert_eq!(answer.header("f0-task-state"), Some("terminal-idempotent"));
        assert_eq!(answer.header("ratelimit-remaining"), Some(remaining));
        assert_eq!(answer.json()["idempotent"], true);
        assert_eq!(answer.data()["id"], uninstall);
    }
    repeat(&agent, &command).await.expect(401);
    let mut stranger = agent.clone();
    stranger.identity.agent_key = format!("ak_{}", "0".repeat(64));
    repeat(&stranger, &uninstall).await.expect(401);
    agent.get("/api/agent/tasks").send().await.expect(401);
    let status = json!({"status": "failed"});
    agent.patch(&format!("/api/agent/tasks/{uninstall}/status"), &status).send().await.expect(401);
    let completions = "agent_events WHERE event_type = 'task_completed'";
    assert_eq!(app.database().count(completions), 2);
}

/// Breaks the first attempt of the n-th request, before it is sent or after it was answered.
fn breaking(
    n: usize,
    when: When,
    verdict: Verdict,
) -> impl Fn(Moment) -> futures::future::BoxFuture<'static, Verdict> {
    let seen = Arc::new(AtomicUsize::new(0));
    move |moment| {
        let is_it =
            moment.when == when && moment.attempt == 1 && seen.fetch_add(1, Ordering::SeqCst) == n;
        Box::pin(async move { if is_it { verdict } else { Verdict::Pass } })
    }
}

// Each request of a test's life fails once, in every way: the test still runs once and reports once.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_at_any_request_loses_nothing() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    admin.upload_build(TEST, &executable(b"a test")).await;
    let enrolled = app.enroll(ORG).await;
    let accidents = [
        (When::BeforeRequest, Verdict::Cut),
        (When::AfterAnswer, Verdict::Cut),
        (When::BeforeRequest, Verdict::Status(503)),
        (When::AfterAnswer, Verdict::Status(502)),
        (When::BeforeRequest, Verdict::Status(429)),
    ];
    // poll, downloading, binary, executing, result
    for request in 0..5 {
        for (when, verdict) in accidents {
            app.database().end_windows();
            let runs = Arc::new(AtomicUsize::new(0));
            let counted = runs.clone();
            let mut agent =
                enrolled.clone().watched(breaking(request, when, verdict)).running(move |_| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    Outcome::of(101, "")
                });
            let id = admin.order_test(agent.id(), TEST).await;
            let mut work = agent.work().await;
            if work == Work::Nothing {
                // The poll's answer was lost; the task is offered again before long.
                app.database().age_task(&id, std::time::Duration::from_secs(21));
                work = agent.work().await;
            }
            let what = format!("request {request} {when:?} {verdict:?}");
            assert_eq!(work, done(&id), "{what}");
            assert_eq!(runs.load(Ordering::SeqCst), 1, "{what}");
            let task = admin.task(&id).await;
            assert_eq!(
                (&task["status"], &task["late"]),
                (&json!("completed"), &json!(false)),
                "{what}"
            );
        }
    }
    assert_eq!(app.database().count("agent_events WHERE event_type = 'task_completed'"), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_while_running_a_test_is_found_out() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let id = admin.order_command(agent.id(), "crash").await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let path = format!("/api/agent/tasks/{id}/status");
    agent.patch(&path, &json!({ "status": "executing" })).send().await.expect(200);
    let mut agent = agent.restarted();
    agent.heartbeat().await;
    assert_eq!(agent.work().await, Work::Nothing, "what was begun is not begun again");
    app.database().age_task(&id, std::time::Duration::from_secs(421));
    app.maintain().await;
    assert_eq!(admin.task(&id).await["result"]["error"], json!("Task exceeded execution timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_that_is_not_what_was_ordered_is_not_run() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = app.enroll(ORG).await.running(|job| panic!("it ran {job:?}"));
    admin.upload_build(TEST, &executable(b"the first")).await;
    let id = admin.order_test(agent.id(), TEST).await;
    // Replaced between the order and its execution.
    admin.upload_build(TEST, &executable(b"the second")).await;
    let work = agent.work().await;
    assert!(matches!(&work, Work::Aborted { reason, .. } if !reason.is_empty()), "{work:?}");
    let task = admin.task(&id).await;
    assert_eq!(task["status"], "failed");
    assert!(task["result"]["error"].is_string(), "{task}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_worked_off_one_by_one() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = app.enroll(ORG).await;
    let mut ordered = Vec::new();
    for n in 0..5 {
        ordered.push(admin.order_command(agent.id(), &format!("echo {n}")).await);
        app.database().age_task(&ordered[n], std::time::Duration::from_secs(100 - n as u64));
    }
    let worked = agent.work_all().await;
    assert_eq!(worked, ordered.iter().map(|it| done(it)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_while_a_task_runs_disturbs_nothing() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = app.enroll(ORG).await;
    let (rotator, id) = (admin.clone(), agent.id().to_owned());
    let mut agent = agent.watched(move |moment| {
        let (admin, id) = (rotator.clone(), id.clone());
        Box::pin(async move {
            if moment.is(When::AfterAnswer, &Method::PATCH, "/status") {
                admin.rotate_key(&id).await;
            }
            Verdict::Pass
        })
    });
    let task = admin.order_command(agent.id(), "id").await;
    assert_eq!(agent.work().await, done(&task));
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    // A clone of the process as it was: its requests in flight are turned away once the new key is in use.
    let disk: Value = json!(agent.disk.identity().agent_key);
    assert_eq!(disk, json!(agent.identity.agent_key));
    let again = Agent::start(app.server(), Machine::default(), Disk::of(agent.disk.identity()));
    again.get("/api/agent/tasks").send().await.expect(204);
}
