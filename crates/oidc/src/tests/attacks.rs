//! Tokens that were made to be believed and must not be.

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{NOW, Pair, check, claims, ed25519, p256, part, rsa};
use crate::{PublicKey, Rejected, UnusableKey};

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "JWT"})
}

#[test]
fn each_kind_of_key_verifies_its_own_tokens_and_no_others() {
    let pairs = [rsa(2048), p256(), ed25519()];
    let names = ["RS256", "ES256", "EdDSA"];
    for (pair, name) in pairs.iter().zip(names) {
        let token = pair.sign(&header(name), &claims(json!({})));
        assert_eq!(check(&pair.settings(), &token).unwrap().user, "user_1", "{name}");
        for (other, other_name) in pairs.iter().zip(names).filter(|(_, it)| *it != name) {
            assert_eq!(
                check(&other.settings(), &token),
                Err(Rejected::WrongAlgorithm),
                "{other_name}"
            );
            let renamed = pair.sign(&header(other_name), &claims(json!({})));
            assert_eq!(check(&pair.settings(), &renamed), Err(Rejected::WrongAlgorithm));
            assert_eq!(check(&other.settings(), &renamed), Err(Rejected::BadSignature));
        }
    }

    let [mut rsa, ..] = pairs;
    for (algorithm, name) in [(Algorithm::RS384, "RS384"), (Algorithm::RS512, "RS512")] {
        rsa.algorithm = algorithm;
        let token = rsa.sign(&header(name), &claims(json!({})));
        assert!(check(&rsa.settings(), &token).is_ok(), "{name}");
        let renamed = rsa.sign(&header("RS256"), &claims(json!({})));
        assert_eq!(check(&rsa.settings(), &renamed), Err(Rejected::BadSignature));
    }
}

#[test]
fn no_algorithm_but_ours_is_taken() {
    let pair = ed25519();
    for name in ["none", "None", "nOnE", "", "HS256", "HS512", "PS256", "ES384", "ES512", "eddsa"] {
        let token = pair.sign(&header(name), &claims(json!({})));
        assert_eq!(check(&pair.settings(), &token), Err(Rejected::UnknownAlgorithm), "{name}");
    }
    let unsigned = format!("{}.{}.", part(&header("none")), part(&claims(json!({}))));
    assert_eq!(check(&pair.settings(), &unsigned), Err(Rejected::UnknownAlgorithm));
}

/// The public key is public: were it taken for a shared secret, anybody could sign.
#[test]
fn the_public_key_is_no_shared_secret() {
    let pair = p256();
    for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384)] {
        let forger = Pair {
            private: EncodingKey::from_secret(pair.pem.as_bytes()),
            algorithm,
            pem: String::new(),
            jwk: Value::Null,
        };
        let token = forger.sign(&header(name), &claims(json!({})));
        assert_eq!(check(&pair.settings(), &token), Err(Rejected::UnknownAlgorithm));
        let renamed = forger.sign(&header("ES256"), &claims(json!({})));
        assert_eq!(check(&pair.settings(), &renamed), Err(Rejected::BadSignature));
    }
}

#[test]
fn a_key_in_the_token_is_not_believed() {
    let header = json!({"alg": "EdDSA", "jwk": ed25519().jwk, "jku": "https://evil.example"});
    let token = ed25519().sign(&header, &claims(json!({})));
    let settings = p256().settings();
    assert_eq!(check(&settings, &token), Err(Rejected::WrongAlgorithm));
}

