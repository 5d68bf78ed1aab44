//! Who calls: a person who signed in, by themselves. Neither a key nor a device does for one: what
//! they could approve would outlive their own revocation (console.md §5.1).

use web::{
    Problem, Request, bearer,
    contract::{Actor, Budget, Role},
    openapi::Proof as Described,
};

use crate::{
    bindings::myrmidon::domain::identity::{self, Proof},
    faults,
};

/// Proof of having signed in, here or at the identity provider, for an organisation.
pub(crate) struct SignedIn {
    pub(crate) actor: Actor,
    pub(crate) role: Option<Role>,
    /// Of a session here; none of the identity provider.
    pub(crate) session_id: Option<String>,
    /// The limiter's key of where they come from.
    pub(crate) limiter: String,
    budget: Budget,
}

impl web::Caller for SignedIn {
    const PROOF: Described = Described::Person;

    async fn prove(request: &Request) -> Result<Self, Problem> {
        let token = bearer::token(&request.headers).map(str::to_owned);
        let person = identity::authenticate(token, request.client_address())
            .await
            .map_err(faults::denied)?;
        let budget = person.budget;
        admit(person, request).map_err(|it| it.counted(budget))
    }

    fn budget(&self) -> Option<Budget> {
        Some(self.budget)
    }
}

fn admit(person: identity::Caller, request: &Request) -> Result<SignedIn, Problem> {
    match person.proof {
        Proof::Issuer | Proof::Account => {}
        Proof::Device | Proof::ApiKey => {
            return Err(Problem::forbidden("Only a person who signed in may do this"));
        }
    }
    Ok(SignedIn {
        actor: request.actor(person.user_id, person.org_id)?,
        role: person.role,
        session_id: person.session_id,
        limiter: request.client_address(),
        budget: person.budget,
    })
}
