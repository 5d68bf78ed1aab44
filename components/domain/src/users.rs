//! The accounts of an organisation, and whom it invites to have one.

use domain::{
    accounts::{Email, Wish},
    ids::{InvitationId, OrgId, UserId},
    passwords::Verifier,
    secrets::{Digest, Secret},
    sessions,
    time::Span,
};
use store::{invitations, sessions as sessions_of, users};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        types::{Account, Actor, Fault, FieldFlaw, Role},
        users::{
            ChangeError, CreateError, Guest, Invitation, InviteError, Invited, NewUser, UsersPage,
        },
    },
    call::{self, Call},
};

const INVITATION_LIFE: Span = Span::days(7);

impl Guest for Component {
    async fn list(by: Actor, limit: u32, offset: u32) -> Result<UsersPage, Fault> {
        let call = Call::begin()?;
        let (users, total) = users::list(call.db, &OrgId(by.org_id), (limit, offset)).await?;
        Ok(UsersPage { users: users.into_iter().map(Into::into).collect(), total })
    }

    async fn create(by: Actor, new: NewUser) -> Result<Account, CreateError> {
        let call = Call::begin()?;
        let role = new.role.map(domain::permissions::Role::from);
        let wish =
            Wish { email: new.email, name: new.name, password: new.password.map(Secret::new) };
        let draft = wish.check().map_err(|it| CreateError::Invalid(flaws(it)))?;
        let user = users::User {
            id: UserId(call::sortable_id(call.now)),
            email: draft.email.as_str().to_owned(),
            name: draft.name.as_str().to_owned(),
            role,
            is_active: true,
            last_active_at: None,
            created_at: call.now,
        };
        let new = users::NewUser {
            id: &user.id,
            email: &draft.email,
            name: &draft.name,
            verifier: &Verifier::of(&draft.password, &call::random()),
        };
        let entry = audit::entry(&call, &by, "user.create");
        let org = OrgId(by.org_id);
        if !users::insert(call.db, &org, &new, role, call.now, Some(&entry)).await? {
            return Err(CreateError::Taken);
        }
        audit::seal(&call, &org).await;
        Ok(user.into())
    }

    async fn set_role(by: Actor, id: String, role: Option<Role>) -> Result<(), ChangeError> {
        if id == by.user_id {
            return Err(ChangeError::OwnAccount);
        }
        change(by, id, users::Change::Role(role.map(Into::into)), "user.role").await
    }

    async fn set_active(by: Actor, id: String, active: bool) -> Result<(), ChangeError> {
        if id == by.user_id && !active {
            return Err(ChangeError::OwnAccount);
        }
        let action = if active { "user.enable" } else { "user.disable" };
        change(by, id, users::Change::Active(active), action).await
    }

    async fn end_sessions(by: Actor, user_id: String) -> Result<Option<u32>, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "session.end-all");
        let (org, user) = (OrgId(by.org_id), UserId(user_id));
        if let Some(ended) = sessions_of::end_all(call.db, &org, &user, &entry).await? {
            audit::seal(&call, &org).await;
            return Ok(Some(ended));
        }
        Ok(users::exists(call.db, &org, &user).await?.then_some(0))
    }

    async fn remove(by: Actor, id: String) -> Result<(), ChangeError> {
        if id == by.user_id {
            return Err(ChangeError::OwnAccount);
        }
        change(by, id, users::Change::Removal, "user.remove").await
    }

    async fn invite(by: Actor, email: String, role: Role) -> Result<Invited, InviteError> {
        let call = Call::begin()?;
        let email = Email::parse(&email).map_err(|_| InviteError::InvalidEmail)?;
        let secret = sessions::opaque(&call::random());
        let entry = audit::entry(&call, &by, "invitation.create");
        let new = invitations::NewInvitation {
            id: &InvitationId(call::sortable_id(call.now)),
            email: &email,
            role: role.into(),
            created_by: &UserId(by.user_id),
            expires_at: call.now + INVITATION_LIFE,
        };
        let (org, digest) = (OrgId(by.org_id), Digest::of(secret.expose()));
        let invitation =
            invitations::upsert(call.db, &org, &new, &digest, call.now, &entry).await?;
        let invitation = invitation.ok_or(InviteError::Taken)?;
        audit::seal(&call, &org).await;
        Ok(Invited { invitation: invitation.into(), secret: secret.into_exposed() })
    }

    async fn list_invitations(
        by: Actor,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Invitation>, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let pending = invitations::list_pending(call.db, &org, (limit, offset), call.now).await?;
        Ok(pending.into_iter().map(Into::into).collect())
    }

    async fn revoke_invitation(by: Actor, id: String) -> Result<bool, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "invitation.revoke");
        let org = OrgId(by.org_id);
        let revoked =
            invitations::revoke(call.db, &org, &InvitationId(id), call.now, &entry).await?;
        audit::seal(&call, &org).await;
        Ok(revoked)
    }
}

async fn change(
    by: Actor,
    id: String,
    change: users::Change,
    action: &'static str,
) -> Result<(), ChangeError> {
    let call = Call::begin()?;
    let entry = audit::entry(&call, &by, action);
    let (org, id) = (OrgId(by.org_id), UserId(id));
    if users::record_change(call.db, &org, &id, change, call.now, &entry).await? {
        audit::seal(&call, &org).await;
        return Ok(());
    }
    if users::exists(call.db, &org, &id).await? {
        Err(ChangeError::LastAdministrator)
    } else {
        Err(ChangeError::NotFound)
    }
}

pub(crate) fn flaws(
    found: Vec<(domain::accounts::Field, domain::accounts::Flaw)>,
) -> Vec<FieldFlaw> {
    found.into_iter().map(Into::into).collect()
}

impl From<invitations::Invitation> for Invitation {
    fn from(it: invitations::Invitation) -> Self {
        Self {
            id: it.id.0,
            email: it.email,
            role: it.role.into(),
            created_at: it.created_at.into(),
            expires_at: it.expires_at.into(),
        }
    }
}

macro_rules! faulty {
    ($($error:ident),+) => {$(
        impl From<store::Error> for $error {
            fn from(error: store::Error) -> Self {
                Self::Fault(error.into())
            }
        }
    )+};
}

faulty!(CreateError, ChangeError, InviteError);
