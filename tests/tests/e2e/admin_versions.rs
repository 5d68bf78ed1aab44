//! Agent binaries as operators publish, list and withdraw them (fleet.md §5.6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use tests::{
    Answer, App, Person, Request, Setup,
    application::UPDATE_PUBLIC_KEY,
    upload::{Multipart, endless, zeros},
};

const VERSIONS: &str = "/api/agent/admin/versions";
const LINUX: (&str, &str) = ("linux", "amd64");

fn upload(app: &App) -> Request<'_> {
    app.post(&format!("{VERSIONS}/upload")).bearer(Person::operator("org-1").token())
}

fn form() -> Multipart {
    Multipart::new().text("version", "0.6.2").text("os", "linux").text("arch", "amd64")
}

async fn list(app: &App, query: &str) -> Vec<Value> {
    let request = app.get(&format!("{VERSIONS}{query}")).bearer(Person::operator("org-1").token());
    request.send().await.expect(200).data().as_array().expect("a list").clone()
}

async fn withdraw(app: &App, rest: &str) -> Answer {
    app.delete(&format!("{VERSIONS}/{rest}")).bearer(Person::admin("org-1").token()).send().await
}

async fn download(app: &App, query: &str) -> Answer {
    app.get(&format!("/api/agent/download?{query}")).send().await
}

#[tokio::test]
async fn a_binary_is_hashed_signed_and_listed() {
    // A15 330–336, 342–344; §10.1
    let app = App::start().await;
    let form = form().text("release_notes", "Fixes").text("mandatory", "true");
    let answer = form
        .file("binary", "agent", b"achilles-test-binary")
        .into_request(upload(&app))
        .send()
        .await
        .expect(201);
    let mut data = answer.data();
    assert!(data["created_at"].as_str().is_some_and(|it| it.len() == 24), "{data}");
    assert!(data["binary_path"].as_str().is_some_and(|it| !it.starts_with('/')), "{data}");
    let listed = list(&app, "").await;
    assert_eq!(listed, [data.clone()]);
    data.as_object_mut()
        .expect("an object")
        .retain(|key, _| key != "created_at" && key != "binary_path");
    assert_eq!(
        data,
        json!({
            "version": "0.6.2", "os": "linux", "arch": "amd64",
            "binary_sha256": "49c4e33f680490c29be9baa0f72b3a2ca9292cf8234010a3722d92785584ad57", "binary_size": 20,
            "release_notes": "Fixes", "mandatory": true, "signed": false, "awaiting_approval": null,
            "promoted": false,
            "binary_signature": "666248035fd954aacb536e0aaad3f4f95d2ccb051da4be9118abaa0ed26c6e32c683bcdff060e78a05c2276b3e7ec9417fc908e85cc99cd22de8bc4993b86802",
        })
    );
}

#[tokio::test]
async fn the_signature_is_over_the_digest() {
    // B6 449, A8 85–87
    let app = App::start().await;
    let data =
        app.admin("org-1").send_release("1.0.0", LINUX, b"any bytes").await.expect(201).data();
    let key: [u8; 32] =
        STANDARD.decode(UPDATE_PUBLIC_KEY).expect("base64").try_into().expect("32 bytes");
    let signature =
        hex::decode(data["binary_signature"].as_str().expect("text")).expect("hexadecimal");
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"any bytes");
    assert_eq!(data["binary_sha256"], hex::encode(digest));
    let key = VerifyingKey::from_bytes(&key).expect("a key");
    key.verify_strict(&digest, &Signature::from_slice(&signature).expect("64 bytes"))
        .expect("a true signature");
}

