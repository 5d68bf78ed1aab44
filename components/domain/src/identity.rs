//! Who a person is.

use std::sync::OnceLock;

use domain::{
    permissions::{Role, TABLE},
    rate_limit::{Counted, PERSON},
};
use oidc::{Keys, Person, PublicKey, Settings};
use store::rate_limits;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        identity::{Caller, Denied, Guest, Permission},
        types::Fault,
    },
    call::Call,
    configuration::optional,
    fault,
    issuer::Issuer,
    values::KeyValues,
};

impl Guest for Component {
    async fn authenticate(token: Option<String>, address: String) -> Result<Caller, Denied> {
        let call = Call::begin().await?;
        let Some(person) = believe(token.as_deref(), &call).await? else {
            let Counted { budget, allowed } = count(&call, "ip", &address).await?;
            let denied = if allowed { Denied::Unauthenticated } else { Denied::RateLimited };
            return Err(denied(budget.into()));
        };
        let Counted { budget, allowed } = count(&call, "user", &person.user).await?;
        if !allowed {
            return Err(Denied::RateLimited(budget.into()));
        }
        let role = Role::of_claim(person.role.as_deref());
        Ok(Caller {
            user_id: person.user,
            org_id: person.org,
            permissions: role.permissions().map(|(row, _)| CONTRACT[row]).collect(),
            budget: budget.into(),
        })
    }
}

async fn count(call: &Call, kind: &str, who: &str) -> Result<Counted, Fault> {
    Ok(rate_limits::count(call.db, &format!("{kind}:{who}"), PERSON, call.now).await?)
}

/// None for whoever brings no token, or one that is not believed. Keys of agents and machines are
/// not even looked at (D-01).
async fn believe(token: Option<&str>, call: &Call) -> Result<Option<Person>, Fault> {
    let is_key = |it: &&str| it.starts_with("ak_") || it.starts_with("pa_");
    let is_compact = |it: &&str| it.bytes().filter(|byte| *byte == b'.').count() == 2;
    let Some(token) = token.filter(|it| !is_key(it) && is_compact(it)) else { return Ok(None) };
    let issuer = Issuer(KeyValues::open().await?);
    match oidc::verify(settings().await?, &issuer, token, call.now).await {
        Ok(person) => Ok(Some(person)),
        Err(oidc::Denied::Rejected(reason)) => {
            fault::note(&reason);
            Ok(None)
        }
        Err(oidc::Denied::Unavailable(error)) => Err(fault::unavailable(&error)),
    }
}

/// Read once per instance, unless something is wrong with them.
async fn settings() -> Result<&'static Settings, Fault> {
    static READ: OnceLock<Settings> = OnceLock::new();
    if let Some(settings) = READ.get() {
        return Ok(settings);
    }
    let settings = Settings {
        keys: keys().await?,
        issuer: optional("auth_issuer").await?,
        audiences: list("auth_audience").await?,
        authorized_parties: list("auth_authorized_parties").await?,
    };
    Ok(READ.get_or_init(|| settings))
}

const PEM: &str = "auth_public_key_pem";
const URL: &str = "auth_jwks_url";

async fn keys() -> Result<Keys, Fault> {
    if let Some(pem) = optional(PEM).await? {
        let key = PublicKey::from_pem(&pem).map_err(|_| fault::misconfigured(PEM))?;
        return Ok(Keys::Fixed(key));
    }
    match optional(URL).await? {
        Some(url) => Ok(Keys::Remote(url)),
        None => Err(fault::misconfigured(URL)),
    }
}

/// Separated by commas.
async fn list(name: &'static str) -> Result<Vec<String>, Fault> {
    let text = optional(name).await?.unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    Ok(entries.map(str::to_owned).collect())
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
