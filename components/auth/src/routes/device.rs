//! `/api/cli/auth`: how the public CLI signs in (console.md §5.2, §6.2).

pub(crate) mod approve;
pub(crate) mod logout;
pub(crate) mod poll;
pub(crate) mod refresh;
pub(crate) mod start;
