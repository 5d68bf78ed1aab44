//! Who a person is, and whether what they prove it with is still good.
//!
//! A session or a key costs one statement, which looks, counts and notes the use at once.

mod issued;

use domain::{
    api_keys::{self, STRANGERS},
    permissions::{Role, TABLE},
    rate_limit::{Counted, PERSON},
    secrets::Digest,
    sessions::Kind,
};
use store::{rate_limits, sessions};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        identity::{Caller, Denied, Guest, Permission, Proof},
        types::Fault,
    },
    call::Call,
    fault, session_tokens,
};

impl Guest for Component {
    async fn authenticate(token: Option<String>, address: String) -> Result<Caller, Denied> {
        let call = Call::begin()?;
        match token.as_deref() {
            Some(key) if key.starts_with(api_keys::PREFIX) => by_key(&call, key, &address).await,
            Some(own) if oidc::is_own(own) => by_session(&call, own, &address).await,
            other => by_issuer(&call, other, &address).await,
        }
    }
}

async fn by_issuer(call: &Call, token: Option<&str>, address: &str) -> Result<Caller, Denied> {
    let person = match issued::believe(token, call).await {
        Ok(Some(person)) => person,
        Ok(None) => return Err(stranger(call, address).await?),
        // Whoever's keys we cannot have is a stranger, too, and may not ask for them for ever.
        Err(fault) => {
            return Err(match stranger(call, address).await? {
                limited @ Denied::RateLimited(_) => limited,
                _ => Denied::Fault(fault),
            });
        }
    };
    let key = ["user:", &person.user].concat();
    let counted = rate_limits::count(call.db, &key, PERSON, call.now).await?;
    let claimed = person.role.as_deref().and_then(|it| it.parse::<Role>().ok());
    let role = claimed.unwrap_or(Role::Explorer);
    within(counted)?;
    Ok(Caller {
        user_id: person.user,
        proof: Proof::Issuer,
        role: claimed.map(Into::into),
        session_id: None,
        org_id: person.org,
        permissions: role.permissions().map(|(row, _)| CONTRACT[row]).collect(),
        budget: counted.budget.into(),
    })
}

async fn by_session(call: &Call, token: &str, address: &str) -> Result<Caller, Denied> {
    let session = match session_tokens::key().await?.verify(token, call.now) {
        Ok(session) => session,
        Err(reason) => {
            fault::note(&reason);
            return Err(stranger(call, address).await?);
        }
    };
    let admitted = sessions::admit(call.db, &session.id, session.kind, PERSON, call.now).await?;
    let Some((principal, counted)) = admitted else {
        return Err(stranger(call, address).await?);
    };
    within(counted)?;
    let role = principal.role.unwrap_or(Role::Explorer);
    Ok(Caller {
        user_id: principal.user.0,
        proof: match session.kind {
            Kind::Local => Proof::Account,
            Kind::Cli => Proof::Device,
        },
        role: principal.role.map(Into::into),
        session_id: Some(session.id.0),
        org_id: Some(principal.org.0),
        permissions: role.permissions().map(|(row, _)| CONTRACT[row]).collect(),
        budget: counted.budget.into(),
    })
}

/// Good keys are counted by themselves, so that many behind one address do not share a budget.
async fn by_key(call: &Call, key: &str, address: &str) -> Result<Caller, Denied> {
    let admitted = store::api_keys::admit(call.db, &Digest::of(key), PERSON, call.now).await?;
    let Some((bearer, counted)) = admitted else {
        let limiter = ["key:", address].concat();
        let Counted { budget, allowed } =
            rate_limits::count(call.db, &limiter, STRANGERS, call.now).await?;
        let denied = if allowed { Denied::Unauthenticated } else { Denied::TooManyKeys };
        return Err(denied(budget.into()));
    };
    within(counted)?;
    Ok(Caller {
        user_id: ["apikey:", bearer.id.as_str()].concat(),
        proof: Proof::ApiKey,
        role: None,
        session_id: None,
        org_id: Some(bearer.org.0),
        permissions: bearer.grant.permissions().into_iter().map(|row| CONTRACT[row]).collect(),
        budget: counted.budget.into(),
    })
}

async fn stranger(call: &Call, address: &str) -> Result<Denied, Fault> {
    let key = ["ip:", address].concat();
    let Counted { budget, allowed } = rate_limits::count(call.db, &key, PERSON, call.now).await?;
    let denied = if allowed { Denied::Unauthenticated } else { Denied::RateLimited };
    Ok(denied(budget.into()))
}

fn within(counted: Counted) -> Result<(), Denied> {
    if counted.allowed { Ok(()) } else { Err(Denied::RateLimited(counted.budget.into())) }
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<store::Error> for Denied {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// The contract's words, row by row of the domain's table.
const CONTRACT: [Permission; TABLE.len()] = [
    Permission::TestsLibraryRead,
    Permission::TestsBuildsRead,
    Permission::TestsBuildsCreate,
    Permission::TestsBuildsDelete,
    Permission::TestsSyncExecute,
    Permission::AnalyticsDashboardsRead,
    Permission::AnalyticsSettingsRead,
    Permission::AnalyticsSettingsWrite,
    Permission::AnalyticsIndexCreate,
    Permission::AnalyticsRiskRead,
    Permission::AnalyticsRiskWrite,
    Permission::EndpointsAgentsRead,
    Permission::EndpointsAgentsWrite,
    Permission::EndpointsAgentsDelete,
    Permission::EndpointsTokensCreate,
    Permission::EndpointsTokensDelete,
    Permission::EndpointsTasksRead,
    Permission::EndpointsTasksCreate,
    Permission::EndpointsTasksCancel,
    Permission::EndpointsTasksDelete,
    Permission::EndpointsTasksNotes,
    Permission::EndpointsTasksCommand,
    Permission::EndpointsSchedulesRead,
    Permission::EndpointsSchedulesCreate,
    Permission::EndpointsSchedulesWrite,
    Permission::EndpointsSchedulesDelete,
    Permission::EndpointsVersionsRead,
    Permission::EndpointsVersionsCreate,
    Permission::EndpointsVersionsDelete,
    Permission::SettingsPlatformRead,
    Permission::SettingsPlatformWrite,
    Permission::SettingsCertificatesRead,
    Permission::SettingsCertificatesCreate,
    Permission::SettingsCertificatesDelete,
    Permission::SettingsUsersManage,
    Permission::IntegrationsRead,
    Permission::IntegrationsWrite,
];