#[tokio::test]
async fn the_parts_of_the_form_may_come_in_any_order() {
    let app = App::start().await;
    let forms = [
        Multipart::new()
            .file("binary", "a", b"1")
            .text("arch", "amd64")
            .text("os", "linux")
            .text("version", "1"),
        Multipart::new()
            .text("os", "linux")
            .file("binary", "a", b"2")
            .text("version", "2")
            .text("arch", "amd64"),
        Multipart::new()
            .text("unknown", "x")
            .text("version", "3")
            .text("os", "linux")
            .text("arch", "amd64")
            .text("mandatory", "false")
            .file("binary", "a", b"3"),
    ];
    for form in forms {
        form.into_request(upload(&app)).send().await.expect(201);
    }
    let versions: Vec<_> = list(&app, "").await.iter().map(|it| it["version"].clone()).collect();
    assert_eq!(versions.len(), 3, "{versions:?}");
    assert!(
        list(&app, "").await.iter().all(|it| it["mandatory"] == false && it["release_notes"] == "")
    );
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_the_form_is_named_and_nothing_is_kept() {
    // A15 337, B6 450, D-37
    let app = App::start().await;
    let empty = app.count_values();
    let with_file = |form: Multipart| form.file("binary", "a", &vec![7; 700_000]);
    let of = |version: &str, os: &str, arch: &str| {
        Multipart::new().text("version", version).text("os", os).text("arch", arch)
    };
    let missing = "Missing required fields: version, os, arch";
    let bad = "Invalid version string";
    for (form, error) in [
        (form(), "Missing binary file"),
        (Multipart::new(), missing),
        (with_file(Multipart::new().text("os", "linux").text("arch", "amd64")), missing),
        (with_file(Multipart::new().text("version", "1").text("os", "linux")), missing),
        (with_file(of("", "linux", "amd64")), missing),
        (with_file(of("1", "macos", "amd64")), "Invalid os parameter"),
        (with_file(of("1", "linux", "x86")), "Invalid arch parameter"),
        (with_file(of("bad version!", "linux", "amd64")), bad),
        (with_file(of("../../etc", "linux", "amd64")), bad),
        (with_file(of("1.0.é", "linux", "amd64")), bad),
        (with_file(of(&"1".repeat(65), "linux", "amd64")), bad),
        (with_file(form()).text("version", "a/b"), bad),
        (form().file("file", "a", b"x"), "Unexpected field"),
        (form().file("binary", "a", b""), "Empty file"),
    ] {
        let answer = form.into_request(upload(&app)).send().await.expect(400);
        assert_eq!(answer.error(), error);
    }
    assert_eq!(list(&app, "").await, Vec::<Value>::new());
    assert_eq!(app.count_values(), empty);
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let app = App::start().await;
    for (content_type, body) in [
        ("multipart/form-data", "--x\r\n\r\n"),
        ("multipart/form-data; boundary=", "--\r\n"),
        ("multipart/form-data; boundary=x", ""),
        ("multipart/form-data; boundary=x", "garbage"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n1",
        ),
        ("multipart/form-data; boundary=x", "--x\r\nno colon\r\n\r\n1\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n--x--\r\n"),
        ("application/json", "{\"version\":\"1\",\"os\":\"linux\",\"arch\":\"amd64\"}"),
        ("text/plain", "x"),
    ] {
        let answer = upload(&app).header("content-type", content_type).raw_body(body).send().await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 415),
            "{content_type} {body:?}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["success"], false);
    }
    let answer = upload(&app).send().await;
    assert!(matches!(answer.status.as_u16(), 400 | 415), "{}", answer.text());
}

#[tokio::test]
async fn a_form_of_many_or_long_fields_is_refused_without_harm() {
    let app = App::start().await;
    let many = (0..20_000).fold(form(), |form, index| form.text(&format!("f{index}"), "x"));
    let answer = many.file("binary", "a", b"x").into_request(upload(&app)).send().await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "Too many parts"));
    let answer = form()
        .text("release_notes", &"x".repeat(8 << 20))
        .file("binary", "a", b"x")
        .into_request(upload(&app))
        .send()
        .await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "Field value too long"));
    let twice = form()
        .text("version", "0.6.3")
        .file("binary", "a", b"x")
        .into_request(upload(&app))
        .send()
        .await;
    assert_eq!(twice.expect(201).data()["version"], "0.6.3", "the last one counts");
    let two_files = form()
        .file("binary", "a", b"x")
        .file("binary", "b", b"y")
        .into_request(upload(&app))
        .send()
        .await;
    assert_eq!(two_files.status, 400, "{}", two_files.text());
}

