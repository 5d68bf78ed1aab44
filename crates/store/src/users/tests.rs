//! Accounts, and the races about the last administrator.

use domain::time::Span;

use super::*;
use crate::{
    fixtures::{NOW, entry, integer, plan, run, text},
    native::Memory,
};

const ORG: &str = "org";

/// An account named after its id.
pub(crate) async fn account(db: &Memory, id: &str, org: &str, role: Option<Role>) {
    let new = NewUser {
        id: &id.into(),
        email: &Email::parse(&format!("{id}@example.org")).unwrap(),
        name: &Name::parse(id).unwrap(),
        verifier: &Verifier::nobodys(),
    };
    assert!(insert(db, &org.into(), &new, role, NOW, Some(&entry("user.create"))).await.unwrap());
}

async fn change(db: &Memory, org: &str, id: &str, change: Change, action: &'static str) -> bool {
    record_change(db, &org.into(), &id.into(), change, NOW, &entry(action)).await.unwrap()
}

async fn admins(db: &Memory) -> Option<i64> {
    integer(db, "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'").await
}

#[tokio::test]
async fn an_address_is_one_account_however_it_is_written() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, None).await;
    let new = NewUser {
        id: &"other".into(),
        email: &Email::parse("ADA@example.org").unwrap(),
        name: &Name::parse("Ada").unwrap(),
        verifier: &Verifier::nobodys(),
    };
    assert!(!insert(&db, &"elsewhere".into(), &new, None, NOW, None).await.unwrap());
    let found = find_by_email(&db, &Email::parse("Ada@Example.org").unwrap()).await.unwrap();
    assert_eq!(found.unwrap().id, "ada".into());
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_leave_one() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, Some(Role::Admin)).await;
    account(&db, "bob", ORG, Some(Role::Admin)).await;
    // Both looked, and both saw another administrator.
    assert_eq!(admins(&db).await, Some(2));
    assert!(change(&db, ORG, "bob", Change::Role(None), "user.role").await);
    assert!(!change(&db, ORG, "ada", Change::Role(None), "user.role").await);
    assert_eq!(admins(&db).await, Some(1));
}

#[tokio::test]
async fn the_last_administrator_stays_whatever_is_tried() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, Some(Role::Admin)).await;
    account(&db, "bob", ORG, Some(Role::Operator)).await;
    // Neither somebody else's administrator nor one who cannot sign in counts.
    account(&db, "eve", "elsewhere", Some(Role::Admin)).await;
    account(&db, "off", ORG, Some(Role::Admin)).await;
    assert!(change(&db, ORG, "off", Change::Active(false), "user.disable").await);
    for tried in [Change::Role(None), Change::Role(Some(Role::Operator)), Change::Active(false)] {
        assert!(!change(&db, ORG, "ada", tried, "user.change").await, "{tried:?}");
    }
    assert!(!change(&db, ORG, "ada", Change::Removal, "user.remove").await);
    assert!(change(&db, ORG, "ada", Change::Role(Some(Role::Admin)), "user.role").await);
    assert!(change(&db, ORG, "bob", Change::Role(Some(Role::Admin)), "user.role").await);
    assert!(change(&db, ORG, "ada", Change::Removal, "user.remove").await);
    assert_eq!(integer(&db, "SELECT count(*) FROM users WHERE id = 'ada'").await, Some(0));
}

#[tokio::test]
async fn nobody_changes_an_account_of_others() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, None).await;
    assert!(!change(&db, "elsewhere", "ada", Change::Removal, "user.remove").await);
    assert!(!exists(&db, &"elsewhere".into(), &"ada".into()).await.unwrap());
    assert_eq!(list(&db, &"elsewhere".into(), (10, 0)).await.unwrap(), (Vec::new(), 0));
}

