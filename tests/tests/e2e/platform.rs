//! What every answer of every tier has in common (fleet.md §1): headers, envelopes, paths and bodies.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use futures::stream;
use http::Method;
use serde_json::json;
use tests::{
    Answer, App, Person, Request, Setup,
    application::CORS_ORIGIN,
    surface::{self, Caller},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// fleet.md §1.2, byte for byte.
const SECURITY: [(&str, &str); 12] = [
    (
        "content-security-policy",
        "default-src 'self';script-src 'self' 'unsafe-inline';style-src 'self' 'unsafe-inline';img-src 'self' data: https: blob:;connect-src 'self' https://*.clerk.com https://*.clerk.accounts.dev;frame-src 'self' blob:;font-src 'self' data:;object-src 'none';base-uri 'self';form-action 'self';frame-ancestors 'self';worker-src 'self' blob:;upgrade-insecure-requests;script-src-attr 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// fleet.md §1.3, likewise.
const CORS: [(&str, &str); 4] = [
    ("access-control-allow-origin", CORS_ORIGIN),
    ("vary", "Origin"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "Authorization,Content-Disposition"),
];

fn admin() -> String {
    Person::admin("org-1").token()
}

fn json_text<'a>(request: Request<'a>, text: &str) -> Request<'a> {
    request.header("content-type", "application/json").raw_body(text.to_owned())
}

#[track_caller]
fn is_protected(answer: &Answer, what: &str) {
    for (name, value) in SECURITY.iter().chain(&CORS) {
        let sent: Vec<_> = answer.headers.get_all(*name).iter().collect();
        assert_eq!(sent, [value], "{name} of {what}");
    }
    assert!(!answer.headers.contains_key("x-powered-by"), "{what}");
    assert!(!answer.headers.contains_key("cross-origin-embedder-policy"), "{what}");
    assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1, "{what}");
    let length = answer.header("content-length");
    if answer.status == 204 {
        assert!(matches!(length, None | Some("0")), "{what}: {length:?}");
        assert!(answer.body.is_empty(), "{what}");
    } else {
        assert!(length.is_some(), "{what} has no length");
    }
}

#[track_caller]
fn is_json(answer: &Answer, what: &str) {
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{what}");
    let length: usize =
        answer.header("content-length").expect("a length").parse().expect("a number");
    assert_eq!(length, answer.body.len(), "{what}");
}

#[tokio::test]
async fn health_has_its_five_fields() {
    // B1 379
    let app = App::start().await;
    let answer = app.get("/api/health").send().await;
    assert_eq!(answer.status, 200);
    is_protected(&answer, "health");
    is_json(&answer, "health");
    let health = answer.json();
    let keys: Vec<_> = health.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["platform", "service", "status", "timestamp", "version"]);
    assert_eq!((&health["status"], &health["service"]), (&json!("ok"), &json!("ProjectAchilles")));
    let timestamp = health["timestamp"].as_str().expect("text");
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
}

#[tokio::test]
async fn capabilities_are_booleans_and_a_platform() {
    let app = App::start().await;
    let capabilities = app.get("/api/capabilities").send().await.json();
    for name in ["build", "buildUpload", "certGenerate", "certUpload", "gitSync", "agentBuild"] {
        assert!(capabilities[name].is_boolean(), "{name}");
    }
    for name in ["buildUpload", "cliLogin", "localAccounts", "apiKeys", "audit", "approvals"] {
        assert_eq!(capabilities[name], true, "{name}");
    }
    assert!(capabilities["platform"].is_string());
}

