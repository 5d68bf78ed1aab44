//! Housekeeping: what is past its retention goes, what is not stays, and blobs go when they are nobody's
//! (platform.md, "Housekeeping").

use bytes::Bytes;
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    App, Operator,
    application::CRON_SECRET,
    executables::{ELF_AMD64, elf},
    upload::Multipart,
};

const PATH: &str = "/api/cron/cleanup";
const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const OTHER: &str = "6b1f8f0e-86bb-4a21-9f2c-d1d3a4b9c7e2";
const DAY: i64 = 86_400_000;
/// Nothing here takes longer.
const MOMENT: i64 = 600_000;

async fn clean_up(app: &App) -> Value {
    app.get(PATH).bearer(CRON_SECRET).send().await.expect(200).data()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Who never did anything, so that no row is theirs.
fn bare_agent(app: &App) {
    let sql = "INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at, updated_at,
                                   key_digest)
               VALUES ('a1', 'org-1', 'host', 'linux', 'amd64', '1.0.0', 0, 0, 0, randomblob(32))";
    app.database().execute(sql, []);
    app.database().execute("DELETE FROM agent_events", []);
}

#[tokio::test]
async fn the_answer_names_every_kind() {
    let app = App::start().await;
    assert_snapshot!(app.get(PATH).bearer(CRON_SECRET).send().await.shown(&["content-type"]), @r#"
    200
    content-type: application/json; charset=utf-8
    {"success":true,"data":{"deleted":{"agent_days":0,"agent_events":0,"approvals":0,"blobs":0,"device_logins":0,"enrollment_tokens":0,"fleet_days":0,"heartbeat_history":0,"heartbeat_hourly":0,"invitations":0,"rate_limits":0,"rotated_refresh_tokens":0,"sessions":0},"remaining":false}}
    "#);
}

/// A statement per table that inserts a row `?1` ms old.
const ROWS: [(&str, i64, &str); 12] = [
    (
        "enrollment_tokens",
        30 * DAY,
        "INSERT INTO enrollment_tokens (id, digest, org_id, expires_at, max_uses, created_at, created_by)
         VALUES (hex(randomblob(8)), randomblob(32), 'org-1', ?1, 1, 0, 'user')",
    ),
    (
        "heartbeat_history",
        30 * DAY,
        "INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at) VALUES ('a1', ?1 / 300000 * 300000, ?1)",
    ),
    (
        "heartbeat_hourly",
        400 * DAY,
        "INSERT INTO heartbeat_hourly (agent_id, hour_at, samples) VALUES ('a1', ?1 / 3600000 * 3600000, 1)",
    ),
    (
        "agent_events",
        400 * DAY,
        "INSERT INTO agent_events (agent_id, event_type, created_at) VALUES ('a1', 'enrolled', ?1)",
    ),
    (
        "rate_limits",
        0,
        "INSERT INTO rate_limits (key, started_at, expires_at, used) VALUES (hex(randomblob(8)), 0, ?1, 1)",
    ),
    (
        "sessions",
        30 * DAY,
        "INSERT INTO sessions (id, kind, user_id, org_id, refresh_digest, created_at, refreshed_at, expires_at)
         VALUES (hex(randomblob(8)), 'cli', 'user', 'org-1', randomblob(32), 0, 0, ?1)",
    ),
    (
        "sessions",
        30 * DAY,
        "INSERT INTO sessions (id, kind, user_id, org_id, refresh_digest, created_at, refreshed_at, expires_at, ended_at)
         VALUES (hex(randomblob(8)), 'cli', 'user', 'org-1', randomblob(32), 0, 0, 9000000000000, ?1)",
    ),
    (
        "device_logins",
        30 * DAY,
        "INSERT INTO device_logins (device_digest, user_code, created_at, expires_at)
         VALUES (randomblob(32), hex(randomblob(4)), 0, ?1)",
    ),
    (
        "agent_days",
        41 * DAY,
        "INSERT INTO agent_days (agent_id, day) VALUES ('a1', (?1 + 600000) / 86400000)",
    ),
    (
        "fleet_days",
        401 * DAY,
        "INSERT INTO fleet_days (org_id, day, samples) VALUES ('org-1', (?1 + 600000) / 86400000, 1)",
    ),
    (
        "invitations",
        30 * DAY,
        "INSERT INTO invitations (id, org_id, email, role, digest, created_at, created_by, expires_at, revoked_at,
                                  updated_at)
         VALUES (hex(randomblob(8)), 'org-1', 'a@b.c', 'admin', randomblob(32), 0, 'user', 9000000000000, ?1, 0)",
    ),
    (
        "approvals",
        400 * DAY,
        "INSERT INTO approvals (id, org_id, kind, summary, work, status, requested_by, requested_at, expires_at,
                                decided_at, updated_at)
         VALUES (hex(randomblob(8)), 'org-1', 'command', '{}', '{}', 'denied', 'user', 0, 0, ?1, 0)",
    ),
];

