//! Sessions: who is admitted, what refreshing does, and when it is over.

use domain::{rate_limit::PERSON, sessions::REFRESH_LIFE, time::Span};

use super::*;
use crate::{
    audit::Entry,
    device_logins::{self, Approver, Stage},
    fixtures::{NOW, entry, integer, plan, run, text},
    native::Memory,
    users::{self, Change, tests::account},
};

async fn started(db: &Memory) {
    account(db, "ada", "org", Some(Role::Admin)).await;
    account(db, "bob", "org", Some(Role::Admin)).await;
    start(db, "s1", "first").await;
}

async fn start(db: &Memory, id: &str, token: &str) {
    let ada = users::find_account(db, &"ada".into()).await.unwrap().unwrap();
    assert!(begun(db, id, &ada, token).await);
}

async fn begun(db: &Memory, id: &str, account: &Account, token: &str) -> bool {
    let (id, refresh) = (id.into(), Digest::of(token));
    let new = NewSession { id: &id, refresh: &refresh, expires_at: NOW + REFRESH_LIFE };
    begin(db, &new, account, NOW, &entry("session.start")).await.unwrap()
}

async fn ended(db: &Memory, token: &str) -> bool {
    let over = entry("session.end");
    end(db, &Digest::of(token), Kind::Local, NOW, &over).await.unwrap().is_some()
}

async fn reused(db: &Memory, token: &str) -> bool {
    let found = end_reused(db, &Digest::of(token), NOW, &entry("session.reused")).await;
    found.unwrap().is_some()
}

async fn admitted(db: &Memory, id: &str, kind: Kind, now: Timestamp) -> Option<Principal> {
    admit(db, &id.into(), kind, PERSON, now).await.unwrap().map(|(principal, _)| principal)
}

async fn role(db: &Memory) -> Option<Option<Role>> {
    admitted(db, "s1", Kind::Local, NOW).await.map(|it| it.role)
}

async fn rotated(db: &Memory, from: &str, to: &str, now: Timestamp) -> bool {
    let (from, to) = (Digest::of(from), Digest::of(to));
    rotate(db, &from, &to, now + REFRESH_LIFE, now).await.unwrap().is_some()
}

async fn change(db: &Memory, change: Change, action: &'static str) {
    let audit = entry(action);
    assert!(
        users::record_change(db, &"org".into(), &"ada".into(), change, NOW, &audit).await.unwrap()
    );
}

#[tokio::test]
async fn a_session_stands_for_its_account_as_it_is_now() {
    let db = Memory::migrated();
    started(&db).await;
    assert_eq!(role(&db).await, Some(Some(Role::Admin)));
    change(&db, Change::Role(Some(Role::Analyst)), "user.role").await;
    assert_eq!(role(&db).await, Some(Some(Role::Analyst)));
    change(&db, Change::Role(None), "user.role").await;
    assert_eq!(role(&db).await, Some(None));
}