#[tokio::test]
async fn a_change_is_audited_without_the_password() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, None).await;
    change(&db, ORG, "ada", Change::Role(Some(Role::Analyst)), "user.role").await;
    change(&db, ORG, "ada", Change::Removal, "user.remove").await;
    let log = text(&db, "SELECT group_concat(action || ' ' || coalesce(before, '') || coalesce(after, '')) FROM audit_log").await;
    let log = log.unwrap();
    assert!(
        log.contains("user.create") && log.contains("user.role") && log.contains("user.remove")
    );
    assert!(!log.contains("argon2"), "{log}");
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_changed_again() {
    let db = Memory::migrated();
    account(&db, "ada", ORG, None).await;
    let seen_by_both = find_account(&db, &"ada".into()).await.unwrap().unwrap();
    let record = async |text: &str| {
        let next = Verifier::from(text.to_owned());
        record_password(&db, &seen_by_both, &next, &"s".into(), NOW, &entry("user.password")).await
    };
    assert!(record("first").await.unwrap());
    assert!(!record("second").await.unwrap());
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let db = Memory::migrated();
    let new = crate::invitations::NewInvitation {
        id: &"i".into(),
        email: &Email::parse("ada@example.org").unwrap(),
        role: Role::Analyst,
        created_by: &"user".into(),
        expires_at: NOW + Span::days(1),
    };
    let digest = Digest::of("secret");
    let invite = entry("invitation.create");
    let invited =
        crate::invitations::upsert(&db, &ORG.into(), &new, &digest, NOW, &invite).await.unwrap();
    assert!(invited.is_some());
    let accept = async |id: &str, at| {
        let name = Name::parse("Ada").unwrap();
        let new = Invited { id: &id.into(), name: &name, verifier: &Verifier::nobodys() };
        let accepted = insert_invited(&db, &new, &digest, at, &entry("user.accept")).await.unwrap();
        accepted.map(|(_, user)| user)
    };
    assert_eq!(accept("late", NOW + Span::days(1)).await, None);
    assert_eq!(accept("ada", NOW).await.unwrap().role, Some(Role::Analyst));
    assert_eq!(accept("bob", NOW).await, None);
    // Not even when its address is free again.
    run(&db, "DELETE FROM users", &[]).await;
    assert_eq!(accept("bob", NOW).await, None);
}

#[tokio::test]
async fn whom_somebody_invited_who_is_gone_may_not_come_any_more() {
    for (tried, action) in
        [(Change::Active(false), "user.disable"), (Change::Removal, "user.remove")]
    {
        let db = Memory::migrated();
        account(&db, "ada", ORG, Some(Role::Operator)).await;
        for (inviter, guest) in [("ada", "bob"), ("eve", "joe")] {
            let new = crate::invitations::NewInvitation {
                id: &guest.into(),
                email: &Email::parse(&format!("{guest}@example.org")).unwrap(),
                role: Role::Admin,
                created_by: &inviter.into(),
                expires_at: NOW + Span::days(1),
            };
            let (digest, invite) = (Digest::of(guest), entry("invitation.create"));
            crate::invitations::upsert(&db, &ORG.into(), &new, &digest, NOW, &invite)
                .await
                .unwrap();
        }
        assert!(change(&db, ORG, "ada", tried, action).await);
        let pending = async |guest| {
            crate::invitations::is_pending(&db, &Digest::of(guest), NOW).await.unwrap()
        };
        assert_eq!((pending("bob").await, pending("joe").await), (false, true), "{action}");
    }
}

#[tokio::test]
async fn accounts_are_found_by_an_index() {
    plan(async |db| {
        let email = Email::parse("ada@example.org").unwrap();
        drop(find_by_email(db, &email).await);
        drop(find_account(db, &"ada".into()).await);
        drop(list(db, &ORG.into(), (1, 0)).await);
        let removal = entry("user.remove");
        drop(record_change(db, &ORG.into(), &"a".into(), Change::Removal, NOW, &removal).await);
    })
    .await
    .uses("users_by_org")
    .uses("users_admins")
    .never_scans();
}
