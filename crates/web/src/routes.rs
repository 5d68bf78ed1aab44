//! The routing table: which handler answers which method and path, in one list that tests can walk.
//!
//! Paths match without regard to case, duplicate slashes at the start and one at the end (fleet.md
//! §1.8). What matches nothing is answered before anybody is asked who they are.

mod handler;
mod pattern;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

pub use handler::Caller;
use handler::{Boxed, Handler};
use pattern::Pattern;

use crate::{
    Answer, Problem, Request, Response, log,
    openapi::{Described, Operation, Proof},
};

type Otherwise = fn(&Request) -> Option<Response>;

/// Routes are tried in the order in which they were added.
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
    otherwise: Option<Otherwise>,
}

struct Route {
    method: Method,
    pattern: Pattern,
    proof: Option<Proof>,
    description: Option<fn() -> Operation>,
    handler: Boxed,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    pub method: &'a Method,
    pub pattern: &'static str,
    /// Whether the handler demands a proven caller.
    pub closed: bool,
}

impl Routes {
    #[must_use]
    pub fn get<A: 'static>(self, pattern: &'static str, handler: impl Handler<A>) -> Self {
        self.on(Method::GET, pattern, handler)
    }

    #[must_use]
    pub fn post<A: 'static>(self, pattern: &'static str, handler: impl Handler<A>) -> Self {
        self.on(Method::POST, pattern, handler)
    }

    #[must_use]
    pub fn put<A: 'static>(self, pattern: &'static str, handler: impl Handler<A>) -> Self {
        self.on(Method::PUT, pattern, handler)
    }

    #[must_use]
    pub fn patch<A: 'static>(self, pattern: &'static str, handler: impl Handler<A>) -> Self {
        self.on(Method::PATCH, pattern, handler)
    }

    #[must_use]
    pub fn delete<A: 'static>(self, pattern: &'static str, handler: impl Handler<A>) -> Self {
        self.on(Method::DELETE, pattern, handler)
    }

    /// What the route that was added last takes and answers. In a component nobody asks.
    #[must_use]
    pub fn described(mut self, description: fn() -> Operation) -> Self {
        if !cfg!(target_arch = "wasm32")
            && let Some(route) = self.routes.last_mut()
        {
            route.description = Some(description);
        }
        self
    }

    /// What to try for a path that is not in the table.
    #[must_use]
    pub fn otherwise(mut self, answer: Otherwise) -> Self {
        self.otherwise = Some(answer);
        self
    }

    fn on<A, H>(mut self, method: Method, pattern: &'static str, handler: H) -> Self
    where
        A: 'static,
        H: Handler<A>,
    {
        let pattern = Pattern::new(pattern);
        self.routes.push(Route {
            method,
            pattern,
            proof: H::PROOF,
            description: None,
            handler: handler::boxed(handler),
        });
        self
    }

    /// Every route, for tests and descriptions.
    pub fn table(&self) -> impl Iterator<Item = Row<'_>> {
        self.routes.iter().map(|it| Row {
            method: &it.method,
            pattern: it.pattern.text,
            closed: it.proof.is_some(),
        })
    }

    pub(crate) fn descriptions(&self) -> impl Iterator<Item = Described<'_>> {
        self.table().zip(&self.routes).map(|(row, it)| Described {
            row,
            proof: it.proof,
            operation: it.description,
        })
    }

    /// The answer to a request, whatever becomes of it. A 5xx is logged here, once.
    pub async fn answer(&self, request: Request) -> Response {
        if request.method == Method::OPTIONS {
            return preflight();
        }
        let (id, method, target) =
            (request.id.clone(), request.method.clone(), request.target.clone());
        self.dispatch(request).await.unwrap_or_else(|problem| {
            let cause = problem.cause();
            let response = problem.into_response();
            if let Some(cause) = cause {
                let path = target.split('?').next().unwrap_or_default();
                log::failure(&cause, &id, method.as_str(), path, response.status.as_u16());
            }
            response
        })
    }

    async fn dispatch(&self, mut request: Request) -> Answer {
        let method =
            if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
        let here = || self.routes.iter().filter(|it| it.pattern.matches(request.path()));
        if let Some(route) = here().find(|it| it.method == method) {
            request.parameters = route.pattern.parameters(request.path())?;
            return (route.handler)(request).await;
        }
        let mut allowed: Vec<&str> = Vec::new();
        for method in here().map(|it| it.method.as_str()) {
            if !allowed.contains(&method) {
                allowed.push(method);
            }
        }
        if allowed.is_empty() {
            return self.otherwise.and_then(|answer| answer(&request)).ok_or_else(|| {
                Problem::NoRoute {
                    method: request.method.to_string(),
                    target: request.target.clone(),
                }
            });
        }
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        allowed.push("OPTIONS");
        Err(Problem::NoMethod { allow: allowed.join(", ") })
    }
}

