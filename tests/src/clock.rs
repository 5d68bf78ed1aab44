//! The time as the application keeps it: in milliseconds.

use jiff::Timestamp;

/// Ends in another millisecond. Of two things of the same one, neither is the later.
pub async fn next_millisecond() {
    let now = Timestamp::now().as_millisecond();
    while Timestamp::now().as_millisecond() == now {
        tokio::task::yield_now().await;
    }
}
