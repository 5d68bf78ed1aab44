//! What agents run on.

use std::{fmt, str::FromStr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Os {
    Windows,
    Linux,
    Darwin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    Amd64,
    Arm64,
}

/// Displayed as `<os>/<arch>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Platform {
    pub os: Os,
    pub arch: Arch,
}

/// The text names no platform of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform")]
pub struct UnknownPlatform;

impl Os {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Darwin => "darwin",
        }
    }
}

impl Arch {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl FromStr for Os {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "windows" => Ok(Self::Windows),
            "linux" => Ok(Self::Linux),
            "darwin" => Ok(Self::Darwin),
            _ => Err(UnknownPlatform),
        }
    }
}

impl FromStr for Arch {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "amd64" => Ok(Self::Amd64),
            "arm64" => Ok(Self::Arm64),
            _ => Err(UnknownPlatform),
        }
    }
}

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for os in [Os::Windows, Os::Linux, Os::Darwin] {
            assert_eq!(os.as_str().parse(), Ok(os));
        }
        for arch in [Arch::Amd64, Arch::Arm64] {
            assert_eq!(arch.as_str().parse(), Ok(arch));
        }
        assert_eq!("Windows".parse::<Os>(), Err(UnknownPlatform));
    }

    #[test]
    fn a_platform_is_shown_with_a_slash() {
        let platform = Platform { os: Os::Darwin, arch: Arch::Arm64 };
        assert_eq!(platform.to_string(), "darwin/arm64");
    }
}
