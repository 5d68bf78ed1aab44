//! The host on a port, against clients that behave and that do not.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::support::{Running, manifest, options};

/// Whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
    _app: Running,
}

async fn serve(change: impl FnOnce(&mut host::Options)) -> Server {
    let mut options = options();
    change(&mut options);
    let app = Running::with(&manifest("", ""), options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let application = app.application.clone();
    let done = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        application.serve(listener, stopped).await.unwrap();
    });
    Server { address, stop, done, _app: app }
}

impl Server {
    /// Sends bytes, and reads until the server closes.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed").ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        let close = "connection: close\r\n";
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: here\r\n{close}{headers}\r\n")).await
    }

    /// Asks until the answer has this status.
    async fn becomes(&self, status: u16) {
        let begin = format!("HTTP/1.1 {status} ");
        let asked = async { while !self.get("/headers", "").await.starts_with(&begin) {} };
        timeout(PATIENCE, asked).await.expect("it becomes so");
    }
}

#[track_caller]
fn check_status(answer: &str, expected: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered() {
    let server = serve(|_| {}).await;
    let answer = server.get("/headers", "").await;
    check_status(&answer, 200);
    assert!(answer.contains("spin-full-url: http://here/headers\n"), "{answer}");
    assert!(answer.contains("spin-client-addr: 127.0.0.1:"), "{answer}");
    check_status(&server.get("/.well-known/spin/health", "").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_bounds() {
    let server = serve(|_| {}).await;
    check_status(&server.get("/headers", &"x: y\r\n".repeat(90)).await, 200);
    check_status(&server.get("/headers", &"x: y\r\n".repeat(120)).await, 431);
    let long = "x".repeat(200 << 10);
    check_status(&server.get("/headers", &format!("x: {long}\r\n")).await, 431);
    check_status(&server.get(&format!("/{}", &long[..70 << 10]), "").await, 414);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_request_is_refused() {
    let server = serve(|_| {}).await;
    check_status(&server.exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await, 400);
    check_status(&server.exchange("nonsense\r\n\r\n").await, 400);
    let contradiction = "GET http://a/ HTTP/1.1\r\nhost: b\r\nconnection: close\r\n\r\n";
    check_status(&server.exchange(contradiction).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_not_waited_for() {
    let server = serve(|it| it.header_timeout = Duration::from_millis(300)).await;
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: he").await;
    assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
}

/// It sends all it announced before it looks for an answer, as many clients do.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_a_body_that_nobody_reads_sees_the_answer() {
    const LENGTH: usize = 50 << 20;
    let server = serve(|_| {}).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /nowhere HTTP/1.1\r\nhost: here\r\ncontent-length: {LENGTH}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..LENGTH / piece.len() {
        stream.write_all(&piece).await.unwrap();
    }
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
    check_status(&answer, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_not_waited_for() {
    let server = serve(|it| it.request_timeout = Duration::from_millis(300)).await;
    let head = "POST /length HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n";
    check_status(&server.exchange(&format!("{head}part")).await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_loses_its_place() {
    let server = serve(|it| {
        it.max_in_flight = 1;
        it.write_timeout = Duration::from_millis(300);
    })
    .await;
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    let length = 256 << 20;
    let head = format!("POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: {length}\r\n\r\n");
    deaf.write_all(head.as_bytes()).await.unwrap();
    // It sends until nobody takes any more, or the connection is closed on it.
    let sending = async {
        let part = vec![b'x'; 1 << 20];
        while deaf.write_all(&part).await.is_ok() {}
    };
    timeout(PATIENCE, sending).await.expect("it is let go");
    server.becomes(200).await;
}

/// A connection on which an answer of so many ticks has begun.
async fn streaming(address: SocketAddr, ticks: u32) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /stream/{ticks} HTTP/1.1\r\nhost: here\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begun = vec![0; 4096];
    let length = timeout(PATIENCE, stream.read(&mut begun)).await.unwrap().unwrap();
    (stream, String::from_utf8(begun[..length].to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_finished() {
    let server = serve(|_| {}).await;
    let Server { address, stop, done, .. } = server;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let (mut slow, mut answer) = streaming(address, 10).await;
    stop.send(()).unwrap();
    // What is idle is closed as soon as the server stops.
    assert_eq!(timeout(PATIENCE, idle.read(&mut [0])).await.unwrap().unwrap(), 0);
    timeout(PATIENCE, slow.read_to_string(&mut answer)).await.unwrap().unwrap();
    check_status(&answer, 200);
    assert!(answer.contains("tick 9\n"), "{answer}");
    timeout(PATIENCE, done).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_ends() {
    let server = serve(|it| it.drain_timeout = Duration::from_millis(200)).await;
    let Server { address, stop, done, .. } = server;
    let (slow, answer) = streaming(address, 10_000).await;
    check_status(&answer, 200);
    stop.send(()).unwrap();
    timeout(PATIENCE, done).await.unwrap().unwrap();
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_alive() {
    let server = serve(|_| {}).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for expected in ["1", "2"] {
        stream.write_all(b"GET /count HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap();
            assert_ne!(read.unwrap(), 0, "{answer:?}");
        }
        assert_eq!(unchunked(&String::from_utf8(answer).unwrap()), expected);
    }
}

/// The body of an answer that comes in chunks: a line with the length, a line with the bytes.
fn unchunked(answer: &str) -> String {
    let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
    chunks.lines().skip(1).step_by(2).collect()
}

/// The first bytes of an answer.
async fn begun(stream: &mut TcpStream) -> String {
    let mut begun = vec![0; 12];
    timeout(PATIENCE, stream.read_exact(&mut begun)).await.unwrap().unwrap();
    String::from_utf8(begun).unwrap()
}

/// Sends the first `cut` bytes, then the others; if a head is among the first, once its answer begins.
async fn in_two(server: &Server, request: &str, cut: usize) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
    let mut answer = String::new();
    if request[..cut].contains("\r\n\r\n") {
        answer = begun(&mut stream).await;
    }
    stream.write_all(&request.as_bytes()[cut..]).await.unwrap();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_is_whole_however_it_comes() {
    let server = serve(|_| {}).await;
    let body: String = ('a'..='z').cycle().take(1000).collect();
    let head =
        "POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n";
    let request = format!("{head}{body}");
    for cut in [0, head.len() - 1, head.len(), head.len() + 1, request.len() - 1, request.len()] {
        let answer = in_two(&server, &request, cut).await;
        check_status(&answer, 200);
        assert_eq!(unchunked(&answer), body, "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_small_body_is_the_next_request() {
    let server = serve(|_| {}).await;
    let first = "POST /length HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\r\nbody";
    let second = "GET /count HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    let answers = server.exchange(&format!("{first}{second}")).await;
    let (one, two) = answers.split_at(answers.rfind("HTTP/1.1 ").unwrap());
    assert_eq!((&*unchunked(one), &*unchunked(two)), ("4", "1"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_within_a_small_body_leaves_its_place() {
    let server = serve(|it| it.max_in_flight = 1).await;
    let mut gone = TcpStream::connect(server.address).await.unwrap();
    let request = "POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf";
    gone.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(begun(&mut gone).await, "HTTP/1.1 200");
    check_status(&server.get("/headers", "").await, 503);
    drop(gone);
    server.becomes(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_may_answer_before_a_small_body_has_come() {
    let server = serve(|_| {}).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "POST /headers HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(begun(&mut stream).await, "HTTP/1.1 200");
}

/// Sends a request whose client waits to be told to send its body.
async fn expecting(server: &Server, path: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n");
    let request = format!("{head}connection: close\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = begun(&mut stream).await;
    (stream, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_is_not_asked_for() {
    let server = serve(|_| {}).await;
    assert_eq!(expecting(&server, "/.well-known/spin/other").await.1, "HTTP/1.1 404");
    assert_eq!(expecting(&server, "/sleep/200").await.1, "HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_read_is_asked_for() {
    let server = serve(|_| {}).await;
    let (mut stream, mut answer) = expecting(&server, "/length").await;
    assert_eq!(answer, "HTTP/1.1 100");
    stream.write_all(b"body").await.unwrap();
    let read = stream.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(answer.contains("HTTP/1.1 200 "), "{answer}");
}
