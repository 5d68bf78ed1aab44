//! How an unknown machine becomes a known agent.

use domain::{
    devices::agent_key, enrollment::is_acceptable_to_agents, ids::AgentId, platform::Platform,
    rate_limit::ENROLLMENT, secrets::Digest, signing::VerifyingKey,
};
use store::{agents::enrollment, enrollment_tokens};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        enrollment::{EnrollError, EnrollRequest, Enrolled, Guest},
        types::{Budget, Fault, Uncounted},
    },
    call::{self, Call},
    configuration, fault, strangers,
};

impl Guest for Component {
    async fn enroll(request: EnrollRequest) -> Result<Enrolled, EnrollError> {
        let call = Call::begin_of_device()?;
        let budget = strangers::count(&call, "enroll", &request.address, ENROLLMENT).await?;
        let update_public_key = update_public_key().await?;
        let update_public_key =
            update_public_key.ok_or(EnrollError::NoSigningKey(budget.into()))?;
        let server_url = server_url().await?;

        let token = Digest::of(&request.token);
        let allowance = enrollment_tokens::find(call.db, &token).await?;
        if allowance.is_none_or(|it| it.check(call.now).is_err()) {
            return Err(EnrollError::Rejected(budget.into()));
        }
        let agent = AgentId(call::random_id());
        let key = agent_key(&call::random());
        let new = enrollment::NewAgent {
            id: &agent,
            hostname: &request.hostname,
            platform: Platform { os: request.os.into(), arch: request.arch.into() },
            agent_version: &request.agent_version,
            key: &Digest::of(key.expose()),
        };
        let Some(org) = enrollment::insert(call.db, new, &token, call.now).await? else {
            return Err(EnrollError::TokenSpent(budget.into()));
        };

        if !is_acceptable_to_agents(&server_url) {
            fault::warn("agents will refuse agent_server_url: it is plain http to another machine");
        }
        Ok(Enrolled {
            agent_id: agent.0,
            agent_key: key.into_exposed(),
            org_id: org.0,
            server_url,
            update_public_key,
            budget: budget.into(),
        })
    }

    async fn count_refused(address: String) -> Result<Budget, Uncounted> {
        let call = Call::begin()?;
        Ok(strangers::count(&call, "enroll", &address, ENROLLMENT).await?.into())
    }

    async fn server_url() -> Result<String, Fault> {
        server_url().await
    }
}

/// Agents put their paths right behind it.
async fn server_url() -> Result<String, Fault> {
    let url = configuration::required("agent_server_url").await?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// Without it an agent would accept unsigned updates for life (D-12).
async fn update_public_key() -> Result<Option<String>, Fault> {
    const VARIABLE: &str = "signing_public_key_b64";
    let Some(text) = configuration::optional(VARIABLE).await? else { return Ok(None) };
    let key = VerifyingKey::from_spki(&text).map_err(|_| fault::misconfigured(VARIABLE))?;
    Ok(Some(key.to_base64()))
}

impl From<Fault> for EnrollError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}

impl From<Uncounted> for EnrollError {
    fn from(it: Uncounted) -> Self {
        match it {
            Uncounted::RateLimited(budget) => Self::RateLimited(budget),
            Uncounted::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<store::Error> for EnrollError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}
