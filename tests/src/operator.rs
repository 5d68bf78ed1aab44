//! What people do with a fleet, by the routes for people: tokens, orders, uploads, cancellations.

use http::Method;
use serde_json::{Value, json};

use crate::{Answer, Request, Server, upload::Multipart};

/// Somebody with a token, on some server. Refusals panic unless an [`Answer`] is returned.
#[derive(Clone)]
pub struct Operator {
    server: Server,
    pub org: String,
    token: String,
}

impl Operator {
    pub fn new(server: &Server, org: &str, token: impl Into<String>) -> Self {
        Self { server: server.clone(), org: org.to_owned(), token: token.into() }
    }

    pub fn request(&self, method: Method, target: &str) -> Request<'_> {
        Request::new(&self.server, method, target).bearer(&self.token)
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.request(Method::GET, target).send().await
    }

    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.request(Method::POST, target).json(body).send().await
    }

    pub async fn patch(&self, target: &str, body: &Value) -> Answer {
        self.request(Method::PATCH, target).json(body).send().await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.request(Method::DELETE, target).send().await
    }

    /// An enrollment token, in clear.
    pub async fn mint(&self, max_uses: u32) -> String {
        let order = json!({ "org_id": self.org, "ttl_hours": 24, "max_uses": max_uses });
        text(&self.post("/api/agent/admin/tokens", &order).await.expect(201).data()["token"])
    }

    /// One task for one agent; `kind` is the route's last part, `order` what it needs beyond the agent.
    pub async fn order(&self, kind: &str, agent_id: &str, order: &Value) -> String {
        let mut order = order.clone();
        order["org_id"] = json!(self.org);
        order["agent_ids"] = json!([agent_id]);
        let path = format!("/api/agent/admin/tasks{kind}");
        text(&self.post(&path, &order).await.expect(201).data()["task_ids"][0])
    }

    pub async fn order_command(&self, agent_id: &str, command: &str) -> String {
        self.order("/command", agent_id, &json!({ "command": command })).await
    }

    /// The test must have a build.
    pub async fn order_test(&self, agent_id: &str, test_uuid: &str) -> String {
        let order =
            json!({ "test_uuid": test_uuid, "test_name": "LSASS read", "binary_name": test_uuid });
        self.order("", agent_id, &order).await
    }

    pub async fn order_update(&self, agent_id: &str) -> String {
        self.order("/update", agent_id, &json!({})).await
    }

    pub async fn order_uninstall(&self, agent_id: &str, cleanup: bool) -> String {
        self.order("/uninstall", agent_id, &json!({ "cleanup": cleanup })).await
    }

    /// A schedule of these agents; `timing` is its type, its configuration and what else matters.
    /// The test must have a build.
    pub async fn schedule(&self, agents: &[&str], test_uuid: &str, timing: &Value) -> Answer {
        let mut order = json!({
            "name": "Baseline", "agent_ids": agents, "org_id": self.org, "test_uuid": test_uuid,
            "test_name": "LSASS read", "binary_name": test_uuid,
        });
        let more = timing.as_object().expect("an object").clone();
        order.as_object_mut().expect("an object").extend(more);
        self.post("/api/agent/admin/schedules", &order).await
    }

    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/api/agent/admin/tasks/{id}")).await.expect(200).data()
    }

    pub async fn cancel(&self, id: &str) -> Answer {
        self.request(Method::POST, &format!("/api/agent/admin/tasks/{id}/cancel")).send().await
    }

    pub async fn agent(&self, id: &str) -> Value {
        self.get(&format!("/api/agent/admin/agents/{id}")).await.expect(200).data()
    }

    /// The new key, in clear.
    pub async fn rotate_key(&self, agent_id: &str) -> String {
        let path = format!("/api/agent/admin/agents/{agent_id}/rotate-key");
        text(&self.request(Method::POST, &path).send().await.expect(200).data()["agent_key"])
    }

    pub async fn upload_build(&self, test_uuid: &str, binary: &[u8]) -> Value {
        self.send_build(test_uuid, binary).await.expect(200).data()
    }

    /// [`upload_build`](Self::upload_build), whatever comes of it.
    pub async fn send_build(&self, test_uuid: &str, binary: &[u8]) -> Answer {
        let form = Multipart::new().file("file", "test", binary);
        let path = format!("/api/tests/builds/{test_uuid}/upload-binary");
        form.into_request(self.request(Method::POST, &path)).send().await
    }

    /// What there is to be known of a test's build.
    pub async fn build(&self, test_uuid: &str) -> Value {
        self.get(&format!("/api/tests/builds/{test_uuid}")).await.expect(200).data()
    }

    pub async fn publish(
        &self,
        version: &str,
        platform: (&str, &str),
        mandatory: bool,
        binary: &[u8],
    ) -> Value {
        let form = Multipart::new().text("mandatory", if mandatory { "true" } else { "false" });
        self.send_form(form, version, platform, binary).await.expect(201).data()
    }

    /// [`publish`](Self::publish), whatever comes of it.
    pub async fn send_release(
        &self,
        version: &str,
        platform: (&str, &str),
        binary: &[u8],
    ) -> Answer {
        self.send_form(Multipart::new(), version, platform, binary).await
    }

    async fn send_form(
        &self,
        form: Multipart,
        version: &str,
        (os, arch): (&str, &str),
        binary: &[u8],
    ) -> Answer {
        let form = form.text("version", version).text("os", os).text("arch", arch);
        let form = form.file("binary", "achilles-agent", binary);
        let path = "/api/agent/admin/versions/upload";
        form.into_request(self.request(Method::POST, path)).send().await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
