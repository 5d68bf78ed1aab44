//! Who calls: a person with an organisation and the permission that the route needs.
//!
//! Checked in this order: signed in, permitted, of an organisation, of the one that the query
//! names. A body is looked at only afterwards.

use std::marker::PhantomData;

use web::{
    Problem, Request, bearer,
    contract::{Actor, Budget},
    openapi::Proof,
};

use crate::{bindings::myrmidon::domain::identity, faults, permission::Permission};

/// Proof of being permitted `P` in an organisation.
pub(crate) struct Caller<P> {
    actor: Actor,
    budget: Budget,
    permissions: Vec<identity::Permission>,
    permitted: PhantomData<P>,
}

impl<P: Permission> web::Caller for Caller<P> {
    const PROOF: Proof = Proof::Person;

    async fn prove(request: &Request) -> Result<Self, Problem> {
        let token = bearer::token(&request.headers).map(str::to_owned);
        let person = identity::authenticate(token, request.client_address())
            .await
            .map_err(faults::denied)?;
        let budget = person.budget;
        Self::admit(person, request).map_err(|it| it.counted(budget))
    }

    fn budget(&self) -> Option<Budget> {
        Some(self.budget)
    }
}

impl<P: Permission> Caller<P> {
    fn admit(person: identity::Caller, request: &Request) -> Result<Self, Problem> {
        if !person.permissions.contains(&P::NEEDED) {
            return Err(Problem::forbidden("Insufficient permissions"));
        }
        let actor = request.actor(person.user_id, person.org_id)?;
        let permissions = person.permissions;
        Ok(Self { actor, budget: person.budget, permissions, permitted: PhantomData })
    }

    pub(crate) fn actor(&self) -> Actor {
        self.actor.clone()
    }

    /// Where what the body or a row says decides what more the caller must be permitted.
    pub(crate) fn require(&self, permission: identity::Permission) -> Result<(), Problem> {
        if self.permissions.contains(&permission) {
            Ok(())
        } else {
            Err(Problem::forbidden("Insufficient permissions"))
        }
    }

    /// The organisation that a body names must be the caller's own.
    pub(crate) fn require_org(&self, named: &str) -> Result<(), Problem> {
        if named == self.actor.org_id {
            Ok(())
        } else {
            Err(Problem::forbidden("org_id does not match your organization"))
        }
    }
}
