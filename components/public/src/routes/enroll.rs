//! `POST /api/agent/enroll`: a machine spends one use of a token and becomes an agent.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{
    bindings::myrmidon::domain::enrollment::{self, EnrollRequest},
    faults,
};

/// Seconds between an agent's polls.
const POLL_INTERVAL: u32 = 30;

#[derive(JsonSchema, Serialize)]
struct Enrolled {
    agent_id: String,
    agent_key: String,
    org_id: String,
    server_url: String,
    poll_interval: u32,
    update_public_key: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Enroll a machine")
        .body(Rules::LENIENT, read)
        .answers::<Enrolled>(201)
        .refuses(&[401, 409, 429, 503])
}

pub(crate) async fn enroll(mut request: Request) -> Answer {
    let address = request.client_address();
    let asked = match received(&mut request).await {
        Ok(asked) => EnrollRequest { address, ..asked },
        Err(problem) => return Err(refuse(problem, address).await),
    };
    let it = enrollment::enroll(asked).await.map_err(faults::enrollment)?;
    let enrolled = Enrolled {
        agent_id: it.agent_id,
        agent_key: it.agent_key,
        org_id: it.org_id,
        server_url: it.server_url,
        poll_interval: POLL_INTERVAL,
        update_public_key: it.update_public_key,
    };
    Ok(Response::data(StatusCode::CREATED, &enrolled)?.with_budget(&it.budget))
}

async fn received(request: &mut Request) -> Result<EnrollRequest, Problem> {
    schema::read(request.body(Rules::LENIENT).await?, read)
}

/// What cannot be carried out is counted all the same.
async fn refuse(problem: Problem, address: String) -> Problem {
    match enrollment::count_refused(address).await {
        Ok(budget) => problem.counted(budget),
        Err(cause) => faults::uncounted(cause, faults::TOO_MANY_ENROLLMENTS),
    }
}

/// All but the address.
fn read(body: &mut Object<'_>) -> EnrollRequest {
    EnrollRequest {
        token: body.string("token", Text::required(256, "token is required")),
        hostname: body.string("hostname", Text::required(255, "hostname is required")),
        os: body.choice("os"),
        arch: body.choice("arch"),
        agent_version: body
            .string("agent_version", Text::required(64, "agent_version is required")),
        address: String::new(),
    }
}
