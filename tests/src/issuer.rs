//! A token issuer's key document on a port of this machine, as well or as badly served as a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What the next request is answered with.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// 200 with this document.
    Document(Value),
    /// 200 with these bytes, said to be JSON.
    Body(Vec<u8>),
    Status(u16),
    /// These bytes instead of HTTP.
    Garbage(Vec<u8>),
    /// Takes the request and says nothing.
    Silence,
    /// 200, and then a body without an end.
    Endless,
}

/// Serves until it is dropped.
pub struct Issuer {
    address: SocketAddr,
    conduct: Arc<Mutex<Conduct>>,
    requests: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Issuer {
    pub async fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let conduct = Arc::new(Mutex::new(conduct));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (conduct.clone(), requests.clone());
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let conduct = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(answer(connection, conduct, counter.clone()));
            }
        });
        Self { address, conduct, requests, serving }
    }

    /// One that lists these keys.
    pub async fn of(keys: &[Value]) -> Self {
        Self::start(Conduct::Document(json!({ "keys": keys }))).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.address)
    }

    pub fn becomes(&self, conduct: Conduct) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner) = conduct;
    }

    pub fn lists(&self, keys: &[Value]) {
        self.becomes(Conduct::Document(json!({ "keys": keys })));
    }

    /// How often it was asked so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request per connection. Whoever hangs up is gone: nothing here can fail a test.
async fn answer(mut connection: TcpStream, conduct: Conduct, requests: Arc<AtomicUsize>) {
    let mut head: Vec<u8> = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let mut chunk = [0; 1024];
        match connection.read(&mut chunk).await {
            Ok(read) if read > 0 => head.extend(&chunk[..read]),
            _ => return,
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let full = |status: u16, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let bytes = match conduct {
        Conduct::Document(document) => full(200, document.to_string().as_bytes()),
        Conduct::Body(body) => full(200, &body),
        Conduct::Status(status) => full(status, b"{}"),
        Conduct::Garbage(bytes) => bytes,
        Conduct::Silence => return tokio::time::sleep(Duration::from_mins(5)).await,
        Conduct::Endless => return flood(connection).await,
    };
    let _ = connection.write_all(&bytes).await;
    let _ = connection.shutdown().await;
}

async fn flood(mut connection: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"keys\":[";
    let mut sent = connection.write_all(head).await;
    while sent.is_ok() {
        sent = connection.write_all(&[b' '; 16 << 10]).await;
    }
}
