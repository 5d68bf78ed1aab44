//! The application, loaded in process: real components, a state directory of its own, no port.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::time::Timestamp;
use host::{Application, Cache, Log, Options};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Agent, Machine, Operator, Person, Request, Server,
    database::Database,
    person::{ISSUER, public_key_pem},
};

pub const CRON_SECRET: &str = "a secret of schedulers";
pub const ENCRYPTION_SECRET: &str = "0123456789abcdef0123456789abcdef";
/// fleet.md §10.1: the seed that counts up.
pub const SIGNING_PRIVATE_KEY: &str =
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
pub const SIGNING_PUBLIC_KEY: &str = "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
/// [`SIGNING_PUBLIC_KEY`] as agents get it: the raw key alone.
pub const UPDATE_PUBLIC_KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
pub const SERVER_URL: &str = "http://127.0.0.1:3000";
pub const CORS_ORIGIN: &str = "https://console.test";

/// How the application is to be configured. Starts complete.
pub struct Setup {
    variables: BTreeMap<String, String>,
    adjust: Box<dyn FnOnce(&mut Options) + Send>,
    is_migrated: bool,
}

/// A running application. Clones share it; its state dies with the last one.
#[derive(Clone)]
pub struct App {
    application: Application,
    server: Server,
    state: Arc<TempDir>,
}

impl Default for Setup {
    fn default() -> Self {
        let variables = [
            ("agent_server_url", SERVER_URL),
            ("auth_issuer", ISSUER),
            ("auth_public_key_pem", &public_key_pem()),
            ("cors_origin", CORS_ORIGIN),
            ("cron_secret", CRON_SECRET),
            ("encryption_secret", ENCRYPTION_SECRET),
            ("signing_private_key_b64", SIGNING_PRIVATE_KEY),
            ("signing_public_key_b64", SIGNING_PUBLIC_KEY),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { variables, adjust: Box::new(|_| {}), is_migrated: true }
    }
}

impl Setup {
    #[must_use]
    pub fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.variables.insert(variable.to_owned(), value.into());
        self
    }

    /// Leaves a variable to the manifest's default.
    #[must_use]
    pub fn without(mut self, variable: &str) -> Self {
        self.variables.remove(variable);
        self
    }

    /// Changes how the host runs the application.
    #[must_use]
    pub fn options(mut self, adjust: impl FnOnce(&mut Options) + Send + 'static) -> Self {
        self.adjust = Box::new(adjust);
        self
    }

    /// Leaves the database without any table.
    #[must_use]
    pub fn unmigrated(mut self) -> Self {
        self.is_migrated = false;
        self
    }

    /// Components come compiled from a cache that all tests share; the first test fills it.
    pub async fn start(self) -> App {
        let state = tempfile::tempdir().expect("a folder for the state");
        if self.is_migrated {
            Database::in_state(state.path()).migrate();
        }
        let no_env_file = state.path().join("no.env");
        std::fs::write(&no_env_file, "").expect("the folder can be written");
        let mut options = Options {
            state_dir: Some(state.path().to_owned()),
            cache: Cache::Directory(root().join("target/test-cache")),
            variables: self.variables,
            environment: BTreeMap::new(),
            env_file: Some(no_env_file),
            max_in_flight: 256,
            log: Log::Off,
            ..Options::default()
        };
        (self.adjust)(&mut options);
        let application = load(options).await;
        let server = Server::InProcess(application.clone());
        App { application, server, state: Arc::new(state) }
    }
}

/// One at a time, so that nobody compiles what another compiles already.
async fn load(options: Options) -> Application {
    let load = || {
        let turn = File::create(root().join("target/test-cache.lock"))?;
        turn.lock()?;
        Ok::<_, std::io::Error>(Application::load(&root().join("spin.toml"), options))
    };
    let loaded = tokio::task::spawn_blocking(load).await.expect("loading does not panic");
    let loaded = loaded.expect("a lock file can be locked");
    loaded.unwrap_or_else(|error| panic!("the application does not load:\n{error}"))
}

impl App {
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The host's own handle, for what goes past the routes.
    pub fn application(&self) -> &Application {
        &self.application
    }

    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    pub fn database(&self) -> Database {
        Database::in_state(self.state.path())
    }

    /// Any path as it is, whatever it is: `//api/agent/config`, `/API/…`.
    pub fn request(&self, method: Method, target: &str) -> Request<'_> {
        Request::new(&self.server, method, target)
    }

    pub fn get(&self, target: &str) -> Request<'_> {
        self.request(Method::GET, target)
    }

    pub fn post(&self, target: &str) -> Request<'_> {
        self.request(Method::POST, target)
    }

    pub fn put(&self, target: &str) -> Request<'_> {
        self.request(Method::PUT, target)
    }

    pub fn patch(&self, target: &str) -> Request<'_> {
        self.request(Method::PATCH, target)
    }

    pub fn delete(&self, target: &str) -> Request<'_> {
        self.request(Method::DELETE, target)
    }

    /// One run of the cron task.
    pub async fn maintain(&self) -> Value {
        let answer = self.get("/api/cron/maintenance").bearer(CRON_SECRET).send().await;
        answer.expect(200).data()
    }

    /// One tick of the schedules: what it counted.
    pub async fn tick(&self) -> Value {
        let answer = self.get("/api/cron/schedules").bearer(CRON_SECRET).send().await;
        answer.expect(200).data()
    }

    /// What an administrator of the organisation does.
    pub fn admin(&self, org: &str) -> Operator {
        Operator::new(&self.server, org, Person::admin(org).token())
    }

    /// A linux/amd64 agent of the organisation, from its own address.
    pub async fn enroll(&self, org: &str) -> Agent {
        self.enroll_machine(org, Machine::default()).await
    }

    pub async fn enroll_machine(&self, org: &str, machine: Machine) -> Agent {
        let token = self.admin(org).mint(1).await;
        Agent::enroll(&self.server, machine, &token).await.expect("the agent enrolls")
    }
}

impl Database {
    pub(crate) fn migrate(&self) {
        let mut connection = self.connect();
        let now = Timestamp(jiff::Timestamp::now().as_millisecond());
        store::migrations::apply(&mut connection, now).expect("migrations apply");
    }
}

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace").to_owned()
}
