//! The agent's HTTP client: retries and redirects (§8.2).

use std::{sync::Arc, time::Duration};

use http::{Method, header};
use serde_json::Value;

use super::Agent;
use crate::{Answer, server::Unreachable};

/// Waits between the attempts of one call; one more attempt than waits.
const WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const REDIRECTS: u32 = 9;

/// A place in the life of a request where something may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub when: When,
    pub method: Method,
    /// With its query.
    pub target: Arc<str>,
    /// From 1, within one call.
    pub attempt: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    BeforeRequest,
    AfterAnswer,
}

/// What becomes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// The connection breaks: there is no answer, whatever the server did.
    Cut,
    /// A proxy answers in the server's place. After an answer: the server's is lost.
    Status(u16),
}

impl Moment {
    /// Whether this is the request before it is sent, or (`after`) when its answer has come.
    pub fn is(&self, when: When, method: &Method, part: &str) -> bool {
        self.when == when && self.method == *method && self.target.contains(part)
    }
}

impl Agent {
    /// Network errors, 429 and 5xx are tried again, all else is an answer.
    pub(super) async fn call(
        &self,
        method: &Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Unreachable> {
        let mut attempt = 1;
        loop {
            let answer = self.attempt(method, target, body, attempt).await;
            let is_final = answer.as_ref().is_ok_and(|it| !is_transient(it.status.as_u16()));
            let wait = WAITS.get(attempt as usize - 1);
            match (is_final, wait) {
                (true, _) => return answer,
                (false, Some(wait)) => (self.pause)(*wait).await,
                (false, None) => {
                    return Err(match answer {
                        Ok(answer) => Unreachable(format!("status {}", answer.status)),
                        Err(error) => error,
                    });
                }
            }
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        method: &Method,
        target: &str,
        body: Option<&Value>,
        attempt: u32,
    ) -> Result<Answer, Unreachable> {
        let mut moment = Moment {
            when: When::BeforeRequest,
            method: method.clone(),
            target: target.into(),
            attempt,
        };
        if let Some(answer) = interrupted((self.watch)(moment.clone()).await)? {
            return Ok(answer);
        }
        let answer = self.follow(method, target, body).await?;
        moment.when = When::AfterAnswer;
        Ok(interrupted((self.watch)(moment).await)?.unwrap_or(answer))
    }

    /// A secret never follows to another host.
    async fn follow(
        &self,
        method: &Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Unreachable> {
        let (mut method, mut target, mut body) = (method.clone(), target.to_owned(), body);
        for _ in 0..=REDIRECTS {
            let mut request = self.request(method.clone(), &target);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.try_send().await?;
            let location = answer.headers.get(header::LOCATION).and_then(|it| it.to_str().ok());
            let (301 | 302 | 303 | 307 | 308, Some(location)) = (answer.status.as_u16(), location)
            else {
                return Ok(answer);
            };
            if !location.starts_with('/') || location.starts_with("//") {
                return Err(Unreachable(format!("redirected to another host: {location}")));
            }
            location.clone_into(&mut target);
            if matches!(answer.status.as_u16(), 301..=303) {
                (method, body) = (Method::GET, None);
            }
        }
        Err(Unreachable("stopped after 10 redirects".into()))
    }
}

fn interrupted(verdict: Verdict) -> Result<Option<Answer>, Unreachable> {
    match verdict {
        Verdict::Pass => Ok(None),
        Verdict::Cut => Err(Unreachable("connection reset".into())),
        Verdict::Status(status) => Ok(Some(Answer {
            status: http::StatusCode::from_u16(status)
                .map_err(|error| Unreachable(error.to_string()))?,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        })),
    }
}

pub(super) fn is_transient(status: u16) -> bool {
    status == 429 || status >= 500
}
