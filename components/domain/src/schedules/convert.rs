//! Between the contract's words for schedules and the domain's own.

use domain::schedules as ours;
use store::schedules::{Member, Schedule as Row};

use crate::bindings::exports::myrmidon::domain::{
    schedules::{
        MissedRunPolicy, Schedule, ScheduleError, ScheduleIssue, ScheduleStatus, ScheduleType,
    },
    types::Fault,
};

impl From<(Row, Vec<Member>)> for Schedule {
    fn from((it, members): (Row, Vec<Member>)) -> Self {
        let times: Vec<_> = members
            .iter()
            .filter_map(|it| Some((it.agent.0.clone(), it.next_run_at?.into())))
            .collect();
        Self {
            id: it.id.0,
            name: it.name,
            agent_ids: members.into_iter().map(|it| it.agent.0).collect(),
            org_id: it.org.0,
            test_uuid: it.test_uuid,
            test_name: it.test_name,
            binary_name: it.binary_name,
            execution_timeout: it.execution_timeout_seconds,
            priority: it.priority,
            metadata: it.metadata.into(),
            schedule_type: it.kind.into(),
            schedule_config: it.config.into(),
            timezone: it.timezone,
            next_run_at: it.next_run_at.map(Into::into),
            last_run_at: it.last_run_at.map(Into::into),
            status: it.status.into(),
            created_by: it.created_by,
            created_at: it.created_at.into(),
            updated_at: it.updated_at.into(),
            target_index: it.target_index,
            agent_next_runs: (!times.is_empty()).then_some(times),
            missed_run_policy: it.missed.policy.into(),
            missed_run_window_seconds: u32::try_from(it.missed.window.as_millis() / 1000)
                .unwrap_or(u32::MAX),
            blackout_windows: it.blackout_windows.into(),
            skipped_runs: it.skipped_runs,
            last_skipped_at: it.last_skipped_at.map(Into::into),
            last_error: it.last_error,
            last_error_at: it.last_error_at.map(Into::into),
        }
    }
}

macro_rules! same {
    ($here:ident { $($member:ident),+ $(,)? }) => {
        impl From<ours::$here> for $here {
            fn from(it: ours::$here) -> Self {
                match it { $(ours::$here::$member => Self::$member),+ }
            }
        }

        impl From<$here> for ours::$here {
            fn from(it: $here) -> Self {
                match it { $($here::$member => Self::$member),+ }
            }
        }
    };
}

same!(ScheduleType { Once, Daily, Weekly, Monthly });
same!(ScheduleStatus { Active, Paused, Completed, Deleted });
same!(MissedRunPolicy { Skip, RunOnce, RunAll });

impl ScheduleError {
    pub(super) fn invalid(path: &str, message: &str) -> Self {
        let (path, message) = (path.to_owned(), message.to_owned());
        Self::Invalid(vec![ScheduleIssue { path, message }])
    }
}

impl From<store::Error> for ScheduleError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Fault> for ScheduleError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}
