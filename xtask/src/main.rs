//! The project's chores: `cargo xtask help` lists them.
//!
//! Each sets up what it needs, so that a clean clone on a clean machine can run any of them first.

mod build;
mod command;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};
use command::cargo;

const HELP: &str = "\
cargo xtask <chore>

  up [options]       build everything and run the application: `myrmidon up`
  build              build the components and the programs
  test [filter]      test everything, or what matches
  openapi            describe every route anew: components/public/openapi.json
  schemathesis       let schemathesis (PyPI) call every route of the described ones
  lint               formatting, tidy, clippy for both targets, documentation
  bench [options]    measure against a bare component and print ratios
  tidy               the rules of this repository that no other tool checks
  migrate [options]  prepare or upgrade a database: `myrmidon migrate`
  myrmidon [args]    the program itself
";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its user"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", &[][..]),
    };
    if matches!(chore, "help" | "--help" | "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match run(chore, rest) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Unknown) => {
            eprint!("unknown chore {chore:?}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{chore}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

enum Outcome {
    Done,
    Unknown,
}

fn run(chore: &str, rest: &[String]) -> Result<Outcome> {
    match chore {
        "up" => {
            build::components()?;
            myrmidon(&[&["up".to_owned()], rest].concat())?;
        }
        "build" => {
            build::components()?;
            build::programs()?;
        }
        "test" => test(rest)?,
        "bench" => {
            build::components()?;
            build::guests()?;
            build::programs()?;
            cargo("run", &["--release", "--quiet", "--package", "bench", "--"]).args(rest).run()?;
        }
        "openapi" => openapi()?,
        "schemathesis" => {
            build::components()?;
            build::programs()?;
            cargo("run", &["--release", "--quiet", "--package", "tests", "--bin", "schemathesis"])
                .run()?;
        }
        "lint" => lint()?,
        "tidy" => tidy::check()?,
        "migrate" => myrmidon(&[&["migrate".to_owned()], rest].concat())?,
        "myrmidon" => myrmidon(rest)?,
        _ => return Ok(Outcome::Unknown),
    }
    Ok(Outcome::Done)
}

/// One native profile, `release`: wasmtime is built once for programs, tests and benchmarks.
fn test(filter: &[String]) -> Result<()> {
    build::components()?;
    build::guests()?;
    build::programs()?;
    cargo("test", &["--release", "--workspace", "--no-fail-fast"])
        .args(build::GUESTS.iter().flat_map(|it| ["--exclude", it]))
        .args(filter)
        .run()
}

/// Each tier's test writes its part instead of comparing it.
fn openapi() -> Result<()> {
    cargo("test", &["--release", "--quiet", "--lib"])
        .args(build::tiers().iter().flat_map(|it| ["--package", it]))
        .args(["the_document_is_current"])
        .env("OPENAPI_WRITE", "1")
        .run()
}

fn lint() -> Result<()> {
    tidy::check()?;
    cargo("fmt", &["--all", "--check"]).run()?;
    build::add_target()?;
    let deny_warnings = ["--", "-D", "warnings"];
    cargo("clippy", &["--release", "--workspace", "--all-targets"])
        .args(build::GUESTS.iter().flat_map(|it| ["--exclude", it]))
        .args(deny_warnings)
        .run()?;
    cargo("clippy", &["--profile", "wasm", "--target", build::TARGET])
        .args(build::COMPONENTS.iter().chain(build::GUESTS).flat_map(|it| ["--package", it]))
        .args(deny_warnings)
        .run()?;
    cargo("doc", &["--release", "--workspace", "--no-deps", "--document-private-items"])
        // What is private is documented, too, so it may be linked to.
        .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links")
        .run()
}

/// Becomes the program, so that signals reach it and its exit code is ours.
fn myrmidon(arguments: &[String]) -> Result<()> {
    build::programs()?;
    let program = command::root().join("target/release/myrmidon");
    if !program.is_file() {
        bail!("{} is missing after a build", program.display());
    }
    command::replace(&program, arguments)
}
