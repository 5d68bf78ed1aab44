//! The closed sets of words: one table per enumeration, for reading and for writing.

use serde_json::{Value, json};

use super::{AgentStatus, Arch, KeyScope, Os, Role, RuntimeStatus, TaskStatus, TaskType};

/// An enumeration that clients know by its words.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every member with its word, in the order in which messages list them.
    const WORDS: &'static [(&'static str, Self)];

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, it)| *it)
    }

    fn word(self) -> &'static str;

    /// Its JSON Schema.
    fn outline() -> Value {
        let words: Vec<_> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        json!({ "type": "string", "enum": words })
    }
}

/// The words of an enumeration, in Rust, in JSON and in JSON Schema.
#[macro_export]
macro_rules! choice {
    ($type:ident { $($word:literal => $member:ident),+ $(,)? }) => {
        impl $crate::contract::choices::Choice for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$member)),+];
            // An exhaustive match instead of a search: a member without a word does not compile.
            fn word(self) -> &'static str {
                match self { $(Self::$member => $word),+ }
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::contract::choices::Choice::word(*self))
            }
        }

        impl ::schemars::JsonSchema for $type {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let outline = <Self as $crate::contract::choices::Choice>::outline();
                ::schemars::Schema::try_from(outline).expect("an outline is an object")
            }
        }
    };
}

choice!(Os { "windows" => Windows, "linux" => Linux, "darwin" => Darwin });
choice!(Arch { "amd64" => Amd64, "arm64" => Arm64 });
choice!(AgentStatus {
    "active" => Active,
    "disabled" => Disabled,
    "decommissioned" => Decommissioned,
    "uninstalled" => Uninstalled,
});
choice!(RuntimeStatus {
    "idle" => Idle,
    "executing" => Executing,
    "updating" => Updating,
    "error" => Error,
    "offline" => Offline,
});
choice!(TaskType {
    "execute_test" => ExecuteTest,
    "update_agent" => UpdateAgent,
    "uninstall" => Uninstall,
    "execute_command" => ExecuteCommand,
});
choice!(TaskStatus {
    "pending" => Pending,
    "assigned" => Assigned,
    "downloading" => Downloading,
    "executing" => Executing,
    "completed" => Completed,
    "failed" => Failed,
    "expired" => Expired,
});
choice!(Role {
    "admin" => Admin,
    "operator" => Operator,
    "analyst" => Analyst,
    "explorer" => Explorer,
});
choice!(KeyScope {
    "read" => Read,
    "read-write" => ReadWrite,
    "analyst" => Analyst,
    "explorer" => Explorer,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_leads_back_to_its_member() {
        for (word, member) in TaskStatus::WORDS {
            assert_eq!(TaskStatus::from_word(word), Some(*member));
            assert_eq!(member.word(), *word);
        }
    }

    #[test]
    fn words_are_exact() {
        assert_eq!(Os::from_word("Linux"), None);
        assert_eq!(Os::from_word(""), None);
    }
}
