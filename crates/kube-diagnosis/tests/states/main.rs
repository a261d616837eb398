//! States of objects, and what must be named of them.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod build;
mod commands;
mod crowd;
mod cut;
mod dependent;
mod dns;
mod early;
mod healthy;
mod hints;
mod ill;
mod incidents;
mod kills;
mod mounts;
mod nowhere;
mod observed;
mod over;
mod planted;
mod policies;
mod reasons;
mod relations;
mod remedies;
mod words;
