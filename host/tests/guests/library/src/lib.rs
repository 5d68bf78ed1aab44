//! A dependency that tries what it may do.

#![expect(
    unsafe_code,
    unreachable_pub,
    clippy::same_length_and_capacity,
    reason = "generated: the export of a component"
)]

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../wit",
        world: "library",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        pub_export_macro: true,
    });
}

use bindings::exports::test::library::probe::Guest;

struct Library;

bindings::export!(Library with_types_in bindings);

impl Guest for Library {
    async fn attempt(grant: String) -> String {
        attempt(&grant).await.map_or_else(|e| format!("denied: {e}"), |it| format!("lent: {it}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "it is what the test asks about")]
fn environment() -> Result<String, String> {
    std::env::var("GREETING").map_err(|e| e.to_string())
}

async fn attempt(grant: &str) -> Result<String, String> {
    match grant {
        "sqlite" => {
            let opened = spin_sdk::sqlite::Connection::open_default().await;
            opened.map(|_| "open".into()).map_err(|e| e.to_string())
        }
        "key-value" => {
            let opened = spin_sdk::key_value::Store::open_default().await;
            opened.map(|_| "open".into()).map_err(|e| e.to_string())
        }
        "variable" => spin_sdk::variables::get("greeting").await.map_err(|e| e.to_string()),
        "environment" => environment(),
        "file" => std::fs::read_to_string("/data/greeting").map_err(|e| e.to_string()),
        url => {
            let response = spin_sdk::http::get(url).await.map_err(|e| format!("{e:?}"))?;
            Ok(response.status().to_string())
        }
    }
}
