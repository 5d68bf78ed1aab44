//! Claiming, spacing and giving up; storing all or nothing, and storing again.

use domain::{
    results::{MOST_ATTEMPTS, Outcome},
    time::Span,
};

use super::*;
use crate::{
    fixtures::{NOW, agent, device, integer, other_agent, plan, run, task, task_of, text},
    native::Memory,
};

/// Completed tests of `a1`, the first one first.
async fn with_tasks(ids: &[&str]) -> Memory {
    let db = Memory::migrated();
    agent(&db, "key").await;
    for (n, id) in ids.iter().enumerate() {
        task(&db, id, "completed").await;
        complete(&db, id, i64::try_from(n).unwrap()).await;
    }
    db
}

async fn complete(db: &Memory, id: &str, seconds: i64) {
    let at = NOW + Span::seconds(seconds - 9);
    let sql = "UPDATE tasks SET completed_at = ?2, result = '{\"exit_code\":0}' WHERE id = ?1";
    run(db, sql, &[id.into(), at.into()]).await;
}

async fn claim_at(db: &Memory, now: Timestamp) -> Option<String> {
    claim(db, None, None, now).await.unwrap().map(|it| it.task.0)
}

fn entry() -> Entry {
    Entry {
        at: NOW,
        actor: "user".to_owned(),
        address: "::1".to_owned(),
        request_id: "r".to_owned(),
        action: "ingestion.reset",
        details: None,
    }
}

fn document(id: &str, outcome: Outcome) -> String {
    format!(
        r#"{{"id":"{id}","test_uuid":"u1","test_name":"LSASS read","error_code":126,"error_name":"ExecutionPrevented",
            "outcome":"{}","category":"c","subcategory":"s","severity":"high","techniques":["T1003.001"],"tactics":[]}}"#,
        outcome.as_str()
    )
}

