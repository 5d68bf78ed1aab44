//! `/api/agent/tasks`.

mod ended;
pub(crate) mod next;
pub(crate) mod report_result;
pub(crate) mod report_status;
mod result_body;
