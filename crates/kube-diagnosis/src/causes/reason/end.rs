//! What is said of the end of a program, and has its reason elsewhere.

use super::level::named;
use super::line::has;
use super::words::TELLING;

/// How many words of its own a line has, less one, that ends with what is said of an end.
const FEW: usize = 4;

/// What is said of an end that has its reason elsewhere. It says nothing if no other word of the
/// line tells: `Worker exited with code 3`, and not `cannot bind port 80, exiting`.
const END: &[&str] = &[
    "shutting down: master",
    "exit code",
    "exit status",
    "exit value",
    "exited with",
    "non-zero exit",
    "non-zero code",
    "shutting down",
    "shutdown complete",
    "worker exiting",
    "exception in worker process",
    "command failed",
    "aborted (core dumped",
    "core dumped",
    "failed to boot",
    "startup failed due to previous errors",
    "one or more listeners failed to start. full details",
    "startup failed",
    "app crashed",
    "entered fatal state",
    "application run failed",
    "rake aborted!",
    "failed at the",
    "failed to initialize",
    "did not exit normally",
    "execution halted",
    "begin failed--compilation aborted",
    "compilation failed in require",
    "fatal errors found in configuration",
    "error(s) found in configuration",
    "could not create the java virtual machine",
    "a fatal exception has occurred. program will exit",
    ".conf test failed",
    "build failed",
    "failed to load configuration file",
    "failed to post process the configuration",
    "unable to include",
    "sigterm",
    "signal 15",
    "signal: terminated",
    "signal terminated",
    "terminated signal",
];
/// Those that are also said where nothing is wrong.
pub(super) const FAREWELL: &[&str] =
    &["shutting down", "shutdown", "shut down", "bye", "exiting", "stopping", "stopped"];
/// The same where a line of few words ends with it.
const LAST: &[&str] = &[
    "aborting",
    "aborted",
    "exiting",
    "stopping",
    "stopped",
    "terminating",
    "quitting",
    "bye",
    "goodbye",
    "shutdown",
    "shut down",
    "failed to start",
    "initialization failed",
];

/// Whether a text in lower case says only that a program ends, or with which code.
pub(super) fn is_end(said: &str) -> bool {
    let found = END.iter().filter_map(|words| Some(said.find(words)? + words.len())).max();
    let tail = said.trim_end_matches(|one: char| !one.is_alphanumeric());
    let few =
        |words: &&&str| tail.strip_suffix(**words).is_some_and(|before| own_words(before) < FEW);
    let last: Vec<&&str> = LAST.iter().filter(few).collect();
    // a colon introduces what is said of it
    let says = |at: usize| {
        let rest = said[at..].split_once(": ").map_or("", |(_, rest)| rest);
        rest.chars().any(char::is_alphabetic)
    };
    if found.is_some_and(says) || found.is_none() && last.is_empty() {
        return false;
    }
    let without = |text: String, words: &&str| text.replace(words, " ");
    let rest = END.iter().chain(last).fold(said.to_owned(), without);
    let rest: Vec<&str> =
        rest.split_whitespace().filter(|word| !is_level(word) && !is_kind(word)).collect();
    !has(&rest.join(" "), TELLING)
}

/// How many words there are that are no level, number, time, or name in brackets.
fn own_words(text: &str) -> usize {
    let is_word = |word: &&str| word.chars().all(|one| one.is_alphabetic() || one == ':');
    text.split_whitespace().filter(is_word).filter(|word| !is_level(word)).count()
}

fn is_level(word: &str) -> bool {
    named(word.trim_matches(|one: char| !one.is_alphanumeric())).is_some()
}

/// `RuntimeError:`, which is no more than that something is wrong.
fn is_kind(word: &str) -> bool {
    ["error:", "exception:"].iter().any(|kind| word.ends_with(kind))
}
