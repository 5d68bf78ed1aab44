//! Who may decide what, what a decision sets free, and what asking for less takes.

use domain::{
    approvals::Demands,
    platform::{Arch, Os, Platform},
    releases::Release,
    time::Span,
};

use super::*;
use crate::{
    fixtures::{NOW, agent, entry, integer, other_agent, plan, run, text, update_agent},
    native::Memory,
};

const WORK: &str = r#"{"type":"execute_command","priority":3,"payload":"{\"command\":\"id\"}","execution_timeout_seconds":60,"ttl_seconds":10,"max_retries":2,"batch_id":"b1","assignments":[["t1","a1"],["t2","a2"]]}"#;

fn by(actor: &str, at: Timestamp) -> Entry {
    Entry { at, actor: actor.to_owned(), ..entry("approval.approve") }
}

async fn ask(db: &Memory, id: &str, who: &str) -> Option<Timestamp> {
    let org = "org".into();
    let request = NewRequest {
        id,
        org: &org,
        kind: ApprovalKind::Command,
        summary: "{}",
        work: WORK,
        entry: &by(who, NOW),
    };
    insert(db, request).await.unwrap()
}

/// Two agents, and a command for both that waits.
async fn waiting(who: &str) -> Memory {
    let db = Memory::migrated();
    agent(&db, "key").await;
    other_agent(&db, "a2", "org", "key2").await;
    assert_eq!(ask(&db, "w1", who).await, Some(NOW + Span::hours(24)));
    db
}

async fn approve(db: &Memory, who: &str, at: Timestamp) -> bool {
    record_approval(db, &"org".into(), "w1", &by(who, at)).await.unwrap().is_some()
}

async fn tasks(db: &Memory) -> i64 {
    integer(db, "SELECT count(*) FROM tasks").await.unwrap()
}

#[tokio::test]
async fn an_approval_sets_the_tasks_free_once() {
    let db = waiting("ann").await;
    assert_eq!(tasks(&db).await, 0);
    let later = NOW + Span::hours(1);
    assert!(approve(&db, "bob", later).await);
    assert!(!approve(&db, "cat", later).await);
    assert_eq!(tasks(&db).await, 2);
    assert_eq!(list_tasks(&db, &"org".into(), "w1").await.unwrap(), ["t1", "t2"]);
    let row = "SELECT agent_id || type || priority || payload || execution_timeout_seconds || ttl_seconds || created_by || batch_id
                 FROM tasks WHERE id = 't2'";
    let expected = r#"a2execute_command3{"command":"id"}6010annb1"#;
    assert_eq!(text(&db, row).await.as_deref(), Some(expected));
    let life = "SELECT expires_at - created_at FROM tasks WHERE created_at = (SELECT decided_at FROM approvals)";
    assert_eq!(integer(&db, life).await, Some(10_000));
}

#[tokio::test]
async fn nobody_approves_what_they_asked_for_themselves() {
    let db = waiting("ann").await;
    assert!(!approve(&db, "ann", NOW).await);
    // Nor by way of a key.
    run(&db, "UPDATE approvals SET requested_by = 'apikey:k1'", &[]).await;
    run(
        &db,
        "INSERT INTO api_keys (id, org_id, name, digest, prefix, scope, created_at, created_by, updated_at, revoked_at)
         VALUES ('k1', 'org', 'ci', zeroblob(32), 'pa_1', 'read-write', 0, 'ann', 0, 1)",
        &[],
    )
    .await;
    assert!(!approve(&db, "ann", NOW).await);
    assert_eq!(tasks(&db).await, 0);
    assert!(approve(&db, "bob", NOW).await);
}