#[tokio::test]
async fn every_kind_of_answer_is_protected_and_has_a_length() {
    let app = App::start().await;
    let admin = admin();
    let long = "x".repeat(11 << 20);
    let answers = [
        ("200", app.get("/api/health").send().await, 200),
        ("201", admin_token(&app, &admin).await, 201),
        ("204 OPTIONS", app.request(Method::OPTIONS, "/api/agent/tasks").send().await, 204),
        ("308", app.get("/api/agent/ADMIN/agents").send().await, 308),
        ("308 of the log", app.get("/API/audit/").send().await, 308),
        ("400 validation", app.post("/api/agent/enroll").json(&json!({})).send().await, 400),
        ("400 syntax", json_text(app.post("/api/agent/enroll"), "{").send().await, 400),
        ("401 device", app.get("/api/agent/tasks").send().await, 401),
        ("401 person", app.get("/api/agent/admin/agents").send().await, 401),
        ("401 scheduler", app.get("/api/cron/maintenance").send().await, 401),
        ("401 token", enroll_with(&app, "acht_unknown").await, 401),
        (
            "403",
            app.get("/api/agent/admin/agents")
                .bearer(Person::analyst("org-1").token())
                .send()
                .await,
            403,
        ),
        ("404 public", app.get("/api/nope").send().await, 404),
        ("404 release", app.get("/api/agent/download?os=linux&arch=amd64").send().await, 404),
        ("404 person", app.get("/api/agent/admin/nope").bearer(&admin).send().await, 404),
        ("405", app.put("/api/agent/config").send().await, 405),
        ("413", json_text(app.post("/api/agent/enroll"), &format!("\"{long}\"")).send().await, 413),
        (
            "415",
            app.post("/api/agent/enroll")
                .header("content-encoding", "zstd")
                .json(&json!({}))
                .send()
                .await,
            415,
        ),
        ("HEAD", app.request(Method::HEAD, "/api/health").send().await, 200),
        (
            "503",
            app.post("/api/agent/admin/versions/build")
                .bearer(&admin)
                .json(&json!({"version": "1.0.0", "os": "linux", "arch": "amd64"}))
                .send()
                .await,
            503,
        ),
    ];
    for (what, answer, status) in answers {
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        is_protected(&answer, what);
        if !matches!(status, 204 | 308) && what != "HEAD" {
            is_json(&answer, what);
        }
    }
}

async fn admin_token(app: &App, admin: &str) -> Answer {
    app.post("/api/agent/admin/tokens").bearer(admin).json(&json!({"org_id": "org-1"})).send().await
}

async fn enroll_with(app: &App, token: &str) -> Answer {
    let body = json!({"token": token, "hostname": "h", "os": "linux", "arch": "amd64", "agent_version": "1"});
    app.post("/api/agent/enroll").json(&body).send().await
}

#[tokio::test]
async fn the_allowed_origin_is_the_configured_one_whoever_asks() {
    // B1 382, and §1.3: a trailing newline is trimmed
    let app = Setup::default().with("cors_origin", "https://console.example\n").start().await;
    for origin in
        [None, Some("https://evil.example"), Some("https://console.example"), Some("null")]
    {
        for path in [
            "/api/health",
            "/api/agent/tasks",
            "/api/agent/admin/agents",
            "/api/cron/maintenance",
            "/",
        ] {
            let mut request = app.get(path);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = request.send().await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("https://console.example"),
                "{path}"
            );
            assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
        }
    }
}

