//! The line of a log that says why a program ended. What stands last often does not: the frames of
//! a trace, the version of a runtime, the end of a usage text.

use serde_json::Value;

/// How many lines from the end on are looked at: a trace of Java has about as many.
const LINES: usize = 60;
/// How many lines above the frames of a trace its exception may begin.
const MESSAGE: usize = 10;
/// How many lines above a usage text the message may begin that it belongs to.
const BEFORE_USAGE: usize = 5;
/// How many lines of a log are evidence.
const EVIDENCE: usize = 5;

/// Levels of a log that end a program, as they are written in upper case.
const LEVELS: &[&str] = &[
    "ERROR",
    "ERR",
    "FATAL",
    "CRITICAL",
    "CRIT",
    "SEVERE",
    "PANIC",
    "ALERT",
    "EMERG",
    "EMERGENCY",
];
/// Levels of what is no reason.
const LOW: &[&str] = &["INFO", "DEBUG", "TRACE", "NOTICE", "VERBOSE", "FINE"];
/// Words of a line that says itself what is wrong.
const TELLING: &[&str] = &[
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
];

/// Words of a line that says itself that the program goes on: `ERROR no plugin x, ignoring`.
const WAIVED: &[&str] = &[
    "ignoring",
    "ignored",
    "optional",
    "non-fatal",
    "nonfatal",
    "not fatal",
    "retrying",
    "will retry",
    "trying again",
    "falling back",
    "fallback",
    "continuing",
    "proceeding",
    "skipping",
    "using default",
];
/// Words of a line that says that nothing is wrong.
const FINE: &[&str] = &["0 error", "no error", "without error", "0 failed", "0 failures"];

/// The line that says why, of a log that has any. One by which the program goes on is not why it
/// ended, unless nothing else is.
pub(super) fn reason(log: &str) -> Option<&str> {
    let all: Vec<Line<'_>> =
        log.lines().filter(|line| !line.trim().is_empty()).map(Line::new).collect();
    let lines = &all[all.len().saturating_sub(LINES)..];
    let last = lines.last()?;
    let usage = lines.iter().rposition(Line::is_usage);
    // the options of a usage text are indented, and their words are no reason
    let ends = !last.is_noise() && last.tells() && !(usage.is_some() && last.indent);
    let found = |waived: bool| {
        let mut before = (0..lines.len()).rev().filter_map(|at| match usage {
            Some(usage) if at == usage => Some(above_usage(lines, usage)),
            _ => reason_at(lines, at),
        });
        let end = Some(last).filter(|last| ends && last.is_waived() == waived);
        end.or_else(|| before.find(|line| line.is_waived() == waived))
    };
    // what a program reports at a low level it may end for
    let low = || lines.iter().rev().find(|line| line.mentions() && !line.is_waived());
    let waived = || found(true).map(|waived| low().unwrap_or(waived));
    // what is said at a low level is no reason while anything else is there
    let plain = || {
        let mut lines = lines.iter().rev().filter(|line| !line.is_noise()).peekable();
        let end = lines.peek().copied();
        lines.find(|line| !line.has_level(LOW)).or(end).unwrap_or(last)
    };
    Some(found(false).or_else(waived).unwrap_or_else(plain).raw)
}

/// Whether a line says itself that something is wrong.
pub(super) fn mentions(line: &str) -> bool {
    Line::new(line).mentions()
}

/// What of a log is shown as evidence: its end, with the line that says why before it.
pub(super) fn excerpt(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    if lines.len() <= EVIDENCE {
        return log.to_owned();
    }
    let end = &lines[lines.len() - EVIDENCE..];
    let reason = reason(log).filter(|reason| !end.iter().any(|line| line.trim() == *reason));
    let shown: Vec<&str> = reason.into_iter().chain(end.iter().copied()).collect();
    shown.join("\n")
}

/// Whether a line, with those above it, is where a reason stands.
fn reason_at<'a, 'b>(lines: &'b [Line<'a>], at: usize) -> Option<&'b Line<'a>> {
    let line = &lines[at];
    if line.is_panic() || line.has_level(LEVELS) && !line.is_noise() {
        return Some(line);
    }
    if line.is_goroutine() {
        return lines[..at].iter().rev().find(|line| line.is_panic());
    }
    if !line.is_frame() {
        return None;
    }
    let begin = lines[..at].iter().rposition(|line| !line.is_frame())?;
    let head = &lines[begin.saturating_sub(MESSAGE - 1)..=begin];
    let named = head.iter().rev().take_while(|line| !line.is_frame()).find(|line| line.is_thrown());
    Some(named.unwrap_or(&lines[begin]))
}