#[tokio::test]
async fn whoever_is_removed_or_disabled_is_nobody_at_once() {
    for (tried, action) in
        [(Change::Active(false), "user.disable"), (Change::Removal, "user.remove")]
    {
        let db = Memory::migrated();
        started(&db).await;
        change(&db, tried, action).await;
        assert_eq!(role(&db).await, None, "{action}");
        assert!(!rotated(&db, "first", "second", NOW).await, "{action}");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_by_a_disabling_stays_ended() {
    let db = Memory::migrated();
    started(&db).await;
    change(&db, Change::Active(false), "user.disable").await;
    change(&db, Change::Active(true), "user.enable").await;
    assert_eq!(role(&db).await, None);
}

#[tokio::test]
async fn a_session_is_of_one_kind_and_ends() {
    let db = Memory::migrated();
    started(&db).await;
    assert_eq!(admitted(&db, "s1", Kind::Cli, NOW).await, None);
    assert_eq!(admitted(&db, "nobody", Kind::Local, NOW).await, None);
    assert_eq!(admitted(&db, "s1", Kind::Local, NOW + REFRESH_LIFE).await, None);
    assert!(ended(&db, "first").await);
    assert!(!ended(&db, "first").await);
    assert_eq!(role(&db).await, None);
}

#[tokio::test]
async fn requests_of_all_sessions_count_against_the_person() {
    let db = Memory::migrated();
    started(&db).await;
    start(&db, "s2", "another").await;
    for (id, remaining) in [("s1", 999), ("s2", 998), ("s1", 997)] {
        let (_, counted) = admit(&db, &id.into(), Kind::Local, PERSON, NOW).await.unwrap().unwrap();
        assert_eq!((counted.budget.remaining, counted.allowed), (remaining, true));
    }
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_by_one_of_two_at_once() {
    let db = Memory::migrated();
    started(&db).await;
    assert!(rotated(&db, "first", "second", NOW).await);
    assert!(!rotated(&db, "first", "third", NOW).await);
    assert!(rotated(&db, "second", "third", NOW).await);
}

#[tokio::test]
async fn a_token_that_was_exchanged_before_ends_the_session() {
    let db = Memory::migrated();
    started(&db).await;
    assert!(!reused(&db, "first").await);
    assert!(rotated(&db, "first", "second", NOW).await);
    assert!(!reused(&db, "guess").await);
    assert!(reused(&db, "first").await);
    assert_eq!(role(&db).await, None);
    assert!(!rotated(&db, "second", "third", NOW).await);
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let db = Memory::migrated();
    started(&db).await;
    start(&db, "s2", "another").await;
    let ada = users::find_account(&db, &"ada".into()).await.unwrap().unwrap();
    let next = "next".to_owned().into();
    let audit = entry("user.password");
    assert!(users::record_password(&db, &ada, &next, &"s2".into(), NOW, &audit).await.unwrap());
    assert_eq!(role(&db).await, None);
    assert!(admitted(&db, "s2", Kind::Local, NOW).await.is_some());
    // Who had verified the old one is too late.
    assert!(!begun(&db, "s3", &ada, "x").await);
}

#[tokio::test]
async fn an_account_has_fifty_living_sessions_at_most() {
    let db = Memory::migrated();
    started(&db).await;
    for n in 0..60 {
        start(&db, &format!("t{n:02}"), &n.to_string()).await;
    }
    let living = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";
    assert_eq!(integer(&db, living).await, Some(50));
    assert_eq!(admitted(&db, "t09", Kind::Local, NOW).await, None);
    assert!(admitted(&db, "t10", Kind::Local, NOW).await.is_some());
    assert!(!rotated(&db, "9", "next", NOW).await);
}

#[tokio::test]
async fn sessions_that_ended_count_for_none() {
    let db = Memory::migrated();
    started(&db).await;
    for n in 0..60 {
        start(&db, &format!("t{n:02}"), &n.to_string()).await;
        assert!(ended(&db, &n.to_string()).await);
    }
    assert!(admitted(&db, "s1", Kind::Local, NOW).await.is_some());
}

/// One session may have thousands of refresh tokens, which would go with it.
#[tokio::test]
async fn signing_in_deletes_no_refresh_token() {
    let db = Memory::migrated();
    started(&db).await;
    assert!(rotated(&db, "first", "second", NOW).await);
    run(&db, "UPDATE sessions SET expires_at = ?1", &[(NOW - Span::days(31)).into()]).await;
    for n in 0..50 {
        start(&db, &format!("t{n:02}"), &n.to_string()).await;
    }
    assert_eq!(integer(&db, "SELECT count(*) FROM sessions").await, Some(51));
    assert_eq!(integer(&db, "SELECT count(*) FROM rotated_refresh_tokens").await, Some(1));
}

async fn waiting(db: &Memory) {
    let device = Digest::of("device");
    let expires_at = NOW + domain::device_logins::LIFE;
    assert!(device_logins::insert(db, &device, "ABCD-2345", expires_at, NOW).await.unwrap());
}

async fn approve(db: &Memory, user: &str, account: bool, role: Option<Role>) -> bool {
    let by = Approver { user: &user.into(), org: &"org".into(), role, has_account: account };
    let audit: Entry = entry("device_login.approve");
    device_logins::record_approval(db, "ABCD-2345", &by, NOW, &audit).await.unwrap()
}

async fn claim(db: &Memory, session: &str) -> Option<device_logins::Claimed> {
    let refresh = Digest::of(["refresh of ", session].concat());
    let id = session.into();
    let new = NewSession { id: &id, refresh: &refresh, expires_at: NOW + REFRESH_LIFE };
    let start = entry("session.start");
    device_logins::claim(db, &Digest::of("device"), &new, NOW, &start).await.unwrap()
}

#[tokio::test]
async fn an_approved_device_is_claimed_once() {
    let db = Memory::migrated();
    account(&db, "ada", "org", Some(Role::Operator)).await;
    waiting(&db).await;
    assert_eq!(claim(&db, "s1").await, None);
    assert!(approve(&db, "ada", true, None).await);
    assert!(!approve(&db, "eve", false, None).await);
    let claimed = claim(&db, "s1").await.unwrap();
    assert_eq!(
        (claimed.role, claimed.email.as_deref()),
        (Some(Role::Operator), Some("ada@example.org"))
    );
    assert_eq!(claim(&db, "s2").await, None);
    let device = Digest::of("device");
    assert_eq!(device_logins::stage(&db, &device, NOW).await.unwrap(), Stage::Unknown);
    assert_eq!(admitted(&db, "s1", Kind::Cli, NOW).await.unwrap().role, Some(Role::Operator));
    // Its refresh token works as often as it is presented.
    for _ in 0..3 {
        let refreshed = record_refresh(&db, &Digest::of("refresh of s1"), NOW).await.unwrap();
        assert_eq!(refreshed.unwrap().id, "s1".into());
    }
    assert!(!rotated(&db, "refresh of s1", "next", NOW).await);
}

#[tokio::test]
async fn whoever_may_not_sign_in_signs_no_device_in() {
    let db = Memory::migrated();
    account(&db, "ada", "org", None).await;
    waiting(&db).await;
    assert!(approve(&db, "ada", true, None).await);
    change(&db, Change::Active(false), "user.disable").await;
    assert_eq!(claim(&db, "s1").await, None);
}

#[tokio::test]
async fn what_no_device_has_claimed_ends_with_the_password_and_the_account() {
    for (tried, action) in [(None, "user.password"), (Some(Change::Active(false)), "user.disable")]
    {
        let db = Memory::migrated();
        started(&db).await;
        waiting(&db).await;
        assert!(approve(&db, "ada", true, None).await);
        if let Some(tried) = tried {
            change(&db, tried, action).await;
            change(&db, Change::Active(true), "user.enable").await;
        } else {
            let ada = users::find_account(&db, &"ada".into()).await.unwrap().unwrap();
            let (next, audit) = ("next".to_owned().into(), entry(action));
            assert!(
                users::record_password(&db, &ada, &next, &"s1".into(), NOW, &audit).await.unwrap()
            );
        }
        assert_eq!(claim(&db, "s2").await, None, "{action}");
    }
}

async fn ended_all(db: &Memory, org: &str, user: &str) -> Option<u32> {
    end_all(db, &org.into(), &user.into(), &entry("session.end-all")).await.unwrap()
}

#[tokio::test]
async fn every_session_of_a_person_ends_at_once_and_is_one_row() {
    let db = Memory::migrated();
    started(&db).await;
    start(&db, "s2", "another").await;
    waiting(&db).await;
    assert!(approve(&db, "ada", true, None).await);
    let rows = async || integer(&db, "SELECT count(*) FROM audit_log").await.unwrap();
    let before = rows().await;
    assert_eq!(ended_all(&db, "elsewhere", "ada").await, None);
    assert_eq!(ended_all(&db, "org", "bob").await, None);
    assert_eq!(ended_all(&db, "org", "ada").await, Some(2));
    assert_eq!(ended_all(&db, "org", "ada").await, None);
    assert_eq!(rows().await, before + 1);
    assert_eq!(role(&db).await, None);
    assert_eq!(admitted(&db, "s2", Kind::Local, NOW).await, None);
    assert_eq!(claim(&db, "s3").await, None);
}

#[tokio::test]
async fn sessions_of_people_of_an_identity_provider_end_too() {
    let db = Memory::migrated();
    waiting(&db).await;
    assert!(approve(&db, "user_2ab", false, Some(Role::Analyst)).await);
    assert!(claim(&db, "s1").await.is_some());
    assert_eq!(ended_all(&db, "org", "user_2ab").await, Some(1));
    assert_eq!(admitted(&db, "s1", Kind::Cli, NOW).await, None);
}

#[tokio::test]
async fn beginning_and_ending_are_rows_of_whoever_it_was() {
    let db = Memory::migrated();
    started(&db).await;
    start(&db, "s2", "another").await;
    assert!(rotated(&db, "another", "next", NOW).await);
    assert!(reused(&db, "another").await);
    assert!(ended(&db, "first").await);
    let sql = "SELECT group_concat(action || ' ' || actor || ' ' || target_id, ', ')
                 FROM (SELECT * FROM audit_log WHERE target_type = 'session' ORDER BY seq)";
    let expected =
        "session.start user s1, session.start user s2, session.reused ada s2, session.end ada s1";
    assert_eq!(text(&db, sql).await.as_deref(), Some(expected));
    let secrets = "SELECT count(*) FROM audit_log WHERE before || after LIKE '%digest%'";
    assert_eq!(integer(&db, secrets).await, Some(0));
}

#[tokio::test]
async fn people_of_an_identity_provider_keep_the_role_of_their_approval() {
    let db = Memory::migrated();
    waiting(&db).await;
    assert!(approve(&db, "user_2ab", false, Some(Role::Analyst)).await);
    assert!(claim(&db, "s1").await.is_some());
    let principal = admitted(&db, "s1", Kind::Cli, NOW).await.unwrap();
    assert_eq!((principal.role, principal.user), (Some(Role::Analyst), "user_2ab".into()));
}

#[tokio::test]
async fn admission_scans_nothing() {
    plan(async |db| {
        let digest = Digest::of("x");
        drop(admit(db, &"s".into(), Kind::Local, PERSON, NOW).await);
        drop(rotate(db, &digest, &digest, NOW, NOW).await);
        drop(record_refresh(db, &digest, NOW).await);
        let by = entry("session.end");
        drop(end_reused(db, &digest, NOW, &by).await);
        drop(end(db, &digest, Kind::Local, NOW, &by).await);
        drop(end_all(db, &"org".into(), &"ada".into(), &by).await);
        drop(crate::api_keys::admit(db, &digest, PERSON, NOW).await);
        drop(device_logins::stage(db, &digest, NOW).await);
        let new = NewSession { id: &"s".into(), refresh: &digest, expires_at: NOW };
        drop(device_logins::claim(db, &digest, &new, NOW, &by).await);
    })
    .await
    .uses("sessions_by_account")
    .never_scans();
}
