//! Test binaries as operators upload, look at, fetch and remove them (console.md §2.7, D-33, D-45).

use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App, Person, Request,
    executables::{
        ELF_AMD64, ELF_ARM64, ELF_RISCV, MACH_AMD64, MACH_ARM64, PE_AMD64, PE_ARM64, PE_I386, elf,
        fat_mach_o, mach_o, pe, script,
    },
    upload::{Multipart, endless},
};

const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const OTHER: &str = "6b1f8f0e-86bb-4a21-9f2c-d1d3a4b9c7e2";
const UNKNOWN: &str =
    "File is not a recognised executable (PE, ELF, Mach-O or a script with a shebang)";

/// A request to one of a build's routes.
fn route<'a>(app: &'a App, org: &str, method: Method, uuid: &str, rest: &str) -> Request<'a> {
    app.request(method, &format!("/api/tests/builds/{uuid}{rest}"))
        .bearer(Person::admin(org).token())
}

async fn upload(app: &App, form: Multipart) -> Answer {
    form.into_request(route(app, "org-1", Method::POST, TEST, "/upload-binary")).send().await
}

async fn download(app: &App, org: &str, uuid: &str) -> Answer {
    route(app, org, Method::GET, uuid, "/download").send().await
}

#[tokio::test]
async fn the_header_says_for_which_platform_a_file_is() {
    // D-45, console 213, 216
    let app = App::start().await;
    for (what, file, os, arch) in [
        ("PE", pe(PE_AMD64), "windows", "amd64"),
        ("PE", pe(PE_ARM64), "windows", "arm64"),
        ("ELF", elf(ELF_AMD64), "linux", "amd64"),
        ("ELF", elf(ELF_ARM64), "linux", "arm64"),
        ("Mach-O", mach_o(MACH_AMD64), "darwin", "amd64"),
        ("Mach-O", mach_o(MACH_ARM64), "darwin", "arm64"),
        ("fat Mach-O", fat_mach_o(&[MACH_ARM64]), "darwin", "arm64"),
    ] {
        let form = Multipart::new().file("file", "whatever.bin", &file);
        // Of a universal file of one architecture it may be left open which one that is.
        let form = if what == "fat Mach-O" { form.text("os", os).text("arch", arch) } else { form };
        let data = upload(&app, form).await.expect(200).data();
        let filename = if os == "windows" { format!("{TEST}.exe") } else { TEST.to_owned() };
        let mut shown = data.clone();
        assert!(shown["builtAt"].as_str().is_some_and(|it| it.len() == 24), "{shown}");
        shown["builtAt"] = Value::Null;
        assert_eq!(
            shown,
            json!({
                "exists": true, "platform": {"os": os, "arch": arch}, "signed": false, "fileSize": file.len(),
                "builtAt": null, "filename": filename, "source": "uploaded",
            }),
            "{what}"
        );
        assert_eq!(app.admin("org-1").build(TEST).await, data, "{what}");
        let answer = download(&app, "org-1", TEST).await.expect(200);
        assert_eq!(answer.body, file, "{what}");
        let disposition = format!("attachment; filename=\"{filename}\"");
        assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()), "{what}");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{what}");
        assert_eq!(
            answer.header("content-length"),
            Some(file.len().to_string().as_str()),
            "{what}"
        );
    }
}

#[tokio::test]
async fn who_uploads_what_runs_anywhere_says_where() {
    let app = App::start().await;
    for file in [script(), fat_mach_o(&[MACH_AMD64, MACH_ARM64])] {
        for form in [
            Multipart::new().file("file", "t", &file).text("os", "darwin").text("arch", "arm64"),
            Multipart::new().text("os", "darwin").text("arch", "arm64").file("file", "t", &file),
        ] {
            let data = upload(&app, form).await.expect(200).data();
            assert_eq!(data["platform"], json!({"os": "darwin", "arch": "arm64"}));
        }
    }
    route(&app, "org-1", Method::DELETE, TEST, "").send().await.expect(200);
    for form in [
        Multipart::new().file("file", "t", &script()),
        Multipart::new().file("file", "t", &script()).text("os", "linux"),
        Multipart::new().file("file", "t", &script()).text("os", "plan9").text("arch", "amd64"),
        Multipart::new().file("file", "t", &script()).text("os", "linux").text("arch", "mips"),
    ] {
        upload(&app, form).await.expect(400);
    }
    assert_eq!(
        (app.admin("org-1").build(TEST).await, app.count_values()),
        (json!({"exists": false}), 0)
    );
}

