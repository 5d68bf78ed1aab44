//! `POST /api/agent/admin/versions/upload`: publish an agent binary.
//!
//! The form's fields may come in any order, so the bytes are received first and registered, or
//! forgotten, once everything is known.

use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{Actor, Release},
    multipart::{File, Part, Parts},
    openapi::{Field, Operation},
};

use super::word;
use crate::{
    bindings::myrmidon::domain::releases::{self, NewRelease, Upload},
    caller::Caller,
    faults,
    permission::CreateVersions,
};

const LARGEST: u64 = 200 * 1024 * 1024;

#[derive(Default)]
struct Form {
    version: String,
    os: String,
    arch: String,
    release_notes: String,
    mandatory: bool,
    upload: Option<Upload>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Publish an agent binary")
        .form(&[
            Field::File("binary"),
            Field::Text("version"),
            Field::Text("os"),
            Field::Text("arch"),
            Field::Text("release_notes"),
            Field::Text("mandatory"),
        ])
        .answers::<Release>(201)
}

pub(crate) async fn upload(caller: Caller<CreateVersions>, mut request: Request) -> Answer {
    let mut form = Form::default();
    let mut parts = request.parts(LARGEST)?;
    let read = form.read(&caller.actor(), &mut parts).await;
    parts.drain().await;
    let release = read.and_then(|()| form.release());
    match (release, form.upload) {
        (Ok(release), Some(upload)) => {
            let release = releases::publish(caller.actor(), release, upload).await?;
            Response::data(StatusCode::CREATED, &release)
        }
        (Ok(_), None) => Err(Problem::bad_request("Missing binary file")),
        (Err(problem), Some(upload)) => {
            releases::discard(caller.actor(), upload).await?;
            Err(problem)
        }
        (Err(problem), None) => Err(problem),
    }
}

impl Form {
    async fn read(&mut self, actor: &Actor, parts: &mut Parts) -> Result<(), Problem> {
        while let Some(part) = parts.next().await? {
            match part {
                Part::File(file) if file.name == "binary" && self.upload.is_none() => {
                    self.receive(actor.clone(), *file).await?;
                }
                Part::File(_) => return Err(Problem::bad_request("Unexpected field")),
                Part::Text { name, value } => self.set(&name, value),
            }
        }
        Ok(())
    }

    async fn receive(&mut self, actor: Actor, file: File) -> Result<(), Problem> {
        let (content, filled) = file.forward();
        let (received, filled) = futures::join!(releases::receive(actor, content, LARGEST), filled);
        self.upload = Some(received.map_err(faults::release_upload)?);
        filled
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "version" => self.version = value,
            "os" => self.os = value,
            "arch" => self.arch = value,
            "release_notes" => self.release_notes = value,
            "mandatory" => self.mandatory = value == "true",
            _ => {}
        }
    }

    /// What the texts say, checked in the documented order.
    fn release(&self) -> Result<NewRelease, Problem> {
        if [&self.version, &self.os, &self.arch].iter().any(|it| it.is_empty()) {
            return Err(Problem::bad_request("Missing required fields: version, os, arch"));
        }
        let os = word(&self.os, "Invalid os parameter")?;
        let arch = word(&self.arch, "Invalid arch parameter")?;
        if !is_version(&self.version) {
            return Err(Problem::bad_request("Invalid version string"));
        }
        if self.release_notes.encode_utf16().count() > LONGEST_NOTES {
            return Err(Problem::bad_request("release_notes is too long"));
        }
        Ok(NewRelease {
            version: self.version.clone(),
            os,
            arch,
            release_notes: self.release_notes.clone(),
            mandatory: self.mandatory,
        })
    }
}

const LONGEST_NOTES: usize = 10_000;

fn is_version(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: &str, os: &str, arch: &str, expected: Option<&str>) {
        let form =
            Form { version: version.into(), os: os.into(), arch: arch.into(), ..Form::default() };
        let refusal = match form.release() {
            Ok(_) => None,
            Err(Problem::Refused(_, error)) => Some(error),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(refusal.as_deref(), expected);
    }

    #[test]
    fn texts_are_checked_in_their_order() {
        check("0.6.2", "linux", "amd64", None);
        check("0.6.2", "", "amd64", Some("Missing required fields: version, os, arch"));
        check("0.6.2", "macos", "x86", Some("Invalid os parameter"));
        check("0.6.2", "linux", "x86", Some("Invalid arch parameter"));
        check("../0.6.2", "linux", "amd64", Some("Invalid version string"));
    }
}
