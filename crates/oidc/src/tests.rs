//! Tokens of every kind against keys of every kind.

mod attacks;
mod claims;
mod fixtures;
mod remote;
