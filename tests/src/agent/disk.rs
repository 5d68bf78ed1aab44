//! What an agent keeps: its configuration and its queue of results. It outlives the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;

/// As the enrollment's answer gives it, and as it is kept since.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    pub agent_id: String,
    pub agent_key: String,
    pub org_id: String,
    pub server_url: String,
    #[serde(default)]
    pub poll_interval: u32,
    /// Base64 of a raw Ed25519 key; empty for an agent that trusts anybody.
    #[serde(default)]
    pub update_public_key: String,
}

/// Clones are the same disk.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Mutex<Files>>);

#[derive(Debug)]
struct Files {
    identity: Identity,
    is_read_only: bool,
    queue: BTreeMap<String, String>,
}

/// Results beyond are dropped (§8.8).
const QUEUE_LENGTH: usize = 100;

impl Disk {
    pub fn of(identity: Identity) -> Self {
        Self(Arc::new(Mutex::new(Files { identity, is_read_only: false, queue: BTreeMap::new() })))
    }

    pub fn identity(&self) -> Identity {
        self.files().identity.clone()
    }

    /// From now on nothing is written; nobody is told (D-66).
    pub fn fail(&self) {
        self.files().is_read_only = true;
    }

    pub(super) fn keep_key(&self, key: &str) {
        let mut files = self.files();
        if !files.is_read_only {
            key.clone_into(&mut files.identity.agent_key);
        }
    }

    /// Ids of tasks whose results wait, in the order in which they will be sent.
    pub fn queued(&self) -> Vec<String> {
        self.files().queue.keys().cloned().collect()
    }

    pub fn enqueue(&self, task_id: &str, content: &str) {
        let mut files = self.files();
        if files.queue.len() < QUEUE_LENGTH {
            files.queue.insert(task_id.to_owned(), content.to_owned());
        }
    }

    pub(super) fn read_queued(&self, task_id: &str) -> Option<String> {
        self.files().queue.get(task_id).cloned()
    }

    pub(super) fn dequeue(&self, task_id: &str) {
        self.files().queue.remove(task_id);
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
