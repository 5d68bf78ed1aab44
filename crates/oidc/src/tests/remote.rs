//! The issuer's keys: when they are fetched, and which one verifies.

use serde_json::json;

use super::fixtures::{Issuer, NOW, Pair, claims, ed25519, p256, settings, verify_at};
use crate::{Denied, Keys, Rejected, Settings};

fn remote(url: &str) -> Settings {
    settings(Keys::Remote(url.to_owned()))
}

fn here() -> Settings {
    remote("https://issuer.example/jwks")
}

fn token(pair: &Pair, kid: Option<&str>) -> String {
    let name = if pair.jwk["kty"] == "EC" { "ES256" } else { "EdDSA" };
    let header = kid.map_or(json!({"alg": name}), |kid| json!({"alg": name, "kid": kid}));
    pair.sign(&header, &claims(json!({"exp": NOW + 100_000})))
}

/// At so many seconds after `NOW`: whether the token is believed, and how often the issuer was asked
/// up to then.
#[track_caller]
fn check(issuer: &Issuer, token: &str, later: i64, believed: bool, asked: u32) {
    let verified = verify_at(&here(), issuer, token, NOW + later);
    assert_eq!((verified.is_ok(), issuer.asked.get()), (believed, asked), "{verified:?}");
}

#[test]
fn keys_are_fetched_once_an_hour() {
    let issuer = Issuer::default();
    issuer.publishes(&[&ed25519(), &p256()]);
    check(&issuer, &token(&ed25519(), Some("ed")), 0, true, 1);
    check(&issuer, &token(&p256(), Some("ec")), 3599, true, 1);
    check(&issuer, &token(&p256(), Some("ec")), 3600, true, 2);
}

#[test]
fn an_unknown_key_is_asked_for_once_a_minute() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 0, true, 1);
    for later in [1, 30, 59] {
        check(&issuer, &token(&ed25519(), Some("ed")), later, false, 1);
    }
    check(&issuer, &token(&ed25519(), Some("ed")), 60, false, 2);
    check(&issuer, &token(&ed25519(), Some("ed")), 61, false, 2);
    issuer.publishes(&[&p256(), &ed25519()]);
    check(&issuer, &token(&ed25519(), Some("ed")), 120, true, 3);
}

#[test]
fn of_many_who_want_newer_keys_one_asks_and_the_others_make_do() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 0, true, 1);
    issuer.has_rival.set(true);
    check(&issuer, &token(&ed25519(), Some("ed")), 60, false, 1);
    check(&issuer, &token(&p256(), Some("ec")), 3600, true, 1);
    issuer.has_rival.set(false);
    check(&issuer, &token(&p256(), Some("ec")), 3601, true, 2);
}

#[test]
fn while_the_issuer_is_down_known_keys_serve() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 0, true, 1);
    issuer.document.replace(None);
    check(&issuer, &token(&ed25519(), Some("ed")), 60, false, 2);
    check(&issuer, &token(&ed25519(), Some("ed")), 61, false, 2);
    check(&issuer, &token(&p256(), Some("ec")), 62, true, 2);
    // Past the hour, too, and asking once a minute: for a day after they were fetched.
    check(&issuer, &token(&p256(), Some("ec")), 3600, true, 3);
    check(&issuer, &token(&ed25519(), Some("ed")), 3601, false, 3);
    let unknown = verify_at(&here(), &issuer, &token(&ed25519(), Some("ed")), NOW + 3602);
    assert!(matches!(unknown, Err(Denied::Rejected(Rejected::UnknownKey))));
    check(&issuer, &token(&p256(), Some("ec")), 86_399, true, 4);
    let late = verify_at(&here(), &issuer, &token(&p256(), Some("ec")), NOW + 86_460);
    assert!(matches!(late, Err(Denied::Unavailable(_))));
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 86_519, false, 5);
    check(&issuer, &token(&p256(), Some("ec")), 86_520, true, 6);
}

#[test]
fn an_issuer_that_never_answered_is_asked_once_a_minute() {
    let issuer = Issuer::default();
    for (later, asked) in [(0, 1), (1, 1), (59, 1), (60, 2), (61, 2)] {
        check(&issuer, &token(&p256(), Some("ec")), later, false, asked);
    }
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 119, false, 2);
    check(&issuer, &token(&p256(), Some("ec")), 120, true, 3);
}

#[test]
fn keys_of_another_address_do_not_serve() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    check(&issuer, &token(&p256(), Some("ec")), 0, true, 1);
    issuer.publishes(&[&ed25519()]);
    let elsewhere = remote("https://other.example/jwks");
    let verified = verify_at(&elsewhere, &issuer, &token(&p256(), Some("ec")), NOW);
    assert!(matches!(verified, Err(Denied::Rejected(Rejected::UnknownKey))));
}

#[test]
fn a_token_without_key_id_needs_a_single_fitting_key() {
    let issuer = Issuer::default();
    issuer.publishes(&[&ed25519(), &p256()]);
    check(&issuer, &token(&p256(), None), 0, true, 1);
    let issuer = Issuer::default();
    issuer.publishes(&[&p256(), &p256()]);
    check(&issuer, &token(&p256(), None), 0, false, 1);
}

#[test]
fn the_key_of_that_id_is_not_replaced_by_one_that_fits() {
    let issuer = Issuer::default();
    issuer.publishes(&[&ed25519(), &p256()]);
    check(&issuer, &token(&p256(), Some("ed")), 0, false, 1);
}

#[test]
fn keys_for_other_purposes_are_passed_over() {
    for (name, value) in
        [("use", "enc"), ("alg", "ES384"), ("crv", "P-384"), ("kty", "oct"), ("x", "AA")]
    {
        let mut pair = p256();
        let signed = token(&pair, Some("ec"));
        pair.jwk[name] = json!(value);
        let issuer = Issuer::default();
        issuer.publishes(&[&pair, &ed25519()]);
        check(&issuer, &signed, 0, false, 1);
        check(&issuer, &token(&ed25519(), Some("ed")), 0, true, 1);
    }
}

#[test]
fn what_is_no_key_document_is_no_key() {
    for document in ["", "<html>", "{}", "[]", "{\"keys\": 7}", &" ".repeat(300_000)] {
        let issuer = Issuer::default();
        issuer.document.replace(Some(document.to_owned()));
        let verified = verify_at(&here(), &issuer, &token(&p256(), Some("ec")), NOW);
        assert!(matches!(verified, Err(Denied::Unavailable(_))));
        issuer.publishes(&[&p256()]);
        check(&issuer, &token(&p256(), Some("ec")), 60, true, 2);
    }
}

#[test]
fn a_damaged_cache_is_as_good_as_none() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    issuer.entry.replace(Some(b"{".to_vec()));
    check(&issuer, &token(&p256(), Some("ec")), 0, true, 1);
}

#[test]
fn what_is_no_token_asks_nobody() {
    let issuer = Issuer::default();
    issuer.publishes(&[&p256()]);
    for token in ["garbage", "a.b.c", "ak_0123.a.b", "e30.e30.e30"] {
        check(&issuer, token, 0, false, 0);
    }
}
