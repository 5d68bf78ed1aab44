//! A device and its work.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        task_queue::{Guest, Polled, Reported, ResultReport, StatusReport},
        types::{Device, TurnedAway},
    },
};

impl Guest for Component {
    async fn next(_device: Device) -> Result<Polled, TurnedAway> {
        Err(TurnedAway::Unavailable)
    }

    async fn report_status(
        _device: Device,
        _task_id: String,
        _report: StatusReport,
    ) -> Result<Reported, TurnedAway> {
        Err(TurnedAway::Unavailable)
    }

    async fn report_result(
        _device: Device,
        _task_id: String,
        _report: ResultReport,
    ) -> Result<Reported, TurnedAway> {
        Err(TurnedAway::Unavailable)
    }
}
