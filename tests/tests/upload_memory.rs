//! How much memory a large upload takes. The kernel counts for the whole process, so this test is alone in
//! its own.

use http::Method;
use tests::{
    App,
    executables::{ELF_AMD64, elf},
    upload::{Multipart, zeros},
};

const TEST: &str = "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1";
const OTHER: &str = "6b1f8f0e-86bb-4a21-9f2c-d1d3a4b9c7e2";

/// What the kernel says this process has in memory at most, since the last reset.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|it| it.parse::<u64>().ok()).expect("a figure") / 1024
}

#[tokio::test]
async fn two_hundred_mebibytes_pass_through_in_constant_memory() {
    const SIZE: usize = 200 << 20;
    let app = App::start().await;
    let admin = app.admin("org-1");
    // Everything that is needed once is there before the measurement.
    admin.send_build(OTHER, &elf(ELF_AMD64)).await.expect(200);
    admin.get(&format!("/api/tests/builds/{OTHER}/download")).await.expect(200);
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let before = peak_mib();

    let head = bytes::Bytes::from(elf(ELF_AMD64));
    let rest = zeros(SIZE - head.len());
    let content = futures::StreamExt::chain(futures::stream::iter([head]), rest);
    let request = admin.request(Method::POST, &format!("/api/tests/builds/{TEST}/upload-binary"));
    let data = Multipart::new().streamed(request, "file", content).send().await.expect(200).data();
    assert_eq!(data["fileSize"], SIZE);

    let request = admin.request(Method::GET, &format!("/api/tests/builds/{TEST}/download"));
    let mut body = request.open().await.expect("an answer").into_body();
    let mut length = 0;
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        length += frame.expect("no failure").into_data().map_or(0, |it| it.len());
    }
    assert_eq!(length, SIZE);
    let growth = peak_mib().saturating_sub(before);
    assert!(growth < 96, "{growth} MiB more");
}
