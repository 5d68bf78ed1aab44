//! Whose tokens hold, when, and what they say of their bearer.

use serde_json::{Value, json};

use super::fixtures::{NOW, check, claims, ed25519};
use crate::{Person, Rejected, Settings};

fn verify(changes: Value, settings: impl FnOnce(&mut Settings)) -> Result<Person, Rejected> {
    let pair = ed25519();
    let mut wanted = pair.settings();
    settings(&mut wanted);
    check(&wanted, &pair.sign(&json!({"alg": "EdDSA"}), &claims(changes)))
}

#[track_caller]
fn rejected(changes: Value, expected: Option<Rejected>) {
    let shown = changes.to_string();
    assert_eq!(verify(changes, |_| {}).err(), expected, "{shown}");
}

#[test]
fn a_token_holds_between_its_instants_with_five_seconds_of_leeway() {
    rejected(json!({"exp": NOW - 4}), None);
    rejected(json!({"exp": NOW - 5}), Some(Rejected::Expired));
    rejected(json!({"exp": f64::from(i32::MAX) + 0.5}), None);
    for name in ["nbf", "iat"] {
        rejected(json!({name: NOW + 5}), None);
        rejected(json!({name: NOW + 6}), Some(Rejected::NotYetValid));
        rejected(json!({name: null}), None);
    }
}

#[test]
fn a_bearer_and_an_end_are_required() {
    rejected(json!({"exp": null}), Some(Rejected::BadClaims));
    rejected(json!({"exp": "tomorrow"}), Some(Rejected::BadClaims));
    rejected(json!({"sub": null}), Some(Rejected::BadClaims));
    rejected(json!({"sub": ""}), Some(Rejected::BadClaims));
    rejected(json!({"sub": "a\0b"}), Some(Rejected::BadClaims));
    rejected(json!({"sub": 7}), Some(Rejected::BadClaims));
}

#[test]
fn the_issuer_is_checked_when_it_is_configured() {
    let verify = |iss: Value| {
        verify(json!({"iss": iss}), |it| it.issuer = Some("https://issuer.example".into())).err()
    };
    assert_eq!(verify(json!("https://issuer.example")), None);
    assert_eq!(verify(json!("https://issuer.example/")), Some(Rejected::WrongIssuer));
    assert_eq!(verify(json!(null)), Some(Rejected::WrongIssuer));
    rejected(json!({"iss": "anybody"}), None);
}

#[test]
fn the_audience_is_checked_when_it_is_configured() {
    let verify = |aud: Value| {
        verify(json!({"aud": aud}), |it| it.audiences = vec!["a".into(), "b".into()]).err()
    };
    assert_eq!(verify(json!("b")), None);
    assert_eq!(verify(json!(["x", "a"])), None);
    assert_eq!(verify(json!(["x"])), Some(Rejected::WrongAudience));
    assert_eq!(verify(json!([])), Some(Rejected::WrongAudience));
    assert_eq!(verify(json!(null)), Some(Rejected::WrongAudience));
    rejected(json!({"aud": "anybody"}), None);
}

#[test]
fn the_party_is_checked_when_it_is_configured() {
    let verify = |azp: Value| {
        verify(json!({"azp": azp}), |it| it.authorized_parties = vec!["https://c".into()]).err()
    };
    assert_eq!(verify(json!("https://c")), None);
    assert_eq!(verify(json!("https://d")), Some(Rejected::WrongParty));
    assert_eq!(verify(json!(null)), Some(Rejected::WrongParty));
    rejected(json!({"azp": "anybody"}), None);
}

#[test]
fn a_session_that_is_not_complete_counts_as_signed_out() {
    rejected(json!({"sts": "pending"}), Some(Rejected::PendingSession));
    rejected(json!({"sts": "active"}), None);
}

#[track_caller]
fn org(changes: Value, expected: Option<&str>) {
    assert_eq!(verify(changes, |_| {}).unwrap().org.as_deref(), expected);
}

#[test]
fn the_organisation_is_the_active_one_or_else_one_of_the_metadata() {
    org(json!({}), None);
    org(json!({"org_id": "o1", "metadata": {"org_id": "o3"}}), Some("o1"));
    org(
        json!({"v": 2, "o": {"id": "o2", "rol": "admin"}, "metadata": {"org_id": "o3"}}),
        Some("o2"),
    );
    org(json!({"v": 2, "org_id": "o1", "o": {"id": "o2"}}), Some("o2"));
    org(json!({"metadata": {"org_id": "o3"}}), Some("o3"));
    org(json!({"org_id": "", "o": "none", "metadata": [1]}), None);
}

#[test]
fn the_role_is_what_the_metadata_says() {
    let role = |metadata: Value| verify(json!({"metadata": metadata}), |_| {}).unwrap().role;
    assert_eq!(role(json!({"role": "operator"})).as_deref(), Some("operator"));
    for metadata in [json!({"role": 7}), json!({"role": ["admin"]}), json!("admin"), json!({})] {
        assert_eq!(role(metadata), None);
    }
    assert_eq!(verify(json!({"role": "admin"}), |_| {}).unwrap().role, None);
}
