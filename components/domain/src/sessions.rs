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
            AcceptError, Accepted, Guest, PasswordError, RefreshError, SignInError, SignedIn,
            Tokens,
        },
        types::{Account, Actor, Budget, Fault, FieldFlaw, Origin},
    },
    call::{self, Call},
    session_tokens,
    users::flaws,
};

impl Guest for Component {
    async fn sign_in(
        email: String,
        password: String,
        from: Origin,
    ) -> Result<SignedIn, SignInError> {
        let (call, key) = (Call::begin()?, session_tokens::key().await?);
        let password = Secret::new(password);
        let Attempt { limiter, budget } =
            attempt(&call, &email, &from.limiter).await?.map_err(SignInError::Locked)?;
        let account = match Email::parse(&email) {
            Ok(email) => users::find_by_email(call.db, &email).await?,
            Err(_) => None,
        };
        let nobodys = Verifier::nobodys();
        let fits = account.as_ref().map_or(&nobodys, |it| &it.verifier).fits(&password);
        let account =
            account.filter(|it| fits && it.is_active).ok_or(SignInError::Rejected(budget))?;

        let (id, refresh) =
            (SessionId(call::sortable_id(call.now)), sessions::opaque(&call::random()));
        let digest = Digest::of(refresh.expose());
        let expires_at = call.now + REFRESH_LIFE;
        let new = kept::NewSession { id: &id, refresh: &digest, expires_at };
        let entry = audit::entry_from(&call, &from, account.id.as_str(), "session.start");
        if !kept::begin(call.db, &new, &account, call.now, &entry).await? {
            return Err(SignInError::Rejected(budget));
        }
        rate_limits::forget(call.db, &limiter).await?;
        audit::seal(&call, &account.org).await;
        let tokens =
            session_tokens::issue(&call, key, id, Kind::Local, account.id.as_str(), refresh);
        Ok(SignedIn { tokens, org_id: account.org.0.clone(), user: shown(account, &call), budget })
    }

    async fn refresh(refresh_token: String, from: Origin) -> Result<Tokens, RefreshError> {
        let (call, key) = (Call::begin()?, session_tokens::key().await?);
        let (presented, next) = (Digest::of(&refresh_token), sessions::opaque(&call::random()));
        let digest = Digest::of(next.expose());
        let expires_at = call.now + REFRESH_LIFE;
        let refreshed = kept::rotate(call.db, &presented, &digest, expires_at, call.now).await?;
        let Some(it) = refreshed else {
            end_reused(&call, &presented, &from).await?;
            return Err(refused(&call, &from.limiter).await?);
        };
        Ok(session_tokens::issue(&call, key, it.id, Kind::Local, it.user.as_str(), next))
    }

    async fn sign_out(refresh_token: String, from: Origin) -> Result<(), Fault> {
        let call = Call::begin()?;
        let presented = Digest::of(&refresh_token);
        if !end(&call, &presented, Kind::Local, &from).await? {
            end_reused(&call, &presented, &from).await?;
        }
        Ok(())
    }

    async fn change_password(
        by: Actor,
        limiter: String,
        session_id: String,
        present: String,
        next: String,
    ) -> Result<(), PasswordError> {
        let call = Call::begin()?;
        let next = accounts::acceptable(Secret::new(next))
            .map_err(|it| PasswordError::Invalid(flaws(vec![(Field::Password, it)])))?;
        let account = users::find_account(call.db, &UserId(by.user_id.clone())).await?;
        let account = account.ok_or(PasswordError::Rejected)?;
        let attempt =
            attempt(&call, &account.email, &limiter).await?.map_err(PasswordError::Locked)?;
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
        rate_limits::forget(call.db, &attempt.limiter).await?;
        audit::seal(&call, &OrgId(by.org_id)).await;
        Ok(())
    }

    async fn accept_invitation(
        secret: String,
        name: Option<String>,
        password: Option<String>,
        from: Origin,
    ) -> Result<Accepted, AcceptError> {
        let call = Call::begin()?;
        let counted = count_address(&call, &from.limiter).await?;
        let budget: Budget = counted.budget.into();
        if !counted.allowed {
            return Err(AcceptError::RateLimited(budget));
        }
        let (name, password) =
            chosen(name, password).map_err(|it| AcceptError::Invalid((it, budget)))?;
        let digest = Digest::of(&secret);
        if !invitations::is_pending(call.db, &digest, call.now).await? {
            return Err(AcceptError::Rejected(budget));
        }
        let id = UserId(call::sortable_id(call.now));
        let verifier = Verifier::of(&password, &call::random());
        let new = users::Invited { id: &id, name: &name, verifier: &verifier };
        let entry = audit::entry_from(&call, &from, id.as_str(), "user.accept");
        match users::insert_invited(call.db, &new, &digest, call.now, &entry).await? {
            Some((org, user)) => {
                audit::seal(&call, &org).await;
                Ok(Accepted { account: user.into(), budget })
            }
            None if invitations::is_pending(call.db, &digest, call.now).await? => {
                Err(AcceptError::Taken(budget))
            }
            None => Err(AcceptError::Rejected(budget)),
        }
    }
}

/// Ends the session of this refresh token, on behalf of whoever presents it.
pub(crate) async fn end(
    call: &Call,
    presented: &Digest,
    kind: Kind,
    from: &Origin,
) -> Result<bool, Fault> {
    let entry = audit::entry_from(call, from, "", "session.end");
    let ended = kept::end(call.db, presented, kind, call.now, &entry).await?;
    seal_end(call, ended).await
}

/// Ends the session that this token was exchanged in before: its person did nothing, somebody has a copy.
async fn end_reused(call: &Call, presented: &Digest, from: &Origin) -> Result<bool, Fault> {
    let entry = audit::entry_from(call, from, "", "session.reused");
    let ended = kept::end_reused(call.db, presented, call.now, &entry).await?;
    seal_end(call, ended).await
}

async fn seal_end(call: &Call, ended: Option<OrgId>) -> Result<bool, Fault> {
    if let Some(org) = &ended {
        audit::seal(call, org).await;
    }
    Ok(ended.is_some())
}

/// An attempt at a password, counted.
struct Attempt {
    /// What to forget when it succeeds.
    limiter: String,
    budget: Budget,
}

/// Counts an attempt at a password before it is made: by its account and address, and by the
/// address alone.
async fn attempt(
    call: &Call,
    email: &str,
    address: &str,
) -> Result<Result<Attempt, Budget>, Fault> {
    let counted = count_address(call, address).await?;
    if !counted.allowed {
        return Ok(Err(counted.budget.into()));
    }
    // A digest: the address may be long, and it is nobody's business.
    let account = Digest::of(email.trim().to_lowercase()).to_hex();
    let limiter = ["login:", &account, ":", address].concat();
    let counted = rate_limits::count_attempt(call.db, &limiter, FAILURES, call.now).await?;
    let budget = counted.budget.into();
    Ok(if counted.allowed { Ok(Attempt { limiter, budget }) } else { Err(budget) })
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
        RefreshError::Rejected(counted.budget.into())
    } else {
        RefreshError::RateLimited(counted.budget.into())
    })
}

fn chosen(
    name: Option<String>,
    password: Option<String>,
) -> Result<(Name, Secret), Vec<FieldFlaw>> {
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
            Err(flaws(found.into_iter().flatten().collect()))
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
