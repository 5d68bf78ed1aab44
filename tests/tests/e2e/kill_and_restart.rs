//! The real program dies at the worst moments and starts again on the same state: nothing is lost,
//! nothing happens twice. And when it is asked to stop, it finishes what it does.
//!
//! It must have been built: `cargo build --release -p cli`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tests::{
    Agent, Machine, Operator,
    agent::{Ended, Heard, Job, Outcome, Submitted, Verdict, When, Work},
    executables::executable,
    program::{Installation, Program},
    upload::Multipart,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
};

const TEST: &str = "3d7c0a52-6f0d-4a38-8a0e-0d7c4d9f6b11";
const TAKEN: Heard = Heard::Answered { status: 200, adopted_key: false };

/// An installation whose program dies and is started again.
#[derive(Clone)]
struct Keeper {
    installation: Arc<Installation>,
    program: Arc<Mutex<Option<Program>>>,
}

impl Keeper {
    /// With its operator, who is signed in for longer than any of this takes.
    async fn start() -> (Self, Operator) {
        let installation = Installation::new().expect("an installation");
        let program = installation.start().await.expect("it starts");
        let operator = Operator::new(&installation.server(), "local", program.admin_token());
        (
            Self {
                installation: Arc::new(installation),
                program: Arc::new(Mutex::new(Some(program))),
            },
            operator,
        )
    }

    async fn kill(&self) {
        if let Some(program) = self.program.lock().await.take() {
            program.kill().await.expect("it dies");
        }
    }

    /// Starts it unless it runs.
    async fn revive(&self) {
        let mut program = self.program.lock().await;
        if program.is_none() {
            *program = Some(self.installation.start().await.expect("it starts"));
        }
    }

    /// An agent that has the program started again whenever it waits.
    async fn enroll(&self, operator: &Operator) -> Agent {
        let token = operator.mint(1).await;
        let agent = Agent::enroll(&self.installation.server(), Machine::default(), &token)
            .await
            .expect("it enrolls");
        let keeper = self.clone();
        agent.pausing(move |_| {
            let keeper = keeper.clone();
            Box::pin(async move { keeper.revive().await })
        })
    }
}

