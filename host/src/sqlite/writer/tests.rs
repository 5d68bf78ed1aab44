//! Guests that write at the same time, each with a connection of its own.

use futures::{future::join_all, poll};
use rusqlite::{
    functions::{Context, FunctionFlags},
    hooks::Wal,
};

use super::*;
use crate::sqlite::{
    Connection as Guest,
    fixture::{File, error},
};

#[tokio::test]
async fn who_fails_among_many_fails_alone() {
    let file = File::with(&["CREATE TABLE t (n INTEGER CHECK (n % 7 <> 0))"]).await;
    let guests: Vec<_> = (0..50).map(|_| file.guest()).collect();
    let writes = guests.iter().enumerate().map(async |(n, guest)| {
        // Two rows: the second fails, and takes the first with it.
        guest.ask(&format!("INSERT INTO t VALUES (1000001), ({n}) RETURNING n")).await
    });
    for (n, outcome) in join_all(writes).await.into_iter().enumerate() {
        if n % 7 == 0 {
            assert!(error(outcome).contains("CHECK"), "{n}");
        } else {
            assert_eq!(outcome.rows.len(), 2, "{n}: {:?}", outcome.failure);
        }
    }
    assert_eq!(file.guest().number("SELECT count(*) FROM t").await, 2 * 42);
}

#[tokio::test]
async fn who_rolls_back_rolls_back_alone() {
    let file = File::with(&["CREATE TABLE t (n INTEGER UNIQUE)", "INSERT INTO t VALUES (3)"]).await;
    let guests: Vec<_> = (0..10).map(|_| file.guest()).collect();
    let writes = guests.iter().enumerate().map(async |(n, guest)| {
        guest.ask(&format!("INSERT OR ROLLBACK INTO t VALUES ({n})")).await.failure.is_none()
    });
    let done = join_all(writes).await;
    assert_eq!(done, (0..10).map(|n| n != 3).collect::<Vec<_>>());
    assert_eq!(file.guest().number("SELECT count(*) FROM t").await, 10);
}

#[tokio::test]
async fn what_is_refused_at_a_commit_is_refused_to_its_own_guest() {
    let file = File::with(&[
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "INSERT INTO parents VALUES (1)",
        "CREATE TABLE t (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
    ])
    .await;
    let guests: Vec<_> = (0..3).map(|_| file.guest()).collect();
    let writes = guests.iter().enumerate().map(async |(n, guest)| {
        guest.ask(&format!("INSERT INTO t VALUES ({n})")).await.failure.is_none()
    });
    assert_eq!(join_all(writes).await, [false, true, false]);
}

#[tokio::test]
async fn each_guest_is_told_of_its_own_changes() {
    let file = File::with(&["CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"]).await;
    let (one, two) = (file.guest(), file.guest());
    tokio::join!(
        one.ok("INSERT INTO t VALUES (10, 0), (11, 0)"),
        two.ok("INSERT INTO t VALUES (20, 0)")
    );
    assert_eq!((one.changes(), one.last_insert_rowid()), (2, 11));
    assert_eq!((two.changes(), two.last_insert_rowid()), (1, 20));
    let asked = "SELECT changes() * 10000 + last_insert_rowid() * 100 + total_changes()";
    assert_eq!(one.number(asked).await, 21102);
    assert_eq!(two.number(asked).await, 12001);
    two.ok("UPDATE t SET n = 1").await;
    assert_eq!(two.number(asked).await, 32004);
    assert_eq!(one.number(asked).await, 21102);

    // In a transaction it is the guest's own connection that counts.
    one.ok("BEGIN").await;
    one.ok("INSERT INTO t VALUES (30, 0)").await;
    assert_eq!((one.changes(), one.last_insert_rowid()), (1, 30));
    assert_eq!(one.number(asked).await, 13003);
    one.ok("ROLLBACK").await;
    assert_eq!(two.number("SELECT count(*) FROM t").await, 3);
}

#[tokio::test]
async fn a_guest_is_told_of_a_row_of_the_same_number_as_anothers() {
    let file = File::with(&[
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY, n INTEGER)",
    ])
    .await;
    let (one, two, three) = (file.guest(), file.guest(), file.guest());
    one.ok("INSERT INTO t VALUES (7, 0)").await;
    two.ok("INSERT INTO u VALUES (7, 0)").await;
    assert_eq!((one.last_insert_rowid(), two.last_insert_rowid()), (7, 7));

    // Who inserts nothing is told of nobody's row.
    three.ok("INSERT INTO u VALUES (7, 1) ON CONFLICT DO UPDATE SET n = excluded.n").await;
    assert_eq!((three.changes(), three.last_insert_rowid()), (1, 0));
}