#[tokio::test]
async fn options_is_answered_anywhere_before_anybody_is_asked_who_they_are() {
    // B1 381
    let app = App::start().await;
    let mut paths: Vec<String> = surface::routes().iter().map(|it| it.path("x")).collect();
    paths.extend(
        ["/", "/nowhere", "/api/agent/zzz", "/api/agent/admin/zzz", "/api/tests/zzz"]
            .map(str::to_owned),
    );
    for path in paths {
        let request = app
            .request(Method::OPTIONS, &path)
            .header("origin", "https://evil.example")
            .bearer("garbage");
        let answer = request.send().await;
        assert_eq!(answer.status, 204, "{path}");
        is_protected(&answer, &path);
        assert_eq!(
            answer.header("access-control-allow-methods"),
            Some("GET,HEAD,PUT,PATCH,POST,DELETE"),
            "{path}"
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("Content-Type,Authorization"),
            "{path}"
        );
        assert!(answer.header("ratelimit-limit").is_none(), "{path}");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let app = App::start().await;
    let admin = admin();
    for path in [
        "/api/health",
        "/api/agent/config",
        "/api/agent/admin/agents",
        "/api/agent/admin/tasks",
        "/api/nope",
    ] {
        let get = app.get(path).bearer(&admin).header("x-request-id", "same").send().await;
        let head = app
            .request(Method::HEAD, path)
            .bearer(&admin)
            .header("x-request-id", "same")
            .send()
            .await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        for name in get.headers.keys().filter(|it| !it.as_str().starts_with("ratelimit")) {
            // The text of a 404 names the method, which is one letter longer.
            if name == "content-length" && get.status == 404 {
                continue;
            }
            assert_eq!(head.headers.get(name), get.headers.get(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found_before_anybody_is_asked_who_they_are() {
    // A4 49–50, B1 380, B2 395, D-04
    let app = App::start().await;
    for (method, target) in [
        ("GET", "/api/nope?x=1"),
        ("POST", "/api/data"),
        ("GET", "/"),
        ("GET", "/api"),
        ("GET", "/api/agent/zzz?a=%20b"),
        ("DELETE", "/api/agent/zzz"),
        ("GET", "/api/agent/tasks/1/2/3"),
        ("GET", "/api/agent/admin/zzz?x=1&y=2"),
        ("GET", "/api/tests/zzz"),
        ("GET", "/api/cron/zzz"),
        ("GET", "/favicon.ico"),
    ] {
        let answer = app.request(method.parse().expect("a method"), target).send().await;
        let message = format!("Cannot {method} {target}");
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(
            answer.text(),
            format!(r#"{{"success":false,"error":"Not Found","message":"{message}"}}"#)
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = App::start().await;
    let routes = surface::routes();
    for route in &routes {
        let path = route.path("x");
        // `/admin/tasks/{id}` is also a pattern of `/admin/tasks/command`, and so on.
        let right =
            |method: &str| routes.iter().any(|it| it.method == method && fits(it.pattern, &path));
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            if right(method) {
                continue;
            }
            let answer = app.request(method.parse().expect("a method"), &path).send().await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
            assert_eq!(answer.text(), r#"{"success":false,"error":"Method Not Allowed"}"#);
            let allow = answer.header("allow").expect("an Allow header");
            let allowed: Vec<_> = allow.split(", ").collect();
            assert!(allowed.contains(&route.method.as_str()), "{method} {path}: {allow}");
            assert!(!allowed.contains(&method), "{method} {path}: {allow}");
            assert_eq!(allowed.contains(&"HEAD"), right("GET"), "{method} {path}: {allow}");
            is_protected(&answer, &path);
        }
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    pattern.split('/').count() == path.split('/').count()
        && pattern
            .split('/')
            .zip(path.split('/'))
            .all(|(it, part)| it.starts_with('{') || it == part)
}

#[tokio::test]
async fn paths_are_read_leniently() {
    // B1 392, D-10
    let app = App::start().await;
    for path in
        ["/api/agent/config/", "/API/agent/CONFIG", "//api/agent/config", "///api/agent/config/"]
    {
        assert_eq!(app.get(path).send().await.status, 200, "{path}");
    }
    // An agent that was given `--server https://host/` enrolls.
    let token = app.admin("org-1").mint(1).await;
    let body = json!({"token": token, "hostname": "h", "os": "linux", "arch": "amd64", "agent_version": "1"});
    assert_eq!(app.post("//api/agent/enroll").json(&body).send().await.status, 201);
}

#[tokio::test]
async fn whoever_spells_a_path_oddly_is_served_or_sent_to_the_right_spelling_and_never_elsewhere() {
    // D-07, D-10
    let app = App::start().await;
    let admin = admin();
    for (method, path) in [
        ("GET", "/api/agent/Config"),
        ("GET", "//api/agent/tasks"),
        ("GET", "/API/AGENT/TASKS"),
        ("GET", "/api/agent/ADMIN/agents?limit=3"),
        ("GET", "//api/agent/admin/agents"),
        ("GET", "/Api/Tests/builds/2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1"),
        ("GET", "/API/CRON/maintenance"),
        ("POST", "//api/agent/heartbeat"),
    ] {
        let mut path = path.to_owned();
        for _ in 0..3 {
            let answer =
                app.request(method.parse().expect("a method"), &path).bearer(&admin).send().await;
            if answer.status != 308 {
                assert!(matches!(answer.status.as_u16(), 200 | 401), "{path}: {}", answer.status);
                break;
            }
            path = answer.header("location").expect("a location").to_owned();
            assert!(path.starts_with("/api/"), "{path}");
        }
    }
    for hostile in [
        "//evil.example/api/agent/tasks",
        "/\\evil.example/",
        "//evil.example",
        "/%2f%2fevil.example",
    ] {
        let answer = app.get(hostile).send().await;
        assert!(
            answer.header("location").is_none_or(|it| it.starts_with("/api/")),
            "{hostile}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_decoded_is_named() {
    let app = App::start().await;
    let admin = admin();
    for raw in ["%", "%zz", "%ff", "%E0%A4%A", "%00"] {
        let path = format!("/api/agent/admin/agents/{raw}");
        let answer = app.get(&path).bearer(&admin).send().await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.json()["error"], format!("Failed to decode param '{raw}'"));
    }
    // `%2F` is a slash inside the parameter.
    let answer = app.get("/api/agent/admin/agents/a%2Fb").bearer(&admin).send().await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (404, &json!("Agent not found")));
}

const FIVE: &str = r#"{"success":false,"error":"Validation failed: token: Invalid input: expected string, received undefined; hostname: Invalid input: expected string, received undefined; os: Invalid option: expected one of \"windows\"|\"linux\"|\"darwin\"","details":[{"path":"token","message":"Invalid input: expected string, received undefined"},{"path":"hostname","message":"Invalid input: expected string, received undefined"},{"path":"os","message":"Invalid option: expected one of \"windows\"|\"linux\"|\"darwin\""},{"path":"arch","message":"Invalid option: expected one of \"amd64\"|\"arm64\""},{"path":"agent_version","message":"Invalid input: expected string, received undefined"}]}"#;

#[tokio::test]
async fn whatever_is_no_body_is_an_empty_object() {
    // B1 385, 386, 391
    let app = App::start().await;
    let enroll = || app.post("/api/agent/enroll");
    for (what, answer) in [
        ("nothing", enroll().send().await),
        ("empty JSON", enroll().header("content-type", "application/json").send().await),
        ("text", enroll().header("content-type", "text/plain").raw_body("token=x").send().await),
        (
            "bytes",
            enroll()
                .header("content-type", "application/octet-stream")
                .raw_body("{\"token\":1}")
                .send()
                .await,
        ),
        ("no type", enroll().raw_body("{\"token\":1}").send().await),
        ("{}", enroll().json(&json!({})).send().await),
        (
            "upper case",
            enroll()
                .header("content-type", "APPLICATION/JSON; Charset=UTF-8")
                .raw_body("{}")
                .send()
                .await,
        ),
        (
            "quoted charset",
            enroll()
                .header("content-type", "application/json; charset=\"utf-8\"")
                .raw_body("{}")
                .send()
                .await,
        ),
    ] {
        assert_eq!((answer.status.as_u16(), answer.text()), (400, FIVE.to_owned()), "{what}");
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    // B1 383, 384, 387
    let app = App::start().await;
    for text in [
        "{",
        "{token:1}",
        "\"text\"",
        "1",
        "null",
        "true",
        "{\"a\":1}x",
        "{\"a\":1,}",
        "\u{feff}{",
        "NaN",
        "'a'",
    ] {
        let answer = json_text(app.post("/api/agent/enroll"), text).send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["success"]),
            (400, &json!(false)),
            "{text}"
        );
        assert!(answer.json()["error"].as_str().is_some_and(|it| !it.is_empty()), "{text}");
        assert!(answer.json().get("details").is_none(), "{text}");
    }
    let answer = app.post("/api/agent/enroll").json(&json!([])).send().await;
    let message = "Invalid input: expected object, received array";
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (
            400,
            format!(
                r#"{{"success":false,"error":"Validation failed: {message}","details":[{{"path":"","message":"{message}"}}]}}"#
            )
        )
    );
}

#[tokio::test]
async fn a_form_is_read_where_strangers_and_agents_post() {
    // B1 389
    let app = App::start().await;
    let form = |body: &str| {
        app.post("/api/agent/enroll")
            .header("content-type", "application/x-www-form-urlencoded")
            .raw_body(body.to_owned())
    };
    let answer =
        form("token=acht_bogus&hostname=h&os=linux&arch=amd64&agent_version=1").send().await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (401, &json!("Invalid or expired enrollment token"))
    );
    let token = app.admin("org-1").mint(1).await;
    let answer =
        form(&format!("token={token}&hostname=w%20s+1&os=linux&arch=amd64&agent_version=1"))
            .send()
            .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(app.database().value::<String>("SELECT hostname FROM agents", []), "w s 1");
    // More than 100 kB of it is too much.
    let answer = form(&format!("token={}", "x".repeat(101 << 10))).send().await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (413, &json!("request entity too large"))
    );
}

#[tokio::test]
async fn an_administrators_change_must_be_json() {
    // D-85
    let app = App::start().await;
    let admin = admin();
    for content_type in
        ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
    {
        let request =
            app.post("/api/agent/admin/tokens").bearer(&admin).header("content-type", content_type);
        let answer = request.raw_body("org_id=org-1").send().await;
        assert_eq!(answer.status, 415, "{content_type}: {}", answer.text());
        assert_eq!(answer.text(), r#"{"success":false,"error":"unsupported content type"}"#);
    }
    assert_eq!(app.database().count("enrollment_tokens"), 0);
}

#[tokio::test]
async fn other_charsets_and_encodings_are_named_and_refused() {
    // B1 390
    let app = App::start().await;
    let post = |name: &'static str, value: &'static str| {
        app.post("/api/agent/enroll")
            .header("content-type", "application/json")
            .header(name, value)
            .raw_body("{}")
    };
    for (header, value, error) in [
        (
            "content-type",
            "application/json; charset=iso-8859-1",
            "unsupported charset \"ISO-8859-1\"",
        ),
        ("content-encoding", "zstd", "unsupported content encoding \"zstd\""),
        ("content-encoding", "compress", "unsupported content encoding \"compress\""),
    ] {
        let answer = if header == "content-type" {
            app.post("/api/agent/enroll").header(header, value).raw_body("{}").send().await
        } else {
            post(header, value).send().await
        };
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (415, &json!(error)),
            "{value}"
        );
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// RFC 7932 with uncompressed meta-blocks: `bytes` must be at most 64 KiB.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() - 1).expect("short");
    assert!(length < 1 << 16);
    // WBITS 16 = `0`; ISLAST `0`; MNIBBLES 4 = `00`; MLEN-1 in 16 bits; ISUNCOMPRESSED `1`.
    let bits = (length << 4) | (1 << 20);
    let mut encoded = bits.to_le_bytes()[..3].to_vec();
    encoded.extend(bytes);
    encoded.push(0b11); // ISLAST, ISLASTEMPTY
    encoded
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let app = App::start().await;
    for (encoding, encode) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("GZIP", gzip),
        ("deflate", zlib),
        ("br", brotli),
        ("identity", <[u8]>::to_vec),
    ] {
        let token = app.admin("org-1").mint(1).await;
        let body = json!({"token": token, "hostname": "h", "os": "linux", "arch": "amd64", "agent_version": "1"});
        let request = app.post("/api/agent/enroll").header("content-type", "application/json");
        let answer = request
            .header("content-encoding", encoding)
            .raw_body(encode(body.to_string().as_bytes()))
            .send()
            .await;
        assert_eq!(answer.status, 201, "{encoding}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_is_refused() {
    let app = App::start().await;
    let whole = gzip(json!({"token": "x".repeat(4096)}).to_string().as_bytes());
    for (encoding, body) in [
        ("gzip", b"{}".to_vec()),
        ("gzip", whole[..whole.len() / 2].to_vec()),
        ("deflate", b"{\"token\":1}".to_vec()),
        ("br", b"{\"token\":1}{\"token\":1}".to_vec()),
        ("br", brotli(b"{\"a\":1}")[..5].to_vec()),
    ] {
        let request = app.post("/api/agent/enroll").header("content-type", "application/json");
        let answer = request.header("content-encoding", encoding).raw_body(body).send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["success"]),
            (400, &json!(false)),
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn the_limit_of_a_body_counts_what_it_unpacks_to() {
    // B1 388
    const LIMIT: usize = 10 << 20;
    let app = App::start().await;
    let exact =
        |length: usize| format!("{{\"token\":\"{}\"}}", "x".repeat(length - 12)).into_bytes();
    let brotli_bomb = b"\x9f\xff\xff\xaf\xf8\x25\x40\xe2\xb1\x40\x20\xf7\xfe\x15"; // 11 MiB of spaces
    for (what, encoding, body, status) in [
        ("at the limit", "identity", exact(LIMIT), 400),
        ("over it", "identity", exact(LIMIT + 1), 413),
        ("gzip at the limit", "gzip", gzip(&exact(LIMIT)), 400),
        ("gzip over it", "gzip", gzip(&exact(LIMIT + 1)), 413),
        ("a bomb", "gzip", gzip(&vec![b' '; 300 << 20]), 413),
        ("a deflate bomb", "deflate", zlib(&vec![b' '; 300 << 20]), 413),
        ("a brotli bomb", "br", brotli_bomb.to_vec(), 413),
    ] {
        let request = app.post("/api/agent/enroll").header("content-type", "application/json");
        let answer = request.header("content-encoding", encoding).raw_body(body).send().await;
        assert_eq!(
            answer.status,
            status,
            "{what}: {}",
            &answer.text()[..200.min(answer.text().len())]
        );
        if status == 413 {
            assert_eq!(
                answer.text(),
                r#"{"success":false,"error":"request entity too large"}"#,
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_answered() {
    let app = App::start().await;
    let request = app.post("/api/agent/enroll").header("content-type", "application/json");
    let answer = tokio::time::timeout(
        Duration::from_secs(30),
        request.stream(stream::repeat(Bytes::from_static(&[b' '; 16 << 10]))).send(),
    );
    assert_eq!(answer.await.expect("an answer in time").status, 413);
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_unread() {
    let app = App::start().await;
    let admin = admin();
    for path in ["/api/agent/enroll", "/api/agent/admin/tokens"] {
        let request = app.post(path).bearer(&admin).header("content-type", "application/json");
        let request = request.stream(stream::pending()).header("content-length", "10485761");
        let answer = tokio::time::timeout(Duration::from_secs(30), request.send())
            .await
            .expect("an answer in time");
        assert_eq!(answer.status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let app = App::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for path in [
        "/api/health",
        "/api/agent/tasks",
        "/api/agent/admin/agents",
        "/api/cron/maintenance",
        "/nope",
    ] {
        let answer =
            app.get(path).header("x-request-id", "req-7").header("traceparent", trace).send().await;
        assert_eq!(answer.header("x-request-id"), Some("req-7"), "{path}");
        let answer = app.get(path).header("traceparent", trace).send().await;
        assert_eq!(
            answer.header("x-request-id"),
            Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            "{path}"
        );
        let mut seen = Vec::new();
        for forged in [None, Some("two words"), Some("\"},{\"level\":\"error"), Some("")] {
            let mut request = app.get(path);
            if let Some(forged) = forged {
                request = request.header("x-request-id", forged);
            }
            let id = request.send().await.header("x-request-id").expect("an id").to_owned();
            assert!(
                id.len() >= 16 && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'),
                "{path}: {id}"
            );
            assert!(!seen.contains(&id), "{path}: {id}");
            seen.push(id);
        }
    }
}

#[tokio::test]
async fn agents_name_a_content_type_even_without_a_body() {
    // §1.4
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let answer =
        agent.get("/api/agent/tasks").header("content-type", "application/json").send().await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_missing_schema_is_said_and_nothing_more() {
    // D-86
    let app = Setup::default().unmigrated().start().await;
    assert_eq!(app.get("/api/health/ready").send().await.status, 503);
    let admin = admin();
    let answer = app.get("/api/agent/admin/agents").bearer(&admin).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (503, r#"{"success":false,"error":"schema_outdated"}"#.to_owned())
    );
    is_protected(&answer, "503");
    assert_eq!(app.get("/api/health").send().await.status, 200);
}

#[tokio::test]
async fn no_route_is_anybodys_by_mistake() {
    let open: Vec<_> = surface::routes()
        .into_iter()
        .filter(|it| it.caller == Caller::Anybody)
        .map(|it| it.pattern)
        .collect();
    assert_eq!(
        open,
        [
            "/api/health",
            "/api/health/ready",
            "/api/capabilities",
            "/api/openapi.json",
            "/api/agent/enroll",
            "/api/agent/config",
            "/api/agent/download",
            "/api/auth/login",
            "/api/auth/refresh",
            "/api/auth/logout",
            "/api/auth/accept-invitation",
            "/api/cli/auth/device-code",
            "/api/cli/auth/poll",
            "/api/cli/auth/refresh",
            "/api/cli/auth/logout"
        ]
    );
}

/// A server of the application on a port of its own, and a connection to it.
async fn connect(app: &App) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let application = app.application().clone();
    tokio::spawn(async move { application.serve(listener, std::future::pending()).await });
    TcpStream::connect(address).await.expect("it listens")
}

#[tokio::test]
async fn a_sender_without_an_end_reads_its_refusal_from_the_connection() {
    let app = App::start().await;
    let (mut reader, mut writer) = connect(&app).await.into_split();
    let head = "POST /api/agent/enroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let sending = tokio::spawn(async move {
        let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
        let mut sent = writer.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = writer.write_all(&chunk).await;
        }
    });
    let mut answer = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while !answer.ends_with(b"}") {
            let read = reader.read(&mut chunk).await.expect("an answer before the connection ends");
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend(&chunk[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("an answer in time");
    sending.abort();
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"success":false,"error":"request entity too large"}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests_refused_ones_among_them() {
    let app = App::start().await;
    let mut connection = connect(&app).await;
    let requests = [
        ("GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200"),
        ("HEAD /api/health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200"),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "204"),
        (post("{}"), "400"),
        (post("{"), "400"),
        ("GET /api/nope HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404"),
        ("PUT /api/health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "405"),
        ("GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200"),
    ];
    for (request, status) in requests {
        connection.write_all(request.as_bytes()).await.expect("it is open");
        let head = read_answer(&mut connection, request.starts_with("HEAD")).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {head}");
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /api/agent/enroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The head of an answer whose body has the length that it says, or none.
async fn read_answer(connection: &mut TcpStream, is_head: bool) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("text").to_lowercase().replacen("http", "HTTP", 1);
    let length = head.split("content-length: ").nth(1).and_then(|it| it.split('\r').next());
    if let Some(length) = length.filter(|_| !is_head) {
        let mut body = vec![0; length.parse().expect("a number")];
        connection.read_exact(&mut body).await.expect("the whole body");
    }
    head
}
