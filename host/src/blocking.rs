//! Work that blocks its thread, without blocking the others' work.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` here, and lets the runtime move its other tasks elsewhere.
///
/// On a runtime of one thread there is no elsewhere.
pub(crate) fn run<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|it| it.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
