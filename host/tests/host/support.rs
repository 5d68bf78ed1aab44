//! An application of test guests, in a directory of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    channel::oneshot,
    stream::{self, Stream},
};
use host::{Application, Body, Cache, LoadError, Log, Options};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const CLIENT: &str = "192.0.2.7:4711";

/// A manifest with one component `guest` that answers every path. `$grants` are
/// lines of its table, `$rest` are other tables.
pub(crate) fn manifest(grants: &str, rest: &str) -> String {
    format!(
        r#"
        spin_manifest_version = 2
        application = {{ name = "test" }}
        [[trigger.http]]
        route = "/..."
        component = "guest"
        [component.guest]
        source = "{}"
        {grants}
        {rest}
        "#,
        wasm("host_guest").display()
    )
}

pub(crate) struct Running {
    pub(crate) application: Application,
    pub(crate) directory: TempDir,
}

impl Running {
    pub(crate) fn new(manifest: &str) -> Self {
        Self::with(manifest, options())
    }

    pub(crate) fn with(manifest: &str, options: Options) -> Self {
        let directory = TempDir::new().unwrap();
        let application = load(directory.path(), manifest, options).unwrap();
        Self { application, directory }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.post(path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> (StatusCode, String) {
        let request = Request::post(path).body(body.into()).unwrap();
        read(self.send(request).await).await
    }

    /// The body of an answer that must be 200.
    pub(crate) async fn ok(&self, path: &str, body: &str) -> String {
        let (status, text) = self.post(path, body).await;
        assert_eq!(status, 200, "{path} {body}: {text}");
        text
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Response<Body> {
        self.application.handle(request, client()).await
    }
}

/// An upload of two bytes that a guest is in the middle of.
pub(crate) struct Upload {
    pub(crate) answer: JoinHandle<(StatusCode, String)>,
    release: oneshot::Sender<()>,
}

impl Upload {
    /// Returns once the guest has taken the first byte.
    pub(crate) async fn begin(app: &Running) -> Self {
        let (body, reached, release) = halves();
        let application = app.application.clone();
        let request = Request::post("/length").body(StreamBody::new(body)).unwrap();
        let answer =
            tokio::spawn(async move { read(application.handle(request, client()).await).await });
        reached.await.unwrap();
        Self { answer, release }
    }

    /// Lets the second byte come.
    pub(crate) async fn end(self) -> (StatusCode, String) {
        // Whoever is gone wants none.
        _ = self.release.send(());
        self.answer.await.unwrap()
    }

    /// The client goes. What is returned lets the second byte come.
    pub(crate) async fn abandon(self) -> oneshot::Sender<()> {
        self.answer.abort();
        assert!(self.answer.await.is_err());
        self.release
    }
}

type Half = Result<Frame<Bytes>, String>;

fn halves() -> (impl Stream<Item = Half> + Send, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (reach, reached) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let second = async move {
        _ = reach.send(());
        _ = released.await;
        Ok(Frame::data("y".into()))
    };
    let first = async { Ok(Frame::data("x".into())) };
    (stream::once(first).chain(stream::once(second)), reached, release)
}

pub(crate) fn client() -> SocketAddr {
    CLIENT.parse().unwrap()
}

pub(crate) async fn read(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let bytes: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

pub(crate) fn options() -> Options {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Options {
        cache: Cache::Directory(cache),
        environment: [].into(),
        log: Log::Off,
        max_in_flight: 64,
        // However slow a test is, its instance is the one that it used before.
        instance_idle: Duration::from_mins(10),
        ..Options::default()
    }
}

pub(crate) fn load(
    directory: &Path,
    manifest: &str,
    options: Options,
) -> Result<Application, LoadError> {
    let path = directory.join("spin.toml");
    fs::write(&path, manifest).unwrap();
    Application::load(&path, options)
}

/// The faults of a manifest that cannot be loaded, one per line. It may lend the directory `data`.
pub(crate) fn faults(manifest: &str) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("data")).unwrap();
    match load(directory.path(), manifest, options()) {
        Ok(_) => Vec::new(),
        Err(e) => e.faults.iter().map(ToString::to_string).collect(),
    }
}

/// A guest's file, built if it is missing or older than its sources.
pub(crate) fn wasm(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let directory = root.join("target/wasm32-wasip2/wasm");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let built = ["host_guest", "host_guest_caller", "host_guest_library"]
            .map(|it| modified(&directory.join(it).with_extension("wasm")));
        if built.iter().any(|it| *it < newest(&sources)) {
            build(root);
        }
        directory
    });
    directory.join(name).with_extension("wasm")
}

fn build(root: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--profile", "wasm", "--target", "wasm32-wasip2"]);
    cargo.args(["-p", "host-guest", "-p", "host-guest-caller", "-p", "host-guest-library"]);
    assert!(cargo.current_dir(root).status().unwrap().success());
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest(directory: &Path) -> Option<SystemTime> {
    let guests = ["guest", "guests/caller", "guests/library", "guests/wit"];
    let mut left: Vec<PathBuf> = guests.iter().map(|it| directory.join(it)).collect();
    let mut newest = None;
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
        } else {
            newest = newest.max(modified(&path));
        }
    }
    newest
}
