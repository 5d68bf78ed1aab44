//! The life of instances: made on demand, reused one request after the other
//! and for several at once, ended when idle, used up, too slow or trapped.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, Result, Store, StoreContextMut, component::GuestTaskId};
use wasmtime_wasi_http::{
    WasiHttpView as _,
    handler::{
        HandlerState, Instance as Handled, Proxy, ShouldAccept, WorkerExpiration, WorkerState,
        WorkerStatus,
    },
    p3::bindings::ServicePre,
};

use crate::{
    access_log::AccessLog,
    clock::{self, Arrival, Latest, Patience},
    options::Options,
    state::{Granted, Instance},
};

/// Makes instances of one component.
pub(crate) struct Factory {
    pub(crate) service: ServicePre<Instance>,
    pub(crate) granted: Arc<Granted>,
    pub(crate) limits: Limits,
    pub(crate) log: AccessLog,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    reuse: usize,
    concurrency: usize,
    idle: Duration,
    request: Patience,
    background: Duration,
}

impl From<&Options> for Limits {
    fn from(options: &Options) -> Self {
        Self {
            reuse: options.max_instance_reuse.max(1),
            concurrency: options.max_instance_concurrency.max(1),
            idle: options.instance_idle,
            request: options.into(),
            background: options.background_timeout,
        }
    }
}

impl Factory {
    fn engine(&self) -> &Engine {
        self.service.engine()
    }
}

impl HandlerState for Factory {
    type StoreData = Instance;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Handled<Instance, Expiration, Worker>> {
        let mut store = Store::new(self.engine(), Instance::new(self.granted.clone())?);
        store.limiter(|it| &mut it.memory);
        // A guest that computes gives way at every tick instead of trapping:
        // others run, and `Expiration` gets its chance to end the instance.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let proxy = Proxy::P3(self.service.instantiate_async(&mut store).await?);
        let sleep = tokio::time::sleep(self.limits.request.idle);
        let (arrived, is_late) = (Arc::<Latest>::default(), Arc::<AtomicBool>::default());
        let id = self.granted.id.clone();
        let limits = self.limits;
        Ok(Handled {
            store,
            proxy,
            view: Instance::http,
            expiration: Expiration {
                limits,
                arrived: arrived.clone(),
                is_late: is_late.clone(),
                sleep,
            },
            state: Worker { id, limits, arrived, is_late, log: self.log },
        })
    }
}

pin_project! {
    /// Ends an instance from outside, even one that never gives way by itself.
    pub(crate) struct Expiration {
        limits: Limits,
        arrived: Arc<Latest>,
        is_late: Arc<AtomicBool>,
        // Never later than due, often earlier: setting it for every request costs
        // more than waking up in vain now and then.
        #[pin]
        sleep: tokio::time::Sleep,
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let mut this = self.project();
        let due = || match status {
            WorkerStatus::Idle => start.checked_add(this.limits.idle),
            WorkerStatus::Requests => this.limits.request.end(start, this.arrived.instant()),
            // Whoever did not answer in its time has no answer to go on with.
            WorkerStatus::PostReturn if this.is_late.load(Relaxed) => {
                start.checked_add(this.limits.request.idle.min(this.limits.background))
            }
            WorkerStatus::PostReturn => start.checked_add(this.limits.background),
        };
        let Some(deadline) = due() else { return Poll::Pending };
        if this.sleep.deadline().into_std() > deadline {
            this.sleep.as_mut().reset(deadline.into());
        }
        loop {
            ready!(this.sleep.as_mut().poll(cx));
            // It may have been set for another request, or for the idle time before it.
            match due() {
                Some(deadline) if deadline > Instant::now() => {
                    this.sleep.as_mut().reset(deadline.into());
                }
                Some(_) => return Poll::Ready(()),
                None => return Poll::Pending,
            }
        }
    }
}

pub(crate) struct Worker {
    id: String,
    limits: Limits,
    arrived: Arc<Latest>,
    /// Whether the time of one of its requests was over before its answer.
    is_late: Arc<AtomicBool>,
    log: AccessLog,
}

/// The request data of the handler: what goes with a request to its instance.
pub(crate) struct Ticket {
    /// Kept until the guest is done with the head, even if the client is gone.
    pub(crate) permit: Option<Arc<OwnedSemaphorePermit>>,
    pub(crate) arrival: Option<Arc<Arrival>>,
}

impl WorkerState for Worker {
    type StoreData = Instance;
    type RequestData = Ticket;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.limits.reuse {
            ShouldAccept::Never
        } else if concurrent >= self.limits.concurrency {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Instance>,
        Ticket { permit, arrival }: Ticket,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>> {
        if let Some(arrival) = &arrival {
            arrival.reach(&self.arrived);
        }
        let over = clock::over(Instant::now(), self.limits.request, arrival);
        let is_late = self.is_late.clone();
        Box::pin(async move {
            over.await;
            is_late.store(true, Relaxed);
            drop(permit);
        })
    }

    fn drop(&self, store: Store<Instance>, result: Result<()>) {
        if let Err(error) = result {
            self.log.failure(&self.id, &error);
        }
        drop(store);
    }
}
