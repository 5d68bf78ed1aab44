//! What a caller can make us hold in memory and for how long: whoever is greedy is refused, and their
//! neighbours in the same instance are served.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};
use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App, Person, Request, Setup,
    executables::{ELF_AMD64, elf},
    upload::Multipart,
};

const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
/// What strangers may send at once.
const MOST: usize = 10 << 20;

/// `[item,item,…]` of this size.
fn many(item: &str, size: usize) -> Vec<u8> {
    let count = (size - 2) / (item.len() + 1);
    let items = vec![item; count].join(",");
    format!("[{items}]").into_bytes()
}

/// `{"token":[item,item,…]}`
fn within(key: &str, item: &str, size: usize) -> Vec<u8> {
    let head = format!("{{\"{key}\":");
    [head.as_bytes(), &many(item, size - head.len() - 1), b"}"].concat()
}

/// An object of as many distinct keys as fit.
fn keys(size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size);
    text.push('{');
    for index in 0.. {
        let entry = format!("\"{index:x}\":0,");
        if text.len() + entry.len() > size - 1 {
            break;
        }
        text.push_str(&entry);
    }
    text.pop();
    text.push('}');
    text.into_bytes()
}

fn greedy(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("numbers", within("token", "0", size)),
        ("empty lists", within("token", "[]", size)),
        ("small objects", within("token", "{\"\":0}", size)),
        ("nested lists", within("token", "[[[[[[[[]]]]]]]]", size)),
        ("empty texts", within("token", "\"\"", size)),
        ("keys", keys(size)),
        ("a list of numbers", many("0", size)),
        ("long text", format!("{{\"token\":\"{}\"}}", "x".repeat(size - 12)).into_bytes()),
        ("escapes", format!("{{\"token\":\"{}\"}}", "\\n".repeat(size / 2 - 6)).into_bytes()),
    ]
}

