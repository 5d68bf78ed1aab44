//! A body on its way to the parser, which keeps whatever it cannot make a part of: so it is told
//! no more than it has passed on and a bounded rest.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;

use crate::request::{Broken, Incoming};

/// What the parser may hold: headers of a part, or what comes before the first one.
const MOST_HELD: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the body is larger than any that is taken")]
    TooLarge,
    #[error("the body does not come to a part")]
    Shapeless,
}

/// Shared by the body and by those who take from the parser what it made of it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    held: AtomicUsize,
    is_discarded: AtomicBool,
}

pub(super) struct Paced {
    incoming: Incoming,
    left: u64,
    resting: bool,
    pace: Arc<Pace>,
}

impl Pace {
    /// The parser gave away so many bytes.
    pub(super) fn passed(&self, bytes: usize) {
        self.held.store(self.held.load(Relaxed).saturating_sub(bytes), Relaxed);
    }

    /// The parser came to a part.
    pub(super) fn passed_all(&self) {
        self.held.store(0, Relaxed);
    }

    /// From now on the parser gets nothing: the rest of the body is read and dropped.
    pub(super) fn discard(&self) {
        self.is_discarded.store(true, Relaxed);
    }
}

impl Paced {
    pub(super) fn new(incoming: Incoming, most: u64) -> (Self, Arc<Pace>) {
        let pace = Arc::<Pace>::default();
        (Self { incoming, left: most, resting: false, pace: pace.clone() }, pace)
    }

    fn admit(&mut self, chunk: &Bytes) -> Result<(), Stopped> {
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or(Stopped::TooLarge)?;
        if self.pace.is_discarded.load(Relaxed) {
            return Ok(());
        }
        let held = self.pace.held.load(Relaxed) + chunk.len();
        self.pace.held.store(held, Relaxed);
        if held > MOST_HELD { Err(Stopped::Shapeless) } else { Ok(()) }
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, Stopped>;

    /// Rests after each chunk: the parser takes all that is ready into memory, so it is given one
    /// chunk at a time.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if std::mem::take(&mut self.resting) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(chunk) = ready!(self.incoming.as_mut().poll_next(context)) else {
                return Poll::Ready(None);
            };
            self.resting = true;
            let admitted = chunk.map_err(Stopped::from).and_then(|it| self.admit(&it).map(|()| it));
            if admitted.is_err() || !self.pace.is_discarded.load(Relaxed) {
                return Poll::Ready(Some(admitted));
            }
        }
    }
}
