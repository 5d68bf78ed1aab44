//! One connection that writes for all guests, several statements to a transaction.
//!
//! A commit takes locks, appends pages to the log and empties every other
//! connection's page cache. Statements that wait at the same time share it: each
//! is still all or nothing by itself, and its guest is answered after the
//! commit. What needs a connection of its own (transactions, pragmas, temporary
//! tables) never comes here.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, hooks::Action};
use tokio::{sync::oneshot, time::Instant};

use super::{
    BUSY_TIMEOUT,
    alarm::Alarm,
    database::{Database, Tuning},
    pace::{COMMIT, Pace},
    statement::{self, Outcome, Ran},
    verb,
};
use crate::bindings::spin::sqlite::sqlite::Value;

const MAX_TOGETHER: usize = 64;
/// There is one such connection, and it reads what it changes: four times what `SQLite` gives each.
const CACHE_KIB: i32 = 8 * 1024;
/// Whoever waits for the first answer does not wait longer for the others'.
const LONGEST: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    connection: Mutex<Option<Shared>>,
}

/// The connection that writes for all.
struct Shared {
    connection: Connection,
    alarm: Arc<Alarm>,
    tuning: Tuning,
    repeated: Arc<Repeated>,
    /// When the last commit began.
    committing: Arc<Mutex<Option<Instant>>>,
}

/// Notices a row that gets the number of the last one, which `SQLite` shows nobody.
#[derive(Default)]
struct Repeated {
    last: AtomicI64,
    is_seen: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    is_served: bool,
}

struct Job {
    sql: String,
    parameters: Vec<Value>,
    tuning: Tuning,
    since: Instant,
    answer: oneshot::Sender<Written>,
}

/// An outcome, and what it changed.
#[derive(Default)]
pub(super) struct Written {
    pub(super) outcome: Outcome,
    /// `None` where it never began.
    pub(super) changes: Option<u64>,
    /// What triggers and foreign keys changed included.
    pub(super) total: u64,
    /// The row id of the last row that it inserted.
    pub(super) inserted: Option<i64>,
}

enum Undone {
    /// Another process, or a guest's own transaction, has the file.
    Busy(String),
    /// One of the statements took the others with it.
    Apart,
    /// This one did, because it ran too long.
    Late(usize, Box<Written>),
}

impl Undone {
    fn by(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Busy(error.to_string()),
            _ => Self::Apart,
        }
    }
}

/// Runs a statement that changes rows, in autocommit. Dropped before its turn, it does nothing.
pub(super) async fn write(
    database: &Arc<Database>,
    sql: String,
    parameters: Vec<Value>,
    tuning: Tuning,
) -> Written {
    let (answer, written) = oneshot::channel();
    if database.shared.enter(Job { sql, parameters, tuning, since: Instant::now(), answer }) {
        tokio::spawn(serve(Worker { database: database.clone(), is_left: false }));
    }
    written.await.unwrap_or_else(|_| failed("the database's writer has ended"))
}

async fn serve(mut worker: Worker) {
    let mut done = None;
    loop {
        // Whoever is ready to write joins in first.
        tokio::task::yield_now().await;
        let Some(jobs) = worker.database.shared.next() else {
            worker.is_left = true;
            return;
        };
        run(&worker.database, jobs, &mut done).await;
    }
}

