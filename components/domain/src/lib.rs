//! The domain component: each exported function is load → decide → save.
//!
//! It knows nothing of HTTP. One module per interface of `wit/`; what they share is the call
//! (connection and time, read once), the database, the shared types and the faults.

mod agent_sweeps;
mod agents;
mod api_keys;
mod approvals;
mod audit;
mod build_downloads;
mod builds;
mod call;
mod catalog;
mod configuration;
mod database;
mod device;
mod device_logins;
mod distribution;
mod enrollment;
mod enrollment_tokens;
mod fault;
mod fleet;
mod housekeeping;
mod identity;
mod ingestion;
mod issuer;
mod organization;
mod presence;
mod readiness;
mod releases;
mod results;
mod rotation_sweeps;
mod schedule_ticks;
mod schedules;
mod sealing;
mod session_tokens;
mod sessions;
mod strangers;
mod task;
mod task_queue;
mod task_sweeps;
mod tasks;
mod transfers;
mod types;
mod users;
mod values;

#[expect(unsafe_code, clippy::pedantic, reason = "generated")]
#[cfg_attr(target_arch = "wasm32", expect(unreachable_pub, reason = "generated for components"))]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "domain",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        pub_export_macro: true,
        generate_all,
    });

    export!(Component with_types_in self);
    use super::Component;
}

struct Component;