/// A place in the life of a task, and whether the answer that was on its way is lost, too.
type Step = (When, Method, &'static str, Verdict);

fn steps() -> Vec<Step> {
    let requests = [
        (Method::GET, "/api/agent/tasks"),
        (Method::PATCH, "/status"),
        (Method::GET, "/binary/"),
        (Method::POST, "/result"),
    ];
    let mut steps = Vec::new();
    for (method, part) in requests {
        steps.push((When::BeforeRequest, method.clone(), part, Verdict::Pass));
        steps.push((When::AfterAnswer, method.clone(), part, Verdict::Pass));
        steps.push((When::AfterAnswer, method, part, Verdict::Cut));
    }
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_survives_the_death_of_the_server_at_every_step() {
    let (keeper, operator) = Keeper::start().await;
    let enrolled = keeper.enroll(&operator).await;
    operator.upload_build(TEST, &executable(&vec![3; 1 << 20])).await;
    for (when, method, part, verdict) in steps() {
        let runs = Arc::new(AtomicUsize::new(0));
        let (counted, killer, deaths) =
            (runs.clone(), keeper.clone(), Arc::new(AtomicUsize::new(0)));
        let what = format!("{when:?} {method} {part} {verdict:?}");
        let mut agent = enrolled
            .clone()
            .running(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                Outcome::of(101, "")
            })
            .watched(move |moment| {
                let is_it =
                    moment.is(when, &method, part) && deaths.fetch_add(1, Ordering::SeqCst) == 0;
                let killer = killer.clone();
                Box::pin(async move {
                    if !is_it {
                        return Verdict::Pass;
                    }
                    killer.kill().await;
                    verdict
                })
            });
        let id = operator.order_test(agent.id(), TEST).await;
        let mut work = agent.work().await;
        keeper.revive().await;
        if work == Work::Nothing {
            keeper.installation.database().age_task(&id, Duration::from_secs(21));
            work = agent.work().await;
        }
        keeper.revive().await;
        assert_eq!(
            work,
            Work::Done { task_id: id.clone(), submitted: Submitted::Accepted },
            "{what}"
        );
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{what}");
        let task = operator.task(&id).await;
        let expected = (&json!("completed"), &json!(101), &json!(false));
        assert_eq!(
            (&task["status"], &task["result"]["exit_code"], &task["late"]),
            expected,
            "{what}"
        );
        let completions = "SELECT count(*) FROM agent_events WHERE event_type = 'task_completed'
                              AND details ->> '$.task_id' = ?1";
        assert_eq!(keeper.installation.database().value::<i64>(completions, [&id]), 1, "{what}");
        keeper.installation.database().end_windows();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_stored_once_however_the_server_dies_while_it_is_sent() {
    let (keeper, operator) = Keeper::start().await;
    let enrolled = keeper.enroll(&operator).await;
    for round in 0..8 {
        let killings = Arc::new(Mutex::new(JoinSet::new()));
        let (killer, begun) = (keeper.clone(), killings.clone());
        let mut agent = enrolled.clone().watched(move |moment| {
            let (killer, begun) = (killer.clone(), begun.clone());
            Box::pin(async move {
                if moment.attempt == 1 && moment.is(When::BeforeRequest, &Method::POST, "/result") {
                    // At the same time as the request, sooner or later.
                    begun.lock().await.spawn(async move {
                        tokio::time::sleep(Duration::from_micros(round * 700)).await;
                        killer.kill().await;
                    });
                }
                Verdict::Pass
            })
        });
        let id = operator.order_command(agent.id(), &format!("echo {round}")).await;
        assert_eq!(
            agent.work().await,
            Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
        );
        while killings.lock().await.join_next().await.is_some() {}
        keeper.revive().await;
        let task = operator.task(&id).await;
        assert_eq!(
            (&task["status"], &task["late"]),
            (&json!("completed"), &json!(false)),
            "round {round}"
        );
        keeper.installation.database().end_windows();
    }
    let completed =
        keeper.installation.database().count("agent_events WHERE event_type = 'task_completed'");
    assert_eq!(completed, 8);
}

// fleet.md §8.11 item 8, D-68: the result itself made the agent unknown.
#[tokio::test(flavor = "multi_thread")]
async fn an_uninstallation_is_reported_though_the_server_dies_with_its_answer() {
    let (keeper, operator) = Keeper::start().await;
    let deaths = Arc::new(AtomicUsize::new(0));
    let (killer, counted) = (keeper.clone(), deaths.clone());
    let mut agent = keeper.enroll(&operator).await.watched(move |moment| {
        let is_it = moment.is(When::AfterAnswer, &Method::POST, "/result")
            && counted.fetch_add(1, Ordering::SeqCst) == 0;
        let killer = killer.clone();
        Box::pin(async move {
            if !is_it {
                return Verdict::Pass;
            }
            killer.kill().await;
            Verdict::Cut
        })
    });
    let id = operator.order_uninstall(agent.id(), true).await;
    let work = agent.work().await;
    keeper.revive().await;
    assert_eq!(work, Work::Done { task_id: id.clone(), submitted: Submitted::Accepted });
    assert_eq!(deaths.load(Ordering::SeqCst), 2, "it was answered twice");
    assert_eq!(agent.ended, Some(Ended::Uninstalled));
    assert_eq!(operator.agent(agent.id()).await["status"], "uninstalled");
    let completed =
        keeper.installation.database().count("agent_events WHERE event_type = 'task_completed'");
    assert_eq!(completed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_the_server_dies_in_is_begun_again() {
    let (keeper, operator) = Keeper::start().await;
    let agent = keeper.enroll(&operator).await;
    let binary = executable(&vec![3; 40 << 20]);
    operator.upload_build(TEST, &binary).await;
    let id = operator.order_test(agent.id(), TEST).await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let path = format!("/api/agent/tasks/{id}/status");
    agent.patch(&path, &json!({ "status": "downloading" })).send().await.expect(200);

    let download = format!("/api/agent/binary/{TEST}?test_uuid={TEST}");
    let mut body = agent.get(&download).open().await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    keeper.kill().await;
    assert!(body.collect().await.is_err(), "the rest was never sent");

    keeper.revive().await;
    assert!(agent.get(&download).send().await.expect(200).body == binary);
    agent.patch(&path, &json!({ "status": "downloading" })).send().await.expect(200);
    agent.patch(&path, &json!({ "status": "executing" })).send().await.expect(200);
}

/// The beginning of an upload, and then what a test says.
fn upload(
    operator: &Operator,
    mut content: Vec<u8>,
    between: impl Future<Output = ()> + Send + 'static,
) -> tests::Request<'_> {
    let second = content.split_off(content.len() / 2);
    let head = [Multipart::file_head("file", "test"), content].concat();
    let chunks = futures::stream::unfold((0, Some(between)), move |(n, between)| {
        let (head, second) = (head.clone(), second.clone());
        async move {
            let chunk = match n {
                0 => head,
                1 => {
                    between?.await;
                    return Some((Bytes::from(second), (2, None)));
                }
                2 => Multipart::tail(),
                _ => return None,
            };
            Some((Bytes::from(chunk), (n + 1, between)))
        }
    });
    let path = format!("/api/tests/builds/{TEST}/upload-binary");
    operator
        .request(Method::POST, &path)
        .set("content-type", Multipart::content_type())
        .stream(Box::pin(chunks))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_server_dies_in_leaves_nothing_visible() {
    let (keeper, operator) = Keeper::start().await;
    let path = format!("/api/tests/builds/{TEST}");
    let first = executable(&vec![1; 1 << 20]);
    for is_replacement in [false, true] {
        if is_replacement {
            operator.upload_build(TEST, &first).await;
        }
        let before: Value = operator.get(&path).await.expect(200).json();
        let killer = keeper.clone();
        let dying =
            upload(&operator, executable(&vec![2; 16 << 20]), async move { killer.kill().await });
        assert!(dying.try_send().await.is_err());
        keeper.revive().await;
        assert_eq!(
            operator.get(&path).await.expect(200).json(),
            before,
            "replacement: {is_replacement}"
        );
    }
    let download = operator.get(&format!("{path}/download")).await.expect(200);
    assert!(download.body == first, "what was there is as it was");
    let second = executable(&vec![2; 16 << 20]);
    operator.upload_build(TEST, &second).await;
    assert!(operator.get(&format!("{path}/download")).await.expect(200).body == second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_the_death_of_the_server_between_its_steps() {
    let (keeper, operator) = Keeper::start().await;
    let mut agent = keeper.enroll(&operator).await;
    let key = operator.rotate_key(agent.id()).await;
    keeper.kill().await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    assert_eq!(agent.identity.agent_key, key);
    keeper.kill().await;
    assert_eq!(agent.heartbeat().await, TAKEN);
    keeper.kill().await;
    let mut agent = agent.restarted();
    assert_eq!(agent.heartbeat().await, TAKEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_confirmed_is_kept() {
    let (keeper, operator) = Keeper::start().await;
    let mut agent = keeper.enroll(&operator).await.running(|job| Outcome::of(0, job.name()));
    let mut ordered = Vec::new();
    for n in 0..3 {
        ordered.push(operator.order_command(agent.id(), &format!("echo {n}")).await);
        keeper.kill().await;
        keeper.revive().await;
    }
    let mut worked: Vec<String> = Vec::new();
    for work in agent.work_all().await {
        let Work::Done { task_id, .. } = work else { panic!("{work:?}") };
        worked.push(task_id);
    }
    assert_eq!(worked, ordered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_stop_finishes_what_it_does() {
    let (keeper, operator) = Keeper::start().await;
    let program = keeper.program.lock().await.take().unwrap();
    let program = Arc::new(program);
    let stopping = program.clone();
    let address = keeper.installation.address();
    let content = executable(&vec![2; 4 << 20]);
    let in_flight = upload(&operator, content.clone(), async move {
        stopping.terminate().await.unwrap();
        // It is stopping as soon as nobody new is let in.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    in_flight.send().await.expect(200);
    let program = Arc::into_inner(program).expect("nobody else holds it");
    assert_eq!(program.ended(Duration::from_secs(20)).await.unwrap(), 0);

    keeper.revive().await;
    let download = operator.get(&format!("/api/tests/builds/{TEST}/download")).await.expect(200);
    assert!(download.body == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_keep_a_server_from_stopping() {
    let (keeper, _) = Keeper::start().await;
    let mut connection = TcpStream::connect(keeper.installation.address()).await.unwrap();
    connection.write_all(b"GET /api/health HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    assert!(connection.read(&mut [0; 4096]).await.unwrap() > 0);
    let program = keeper.program.lock().await.take().unwrap();
    program.terminate().await.unwrap();
    assert_eq!(program.ended(Duration::from_secs(10)).await.unwrap(), 0);
}

// A3 37
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_an_operator_why_an_agent_is_turned_away() {
    let (keeper, operator) = Keeper::start().await;
    let agent = keeper.enroll(&operator).await;
    agent.get("/api/agent/tasks").without("x-request-timestamp").send().await.expect(401);
    let program = keeper.program.lock().await.take().unwrap();
    program.logged("missing X-Request-Timestamp").await.unwrap();
    assert!(!program.log().contains(&agent.identity.agent_key));
}

// The whole of a test's life over a real connection.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_lives_over_the_network() {
    let (keeper, operator) = Keeper::start().await;
    let binary = executable(&vec![3; 5 << 20]);
    let expected = binary.clone();
    let mut agent = keeper.enroll(&operator).await.running(move |job| match job {
        Job::Test { binary, .. } => Outcome::of(i64::from(binary != expected), "over the network"),
        Job::Command { .. } => Outcome::of(99, ""),
    });
    assert_eq!(agent.identity.server_url, format!("http://{}", keeper.installation.address()));
    assert_eq!(agent.heartbeat().await, TAKEN);
    operator.upload_build(TEST, &binary).await;
    let id = operator.order_test(agent.id(), TEST).await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
    );
    assert_eq!(operator.task(&id).await["result"]["exit_code"], 0);
    assert_eq!(agent.work().await, Work::Nothing);
}
