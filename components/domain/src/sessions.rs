//! Signing in with a password, going on, and signing out.
//!
//! An unknown address costs as much and answers as a wrong password does.

use domain::{
    accounts::{self, Email, Field, Flaw, Name},
    ids::{OrgId, SessionId, UserId},
    passwords::Verifier,
    rate_limit::Counted,
    secrets::{Digest, Secret},
    sessions::{self, FAILURES, Kind, REFRESH_LIFE, REFRESHES, SIGN_INS},
};
use store::{invitations, rate_limits, sessions as kept, users};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        sessions::{
            AcceptError, Guest, PasswordError, RefreshError, SignInError, SignedIn, Tokens,
        },
        types::{Account, Actor, Budget, Fault},
    },
    call::{self, Call},
    session_tokens,
    users::flaws,
};

impl Guest for Component {
    async fn sign_in(
        email: String,
        password: String,
        address: String,
    ) -> Result<SignedIn, SignInError> {
        let (call, key) = (Call::begin().await?, session_tokens::key().await?);
        let password = Secret::new(password);
        let limiter = attempt(&call, &email, &address).await?.map_err(SignInError::Locked)?;
        let account = match Email::parse(&email) {
            Ok(email) => users::find_by_email(call.db, &email).await?,
            Err(_) => None,
        };
        let nobodys = Verifier::nobodys();
        let fits = account.as_ref().map_or(&nobodys, |it| &it.verifier).fits(&password);
        let account = account.filter(|it| fits && it.is_active).ok_or(SignInError::Rejected)?;

        let (id, refresh) =
            (SessionId(call::sortable_id(call.now)), sessions::opaque(&call::random()));
        let digest = Digest::of(refresh.expose());
        let expires_at = call.now + REFRESH_LIFE;
        if !kept::begin(call.db, &id, &account, &digest, expires_at, call.now).await? {
            return Err(SignInError::Rejected);
        }
        rate_limits::forget(call.db, &limiter).await?;
        let tokens =
            session_tokens::issue(&call, key, id, Kind::Local, account.id.as_str(), refresh);
        Ok(SignedIn { tokens, org_id: account.org.0.clone(), user: shown(account, &call) })
    }

    async fn refresh(refresh_token: String, address: String) -> Result<Tokens, RefreshError> {
        let (call, key) = (Call::begin().await?, session_tokens::key().await?);
        let (presented, next) = (Digest::of(&refresh_token), sessions::opaque(&call::random()));
        let digest = Digest::of(next.expose());
        let expires_at = call.now + REFRESH_LIFE;
        let refreshed = kept::rotate(call.db, &presented, &digest, expires_at, call.now).await?;
        let Some(it) = refreshed else {
            kept::end_reused(call.db, &presented, call.now).await?;
            return Err(refused(&call, &address).await?);
        };
        Ok(session_tokens::issue(&call, key, it.id, Kind::Local, it.user.as_str(), next))
    }

    async fn sign_out(refresh_token: String) -> Result<(), Fault> {
        let call = Call::begin().await?;
        let presented = Digest::of(&refresh_token);
        if !kept::end(call.db, &presented, Kind::Local, call.now).await? {
            kept::end_reused(call.db, &presented, call.now).await?;
        }
        Ok(())
    }

    async fn change_password(
        by: Actor,
        session_id: String,
        present: String,
        next: String,
    ) -> Result<(), PasswordError> {
        let call = Call::begin().await?;
        let next = accounts::acceptable(Secret::new(next))
            .map_err(|it| PasswordError::Invalid(flaws(vec![(Field::Password, it)])))?;
        let account = users::find_account(call.db, &UserId(by.user_id.clone())).await?;
        let account = account.ok_or(PasswordError::Rejected)?;
        let limiter =
            attempt(&call, &account.email, &by.address).await?.map_err(PasswordError::Locked)?;
        if !account.verifier.fits(&Secret::new(present)) {
            return Err(PasswordError::Rejected);
        }
        let verifier = Verifier::of(&next, &call::random());
        let entry = audit::entry(&call, &by, "user.password");
        let session = SessionId(session_id);
        let changed =
            users::record_password(call.db, &account, &verifier, &session, call.now, &entry);
        if !changed.await? {
            return Err(PasswordError::Rejected);
        }
        rate_limits::forget(call.db, &limiter).await?;
        audit::seal(&call, &OrgId(by.org_id)).await;
        Ok(())
    }

