//! Who calls: a device that presents an agent's id and key (fleet.md §2.2).
//!
//! Here only the shape is checked. The domain proves the key in the same statement that does the
//! work, so that a device costs one statement; whatever fails, the caller learns the same.

use web::{
    Caller, Problem, Request,
    contract::{self, Timestamp},
    header, instant,
    log::{self, Level},
    openapi::Proof,
};

use crate::{
    bindings::myrmidon::domain::task_queue::{self, Window},
    faults,
};

/// Credentials of the right shape. The domain takes them with every question.
pub(crate) struct Device(contract::Device);

impl Caller for Device {
    const PROOF: Proof = Proof::Device;

    async fn prove(request: &Request) -> Result<Self, Problem> {
        presented(request).map(Self).ok_or_else(faults::unauthenticated)
    }
}

impl Device {
    pub(crate) fn credentials(self) -> contract::Device {
        self.0
    }

    /// For a request that cannot be carried out: it is counted all the same, and only a device
    /// that proves itself learns what is wrong.
    pub(crate) async fn refuse(self, problem: Problem) -> Problem {
        self.count_refused(Window::Requests, problem).await
    }

    /// As [`Device::refuse`], of a result: what is wrong with one costs no polls (D-08, D-68).
    pub(crate) async fn refuse_result(self, problem: Problem) -> Problem {
        self.count_refused(Window::Results, problem).await
    }

    async fn count_refused(self, window: Window, problem: Problem) -> Problem {
        match task_queue::count_refused(self.0, window).await {
            Ok(budget) => problem.counted(budget),
            Err(turned_away) => faults::turned_away(turned_away),
        }
    }
}

/// Step 1 of §2.2 and the grammar of step 7.
fn presented(request: &Request) -> Option<contract::Device> {
    let mut parts = request.header(header::AUTHORIZATION)?.split(' ');
    let (Some("Bearer"), Some(key), None) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let agent_id = request.header(AGENT_ID).filter(|it| is_uuid(it))?;
    if !key.starts_with("ak_") {
        return None;
    }
    let Some(sent_at) = request.header(REQUEST_TIMESTAMP) else {
        log::event(Level::Warn, "missing X-Request-Timestamp", request);
        return None;
    };
    Some(contract::Device {
        agent_id: agent_id.to_owned(),
        key: key.to_owned(),
        requested_at: Timestamp { unix_ms: instant::parse(sent_at)? },
        address: request.client_address(),
    })
}

const AGENT_ID: web::HeaderName = web::HeaderName::from_static("x-agent-id");
const REQUEST_TIMESTAMP: web::HeaderName = web::HeaderName::from_static("x-request-timestamp");

/// We give out nothing else, so nothing else can be an agent's.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, it)| match at {
            8 | 13 | 18 | 23 => it == b'-',
            _ => it.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use web::{HeaderMap, HeaderValue, Method};

    use super::*;

    const ID: (&str, &str) = ("x-agent-id", "8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11");
    const KEY: (&str, &str) = ("authorization", "Bearer ak_9a41");
    const AT: (&str, &str) = ("x-request-timestamp", "2026-07-11T14:24:22Z");

    fn device(sent: &[(&'static str, &'static str)]) -> Option<contract::Device> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        presented(&Request::fixture(Method::GET, "/api/agent/tasks", headers, &[]))
    }

    #[test]
    fn well_shaped_credentials_are_presented() {
        let device = device(&[ID, KEY, AT]).unwrap();
        assert_eq!(device.agent_id, ID.1);
        assert_eq!(device.key, "ak_9a41");
        assert_eq!(device.requested_at.unix_ms, 1_783_779_862_000);
    }

    #[test]
    fn any_other_shape_is_nobody() {
        for authorization in
            ["bearer ak_9a41", "Bearer  ak_9a41", "Bearer ak_9a41 ", "Bearer 9a41", "ak_9a41", ""]
        {
            assert!(
                device(&[ID, ("authorization", authorization), AT]).is_none(),
                "{authorization:?}"
            );
        }
        for id in [
            "",
            "agent-001",
            "8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b1g",
            "8c1f0a526f0d4a388a0e0d7c4d9f6b11",
        ] {
            assert!(device(&[("x-agent-id", id), KEY, AT]).is_none(), "{id:?}");
        }
        for at in ["", "not-a-date", "1783779862", "1783779862000"] {
            assert!(device(&[ID, KEY, ("x-request-timestamp", at)]).is_none(), "{at:?}");
        }
        assert!(device(&[ID, ID, KEY, AT]).is_none(), "two ids");
        assert!(
            device(&[KEY, AT]).is_none()
                && device(&[ID, AT]).is_none()
                && device(&[ID, KEY]).is_none()
        );
    }
}
