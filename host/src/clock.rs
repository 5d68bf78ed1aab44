//! Request timeouts: how long a request may take.
//!
//! Until the head of its answer a request may wait so long, and a body that
//! arrives gives it that time anew with every byte, up to a ceiling. When the
//! time is over, the body ends with an error, so that neither its sender nor a
//! guest that waits for the rest of it is kept.

use std::{
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

use crate::options::Options;

/// The timeouts of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// In which nothing of its body arrived.
    pub(crate) idle: Duration,
    pub(crate) ceiling: Duration,
}

impl From<&Options> for Patience {
    fn from(options: &Options) -> Self {
        let idle = options.request_timeout;
        Self { idle, ceiling: options.request_ceiling.max(idle) }
    }
}

impl Patience {
    /// Longer by a grace.
    pub(crate) fn and(self, grace: Duration) -> Self {
        let Self { idle, ceiling } = self;
        Self { idle: idle.saturating_add(grace), ceiling: ceiling.saturating_add(grace) }
    }

    /// When the time of a request is over that began at `start`, and of whose body
    /// something arrived at `latest`. `None` is never.
    pub(crate) fn end(self, start: Instant, latest: Option<Instant>) -> Option<Instant> {
        let from = latest.map_or(start, |it| it.max(start));
        match (from.checked_add(self.idle), start.checked_add(self.ceiling)) {
            (Some(idle), Some(ceiling)) => Some(idle.min(ceiling)),
            (idle, ceiling) => idle.or(ceiling),
        }
    }
}

/// The last activity, as of any thread.
#[derive(Default)]
pub(crate) struct Latest(AtomicU64);

impl Latest {
    pub(crate) fn instant(&self) -> Option<Instant> {
        match self.0.load(Relaxed) {
            0 => None,
            it => BASE.checked_add(Duration::from_nanos(it)),
        }
    }

    fn note(&self, nanoseconds: u64) {
        self.0.fetch_max(nanoseconds, Relaxed);
    }
}

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The progress of the body of one request. A request without a body has none.
#[derive(Default)]
pub(crate) struct Arrival {
    latest: Latest,
    /// Of all requests of the instance that has this one.
    of_instance: OnceLock<Arc<Latest>>,
    is_over: AtomicBool,
    reader: AtomicWaker,
}

impl Arrival {
    /// Something of the body arrived.
    pub(crate) fn note(&self) {
        let now = u64::try_from(BASE.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        self.latest.note(now);
        if let Some(it) = self.of_instance.get() {
            it.note(now);
        }
    }

    /// An instance has the request now, and is to know of its progress.
    pub(crate) fn reach(&self, of_instance: &Arc<Latest>) {
        // Each request reaches one instance, once.
        drop(self.of_instance.set(of_instance.clone()));
    }

    /// Whether the time is over. Until then `context` is woken when it is.
    pub(crate) fn poll_over(&self, context: &std::task::Context<'_>) -> bool {
        self.reader.register(context.waker());
        self.is_over.load(Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.reader.wake();
    }
}

/// Resolves when the time of a request that began at `start` is over, and ends its body.
pub(crate) async fn over(start: Instant, patience: Patience, arrival: Option<Arc<Arrival>>) {
    let latest = || arrival.as_ref().and_then(|it| it.latest.instant());
    while let Some(end) = patience.end(start, latest()) {
        if end <= Instant::now() {
            if let Some(it) = &arrival {
                it.end();
            }
            return;
        }
        tokio::time::sleep_until(end.into()).await;
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience { idle: SECOND, ceiling: Duration::from_secs(10) };

    #[test]
    fn what_arrives_gives_time_up_to_a_ceiling() {
        let start = Instant::now();
        let end = |latest: Option<Instant>| PATIENCE.end(start, latest).map(|it| it - start);
        assert_eq!(end(None), Some(SECOND));
        assert_eq!(end(Some(start + SECOND * 3)), Some(SECOND * 4));
        assert_eq!(end(Some(start + SECOND * 20)), Some(SECOND * 10));
        // What another request of the instance got before this one began.
        assert_eq!(end(start.checked_sub(SECOND)), Some(SECOND));
    }

    #[test]
    fn the_latest_is_that_of_the_instance_too() {
        let (arrival, instance) = (Arrival::default(), Arc::<Latest>::default());
        arrival.note();
        assert_eq!(instance.instant(), None);
        arrival.reach(&instance);
        arrival.note();
        assert_eq!(instance.instant(), arrival.latest.instant());
        assert!(instance.instant().is_some());
    }
}
