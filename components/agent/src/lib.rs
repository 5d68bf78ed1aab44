//! Agents: heartbeats, tasks, results, binaries.