/// What a program says before it says how to call it; the usage itself if it says nothing.
fn above_usage<'a, 'b>(lines: &'b [Line<'a>], usage: usize) -> &'b Line<'a> {
    let above = &lines[usage.saturating_sub(BEFORE_USAGE)..usage];
    let mut telling = above.iter().rev().filter(|line| line.tells());
    telling.next().or_else(|| above.first()).unwrap_or(&lines[usage])
}

/// A line of a log, and the same without the colors of a terminal.
struct Line<'a> {
    raw: &'a str,
    indent: bool,
    plain: String,
}

impl<'a> Line<'a> {
    fn new(raw: &'a str) -> Self {
        let plain = without_colors(raw);
        let indent = plain.starts_with([' ', '\t']);
        Self { raw: raw.trim(), indent, plain: plain.trim().to_owned() }
    }

    fn begins(&self, with: &[&str]) -> bool {
        with.iter().any(|begin| self.plain.starts_with(begin))
    }

    /// A frame of a trace of Java, Kotlin or Node, and what stands between frames.
    fn is_frame(&self) -> bool {
        let left_out = self.begins(&["... "])
            && [" more", " common frames omitted"].iter().any(|end| self.plain.ends_with(end));
        self.indent && self.begins(&["at "]) || left_out
    }

    /// The first line of what was thrown.
    fn is_thrown(&self) -> bool {
        let begin = self.plain.split([':', ' ']).next().unwrap_or_default();
        let kinds = ["Error", "Exception", "Throwable", "Failure"];
        self.begins(&["Caused by: ", "Exception in thread ", "Uncaught ", "Unhandled "])
            || kinds.iter().any(|kind| begin.ends_with(kind))
    }

    fn is_panic(&self) -> bool {
        self.begins(&["panic: ", "fatal error: "])
    }

    /// What Go says of its goroutines after a panic: `goroutine 1 [running]:`, a function, and its
    /// place.
    fn is_goroutine(&self) -> bool {
        let place = self.plain.contains(".go:") && (self.indent || self.plain.contains(" +0x"));
        self.begins(&["goroutine ", "created by ", "[signal SIG", "exit status "]) || place
    }

    /// A line that says nothing for itself.
    fn is_noise(&self) -> bool {
        self.is_frame()
            || self.is_goroutine()
            || self.begins(&["Node.js v", "npm ERR!", "npm error", "npm notice", "npm warn"])
            || self.plain.chars().all(|one| !one.is_alphanumeric())
    }

    /// `Usage: nc [OPTIONS]`, `usage: app [-h]`, `Usage of ./app:`.
    fn is_usage(&self) -> bool {
        let lower = self.plain.to_lowercase();
        lower.starts_with("usage:") || lower.starts_with("usage of ")
    }

    /// It says itself what is wrong.
    fn tells(&self) -> bool {
        let lower = self.plain.to_lowercase();
        self.has_level(LEVELS)
            || !self.has_level(LOW)
                && !is_fine(&lower)
                && TELLING.iter().any(|word| lower.contains(word))
    }

    /// It goes on after what it says, by its own words.
    fn is_waived(&self) -> bool {
        let lower = self.plain.to_lowercase();
        !self.is_panic() && WAIVED.iter().any(|word| lower.contains(word))
    }

    /// It says what is wrong, whatever its level.
    fn mentions(&self) -> bool {
        let lower = self.plain.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        !self.is_noise() && has(TELLING) && !is_fine(&lower)
    }

    /// Whether the level of the line is one of these: of an object of JSON, `level=error`,
    /// `[error]`, `ERROR`, and `E0102` as klog writes it.
    fn has_level(&self, levels: &[&str]) -> bool {
        let is_level = |word: &str| levels.contains(&word.to_uppercase().as_str());
        if let Some(level) = level_of_json(&self.plain) {
            return is_level(&level);
        }
        let fatal = levels.contains(&"FATAL");
        if let Some(klog) = self.plain.split(' ').next().filter(|word| is_klog(word)) {
            return if fatal { klog.starts_with(['E', 'F']) } else { klog.starts_with('I') };
        }
        // what a message says may be anything; what stands in front of it is the level
        self.plain.split_whitespace().take(8).any(|word| {
            let (name, value) = word.split_once('=').unwrap_or(("", word));
            let bare = value.trim_matches(|one: char| !one.is_alphanumeric());
            let is_field = matches!(name, "level" | "lvl" | "severity");
            let is_marked = word.starts_with('[') && word.trim_end_matches(':').ends_with(']');
            let is_upper = name.is_empty() && bare.chars().all(|one| one.is_ascii_uppercase());
            (is_field || is_marked || is_upper) && is_level(bare)
        })
    }
}