fn json_body(request: Request<'_>, body: Vec<u8>) -> Request<'_> {
    request.set("content-type", "application/json").raw_body(body)
}

/// Somebody else in the same instance, all the while.
async fn neighbours(app: &App, greedy: impl Future<Output = ()>) {
    let others = async {
        loop {
            let answer = app.get("/api/health").send().await;
            assert_eq!(answer.status, 200);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! { () = others => {} () = greedy => {} }
}

#[track_caller]
fn is_refused(answer: &Answer, what: &str) {
    assert!(matches!(answer.status.as_u16(), 400 | 401 | 413), "{what}: {}", answer.status);
    assert!(answer.body.len() < 1 << 20, "{what}: {} bytes", answer.body.len());
}

#[tokio::test]
async fn small_values_in_great_number_do_not_fill_the_memory() {
    let app = App::start().await;
    neighbours(&app, async {
        for (what, body) in greedy(MOST) {
            let answer = json_body(app.post("/api/agent/enroll"), body).send().await;
            is_refused(&answer, what);
        }
    })
    .await;
}

#[tokio::test]
async fn an_agents_result_of_many_values_does_not_fill_the_memory() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let task = app.admin("org-1").order_command(agent.id(), "id").await;
    let path = format!("/api/agent/tasks/{task}/result");
    neighbours(&app, async {
        for (what, body) in greedy(16 << 20) {
            let answer = json_body(agent.request(Method::POST, &path), body).send().await;
            is_refused(&answer, what);
        }
        // What is stored of a control is a hundred times what was sent.
        for control in ["{}", "{\"techniques\":[1]}"] {
            let lists = within("controls", control, 150_000);
            let body = [b"{\"exit_code\":0,\"bundle_results\":", &lists[..], b"}"].concat();
            let answer = json_body(agent.request(Method::POST, &path), body).send().await;
            is_refused(&answer, control);
        }
    })
    .await;
}

#[tokio::test]
async fn an_operators_order_of_many_mistakes_is_not_answered_with_all_of_them() {
    let app = App::start().await;
    let metadata = String::from_utf8(keys(MOST - 100)).expect("text");
    let body = format!("{{\"org_id\":\"org-1\",\"metadata\":{metadata}}}").into_bytes();
    neighbours(&app, async {
        let request = app.post("/api/agent/admin/tokens").bearer(Person::admin("org-1").token());
        is_refused(&json_body(request, body).send().await, "metadata");
        for body in [within("agent_ids", "1", MOST), within("arguments", "1", MOST)] {
            let request = app.post("/api/agent/admin/tasks").bearer(Person::admin("org-1").token());
            is_refused(&json_body(request, body).send().await, "lists");
        }
    })
    .await;
}

#[tokio::test]
async fn many_who_send_much_at_once_do_not_fill_the_memory() {
    let app = App::start().await;
    let body = Bytes::from(greedy(MOST).swap_remove(7).1);
    let all = async {
        let requests = (0..48).map(|_| {
            let request = app.post("/api/agent/enroll").set("content-type", "application/json");
            request.raw_body(body.clone()).send()
        });
        for answer in join_all(requests).await {
            // Whoever finds no room is told to come again.
            assert!(matches!(answer.status.as_u16(), 400 | 503), "{}", answer.status);
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some(), "{}", answer.text());
            }
        }
    };
    neighbours(&app, all).await;
    // Afterwards there is room again.
    let answer = json_body(app.post("/api/agent/enroll"), body.to_vec()).send().await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn many_who_send_much_and_never_end_leave_their_room_to_others() {
    let app = App::start().await;
    for _ in 0..3 {
        let stalled = || {
            let body = stream::iter([Bytes::from(vec![b' '; 9 << 20])]).chain(stream::pending());
            let request = app.post("/api/agent/enroll").set("content-type", "application/json");
            request.stream(body).send()
        };
        let all = join_all((0..32).map(|_| stalled()));
        // They are cut off after a while, as by a network.
        assert!(tokio::time::timeout(Duration::from_secs(2), all).await.is_err());
    }
    let answer = json_body(app.post("/api/agent/enroll"), b"{}".to_vec()).send().await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn agents_that_hand_in_much_at_once_lose_nothing() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    let token = admin.mint(40).await;
    let mut agents = Vec::new();
    for _ in 0..40 {
        let agent = tests::Agent::enroll(app.server(), tests::Machine::default(), &token).await;
        let agent = agent.expect("it enrolls");
        let task = admin.order_command(agent.id(), "id").await;
        agents.push((agent, task));
    }
    app.database().execute("UPDATE tasks SET status = 'executing'", []);
    // Control characters are escaped sixfold.
    let output = "\u{1}".repeat(1 << 20);
    let body = json!({"exit_code": 0, "stdout": output, "stderr": output});
    let body = Bytes::from(body.to_string());
    let hand_in = async |(agent, task): &(tests::Agent, String)| {
        let path = format!("/api/agent/tasks/{task}/result");
        loop {
            let answer = agent.request(Method::POST, &path).raw_body(body.clone()).send().await;
            match answer.status.as_u16() {
                200 => return,
                503 => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("{other}: {}", answer.text()),
            }
        }
    };
    join_all(agents.iter().map(hand_in)).await;
    let done = "SELECT count(*) FROM tasks WHERE status = 'completed'
                   AND length(json_extract(result, '$.stdout')) = 1048576";
    assert_eq!(app.database().value::<i64>(done, []), 40);
}

fn upload<'a>(app: &'a App, what: &str) -> Request<'a> {
    let path = match what {
        "release" => "/api/agent/admin/versions/upload".to_owned(),
        _ => format!("/api/tests/builds/{TEST}/upload-binary"),
    };
    app.post(&path).bearer(Person::admin("org-1").token())
}

/// More than there is memory for.
fn filled(head: &str, filler: &'static [u8]) -> impl futures::Stream<Item = Bytes> + use<> {
    let chunk = Bytes::from(filler.repeat((64 << 10) / filler.len()));
    stream::iter([Bytes::from(head.to_owned())]).chain(stream::repeat(chunk).take(2000))
}