fn control(id: &str, outcome: Outcome) -> String {
    let named = format!(r#"{{"control_id":"{id}","control_validator":"Defender","#);
    document(&format!("t1::{id}"), outcome).replacen('{', &named, 1)
}

async fn store(db: &Memory, bundle: Option<&str>, documents: &[String]) -> Result<u32, Error> {
    let batch = Batch {
        task: &"t1".into(),
        org: &"org".into(),
        agent: &"a1".into(),
        event_at: Timestamp(NOW.0 + 4),
        hostname: "ws-0417",
        threat_actor: "",
        complexity: "low",
        score: None,
        target: r#"["windows-endpoint"]"#,
        tags: "[]",
        target_index: None,
        bundle_id: bundle,
        bundle_name: bundle,
        tenant_label: None,
        documents: &format!("[{}]", documents.join(",")),
    };
    record(db, batch, NOW).await
}

// D4 499
#[tokio::test]
async fn the_one_that_waits_longest_comes_first() {
    let db = with_tasks(&["t2", "t1", "t3"]).await;
    let claims = [claim_at(&db, NOW).await, claim_at(&db, NOW).await, claim_at(&db, NOW).await];
    assert_eq!(claims.map(Option::unwrap), ["t2", "t1", "t3"]);
    assert_eq!(claim_at(&db, NOW).await, None, "each is claimed once");
}

// D4 495, D4 498
#[tokio::test]
async fn only_tests_with_a_result_that_is_not_stored_are_claimed() {
    let db = with_tasks(&["t1"]).await;
    for change in ["type = 'execute_command'", "status = 'failed'", "ingested = 1"] {
        run(&db, &format!("UPDATE tasks SET {change}"), &[]).await;
        assert_eq!(claim_at(&db, NOW).await, None, "{change}");
        let undo = "UPDATE tasks SET type = 'execute_test', status = 'completed', ingested = 0";
        run(&db, undo, &[]).await;
    }
    assert!(claim_at(&db, NOW).await.is_some());
}

#[tokio::test]
async fn a_claim_brings_what_is_known_of_the_task() {
    let db = with_tasks(&["t1"]).await;
    let claimed = claim(&db, None, None, NOW).await.unwrap().unwrap();
    assert_eq!((claimed.org.as_str(), claimed.agent.as_str()), ("org", "a1"));
    assert_eq!(claimed.payload, r#"{"test_uuid":"u1","test_name":"LSASS read"}"#);
    assert_eq!(claimed.result, r#"{"exit_code":0}"#);
    assert_eq!((claimed.assigned_at, claimed.received_at), (NOW, NOW - Span::seconds(9)));
}

// D-78
#[tokio::test]
async fn each_attempt_waits_twice_as_long_and_the_tenth_is_the_last() {
    let db = with_tasks(&["t1"]).await;
    let mut now = NOW;
    let mut waits = Vec::new();
    while claim_at(&db, now).await.is_some() {
        let next = Timestamp(integer(&db, "SELECT next_ingest_at FROM tasks").await.unwrap());
        waits.push(now.distance(next).as_millis() / 60_000);
        assert_eq!(claim_at(&db, Timestamp(next.0 - 1)).await, None, "not before its time");
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360]);
    assert_eq!(u32::try_from(waits.len()).unwrap(), MOST_ATTEMPTS);
    assert_eq!(claim_at(&db, now + Span::days(400)).await, None);
    assert_eq!(count_given_up(&db, None).await.unwrap(), 1);
}

// D-78
#[tokio::test]
async fn who_was_given_up_is_tried_again_after_a_reset_by_its_own_organisation() {
    let db = with_tasks(&["t1", "t2", "t3"]).await;
    run(&db, "UPDATE tasks SET ingest_attempts = 10 WHERE id <> 't3'", &[]).await;
    run(
        &db,
        "UPDATE tasks SET ingest_attempts = 9, next_ingest_at = ?1 WHERE id = 't3'",
        &[(NOW + Span::hours(6)).into()],
    )
    .await;
    assert_eq!(reset(&db, &"other".into(), &entry(), 10).await.unwrap(), 0);
    assert_eq!(claim_at(&db, NOW).await, None);
    let (org, other) = (OrgId::from("org"), OrgId::from("other"));
    assert_eq!(count_given_up(&db, Some(&org)).await.unwrap(), 2);
    assert_eq!(count_given_up(&db, Some(&other)).await.unwrap(), 0);
    assert_eq!(reset(&db, &org, &entry(), 1).await.unwrap(), 1);
    assert_eq!(reset(&db, &org, &entry(), 10).await.unwrap(), 1);
    assert_eq!(reset(&db, &org, &entry(), 10).await.unwrap(), 0);
    // One row of the log per call that did something.
    let logged = "SELECT count(*) FROM audit_log WHERE action = 'ingestion.reset'";
    assert_eq!(integer(&db, logged).await, Some(2));
    assert!(claim_at(&db, NOW).await.is_some() && claim_at(&db, NOW).await.is_some());
    assert_eq!(claim_at(&db, NOW).await, None, "who only waits goes on waiting");
}

#[tokio::test]
async fn a_person_claims_what_is_their_organisations() {
    let db = with_tasks(&["t1"]).await;
    other_agent(&db, "a2", "other", "other").await;
    task_of(&db, "t2", "a2", "completed").await;
    complete(&db, "t2", -60).await;
    let mine = claim(&db, Some(&"org".into()), None, NOW).await.unwrap().unwrap();
    assert_eq!(mine.task.as_str(), "t1");
    assert_eq!(claim(&db, Some(&"org".into()), None, NOW).await.unwrap(), None);
}

// D4 493, A11 175, A11 176
#[tokio::test]
async fn what_is_stored_is_noted_on_its_task_and_stored_once() {
    let db = with_tasks(&["t1"]).await;
    claim_at(&db, NOW).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store(&db, None, &[document("t1", Outcome::Protected)]).await.unwrap(), 1);
    }
    assert_eq!(integer(&db, "SELECT count(*) FROM results").await, Some(1));
    let flags = "SELECT ingested * 100 + ingest_attempts FROM tasks WHERE next_ingest_at IS NULL";
    assert_eq!(integer(&db, flags).await, Some(101));
}

