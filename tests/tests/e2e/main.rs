//! The application end to end: the real components in process, or the real program.
//!
//! One program of tests, so that the runtime is linked once. What measures its own process is apart.

mod access;
mod admin_agents;
mod admin_tasks;
mod admin_tokens;
mod admin_versions;
mod agent_life;
mod api_keys;
mod approvals;
mod audit;
mod audit_tamper;
mod auto_rotation;
mod catalog;
mod cleanup;
mod cli_login;
mod device_auth;
mod device_results;
mod device_tasks;
mod enrollment;
mod fleet;
mod heartbeat;
mod hostile_text;
mod identity;
mod ingestion;
mod kill_and_restart;
mod limits;
mod local_accounts;
mod maintenance;
mod platform;
mod program;
mod schedules;
mod schedules_ticks;
mod task_administration;
mod tenancy;
mod users;
mod versions;
