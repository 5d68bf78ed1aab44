//! A device and its work.

use domain::{
    devices::Presented,
    ids::TaskId,
    tasks::{Report, TaskStatus, Verdict},
};
use store::{
    devices::Admitted,
    task_queue::{self, reports},
    tasks,
};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        task_queue::{
            self as contract, Guest, Polled, Reported, ReportedOutcome, ResultReport, StatusReport,
            Transition,
        },
        types::{Budget, Device, TurnedAway},
    },
    call::Call,
    device::{Window, admit, at_once, is_fresh, perform, perform_until_farewell, presented},
    ingestion,
};

impl Guest for Component {
    fn next(device: Device) -> Result<Polled, TurnedAway> {
        at_once(next(&device))
    }

    async fn report_status(
        device: Device,
        task_id: String,
        report: StatusReport,
    ) -> Result<Reported, TurnedAway> {
        let id = TaskId(task_id);
        let status = TaskStatus::from(report.status);
        let error = report.error.as_deref();
        settle(&device, &id, Report::Status(status), async |call, device| match status {
            TaskStatus::Downloading | TaskStatus::Executing => {
                reports::record_progress(call.db, device, &id, status, call.now).await
            }
            TaskStatus::Failed => {
                reports::record_failure(call.db, device, &id, error, call.now).await
            }
            TaskStatus::Pending
            | TaskStatus::Assigned
            | TaskStatus::Completed
            | TaskStatus::Expired => Ok(None),
        })
        .await
    }

    async fn report_result(
        device: Device,
        task_id: String,
        report: ResultReport,
    ) -> Result<Reported, TurnedAway> {
        let id = TaskId(task_id);
        let body = &report.body.text;
        settle(&device, &id, Report::Result, async |call, device| {
            let recorded = reports::record_result(call.db, device, &id, body, call.now).await?;
            if let Some(recorded) = &recorded {
                ingestion::attempt(call, &recorded.task).await;
            }
            Ok(recorded)
        })
        .await
    }

    async fn count_refused(
        device: Device,
        counted_as: contract::Window,
    ) -> Result<Budget, TurnedAway> {
        let call = Call::begin_of_device()?;
        Ok(admit(&call, &device, counted_as.into()).await?.budget.into())
    }
}

impl From<contract::Window> for Window {
    fn from(it: contract::Window) -> Self {
        match it {
            contract::Window::Requests => Self::Requests,
            contract::Window::Results => Self::Results,
        }
    }
}

async fn next(device: &Device) -> Result<Polled, TurnedAway> {
    let call = Call::begin_of_device()?;
    let presented = presented(device);
    let polled = perform(&call, device, Window::Requests, async || {
        task_queue::claim(call.db, &presented, call.now).await
    })
    .await?;

    let task = match polled.task {
        None => None,
        Some(id) => task_queue::find_claimed(call.db, &presented, &id).await?,
    };
    Ok(Polled { budget: polled.budget.into(), task: task.map(Into::into) })
}

/// Records a report in one statement, or finds out what stood in its way.
async fn settle(
    device: &Device,
    id: &TaskId,
    report: Report,
    record: impl AsyncFn(&Call, &Presented) -> Result<Option<reports::Reported>, store::Error>,
) -> Result<Reported, TurnedAway> {
    let call = Call::begin_of_device()?;
    let presented = presented(device);
    if is_fresh(&call, device)
        && let Some(done) = record(&call, &presented).await?
    {
        return Ok(done.into());
    }

    let admitted = admit_report(&call, device, id, report).await?;
    // What would be recorded now was in the way of a promotion or of a race that is over.
    for _ in 0..2 {
        let task = tasks::find(call.db, &admitted.org, id).await?;
        if let Some(outcome) = judge(task, &presented, report) {
            return Ok(Reported { budget: admitted.budget.into(), outcome });
        }
        if let Some(done) = record(&call, &presented).await? {
            return Ok(done.into());
        }
    }
    Err(TurnedAway::Unavailable)
}

/// Counts a report that was not recorded. The result that ended its agent may be repeated.
async fn admit_report(
    call: &Call,
    device: &Device,
    id: &TaskId,
    report: Report,
) -> Result<Admitted, TurnedAway> {
    let presented = presented(device);
    match report {
        Report::Status(_) => admit(call, device, Window::Requests).await,
        Report::Result => {
            let work = async || reports::admit(call.db, &presented, id, call.now).await;
            let is_farewell = async || reports::is_farewell(call.db, &presented.agent, id).await;
            perform_until_farewell(call, device, Window::Results, work, is_farewell).await
        }
    }
}

/// `None` when the report is to be recorded.
fn judge(task: Option<tasks::Task>, by: &Presented, report: Report) -> Option<ReportedOutcome> {
    let Some(task) = task else {
        return Some(ReportedOutcome::UnknownTask);
    };
    if task.agent != by.agent {
        return Some(ReportedOutcome::ForeignTask);
    }
    match task.state().judge(report) {
        Verdict::Recorded => None,
        Verdict::AlreadyEnded => Some(ReportedOutcome::AlreadyEnded(task.into())),
        Verdict::Stopped => Some(ReportedOutcome::Stopped(task.into())),
        Verdict::Unknown => Some(ReportedOutcome::UnknownTask),
        Verdict::Invalid { from, to } => {
            let transition = Transition { from: from.into(), to: to.into() };
            Some(ReportedOutcome::InvalidTransition(transition))
        }
    }
}

impl From<reports::Reported> for Reported {
    fn from(it: reports::Reported) -> Self {
        let outcome = ReportedOutcome::Recorded(it.task.into());
        Self { budget: it.budget.into(), outcome }
    }
}
