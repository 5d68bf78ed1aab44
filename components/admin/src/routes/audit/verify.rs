//! `GET /api/audit/verify`: whether anybody has tampered with the log, a bounded part per call.

use serde::Serialize;
use web::{Answer, Request, Response, StatusCode};

use crate::{
    bindings::myrmidon::domain::audit::{self, AuditHead, AuditProblem, AuditProblemKind},
    caller::Caller,
    permission::ManageUsers,
};

#[derive(Serialize)]
struct Verified {
    valid: bool,
    checked: u64,
    sealed: u64,
    unsealed: u64,
    first_problem: Option<FirstProblem>,
    /// `from_seq` of the next call; null at the end.
    next: Option<u64>,
    /// To be noted elsewhere: whoever cuts the log's end off cannot bring this hash back.
    head: Option<Head>,
}

#[derive(Serialize)]
struct FirstProblem {
    seq: u64,
    kind: &'static str,
}

#[derive(Serialize)]
struct Head {
    seq: u64,
    hash: String,
}

pub(crate) async fn verify(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let from = request.query()?.whole("from_seq", 1, u32::MAX)?.unwrap_or(1);
    let it = audit::verify(caller.actor(), from.into()).await?;
    let verified = Verified {
        valid: it.first_problem.is_none(),
        checked: it.sealed + it.unsealed,
        sealed: it.sealed,
        unsealed: it.unsealed,
        first_problem: it.first_problem.map(Into::into),
        next: it.next,
        head: it.head.map(|AuditHead { seq, hash }| Head { seq, hash }),
    };
    Response::data(StatusCode::OK, &verified)
}

impl From<AuditProblem> for FirstProblem {
    fn from(it: AuditProblem) -> Self {
        let kind = match it.kind {
            AuditProblemKind::Changed => "changed",
            AuditProblemKind::Reordered => "reordered",
            AuditProblemKind::Missing => "missing",
            AuditProblemKind::Unsealed => "unsealed",
            AuditProblemKind::Unexpected => "unexpected",
            AuditProblemKind::Head => "head",
        };
        Self { seq: it.seq, kind }
    }
}