/// fleet.md §1.3: any path, anybody.
fn preflight() -> Response {
    Response::empty(StatusCode::NO_CONTENT)
        .with(header::CONTENT_LENGTH, HeaderValue::from_static("0"))
        .with(
            HeaderName::from_static("access-control-allow-methods"),
            HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"),
        )
        .with(
            HeaderName::from_static("access-control-allow-headers"),
            HeaderValue::from_static("Content-Type,Authorization"),
        )
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use http::HeaderMap;

    use super::*;

    async fn named(request: Request) -> Answer {
        Response::data(StatusCode::OK, &request.parameter("id"))
    }

    async fn plain(_: Request) -> Answer {
        Ok(Response::success())
    }

    struct Nobody;

    impl Caller for Nobody {
        const PROOF: Proof = Proof::Person;

        async fn prove(_: &Request) -> Result<Self, Problem> {
            Err(Problem::unauthenticated("Unauthorized"))
        }
    }

    async fn closed(_: Nobody, _: Request) -> Answer {
        Ok(Response::success())
    }

    #[track_caller]
    fn check(method: &str, target: &str, status: u16, body: &str) -> Response {
        let routes = Routes::default()
            .get("/api/things/first", plain)
            .get("/api/things/{id}", named)
            .post("/api/things/{id}", named)
            .patch("/api/closed", closed);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response =
            block_on(routes.answer(Request::fixture(method, target, HeaderMap::new(), &[])));
        let shown = String::from_utf8(response.bytes().to_vec()).unwrap();
        assert_eq!((response.status.as_u16(), shown.as_str()), (status, body), "{target}");
        response
    }

    #[test]
    fn paths_match_leniently() {
        for target in [
            "/api/things/first",
            "/API/Things/FIRST",
            "/api/things/first/",
            "//api/things/first?x=1",
        ] {
            check("GET", target, 200, r#"{"success":true}"#);
        }
    }

    #[test]
    fn parameters_are_decoded() {
        check("GET", "/api/things/a%2Fb%20c", 200, r#"{"success":true,"data":"a/b c"}"#);
        for raw in ["a%2", "%zz", "%ff", "%00"] {
            let body = format!(r#"{{"success":false,"error":"Failed to decode param '{raw}'"}}"#);
            check("GET", &format!("/api/things/{raw}"), 400, &body);
        }
    }

    #[test]
    fn an_unknown_path_is_not_found() {
        let missing = |target: &str| {
            format!(r#"{{"success":false,"error":"Not Found","message":"Cannot GET {target}"}}"#)
        };
        for target in [
            "/api/nope?x=1",
            "/",
            "/api/things",
            "/api/things/",
            "/api/things/a/b",
            "/api//things/first",
        ] {
            check("GET", target, 404, &missing(target));
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let response =
            check("PUT", "/api/things/7", 405, r#"{"success":false,"error":"Method Not Allowed"}"#);
        assert_eq!(response.header(&header::ALLOW).unwrap(), "GET, POST, HEAD, OPTIONS");
        // Two patterns match, and each method is named once.
        let response = check(
            "PUT",
            "/api/things/first",
            405,
            r#"{"success":false,"error":"Method Not Allowed"}"#,
        );
        assert_eq!(response.header(&header::ALLOW).unwrap(), "GET, POST, HEAD, OPTIONS");
        check("GET", "/api/closed", 405, r#"{"success":false,"error":"Method Not Allowed"}"#);
    }

    #[test]
    fn a_closed_handler_does_not_run_without_its_caller() {
        check("PATCH", "/api/closed", 401, r#"{"success":false,"error":"Unauthorized"}"#);
    }

    #[test]
    fn anybody_may_ask_for_options_anywhere() {
        let response = check("OPTIONS", "/api/closed", 204, "");
        let methods =
            response.header(&HeaderName::from_static("access-control-allow-methods")).unwrap();
        assert_eq!(methods, "GET,HEAD,PUT,PATCH,POST,DELETE");
    }

    #[test]
    fn the_table_tells_which_routes_are_closed() {
        let routes = Routes::default().get("/open", plain).patch("/closed", closed);
        let shown: Vec<_> =
            routes.table().map(|it| (it.method.as_str(), it.pattern, it.closed)).collect();
        assert_eq!(shown, [("GET", "/open", false), ("PATCH", "/closed", true)]);
    }

    #[test]
    fn head_is_answered_wherever_get_is() {
        check("HEAD", "/api/things/first", 200, r#"{"success":true}"#);
    }
}
