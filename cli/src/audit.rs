//! The audit log, checked past the server: over the whole file, with the installation's own secret.
//!
//! What was noted of a log's end earlier (`head`) shows whether that end was cut off since (`--anchor`).

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use domain::{audit::ChainKey, ids::OrgId, secrets::Secret, time::Timestamp};
use store::{
    audit::{self, check},
    native::File,
};

use crate::{Installation, configuration::Configuration, migrate};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check every row of the log; exit 1 where one was changed, removed or moved
    Verify(Verify),
    /// Print number and hash of the last sealed row, to be kept elsewhere
    Head(Which),
    /// Prove the head of a log that has no proof yet, after an upgrade or where sealing stopped: from
    /// then on it is taken for what it is now
    Adopt(Which),
}

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    which: Which,
    /// A head that was noted earlier, which the log must still contain; needs --org
    #[arg(long, value_name = "SEQ:HASH", value_parser = anchor, requires = "org")]
    anchor: Option<(u64, String)>,
}

#[derive(Args)]
pub(crate) struct Which {
    #[command(flatten)]
    installation: Installation,
    /// One organisation [default: all]
    #[arg(long)]
    org: Option<String>,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        match command {
            Command::Verify(options) => verify(options).await,
            Command::Head(which) => head(which).await,
            Command::Adopt(which) => adopt(which).await,
        }
    })
}

#[expect(clippy::print_stdout, reason = "the findings are the answer")]
async fn verify(options: &Verify) -> Result<()> {
    let db = options.which.database()?;
    let key = options.which.key()?;
    let mut broken = 0;
    for org in options.which.organisations(&db).await? {
        let found = check::check(&db, &key, &org, 1, u64::MAX, now()).await?;
        let rows = format!("{} sealed, {} not yet", found.sealed, found.unsealed);
        let fault = found.fault.map(|it| (it.seq, it.kind.as_str()));
        let lost = async || match &options.anchor {
            Some((seq, hash)) if !holds(&db, &org, *seq, hash).await? => {
                Ok::<_, store::Error>(Some((*seq, "not what was noted")))
            }
            _ => Ok(None),
        };
        match fault.or(lost().await?) {
            None => println!("{org}: whole ({rows})"),
            Some((seq, kind)) => {
                println!("{org}: BROKEN at row {seq}: {kind} ({rows} before it)");
                broken += 1;
            }
        }
    }
    if broken > 0 {
        bail!("{broken} logs are broken");
    }
    Ok(())
}

async fn holds(db: &File, org: &OrgId, seq: u64, hash: &str) -> Result<bool, store::Error> {
    let found = audit::section(db, org, seq, 1).await?.rows.into_iter().next();
    Ok(found.is_some_and(|it| it.seq == seq && it.hash.is_some_and(|it| it.to_hex() == hash)))
}

