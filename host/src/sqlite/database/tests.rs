//! What a guest may do to its connection, and what the next guest finds of it.

use crate::{
    bindings::spin::sqlite::sqlite::Value,
    sqlite::fixture::{File, error},
};

#[tokio::test]
async fn no_file_is_attached_whatever_names_it() {
    let file = File::with(&["CREATE TABLE t (n INTEGER)"]).await;
    let elsewhere = file.directory.path().join("elsewhere.db");
    let path = elsewhere.display().to_string();
    let guest = file.guest();
    for (sql, parameters) in [
        ("ATTACH ?1 AS other".to_owned(), vec![Value::Text(path.clone())]),
        ("VACUUM INTO ?1".to_owned(), vec![Value::Text(path.clone())]),
        (format!("ATTACH '{path}' || '' AS other"), Vec::new()),
        (format!("ATTACH (SELECT '{path}') AS other"), Vec::new()),
        (format!("ATTACH '{path}' AS other"), Vec::new()),
        (format!("ATTACH 'file:{path}' AS other"), Vec::new()),
    ] {
        let refused = error(guest.execute(sql.clone(), parameters).await);
        assert!(refused.contains("authoriz"), "{sql}: {refused}");
    }
    assert!(!elsewhere.exists());

    // The connection is as good as before: the next guest gets it, with nothing attached.
    drop(guest);
    let next = file.guest();
    assert_eq!(next.number("SELECT count(*) FROM pragma_database_list").await, 1);
    next.ok("INSERT INTO t VALUES (1)").await;
    next.ok("ATTACH ':memory:' AS other").await;
    next.ok("DETACH other").await;
}

#[tokio::test]
async fn no_pragma_reaches_past_its_connection() {
    let file = File::with(&[]).await;
    for sql in ["PRAGMA temp_store_directory = '/tmp'", "PRAGMA Hard_Heap_Limit = 100000"] {
        let refused = error(file.guest().ask(sql).await);
        assert!(refused.contains("authoriz"), "{sql}: {refused}");
    }
}
