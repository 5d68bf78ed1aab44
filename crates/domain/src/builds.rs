//! The binary of a test, as an operator uploaded it.

use crate::{platform::Platform, time::Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub platform: Platform,
    pub filename: String,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub size: u64,
    /// Whether the operating system's own code signature is present.
    pub signed: bool,
    pub built_at: Timestamp,
}