// D4 493: without a claim, as right after the result.
#[tokio::test]
async fn a_first_attempt_that_succeeds_counts_as_one() {
    let db = with_tasks(&["t1"]).await;
    store(&db, None, &[document("t1", Outcome::Protected)]).await.unwrap();
    let flags = "SELECT ingested * 100 + ingest_attempts FROM tasks";
    assert_eq!(integer(&db, flags).await, Some(101));
    assert!(!record_attempt(&db, &"t1".into(), NOW).await.unwrap());
    assert_eq!(claim_at(&db, NOW).await, None);
}

// D4 494
#[tokio::test]
async fn a_first_attempt_that_failed_is_counted_once_and_waits() {
    let db = with_tasks(&["t1"]).await;
    assert!(record_attempt(&db, &"t1".into(), NOW).await.unwrap());
    assert!(!record_attempt(&db, &"t1".into(), NOW).await.unwrap());
    assert_eq!(claim_at(&db, Timestamp(NOW.0 + 59_999)).await, None);
    assert!(claim_at(&db, NOW + Span::seconds(60)).await.is_some());
}

// A11 178
#[tokio::test]
async fn storing_again_overwrites() {
    let db = with_tasks(&["t1"]).await;
    store(&db, None, &[document("t1", Outcome::Unprotected)]).await.unwrap();
    run(&db, "UPDATE tasks SET ingested = 0", &[]).await;
    store(&db, None, &[document("t1", Outcome::Protected)]).await.unwrap();
    let outcome = text(&db, "SELECT outcome FROM results").await;
    assert_eq!(outcome.as_deref(), Some("protected"));
    assert_eq!(integer(&db, "SELECT ingested FROM tasks").await, Some(1));
}

#[tokio::test]
async fn all_documents_of_a_task_or_none_are_stored() {
    let db = with_tasks(&["t1"]).await;
    let documents = [
        control("a", Outcome::Protected),
        control("b", Outcome::Error).replace("\"error\"", "\"else\""),
    ];
    assert!(store(&db, Some("bundle"), &documents).await.is_err());
    assert_eq!(integer(&db, "SELECT count(*) FROM results").await, Some(0));
    assert_eq!(integer(&db, "SELECT ingested FROM tasks").await, Some(0));
}

/// Were the row to change its size, `SQLite` would write all of the result again.
#[tokio::test]
async fn storing_a_result_leaves_its_task_as_long_as_it_was() {
    let db = Memory::migrated();
    agent(&db, "key").await;
    task(&db, "t1", "executing").await;
    let record = crate::task_queue::reports::record_result;
    record(&db, &device("key"), &"t1".into(), "{}", NOW).await.unwrap().unwrap();
    // Small whole numbers and nulls have a size of their own, whatever they are.
    let sizes = "SELECT json_array(typeof(ingested), ingested < 2, typeof(ingest_attempts), ingest_attempts < 2,
                                   typeof(last_ingest_attempt_at), typeof(next_ingest_at)) FROM tasks";
    let before = text(&db, sizes).await;
    store(&db, None, &[document("t1", Outcome::Protected)]).await.unwrap();
    assert_eq!(integer(&db, "SELECT ingested FROM tasks").await, Some(1));
    assert_eq!(text(&db, sizes).await, before);
}

#[tokio::test]
async fn of_two_controls_with_one_id_the_later_one_stands() {
    let db = with_tasks(&["t1"]).await;
    let documents = [control("a", Outcome::Protected), control("a", Outcome::Unprotected)];
    store(&db, Some("bundle"), &documents).await.unwrap();
    let outcome = text(&db, "SELECT outcome FROM results").await;
    assert_eq!(outcome.as_deref(), Some("unprotected"));
}