#[tokio::test]
async fn what_is_past_its_retention_goes_and_what_is_not_stays() {
    let app = App::start().await;
    bare_agent(&app);
    let database = app.database();
    for (table, retention, sql) in ROWS {
        // What is kept by the day or the hour is kept to its end.
        let margin = if matches!(table, "agent_days" | "fleet_days" | "heartbeat_hourly") {
            DAY
        } else {
            MOMENT
        };
        database.execute(sql, [now() - retention - margin]);
        let kept = database.count(table);
        database.execute(sql, [now() - retention + margin]);
        let counted = database.count(table);
        let deleted = clean_up(&app).await["deleted"][table].clone();
        assert_eq!(deleted, json!(1), "{table}");
        assert_eq!((kept, database.count(table)), (counted - 1, counted - 1), "{table}");
        assert_eq!(clean_up(&app).await["deleted"][table], json!(0), "{table}");
    }
}

// D-54 in spirit
#[tokio::test(flavor = "multi_thread")]
async fn six_runs_at_once_delete_everything_once() {
    let app = App::start().await;
    let old = 20 * DAY;
    for _ in 0..50 {
        app.database().execute(ROWS[0].2, [old]);
        app.database().execute(ROWS[5].2, [old]);
    }
    for n in 0..5 {
        orphan(&app, n);
    }
    clean_up(&app).await;
    pass_a_day(&app);
    for _ in 0..50 {
        app.database().execute(ROWS[0].2, [old]);
        app.database().execute(ROWS[5].2, [old]);
    }
    let done = join_all((0..6).map(|_| clean_up(&app))).await;
    for (table, expected) in [("enrollment_tokens", 50), ("sessions", 50), ("blobs", 5)] {
        let counts = done.iter().map(|it| it["deleted"][table].as_i64().expect("a count"));
        assert_eq!(counts.sum::<i64>(), expected, "{table}: {done:?}");
    }
    assert_eq!(app.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn one_run_catches_up_with_more_than_a_batch() {
    let app = App::start().await;
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
                  INSERT INTO rate_limits (key, started_at, expires_at, used) SELECT 'k' || i, 0, 1, 1 FROM n";
    app.database().execute(copies, []);
    let done = clean_up(&app).await;
    assert_eq!(
        (&done["deleted"]["rate_limits"], &done["remaining"]),
        (&json!(2500), &json!(false))
    );
}

/// Each kind has its turn, and blobs, however much there is of another; and what is left is said.
#[tokio::test]
async fn a_kind_with_too_much_of_it_keeps_no_other() {
    let (app, _) = start().await;
    bare_agent(&app);
    orphan(&app, 1);
    clean_up(&app).await;
    pass_a_day(&app);
    let database = app.database();
    for (_, _, sql) in &ROWS[2..] {
        database.execute(sql, [DAY]);
    }
    // Deleting one of these takes as long as many: no run comes to the end.
    let samples = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
                   INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at) SELECT 'a1', i * 300000, 0 FROM n";
    database.execute(samples, []);
    let slow = "CREATE TRIGGER slow BEFORE DELETE ON heartbeat_history BEGIN
                  SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                                        SELECT i FROM n);
                END";
    database.execute(slow, []);
    let done = clean_up(&app).await;
    let deleted = |table: &str| done["deleted"][table].as_i64().expect("a count");
    assert_eq!(done["remaining"], true, "{done}");
    assert!((1000..100_000).contains(&deleted("heartbeat_history")), "{done}");
    for (table, _, _) in &ROWS[2..] {
        assert!(deleted(table) > 0, "{table}: {done}");
    }
    assert_eq!(deleted("blobs"), 1, "{done}");
}

/// A session may have thousands of refresh tokens: they go first, in batches of their own.
#[tokio::test]
async fn a_session_goes_after_its_refresh_tokens_and_in_the_same_run() {
    let app = App::start().await;
    let database = app.database();
    database.execute(ROWS[5].2, [DAY]);
    let used = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2880)
                INSERT INTO rotated_refresh_tokens (digest, session_id, rotated_at)
                SELECT randomblob(32), id, 1 FROM n, sessions";
    database.execute(used, []);
    let done = clean_up(&app).await;
    let deleted = &done["deleted"];
    assert_eq!(
        (&deleted["rotated_refresh_tokens"], &deleted["sessions"], &done["remaining"]),
        (&json!(2880), &json!(1), &json!(false))
    );
}

/// One kind's fault is answered, and the others are done all the same.
#[tokio::test]
async fn what_one_kind_fails_at_does_not_keep_the_others() {
    let app = App::start().await;
    app.database().execute(ROWS[0].2, [1]);
    app.database().execute(ROWS[5].2, [1]);
    let broken = "CREATE TRIGGER broken BEFORE DELETE ON enrollment_tokens BEGIN SELECT RAISE(ABORT, 'broken'); END";
    app.database().execute(broken, []);
    app.get(PATH).bearer(CRON_SECRET).send().await.expect(503);
    assert_eq!(
        (app.database().count("enrollment_tokens"), app.database().count("sessions")),
        (1, 0)
    );
    app.database().execute("DROP TRIGGER broken", []);
    assert_eq!(clean_up(&app).await["deleted"]["enrollment_tokens"], 1);
}

