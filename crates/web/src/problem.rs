//! What can be wrong with a request, or with us, and the one place that chooses its status and text.
//!
//! Texts are those of fleet.md §1.6, which clients show. What went wrong inside goes to the log.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{
    Response,
    contract::{AccountField, AccountFlaw, Budget, Fault, FieldFlaw},
};

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Keys and indexes joined with `.`; empty for the whole.
    pub path: String,
    pub message: Cow<'static, str>,
}

#[derive(Debug)]
pub enum Problem {
    /// Anything that has a status and a text of its own.
    Refused(StatusCode, Cow<'static, str>),
    Invalid(Vec<Issue>),
    /// What somebody chose for an account, in the shape that platform.md gives it.
    Flawed(Vec<FieldFlaw>),
    /// Nothing is at this path. With the method and the target as they were received.
    NoRoute {
        method: String,
        target: String,
    },
    /// The path exists; these are its methods.
    NoMethod {
        allow: String,
    },
    /// A budget is spent. With the limiter's own text.
    RateLimited(Budget, &'static str),
    /// Any other problem, of a caller whose request was counted.
    Counted(Budget, Box<Problem>),
    Fault(Fault),
    /// A value of ours that has no JSON. With the cause.
    Unpresentable(String),
}

impl Problem {
    pub fn refused(status: StatusCode, error: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(status, error.into())
    }

    pub fn bad_request(error: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, error)
    }

    pub fn unauthenticated(error: &'static str) -> Self {
        Self::refused(StatusCode::UNAUTHORIZED, error)
    }

    pub fn forbidden(error: &'static str) -> Self {
        Self::refused(StatusCode::FORBIDDEN, error)
    }

    pub fn conflict(error: &'static str) -> Self {
        Self::refused(StatusCode::CONFLICT, error)
    }

    pub fn not_found(error: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, error)
    }

