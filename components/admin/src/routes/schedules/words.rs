//! The closed sets of words of schedules.

use web::choice;

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

choice!(ScheduleType { "once" => Once, "daily" => Daily, "weekly" => Weekly, "monthly" => Monthly });
choice!(ScheduleStatus {
    "active" => Active,
    "paused" => Paused,
    "completed" => Completed,
    "deleted" => Deleted,
});
choice!(MissedRunPolicy { "skip" => Skip, "run_once" => RunOnce, "run_all" => RunAll });
choice!(RandomizeMode { "fixed" => Fixed, "fleet" => Fleet, "per_machine" => PerMachine });
choice!(Wish { "active" => Active, "paused" => Paused });
