//! What a guest is told of a request, and what becomes of its answer.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use crate::support::{Running, Upload, client, manifest, options, read, wasm};

/// Two routes and a private component.
fn routed() -> String {
    let guest = wasm("host_guest");
    let guest = guest.display();
    format!(
        r#"
        spin_manifest_version = 2
        application = {{ name = "routed", version = "1.2.3" }}
        [[trigger.http]]
        route = "/headers/:who/..."
        component = "headers"
        [[trigger.http]]
        route = "/count"
        component = "count"
        [[trigger.http]]
        route = {{ private = true }}
        component = "private"
        [component]
        headers = {{ source = "{guest}" }}
        count = {{ source = "{guest}" }}
        private = {{ source = "{guest}" }}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_told_how_it_was_reached() {
    let app = Running::new(&routed());
    let request = Request::get("http://example.com/headers/Me/a/b?q=1")
        .header("spin-client-addr", "10.0.0.1:1")
        .header("x-own", "1")
        .body(String::new())
        .unwrap();
    let (status, headers) = read(app.send(request).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        headers,
        "spin-base-path: /\n\
         spin-client-addr: 10.0.0.1:1\n\
         spin-client-addr: 192.0.2.7:4711\n\
         spin-component-route: /headers/:who\n\
         spin-full-url: http://example.com/headers/Me/a/b?q=1\n\
         spin-matched-route: /headers/:who/...\n\
         spin-path-info: /a/b\n\
         spin-path-match-who: Me\n\
         spin-raw-component-route: /headers/:who/...\n\
         x-own: 1\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_route_is_not_found() {
    let app = Running::new(&routed());
    assert_eq!(app.get("/").await, (http::StatusCode::NOT_FOUND, String::new()));
    assert_eq!(app.get("/count/x").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_component_is_reached_by_its_id_only() {
    let app = Running::new(&routed());
    let request = || Request::get("/count").body(String::new()).unwrap();
    let answer = app.application.call("private", request(), client()).await;
    assert_eq!(read(answer).await, (http::StatusCode::OK, "1".into()));
    assert_eq!(app.application.call("nobody", request(), client()).await.status(), 404);
    let patterns: Vec<_> = app.application.router().patterns().collect();
    assert_eq!(patterns, [("/headers/:who/...", "headers"), ("/count", "count")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_info_are_the_hosts_own() {
    let app = Running::new(&routed());
    assert_eq!(app.get("/.well-known/spin/health").await.1, "OK");
    assert_eq!(app.get("/.well-known/spin/info").await.1, r#"{"name":"routed","version":"1.2.3"}"#);
    assert_eq!(app.get("/.well-known/spin/other").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_serves_one_request_after_the_other() {
    let app = Running::new(&manifest("", ""));
    for expected in ["1", "2", "3"] {
        assert_eq!(app.get("/count").await.1, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_work_ends() {
    let options = host::Options { instance_idle: Duration::from_millis(100), ..options() };
    let app = Running::with(&manifest("", ""), options);
    assert_eq!(app.get("/count").await.1, "1");
    // Whenever it ends: asking keeps it, waiting does not.
    let ended = async {
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            if app.get("/count").await.1 == "1" {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_used_so_often() {
    let options = host::Options { max_instance_reuse: 2, ..options() };
    let app = Running::with(&manifest("", ""), options);
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(app.get("/count").await.1);
    }
    assert_eq!(counts, ["1", "2", "1", "2"]);
}

/// On one thread an instance has given way, and takes the next request, before the next is sent.
#[tokio::test]
async fn an_instance_serves_several_at_once_and_its_panic_is_for_all() {
    let app = Running::new(&manifest("", ""));
    assert_eq!(app.get("/count").await.1, "1");
    let mut neighbours = Vec::new();
    for _ in 0..8 {
        neighbours.push(Upload::begin(&app).await);
    }
    let failed = (http::StatusCode::INTERNAL_SERVER_ERROR, String::new());
    assert_eq!(app.get("/panic").await, failed);
    for neighbour in neighbours {
        assert_eq!(neighbour.end().await, failed);
    }
    assert_eq!(app.get("/count").await.1, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_serve_no_more_than_they_may_at_once() {
    let options = host::Options { max_instance_concurrency: 1, ..options() };
    let app = Running::with(&manifest("", ""), options);
    let upload = Upload::begin(&app).await;
    assert_eq!(app.get("/panic").await.0, 500);
    assert_eq!(upload.end().await, (http::StatusCode::OK, "2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways() {
    let app = Running::new(&manifest("", ""));
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Frame<Bytes>, String>>();
    let request = Request::post("/echo").body(StreamBody::new(receiver)).unwrap();
    let response = app.application.handle(request, client()).await;
    let mut body = response.into_body();
    for word in ["one", "two", "three"] {
        // The next word is sent only once this one is back.
        sender.unbounded_send(Ok(Frame::data(word.into()))).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.data_ref().unwrap(), word);
    }
    drop(sender);
    assert!(body.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_streams_as_it_is_made() {
    let app = Running::new(&manifest("", ""));
    // Minutes of it: whoever waited for its end would not see its beginning.
    let request = Request::get("/stream/10000").body(String::new()).unwrap();
    let mut body = app.send(request).await.into_body();
    for tick in 0..3 {
        let frame = tokio::time::timeout(Duration::from_secs(30), body.frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().data_ref().unwrap(), &format!("tick {tick}\n"));
    }
    drop(body);
    assert_eq!(app.get("/stream/3").await.1, "tick 0\ntick 1\ntick 2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_readable_where_they_are_put() {
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::create_dir_all(directory.path().join("assets/deep")).unwrap();
    for (path, text) in [("assets/a.txt", "a"), ("assets/deep/b.txt", "b"), ("secret.txt", "s")] {
        std::fs::write(directory.path().join(path), text).unwrap();
    }
    let files = r#"
        files = ["assets/**/*.txt", { source = "assets", destination = "/mounted" }]
        exclude_files = ["assets/a.txt"]
    "#;
    let app = crate::support::load(directory.path(), &manifest(files, ""), options()).unwrap();
    let get = async |path: &str| {
        let request = Request::get(path).body(String::new()).unwrap();
        read(app.handle(request, client()).await).await
    };
    assert_eq!(get("/file/assets/deep/b.txt").await.1, "b");
    assert_eq!(get("/file/mounted/deep/b.txt").await.1, "b");
    assert_eq!(get("/file/mounted/a.txt").await.0, 422);
    assert_eq!(get("/file/assets/a.txt").await.0, 422);
    assert_eq!(get("/file/secret.txt").await.0, 422);
    assert_eq!(get("/file/mounted/../secret.txt").await.0, 422);
    assert_eq!(get("/write/mounted/deep/b.txt").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_what_the_manifest_says() {
    let app = Running::new(&manifest(r#"environment = { ONE = "1", TWO = "2" }"#, ""));
    assert_eq!(app.get("/environment").await.1, "ONE=1\nTWO=2\n");
}

#[tokio::test]
async fn one_thread_is_enough() {
    let app = Running::new(&manifest(r#"sqlite_databases = ["default"]"#, ""));
    assert_eq!(app.ok("/sql", "CREATE TABLE things (id INTEGER) STRICT").await, "");
    assert_eq!(app.ok("/sql", "SELECT count(*) FROM things").await, "0\n");
}
