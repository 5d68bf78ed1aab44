//! The types that the WIT contract shares, and how each of them looks in JSON.
//!
//! Generated once, here; each tier maps its own world onto these types. Credentials
//! have no JSON form on purpose.

pub mod choices;
#[cfg(test)]
mod fixtures;
mod json;
mod records;

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "vocabulary",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

pub use bindings::myrmidon;
pub use bindings::myrmidon::domain::types::{
    Account, AccountField, AccountFlaw, Actor, AgentStatus, Arch, Artifact, Budget, Device, Fault,
    FieldFlaw, Json, KeyScope, Origin, Os, Release, Role, RuntimeStatus, Task, TaskStatus,
    TaskType, Timestamp, TurnedAway, Uncounted,
};
