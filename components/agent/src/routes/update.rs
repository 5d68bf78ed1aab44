//! `GET /api/agent/update`: the latest agent, by default for the caller's own platform.

use web::{
    Answer, Problem, Request,
    contract::{Arch, Os, choices::Choice},
    download::attachment,
    openapi::Operation,
};

use crate::{bindings::myrmidon::domain::distribution, caller::Device, faults};

pub(crate) fn describe() -> Operation {
    Operation::new("Download the latest agent")
        .query_word::<Os>("os")
        .query_word::<Arch>("arch")
        .answers_file()
        .refuses(&[404])
}

pub(crate) async fn fetch(device: Device, request: Request) -> Answer {
    let (os, arch) = match platform(&request) {
        Ok(platform) => platform,
        Err(problem) => return Err(device.refuse(problem).await),
    };
    let found =
        distribution::fetch_update(device.credentials(), os, arch).await.map_err(faults::update)?;
    Ok(attachment(&found.artifact, found.content).with_budget(&found.budget))
}

fn platform(request: &Request) -> Result<(Option<Os>, Option<Arch>), Problem> {
    let query = request.query()?;
    let os = word(query.one("os")?, "Invalid os parameter")?;
    let arch = word(query.one("arch")?, "Invalid arch parameter")?;
    Ok((os, arch))
}

fn word<C: Choice>(given: Option<&str>, refusal: &'static str) -> Result<Option<C>, Problem> {
    given.map(|it| C::from_word(it).ok_or_else(|| Problem::bad_request(refusal))).transpose()
}
