//! The closed sets of words of schedules.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use web::contract::choices::Choice;

use crate::bindings::myrmidon::domain::schedules::{MissedRunPolicy, ScheduleStatus, ScheduleType};

/// Who shares a time of day (fleet.md §6.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RandomizeMode {
    Fixed,
    Fleet,
    PerMachine,
}

/// What a person may make of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Active,
    Paused,
}

macro_rules! words {
    ($type:ident { $($word:literal => $member:ident),+ $(,)? }) => {
        impl Choice for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$member)),+];
            fn word(self) -> &'static str {
                match self { $(Self::$member => $word),+ }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Schema::try_from(Self::outline()).expect("an outline is an object")
            }
        }
    };
}

words!(ScheduleType { "once" => Once, "daily" => Daily, "weekly" => Weekly, "monthly" => Monthly });
words!(ScheduleStatus {
    "active" => Active,
    "paused" => Paused,
    "completed" => Completed,
    "deleted" => Deleted,
});
words!(MissedRunPolicy { "skip" => Skip, "run_once" => RunOnce, "run_all" => RunAll });
words!(RandomizeMode { "fixed" => Fixed, "fleet" => Fleet, "per_machine" => PerMachine });
words!(Wish { "active" => Active, "paused" => Paused });
