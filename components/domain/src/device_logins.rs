//! Signing in a program that cannot show a sign-in page (console.md §5.2).

use domain::{
    device_logins::{LIFE, POLL_SECONDS, POLLS, STARTS, user_code},
    ids::{OrgId, SessionId, UserId},
    secrets::{Digest, Secret},
    sessions::{self, Kind, REFRESH_LIFE},
};
use store::{
    device_logins::{self, Approver, Stage},
    rate_limits,
    sessions::{self as kept, NewSession},
};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        device_logins::{
            Approval, ApproveError, Approver as Person, Claimed, Guest, PollError, StartError,
            Started,
        },
        sessions::{RefreshError, Tokens},
        types::{Budget, Fault, Origin},
    },
    call::{self, Call},
    session_tokens,
    sessions::{end, refused},
};

/// Codes that somebody reads just now are few among a million million.
const ATTEMPTS: usize = 3;

impl Guest for Component {
    async fn start(from: Origin) -> Result<Started, StartError> {
        let call = Call::begin()?;
        let limiter = ["device:start:", &from.limiter].concat();
        let counted = rate_limits::count(call.db, &limiter, STARTS, call.now).await?;
        if !counted.allowed {
            return Err(StartError::RateLimited(counted.budget.into()));
        }
        let device = sessions::opaque(&call::random());
        let digest = Digest::of(device.expose());
        let expires_at = call.now + LIFE;
        for _ in 0..ATTEMPTS {
            let code = user_code(&call::random());
            if device_logins::insert(call.db, &digest, &code, expires_at, call.now).await? {
                return Ok(Started {
                    device_code: device.into_exposed(),
                    user_code: code,
                    expires_at: expires_at.into(),
                    poll_interval: POLL_SECONDS,
                    budget: counted.budget.into(),
                });
            }
        }
        Err(StartError::Fault(Fault::Unavailable))
    }

    async fn approve(by: Person, user_code: String) -> Result<Approval, ApproveError> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by.actor, "device_login.approve");
        let (user, org) = (UserId(by.actor.user_id), OrgId(by.actor.org_id));
        let approver = Approver {
            user: &user,
            org: &org,
            role: by.role.filter(|_| !by.has_account).map(Into::into),
            has_account: by.has_account,
        };
        if device_logins::record_approval(call.db, &user_code, &approver, call.now, &entry).await? {
            audit::seal(&call, &org).await;
            return Ok(Approval::Approved);
        }
        if device_logins::is_approved_by(call.db, &user_code, &user, call.now).await? {
            return Ok(Approval::ApprovedBefore);
        }
        Err(ApproveError::Unknown)
    }

    async fn poll(device_code: String, from: Origin) -> Result<Claimed, PollError> {
        let (call, key) = (Call::begin()?, session_tokens::key().await?);
        let device = Digest::of(&device_code);
        let stage = device_logins::stage(call.db, &device, call.now).await?;
        let budget = count_poll(&call, stage, &device, &from.limiter).await?;
        match stage {
            Stage::Unknown => return Err(PollError::Unknown(budget)),
            Stage::Expired => {
                device_logins::delete_expired(call.db, &device, call.now).await?;
                return Err(PollError::Expired(budget));
            }
            Stage::Pending => return Err(PollError::Pending(budget)),
            Stage::Approved => {}
        }
        let (id, refresh) =
            (SessionId(call::sortable_id(call.now)), sessions::opaque(&call::random()));
        let digest = Digest::of(refresh.expose());
        let expires_at = call.now + REFRESH_LIFE;
        let new = NewSession { id: &id, refresh: &digest, expires_at };
        let entry = audit::entry_from(&call, &from, "", "session.start");
        let claimed = device_logins::claim(call.db, &device, &new, call.now, &entry).await?;
        // Another poll took it, or its approver may not sign in any more.
        let it = claimed.ok_or(PollError::Unknown(budget))?;
        audit::seal(&call, &it.org).await;
        Ok(Claimed {
            tokens: session_tokens::issue(&call, key, id, Kind::Cli, it.user.as_str(), refresh),
            user_id: it.user.0,
            org_id: it.org.0,
            role: it.role.map(Into::into),
            email: it.email,
            display_name: it.name,
            budget,
        })
    }

    async fn refresh(refresh_token: String, from: Origin) -> Result<Tokens, RefreshError> {
        let (call, key) = (Call::begin()?, session_tokens::key().await?);
        let presented = Secret::new(refresh_token);
        let digest = Digest::of(presented.expose());
        let Some(it) = kept::record_refresh(call.db, &digest, call.now).await? else {
            return Err(refused(&call, &from.limiter).await?);
        };
        Ok(session_tokens::issue(&call, key, it.id, Kind::Cli, it.user.as_str(), presented))
    }

    async fn sign_out(refresh_token: String, from: Origin) -> Result<(), Fault> {
        let call = Call::begin()?;
        end(&call, &Digest::of(&refresh_token), Kind::Cli, &from).await.map(drop)
    }
}

/// A device that waits has a budget of its own: it polls every two seconds, and those behind one
/// address must not spend each other's (console.md §6.2).
async fn count_poll(
    call: &Call,
    stage: Stage,
    device: &Digest,
    address: &str,
) -> Result<Budget, PollError> {
    let limiter = match stage {
        Stage::Unknown => ["device:poll:", address].concat(),
        Stage::Expired | Stage::Pending | Stage::Approved => {
            ["device:poll:", &device.to_hex()].concat()
        }
    };
    let counted = rate_limits::count(call.db, &limiter, POLLS, call.now).await?;
    let budget = counted.budget.into();
    if counted.allowed { Ok(budget) } else { Err(PollError::RateLimited(budget)) }
}

impl From<Fault> for PollError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<store::Error> for PollError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<store::Error> for ApproveError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}
