//! Building what runs: components to `target/wasm32-wasip2/wasm/`, programs to `target/release/`.

use anyhow::{Context as _, Result};

use crate::command::{cargo, program};

pub(crate) const TARGET: &str = "wasm32-wasip2";

/// The application's components, as `spin.toml` builds them.
pub(crate) const COMPONENTS: &[&str] = &[
    "domain-component",
    "public",
    "agent",
    "admin",
    "auth",
    "cron-maintenance",
    "cron-ingestion",
    "cron-schedules",
    "cron-cleanup",
    "cron-auto-rotation",
];

/// Those that have routes: all but the first.
pub(crate) fn tiers() -> &'static [&'static str] {
    &COMPONENTS[1..]
}

/// Components that only tests and benchmarks run.
pub(crate) const GUESTS: &[&str] =
    &["hello", "host-guest", "host-guest-caller", "host-guest-library"];

pub(crate) fn components() -> Result<()> {
    wasm(COMPONENTS)
}

pub(crate) fn guests() -> Result<()> {
    wasm(GUESTS)
}

pub(crate) fn programs() -> Result<()> {
    cargo("build", &["--release", "--package", "cli"]).run()
}

fn wasm(packages: &[&str]) -> Result<()> {
    add_target()?;
    cargo("build", &["--profile", "wasm", "--target", TARGET])
        .args(packages.iter().flat_map(|it| ["--package", it]))
        .run()
}

/// Adds the target where rustup does not do it by itself on reading `rust-toolchain.toml`.
pub(crate) fn add_target() -> Result<()> {
    let sysroot = program("rustc", &["--print", "sysroot"]).output()?;
    let installed = std::path::Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET);
    if installed.is_dir() {
        return Ok(());
    }
    program("rustup", &["target", "add", TARGET])
        .run()
        .with_context(|| format!("the target {TARGET} is missing and could not be added"))
}