/// A statement without an end.
const ENDLESS: &str = "WITH RECURSIVE all_numbers (n) AS
                         (VALUES (0) UNION ALL SELECT n + 1 FROM all_numbers)";

#[tokio::test]
async fn what_runs_too_long_is_interrupted_wherever_it_runs() {
    let file = File::limited(Duration::from_millis(100), &["CREATE TABLE t (n INTEGER)"]).await;
    let guest = file.guest();
    let counted = guest.ask(&format!("{ENDLESS} SELECT count(*) FROM all_numbers")).await;
    assert_eq!(error(counted), "interrupted");
    let sql = format!("{ENDLESS} INSERT INTO t SELECT n FROM all_numbers WHERE n < 0");
    let neighbour = file.guest();
    let (written, beside) =
        tokio::join!(guest.ask(&sql), neighbour.ask("INSERT INTO t VALUES (1)"));
    assert_eq!(error(written), "interrupted");
    assert!(beside.failure.is_none(), "{:?}", beside.failure);
    guest.ok("BEGIN").await;
    assert_eq!(error(guest.ask(&sql).await), "interrupted");
    assert_eq!(guest.number("SELECT sum(n) FROM t").await, 1);
}

#[tokio::test]
async fn what_runs_too_long_runs_once() {
    let file = File::limited(Duration::from_millis(100), &["CREATE TABLE t (n INTEGER)"]).await;
    let (guest, neighbour) = (file.guest(), file.guest());
    guest.ok("INSERT INTO t VALUES (0)").await;
    let runs = Arc::new(AtomicI64::new(0));
    let counted = runs.clone();
    let count = move |_: &Context<'_>| Ok(counted.fetch_add(1, Relaxed));
    let flags = FunctionFlags::SQLITE_UTF8;
    lock(&file.database.shared.connection)
        .as_mut()
        .unwrap()
        .connection
        .create_scalar_function("run", 0, flags, count)
        .unwrap();
    let sql = format!(
        "INSERT INTO t SELECT run() UNION ALL
         SELECT * FROM ({ENDLESS} SELECT n FROM all_numbers WHERE n < 0)"
    );
    let (written, beside) =
        tokio::join!(guest.ask(&sql), neighbour.ask("INSERT INTO t VALUES (1)"));
    assert_eq!(error(written), "interrupted");
    assert!(beside.failure.is_none(), "{:?}", beside.failure);
    assert_eq!(runs.load(Relaxed), 1);
    assert_eq!(guest.number("SELECT sum(n) FROM t").await, 1);
}

#[tokio::test]
async fn a_statement_whose_first_word_does_not_tell_is_looked_at() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let guest = file.guest();
    guest.ok("WITH x AS (SELECT 7 AS n) INSERT INTO t SELECT n FROM x").await;
    assert_eq!(guest.number("WITH x AS (SELECT n FROM t) SELECT n FROM x").await, 7);
    assert_eq!(guest.changes(), 1);
}

/// Polls a write until the shared connection has tried it, in vain.
async fn is_refused_once<T>(file: &File, write: &mut (impl Future<Output = T> + Unpin)) {
    while lock(&file.database.shared.connection).is_none() {
        assert!(poll!(&mut *write).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(poll!(write).is_pending());
}

#[tokio::test]
async fn a_file_that_is_anothers_is_waited_for() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let (other, guest, second) = (file.guest(), file.guest(), file.guest());
    other.ok("BEGIN IMMEDIATE").await;
    let mut writes = Box::pin(join_all([
        guest.ask("INSERT INTO t VALUES (1)"),
        second.ask("INSERT INTO t VALUES (2)"),
    ]));
    is_refused_once(&file, &mut writes).await;
    other.ok("COMMIT").await;
    assert!(writes.await.iter().all(|it| it.failure.is_none()));
    assert_eq!(file.guest().number("SELECT count(*) FROM t").await, 2);
}

/// With a rollback journal a commit waits for readers, after the rows of a statement are there.
#[tokio::test]
async fn a_reader_is_waited_for() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let (reader, guest, second) = (file.guest(), file.guest(), file.guest());
    for among in [1, 2] {
        *lock(&file.database.shared.connection) = None;
        reader.ok("BEGIN").await;
        reader.ok("SELECT * FROM t").await;
        let guests = [&guest, &second].into_iter().take(among);
        let write = async |it: &Guest| it.ask("INSERT INTO t VALUES (1) RETURNING n").await;
        let mut writes = Box::pin(join_all(guests.map(write)));
        is_refused_once(&file, &mut writes).await;
        reader.ok("COMMIT").await;
        let written = writes.await;
        assert!(written.iter().all(|it| it.failure.is_none() && it.rows.len() == 1), "{among}");
    }
    assert_eq!(file.guest().number("SELECT count(*) FROM t").await, 3);
}

