//! Serves a manifest on a port: `serve spin.toml [127.0.0.1:3000]`.

use std::{path::PathBuf, sync::Arc};

use host::{Application, Log, Options};
use tokio::{net::TcpListener, signal};

#[expect(clippy::print_stderr, reason = "this is for a person")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let manifest = PathBuf::from(arguments.next().unwrap_or("spin.toml".into()));
    let address = arguments.next().unwrap_or("127.0.0.1:3000".into());
    let log = if arguments.next().as_deref() == Some("--quiet") { Log::Off } else { Log::Text };
    let progress = |it: &host::Progress<'_>| {
        eprintln!("compiling {} ({}/{})", it.component, it.index, it.total);
    };
    let options = Options { log, progress: Some(Arc::new(progress)), ..Options::default() };
    let application = Application::load(&manifest, options).map_err(|e| e.to_string())?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("serving {} at http://{}", application.manifest().name, listener.local_addr()?);
    application.serve(listener, async { drop(signal::ctrl_c().await) }).await?;
    Ok(())
}
