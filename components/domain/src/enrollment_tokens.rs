//! The tokens that let machines enroll themselves.

use domain::{
    enrollment::{self, Allowance},
    ids::{OrgId, TokenId, UserId},
    secrets::Digest,
    time::Span,
};
use store::enrollment_tokens;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        enrollment_tokens::{Guest, Minted, NewToken, Token, TokenPage, TokenPosition},
        types::{Actor, Fault},
    },
    call::{self, Call},
};

impl Guest for Component {
    async fn mint(by: Actor, token: NewToken) -> Result<Minted, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "token.create");
        let secret = enrollment::token(&call::random());
        let minted = enrollment_tokens::Token {
            id: TokenId(call::sortable_id(call.now)),
            org: OrgId(by.org_id),
            allowance: Allowance {
                expires_at: call.now + Span::hours(token.ttl_hours.into()),
                max_uses: token.max_uses,
                use_count: 0,
            },
            metadata: token.metadata.text,
            created_at: call.now,
            created_by: UserId(by.user_id),
        };
        let digest = Digest::of(secret.expose());
        enrollment_tokens::insert(call.db, &minted, &digest, &entry).await?;
        audit::seal(&call, &minted.org).await;
        Ok(Minted {
            token: secret.into_exposed(),
            id: minted.id.0,
            expires_at: minted.allowance.expires_at.into(),
            max_uses: minted.allowance.max_uses,
        })
    }

    async fn list_active(
        by: Actor,
        limit: u32,
        offset: u32,
        after: Option<TokenPosition>,
    ) -> Result<TokenPage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let total = enrollment_tokens::count_active(call.db, &org, call.now).await?;
        let page = enrollment_tokens::Page {
            limit: limit.saturating_add(1),
            offset: if after.is_some() { 0 } else { offset },
            after: after.as_ref().map(|it| (it.created_at.into(), &*it.id)),
        };
        let mut tokens = match limit {
            0 => Vec::new(),
            // One more than is shown tells whether there is more.
            _ => enrollment_tokens::list_active(call.db, &org, page, call.now).await?,
        };
        let more = tokens.len() > limit as usize;
        tokens.truncate(limit as usize);
        let next = tokens
            .last()
            .filter(|_| more)
            .map(|it| TokenPosition { created_at: it.created_at.into(), id: it.id.0.clone() });
        Ok(TokenPage { tokens: tokens.into_iter().map(Into::into).collect(), total, next })
    }

    async fn revoke(by: Actor, id: String) -> Result<bool, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "token.revoke");
        let org = OrgId(by.org_id);
        let revoked = enrollment_tokens::delete(call.db, &org, &TokenId(id), &entry).await?;
        audit::seal(&call, &org).await;
        Ok(revoked)
    }
}

impl From<enrollment_tokens::Token> for Token {
    fn from(it: enrollment_tokens::Token) -> Self {
        Self {
            id: it.id.0,
            org_id: it.org.0,
            expires_at: it.allowance.expires_at.into(),
            max_uses: it.allowance.max_uses,
            use_count: it.allowance.use_count,
            metadata: it.metadata.into(),
            created_at: it.created_at.into(),
            created_by: it.created_by.0,
        }
    }
}
