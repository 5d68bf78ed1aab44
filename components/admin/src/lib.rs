//! People: tokens, agents, tasks, releases, builds.
