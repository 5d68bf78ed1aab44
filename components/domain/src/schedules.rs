//! Schedules as operators make, read, change and end them. Reading writes nothing (D-52).

mod change;
mod convert;
mod creation;
mod dry_run;
mod preview;
pub(crate) mod timing;

use domain::{
    ids::{OrgId, ScheduleId},
    time::Timestamp,
};
use store::schedules::{self, changes, changes::Deleted};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        schedules::{
            Guest, NewSchedule, Schedule, ScheduleChange, ScheduleDryRun, ScheduleError,
            ScheduleFilter, SchedulePage, SchedulePosition, SchedulePreview,
        },
        types::{Actor, Fault},
    },
    call::Call,
};

impl Guest for Component {
    async fn create_schedule(by: Actor, request: NewSchedule) -> Result<Schedule, ScheduleError> {
        creation::create(by, request).await
    }

    async fn dry_run_schedule(
        by: Actor,
        request: NewSchedule,
    ) -> Result<ScheduleDryRun, ScheduleError> {
        creation::dry_run(by, request).await
    }

    async fn list_schedules(by: Actor, filter: ScheduleFilter) -> Result<SchedulePage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let status = filter.status.map(Into::into);
        let total = schedules::count(call.db, &org, status).await?;
        if filter.limit == 0 {
            return Ok(SchedulePage { schedules: Vec::new(), total, next: None });
        }
        let page = schedules::Page {
            limit: filter.limit,
            offset: filter.offset,
            after: filter.after.as_ref().map(|it| (Timestamp(it.created_at.unix_ms), &*it.id)),
        };
        let found = schedules::list(call.db, &org, status, page).await?;
        let is_full = u32::try_from(found.len()) == Ok(filter.limit);
        let wanted = found.len();
        let listed = schedules::list_members(call.db, found).await?;
        let goes_on = is_full || listed.len() < wanted;
        let next = listed.last().filter(|_| goes_on).map(|(last, _)| SchedulePosition {
            created_at: last.created_at.into(),
            id: last.id.0.clone(),
        });
        let schedules = listed.into_iter().map(Into::into).collect();
        Ok(SchedulePage { schedules, total, next })
    }

    async fn find_schedule(by: Actor, id: String) -> Result<Option<Schedule>, Fault> {
        let call = Call::begin()?;
        read(&call, &OrgId(by.org_id), &ScheduleId(id)).await
    }

    async fn change_schedule(
        by: Actor,
        id: String,
        change: ScheduleChange,
    ) -> Result<Schedule, ScheduleError> {
        change::change(by, ScheduleId(id), change).await
    }

    async fn delete_schedule(by: Actor, id: String) -> Result<bool, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "schedule.delete");
        let (org, id) = (OrgId(by.org_id), ScheduleId(id));
        let deleted = changes::record_deletion(call.db, &org, &id, call.now, &entry).await?;
        audit::seal(&call, &org).await;
        Ok(deleted != Deleted::Unknown)
    }

    async fn preview_schedule(
        by: Actor,
        id: String,
        n: u32,
    ) -> Result<Option<SchedulePreview>, Fault> {
        preview::preview(&OrgId(by.org_id), &ScheduleId(id), n).await
    }
}

/// A schedule as it is shown.
async fn read(call: &Call, org: &OrgId, id: &ScheduleId) -> Result<Option<Schedule>, Fault> {
    let Some(found) = schedules::find(call.db, org, id).await? else { return Ok(None) };
    let members = schedules::members(call.db, id).await?;
    Ok(Some((found, members).into()))
}