/// What a server leaves behind that dies in an upload.
fn orphan(app: &App, number: u32) {
    app.put_value(&format!("blob/0192f3f0-0000-4000-8000-00000000000{number}/0"), b"left behind");
}

fn pass_a_day(app: &App) {
    let sql = "UPDATE blob_suspects SET first_seen_at = first_seen_at - ?1, last_seen_at = last_seen_at - ?1";
    app.database().execute(sql, [DAY]);
}

async fn start() -> (App, Operator) {
    let app = App::start().await;
    let admin = app.admin("org-1");
    // Spin's table is made with the first value.
    admin.upload_build(TEST, &elf(ELF_AMD64)).await;
    (app, admin)
}

async fn swept(app: &App) -> Value {
    clean_up(app).await["deleted"]["blobs"].clone()
}

async fn download(admin: &Operator, test: &str) -> Vec<u8> {
    admin.get(&format!("/api/tests/builds/{test}/download")).await.expect(200).body.to_vec()
}

#[tokio::test]
async fn a_crashed_upload_goes_a_day_later_and_bytes_in_use_stay() {
    let (app, admin) = start().await;
    // The same bytes of another organisation, and other bytes.
    app.admin("org-2").upload_build(TEST, &elf(ELF_AMD64)).await;
    admin.publish("1.0.0", ("linux", "amd64"), false, b"an agent").await;
    let before = app.keys();
    orphan(&app, 1);
    assert_eq!([swept(&app).await, swept(&app).await], [0, 0]);
    pass_a_day(&app);
    assert_eq!([swept(&app).await, swept(&app).await], [1, 0]);
    assert_eq!(app.keys(), before);
    pass_a_day(&app);
    assert_eq!(swept(&app).await, 0);
    assert_eq!(download(&admin, TEST).await, elf(ELF_AMD64));
    assert_eq!(app.database().count("blob_suspects"), 0);
}

/// An upload that goes on while a run looks, however long it takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_upload_survives() {
    let (app, admin) = start().await;
    let mut binary = elf(ELF_AMD64);
    binary.resize(1 << 20, 7);
    let (first, rest) = binary.split_at(600 << 10);
    let (first, rest) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest));
    let (send, arrived) = tokio::sync::oneshot::channel::<()>();
    let content = futures::stream::unfold(Some((first, rest, Some(arrived))), async |state| {
        let (first, rest, arrived) = state?;
        if !first.is_empty() {
            return Some((first, Some((Bytes::new(), rest, arrived))));
        }
        arrived?.await.expect("the run sends");
        Some((rest, None))
    });
    let upload = async {
        let path = format!("/api/tests/builds/{OTHER}/upload-binary");
        let request = admin.request(http::Method::POST, &path);
        Multipart::new().streamed(request, "file", Box::pin(content)).send().await
    };
    let runs = async {
        let before = app.keys().len();
        while app.keys().len() == before {
            tokio::task::yield_now().await;
        }
        assert_eq!([swept(&app).await, swept(&app).await], [0, 0]);
        send.send(()).expect("the upload waits");
    };
    let (answer, ()) = tokio::join!(upload, runs);
    answer.expect(200);
    pass_a_day(&app);
    assert_eq!(swept(&app).await, 0);
    assert_eq!(download(&admin, OTHER).await, binary);
}

/// A removal whose row is gone and whose bytes are still there.
fn forget(app: &App) {
    let sql = "DELETE FROM builds WHERE test_uuid = ?1";
    assert_eq!(app.database().execute(sql, [TEST]), 1);
}

#[tokio::test]
async fn bytes_whose_removal_failed_half_way_go_a_day_later() {
    let (app, _) = start().await;
    forget(&app);
    assert_eq!(swept(&app).await, 0);
    pass_a_day(&app);
    assert_eq!(swept(&app).await, 1);
    assert_eq!(app.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_back_while_they_are_removed_are_whole() {
    let (app, admin) = start().await;
    for _ in 0..10 {
        forget(&app);
        app.database().execute("DELETE FROM blob_suspects", []);
        swept(&app).await;
        pass_a_day(&app);
        let binary = elf(ELF_AMD64);
        let upload = admin.upload_build(TEST, &binary);
        let (_, runs) = tokio::join!(upload, join_all((0..2).map(|_| swept(&app))));
        assert!(runs.iter().all(|it| it.as_i64() <= Some(1)), "{runs:?}");
        assert_eq!(download(&admin, TEST).await, elf(ELF_AMD64), "{:?}", app.keys());
    }
}
