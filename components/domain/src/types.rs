//! Between the shared types of the contract and the domain's own.

use domain::{platform, rate_limit, time};

use crate::bindings::exports::myrmidon::domain::types::{Arch, Budget, Json, Os, Timestamp};

impl From<time::Timestamp> for Timestamp {
    fn from(it: time::Timestamp) -> Self {
        Self { unix_ms: it.0 }
    }
}

impl From<Timestamp> for time::Timestamp {
    fn from(it: Timestamp) -> Self {
        Self(it.unix_ms)
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self { text }
    }
}

impl From<platform::Os> for Os {
    fn from(it: platform::Os) -> Self {
        match it {
            platform::Os::Windows => Self::Windows,
            platform::Os::Linux => Self::Linux,
            platform::Os::Darwin => Self::Darwin,
        }
    }
}

impl From<Os> for platform::Os {
    fn from(it: Os) -> Self {
        match it {
            Os::Windows => Self::Windows,
            Os::Linux => Self::Linux,
            Os::Darwin => Self::Darwin,
        }
    }
}

impl From<platform::Arch> for Arch {
    fn from(it: platform::Arch) -> Self {
        match it {
            platform::Arch::Amd64 => Self::Amd64,
            platform::Arch::Arm64 => Self::Arm64,
        }
    }
}

impl From<Arch> for platform::Arch {
    fn from(it: Arch) -> Self {
        match it {
            Arch::Amd64 => Self::Amd64,
            Arch::Arm64 => Self::Arm64,
        }
    }
}

impl From<rate_limit::Budget> for Budget {
    fn from(it: rate_limit::Budget) -> Self {
        Self {
            limit: it.limit.requests,
            window_seconds: it.limit.window_seconds,
            remaining: it.remaining,
            reset_seconds: it.reset_seconds,
        }
    }
}
