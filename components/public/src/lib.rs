//! Strangers: enrollment, the agent's download, health.
