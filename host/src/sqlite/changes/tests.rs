//! What a guest is told of its changes, asking in SQL.

use crate::sqlite::fixture::File;

const SCHEMA: &[&str] = &["CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"];
const ASKED: &str = "SELECT changes() * 10000 + last_insert_rowid() * 100 + total_changes()";

#[tokio::test]
async fn the_next_guest_of_a_connection_is_not_told_of_the_last_ones() {
    let file = File::with(SCHEMA).await;
    let first = file.guest();
    first.ok("INSERT INTO t VALUES (7, 0)").await;
    assert_eq!(first.number(ASKED).await, 10701);
    drop(first);
    let second = file.guest();
    second.ok("BEGIN").await;
    second.ok("INSERT INTO t VALUES (8, 0)").await;
    assert_eq!(second.number("SELECT changes() * 100 + last_insert_rowid()").await, 108);
    second.ok("COMMIT").await;
    drop(second);
    let third = file.guest();
    assert_eq!((third.changes(), third.last_insert_rowid()), (0, 0));
    assert_eq!(third.number(ASKED).await, 0);
}

#[tokio::test]
async fn a_guest_that_asked_once_is_answered_ever_after() {
    let file = File::with(SCHEMA).await;
    let guest = file.guest();
    guest.ok("UPDATE t SET n = 1").await;
    assert_eq!(guest.number(ASKED).await, 0);
    guest.ok("BEGIN").await;
    guest.ok("INSERT INTO t VALUES (3, 0)").await;
    assert_eq!(guest.number(ASKED).await, 10301);
    guest.ok("COMMIT").await;
    guest.ok("INSERT INTO t VALUES (4, 0), (5, 0)").await;
    assert_eq!(guest.number(ASKED).await, 20503);
}

#[tokio::test]
async fn a_statement_may_refer_to_the_row_that_its_own_guest_inserted() {
    let file = File::with(SCHEMA).await;
    let (one, two) = (file.guest(), file.guest());
    one.ok("INSERT INTO t VALUES (10, 0)").await;
    two.ok("INSERT INTO t VALUES (20, 0)").await;
    one.ok("UPDATE t SET n = last_insert_rowid() WHERE id = 10").await;
    assert_eq!(one.number("SELECT n FROM t WHERE id = 10").await, 10);
    assert_eq!((one.changes(), one.last_insert_rowid()), (1, 10));
}

#[tokio::test]
async fn the_last_row_is_that_of_whichever_connection() {
    let file = File::with(SCHEMA).await;
    let guest = file.guest();
    guest.ok("INSERT INTO t VALUES (7, 0)").await;
    guest.ok("BEGIN").await;
    guest.ok("UPDATE t SET n = 1").await;
    assert_eq!((guest.changes(), guest.last_insert_rowid()), (1, 7));
    guest.ok("INSERT INTO t VALUES (8, 0)").await;
    guest.ok("COMMIT").await;
    guest.ok("UPDATE t SET n = 2").await;
    assert_eq!((guest.changes(), guest.last_insert_rowid()), (2, 8));
}

#[tokio::test]
async fn the_total_counts_what_triggers_and_foreign_keys_changed() {
    let file = File::with(&[
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (parent INTEGER REFERENCES parents ON DELETE CASCADE)",
        "CREATE TRIGGER born AFTER INSERT ON parents BEGIN
           INSERT INTO t VALUES (new.id), (new.id);
         END",
    ])
    .await;
    let guest = file.guest();
    let asked = "SELECT changes() * 100 + total_changes()";
    guest.ok("INSERT INTO parents VALUES (1)").await;
    assert_eq!(guest.number(asked).await, 103);
    guest.ok("DELETE FROM parents").await;
    assert_eq!(guest.number(asked).await, 106);
}

#[tokio::test]
async fn a_statement_that_fails_changed_what_it_kept() {
    let file = File::with(&["CREATE TABLE t (n INTEGER CHECK (n > 0))"]).await;
    let guest = file.guest();
    for (sql, changes) in [
        ("INSERT INTO t VALUES (1), (2)", 2),
        ("INSERT INTO nowhere VALUES (1)", 2),
        ("INSERT INTO t VALUES (1), (0)", 0),
        ("INSERT OR FAIL INTO t VALUES (1), (2), (3), (0)", 3),
        ("UPDATE t SET n = 0", 0),
    ] {
        guest.ask(sql).await;
        assert_eq!(guest.changes(), changes, "{sql}");
        assert_eq!(guest.number("SELECT changes()").await, changes.cast_signed(), "{sql}");
    }
    assert_eq!(guest.number("SELECT total_changes()").await, 5);
}

#[tokio::test]
async fn a_statement_that_hits_no_row_changes_none_however_it_begins() {
    let file = File::with(SCHEMA).await;
    let guest = file.guest();
    guest.ok("INSERT INTO t VALUES (1, 0)").await;
    guest.ok("BEGIN").await;
    guest.ok("WITH x AS (SELECT 9 AS id) SELECT id FROM x").await;
    assert_eq!(guest.changes(), 1);
    guest.ok("WITH x AS (SELECT 9 AS id) DELETE FROM t WHERE id IN (SELECT id FROM x)").await;
    assert_eq!(guest.changes(), 0);
    guest.ok("COMMIT").await;
}
