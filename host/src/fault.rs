//! What can be wrong with an application before it runs.
//!
//! Faults are collected, not thrown: a user fixes all of them in one round.

use std::{cell::RefCell, fmt, path::PathBuf};

/// The application cannot be loaded. Holds every fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    pub manifest: PathBuf,
    pub faults: Vec<Fault>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot load {}:", self.manifest.display())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for LoadError {}

/// One fault, at one place of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {cause}")]
pub struct Fault {
    /// The dotted path of the key, as `component.agent.sqlite_databases`.
    pub at: String,
    pub cause: Cause,
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("not valid TOML: {0}")]
    Syntax(String),
    #[error("unknown key")]
    UnknownKey,
    #[error("missing")]
    Missing,
    #[error("must be {0}")]
    WrongType(&'static str),
    #[error("{0}")]
    Invalid(String),
    #[error("not supported by this host: {0}")]
    Unsupported(&'static str),
    #[error("unknown trigger, only http is served")]
    UnknownTrigger,
    #[error("there is no component {0:?}")]
    UnknownComponent(String),
    #[error("unknown label {0:?}, only \"default\" exists")]
    UnknownLabel(String),
    #[error("there is no variable {0:?}")]
    UnknownVariable(String),
    #[error("required, but has no value; set SPIN_VARIABLE_{}", .0.to_uppercase())]
    VariableUnset(String),
    #[error("cannot read {}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("import {0:?} is not provided by this host, nor by a dependency")]
    UnknownImport(String),
    #[error("cannot be linked: {0}")]
    Link(String),
    #[error("cannot be compiled: {0}")]
    Compile(String),
    #[error("{0}")]
    Compose(#[from] crate::compose::Error),
    #[error("state directory {}: {reason}", .path.display())]
    State { path: PathBuf, reason: String },
    #[error("engine: {0}")]
    Engine(String),
}

/// Collects faults while the work goes on.
#[derive(Debug, Default)]
pub(crate) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Once, however often it is found.
    pub(crate) fn report(&self, at: impl Into<String>, cause: Cause) {
        let fault = Fault { at: at.into(), cause };
        let mut faults = self.0.borrow_mut();
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Whether anything is wrong in the table `at`.
    pub(crate) fn are_within(&self, at: &str) -> bool {
        let within = |it: &Fault| it.at.strip_prefix(at).is_some_and(|it| it.starts_with('.'));
        self.0.borrow().iter().any(within)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}