#[expect(clippy::print_stdout, reason = "the head is the answer")]
async fn head(which: &Which) -> Result<()> {
    let db = which.database()?;
    for org in which.organisations(&db).await? {
        let head = audit::section(&db, &org, 1, 1).await?.head;
        if let Some(hash) = head.sealed_hash {
            println!("{org} {}:{}", head.sealed_seq, hash.to_hex());
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was adopted is the answer")]
async fn adopt(which: &Which) -> Result<()> {
    let (db, key) = (which.database()?, which.key()?);
    for org in which.organisations(&db).await? {
        if let Some(head) = check::adopt(&db, &key, &org, now()).await? {
            let hash =
                head.sealed_hash.map_or_else(|| "-".to_owned(), domain::secrets::Digest::to_hex);
            println!("{org}: adopted {}:{hash}", head.sealed_seq);
        }
    }
    match which.org {
        None => Adoption::of(&which.installation).forget(),
        Some(_) => Ok(()),
    }
}

/// The migration since which heads are proven.
const PROVEN_SINCE: &str = "0012_identity_and_audit";

/// An upgrade that goes on past a crash: heads of logs have had no proof before it, and are to be proven
/// once after it. Never those of a database that had them: whoever can write the file could take the
/// proof away. A file beside the database says that this is still to be done; who can write there could
/// run code here.
pub(crate) struct Adoption {
    note: PathBuf,
}

impl Adoption {
    fn of(installation: &Installation) -> Self {
        Self { note: installation.state_dir().join("audit_adoption.pending") }
    }

    /// It is done: heads that lose their proof from now on stay without.
    fn forget(&self) -> Result<()> {
        if self.note.exists() {
            std::fs::remove_file(&self.note).with_context(|| self.note.display().to_string())?;
        }
        Ok(())
    }

    /// To be asked before the migrations of `pending` are applied.
    pub(crate) fn expect(installation: &Installation, pending: &[&str]) -> Result<Self> {
        let Self { note } = Self::of(installation);
        let is_new = pending.first().is_some_and(|it| it.starts_with("0001"));
        if !is_new && pending.contains(&PROVEN_SINCE) {
            std::fs::write(&note, "").with_context(|| note.display().to_string())?;
        }
        Ok(Self { note })
    }

    /// To be called after the migrations. What fails is tried again at the next start.
    #[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
    pub(crate) async fn complete(self, installation: &Installation) -> Result<()> {
        if !self.note.exists() {
            return Ok(());
        }
        let which = Which { installation: installation.clone(), org: None };
        if let Err(error) = adopt(&which).await {
            eprintln!("the audit log is not proven yet, run `myrmidon audit adopt`: {error:#}");
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

impl Which {
    fn database(&self) -> Result<File> {
        let path = migrate::database(&self.installation.state_dir());
        if !path.is_file() {
            bail!("{} is not there: no database, no log", path.display());
        }
        Ok(File::open(&path)?)
    }

    fn key(&self) -> Result<ChainKey> {
        let configuration = Configuration::read(&self.installation)?;
        let secret =
            configuration.value("encryption_secret").context("encryption_secret is not set")?;
        Ok(ChainKey::derive(&Secret::new(secret.to_owned()))?)
    }

    async fn organisations(&self, db: &File) -> Result<Vec<OrgId>> {
        match &self.org {
            Some(org) => Ok(vec![OrgId::from(org.as_str())]),
            None => Ok(audit::list_organisations(db).await?),
        }
    }
}

fn anchor(text: &str) -> Result<(u64, String)> {
    let (seq, hash) = text.split_once(':').context("expected SEQ:HASH")?;
    let seq = seq.parse().context("SEQ is a number")?;
    if hash.parse::<domain::secrets::Digest>().is_err() {
        return Err(anyhow!("HASH has 64 lower-case hexadecimal digits"));
    }
    Ok((seq, hash.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_number_and_a_hash() {
        let hash = "0f".repeat(32);
        assert_eq!(anchor(&format!("17:{hash}")).unwrap(), (17, hash.clone()));
        for text in ["17", &format!("x:{hash}"), "17:abc", &format!("17:{}", hash.to_uppercase())] {
            assert!(anchor(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn heads_adopted_by_hand_are_not_adopted_again() {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("state");
        migrate::apply(&state_dir).unwrap();
        let env_file = folder.path().join("empty.env");
        std::fs::write(&env_file, "").unwrap();
        let installation = Installation {
            from: "../spin.toml".into(),
            state_dir: Some(state_dir),
            variables: vec![("encryption_secret".into(), "s".repeat(32))],
            env_file: Some(env_file),
        };
        let upgrading = Adoption::expect(&installation, &[PROVEN_SINCE]).unwrap();
        let which = |org: Option<&str>| Which {
            installation: installation.clone(),
            org: org.map(str::to_owned),
        };
        adopt(&which(Some("org"))).await.unwrap();
        assert!(upgrading.note.exists(), "others are still to be");
        adopt(&which(None)).await.unwrap();
        assert!(!upgrading.note.exists());
    }
}
