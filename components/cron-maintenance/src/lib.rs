//! What the passing of time does to tasks and agents.
