//! `POST /api/agent/admin/versions/{version}/{os}/{arch}/promote`: from now on agents of the platform
//! are offered this version, whatever is newer.

use web::{Answer, Request, Response, StatusCode, contract::Release, openapi::Operation};

use super::named;
use crate::{
    bindings::myrmidon::domain::releases::{self, Promotion},
    caller::Caller,
    faults,
    permission::CreateVersions,
    routes::tasks::created::Waiting,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Offer agents this version, whatever is newer")
        .answers::<Release>(200)
        .answers::<Waiting>(202)
        .refuses(&[404, 409])
}

pub(crate) async fn promote(caller: Caller<CreateVersions>, request: Request) -> Answer {
    let (version, os, arch) = named(&request)?;
    match releases::promote(caller.actor(), version, os, arch).await.map_err(faults::promotion)? {
        Promotion::Promoted(release) => Response::data(StatusCode::OK, &release),
        Promotion::AwaitingApproval(it) => Response::data(StatusCode::ACCEPTED, &Waiting::from(it)),
    }
}