    pub fn invalid(path: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![Issue { path: path.into(), message: message.into() }])
    }

    #[must_use]
    pub fn counted(self, budget: Budget) -> Self {
        Self::Counted(budget, Box::new(self))
    }

    /// What belongs into the log and nowhere else: the cause of an answer that is our own fault.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Fault(Fault::Misconfigured(what)) => Some(format!("misconfigured: {what}")),
            Self::Fault(Fault::Unavailable) => Some("the domain is unavailable".to_owned()),
            Self::Unpresentable(cause) => Some(format!("a value has no JSON: {cause}")),
            Self::Refused(status, error) if status.is_server_error() => {
                Some(error.clone().into_owned())
            }
            Self::Counted(_, problem) => problem.cause(),
            Self::Refused(..)
            | Self::Invalid(_)
            | Self::Flawed(_)
            | Self::NoRoute { .. }
            | Self::NoMethod { .. }
            | Self::RateLimited(..) => None,
        }
    }

    pub fn into_response(self) -> Response {
        match self {
            Self::Refused(status, error) => failure(status, &error),
            Self::Invalid(issues) => validation(&issues),
            Self::Flawed(flaws) => flawed(&flaws),
            Self::NoRoute { method, target } => {
                let message = format!("Cannot {method} {target}");
                answer(
                    StatusCode::NOT_FOUND,
                    &NotFound { success: false, error: "Not Found", message: &message },
                )
            }
            Self::NoMethod { allow } => {
                let allow = HeaderValue::try_from(allow).expect("method names are a header value");
                failure(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
                    .with(header::ALLOW, allow)
            }
            Self::RateLimited(budget, error) => failure(StatusCode::TOO_MANY_REQUESTS, error)
                .with(header::RETRY_AFTER, budget.reset_seconds.into())
                .with_budget(&budget),
            Self::Counted(budget, problem) => problem.into_response().with_budget(&budget),
            Self::Fault(Fault::Misconfigured(what)) if what == "schema_outdated" => {
                failure(StatusCode::SERVICE_UNAVAILABLE, "schema_outdated")
            }
            Self::Fault(Fault::Misconfigured(_) | Fault::Unavailable) => {
                failure(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Self::Unpresentable(_) => {
                failure(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: &'a str,
}

#[derive(Serialize)]
struct NotFound<'a> {
    success: bool,
    error: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Invalid<'a> {
    success: bool,
    error: String,
    details: &'a [Issue],
}

fn failure(status: StatusCode, error: &str) -> Response {
    answer(status, &Failure { success: false, error })
}

/// The summary names the first three issues, the details all.
fn validation(issues: &[Issue]) -> Response {
    let shown = issues.iter().take(3).map(|Issue { path, message }| match path.as_str() {
        "" => message.to_string(),
        path => format!("{path}: {message}"),
    });
    let error = format!("Validation failed: {}", shown.collect::<Vec<_>>().join("; "));
    answer(StatusCode::BAD_REQUEST, &Invalid { success: false, error, details: issues })
}

#[derive(Serialize)]
struct Flawed<'a> {
    success: bool,
    error: &'a str,
    errors: Vec<Flaw>,
}

#[derive(Serialize)]
struct Flaw {
    path: [&'static str; 1],
    code: &'static str,
    message: &'static str,
}

fn flawed(flaws: &[FieldFlaw]) -> Response {
    let errors = flaws.iter().map(|it| {
        let (code, message) = told(it.flaw);
        Flaw { path: [field(it.field)], code, message }
    });
    let error = "Validation failed";
    answer(StatusCode::BAD_REQUEST, &Flawed { success: false, error, errors: errors.collect() })
}

fn field(field: AccountField) -> &'static str {
    match field {
        AccountField::Email => "email",
        AccountField::Name => "name",
        AccountField::Password => "password",
    }
}

fn told(flaw: AccountFlaw) -> (&'static str, &'static str) {
    match flaw {
        AccountFlaw::Missing => ("invalid_type", "A text is required"),
        AccountFlaw::InvalidEmail => ("invalid_email", "A valid email address is required"),
        AccountFlaw::Empty => ("too_small", "At least 1 character is required"),
        AccountFlaw::TooLong => ("too_big", "At most 200 characters are allowed"),
        AccountFlaw::WeakShort => ("too_small", "At least 8 characters are required"),
        AccountFlaw::WeakLong => ("too_big", "At most 128 characters are allowed"),
        AccountFlaw::WeakCommon => ("too_common", "This password is among the most common ones"),
    }
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    Response::json(status, body)
        .unwrap_or_else(|_| Response::empty(StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(problem: Problem, status: u16, body: &str) {
        let response = problem.into_response();
        assert_eq!(
            (response.status.as_u16(), response.bytes().as_ref()),
            (status, body.as_bytes())
        );
    }

    #[test]
    fn each_problem_has_its_documented_envelope() {
        check(
            Problem::not_found("Agent not found"),
            404,
            r#"{"success":false,"error":"Agent not found"}"#,
        );
        check(
            Problem::NoRoute { method: "GET".into(), target: "/api/nope?x=1".into() },
            404,
            r#"{"success":false,"error":"Not Found","message":"Cannot GET /api/nope?x=1"}"#,
        );
        check(
            Problem::invalid("", "Invalid input: expected object, received array"),
            400,
            concat!(
                r#"{"success":false,"error":"Validation failed: Invalid input: expected object, received array","#,
                r#""details":[{"path":"","message":"Invalid input: expected object, received array"}]}"#
            ),
        );
    }

    #[test]
    fn the_summary_stops_at_three_issues() {
        let issue = |path: &str| Issue { path: path.into(), message: "bad".into() };
        let response = Problem::Invalid(["a", "b", "c", "d"].map(issue).to_vec()).into_response();
        let body = String::from_utf8(response.bytes().to_vec()).unwrap();
        assert!(body.contains(r#""error":"Validation failed: a: bad; b: bad; c: bad","#), "{body}");
        assert!(body.contains(r#"{"path":"d","message":"bad"}"#), "{body}");
    }

    #[test]
    fn what_failed_inside_stays_inside() {
        let fault = || Problem::Fault(Fault::Misconfigured("encryption_secret".into()));
        assert_eq!(fault().cause().as_deref(), Some("misconfigured: encryption_secret"));
        check(fault(), 503, r#"{"success":false,"error":"Service Unavailable"}"#);
        check(
            Problem::Fault(Fault::Misconfigured("schema_outdated".into())),
            503,
            r#"{"success":false,"error":"schema_outdated"}"#,
        );
    }

    #[test]
    fn a_spent_budget_says_when_to_come_back() {
        let budget = Budget { limit: 30, window_seconds: 60, remaining: 0, reset_seconds: 17 };
        let response = Problem::RateLimited(budget, "Too many agent requests, try again later")
            .into_response();
        assert_eq!(response.status, 429);
        assert_eq!(response.header(&header::RETRY_AFTER).unwrap(), "17");
    }
}
