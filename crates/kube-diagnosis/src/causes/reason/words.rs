//! The words by which a line of a log is judged, in lower case.

/// Words of a line that says itself what is wrong.
pub(super) const TELLING: &[&str] = &[
    "error",
    "exception",
    "fatal",
    "panic",
    "fail",
    "refused",
    "denied",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable",
    "not found",
    "no such",
    "invalid",
    "illegal",
    "unknown",
    "unrecognized",
    "missing",
    "required",
    "not defined",
    "not set",
    "timed out",
    "timeout",
    "unauthorized",
    "forbidden",
    "abort",
    "unexpected",
    "no response",
    "in use",
    "must be",
    "expired",
    "not exist",
    "not a valid",
    "not permitted",
    "not allowed",
    "unreachable",
    "unsupported",
    "no space left",
    "corrupt",
    "mismatch",
    "did not find",
    "did not match",
    "did not respond",
    "not match",
    "but found",
    "but got",
    "bad directive",
    "no rule to",
];

/// Words of a line that says itself that the program goes on: `ERROR no plugin x, ignoring`.
pub(super) const WAIVED: &[&str] = &[
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
pub(super) const AGAIN: &[&str] = &[
    "retrying",
    "will retry",
    "retry in ",
    "retries in ",
    "trying again",
    "try again in ",
    "next attempt in ",
    "reconnecting",
    "reconnect in ",
    "backing off",
];
/// What a program goes on without if it is optional; that an optional thing is wrong ends it.
pub(super) const ABSENT: &[&str] =
    &["not found", "missing", "no such", "not load", "available", "not installed", "not set"];
/// Words by which it goes on no longer: `giving up after retrying 5 times`.
pub(super) const GIVEN_UP: &[&str] =
    &["giving up", "gave up", "give up", "not retrying", "aborting", "exiting"];
/// Words of a line that says that nothing is wrong.
pub(super) const FINE: &[&str] = &[
    "0 error",
    "no error",
    "without error",
    "0 failed",
    "0 failures",
    "errors=0",
    "errors: 0",
    "error=null",
    "err=null",
    "error=nil",
    "error=<nil>",
    "err=<nil>",
    "level to error",
    "level is error",
    "level set to error",
];

/// What is not said of the program but to its reader: where to read more, and what to try.
pub(super) const ADVICE: &[&str] = &[
    "note: ",
    "hint: ",
    "help: ",
    "tip: ",
    "see ",
    "for more ",
    "for further ",
    "try '",
    "try `",
    "try \"",
    "try --",
    "info visit ",
    "visit http",
    "did you mean",
    "run with ",
    "to see ",
    "use `node",
    "backtrace omitted",
    "read more",
    "learn more",
    "need more ",
    "background on this error",
    "if you would like",
    "http://",
    "https://",
    "crash dump is being written",
    "during handling of the above exception",
    "the above exception was the direct cause",
    "require stack:",
];
/// Where a report says what is wrong, and where it goes on to say what to do: the FailureAnalyzer of
/// Spring Boot (LoggingFailureAnalysisReporter.java), and Gradle.
pub(super) const SECTIONS: &[(&str, &str)] =
    &[("Description:", "Action:"), ("* What went wrong:", "* Try:")];
