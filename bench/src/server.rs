//! The application as a user runs it, `myrmidon up`, with the bare component beside its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use http::StatusCode;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    Expected,
    client::{self, Connection},
};

/// A folder with a manifest, its state and its secrets; gone when dropped.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
}

impl Installation {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("spin.toml"), manifest()?)?;
        Ok(Self { folder })
    }

    /// The file that all its rows are in.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join(".spin/sqlite_db.db")
    }

    /// A secret that the first start made.
    pub(crate) fn secret(&self, variable: &str) -> Result<String> {
        let environment = std::fs::read_to_string(self.folder.path().join(".env"))?;
        let value =
            environment.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
        let value = value.with_context(|| format!("{variable} is not in .env"))?;
        Ok(value.trim_matches(|it| it == '"' || it == '\'').to_owned())
    }
}

/// The application's manifest, with absolute sources and `/hello`.
fn manifest() -> Result<String> {
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
        let files = component.get_mut("files").and_then(|it| it.as_array_mut());
        for file in files.into_iter().flatten().filter_map(|it| it.as_table_mut()) {
            let source = file.get("source").and_then(|it| it.as_str()).context("no source")?;
            let source = root.join(source).display().to_string();
            file.insert("source".into(), source.into());
        }
    }
    let hello = root.join("target/wasm32-wasip2/wasm/hello.wasm");
    components
        .insert("hello".into(), toml::toml! { source = (hello.display().to_string()) }.into());
    let triggers = manifest
        .get_mut("trigger")
        .and_then(|it| it.get_mut("http"))
        .and_then(|it| it.as_array_mut())
        .context("no triggers")?;
    triggers.push(toml::toml! { route = "/hello" component = "hello" }.into());
    Ok(toml::to_string(&manifest)?)
}

/// Of a start that compiles everything.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    started_in: Duration,
    admin_token: String,
}

impl Server {
    /// Starts the program and waits for its first answer.
    pub(crate) async fn start(installation: &Installation) -> Result<Self> {
        let started = Instant::now();
        let mut process = Command::new(root().join("target/release/myrmidon"))
            .env_remove("RUST_BACKTRACE")
            .args(["up", "--no-scheduler", "--log", "off", "--variable", "trusted_proxies=1"])
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(installation.folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("target/release/myrmidon does not start; `cargo xtask bench` builds it")?;
        let (address, admin_token) = tokio::time::timeout(PATIENCE, greeting(&mut process))
            .await
            .with_context(|| format!("no greeting within {PATIENCE:?}"))??;
        let started_in = first_answer(address, started, &mut process).await?;
        Ok(Self { process, address, started_in, admin_token })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the start of the process to the first 200.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    pub(crate) fn admin_token(&self) -> &str {
        &self.admin_token
    }

    pub(crate) fn process(&self) -> Result<u32> {
        self.process.id().context("the server has ended")
    }

    /// What the kernel says it holds in memory.
    pub(crate) fn resident_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process()?))?;
        let line = status.lines().find(|it| it.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib / 1024)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.process.kill().await?;
        Ok(())
    }
}

async fn first_answer(
    address: SocketAddr,
    started: Instant,
    process: &mut Child,
) -> Result<Duration> {
    while started.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait()? {
            bail!("the server ended: {status}");
        }
        let expected = Expected { request: client::get("/api/health"), status: StatusCode::OK };
        if let Ok(mut connection) = Connection::open(address).await
            && connection.send(expected).await.is_ok()
        {
            return Ok(started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bail!("no answer within {PATIENCE:?}")
}

/// Where the server listens, and the administrator's token.
async fn greeting(process: &mut Child) -> Result<(SocketAddr, String)> {
    let stdout = process.stdout.take().context("standard output is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut address = None;
    let token = loop {
        let line = lines.next_line().await?.context("the server printed no token")?;
        if let Some(it) = line.strip_prefix("Myrmidon serves http://") {
            address = Some(it.parse()?);
        } else if line.trim_start().starts_with("eyJ") {
            break line.trim().to_owned();
        }
    };
    // Whoever prints must never wait for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((address.context("the server did not say where it listens")?, token))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench lies in the workspace").to_owned()
}
