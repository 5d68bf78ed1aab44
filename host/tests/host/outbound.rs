//! Requests that guests make.

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Running, manifest, wasm};

/// A server that answers every request with its request line.
async fn server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..read]);
            let line = text.lines().next().unwrap_or_default();
            let answer =
                format!("HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n{line}", line.len());
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    address
}

fn allowing(hosts: &str, rest: &str) -> Running {
    Running::new(&manifest(&format!("allowed_outbound_hosts = {hosts}"), rest))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_goes_out() {
    let address = server().await;
    let app = allowing(&format!(r#"["http://{address}"]"#), "");
    let answer = app.get(&format!("/send?http://{address}/a?b=c")).await;
    assert_eq!(answer, (StatusCode::ACCEPTED, "GET /a?b=c HTTP/1.1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_stays_in() {
    let address = server().await;
    let app = allowing(r#"["http://example.com"]"#, "");
    let (status, error) = app.get(&format!("/send?http://{address}/")).await;
    assert_eq!(status, 422);
    assert!(error.contains("HttpRequestDenied"), "{error}");
    let (status, _) = app.get("/send?http://self/count").await;
    assert_eq!(status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_hosts_may_come_from_variables() {
    let address = server().await;
    let variables = format!("[variables]\nupstream = {{ default = \"{address}\" }}");
    let app = allowing(r#"["http://{{ upstream }}"]"#, &variables);
    assert_eq!(app.get(&format!("/send?http://{address}/")).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_may_call_itself() {
    let app = allowing(r#"["http://self"]"#, "");
    for url in ["http://self/headers", "http://self.alt/headers"] {
        let (status, headers) = app.get(&format!("/send?{url}")).await;
        assert_eq!(status, 200, "{headers}");
        assert!(headers.contains("spin-path-info: /headers\n"), "{headers}");
    }
    assert_eq!(app.get("/send?http://self/send?http://self/nothing").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_may_call_another_by_its_id() {
    let guest = wasm("host_guest");
    let rest = format!(
        r#"
        [[trigger.http]]
        route = {{ private = true }}
        component = "inner"
        [component.inner]
        source = "{}"
        environment = {{ WHO = "inner" }}
        "#,
        guest.display()
    );
    let app = allowing(r#"["http://inner.spin.internal"]"#, &rest);
    let answer = app.get("/send?http://inner.spin.internal/environment").await;
    assert_eq!(answer, (StatusCode::OK, "WHO=inner\n".into()));
    assert_eq!(app.get("/send?http://other.spin.internal/environment").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_is_an_error() {
    let app = allowing(r#"["*://127.0.0.1:*"]"#, "");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (status, _) = app.get(&format!("/send?http://{closed}/")).await;
    assert_eq!(status, 422);
    // Not TLS at the other end: an error, too, and not a panic for want of a provider.
    let address = server().await;
    let (status, error) = app.get(&format!("/send?https://{address}/")).await;
    assert_eq!(status, 422);
    assert!(error.contains("Tls"), "{error}");
}
