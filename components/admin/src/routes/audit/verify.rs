//! `GET /api/audit/verify`: whether anybody has tampered with the log, a bounded part per call.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Problem, Query, Request, Response, StatusCode, openapi::Operation};

use crate::{
    bindings::myrmidon::domain::audit::{self, AuditHead, AuditProblem, AuditProblemKind},
    caller::Caller,
    permission::ManageUsers,
};

#[derive(JsonSchema, Serialize)]
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

#[derive(JsonSchema, Serialize)]
struct FirstProblem {
    seq: u64,
    kind: &'static str,
}

#[derive(JsonSchema, Serialize)]
struct Head {
    seq: u64,
    hash: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Check that nobody tampered with the audit log")
        .query(from)
        .answers::<Verified>(200)
}

fn from(query: &Query) -> Result<u64, Problem> {
    Ok(query.whole("from_seq", 1, u32::MAX)?.unwrap_or(1).into())
}

pub(crate) async fn verify(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let it = audit::verify(caller.actor(), from(&request.query()?)?).await?;
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
