//! What becomes of releases.

use super::*;
use crate::{
    blob_references,
    fixtures::{entry, plan},
    native::Memory,
};

const LINUX: Platform = Platform { os: Os::Linux, arch: Arch::Amd64 };
const DARWIN: Platform = Platform { os: Os::Darwin, arch: Arch::Arm64 };

fn release(version: &str, bytes: char, at: i64) -> Release {
    Release {
        version: version.to_owned(),
        platform: LINUX,
        notes: format!("notes of {version}"),
        mandatory: at % 2 == 1,
        sha256: bytes.to_string().repeat(64),
        size: 20,
        signature: "f".repeat(128),
        signed: false,
        created_at: Timestamp(at),
        awaiting_approval: None,
        promoted: false,
    }
}

async fn publish(db: &Memory, org: &str, release: &Release) -> Option<String> {
    let entry = entry("version.publish");
    register(db, &org.into(), release, "w1", &entry).await.unwrap().replaced
}

async fn latest(db: &Memory, org: &str, platform: Platform) -> Option<String> {
    find_latest(db, &org.into(), platform).await.unwrap().map(|it| it.version)
}

#[tokio::test]
async fn a_release_comes_back_as_it_was_registered() {
    let db = Memory::migrated();
    let one = release("0.6.2", 'a', 1);
    assert_eq!(publish(&db, "o1", &one).await, None);
    assert_eq!(find_latest(&db, &"o1".into(), LINUX).await.unwrap(), Some(one));
}

#[tokio::test]
async fn the_latest_is_the_highest_version_not_the_last_registered() {
    let db = Memory::migrated();
    for (version, at) in [("0.10.0", 1), ("0.9.0", 2), ("0.10.0-rc.1", 3)] {
        publish(&db, "o1", &release(version, 'a', at)).await;
    }
    assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("0.10.0"));
    publish(&db, "o1", &release("v0.10", 'a', 4)).await;
    assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("v0.10"));
}

#[tokio::test]
async fn platforms_and_organisations_are_kept_apart() {
    let db = Memory::migrated();
    publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
    let elsewhere = Release { platform: DARWIN, ..release("2.0.0", 'b', 2) };
    publish(&db, "o1", &elsewhere).await;
    assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("1.0.0"));
    assert_eq!(latest(&db, "o1", DARWIN).await.as_deref(), Some("2.0.0"));
    assert_eq!(latest(&db, "o2", LINUX).await, None);
    let crossed = Platform { os: Os::Linux, arch: Arch::Arm64 };
    assert_eq!(latest(&db, "o1", crossed).await, None);
}

#[tokio::test]
async fn strangers_are_served_where_there_is_no_choice() {
    let db = Memory::migrated();
    let find = async || find_only_latest(&db, LINUX).await.unwrap().map(|it| it.version);
    assert_eq!(find().await, None);
    publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
    publish(&db, "o1", &release("1.1.0", 'a', 1)).await;
    let elsewhere = Release { platform: DARWIN, ..release("2.0.0", 'b', 2) };
    publish(&db, "o2", &elsewhere).await;
    assert_eq!(find().await.as_deref(), Some("1.1.0"));
    publish(&db, "o2", &release("1.0.0", 'b', 2)).await;
    assert_eq!(find().await, None);
}

#[tokio::test]
async fn registering_again_replaces_and_names_the_bytes_that_went() {
    let db = Memory::migrated();
    publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
    let again = Release { notes: "new".into(), ..release("1.0.0", 'b', 2) };
    assert_eq!(publish(&db, "o1", &again).await, Some("a".repeat(64)));
    assert_eq!(publish(&db, "o1", &release("1.0.0", 'b', 3)).await, None);
    let listed = list(&db, &"o1".into(), Filter::default(), None, (9, 0)).await.unwrap();
    assert_eq!(listed, [release("1.0.0", 'b', 3)]);
}

#[tokio::test]
async fn the_list_begins_with_the_newest_registration() {
    let db = Memory::migrated();
    for (version, at) in [("3.0.0", 1), ("1.0.0", 2), ("2.0.0", 2)] {
        publish(&db, "o1", &release(version, 'a', at)).await;
    }
    publish(&db, "o2", &release("9.0.0", 'a', 9)).await;
    let org = "o1".into();
    let page = async |after: Option<&Key>, limit, offset| {
        let filter = Filter::default();
        let listed = list(&db, &org, filter, after, (limit, offset)).await.unwrap();
        listed.into_iter().map(|it| it.version).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9, 0).await, ["1.0.0", "2.0.0", "3.0.0"]);
    assert_eq!(page(None, 1, 1).await, ["2.0.0"]);
    let key = |version: &str, at| Key {
        created_at: Timestamp(at),
        version: version.to_owned(),
        platform: LINUX,
    };
    assert_eq!(page(Some(&key("1.0.0", 2)), 9, 0).await, ["2.0.0", "3.0.0"]);
    assert_eq!(page(Some(&key("2.0.0", 2)), 9, 0).await, ["3.0.0"]);
    assert!(page(Some(&key("3.0.0", 1)), 9, 0).await.is_empty());
}

#[tokio::test]
async fn a_list_may_be_of_one_platform() {
    let db = Memory::migrated();
    publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
    publish(&db, "o1", &Release { platform: DARWIN, ..release("2.0.0", 'b', 2) }).await;
    let org = "o1".into();
    for (filter, versions) in [
        (Filter { os: Some(Os::Linux), arch: None }, vec!["1.0.0"]),
        (Filter { os: None, arch: Some(Arch::Arm64) }, vec!["2.0.0"]),
        (Filter { os: Some(Os::Linux), arch: Some(Arch::Arm64) }, vec![]),
        (Filter::default(), vec!["2.0.0", "1.0.0"]),
    ] {
        let listed = list(&db, &org, filter, None, (9, 0)).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|it| it.version).collect();
        assert_eq!(listed, versions, "{filter:?}");
        assert_eq!(count(&db, &org, filter).await.unwrap(), listed.len() as u64);
    }
}

#[tokio::test]
async fn deleting_takes_the_given_platform_only_and_names_its_bytes() {
    let db = Memory::migrated();
    publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
    publish(&db, "o1", &Release { platform: DARWIN, ..release("1.0.0", 'b', 2) }).await;
    let withdraw = entry("version.withdraw");
    let drop = async |org: &str| delete(&db, &org.into(), "1.0.0", LINUX, &withdraw).await.unwrap();
    assert_eq!(drop("o2").await, None);
    assert_eq!(drop("o1").await, Some("a".repeat(64)));
    assert_eq!(drop("o1").await, None);
    assert!(!blob_references::exist(&db, &"a".repeat(64)).await.unwrap());
    assert!(blob_references::exist(&db, &"b".repeat(64)).await.unwrap());
}

#[tokio::test]
async fn no_query_scans_or_sorts() {
    let org = "o1".into();
    let latest = plan(async |db| drop(find_latest(db, &org, LINUX).await)).await;
    latest.uses("agent_releases_latest").never_scans();
    plan(async |db| drop(find_only_latest(db, LINUX).await)).await.never_scans();
    plan(async |db| drop(list(db, &org, Filter::default(), None, (50, 0)).await))
        .await
        .never_scans();
    plan(async |db| drop(blob_references::exist(db, "a").await)).await.never_scans();
}