/// Each waits for the file up to 5 seconds, beginning anew with whatever is `done`.
async fn run(database: &Database, mut jobs: VecDeque<Job>, done: &mut Option<Instant>) {
    const SHORT: Duration = Duration::from_micros(200);
    let mut pause = SHORT;
    // After one statement took all with it, each runs alone, and that one fails alone.
    let mut most = MAX_TOGETHER;
    while !jobs.is_empty() {
        let together = jobs.len().min(most);
        let turn = database.writer.lock().await;
        let attempted = attempt(database, &jobs.make_contiguous()[..together]);
        drop(turn);
        match attempted {
            Ok(written) => {
                (*done, pause) = (Some(Instant::now()), SHORT);
                for (job, written) in jobs.drain(..written.len()).zip(written) {
                    // A guest that is gone wants no answer.
                    drop(job.answer.send(written));
                }
            }
            Err(Undone::Apart) => most = 1,
            // Again it would take as long.
            Err(Undone::Late(index, late)) => {
                *done = Some(Instant::now());
                let job = jobs.remove(index).expect("it is one of those that ran");
                drop(job.answer.send(*late));
            }
            Err(Undone::Busy(error)) => {
                let is_over = |it: &mut Job| {
                    Some(it.since).max(*done).is_some_and(|it| it.elapsed() >= BUSY_TIMEOUT)
                };
                while let Some(job) = jobs.pop_front_if(is_over) {
                    drop(job.answer.send(failed(&error)));
                }
                if !jobs.is_empty() {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
            }
        }
    }
}

/// Runs the first of `jobs`, as many as there is time for, in one transaction.
fn attempt(database: &Database, jobs: &[Job]) -> Result<Vec<Written>, Undone> {
    let mut slot = lock(&database.shared.connection);
    if slot.is_none() {
        *slot = Some(Shared::open(database).map_err(|e| Undone::Busy(e.to_string()))?);
    }
    let shared = slot.as_mut().expect("it was opened above");
    shared.tune(&jobs[0].tuning).map_err(|e| Undone::Busy(e.to_string()))?;
    let is_long = |it: &Job| database.pace.is_long((&it.sql, true));
    match jobs {
        // What changes much has much to take back, which it need not keep where it is alone.
        [first, ..] if jobs.len() == 1 || is_long(first) => {
            Ok(vec![shared.run(first, &database.pace)?])
        }
        _ => shared.together(jobs, &database.pace),
    }
}

impl Shared {
    fn open(database: &Database) -> rusqlite::Result<Self> {
        let (mut connection, alarm) = database.open()?;
        // What a statement of several in a transaction might have to take back is kept in memory.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let repeated = Arc::<Repeated>::default();
        let seen = repeated.clone();
        connection.update_hook(Some(move |action, _: &str, _: &str, row| {
            if action == Action::SQLITE_INSERT && row == seen.last.load(Relaxed) {
                seen.is_seen.store(true, Relaxed);
            }
        }))?;
        let committing = Arc::<Mutex<Option<Instant>>>::default();
        let begun = committing.clone();
        connection.commit_hook(Some(move || {
            *lock(&begun) = Some(Instant::now());
            // To go on with it.
            false
        }))?;
        Ok(Self { connection, alarm, tuning: Tuning::default(), repeated, committing })
    }

    fn tune(&mut self, tuning: &Tuning) -> rusqlite::Result<()> {
        if self.tuning != *tuning {
            tuning.apply(&self.connection)?;
            self.tuning = tuning.clone();
        }
        Ok(())
    }

    fn together(&self, jobs: &[Job], pace: &Pace) -> Result<Vec<Written>, Undone> {
        self.execute("BEGIN IMMEDIATE").map_err(|it| Undone::by(&it))?;
        let written = self.in_transaction(jobs, pace);
        if written.is_err() && !self.connection.is_autocommit() {
            // Should this fail, so will the next statement.
            drop(self.execute("ROLLBACK"));
        }
        written
    }

    fn in_transaction(&self, jobs: &[Job], pace: &Pace) -> Result<Vec<Written>, Undone> {
        let start = Instant::now();
        let mut written = Vec::with_capacity(jobs.len());
        for job in jobs.iter().take_while(|it| it.tuning == self.tuning) {
            let is_long = || pace.is_long((&job.sql, true));
            if !written.is_empty() && (start.elapsed() >= LONGEST || is_long()) {
                break;
            }
            let ran = self.run(job, pace)?;
            // Some failures roll everything back.
            if self.connection.is_autocommit() {
                let is_late = self.alarm.is_over();
                return Err(if is_late {
                    Undone::Late(written.len(), ran.into())
                } else {
                    Undone::Apart
                });
            }
            written.push(ran);
        }
        pace.run(COMMIT, || self.execute(COMMIT.0)).map_err(|it| Undone::by(&it))?;
        Ok(written)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.alarm.begin();
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn run(&self, job: &Job, pace: &Pace) -> Result<Written, Undone> {
        if job.answer.is_closed() {
            return Ok(Written::default());
        }
        let last = self.connection.last_insert_rowid();
        let total = self.connection.total_changes();
        self.repeated.expect(last);
        self.alarm.begin();
        let known_as = (&*job.sql, true);
        let work = || statement::run(&self.connection, &job.sql, &job.parameters, true);
        let ran = if self.connection.is_autocommit() {
            *lock(&self.committing) = None;
            let committing = || lock(&self.committing).map(Instant::into_std);
            pace.run_to_commit(known_as, || (work(), committing()))
        } else {
            pace.run(known_as, work)
        };
        let outcome = match ran {
            Ran::Done(outcome) => outcome,
            Ran::Busy(error) => return Err(Undone::Busy(error)),
            Ran::Writes => Outcome::failed("a statement that may write was told that it may not"),
        };
        // After a failure it is none, or what OR FAIL kept.
        let changes = outcome.is_begun.then(|| self.connection.changes());
        let total = self.connection.total_changes() - total;
        let inserted = Some(self.connection.last_insert_rowid())
            .filter(|it| *it != last || (self.repeated.is_seen() && verb::inserts(&job.sql)));
        Ok(Written { outcome, changes, total, inserted })
    }
}

impl Repeated {
    fn expect(&self, last: i64) {
        self.last.store(last, Relaxed);
        self.is_seen.store(false, Relaxed);
    }

    fn is_seen(&self) -> bool {
        self.is_seen.load(Relaxed)
    }
}

fn failed(error: &str) -> Written {
    Written { outcome: Outcome::failed(error), ..Written::default() }
}

impl Writer {
    /// Whether somebody must come and serve the queue.
    fn enter(&self, job: Job) -> bool {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(job);
        !std::mem::replace(&mut queue.is_served, true)
    }

    /// `None` ends the service.
    fn next(&self) -> Option<VecDeque<Job>> {
        let mut queue = lock(&self.queue);
        queue.is_served = !queue.waiting.is_empty();
        queue.is_served.then(|| std::mem::take(&mut queue.waiting))
    }
}

/// Whoever serves the queue. Ended early, by the end of a runtime, it sends all away.
struct Worker {
    database: Arc<Database>,
    /// It may be another's already.
    is_left: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_left {
            let mut queue = lock(&self.database.shared.queue);
            queue.is_served = false;
            queue.waiting.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