/// It says that nothing is wrong: `0 errors`, and not `10 errors`.
fn is_fine(lower: &str) -> bool {
    FINE.iter().any(|word| {
        lower
            .match_indices(word)
            .any(|(at, _)| !lower[..at].ends_with(|one: char| one.is_ascii_digit()))
    })
}

/// `E0102`: a level and a date.
fn is_klog(word: &str) -> bool {
    let (level, date) = word.split_at_checked(1).unwrap_or_default();
    matches!(level, "I" | "W" | "E" | "F")
        && date.len() == 4
        && date.bytes().all(|byte| byte.is_ascii_digit())
}

/// The level of a line that is an object of JSON; of numbers those of bunyan and pino.
fn level_of_json(line: &str) -> Option<String> {
    let object = serde_json::from_str::<Value>(line).ok().filter(Value::is_object)?;
    let keys = ["level", "severity", "lvl", "levelname", "log.level", "@level", "Level"];
    let level = keys.iter().map(|key| &object[*key]).find(|level| !level.is_null());
    Some(match (level.and_then(Value::as_str), level.and_then(Value::as_i64)) {
        (Some(word), _) => word.to_owned(),
        (None, Some(50..)) => "ERROR".to_owned(),
        (None, Some(..40)) => "INFO".to_owned(),
        _ => String::new(),
    })
}