/// Enters the queue as one who did so a while ago.
fn enter(file: &File, since: Instant) -> oneshot::Receiver<Written> {
    let (answer, written) = oneshot::channel();
    let (sql, tuning) = ("INSERT INTO t VALUES (1)".into(), Tuning::default());
    let job = Job { sql, parameters: Vec::new(), tuning, since, answer };
    if file.database.shared.enter(job) {
        tokio::spawn(serve(Worker { database: file.database.clone(), is_left: false }));
    }
    written
}

#[tokio::test]
async fn who_waits_in_the_queue_waits_for_the_file() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let other = file.guest();
    other.ok("BEGIN IMMEDIATE").await;
    let before = Instant::now().checked_sub(BUSY_TIMEOUT).unwrap();
    let (first, mut second) = (enter(&file, before), enter(&file, Instant::now()));
    let refused = tokio::time::timeout(BUSY_TIMEOUT / 2, first).await.unwrap().unwrap();
    assert_eq!(error(refused.outcome), "database is locked");
    assert!(poll!(&mut second).is_pending());
    other.ok("COMMIT").await;
    assert!(second.await.unwrap().outcome.failure.is_none());
}

#[tokio::test]
async fn a_transaction_goes_on_beside_those_who_wait_for_it() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let (other, guest) = (file.guest(), file.guest());
    other.ok("BEGIN IMMEDIATE").await;
    let mut write = Box::pin(guest.ask("INSERT INTO t VALUES (1)"));
    is_refused_once(&file, &mut write).await;
    let goes_on = async {
        other.ok("INSERT INTO t VALUES (0)").await;
        other.ok("COMMIT").await;
    };
    tokio::time::timeout(BUSY_TIMEOUT / 2, goes_on).await.expect("it waits for nobody");
    assert!(write.await.failure.is_none());
    assert_eq!(file.guest().number("SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn a_slow_disk_makes_no_statement_long() {
    let file = File::with(&["PRAGMA journal_mode = wal", "CREATE TABLE t (n INTEGER)"]).await;
    let (guest, insert) = (file.guest(), "INSERT INTO t VALUES (1)");
    guest.ok(insert).await;
    let slow = |_: &mut Wal, _| {
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    };
    lock(&file.database.shared.connection)
        .as_mut()
        .unwrap()
        .connection
        .wal_hook(Some(slow))
        .unwrap();
    guest.ok(insert).await;
    guest.ok(insert).await;
    assert!(file.database.pace.is_long(COMMIT));
    // The kernel may let others run in between, but hardly ever.
    let short = async {
        while file.database.pace.is_long((insert, true)) {
            guest.ok(insert).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), short).await.unwrap();
}

#[tokio::test]
async fn who_leaves_the_queue_changes_nothing() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let (gone, guest) = (file.guest(), file.guest());
    let mut write = Box::pin(gone.ask("INSERT INTO t VALUES (1)"));
    assert!(poll!(&mut write).is_pending());
    drop(write);
    guest.ok("INSERT INTO t VALUES (2)").await;
    assert_eq!(guest.number("SELECT sum(n) FROM t").await, 2);
}

#[tokio::test]
async fn durability_is_that_of_whoever_writes() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let (fast, usual) = (file.guest(), file.guest());
    fast.ok("PRAGMA synchronous = NORMAL").await;
    for (guest, expected) in [(&fast, 1), (&usual, 2), (&fast, 1)] {
        guest.ok("INSERT INTO t VALUES (1)").await;
        let slot = lock(&file.database.shared.connection);
        let connection = &slot.as_ref().unwrap().connection;
        let level = connection.pragma_query_value(None, "synchronous", |it| it.get::<_, i64>(0));
        assert_eq!(level.unwrap(), expected);
    }
}

#[test]
fn the_end_of_a_runtime_leaves_the_queue_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let database = Arc::new(Database::new(path, Duration::from_mins(1)));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guest = Guest(Arc::new(database.lease().unwrap()));
    let first = runtime();
    first.block_on(async {
        guest.ok("CREATE TABLE t (n INTEGER)").await;
        let mut write = Box::pin(guest.ask("INSERT INTO t VALUES (1)"));
        assert!(poll!(&mut write).is_pending());
    });
    drop(first);
    runtime().block_on(async {
        guest.ok("INSERT INTO t VALUES (2)").await;
        assert_eq!(guest.number("SELECT sum(n) FROM t").await, 2);
    });
}