// D-77
#[tokio::test]
async fn only_what_says_something_about_protection_counts() {
    let db = with_tasks(&["t1"]).await;
    for outcome in Outcome::ALL {
        store(&db, None, &[document("t1", *outcome)]).await.unwrap();
        let counted = integer(&db, "SELECT counts * 10 + is_protected FROM results").await.unwrap();
        let expected = match outcome {
            Outcome::Protected => 11,
            Outcome::Unprotected => 10,
            Outcome::Inconclusive | Outcome::Contextual | Outcome::Error | Outcome::Skipped => 0,
        };
        assert_eq!(counted, expected, "{outcome:?}");
    }
}

// §9.4, §9.5
#[tokio::test]
async fn the_document_is_the_documented_one() {
    let db = with_tasks(&["t1"]).await;
    store(&db, None, &[document("t1", Outcome::Protected)]).await.unwrap();
    let single = concat!(
        r#"{"routing":{"event_time":"2027-01-15T08:00:00.004Z","oid":"org","hostname":"ws-0417"},"event":{"ERROR":126},"#,
        r#""f0rtika":{"test_uuid":"u1","test_name":"LSASS read","is_protected":true,"error_name":"ExecutionPrevented","#,
        r#""category":"c","subcategory":"s","severity":"high","techniques":["T1003.001"],"tactics":[],"threat_actor":"","#,
        r#""target":["windows-endpoint"],"complexity":"low","tags":[],"score":null}}"#,
    );
    assert_eq!(text(&db, "SELECT document FROM result_documents").await.as_deref(), Some(single));

    store(&db, Some("b"), &[control("CH-A-001", Outcome::Skipped)]).await.unwrap();
    let of_control = "SELECT document FROM results JOIN result_documents USING (id) WHERE control_id IS NOT NULL";
    let of_control = text(&db, of_control).await;
    let expected = concat!(
        r#""is_protected":false,"error_name":"ExecutionPrevented","category":"c","subcategory":"s","severity":"high","#,
        r#""techniques":["T1003.001"],"tactics":[],"threat_actor":"","target":["windows-endpoint"],"complexity":"low","#,
        r#""tags":[],"score":null,"bundle_id":"b","bundle_name":"b","control_id":"CH-A-001","#,
        r#""control_validator":"Defender","is_bundle_control":true,"skipped":true}}"#,
    );
    assert!(of_control.as_deref().unwrap().ends_with(expected), "{of_control:?}");
}

#[tokio::test]
async fn storing_reads_its_indexes() {
    let of_all = plan(async |db| drop(claim(db, None, None, NOW).await)).await;
    of_all.uses("tasks_ingestible").never_scans();
    assert_eq!(of_all.times("tasks_ingestible (<expr><?)"), 1);
    let of_one = plan(async |db| drop(claim(db, Some(&"org".into()), None, NOW).await)).await;
    of_one.uses("tasks_ingestible_by_org").never_scans().never_reads_an_organisation();
    plan(async |db| drop(count_given_up(db, Some(&"org".into())).await))
        .await
        .uses("tasks_given_up")
        .never_scans();
    plan(async |db| drop(count_given_up(db, None).await)).await.uses("tasks_given_up");
    plan(async |db| {
        drop(reset(db, &"org".into(), &entry(), 10).await);
    })
    .await
    .uses("tasks_given_up")
    .never_scans();
}

#[tokio::test]
async fn analytics_find_their_rows_by_index() {
    for (index, filter) in [
        ("results_by_time", "event_at >= 0"),
        ("results_by_test", "test_uuid = 'u' AND event_at >= 0"),
        ("results_by_host", "hostname = 'h' AND event_at >= 0"),
    ] {
        let sql = format!(
            "SELECT sum(is_protected), sum(counts) FROM results WHERE org_id = 'org' AND {filter}"
        );
        plan(async |db| drop(db.query(&sql, &[]).await)).await.uses(index).never_scans();
    }
}