#[tokio::test]
async fn an_organisation_decides_on_its_own_requests() {
    let db = waiting("ann").await;
    let other = "other".into();
    assert_eq!(record_approval(&db, &other, "w1", &by("bob", NOW)).await.unwrap(), None);
    assert_eq!(record_denial(&db, &other, "w1", None, &by("bob", NOW)).await.unwrap(), None);
    assert_eq!(find(&db, &other, "w1").await.unwrap(), None);
    assert_eq!(count(&db, &other, None).await.unwrap(), 0);
    assert!(list(&db, &other, None, None, 9, 0).await.unwrap().is_empty());
    assert!(list_tasks(&db, &other, "w1").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_denied_or_has_expired_stays_so() {
    let db = waiting("ann").await;
    let denied =
        record_denial(&db, &"org".into(), "w1", Some("no"), &by("bob", NOW)).await.unwrap();
    assert_eq!(denied.unwrap().reason.as_deref(), Some("no"));
    assert!(!approve(&db, "cat", NOW).await);

    let db = waiting("ann").await;
    let end = NOW + Span::hours(24);
    assert!(!approve(&db, "bob", end).await, "the end is exclusive, swept or not");
    assert_eq!(expire(&db, Timestamp(end.0 - 1), 9).await.unwrap(), 0);
    assert_eq!(expire(&db, end, 9).await.unwrap(), 1);
    assert_eq!(expire(&db, end, 9).await.unwrap(), 0);
    assert!(!approve(&db, "bob", NOW).await);
    assert_eq!(tasks(&db).await, 0);
}

#[tokio::test]
async fn agents_that_are_gone_since_get_nothing() {
    let db = waiting("ann").await;
    update_agent(&db, "status", "decommissioned").await;
    assert!(approve(&db, "bob", NOW).await);
    assert_eq!(list_tasks(&db, &"org".into(), "w1").await.unwrap(), ["t2"]);
    // And nothing can be asked for them.
    assert_eq!(ask(&db, "w2", "ann").await, None);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let db = waiting("ann").await;
    for id in ["w2", "w3"] {
        ask(&db, id, "ann").await.unwrap();
    }
    approve(&db, "bob", NOW).await;
    let org = "org".into();
    let ids = async |status, after: Option<&Key>, limit| {
        let page = list(&db, &org, status, after, limit, 0).await.unwrap();
        page.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 2).await, ["w3", "w2"]);
    assert_eq!(ids(None, Some(&(NOW.0, "w2".to_owned())), 2).await, ["w1"]);
    assert_eq!(ids(Some(ApprovalStatus::Pending), None, 9).await, ["w3", "w2"]);
    assert_eq!(count(&db, &org, Some(ApprovalStatus::Approved)).await.unwrap(), 1);
    assert_eq!(count(&db, &org, None).await.unwrap(), 3);
}

#[tokio::test]
async fn one_person_tightens_and_cannot_loosen() {
    let db = Memory::migrated();
    let org = "org".into();
    let commands = Demands { commands: true, ..Demands::default() };
    let both = Demands { uninstalls: true, ..commands };
    let set = async |demands| demands::record(&db, &org, demands, &entry("settings.update")).await;
    assert_eq!(demands::find(&db, &org).await.unwrap(), Demands::default());
    assert!(set(commands).await.unwrap());
    assert!(set(both).await.unwrap());
    assert!(!set(commands).await.unwrap());
    assert!(!set(Demands { mandatory_updates: true, ..Demands::default() }).await.unwrap());
    assert_eq!(demands::find(&db, &org).await.unwrap(), both);
    assert_eq!(demands::find(&db, &"other".into()).await.unwrap(), Demands::default());

    // Another person's approval does.
    let (seen, version) = demands::find_with_version(&db, &org).await.unwrap();
    assert_eq!((seen, version), (both, 2));
    let work = format!(r#"{{"value":{},"version":2}}"#, demands::to_json(commands));
    let request = NewRequest {
        id: "w1",
        org: &org,
        kind: ApprovalKind::Settings,
        summary: "{}",
        work: &work,
        entry: &by("ann", NOW),
    };
    insert(&db, request).await.unwrap().unwrap();
    assert!(approve(&db, "bob", NOW).await);
    assert_eq!(demands::find(&db, &org).await.unwrap(), commands);
}

#[tokio::test]
async fn an_old_request_to_loosen_does_not_undo_a_newer_decision() {
    let db = Memory::migrated();
    let org = "org".into();
    let none = Demands::default();
    let commands = Demands { commands: true, ..none };
    let tighten = async |demands| {
        assert!(demands::record(&db, &org, demands, &entry("settings.update")).await.unwrap());
    };
    tighten(commands).await;
    let work = format!(r#"{{"value":{},"version":1}}"#, demands::to_json(none));
    let asked = by("ann", NOW);
    let request = |id, work| NewRequest {
        id,
        org: &org,
        kind: ApprovalKind::Settings,
        summary: "{}",
        work,
        entry: &asked,
    };
    insert(&db, request("w1", &work)).await.unwrap().unwrap();
    // What was asked for before versions were noted is about nothing that could be compared.
    let unversioned = format!(r#"{{"value":{}}}"#, demands::to_json(none));
    insert(&db, request("w2", &unversioned)).await.unwrap().unwrap();
    let all = Demands { uninstalls: true, mandatory_updates: true, ..commands };
    tighten(all).await;

    for id in ["w1", "w2"] {
        assert!(!is_approvable(&db, &org, id, "bob", NOW).await.unwrap());
        assert_eq!(record_approval(&db, &org, id, &by("bob", NOW)).await.unwrap(), None);
        let obstacle = find_obstacle(&db, &org, id, "bob").await.unwrap();
        assert_eq!(obstacle, Some(Obstacle::Outdated));
    }
    assert_eq!(demands::find(&db, &org).await.unwrap(), all);
}

#[tokio::test]
async fn nobody_approves_as_somebody_they_made() {
    use crate::{invitations, users};
    use domain::{
        accounts, ids::InvitationId, passwords::Verifier, permissions::Role, secrets::Digest,
    };
    let make = async |db: &Memory, id: &str, maker: &str| {
        let new = users::NewUser {
            id: &id.into(),
            email: &accounts::Email::parse(&format!("{id}@example.org")).unwrap(),
            name: &accounts::Name::parse(id).unwrap(),
            verifier: &Verifier::nobodys(),
        };
        let made = by(maker, NOW);
        users::insert(db, &"org".into(), &new, None, NOW, Some(&made)).await.unwrap();
    };
    let invite = async |db: &Memory, id: &str, inviter: &str| {
        let email = accounts::Email::parse(&format!("{id}@example.org")).unwrap();
        let new = invitations::NewInvitation {
            id: &InvitationId(id.to_owned()),
            email: &email,
            role: Role::Admin,
            created_by: &inviter.into(),
            expires_at: NOW + Span::hours(1),
        };
        let (org, digest) = ("org".into(), Digest::of(id));
        invitations::upsert(db, &org, &new, &digest, NOW, &by(inviter, NOW))
            .await
            .unwrap()
            .unwrap();
        let name = accounts::Name::parse(id).unwrap();
        let (id, verifier) = (id.into(), Verifier::nobodys());
        let new = users::Invited { id: &id, name: &name, verifier: &verifier };
        users::insert_invited(db, &new, &digest, NOW, &entry("user.accept"))
            .await
            .unwrap()
            .unwrap();
    };
    let db = waiting("ann").await;
    make(&db, "second", "ann").await;
    make(&db, "third", "second").await;
    invite(&db, "guest", "third").await;
    // It helps nothing that those in between are gone.
    run(&db, "DELETE FROM users WHERE id IN ('second', 'third')", &[]).await;
    for who in ["second", "third", "guest"] {
        assert!(!approve(&db, who, NOW).await, "{who}");
        let obstacle = find_obstacle(&db, &"org".into(), "w1", who).await.unwrap();
        assert_eq!(obstacle, Some(Obstacle::Related), "{who}");
    }
    // Nor does the maker approve what the made ask for, if by a key.
    run(&db, "UPDATE approvals SET requested_by = 'guest'", &[]).await;
    assert!(!approve(&db, "ann", NOW).await);
    let key = "INSERT INTO api_keys (id, org_id, name, digest, prefix, scope, created_at, created_by, updated_at)
               VALUES ('k1', 'org', 'ci', zeroblob(32), 'pa_1', 'read-write', 0, 'guest', 0)";
    run(&db, key, &[]).await;
    run(&db, "UPDATE approvals SET requested_by = 'apikey:k1'", &[]).await;
    assert!(!approve(&db, "ann", NOW).await);
    assert_eq!(tasks(&db).await, 0);
    // Two whom the same person made are two persons.
    make(&db, "other", "ann").await;
    assert!(approve(&db, "other", NOW).await);
}

#[tokio::test]
async fn whoever_is_gone_since_is_named() {
    let db = waiting("ann").await;
    let org = "org".into();
    let work = find_work(&db, &org, "w1").await.unwrap().unwrap();
    assert_eq!(work.assignments, r#"[["t1","a1"],["t2","a2"]]"#);
    assert_eq!(
        (work.kind, work.payload.as_str()),
        (TaskType::ExecuteCommand, r#"{"command":"id"}"#)
    );
    update_agent(&db, "status", "uninstalled").await;
    assert!(list_left_out(&db, &org, "w1").await.unwrap().is_empty(), "nothing is decided");
    assert!(approve(&db, "bob", NOW).await);
    let left = list_left_out(&db, &org, "w1").await.unwrap();
    let gone = LeftOut {
        agent: "a1".into(),
        hostname: left[0].hostname.clone(),
        status: Some(AgentStatus::Uninstalled),
    };
    assert_eq!(left, [gone]);
    let other = "other".into();
    assert!(list_left_out(&db, &other, "w1").await.unwrap().is_empty());
    assert_eq!(find_work(&db, &other, "w1").await.unwrap(), None);
}

#[tokio::test]
async fn a_mandatory_release_waits_and_is_offered_once_approved() {
    let db = Memory::migrated();
    let (org, linux) = ("org".into(), Platform { os: Os::Linux, arch: Arch::Amd64 });
    let demands = Demands { mandatory_updates: true, ..Demands::default() };
    assert!(demands::record(&db, &org, demands, &entry("settings.update")).await.unwrap());
    let release = Release {
        version: "2.0.0".to_owned(),
        platform: linux,
        notes: String::new(),
        mandatory: true,
        sha256: "a".repeat(64),
        size: 1,
        signature: "f".repeat(128),
        signed: false,
        created_at: NOW,
        awaiting_approval: None,
        promoted: false,
    };
    let publish = async |release: &Release, id: &str| {
        let entry = entry("version.publish");
        crate::releases::register(&db, &org, release, id, &entry).await.unwrap().awaiting_approval
    };
    let offered = async || crate::releases::find_latest(&db, &org, linux).await.unwrap().is_some();
    assert_eq!(publish(&release, "w0").await.as_deref(), Some("w0"));
    assert!(!offered().await);
    assert!(crate::releases::find_only_latest(&db, linux).await.unwrap().is_none());
    // Other bytes under the same version ask anew, and the old request is void.
    let again = Release { sha256: "b".repeat(64), ..release.clone() };
    assert_eq!(publish(&again, "w1").await.as_deref(), Some("w1"));
    let old = find(&db, &org, "w0").await.unwrap().unwrap();
    assert_eq!(old.status, ApprovalStatus::Expired);
    assert!(!approve(&db, "user", NOW).await, "who published it");
    assert!(approve(&db, "bob", NOW).await);
    assert!(offered().await);
    // What is not mandatory waits for nobody.
    let free = Release { mandatory: false, ..release };
    assert_eq!(publish(&free, "w2").await, None);
    assert!(offered().await);
}

#[tokio::test]
async fn no_statement_scans_or_sorts() {
    let org = "org".into();
    plan(async |db| {
        drop(find(db, &org, "w1").await);
        drop(list(db, &org, None, None, 1, 0).await);
        drop(list(db, &org, Some(ApprovalStatus::Pending), None, 1, 0).await);
        drop(count(db, &org, Some(ApprovalStatus::Pending)).await);
        drop(expire(db, NOW, 1).await);
        drop(record_approval(db, &org, "w1", &by("bob", NOW)).await);
        drop(is_approvable(db, &org, "w1", "bob", NOW).await);
        drop(find_obstacle(db, &org, "w1", "bob").await);
        drop(find_work(db, &org, "w1").await);
    })
    .await
    .uses("approvals_by_org")
    .uses("approvals_by_status")
    .uses("approvals_expiring")
    .never_scans();
}