#[tokio::test]
async fn the_header_is_believed_over_the_uploader() {
    let app = App::start().await;
    for (file, os) in [
        (elf(ELF_ARM64), "linux"),
        // It says nothing of the architecture, and all of the system.
        (fat_mach_o(&[MACH_AMD64, MACH_ARM64]), "darwin"),
        (fat_mach_o(&[MACH_ARM64, MACH_ARM64]), "darwin"),
    ] {
        let form = Multipart::new().text("os", "windows").text("arch", "arm64");
        let answer = upload(&app, form.file("file", "x.exe", &file)).await.expect(200);
        assert_eq!(answer.data()["platform"], json!({"os": os, "arch": "arm64"}));
    }
}

#[tokio::test]
async fn an_upload_that_announces_too_much_is_refused_unread() {
    let app = App::start().await;
    let unread = futures::stream::poll_fn(|_| -> std::task::Poll<Option<bytes::Bytes>> {
        std::task::Poll::Pending
    });
    let request = route(&app, "org-1", Method::POST, TEST, "/upload-binary")
        .set("content-type", Multipart::content_type())
        .stream(unread)
        .set("content-length", (517_u64 << 20).to_string());
    let sent = tokio::time::timeout(std::time::Duration::from_secs(30), request.send());
    let answer = sent.await.expect("an answer without a body").expect(413);
    assert_eq!(answer.error(), "File too large");
}

#[tokio::test]
async fn what_no_agent_could_run_is_refused_and_not_kept() {
    let app = App::start().await;
    for (what, file, error) in [
        ("text", b"hello".to_vec(), UNKNOWN),
        ("one byte", b"M".to_vec(), UNKNOWN),
        ("almost ELF", b"\x7fELG".to_vec(), UNKNOWN),
        ("short ELF", b"\x7fELF".to_vec(), UNKNOWN),
        ("zeros", vec![0; 1 << 20], UNKNOWN),
        ("a Java class", b"\xca\xfe\xba\xbe\x00\x00\x00\x41\x00\x1d".to_vec(), UNKNOWN),
        ("PDF", b"%PDF-1.7".to_vec(), UNKNOWN),
        ("a space before the shebang", b" #!/bin/sh".to_vec(), UNKNOWN),
        ("32-bit Windows", pe(PE_I386), "386"),
        ("RISC-V", elf(ELF_RISCV), "riscv"),
        ("empty", Vec::new(), "Empty file"),
    ] {
        let answer = upload(&app, Multipart::new().file("file", "t", &file)).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert!(answer.error().contains(error), "{what}: {}", answer.error());
    }
    assert_eq!(
        upload(&app, Multipart::new().text("os", "linux")).await.expect(400).error(),
        "No file uploaded"
    );
    assert_eq!(upload(&app, Multipart::new()).await.expect(400).error(), "No file uploaded");
    assert_eq!(app.admin("org-1").build(TEST).await, json!({"exists": false}));
    assert_eq!(app.count_values(), 0);
}

#[tokio::test]
async fn a_refused_upload_leaves_the_build_before_it() {
    let app = App::start().await;
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    app.admin("org-1").send_build(TEST, b"text").await.expect(400);
    assert_eq!(download(&app, "org-1", TEST).await.expect(200).body, elf(ELF_AMD64));
}

