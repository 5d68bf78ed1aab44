//! What failed behind us: the cause goes to the log, once, here; the caller learns only the kind.

use std::error::Error as StdError;

use crate::bindings::exports::myrmidon::domain::types::Fault;

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        log(&error);
        match error {
            store::Error::SchemaOutdated(_) => Self::Misconfigured("schema_outdated".to_owned()),
            store::Error::Unavailable(_) | store::Error::Corrupt { .. } => Self::Unavailable,
        }
    }
}

/// A fault whose cause nobody can name better.
pub(crate) fn unavailable(cause: &dyn StdError) -> Fault {
    log(cause);
    Fault::Unavailable
}

/// A variable is missing or unusable.
pub(crate) fn misconfigured(variable: &'static str) -> Fault {
    write("error", &["variable missing or unusable", variable]);
    Fault::Misconfigured(variable.to_owned())
}

/// What failed without the caller's being concerned.
pub(crate) fn log(error: &dyn StdError) {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    write("error", &texts);
}

/// What an operator may want to know and nobody needs to mend.
pub(crate) fn note(what: &dyn StdError) {
    write("info", &[what.to_string()]);
}

#[expect(clippy::print_stderr, reason = "standard error is the component's log")]
fn write(level: &str, chain: &[impl AsRef<str>]) {
    let chain: Vec<_> = chain.iter().map(AsRef::as_ref).collect();
    // Debug of a string escapes quotes and control characters as JSON does for all we write.
    eprintln!(
        "{{\"level\":\"{level}\",\"component\":\"domain\",\"cause\":{:?}}}",
        chain.join(": ")
    );
}

/// Something an operator should know and a caller need not.
#[expect(clippy::print_stderr, reason = "standard error is the component's log")]
pub(crate) fn warn(text: &str) {
    eprintln!("{{\"level\":\"warn\",\"component\":\"domain\",\"message\":{text:?}}}");
}
