//! One type per kind of identifier, so that one cannot be passed for another.
//!
//! An id is an opaque text here. Whether a text from outside may be one is checked at the edge.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    AgentId,
    TaskId,
    ScheduleId,
    /// Of the enrollment token's row, not its secret.
    TokenId,
    /// One call that creates tasks makes one batch.
    BatchId,
    OrgId,
    UserId,
    SessionId,
    /// Of an API key's row, not its secret.
    ApiKeyId,
    InvitationId,
}
