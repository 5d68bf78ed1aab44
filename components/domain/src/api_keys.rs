//! Keys of machines that act for an organisation.

use domain::{
    api_keys,
    ids::{ApiKeyId, OrgId, UserId},
    secrets::Digest,
    time::Span,
};
use store::api_keys::{ApiKey as Kept, insert, list, revoke};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        api_keys::{ApiKey, Guest, Life, Minted},
        types::{Actor, Fault, KeyScope},
    },
    call::{self, Call},
};

impl Guest for Component {
    async fn mint(
        by: Actor,
        name: String,
        scope: KeyScope,
        life: Life,
    ) -> Result<Option<Minted>, Fault> {
        let call = Call::begin()?;
        let expires_at = match life {
            Life::Endless => None,
            Life::Until(instant) => Some(instant.into()),
            Life::Days(days) => Some(call.now + Span::days(days.into())),
        };
        if expires_at.is_some_and(|it| it <= call.now) {
            return Ok(None);
        }
        let secret = api_keys::key(&call::random());
        let entry = audit::entry(&call, &by, "api_key.create");
        let key = Kept {
            id: ApiKeyId(call::random_id()),
            name,
            prefix: api_keys::shown(&secret),
            grant: scope.into(),
            created_at: call.now,
            created_by: UserId(by.user_id),
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let (org, digest) = (OrgId(by.org_id), Digest::of(secret.expose()));
        insert(call.db, &org, &key, &digest, &entry).await?;
        audit::seal(&call, &org).await;
        Ok(Some(Minted { key: key.into(), secret: secret.into_exposed() }))
    }

    async fn list(by: Actor, limit: u32, offset: u32) -> Result<Vec<ApiKey>, Fault> {
        let call = Call::begin()?;
        let keys = list(call.db, &OrgId(by.org_id), (limit, offset)).await?;
        Ok(keys.into_iter().map(Into::into).collect())
    }

    async fn revoke(by: Actor, id: String) -> Result<bool, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "api_key.revoke");
        let org = OrgId(by.org_id);
        let revoked = revoke(call.db, &org, &ApiKeyId(id), call.now, &entry).await?;
        audit::seal(&call, &org).await;
        Ok(revoked)
    }
}

impl From<Kept> for ApiKey {
    fn from(it: Kept) -> Self {
        Self {
            id: it.id.0,
            name: it.name,
            prefix: it.prefix,
            scope: it.grant.into(),
            created_at: it.created_at.into(),
            expires_at: it.expires_at.map(Into::into),
            last_used_at: it.last_used_at.map(Into::into),
            revoked_at: it.revoked_at.map(Into::into),
        }
    }
}
