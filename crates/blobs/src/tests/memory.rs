//! A store in memory that lets others run before each of its steps and can fail for good at any
//! write, and the rows that refer to its blobs.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{Blobs, Cause, Values};

#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    values: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    rows: Rc<RefCell<BTreeSet<&'static str>>>,
    /// How many more writes succeed, and whether the first that fails happens nevertheless.
    crash: Rc<Cell<Option<(usize, bool)>>>,
}

impl Memory {
    /// Chunks of four bytes, so that few bytes make many.
    pub(crate) fn blobs(&self) -> Blobs<Self> {
        Blobs { values: self.clone(), chunk_bytes: 4 }
    }

    pub(crate) fn crash_after(&self, writes: usize, last_one_happens: bool) {
        self.crash.set(Some((writes, last_one_happens)));
    }

    pub(crate) fn recover(&self) {
        self.crash.set(None);
    }

    pub(crate) async fn insert_row(&self, row: &'static str) {
        step().await;
        self.rows.borrow_mut().insert(row);
    }

    pub(crate) async fn delete_row(&self, row: &'static str) {
        step().await;
        self.rows.borrow_mut().remove(row);
    }

    pub(crate) async fn is_referenced(&self) -> Result<bool, Cause> {
        step().await;
        Ok(!self.rows.borrow().is_empty())
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.rows.borrow().is_empty()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    pub(crate) fn lose(&self, key: &str) {
        self.values.borrow_mut().remove(key);
    }

    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        self.values.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>),
    ) -> Result<(), Cause> {
        step().await;
        match self.crash.get() {
            Some((0, happens)) => {
                if happens {
                    change(&mut self.values.borrow_mut());
                }
                self.crash.set(Some((0, false)));
                return Err("crashed".into());
            }
            Some((left, happens)) => self.crash.set(Some((left - 1, happens))),
            None => {}
        }
        change(&mut self.values.borrow_mut());
        Ok(())
    }
}

impl Values for Memory {
    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Cause> {
        step().await;
        Ok(self.values.borrow().get(key).cloned())
    }

    async fn exists(&self, key: &str) -> Result<bool, Cause> {
        step().await;
        Ok(self.values.borrow().contains_key(key))
    }

    async fn write(&self, key: &str, value: &[u8]) -> Result<(), Cause> {
        self.change(|values| drop(values.insert(key.to_owned(), value.to_vec()))).await
    }

    async fn delete(&self, key: &str) -> Result<(), Cause> {
        self.change(|values| drop(values.remove(key))).await
    }

    async fn each_key(&self, take: &mut dyn FnMut(&str)) -> Result<(), Cause> {
        step().await;
        self.values.borrow().keys().for_each(|it| take(it));
        Ok(())
    }
}

/// Lets the others run once.
async fn step() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

pub(crate) type Actor = Pin<Box<dyn Future<Output = ()>>>;

fn advance(actor: &mut Actor) -> bool {
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(it) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return it;
        }
    }
}

/// Runs the actors step by step, in the order that `choose` gives: which of how many goes next.
pub(crate) fn run_interleaved(mut actors: Vec<Actor>, mut choose: impl FnMut(usize) -> usize) {
    while !actors.is_empty() {
        let next = choose(actors.len());
        if advance(&mut actors[next]) {
            drop(actors.remove(next));
        }
    }
}

/// Every order in which the actors' steps can follow one another, each in a new world.
pub(crate) fn every_interleaving(
    world: impl Fn() -> (Memory, Vec<Actor>),
    check: impl Fn(&Memory),
) {
    let mut path: Vec<(usize, usize)> = Vec::new();
    loop {
        let (memory, actors) = world();
        let mut depth = 0;
        run_interleaved(actors, |options| {
            if depth == path.len() {
                path.push((0, options));
            }
            depth += 1;
            path[depth - 1].0
        });
        check(&memory);
        while path.pop_if(|(choice, options)| *choice + 1 == *options).is_some() {}
        match path.last_mut() {
            None => return,
            Some((choice, _)) => *choice += 1,
        }
    }
}
