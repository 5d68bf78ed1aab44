//! A component that asks its dependency what it may do.

#[expect(clippy::same_length_and_capacity, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../wit",
        world: "caller",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
    });
}

use bindings::test::library::probe::attempt;
use spin_sdk::{
    http::{FullBody, Request, Response},
    http_service,
};

#[http_service]
async fn handle(request: Request) -> Response<FullBody<bytes::Bytes>> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let grant = request.uri().query().map_or(path, ToOwned::to_owned);
    Response::new(FullBody::new(attempt(grant).await.into()))
}