#[tokio::test]
async fn two_hundred_mebibytes_and_not_a_byte_more() {
    // D-42
    const LIMIT: usize = 200 << 20;
    let app = App::start().await;
    let answer = form().streamed(upload(&app), "binary", zeros(LIMIT + 1)).send().await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (413, "File too large"));
    assert_eq!((list(&app, "").await.len(), app.count_values()), (0, 0));
    let answer = form().streamed(upload(&app), "binary", zeros(LIMIT)).send().await.expect(201);
    assert_eq!(answer.data()["binary_size"], LIMIT);
    // Far beyond it nobody waits for the end.
    let answer = form().streamed(upload(&app), "binary", endless()).send().await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn publishing_again_replaces_the_release_and_drops_the_old_bytes() {
    // A15 333
    let app = App::start().await;
    let big = |byte: u8| vec![byte; 1_500_000];
    app.admin("org-1").send_release("1.0.0", LINUX, &big(1)).await.expect(201);
    let values = app.count_values();
    let second = form().file("binary", "a", b"x");
    second.into_request(upload(&app)).send().await.expect(201);
    app.admin("org-1").send_release("1.0.0", LINUX, &big(2)).await.expect(201);
    assert_eq!(list(&app, "").await.len(), 2);
    let answer = download(&app, "os=linux&arch=amd64").await.expect(200);
    assert_eq!(answer.body, big(2));
    withdraw(&app, "0.6.2/linux/amd64").await.expect(200);
    assert_eq!(app.count_values(), values);
}