/// Without the sequences that color a terminal: `ESC [ … m`.
fn without_colors(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|one: char| one.is_ascii_digit() || one == ';');
        plain.push_str(rest.get(1..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAVA: &str = "INFO starting\nException in thread \"main\" java.lang.IllegalStateException: \
        Could not open JDBC connection\n\tat com.acme.App.main(App.java:12)\nCaused by: \
        java.net.ConnectException: Connection refused (db:5432)\n\tat \
        java.net.Socket.connect(Socket.java:1)\n\t... 12 more";
    const NODE: &str = "/app/server.js:3\nthrow new Error(\"REDIS_URL is not set\");\n^\n\nError: \
        REDIS_URL is not set\n    at Object.<anonymous> (/app/server.js:3:7)\n    at \
        node:internal/main/run_main_module:28:49\n\nNode.js v20.11.0";
    const GO: &str = "panic: runtime error: invalid memory address or nil pointer dereference\n\
        [signal SIGSEGV: segmentation violation code=0x1]\n\ngoroutine 1 [running]:\nmain.main()\n\
        \t/app/main.go:10 +0x1d\nexit status 2";

    #[test]
    fn traces() {
        for (log, wanted) in [
            (JAVA, "Caused by: java.net.ConnectException: Connection refused (db:5432)"),
            ("java.lang.Error: boom\n\tat a.B.c(B.java:1)", "java.lang.Error: boom"),
            // Spring says afterwards what it closes
            (
                "ERROR Application run failed\njava.lang.RuntimeException: x\n\tat a.B.c(B.java:1)\n\
                    Caused by: java.io.IOException: disk\n\tat a.B.d(B.java:2)\n\t... 3 common frames \
                    omitted\n2026-01-01 INFO pool - Shutdown completed.",
                "Caused by: java.io.IOException: disk",
            ),
            (NODE, "Error: REDIS_URL is not set"),
            (
                "Error: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n    at \
                    Module._resolveFilename (node:internal:1)\n    at x {\n  code: \
                    'MODULE_NOT_FOUND',\n  requireStack: [ '/app/server.js' ]\n}\n\nNode.js v22.1.0",
                "Error: Cannot find module 'express'",
            ),
            (
                "TypeError: x is not a function\n    at main (/a.js:1:1)\nnpm ERR! code 1\nnpm ERR! \
                    A complete log of this run can be found in:\nnpm ERR!     /root/.npm/x.log",
                "TypeError: x is not a function",
            ),
            (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
            (
                "panic: first [recovered]\n\tpanic: second\n\ngoroutine 7 [running]:\nx.y(0x1)\n\
                    \t/src/x.go:3 +0x2",
                "panic: second",
            ),
            (
                "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n\
                    main.main()\n\t/app/main.go:5 +0x1",
                "fatal error: all goroutines are asleep - deadlock!",
            ),
            (
                "Traceback (most recent call last):\n  File \"/app/x.py\", line 1, in <module>\n    \
                    import foo\nModuleNotFoundError: No module named 'foo'",
                "ModuleNotFoundError: No module named 'foo'",
            ),
        ] {
            assert_eq!(reason(log), Some(wanted), "{log}");
        }
    }

    #[test]
    fn lines_and_usages() {
        let json = r#"{"level":"fatal","msg":"cannot open store","error":"denied"}"#;
        let below = format!("{json}\n{}", r#"{"level":"info","msg":"stopped"}"#);
        let pino = "{\"level\":60,\"msg\":\"no config\"}\n{\"level\":30,\"msg\":\"bye\"}";
        for (log, wanted) in [
            (json, json),
            (below.as_str(), json),
            (pino, "{\"level\":60,\"msg\":\"no config\"}"),
            ("connecting\nno such table: orders", "no such table: orders"),
            ("ERROR old\ncannot bind", "cannot bind"),
            (
                "level=error msg=\"no route\"\nlevel=info msg=\"shutdown\"",
                "level=error msg=\"no route\"",
            ),
            (
                "2026/01/01 [emerg] 1#1: host not found\nbye",
                "2026/01/01 [emerg] 1#1: host not found",
            ),
            (
                "E0102 10:00:00.1 1 main.go:1] leader lost\nI0102 10:00:00.2 1 main.go:2] end",
                "E0102 10:00:00.1 1 main.go:1] leader lost",
            ),
            (
                "\u{1b}[31mFATAL\u{1b}[0m cannot migrate\ngoodbye",
                "\u{1b}[31mFATAL\u{1b}[0m cannot migrate",
            ),
            ("INFO 0 errors found\ndone", "done"),
            ("one\ntwo\n\n", "two"),
            ("waiting for database\npostgres:5432 - no response", "postgres:5432 - no response"),
            ("exit status 1", "exit status 1"),
            ("cannot read config\nexit status 1", "cannot read config"),
            (
                "nc: unrecognized option: u\nBusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call \
                    binary.\n\nUsage: nc [OPTIONS] HOST PORT\n\n\t-l\tListen\n\t-p PORT\tLocal port",
                "nc: unrecognized option: u",
            ),
            (
                "BusyBox v1.37.0 multi-call binary.\n\nUsage: nc [OPTIONS] HOST PORT\n\t-l\tListen",
                "BusyBox v1.37.0 multi-call binary.",
            ),
            ("Usage: app COMMAND\n\nCommands:\n  serve  Run", "Usage: app COMMAND"),
            (
                "starting\nflag provided but not defined: -x\nUsage of /app:\n  -addr string\n    \
                    \taddress",
                "flag provided but not defined: -x",
            ),
            (
                "usage: app [-h] --db DB\napp: error: the following arguments are required: --db",
                "app: error: the following arguments are required: --db",
            ),
        ] {
            assert_eq!(reason(log), Some(wanted), "{log}");
        }
        assert_eq!((reason(""), reason("\n  \n")), (None, None));
        let far = format!("ERROR first\n{}", "line\n".repeat(80));
        assert_eq!(reason(&far), Some("line"));
    }

    #[test]
    fn what_a_program_goes_on_after_ranks_last() {
        let plugin = "ERROR could not load optional plugin x, ignoring";
        let after = |rest: &str| format!("WARN deprecated flag --foo\n{plugin}\n{rest}");
        let refused = "ERROR db: connection refused, retrying";
        for (log, wanted) in [
            (
                after("INFO connecting\nINFO config invalid: replicas must be > 0\nINFO bye"),
                "INFO config invalid: replicas must be > 0",
            ),
            (after("ERROR no licence\nINFO bye"), "ERROR no licence"),
            (format!("FATAL no licence\n{plugin}"), "FATAL no licence"),
            // where nothing else is said it is what there is
            (after("INFO bye"), plugin),
            (after("INFO 0 errors found"), plugin),
            (format!("INFO start\n{refused}\n{refused}\nINFO bye"), refused),
            (format!("ERROR first\n{refused}\nERROR giving up"), "ERROR giving up"),
            ("panic: optional plugin missing".to_owned(), "panic: optional plugin missing"),
        ] {
            assert_eq!(reason(&log), Some(wanted), "{log}");
        }
    }

    #[test]
    fn evidence_is_the_end_and_the_reason() {
        assert_eq!(excerpt("a\nb"), "a\nb");
        let long = format!("{JAVA}\n{}", "\tat x.Y.z(Y.java:1)\n".repeat(20));
        let shown = excerpt(&long);
        assert!(shown.starts_with("Caused by: ") && shown.lines().count() == 6, "{shown}");
    }
}
