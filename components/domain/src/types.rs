//! Between the shared types of the contract and the domain's own.

use domain::{accounts, api_keys, passwords::Weakness, permissions, platform, rate_limit, time};

use crate::bindings::exports::myrmidon::domain::types::{
    Account, AccountField, AccountFlaw, Arch, Budget, FieldFlaw, Json, KeyScope, Os, Role,
    Timestamp,
};

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

impl From<permissions::Role> for Role {
    fn from(it: permissions::Role) -> Self {
        match it {
            permissions::Role::Admin => Self::Admin,
            permissions::Role::Operator => Self::Operator,
            permissions::Role::Analyst => Self::Analyst,
            permissions::Role::Explorer => Self::Explorer,
        }
    }
}

impl From<Role> for permissions::Role {
    fn from(it: Role) -> Self {
        match it {
            Role::Admin => Self::Admin,
            Role::Operator => Self::Operator,
            Role::Analyst => Self::Analyst,
            Role::Explorer => Self::Explorer,
        }
    }
}

impl From<api_keys::Grant> for KeyScope {
    fn from(it: api_keys::Grant) -> Self {
        match it {
            api_keys::Grant::Read => Self::Read,
            api_keys::Grant::ReadWrite => Self::ReadWrite,
            api_keys::Grant::Analyst => Self::Analyst,
            api_keys::Grant::Explorer => Self::Explorer,
        }
    }
}

impl From<KeyScope> for api_keys::Grant {
    fn from(it: KeyScope) -> Self {
        match it {
            KeyScope::Read => Self::Read,
            KeyScope::ReadWrite => Self::ReadWrite,
            KeyScope::Analyst => Self::Analyst,
            KeyScope::Explorer => Self::Explorer,
        }
    }
}

impl From<(accounts::Field, accounts::Flaw)> for FieldFlaw {
    fn from((field, flaw): (accounts::Field, accounts::Flaw)) -> Self {
        let field = match field {
            accounts::Field::Email => AccountField::Email,
            accounts::Field::Name => AccountField::Name,
            accounts::Field::Password => AccountField::Password,
        };
        let flaw = match flaw {
            accounts::Flaw::Missing => AccountFlaw::Missing,
            accounts::Flaw::InvalidEmail => AccountFlaw::InvalidEmail,
            accounts::Flaw::Empty => AccountFlaw::Empty,
            accounts::Flaw::TooLong => AccountFlaw::TooLong,
            accounts::Flaw::Weak(Weakness::TooShort) => AccountFlaw::WeakShort,
            accounts::Flaw::Weak(Weakness::TooLong) => AccountFlaw::WeakLong,
            accounts::Flaw::Weak(Weakness::Common) => AccountFlaw::WeakCommon,
        };
        Self { field, flaw }
    }
}

impl From<store::users::User> for Account {
    fn from(it: store::users::User) -> Self {
        Self {
            id: it.id.0,
            email: it.email,
            name: it.name,
            role: it.role.map(Into::into),
            active: it.is_active,
            last_active_at: it.last_active_at.map(Into::into),
            created_at: it.created_at.into(),
        }
    }
}
