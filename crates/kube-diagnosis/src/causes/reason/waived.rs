//! What a program says of what it goes on after, or tries again.

use super::line::has;

/// Words of a line that says itself that the program goes on: `ERROR no plugin x, ignoring`.
const WAIVED: &[&str] = &[
    "ignoring",
    "ignored",
    "non-fatal",
    "nonfatal",
    "not fatal",
    "falling back",
    "fallback",
    "continuing",
    "proceeding",
    "skipping",
    "using default",
];
/// The same of what it tries again.
const AGAIN: &[&str] = &[
    "retrying",
    "will retry",
    "retry in ",
    "retries in ",
    "trying again",
    "try again in ",
    "next attempt in ",
    "reconnecting in ",
    "reconnecting...",
    "reconnect in ",
    "backing off",
];
/// What a program goes on without if it is optional; that an optional thing is wrong ends it.
const ABSENT: &[&str] =
    &["not found", "missing", "no such", "not load", "available", "not installed", "not set"];
/// Words by which it goes on no longer: `giving up after retrying 5 times`.
const GIVEN_UP: &[&str] =
    &["giving up", "gave up", "give up", "not retrying", "aborting", "exiting"];

/// Whether a text in lower case says that the program goes on after what it says.
pub(super) fn goes_on(said: &str) -> bool {
    let own = own(said);
    let optional = own.contains("optional") && has(&own, ABSENT);
    (has(&own, WAIVED) || has(&own, AGAIN) || optional) && !has(&own, GIVEN_UP)
}

/// Whether it says that the program tries again what has failed.
pub(super) fn is_tried_again(said: &str) -> bool {
    goes_on(said) && has(&own(said), AGAIN)
}

/// Whether it says that it tries no more.
pub(super) fn gives_up(said: &str) -> bool {
    has(&own(said), GIVEN_UP)
}

/// What a line says for itself: what it quotes is not its own, unless that is its message.
fn own(said: &str) -> String {
    if said.contains("msg=\"") {
        return said.to_owned();
    }
    said.split('"').step_by(2).collect()
}