#[tokio::test]
async fn a_form_that_never_comes_to_its_point_does_not_fill_the_memory() {
    let app = Setup::default().options(|it| it.memory_limit = 64 << 20).start().await;
    let part = "--x\r\nContent-Disposition: form-data; name=\"os\"\r\n";
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n#!";
    let parts = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
    let requests = [
        ("a preamble", "build", String::new(), &b"x"[..]),
        ("a preamble of lines", "release", String::new(), b"\r\n"),
        ("almost a boundary", "release", String::new(), b"\r\n--"),
        ("headers", "build", part.to_owned(), b"X-Filler: x\r\n"),
        ("one header", "release", format!("{part}X-Filler: "), b"x"),
        ("a text", "release", format!("{part}\r\n"), b"x"),
        ("parts", "build", String::new(), parts),
        ("a file of line ends", "build", file.to_owned(), b"\r\n"),
        ("a file of almost boundaries", "build", file.to_owned(), b"\r\n--"),
    ];
    for (shape, route, head, filler) in requests {
        let request = upload(&app, route).set("content-type", "multipart/form-data; boundary=x");
        let request = request.stream(filled(&head, filler));
        neighbours(&app, async { is_refused(&request.send().await, shape) }).await;
    }
    let answer = app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_boundary_has_a_length() {
    let app = App::start().await;
    for length in [1, 70, 1000, 60_000] {
        let boundary = "b".repeat(length);
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--{boundary}--\r\n"
        );
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request = upload(&app, "build").set("content-type", kind).raw_body(body);
        let answer = request.send().await;
        assert!(matches!(answer.status.as_u16(), 400 | 431), "{length}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_search_may_be_long() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    app.admin("org-1").order_command(agent.id(), "id").await;
    for length in [1000, 20_000, 49_990, 50_010, 60_000] {
        for letter in ["x", "_"] {
            let text = letter.repeat(length);
            for filter in ["tasks?search", "agents?hostname", "agents?tag", "tasks?agent_id"] {
                let path = format!("/api/agent/admin/{filter}={text}");
                let answer = app.get(&path).bearer(Person::admin("org-1").token()).send().await;
                assert!(
                    matches!(answer.status.as_u16(), 200 | 400),
                    "{filter} {length}: {}",
                    answer.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn the_greatest_order_is_carried_out_in_time() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    app.admin("org-1").upload_build(TEST, &elf(ELF_AMD64)).await;
    let order = json!({
        "org_id": "org-1", "agent_ids": [agent.id()], "test_uuid": TEST, "test_name": "x".repeat(255),
        "binary_name": "b", "arguments": vec!["\u{1}".repeat(4096); 256], "execution_timeout": 86_400,
    });
    let start = Instant::now();
    let answer = app.admin("org-1").post("/api/agent/admin/tasks", &order).await.expect(201);
    let id = answer.data()["task_ids"][0].as_str().expect("text").to_owned();
    assert_eq!(app.admin("org-1").task(&id).await["payload"]["arguments"], order["arguments"]);
    let task = agent.get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!(task["payload"]["arguments"], order["arguments"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_page_of_great_tasks_is_shown() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    admin.order_command(agent.id(), "id").await;
    let columns = "SELECT group_concat(name) FROM pragma_table_info('tasks') WHERE name NOT IN ('id', 'result')";
    let columns: String = app.database().value(columns, []);
    // Results of 1 MiB each, as many as a page may show.
    let copy = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
         INSERT INTO tasks (id, result, {columns})
         SELECT printf('00000000-0000-4000-8000-%012d', i),
                json_object('exit_code', 0, 'stdout', printf('%.*c', 1048576, 'x')), {columns} FROM tasks, n"
    );
    app.database().execute(&copy, []);
    neighbours(&app, async {
        let request =
            app.get("/api/agent/admin/tasks?limit=500").bearer(Person::admin("org-1").token());
        let answer = request.send().await.expect(200);
        let page: Value = answer.data();
        let tasks = page["tasks"].as_array().expect("a list");
        assert_eq!((&page["total"], tasks.len()), (&json!(500), 500));
        // The last one that was made has no result.
        let result = &tasks[1]["result"];
        assert_eq!((&result["truncated"], &result["exit_code"]), (&json!(true), &json!(0)));
        assert_eq!(result["stdout"].as_str().map(str::len), Some(1024));
        // On a small page, and alone, it is there in full.
        let page = admin.get("/api/agent/admin/tasks?limit=5").await.expect(200).data();
        assert_eq!(page["tasks"][1]["result"]["stdout"].as_str().map(str::len), Some(1 << 20));
    })
    .await;
}

#[tokio::test]
async fn uploads_at_once_do_not_fill_the_memory() {
    let app = App::start().await;
    let file = [elf(ELF_AMD64), vec![7; 12 << 20]].concat();
    let all = async {
        let uploads = (0..24).map(|index| {
            let uuid = format!("2f0b3f06-2f0d-4b44-93d9-{index:012}");
            let path = format!("/api/tests/builds/{uuid}/upload-binary");
            let request = app.post(&path).bearer(Person::admin("org-1").token());
            Multipart::new().file("file", "f", &file).into_request(request).send()
        });
        for answer in join_all(uploads).await {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    neighbours(&app, all).await;
}
