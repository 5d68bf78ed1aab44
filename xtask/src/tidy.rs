//! The rules of this repository that no other tool checks.
//!
//! All offences are listed at once, each with its place.

mod imports;
mod sources;

use anyhow::{Result, bail};

use crate::command::root;

#[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
pub(crate) fn check() -> Result<()> {
    let offences = offences()?;
    for offence in &offences {
        eprintln!("{offence}");
    }
    match offences.len() {
        0 => Ok(()),
        count => bail!("{count} offences"),
    }
}

fn offences() -> Result<Vec<String>> {
    let mut offences = sources::offences(&root())?;
    offences.extend(imports::offences(&root())?);
    Ok(offences)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        assert_eq!(super::offences().unwrap(), Vec::<String>::new());
    }
}
