//! The real program, as a user runs it: `myrmidon up`, in a folder of its own, over the network.
//!
//! It is `target/release/myrmidon`, built by `cargo build --release -p cli`.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{Server, application::root, database::Database};

/// A folder with a manifest, its state and its secrets; gone when dropped. It outlives its processes.
pub struct Installation {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

/// One run of the program. Killed when dropped.
pub struct Program {
    process: Child,
    admin_token: String,
    greeting: Log,
    log: Log,
}

/// What it wrote to one of its outputs so far.
type Log = Arc<Mutex<String>>;

impl Installation {
    /// With the application's manifest, and an address that stays over restarts.
    pub fn new() -> Result<Self> {
        Self::with(&manifest(None)?)
    }

    /// With all cron tasks on this schedule instead of their own.
    pub fn scheduled(schedule: &str) -> Result<Self> {
        Self::with(&manifest(Some(schedule))?)
    }

    fn with(manifest: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("spin.toml"), manifest)?;
        let (state, cache) = (folder.path().join(".spin"), root().join("target/test-cache"));
        std::fs::create_dir(&state)?;
        std::fs::create_dir_all(&cache)?;
        std::os::unix::fs::symlink(cache, state.join("cache"))?;
        Ok(Self { folder, address: free_address()? })
    }

    pub fn server(&self) -> Server {
        Server::at(&format!("http://{}", self.address))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> Database {
        Database::in_state(&self.folder.path().join(".spin"))
    }

    /// Starts the program and waits until it serves. Compiled components are shared by all installations.
    pub async fn start(&self) -> Result<Program> {
        self.start_with(&[]).await
    }

    /// With further arguments of `myrmidon up`.
    pub async fn start_with(&self, arguments: &[&str]) -> Result<Program> {
        self.run(&[&["--no-scheduler", "--log", "off"], arguments].concat()).await
    }

    /// With its scheduler, and a line of its log for each request.
    pub async fn start_scheduler(&self) -> Result<Program> {
        self.run(&["--log", "text"]).await
    }

    async fn run(&self, arguments: &[&str]) -> Result<Program> {
        let mut process = Command::new(root().join("target/release/myrmidon"))
            .args(["up", "--listen", &self.address.to_string()])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("target/release/myrmidon does not start: cargo build --release -p cli")?;
        let stderr = process.stderr.take().context("standard error is piped")?;
        let stdout = process.stdout.take().context("standard output is piped")?;
        let (log, greeting) = (Log::default(), Log::default());
        let logging = tokio::spawn(collect(stderr, log.clone()));
        let greeted = tokio::spawn(collect(stdout, greeting.clone()));
        let Some(admin_token) = printed_token(&greeting, &greeted).await? else {
            logging.await?;
            bail!("it printed no token: {}", read(&log));
        };
        Ok(Program { process, admin_token, greeting, log })
    }
}

impl Program {
    /// From the greeting.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Waits until it has written this to standard error.
    pub async fn logged(&self, text: &str) -> Result<()> {
        written(&self.log, text).await
    }

    /// The command that the greeting gives to enroll an agent: where it posts to, and what.
    pub async fn enroll_command(&self) -> Result<(String, serde_json::Value)> {
        written(&self.greeting, "-d '").await?;
        let greeting = read(&self.greeting);
        let url = greeting.split("curl -X POST ").nth(1).and_then(|it| it.split(' ').next());
        let body = greeting.split("-d '").nth(1).and_then(|it| it.split('\'').next());
        let (url, body) = url.zip(body).with_context(|| format!("no command in {greeting}"))?;
        Ok((url.to_owned(), serde_json::from_str(body)?))
    }

    /// SIGKILL: nothing is finished, nothing is said.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await?;
        Ok(())
    }

    /// SIGTERM. Returns at once; see [`ended`](Self::ended).
    pub async fn terminate(&self) -> Result<()> {
        let id = self.process.id().context("it has ended")?.to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await?;
        if status.success() { Ok(()) } else { bail!("kill: {status}") }
    }

    /// Waits for its end. Its exit code is 0 if all went well.
    pub async fn ended(mut self, patience: Duration) -> Result<i32> {
        let status =
            tokio::time::timeout(patience, self.process.wait()).await.context("it goes on")??;
        status.code().context("a signal ended it")
    }
}

/// An address that stays free while nothing listens: the kernel gives ports of this range to nobody.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let n = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id().wrapping_mul(31);
        let port = 10_000 + u16::try_from(n % 22_000).context("22,000 ports")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

/// The application's manifest, with absolute sources.
fn manifest(schedule: Option<&str>) -> Result<String> {
    let root = root();
    let text = std::fs::read_to_string(root.join("spin.toml"))?;
    let mut manifest: toml::Table = text.parse()?;
    let components =
        manifest.get_mut("component").and_then(|it| it.as_table_mut()).context("no components")?;
    for (_, component) in components.iter_mut() {
        let component = component.as_table_mut().context("a component is a table")?;
        component.remove("build");
        let source = component
            .get("source")
            .and_then(|it| it.as_str())
            .context("a component has a source")?;
        component.insert("source".into(), root.join(source).display().to_string().into());
        let tool = component.get_mut("tool").and_then(|it| it.as_table_mut());
        let cron = tool.and_then(|it| it.get_mut("cron")).and_then(|it| it.as_table_mut());
        if let Some((cron, schedule)) = cron.zip(schedule) {
            cron.insert("schedule".into(), schedule.into());
        }
        let files = component.get_mut("files").and_then(|it| it.as_array_mut());
        for file in files.into_iter().flatten().filter_map(|it| it.as_table_mut()) {
            let source = file.get("source").and_then(|it| it.as_str()).context("no source")?;
            let source = root.join(source).display().to_string();
            file.insert("source".into(), source.into());
        }
    }
    Ok(toml::to_string(&manifest)?)
}

/// The administrator's token, from the greeting, which comes when the program serves. None if it ended.
async fn printed_token(greeting: &Log, greeted: &JoinHandle<()>) -> Result<Option<String>> {
    let deadline = Instant::now() + Duration::from_mins(5);
    while Instant::now() < deadline {
        let has_ended = greeted.is_finished();
        let text = read(greeting);
        if let Some(token) = text.lines().map(str::trim).find(|it| it.starts_with("eyJ")) {
            return Ok(Some(token.to_owned()));
        }
        if has_ended {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("no greeting")
}

/// Waits until this was written.
async fn written(log: &Log, text: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !read(log).contains(text) {
        if Instant::now() > deadline {
            bail!("no {text:?} in {}", read(log));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn collect(stream: impl AsyncRead + Unpin, log: Log) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

fn read(log: &Log) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
