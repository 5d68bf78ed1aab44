//! `POST /api/tests/builds/{uuid}/upload-binary`: give a test its binary.
//!
//! An executable says itself which platform it is for; of a script its uploader does, and of a universal
//! one which architecture.

use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{Actor, Os, choices::Choice},
    multipart::{File, Part, Parts},
    openapi::{Field, Operation},
};

use super::{information::Information, test_uuid};
use crate::{
    bindings::myrmidon::domain::builds::{self, Format, Platform, Upload},
    caller::Caller,
    faults,
    permission::CreateBuilds,
};

const LARGEST: u64 = 512 * 1024 * 1024;

#[derive(Default)]
struct Form {
    os: String,
    arch: String,
    upload: Option<Upload>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Give a test its binary")
        .form(&[Field::File("file"), Field::Text("os"), Field::Text("arch")])
        .answers::<Information>(200)
}

pub(crate) async fn upload(caller: Caller<CreateBuilds>, mut request: Request) -> Answer {
    let test_uuid = test_uuid(&request)?;
    let mut form = Form::default();
    let mut parts = request.parts(LARGEST)?;
    let read = form.read(&caller.actor(), &mut parts).await;
    parts.drain().await;
    let platform = read.and_then(|()| form.platform());
    match (platform, form.upload) {
        (Ok(platform), Some(upload)) => {
            let build = builds::register(caller.actor(), test_uuid, upload, platform).await?;
            Response::data(StatusCode::OK, &Information::from(Some(build)))
        }
        (Err(problem), Some(upload)) => {
            builds::discard(caller.actor(), upload).await?;
            Err(problem)
        }
        (Ok(_), None) => Err(missing()),
        (Err(problem), None) => Err(problem),
    }
}

impl Form {
    async fn read(&mut self, actor: &Actor, parts: &mut Parts) -> Result<(), Problem> {
        while let Some(part) = parts.next().await? {
            match part {
                Part::File(file) if file.name == "file" && self.upload.is_none() => {
                    self.receive(actor.clone(), *file).await?;
                }
                Part::File(_) => return Err(Problem::bad_request("Unexpected field")),
                Part::Text { name, value } => match name.as_str() {
                    "os" => self.os = value,
                    "arch" => self.arch = value,
                    _ => {}
                },
            }
        }
        Ok(())
    }

    async fn receive(&mut self, actor: Actor, file: File) -> Result<(), Problem> {
        let (content, filled) = file.forward();
        let (received, filled) = futures::join!(builds::receive(actor, content, LARGEST), filled);
        self.upload = Some(received.map_err(faults::build_upload)?);
        filled
    }

    fn platform(&self) -> Result<Platform, Problem> {
        match self.upload.as_ref().map(|it| &it.format) {
            None => Err(missing()),
            Some(Format::Executable(platform)) => Ok(*platform),
            Some(Format::Universal) => {
                Ok(Platform { os: Os::Darwin, arch: word(&self.arch, "arch")? })
            }
            Some(Format::Portable) => {
                Ok(Platform { os: word(&self.os, "os")?, arch: word(&self.arch, "arch")? })
            }
        }
    }
}

fn missing() -> Problem {
    Problem::bad_request("No file uploaded")
}

fn word<C: Choice>(given: &str, name: &str) -> Result<C, Problem> {
    let refused = || {
        Problem::bad_request(format!(
            "Invalid or missing \"{name}\" field: the file does not say it"
        ))
    };
    C::from_word(given).ok_or_else(refused)
}
