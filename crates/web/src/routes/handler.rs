//! Handlers: functions of a request, or of a request and a caller who proved something.
//!
//! A handler that takes a [`Caller`] cannot run for anybody else: there is no other way to make one.

use std::future::Future;

use futures::future::LocalBoxFuture;

use crate::{Answer, Problem, Request, contract::Budget, openapi::Proof};

/// Proof of who is calling and of what they may do here.
pub trait Caller: Sized + 'static {
    /// What it proves itself with, for descriptions.
    const PROOF: Proof;

    fn prove(request: &Request) -> impl Future<Output = Result<Self, Problem>>;

    /// What is left of the caller's budget after this request, shown with whatever is answered.
    fn budget(&self) -> Option<Budget> {
        None
    }
}

pub(super) type Boxed = Box<dyn Fn(Request) -> LocalBoxFuture<'static, Answer> + Send + Sync>;

/// An async function that a route can name; `A` are its arguments before the request.
pub trait Handler<A>: Copy + Send + Sync + 'static {
    /// What its caller must prove itself with; none where it runs for anybody.
    const PROOF: Option<Proof>;

    fn call(self, request: Request) -> LocalBoxFuture<'static, Answer>;
}

impl<F, R> Handler<()> for F
where
    F: Fn(Request) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = Answer> + 'static,
{
    const PROOF: Option<Proof> = None;

    fn call(self, request: Request) -> LocalBoxFuture<'static, Answer> {
        Box::pin(self(request))
    }
}

impl<F, C, R> Handler<(C,)> for F
where
    F: Fn(C, Request) -> R + Copy + Send + Sync + 'static,
    C: Caller,
    R: Future<Output = Answer> + 'static,
{
    const PROOF: Option<Proof> = Some(C::PROOF);

    fn call(self, request: Request) -> LocalBoxFuture<'static, Answer> {
        Box::pin(async move {
            let caller = C::prove(&request).await?;
            let budget = caller.budget();
            let answer = self(caller, request).await;
            match budget {
                Some(budget) => answer
                    .map(|it| it.with_budget(&budget))
                    .map_err(|it| Problem::counted(it, budget)),
                None => answer,
            }
        })
    }
}

pub(super) fn boxed<A: 'static>(handler: impl Handler<A>) -> Boxed {
    Box::new(move |request| handler.call(request))
}
