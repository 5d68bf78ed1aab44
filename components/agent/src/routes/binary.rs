//! `GET /api/agent/binary/{name}`: the binary of a test that this agent is about to run.

use web::{Answer, Problem, Request, download::attachment, openapi::Operation};

use crate::{bindings::myrmidon::domain::build_downloads, caller::Device, faults};

pub(crate) fn describe() -> Operation {
    Operation::new("Download a test's binary for one's task")
        .query_required("test_uuid")
        .answers_file()
        .refuses(&[404])
}

pub(crate) async fn fetch(device: Device, request: Request) -> Answer {
    let (test_uuid, name) = match wanted(&request) {
        Ok(wanted) => wanted,
        Err(problem) => return Err(device.refuse(problem).await),
    };
    let found = build_downloads::fetch(device.credentials(), test_uuid, name.clone())
        .await
        .map_err(|it| faults::binary(it, &name))?;
    Ok(attachment(&found.artifact, found.content).with_budget(&found.budget))
}

/// The test's id and the file's name, both without folders.
fn wanted(request: &Request) -> Result<(String, String), Problem> {
    let query = request.query()?;
    let test_uuid = query.one("test_uuid")?.map(last_component).filter(|it| !it.is_empty());
    let test_uuid = test_uuid
        .ok_or_else(|| Problem::bad_request("Missing required query parameter: test_uuid"))?;
    Ok((test_uuid.to_owned(), last_component(request.parameter("name")).to_owned()))
}

fn last_component(path: &str) -> &str {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_do_not_count() {
        for (path, expected) in [
            ("a.exe", "a.exe"),
            ("../../secret.txt", "secret.txt"),
            ("..\\..\\etc", "etc"),
            ("a/", "a"),
            ("/", ""),
        ] {
            assert_eq!(last_component(path), expected);
        }
    }
}
