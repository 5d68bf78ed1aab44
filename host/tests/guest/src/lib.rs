//! A component that does what the tests of the host ask for, by path.

mod data;

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use futures::SinkExt as _;
use spin_sdk::{
    http::{
        BoxBody, FullBody, Request, Response,
        body::{IncomingBodyExt as _, stream},
        box_body,
    },
    http_service,
    time::sleep,
    variables,
    wasip3::spawn,
};

type Answer = Result<Response<BoxBody>, String>;

fn text(text: impl Into<Bytes>) -> Response<BoxBody> {
    Response::new(box_body(FullBody::new(text.into())))
}

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    answer(request).await.unwrap_or_else(|error| {
        let mut response = text(error);
        *response.status_mut() = spin_sdk::http::StatusCode::UNPROCESSABLE_ENTITY;
        response
    })
}

async fn answer(request: Request) -> Answer {
    let path = request.uri().path().to_owned();
    let mut words = path.trim_start_matches('/').splitn(2, '/');
    let (word, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let number = rest.parse().unwrap_or(0);
    Ok(match word {
        "sql" | "sql-kept" | "sql-sync" => text(data::sql(word, &body(request).await?).await?),
        "store" => text(data::store(rest, body(request).await?).await?),
        "hold" => {
            data::sql("sql-kept", b"BEGIN IMMEDIATE").await?;
            sleep(Duration::from_hours(1)).await;
            text("held")
        }
        "touch" => text(data::touch(rest).await?),
        "variable" => text(variables::get(rest).await.map_err(|e| e.to_string())?),
        "headers" => text(headers(&request)),
        "environment" => text(environment()),
        "file" => text(std::fs::read(format!("/{rest}")).map_err(|e| e.to_string())?),
        "write" => {
            std::fs::write(format!("/{rest}"), "x").map_err(|e| e.to_string())?;
            text("written")
        }
        "length" => text(body(request).await?.len().to_string()),
        "echo" => echo(request),
        "stream" => ticks(number),
        "sleep" => {
            sleep(Duration::from_millis(number)).await;
            text("slept")
        }
        "count" => text(count().to_string()),
        "busy" => loop {
            std::hint::black_box(number);
        },
        "eat" => text(eat(number)),
        "panic" => panic!("asked to"),
        "send" => send(request.uri().query().unwrap_or_default()).await?,
        _ => return Err(format!("no such word: {word}")),
    })
}

async fn body(request: Request) -> Result<Bytes, String> {
    request.into_body().bytes().await.map_err(|e| format!("{e:?}"))
}

fn headers(request: &Request) -> String {
    let mut lines: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    // Stable: values of one name keep their order.
    lines.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    lines.concat()
}

#[expect(clippy::disallowed_methods, reason = "it is what the test asks about")]
fn environment() -> String {
    let lines: Vec<String> =
        std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
    lines.concat()
}

fn echo(request: Request) -> Response<BoxBody> {
    let (mut sender, body) = stream::<Bytes>();
    let mut incoming = request.into_body().stream();
    spawn(async move {
        while let Some(Ok(chunk)) = futures::StreamExt::next(&mut incoming).await {
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
    });
    Response::new(box_body(body))
}

fn ticks(count: u64) -> Response<BoxBody> {
    let (mut sender, body) = stream::<Bytes>();
    spawn(async move {
        for tick in 0..count {
            if sender.send(format!("tick {tick}\n").into()).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    Response::new(box_body(body))
}

/// How many requests this instance has counted.
fn count() -> u32 {
    thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    COUNT.set(COUNT.get() + 1);
    COUNT.get()
}

fn eat(mebibytes: u64) -> String {
    let mut eaten = Vec::new();
    for _ in 0..mebibytes {
        eaten.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
    eaten.len().to_string()
}

async fn send(url: &str) -> Answer {
    let response = spin_sdk::http::get(url).await.map_err(|e| format!("{e:?}"))?;
    let status = response.status();
    let body = response.into_body().bytes().await.map_err(|e| format!("{e:?}"))?;
    let mut answer = text(body);
    *answer.status_mut() = status;
    Ok(answer)
}
