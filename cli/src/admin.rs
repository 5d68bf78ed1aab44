//! Accounts of administrators, for an installation without an identity provider.
//!
//! The first one cannot be made over HTTP: there would be nobody to permit it.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use domain::{
    accounts::{Field, Flaw, Wish},
    ids::{OrgId, UserId},
    passwords::Verifier,
    permissions::Role,
    secrets::{Secret, hex_of},
    time::Timestamp,
};
use store::{
    audit::Entry,
    native::File,
    users::{self, NewUser},
};

use crate::{Installation, keys, migrate};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an account that may do everything in its organisation
    Create(Options),
}

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// The organisation that it administers
    #[arg(long)]
    org: String,
    /// What to sign in with
    #[arg(long)]
    email: String,
    #[arg(long, default_value = "Administrator")]
    name: String,
    /// Read the password from standard input, instead of making one and printing it
    #[arg(long)]
    password_stdin: bool,
}

/// Nobody types more.
const LONGEST_INPUT: u64 = 4096;

#[expect(clippy::print_stdout, reason = "the account is the answer")]
pub(crate) fn run(command: &Command) -> Result<()> {
    let Command::Create(options) = command;
    if options.org.trim().is_empty() || options.org.contains('\0') {
        bail!("an organisation has a name");
    }
    let password = if options.password_stdin { given()? } else { made()? };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(create(options, password.clone()))?;
    println!("{} administers {}", options.email, options.org);
    if !options.password_stdin {
        println!("password: {}", password.expose());
    }
    Ok(())
}

async fn create(options: &Options, password: Secret) -> Result<()> {
    let state_dir = options.installation.state_dir();
    if !migrate::pending(&state_dir)?.is_empty() {
        bail!("the database is not up to date: run `myrmidon migrate` first");
    }
    let wish = Wish {
        email: Some(options.email.clone()),
        name: Some(options.name.clone()),
        password: Some(password),
    };
    let draft = wish.check().map_err(|it| anyhow::anyhow!(told(&it)))?;
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let id = UserId(keys::random_id()?);
    let new = NewUser {
        id: &id,
        email: &draft.email,
        name: &draft.name,
        verifier: &Verifier::of(&draft.password, &keys::random()?),
    };
    let entry = Entry {
        at: now,
        actor: "myrmidon admin".to_owned(),
        address: "local".to_owned(),
        request_id: keys::random_id()?,
        action: "user.create",
        details: None,
    };
    let db = File::open(&migrate::database(&state_dir))?;
    let org = OrgId(options.org.clone());
    if users::insert(&db, &org, &new, Some(Role::Admin), now, Some(&entry)).await? {
        Ok(())
    } else {
        bail!("{} has an account already", options.email)
    }
}

/// The first line; the line break is not part of it.
fn given() -> Result<Secret> {
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST_INPUT)
        .read_to_string(&mut text)
        .context("standard input is no text")?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// 128 bits.
fn made() -> Result<Secret> {
    Ok(Secret::new(hex_of(&keys::random::<16>()?)))
}

fn told(flaws: &[(Field, Flaw)]) -> String {
    let told = flaws.iter().map(|(field, flaw)| {
        let field = match field {
            Field::Email => "the address",
            Field::Name => "the name",
            Field::Password => "the password",
        };
        let flaw = match flaw {
            Flaw::Missing => "is no text that can be shown".to_owned(),
            Flaw::InvalidEmail => "is no mail address".to_owned(),
            Flaw::Empty => "is empty".to_owned(),
            Flaw::TooLong => "is too long".to_owned(),
            Flaw::Weak(weakness) => format!("cannot be taken: {weakness}"),
        };
        format!("{field} {flaw}")
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use domain::{accounts::Email, passwords::Weakness};

    use super::*;

    fn options(state_dir: &std::path::Path) -> Options {
        Options {
            installation: Installation {
                from: "spin.toml".into(),
                state_dir: Some(state_dir.to_owned()),
                variables: Vec::new(),
                env_file: None,
            },
            org: "acme".to_owned(),
            email: "Ada@Example.org".to_owned(),
            name: "Ada".to_owned(),
            password_stdin: true,
        }
    }

    #[tokio::test]
    async fn an_administrator_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let password = || Secret::new("correct horse battery".into());
        assert!(create(&options, password()).await.is_err(), "there is no database yet");
        migrate::apply(folder.path()).unwrap();
        create(&options, password()).await.unwrap();
        assert!(create(&options, password()).await.is_err());
        let db = File::open(&migrate::database(folder.path())).unwrap();
        let email = Email::parse("ada@example.org").unwrap();
        let account = users::find_by_email(&db, &email).await.unwrap().unwrap();
        assert_eq!((account.org, account.role), ("acme".into(), Some(Role::Admin)));
        assert!(account.verifier.fits(&password()));
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let flaws =
            [(Field::Email, Flaw::InvalidEmail), (Field::Password, Flaw::Weak(Weakness::Common))];
        assert_eq!(
            told(&flaws),
            "the address is no mail address; the password cannot be taken: password among the 10,000 most common"
        );
    }
}