#[tokio::test]
async fn a_build_is_addressed_by_a_uuid() {
    // console 212
    let app = App::start().await;
    for bad in [
        "not-a-uuid",
        "..%2f..%2fetc",
        "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c",
        "%20",
        &format!("{TEST}x"),
        "*",
    ] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/download"),
            (Method::POST, "/upload-binary"),
        ] {
            let answer = route(&app, "org-1", method.clone(), bad, rest).send().await;
            assert_eq!(answer.status, 400, "{method} {bad}{rest}: {}", answer.text());
            assert_eq!(answer.error(), "Invalid UUID format", "{method} {bad}{rest}");
        }
    }
}

#[tokio::test]
async fn a_removed_build_is_gone_and_removing_it_again_is_no_fault() {
    // console 215
    let app = App::start().await;
    assert_eq!(download(&app, "org-1", TEST).await.expect(404).error(), "Build not found");
    app.admin("org-1")
        .send_build(TEST, &[elf(ELF_AMD64), vec![7; 1_500_000]].concat())
        .await
        .expect(200);
    assert!(app.count_values() > 2);
    for _ in 0..2 {
        let answer = route(&app, "org-1", Method::DELETE, TEST, "").send().await.expect(200);
        assert_eq!(answer.text(), r#"{"success":true}"#);
        assert_eq!(app.admin("org-1").build(TEST).await, json!({"exists": false}));
        assert_eq!(
            (download(&app, "org-1", TEST).await.status.as_u16(), app.count_values()),
            (404, 0)
        );
    }
}

#[tokio::test]
async fn the_same_bytes_of_two_organisations_are_kept_once_and_outlive_either() {
    let app = App::start().await;
    let file = [elf(ELF_AMD64), vec![7; 1_500_000]].concat();
    app.admin("org-1").send_build(TEST, &file).await.expect(200);
    let once = app.count_values();
    app.admin("org-2").send_build(OTHER, &file).await.expect(200);
    app.admin("org-2").send_build(TEST, &file).await.expect(200);
    assert_eq!(app.count_values(), once);
    route(&app, "org-1", Method::DELETE, TEST, "").send().await.expect(200);
    assert_eq!(download(&app, "org-1", TEST).await.status, 404);
    assert_eq!(download(&app, "org-2", TEST).await.expect(200).body, file);
    route(&app, "org-2", Method::DELETE, TEST, "").send().await.expect(200);
    assert_eq!(download(&app, "org-2", OTHER).await.expect(200).body, file);
    route(&app, "org-2", Method::DELETE, OTHER, "").send().await.expect(200);
    assert_eq!(app.count_values(), 0);
}

#[tokio::test]
async fn two_uploads_for_one_test_leave_one_whole_build() {
    let app = App::start().await;
    let file = |byte: u8| [elf(ELF_AMD64), vec![byte; 1_100_000]].concat();
    for _ in 0..4 {
        let uploads = (0..4).map(|byte| {
            let file = file(byte % 3);
            let app = &app;
            async move { app.admin("org-1").send_build(TEST, &file).await }
        });
        for answer in futures::future::join_all(uploads).await {
            answer.expect(200);
        }
        let body = download(&app, "org-1", TEST).await.expect(200).body;
        assert!((0..3).any(|byte| body == file(byte)));
        assert_eq!(app.admin("org-1").build(TEST).await["fileSize"], body.len());
    }
    route(&app, "org-1", Method::DELETE, TEST, "").send().await.expect(200);
    // Of two who upload the same bytes within the same millisecond one may leave chunks behind.
    assert_eq!(app.count_blobs(), 0);
}

#[tokio::test]
async fn uploads_and_removals_of_the_same_bytes_never_leave_a_build_without_them() {
    let app = App::start().await;
    let file = [elf(ELF_AMD64), vec![7; 1_100_000]].concat();
    for round in 0..6 {
        let (one, two) = (app.admin("org-1"), app.admin("org-2"));
        let (upload, other) = (one.send_build(TEST, &file), two.send_build(TEST, &file));
        let removal = route(&app, "org-1", Method::DELETE, TEST, "").send();
        let (upload, other, removal) = futures::join!(upload, other, removal);
        assert!(upload.status == 200 && other.status == 200 && removal.status == 200, "{round}");
        for org in ["org-1", "org-2"] {
            if app.admin(org).build(TEST).await["exists"] == true {
                assert_eq!(download(&app, org, TEST).await.expect(200).body, file, "{round} {org}");
            }
        }
        assert_eq!(app.admin("org-2").build(TEST).await["exists"], true, "{round}");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_to_be_seen() {
    let app = App::start().await;
    let file = [elf(ELF_AMD64), vec![7; 3_000_000]].concat();
    let form = Multipart::new().file("file", "t", &file);
    let answer = form
        .clone()
        .cut_short(route(&app, "org-1", Method::POST, TEST, "/upload-binary"))
        .send()
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    // The connection breaks: the caller is gone before there is an answer.
    let stalled = futures::StreamExt::chain(
        futures::stream::iter([bytes::Bytes::from(file.clone())]),
        futures::stream::pending(),
    );
    let request = route(&app, "org-1", Method::POST, TEST, "/upload-binary");
    let sending = Multipart::new().streamed(request, "file", stalled).send();
    assert!(tokio::time::timeout(std::time::Duration::from_secs(3), sending).await.is_err());
    assert_eq!(app.admin("org-1").build(TEST).await, json!({"exists": false}));
    assert_eq!(download(&app, "org-1", TEST).await.status, 404);
    // And the next one is not hindered.
    app.admin("org-1").send_build(TEST, &file).await.expect(200);
    assert_eq!(download(&app, "org-1", TEST).await.expect(200).body, file);
}

#[tokio::test]
async fn an_endless_file_is_answered() {
    let app = App::start().await;
    let head = bytes::Bytes::from(elf(ELF_AMD64));
    let content = futures::StreamExt::chain(futures::stream::iter([head]), endless());
    let request = route(&app, "org-1", Method::POST, TEST, "/upload-binary");
    let answer = Multipart::new().streamed(request, "file", content).send().await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (413, "File too large"));
    assert_eq!(
        (app.admin("org-1").build(TEST).await, app.count_values()),
        (json!({"exists": false}), 0)
    );
}

#[tokio::test]
async fn a_download_that_is_broken_off_harms_nobody() {
    let app = App::start().await;
    let file = [elf(ELF_AMD64), vec![7; 8_000_000]].concat();
    app.admin("org-1").send_build(TEST, &file).await.expect(200);
    for _ in 0..20 {
        let request = route(&app, "org-1", Method::GET, TEST, "/download");
        let mut body = request.open().await.expect("an answer").into_body();
        http_body_util::BodyExt::frame(&mut body)
            .await
            .expect("a first frame")
            .expect("no failure");
    }
    assert_eq!(download(&app, "org-1", TEST).await.expect(200).body, file);
}

#[tokio::test]
async fn a_build_without_its_bytes_does_not_exist() {
    let app = App::start().await;
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    app.lose_values();
    assert_eq!(app.admin("org-1").build(TEST).await, json!({"exists": false}));
    assert_eq!(download(&app, "org-1", TEST).await.status, 404);
    app.admin("org-1").send_build(TEST, &elf(ELF_AMD64)).await.expect(200);
    assert_eq!(download(&app, "org-1", TEST).await.expect(200).body, elf(ELF_AMD64));
}

#[tokio::test]
async fn a_hostile_file_name_names_nothing() {
    let app = App::start().await;
    for name in
        ["../../etc/passwd", "a\\\"b", "\u{202e}exe.x", "CON", "x\u{7f}", &"x".repeat(70_000)]
    {
        let answer = upload(&app, Multipart::new().file("file", name, &elf(ELF_AMD64))).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400 | 413), "{name}: {}", answer.text());
        if answer.status == 200 {
            assert_eq!(answer.data()["filename"], TEST, "{name}");
        }
    }
    let request = route(&app, "org-1", Method::GET, &TEST.to_uppercase(), "");
    assert_eq!(request.send().await.status, 200);
    let explorer = Person::explorer("org-1").token();
    let answer = app.get(&format!("/api/tests/builds/{TEST}")).bearer(explorer).send().await;
    assert_eq!(answer.status, 403);
}