    async fn accept_invitation(
        secret: String,
        name: Option<String>,
        password: Option<String>,
        address: String,
    ) -> Result<Account, AcceptError> {
        let call = Call::begin().await?;
        let counted = count_address(&call, &address).await?;
        if !counted.allowed {
            return Err(AcceptError::RateLimited(counted.budget.into()));
        }
        let (name, password) = chosen(name, password)?;
        let digest = Digest::of(&secret);
        if !invitations::is_pending(call.db, &digest, call.now).await? {
            return Err(AcceptError::Rejected);
        }
        let id = UserId(call::sortable_id(call.now));
        let verifier = Verifier::of(&password, &call::random());
        let made = users::insert_invited(call.db, &id, &name, &verifier, &digest, call.now).await?;
        match made {
            Some(user) => Ok(user.into()),
            None if invitations::is_pending(call.db, &digest, call.now).await? => {
                Err(AcceptError::Taken)
            }
            None => Err(AcceptError::Rejected),
        }
    }
}

/// Counts an attempt at a password before it is made: by its account and address, and by the
/// address alone. Returns what to forget when it succeeds.
async fn attempt(call: &Call, email: &str, address: &str) -> Result<Result<String, Budget>, Fault> {
    let counted = count_address(call, address).await?;
    if !counted.allowed {
        return Ok(Err(counted.budget.into()));
    }
    // A digest: the address may be long, and it is nobody's business.
    let account = Digest::of(email.trim().to_lowercase()).to_hex();
    let limiter = ["login:", &account, ":", address].concat();
    let counted = rate_limits::count_attempt(call.db, &limiter, FAILURES, call.now).await?;
    Ok(if counted.allowed { Ok(limiter) } else { Err(counted.budget.into()) })
}

async fn count_address(call: &Call, address: &str) -> Result<Counted, Fault> {
    let limiter = ["logins:", address].concat();
    Ok(rate_limits::count(call.db, &limiter, SIGN_INS, call.now).await?)
}

/// Counts a refresh token that is nobody's. Good ones are not counted: many share an address.
pub(crate) async fn refused(call: &Call, address: &str) -> Result<RefreshError, Fault> {
    let limiter = ["refresh:", address].concat();
    let counted = rate_limits::count(call.db, &limiter, REFRESHES, call.now).await?;
    Ok(if counted.allowed {
        RefreshError::Rejected
    } else {
        RefreshError::RateLimited(counted.budget.into())
    })
}

fn chosen(name: Option<String>, password: Option<String>) -> Result<(Name, Secret), AcceptError> {
    let name = name.ok_or(Flaw::Missing).and_then(|it| Name::parse(&it));
    let password =
        password.ok_or(Flaw::Missing).and_then(|it| accounts::acceptable(Secret::new(it)));
    match (name, password) {
        (Ok(name), Ok(password)) => Ok((name, password)),
        (name, password) => {
            let found = [
                name.err().map(|it| (Field::Name, it)),
                password.err().map(|it| (Field::Password, it)),
            ];
            Err(AcceptError::Invalid(flaws(found.into_iter().flatten().collect())))
        }
    }
}

fn shown(account: users::Account, call: &Call) -> Account {
    Account {
        id: account.id.0,
        email: account.email,
        name: account.name,
        role: account.role.map(Into::into),
        active: account.is_active,
        last_active_at: Some(call.now.into()),
        created_at: account.created_at.into(),
    }
}

macro_rules! faulty {
    ($($error:ident),+) => {$(
        impl From<Fault> for $error {
            fn from(fault: Fault) -> Self {
                Self::Fault(fault)
            }
        }

        impl From<store::Error> for $error {
            fn from(error: store::Error) -> Self {
                Self::Fault(error.into())
            }
        }
    )+};
}

faulty!(SignInError, RefreshError, PasswordError, AcceptError);
