//! `GET /api/agent/download`: the latest agent for a platform, for anybody.

use web::{
    Answer, Problem, Request,
    contract::{Arch, Os, choices::Choice as _},
    download::attachment,
    openapi::Operation,
};

use crate::{bindings::myrmidon::domain::distribution, faults};

pub(crate) fn describe() -> Operation {
    Operation::new("Download the latest agent")
        .query_word::<Os>("os")
        .query_required("os")
        .query_word::<Arch>("arch")
        .query_required("arch")
        .query(|query| query.text("org_id"))
        .answers_file()
        .refuses(&[401, 404, 429, 503])
}

pub(crate) async fn fetch(request: Request) -> Answer {
    let address = request.client_address();
    let wanted = match wanted(&request) {
        Ok(wanted) => wanted,
        Err(problem) => return Err(refuse(problem, address).await),
    };
    let found = distribution::fetch_latest(wanted.os, wanted.arch, wanted.org, address)
        .await
        .map_err(faults::download)?;
    Ok(attachment(&found.artifact, found.content).with_budget(&found.budget))
}

struct Wanted {
    os: Os,
    arch: Arch,
    org: Option<String>,
}

fn wanted(request: &Request) -> Result<Wanted, Problem> {
    let query = request.query()?;
    let os = query.one("os")?.and_then(Os::from_word).ok_or_else(|| {
        Problem::bad_request(
            "Invalid or missing \"os\" parameter: must be \"linux\", \"windows\", or \"darwin\"",
        )
    })?;
    let arch = query.one("arch")?.and_then(Arch::from_word).ok_or_else(|| {
        Problem::bad_request(
            "Invalid or missing \"arch\" parameter: must be \"amd64\" or \"arm64\"",
        )
    })?;
    Ok(Wanted { os, arch, org: query.text("org_id")? })
}

/// What cannot be carried out is counted all the same.
async fn refuse(problem: Problem, address: String) -> Problem {
    match distribution::count_refused(address).await {
        Ok(budget) => problem.counted(budget),
        Err(cause) => faults::uncounted(cause, faults::TOO_MANY_DOWNLOADS),
    }
}
