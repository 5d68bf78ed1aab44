//! Who a person is: tokens of every accepted kind, keys from a document that is well or badly served,
//! and the claims that are read (fleet.md §2.3, console.md §0.6, platform.md "Identity").

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::{
    Answer, App, Setup,
    issuer::{Conduct, Issuer},
    person::ISSUER,
    signing_keys::SigningKey,
};

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "user_1", "iat": now(), "exp": now() + 600, "org_id": "org-1", "metadata": {"role": "admin"}})
}

fn claiming(more: &Value) -> Value {
    let mut claims = claims();
    for (key, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => claims.as_object_mut().expect("an object").remove(key),
            value => claims.as_object_mut().expect("an object").insert(key.clone(), value.clone()),
        };
    }
    claims
}

async fn ask(app: &App, token: &str) -> Answer {
    app.get("/api/agent/admin/tasks").bearer(token).send().await
}

/// The status of a request with this token; the address' budget never ends.
async fn status(app: &App, token: &str) -> u16 {
    app.database().execute("DELETE FROM rate_limits", []);
    ask(app, token).await.status.as_u16()
}

async fn with_pem(key: &SigningKey) -> App {
    Setup::default().with("auth_public_key_pem", key.public_pem()).start().await
}

async fn with_jwks(url: &str) -> App {
    Setup::default().without("auth_public_key_pem").with("auth_jwks_url", url).start().await
}

fn kinds() -> [SigningKey; 3] {
    [SigningKey::rsa(0), SigningKey::p256(7), SigningKey::ed25519(7)]
}

