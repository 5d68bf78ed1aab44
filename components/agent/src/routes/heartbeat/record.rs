//! `POST /api/agent/heartbeat`: the agent is there, and this is how it fares.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    contract::{Json, Timestamp},
    instant,
    openapi::Operation,
    schema,
};

use super::body;
use crate::{
    bindings::myrmidon::domain::presence::{self, Heartbeat},
    caller::Device,
    faults,
};

#[derive(JsonSchema, Serialize)]
struct Reply {
    acknowledged: bool,
    server_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_api_key: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Report how the agent fares")
        .body(Rules::LENIENT, body::schema)
        .answers::<Reply>(200)
}

pub(crate) async fn record(device: Device, mut request: Request) -> Answer {
    let heartbeat = match read(&mut request).await {
        Ok(heartbeat) => heartbeat,
        Err(problem) => return Err(device.refuse(problem).await),
    };
    let credentials = device.credentials();
    let it = presence::beat(&credentials, &heartbeat).map_err(faults::heartbeat)?;
    let new_api_key = match it.pending_key {
        None => None,
        Some(sealed) => presence::open_pending_key(credentials, sealed).await,
    };
    let reply = Reply { acknowledged: true, server_time: it.server_time, new_api_key };
    Ok(Response::data(StatusCode::OK, &reply)?.with_budget(&it.budget))
}

async fn read(request: &mut Request) -> Result<Heartbeat, Problem> {
    let body = schema::read(request.body(Rules::LENIENT).await?, body::schema)?;
    let sent_at = Timestamp { unix_ms: instant::parse(&body.timestamp).ok_or_else(faults::stale)? };
    Ok(Heartbeat {
        sent_at,
        reconnect: json(&body.reconnect())?,
        body: json(&body)?,
        agent_version: body.agent_version,
    })
}

fn json(value: &impl Serialize) -> Result<Json, Problem> {
    let text = serde_json::to_string(value).map_err(|it| Problem::Unpresentable(it.to_string()))?;
    Ok(Json { text })
}
