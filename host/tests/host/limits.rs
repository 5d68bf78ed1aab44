//! What a guest, or who sends to it, cannot exceed.

use std::time::Duration;

use bytes::Bytes;
use futures::{
    StreamExt as _,
    channel::oneshot,
    stream::{self, Stream},
};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use crate::support::{Running, Upload, client, manifest, options, read};

fn with(change: impl FnOnce(&mut host::Options)) -> Running {
    let mut options = options();
    change(&mut options);
    Running::with(&manifest("", ""), options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_too_long_is_given_up() {
    let app = with(|it| it.request_timeout = Duration::from_secs(2));
    // An hour.
    assert_eq!(app.get("/sleep/3600000").await, (StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    assert_eq!(app.get("/count").await.1, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_computes_too_long_is_ended() {
    let app = with(|it| it.request_timeout = Duration::from_secs(3));
    let busy = futures::future::join_all((0..6).map(|_| app.get("/busy")));
    // Others get their turn meanwhile.
    let (busy, other) = futures::join!(busy, app.get("/headers"));
    assert!(busy.iter().all(|(status, _)| *status == 500), "{busy:?}");
    assert_eq!(other.0, 200);
}

type Part = Result<Frame<Bytes>, String>;

/// One byte at a time, a while apart.
fn trickle(pause: Duration) -> impl Stream<Item = Part> + Send {
    stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from_static(b"x"))), ()))
    })
}

async fn upload(
    app: &Running,
    body: impl Stream<Item = Part> + Send + 'static,
) -> (StatusCode, String) {
    let request = Request::post("/length").body(StreamBody::new(body)).unwrap();
    let answer = async { read(app.application.handle(request, client()).await).await };
    tokio::time::timeout(Duration::from_secs(30), answer).await.expect("it is answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_arrives_may_take_longer_than_a_request_may_wait() {
    let app = with(|it| it.request_timeout = Duration::from_secs(3));
    let body = trickle(Duration::from_millis(500)).take(8);
    assert_eq!(upload(&app, body).await, (StatusCode::OK, "8".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_arriving_is_given_up() {
    let app = with(|it| it.request_timeout = Duration::from_millis(300));
    let (held, dropped) = oneshot::channel::<()>();
    let stopped = stream::once(async move {
        let _held = held;
        std::future::pending().await
    });
    let body = stream::once(async { Ok(Frame::data("part".into())) }).chain(stopped);
    assert_eq!(upload(&app, body).await, (StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    // Nobody waits for the rest of it.
    let dropped = tokio::time::timeout(Duration::from_secs(30), dropped).await;
    assert!(dropped.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_given_up() {
    let app = with(|it| {
        it.request_timeout = Duration::from_secs(1);
        it.request_ceiling = Duration::from_millis(1500);
    });
    let (status, _) = upload(&app, trickle(Duration::from_millis(50))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_stream_longer_than_a_request_may_wait() {
    let app = with(|it| it.request_timeout = Duration::from_secs(2));
    let (status, text) = app.get("/stream/50").await;
    assert_eq!((status, text.lines().count()), (StatusCode::OK, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_ends() {
    let app = with(|it| it.memory_limit = 32 << 20);
    assert_eq!(app.get("/eat/8").await.1, "8");
    assert_eq!(app.get("/eat/64").await.0, 500);
    assert_eq!(app.get("/eat/8").await.1, "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_declared_too_long_is_refused() {
    let app = with(|it| it.max_body_bytes = Some(10));
    let request = |body: &str| {
        Request::post("/length").header("content-length", body.len()).body(body.to_owned()).unwrap()
    };
    assert_eq!(read(app.send(request("0123456789")).await).await.1, "10");
    assert_eq!(app.send(request("0123456789x")).await.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_becomes_too_long_fails_its_reader() {
    let app = with(|it| it.max_body_bytes = Some(10));
    assert_eq!(app.post("/length", "0123456789").await.1, "10");
    let (status, error) = app.post("/length", "0123456789x").await;
    assert_eq!(status, 422);
    assert!(error.contains("HttpRequestBodySize"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_so_many_in_flight_the_answer_is_503() {
    let app = with(|it| it.max_in_flight = 2);
    let (a, b) = (Upload::begin(&app).await, Upload::begin(&app).await);
    let late = app.send(Request::get("/count").body(String::new()).unwrap()).await;
    assert_eq!(
        (late.status(), &late.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert_eq!((a.end().await.0, b.end().await.0), (StatusCode::OK, StatusCode::OK));
    assert_eq!(app.get("/count").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_in_flight_to_its_end() {
    let app = with(|it| it.max_in_flight = 1);
    let request = || Request::get("/stream/3").body(String::new()).unwrap();
    let body = app.application.handle(request(), client()).await.into_body();
    assert_eq!(app.get("/count").await.0, 503);
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 21);
    assert_eq!(app.get("/count").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_free_its_place_early() {
    let app = with(|it| it.max_in_flight = 1);
    let release = Upload::begin(&app).await.abandon().await;
    assert_eq!(app.get("/count").await.0, 503);
    release.send(()).unwrap();
    let freed = async {
        while app.get("/count").await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.unwrap();
}