#[tokio::test]
async fn a_release_is_withdrawn_for_its_platform_alone() {
    // A15 350–353, B6 451
    let app = App::start().await;
    app.admin("org-1").send_release("1.0.0", LINUX, b"linux").await.expect(201);
    app.admin("org-1").send_release("1.0.0", ("windows", "amd64"), b"windows").await.expect(201);
    let answer = withdraw(&app, "1.0.0/linux/amd64").await.expect(200);
    assert_eq!(answer.text(), r#"{"success":true}"#);
    assert_eq!(withdraw(&app, "1.0.0/linux/amd64").await.expect(404).error(), "Version not found");
    assert_eq!(withdraw(&app, "9/linux/amd64").await.expect(404).error(), "Version not found");
    assert_eq!(
        withdraw(&app, "1.0.0/macos/amd64").await.expect(400).error(),
        "Invalid os parameter"
    );
    assert_eq!(
        withdraw(&app, "1.0.0/linux/386").await.expect(400).error(),
        "Invalid arch parameter"
    );
    assert_eq!(list(&app, "").await.len(), 1);
    download(&app, "os=linux&arch=amd64").await.expect(404);
    assert_eq!(download(&app, "os=windows&arch=amd64").await.expect(200).body, "windows");
    withdraw(&app, "1.0.0/windows/amd64").await.expect(200);
    assert_eq!(app.count_values(), 0);
}

#[tokio::test]
async fn bytes_that_two_releases_share_outlive_one_of_them() {
    let app = App::start().await;
    let binary = vec![9; 1_200_000];
    app.admin("org-1").send_release("1.0.0", LINUX, &binary).await.expect(201);
    app.admin("org-1").send_release("1.1.0", LINUX, &binary).await.expect(201);
    app.admin("org-2").send_release("1.0.0", LINUX, &binary).await.expect(201);
    withdraw(&app, "1.0.0/linux/amd64").await.expect(200);
    assert_eq!(download(&app, "os=linux&arch=amd64&org_id=org-1").await.expect(200).body, binary);
    withdraw(&app, "1.1.0/linux/amd64").await.expect(200);
    assert_eq!(download(&app, "os=linux&arch=amd64&org_id=org-2").await.expect(200).body, binary);
}

#[tokio::test]
async fn a_download_says_what_it_is() {
    // A15 345–349
    let app = App::start().await;
    app.admin("org-1").send_release("1.2.3", LINUX, b"the agent").await.expect(201);
    app.admin("org-1").send_release("1.2.3", ("windows", "amd64"), b"the agent").await.expect(201);
    for (query, name) in [
        ("os=linux&arch=amd64", "achilles-agent-linux-amd64"),
        ("os=windows&arch=amd64", "achilles-agent-windows-amd64.exe"),
    ] {
        let answer = download(&app, query).await.expect(200);
        assert_eq!(answer.body, "the agent");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(
            answer.header("content-disposition"),
            Some(format!("attachment; filename=\"{name}\"").as_str())
        );
        assert_eq!(
            (answer.header("content-length"), answer.header("x-agent-version")),
            (Some("9"), Some("1.2.3"))
        );
    }
    let os = r#"Invalid or missing "os" parameter: must be "linux", "windows", or "darwin""#;
    let arch = r#"Invalid or missing "arch" parameter: must be "amd64" or "arm64""#;
    for (query, error) in [
        ("", os),
        ("os=macos", os),
        ("arch=amd64", os),
        ("os=linux", arch),
        ("os=linux&arch=386", arch),
    ] {
        assert_eq!(download(&app, query).await.expect(400).error(), error, "{query}");
    }
    assert_eq!(
        download(&app, "os=darwin&arch=arm64").await.expect(404).error(),
        "No version available for this platform"
    );
    // A15 348
    app.lose_values();
    assert_eq!(
        download(&app, "os=linux&arch=amd64").await.expect(404).error(),
        "Binary file not found on server"
    );
    // A15 351
    withdraw(&app, "1.2.3/linux/amd64").await.expect(200);
}

#[tokio::test]
async fn the_latest_is_the_highest_version_not_the_last_registered() {
    // D-59
    let app = App::start().await;
    for version in ["1.10.0", "1.9.0", "1.10.0-rc1", "v1.2", "0.99.99"] {
        app.admin("org-1").send_release(version, LINUX, version.as_bytes()).await.expect(201);
    }
    assert_eq!(download(&app, "os=linux&arch=amd64").await.expect(200).body, "1.10.0");
    withdraw(&app, "1.10.0/linux/amd64").await.expect(200);
    assert_eq!(download(&app, "os=linux&arch=amd64").await.expect(200).body, "1.10.0-rc1");
    withdraw(&app, "1.10.0-rc1/linux/amd64").await.expect(200);
    assert_eq!(download(&app, "os=linux&arch=amd64").await.expect(200).body, "1.9.0");
}

#[tokio::test]
async fn the_list_is_by_registration_and_has_pages() {
    let app = App::start().await;
    for version in ["3.0.0", "1.0.0", "2.0.0"] {
        app.admin("org-1").send_release(version, LINUX, version.as_bytes()).await.expect(201);
        app.database().execute("UPDATE agent_releases SET created_at = created_at - 1000", []);
    }
    let versions = async |query: &str| -> Vec<Value> {
        list(&app, query).await.iter().map(|it| it["version"].clone()).collect()
    };
    assert_eq!(versions("").await, ["2.0.0", "1.0.0", "3.0.0"]);
    assert_eq!(versions("?limit=1&offset=1").await, ["1.0.0"]);
    let page = async |query: &str| {
        let path = format!("{VERSIONS}{query}");
        let page = app.admin("org-1").get(&path).await.expect(200).json();
        let versions = page["data"].as_array().expect("a list").iter();
        let versions: Vec<_> = versions.map(|it| it["version"].clone()).collect();
        (versions, page["total"].clone(), page["next_cursor"].clone())
    };
    assert_eq!(page("?limit=3").await.2, Value::Null);
    assert_eq!(page("?limit=0").await, (vec![], json!(3), Value::Null));
    let (first, total, next) = page("?limit=2").await;
    assert_eq!((first, total), (vec![json!("2.0.0"), json!("1.0.0")], json!(3)));
    let next = next.as_str().expect("a cursor");
    // Beside a cursor an offset says nothing.
    for query in [format!("?cursor={next}"), format!("?cursor={next}&offset=1&limit=1")] {
        assert_eq!(page(&query).await, (vec![json!("3.0.0")], json!(3), Value::Null), "{query}");
    }
    app.admin("org-1").send_release("4.0.0", ("darwin", "arm64"), b"4").await.expect(201);
    assert_eq!(page("?os=darwin").await, (vec![json!("4.0.0")], json!(1), Value::Null));
    assert_eq!(page("?os=linux&arch=amd64").await.1, 3);
    assert_eq!(page("?arch=arm64&os=linux").await.1, 0);
    for (query, error) in [
        ("?os=macos", "Invalid os parameter"),
        ("?arch=x86", "Invalid arch parameter"),
        ("?cursor=%25", "Invalid cursor"),
    ] {
        let refused = app.admin("org-1").get(&format!("{VERSIONS}{query}")).await.expect(400);
        assert_eq!(refused.error(), error, "{query}");
    }
}

#[tokio::test]
async fn a_path_on_the_server_is_no_binary() {
    // D-18
    let app = App::start().await;
    let order =
        json!({"version": "1.0.0", "os": "linux", "arch": "amd64", "binary_path": "/etc/hostname"});
    let request = app.post(VERSIONS).bearer(Person::admin("org-1").token()).json(&order);
    let answer = request.send().await.expect(400);
    assert_eq!(answer.error(), "Registering a server path is not supported: upload the binary");
    assert!(list(&app, "").await.is_empty());
    assert_eq!(download(&app, "os=linux&arch=amd64").await.status, 404);
}

#[tokio::test]
async fn nothing_is_built_from_source() {
    // B6 452
    let app = App::start().await;
    let order = json!({"version": "0.6.2", "os": "linux", "arch": "amd64"});
    let request = app
        .post(&format!("{VERSIONS}/build"))
        .bearer(Person::operator("org-1").token())
        .json(&order);
    let answer = request.send().await.expect(503);
    assert_eq!(
        answer.error(),
        "Agent build from source is not available — agent source path not configured"
    );
}

#[tokio::test]
async fn without_a_signing_key_nothing_is_published() {
    let app = Setup::default().without("signing_private_key_b64").start().await;
    let answer = app.admin("org-1").send_release("1.0.0", LINUX, b"x").await.expect(503);
    assert!(!answer.text().to_lowercase().contains("signing"), "{}", answer.text());
    assert_eq!((app.database().count("agent_releases"), app.count_values()), (0, 0));
}

#[tokio::test]
async fn two_who_publish_the_same_at_once_leave_one_whole_release() {
    let app = App::start().await;
    let binary = |byte: u8| vec![byte; 900_000];
    let uploads = (0..6).map(|index| {
        let form = form().file("binary", "a", &binary(index % 2));
        form.into_request(upload(&app)).send()
    });
    for answer in futures::future::join_all(uploads).await {
        answer.expect(201);
    }
    let [release] = &list(&app, "").await[..] else { panic!("one release") };
    let answer = download(&app, "os=linux&arch=amd64").await.expect(200);
    assert!(answer.body == binary(0) || answer.body == binary(1));
    assert_eq!(
        release["binary_sha256"],
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&answer.body))
    );
    withdraw(&app, "0.6.2/linux/amd64").await.expect(200);
    // Of two who upload the same bytes within the same millisecond one may leave chunks behind.
    assert_eq!(app.count_blobs(), 0);
}
