//! People with an account here: made by an administrator, signed in with a password or on a device.

use serde_json::{Value, json};

use crate::{Answer, App, Request};

pub const PASSWORD: &str = "correct horse battery";

/// A session, and whose it is.
#[derive(Clone)]
pub struct SignedIn {
    pub app: App,
    pub user: String,
    pub access_token: String,
    pub refresh_token: String,
    is_device: bool,
}

impl SignedIn {
    /// Somebody new of this organisation and role, signed in.
    pub async fn start(app: &App, org: &str, email: &str, role: &str) -> Self {
        let wish =
            json!({"email": email, "name": "Ada Lovelace", "password": PASSWORD, "role": role});
        app.admin(org).post("/api/users", &wish).await.expect(201);
        Self::again(app, email).await
    }

    /// Another session of somebody who has an account.
    pub async fn again(app: &App, email: &str) -> Self {
        let data = sign_in(app, email, PASSWORD).await.expect(200).data();
        Self::from(app, &data, &data["user"]["id"], false)
    }

    fn from(app: &App, tokens: &Value, user: &Value, is_device: bool) -> Self {
        Self {
            app: app.clone(),
            user: text(user),
            access_token: text(&tokens["access_token"]),
            refresh_token: text(&tokens["refresh_token"]),
            is_device,
        }
    }

    /// A device that this person approves.
    pub async fn device(&self) -> Self {
        let started = start_device(&self.app).await.expect(200).data();
        let code = json!({"user_code": started["user_code"]});
        self.app
            .post("/api/cli/auth/verify")
            .bearer(&self.access_token)
            .json(&code)
            .send()
            .await
            .expect(200);
        let claimed = poll(&self.app, &started["device_code"]).await.expect(200).data();
        Self::from(&self.app, &claimed, &claimed["user_id"], true)
    }

    fn family(&self) -> &'static str {
        if self.is_device { "/api/cli/auth" } else { "/api/auth" }
    }

    pub fn get(&self, target: &str) -> Request<'_> {
        self.app.get(target).bearer(&self.access_token)
    }

    /// Whether the access token opens anything.
    pub async fn is_somebody(&self) -> bool {
        self.get("/api/agent/admin/tasks").send().await.status != 401
    }

    pub async fn refresh(&self) -> Answer {
        refresh(&self.app, self.family(), &self.refresh_token).await
    }

    pub async fn sign_out(&self) {
        let body = json!({"refresh_token": self.refresh_token});
        let path = format!("{}/logout", self.family());
        self.app.post(&path).json(&body).send().await.expect(200);
    }
}

pub async fn sign_in(app: &App, email: &str, password: &str) -> Answer {
    app.post("/api/auth/login").json(&json!({"email": email, "password": password})).send().await
}

/// `family` is where the token came from: `/api/auth` or `/api/cli/auth`.
pub async fn refresh(app: &App, family: &str, token: &str) -> Answer {
    app.post(&format!("{family}/refresh")).json(&json!({"refresh_token": token})).send().await
}

/// As the public CLI asks: a JSON content type, and no body.
pub async fn start_device(app: &App) -> Answer {
    let request = app.post("/api/cli/auth/device-code").header("content-type", "application/json");
    request.header("user-agent", "achilles-cli/0.1.0").send().await
}

pub async fn poll(app: &App, device_code: &Value) -> Answer {
    let request = app.post("/api/cli/auth/poll").header("user-agent", "achilles-cli/0.1.0");
    request.json(&json!({"device_code": device_code})).send().await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