#[test]
fn an_altered_token_does_not_verify() {
    let pair = ed25519();
    let token = pair.sign(&header("EdDSA"), &claims(json!({})));
    let [head, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let admin = part(&claims(json!({"metadata": {"role": "admin"}})));
    for altered in [
        format!("{head}.{admin}.{signature}"),
        format!("{head}.{admin}."),
        format!("{head}.{admin}.{}", "A".repeat(86)),
        format!("{head}.{admin}.%%%"),
    ] {
        assert_eq!(check(&pair.settings(), &altered), Err(Rejected::BadSignature), "{altered}");
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    for token in ["", "a", "a.b", "..", "a.b.c", "a.b.c.d", "ak_x.y.z", "e30.e30.e30", "é.é.é"] {
        assert_eq!(check(&ed25519().settings(), token), Err(Rejected::Malformed), "{token}");
    }
}

#[test]
fn a_token_has_at_most_8_kib() {
    let pair = ed25519();
    let token = |padding: usize| {
        pair.sign(&header("EdDSA"), &claims(json!({"padding": "x".repeat(padding)})))
    };
    assert!(check(&pair.settings(), &token(5900)).is_ok());
    assert_eq!(check(&pair.settings(), &token(6100)), Err(Rejected::TooLong));
}

#[test]
fn the_header_says_nothing_that_we_do_not_understand() {
    let pair = ed25519();
    for (header, expected) in [
        (json!({"alg": "EdDSA"}), None),
        (json!({"alg": "EdDSA", "typ": "jwt"}), None),
        (json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "any"}), None),
        (json!({"alg": "EdDSA", "typ": "application/at+jwt"}), None),
        (json!({"alg": "EdDSA", "typ": "Application/JWT"}), None),
        (json!({"alg": "EdDSA", "typ": "application/jwe"}), Some(Rejected::UnknownHeader)),
        (json!({"alg": "EdDSA", "typ": "JWE"}), Some(Rejected::UnknownHeader)),
        (json!({"alg": "EdDSA", "crit": ["exp"]}), Some(Rejected::UnknownHeader)),
        (json!({"alg": 7}), Some(Rejected::Malformed)),
        (json!({"typ": "JWT"}), Some(Rejected::Malformed)),
        (json!([]), Some(Rejected::Malformed)),
    ] {
        let token = pair.sign(&header, &claims(json!({})));
        assert_eq!(check(&pair.settings(), &token).err(), expected, "{header}");
    }
}

#[test]
fn a_weak_private_or_foreign_key_is_unusable() {
    let read = |pem: &str| PublicKey::from_pem(pem).err();
    assert_eq!(read(&rsa(1024).pem), Some(UnusableKey));
    // What DER adds makes it no longer, and neither do zeros in a document.
    assert_eq!(read(&rsa(2040).pem), Some(UnusableKey));
    let parts = |zeros: usize, bytes: usize| {
        let modulus = [vec![0; zeros], vec![0xff; bytes]].concat();
        PublicKey::from_rsa_parts(&modulus, &[1, 0, 1]).err()
    };
    assert_eq!([parts(200, 100), parts(1, 255)], [Some(UnusableKey); 2]);
    assert_eq!([parts(0, 256), parts(1, 256)], [None; 2]);
    assert_eq!(read(&ed25519().pem.replace("PUBLIC", "PRIVATE")), Some(UnusableKey));
    for text in ["", "secret", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert_eq!(read(text), Some(UnusableKey), "{text}");
    }
    assert_eq!(read(&ed25519().pem.replace('\n', "\\n")), None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(token in any::<String>(), parts in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,3}") {
        let settings = ed25519().settings();
        prop_assert!(check(&settings, &token).is_err());
        prop_assert!(check(&settings, &parts).is_err());
    }

    /// Behind a good signature, too: the issuer's claims are not ours to choose.
    #[test]
    fn no_claims_make_it_panic(
        name in prop::sample::select(vec!["sub", "exp", "nbf", "iat", "aud", "azp", "sts", "v", "o", "metadata"]),
        value in prop::sample::select(vec![json!(null), json!(-1), json!(1e300), json!("x"), json!([]), json!({}), json!([[{}]])]),
    ) {
        let pair = ed25519();
        let mut claims = claims(json!({}));
        claims[name] = value;
        let _ = check(&pair.settings(), &pair.sign(&header("EdDSA"), &claims));
    }

    #[test]
    fn no_key_document_makes_it_panic(text in any::<String>()) {
        let _ = PublicKey::from_pem(&text);
        let _ = PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"));
    }
}

#[test]
fn a_signature_over_other_bytes_is_not_one_over_these() {
    let pair = ed25519();
    let elsewhere = crypto::sign(b"other bytes", &pair.private, pair.algorithm).unwrap();
    let token = format!(
        "{}.{}.{elsewhere}",
        part(&header("EdDSA")),
        part(&claims(json!({"exp": NOW + 9})))
    );
    assert_eq!(check(&pair.settings(), &token), Err(Rejected::BadSignature));
}