#[tokio::test]
async fn each_kind_of_key_is_taken_as_pem_and_takes_only_its_own_tokens() {
    for key in kinds() {
        let app = with_pem(&key).await;
        for other in kinds() {
            let token = other.token("k", &claims());
            let expected = if other.algorithm() == key.algorithm() { 200 } else { 401 };
            assert_eq!(
                status(&app, &token).await,
                expected,
                "{} by {}",
                other.algorithm(),
                key.algorithm()
            );
            // Whatever the header says of itself.
            for algorithm in
                ["RS256", "ES256", "EdDSA", "HS256", "none", "None", "PS256", "ES384", "eddsa", ""]
            {
                if algorithm != key.algorithm() {
                    let token = other.sign(&json!({"alg": algorithm, "typ": "JWT"}), &claims());
                    assert_eq!(
                        status(&app, &token).await,
                        401,
                        "{algorithm} by {}",
                        key.algorithm()
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_pem_may_be_written_on_one_line() {
    let key = SigningKey::p256(7);
    let app = Setup::default()
        .with("auth_public_key_pem", key.public_pem().replace('\n', "\\n"))
        .start()
        .await;
    assert_eq!(status(&app, &key.token("k", &claims())).await, 200);
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    for key in kinds() {
        let app = with_pem(&key).await;
        for secret in [key.public_pem(), key.public_pem().trim().to_owned(), String::new()] {
            let message = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
                URL_SAFE_NO_PAD.encode(claims().to_string())
            );
            let mut mac =
                <hmac::Hmac<sha2::Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes())
                    .expect("any length");
            hmac::Mac::update(&mut mac, message.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(hmac::Mac::finalize(mac).into_bytes());
            assert_eq!(status(&app, &format!("{message}.{signature}")).await, 401);
        }
    }
}

#[tokio::test]
async fn a_signature_is_neither_missing_nor_trivial_nor_longer() {
    for key in kinds() {
        let app = with_pem(&key).await;
        let token = key.token("k", &claims());
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        for wrong in [
            vec![],
            vec![0; bytes.len()],
            vec![0xff; bytes.len()],
            bytes[..bytes.len() - 1].to_vec(),
            [&bytes[..], &[0]].concat(),
            bytes.iter().rev().copied().collect(),
        ] {
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(wrong));
            assert_eq!(status(&app, &token).await, 401, "{}", key.algorithm());
        }
        assert_eq!(status(&app, &format!("{token}=")).await, 401);
        assert_eq!(status(&app, &token).await, 200);
    }
}

#[tokio::test]
async fn times_are_checked_with_five_seconds_of_leeway() {
    let key = SigningKey::ed25519(7);
    let app = with_pem(&key).await;
    for (more, expected) in [
        (json!({"exp": now() - 3}), 200),
        (json!({"exp": now() - 7}), 401),
        (json!({"exp": now() + 1}), 200),
        (json!({"exp": f64::from(u32::MAX) + 0.5}), 200),
        (json!({"exp": null}), 401),
        (json!({"exp": "tomorrow"}), 401),
        (json!({"exp": (now() + 600).to_string()}), 401),
        (json!({"exp": -1}), 401),
        (json!({"exp": 1e308}), 200),
        (json!({"nbf": now() + 3}), 200),
        (json!({"nbf": now() + 15}), 401),
        (json!({"nbf": "x"}), 401),
        (json!({"iat": now() + 3}), 200),
        (json!({"iat": now() + 15}), 401),
        (json!({"iat": null}), 200),
        (json!({"sub": null}), 401),
        (json!({"sub": ""}), 401),
        (json!({"sub": 7}), 401),
        (json!({"sub": ["user_1"]}), 401),
        (json!({"sts": "pending"}), 401),
        (json!({"sts": "active"}), 200),
        (json!({"iss": "https://elsewhere.test"}), 401),
        (json!({"iss": format!("{ISSUER}/")}), 401),
        (json!({"iss": null}), 401),
        (json!({"iss": [ISSUER]}), 401),
    ] {
        let token = key.token("k", &claiming(&more));
        assert_eq!(status(&app, &token).await, expected, "{more}");
    }
}

#[tokio::test]
async fn audience_and_party_are_checked_where_they_are_configured() {
    // D-17
    let key = SigningKey::ed25519(7);
    let app = with_pem(&key).await;
    assert_eq!(
        status(&app, &key.token("k", &claiming(&json!({"aud": "x", "azp": "y"})))).await,
        200
    );
    let setup = Setup::default().with("auth_public_key_pem", key.public_pem());
    let setup = setup
        .with("auth_audience", "myrmidon, console")
        .with("auth_authorized_parties", "https://a,https://b");
    let app = setup.start().await;
    for (more, expected) in [
        (json!({"aud": "myrmidon", "azp": "https://a"}), 200),
        (json!({"aud": ["other", "console"], "azp": "https://b"}), 200),
        (json!({"aud": "other", "azp": "https://a"}), 401),
        (json!({"aud": [], "azp": "https://a"}), 401),
        (json!({"aud": "myrmidon, console", "azp": "https://a"}), 401),
        (json!({"azp": "https://a"}), 401),
        (json!({"aud": "myrmidon"}), 401),
        (json!({"aud": "myrmidon", "azp": "https://c"}), 401),
        (json!({"aud": "myrmidon", "azp": ""}), 401),
    ] {
        assert_eq!(status(&app, &key.token("k", &claiming(&more))).await, expected, "{more}");
    }
}

#[tokio::test]
async fn user_organisation_and_role_come_from_the_claims_that_are_named_for_them() {
    let key = SigningKey::ed25519(7);
    let app = with_pem(&key).await;
    for (index, (more, org)) in [
        (json!({}), Some("org-1")),
        (json!({"org_id": null, "metadata": {"role": "admin", "org_id": "org-2"}}), Some("org-2")),
        (
            json!({"org_id": null, "v": 2, "o": {"id": "org-3", "slg": "x", "rol": "member"}}),
            Some("org-3"),
        ),
        (
            json!({"v": 2, "o": {"id": "org-4"}, "metadata": {"role": "admin", "org_id": "org-5"}}),
            Some("org-4"),
        ),
        (json!({"metadata": {"role": "admin", "org_id": "org-5"}}), Some("org-1")),
        (json!({"org_id": null}), None),
        (json!({"org_id": null, "o": "org-6"}), None),
        (json!({"org_id": null, "metadata": {"role": "admin", "org_id": 7}}), None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = claiming(&more);
        claims["sub"] = json!(format!("user_{index}"));
        let order = json!({"org_id": org.unwrap_or("org-1")});
        let request =
            app.post("/api/agent/admin/tokens").bearer(key.token("k", &claims)).json(&order);
        let answer = request.send().await;
        match org {
            Some(org) => {
                answer.expect(201);
                let sql = "SELECT org_id FROM enrollment_tokens WHERE created_by = ?1";
                assert_eq!(
                    app.database().value::<String>(sql, [format!("user_{index}")]),
                    org,
                    "{more}"
                );
            }
            None => assert_eq!(
                answer.expect(403).error(),
                "Organization isolation required. Configure Clerk Organizations."
            ),
        }
    }
}

#[tokio::test]
async fn claims_that_are_no_claims_are_nobodys() {
    // D-03
    let key = SigningKey::ed25519(7);
    let app = with_pem(&key).await;
    let header = r#"{"alg":"EdDSA","typ":"JWT"}"#;
    for claims in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "\"sub\"",
        "{}",
        &"[".repeat(3000),
        "\u{0}",
        "{\"sub\":\"\\ud800\"}",
    ] {
        assert_eq!(status(&app, &key.sign_text(header, claims)).await, 401, "{claims:.20}");
    }
    for header in [
        "",
        "{",
        "[]",
        "null",
        r#"{"alg":null}"#,
        r#"{"alg":["EdDSA"]}"#,
        r#"{"alg":"EdDSA","typ":"JWE"}"#,
        r#"{"alg":"EdDSA","crit":["x"],"x":1}"#,
        r#"{"alg":"EdDSA","kid":7}"#,
        r#"{"typ":"JWT"}"#,
        &"[".repeat(3000),
    ] {
        assert_eq!(
            status(&app, &key.sign_text(header, &claims().to_string())).await,
            401,
            "{header:.40}"
        );
    }
    // A user that the database could not hold.
    for sub in ["a\0b", "\0"] {
        assert_eq!(status(&app, &key.token("k", &claiming(&json!({"sub": sub})))).await, 401);
    }
    for sub in ["ü 🦀", "a'b\"c", &"x".repeat(4000), "\u{202e}", "user%_"] {
        assert_eq!(
            status(&app, &key.token("k", &claiming(&json!({"sub": sub})))).await,
            200,
            "{sub:.20}"
        );
    }
}

#[tokio::test]
async fn keys_come_from_the_issuers_document() {
    let keys = kinds();
    let mut document: Vec<_> =
        keys.iter().enumerate().map(|(index, key)| key.jwk(&format!("key-{index}"))).collect();
    // Keys that nobody can use, and that hurt nobody.
    document.push(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}));
    document.push(json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p521"}));
    document.push(json!({"kty": "RSA", "kid": "empty"}));
    document.push(json!("nonsense"));
    let issuer = Issuer::of(&document).await;
    let app = with_jwks(&issuer.url()).await;
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(
            status(&app, &key.token(&format!("key-{index}"), &claims())).await,
            200,
            "{index}"
        );
        // Another's name for the key.
        assert_eq!(
            status(&app, &key.token(&format!("key-{}", (index + 1) % 3), &claims())).await,
            401,
            "{index}"
        );
        // Of its kind it is the only one, so it need not be named.
        assert_eq!(
            status(&app, &key.sign(&json!({"alg": key.algorithm()}), &claims())).await,
            200,
            "{index}"
        );
    }
    assert_eq!(issuer.requests(), 1, "the document is remembered");
    for kid in ["shared", "p521", "empty", "", "../key-0", "key-0\0", "nobody"] {
        assert_eq!(status(&app, &keys[0].token(kid, &claims())).await, 401, "{kid}");
    }
    let shared = json!({"alg": "HS256", "kid": "shared"});
    assert_eq!(status(&app, &keys[2].sign(&shared, &claims())).await, 401);
    assert_eq!(issuer.requests(), 1, "strangers do not make us ask again at once");
}

#[tokio::test]
async fn a_token_cannot_bring_its_own_keys() {
    let issuer = Issuer::of(&[SigningKey::ed25519(1).jwk("true")]).await;
    let foreign = SigningKey::ed25519(2);
    let theirs = Issuer::of(&[foreign.jwk("theirs")]).await;
    let app = with_jwks(&issuer.url()).await;
    for header in [
        json!({"alg": "EdDSA", "kid": "theirs", "jku": theirs.url()}),
        json!({"alg": "EdDSA", "kid": "theirs", "x5u": theirs.url()}),
        json!({"alg": "EdDSA", "kid": "true", "jwk": foreign.jwk("true")}),
        json!({"alg": "EdDSA", "kid": theirs.url()}),
        json!({"alg": "EdDSA", "jwk": foreign.jwk("true")}),
    ] {
        assert_eq!(status(&app, &foreign.sign(&header, &claims())).await, 401, "{header}");
    }
    assert_eq!(theirs.requests(), 0);
}

/// Lets time pass for the remembered document.
fn age_document(app: &App, seconds: i64) {
    app.database().end_windows();
    let values = rusqlite::Connection::open(app.state_dir().join("sqlite_key_value.db"))
        .expect("it is there");
    let mut statement =
        values.prepare("SELECT rowid, value FROM spin_key_value").expect("Spin's table");
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let rows: Vec<_> = rows.expect("rows").map(|it| it.expect("a row")).collect();
    for (row, value) in rows {
        let Ok(mut entry) = serde_json::from_slice::<Value>(&value) else { continue };
        for field in ["fetched_at", "asked_at"] {
            if let Some(instant) = entry[field].as_i64() {
                entry[field] = json!(instant - seconds * 1000);
            }
        }
        let sql = "UPDATE spin_key_value SET value = ?2 WHERE rowid = ?1";
        values.execute(sql, (row, entry.to_string().into_bytes())).expect("an update");
    }
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_noticed_and_an_old_one_dies() {
    let (old, new) = (SigningKey::p256(1), SigningKey::p256(2));
    let issuer = Issuer::of(&[old.jwk("old")]).await;
    let app = with_jwks(&issuer.url()).await;
    let (old_token, new_token) = (old.token("old", &claims()), new.token("new", &claims()));
    assert_eq!(status(&app, &old_token).await, 200);
    issuer.lists(&[old.jwk("old"), new.jwk("new")]);
    // Not within a minute of the last look.
    assert_eq!(status(&app, &new_token).await, 401);
    age_document(&app, 61);
    assert_eq!(status(&app, &new_token).await, 200);
    assert_eq!(issuer.requests(), 2);
    // Garbage makes us ask once a minute, and no more.
    for _ in 0..20 {
        assert_eq!(status(&app, &new.token("garbage", &claims())).await, 401);
    }
    assert_eq!(issuer.requests(), 2);
    age_document(&app, 61);
    let garbage =
        (0..20).map(|index| ask_owned(&app, new.token(&format!("garbage-{index}"), &claims())));
    for answer in futures::future::join_all(garbage).await {
        assert_eq!(answer.status, 401);
    }
    assert_eq!(issuer.requests(), 3);
    // What the issuer took back is known for an hour at most.
    issuer.lists(&[new.jwk("new")]);
    age_document(&app, 3601);
    assert_eq!(status(&app, &old_token).await, 401);
    assert_eq!(status(&app, &new_token).await, 200);
}

async fn ask_owned(app: &App, token: String) -> Answer {
    ask(app, &token).await
}

#[tokio::test]
async fn an_issuer_that_serves_badly_is_our_problem_and_not_the_callers() {
    let key = SigningKey::ed25519(7);
    let good = json!({"keys": [key.jwk("k")]});
    let issuer = Issuer::start(Conduct::Status(500)).await;
    let app = with_jwks(&issuer.url()).await;
    let token = key.token("k", &claims());
    let huge = json!({"keys": [key.jwk("k")], "filler": "x".repeat(300 << 10)}).to_string();
    for conduct in [
        Conduct::Status(500),
        Conduct::Status(404),
        Conduct::Status(204),
        Conduct::Status(302),
        Conduct::Body(Vec::new()),
        Conduct::Body(b"<html>".to_vec()),
        Conduct::Body(b"[]".to_vec()),
        Conduct::Body(b"{\"keys\":{}}".to_vec()),
        Conduct::Body(vec![0xff; 100]),
        Conduct::Body("[".repeat(100_000).into_bytes()),
        Conduct::Body(huge.into_bytes()),
        Conduct::Endless,
        Conduct::Garbage(b"not HTTP at all".to_vec()),
        Conduct::Garbage(Vec::new()),
        Conduct::Garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":[".to_vec()),
        Conduct::Garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
    ] {
        let shown = format!("{conduct:.60?}");
        issuer.becomes(conduct);
        let answer = ask(&app, &token).await;
        assert_eq!(answer.status, 503, "{shown}: {}", answer.text());
        assert_eq!(answer.text(), r#"{"success":false,"error":"Service Unavailable"}"#, "{shown}");
        // Whoever is nobody is told so, without asking the issuer.
        assert_eq!(status(&app, "garbage").await, 401, "{shown}");
        age_document(&app, 61);
    }
    issuer.becomes(Conduct::Document(good));
    assert_eq!(status(&app, &token).await, 200);
    // Now it may be as bad as it likes: for an hour unasked, and for a day.
    issuer.becomes(Conduct::Status(500));
    assert_eq!(status(&app, &token).await, 200);
    drop(issuer);
    assert_eq!(status(&app, &token).await, 200);
    age_document(&app, 3601);
    assert_eq!(status(&app, &token).await, 200);
    assert_eq!(status(&app, &key.token("unknown", &claims())).await, 401);
    age_document(&app, 86_400);
    assert_eq!(status(&app, &token).await, 503);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_once_a_minute() {
    let key = SigningKey::ed25519(7);
    let issuer = Issuer::start(Conduct::Status(500)).await;
    let app = with_jwks(&issuer.url()).await;
    for number in 0..30 {
        assert_eq!(status(&app, &key.token(&format!("k{number}"), &claims())).await, 503);
    }
    assert_eq!(issuer.requests(), 1);
    age_document(&app, 61);
    for _ in 0..5 {
        assert_eq!(status(&app, &key.token("k", &claims())).await, 503);
    }
    assert_eq!(issuer.requests(), 2);
    // With keys that are known it is the same, and whoever has another is nobody.
    issuer.lists(&[key.jwk("k")]);
    age_document(&app, 61);
    assert_eq!(status(&app, &key.token("k", &claims())).await, 200);
    issuer.becomes(Conduct::Status(500));
    age_document(&app, 3601);
    for number in 0..30 {
        assert_eq!(status(&app, &key.token(&format!("k{number}"), &claims())).await, 401);
    }
    assert_eq!(status(&app, &key.token("k", &claims())).await, 200);
    assert_eq!(issuer.requests(), 4);
}

#[tokio::test]
async fn whoever_makes_us_ask_in_vain_is_counted() {
    let issuer = Issuer::start(Conduct::Status(500)).await;
    let app = with_jwks(&issuer.url()).await;
    let token = SigningKey::ed25519(7).token("k", &claims());
    ask(&app, &token).await.expect(503);
    app.database().execute("UPDATE rate_limits SET used = 1000 WHERE key LIKE 'ip:%'", []);
    ask(&app, &token).await.expect(429);
}

/// Many issuers may sign with the keys of one document (D-17).
#[tokio::test]
async fn a_key_document_is_believed_only_with_the_name_of_its_issuer() {
    let key = SigningKey::ed25519(7);
    let issuer = Issuer::of(&[key.jwk("k")]).await;
    let setup = || Setup::default().with("auth_jwks_url", issuer.url());
    let app = setup().without("auth_issuer").start().await;
    assert_eq!(status(&app, &key.token("k", &claims())).await, 503);
    // Beside a single key, which was there first, the document wins. White space is no part of a name.
    let app = setup().with("auth_issuer", format!(" {ISSUER}\n")).start().await;
    assert_eq!(status(&app, &key.token("k", &claims())).await, 200);
    assert_eq!(status(&app, &tests::Person::admin("org-1").token()).await, 401);
}

#[tokio::test]
async fn where_people_have_accounts_here_alone_no_other_token_is_believed() {
    let app = Setup::default().without("auth_public_key_pem").without("auth_issuer").start().await;
    let token = SigningKey::ed25519(7).token("k", &claims());
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(app.get("/api/health").send().await.status, 200);
}

#[tokio::test]
async fn nobody_waits_long_for_an_issuer_that_is_silent() {
    let key = SigningKey::ed25519(7);
    let issuer = Issuer::start(Conduct::Silence).await;
    let app = with_jwks(&issuer.url()).await;
    let token = key.token("k", &claims());
    let start = Instant::now();
    let (answer, health) = futures::join!(ask(&app, &token), app.get("/api/health").send());
    assert_eq!((answer.status.as_u16(), health.status.as_u16()), (503, 200));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    issuer.lists(&[key.jwk("k")]);
    age_document(&app, 61);
    assert_eq!(status(&app, &token).await, 200);
}

#[tokio::test]
async fn many_who_come_first_are_all_served() {
    let key = SigningKey::ed25519(7);
    let issuer = Issuer::of(&[key.jwk("k")]).await;
    let app = with_jwks(&issuer.url()).await;
    let token = key.token("k", &claims());
    for answer in futures::future::join_all((0..40).map(|_| ask(&app, &token))).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_usable_key_nobody_is_anybody_and_the_log_alone_knows_why() {
    for setup in [
        Setup::default().with("auth_public_key_pem", "garbage"),
        Setup::default().with(
            "auth_public_key_pem",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ),
        Setup::default().without("auth_public_key_pem").with("auth_jwks_url", "not a url"),
        Setup::default()
            .without("auth_public_key_pem")
            .with("auth_jwks_url", "http://10.255.255.1/jwks"),
    ] {
        let app = setup.start().await;
        let token = SigningKey::ed25519(7).token("k", &claims());
        let answer = ask(&app, &token).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.text(), r#"{"success":false,"error":"Service Unavailable"}"#);
        assert_eq!(app.get("/api/health").send().await.status, 200);
    }
}

#[tokio::test]
async fn a_persons_requests_are_counted_wherever_they_come_from() {
    // A5 61–65, §1.5
    let key = SigningKey::ed25519(7);
    let app = with_pem(&key).await;
    let first = ask(&app, &key.token("k", &claims())).await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), Some("1000;w=900"));
    assert_eq!(first.header("ratelimit-remaining"), Some("999"));
    let request =
        app.get("/api/agent/admin/tasks").bearer(key.token("k", &claims())).from([198, 51, 100, 9]);
    assert_eq!(request.send().await.header("ratelimit-remaining"), Some("998"));
    let other = key.token("k", &claiming(&json!({"sub": "user_2"})));
    assert_eq!(ask(&app, &other).await.header("ratelimit-remaining"), Some("999"));
    // Whoever is nobody counts against the address.
    let stranger = app.get("/api/agent/admin/tasks").bearer("x.y.z").from([198, 51, 100, 9]);
    assert_eq!(stranger.send().await.expect(401).header("ratelimit-remaining"), Some("999"));

    app.database().execute("UPDATE rate_limits SET used = 1000 WHERE key LIKE 'user:user_1%'", []);
    let answer = ask(&app, &key.token("k", &claims())).await.expect(429);
    assert_eq!(answer.error(), "Too many requests, please try again later");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(ask(&app, &other).await.status, 200);
}
