//! The meaning of what tools print about a connection, as one table. Output that is not in the
//! table means nothing.

use super::tool::{Done, Heard, Tool};
use std::time::Duration;

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum ConnectOutcome {
    Connected,
    Refused,
    Timeout,
    NoRoute,
    Unresolved,
}

impl ConnectOutcome {
    pub(in crate::action) fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::NoRoute => "no_route",
            Self::Unresolved => "unresolved",
        }
    }
}

use ConnectOutcome::{Connected, NoRoute, Refused, Timeout, Unresolved};
use Tool::{Bash, Curl, Nc, PlainNc, Python, Wget};

const ANY: &[i32] = &[];
/// The exit codes of `timeout` that has ended a program: of coreutils, of busybox.
const ENDED: &[i32] = &[124, 143];
const REFUSED: &[&str] = &["connection refused"];
/// As glibc, musl, nc of all origins, wget say it.
const UNRESOLVED: &[&str] = &[
    "could not resolve",
    "unable to resolve",
    "name or service not known",
    "name does not resolve",
    "temporary failure in name resolution",
    "no address associated",
    "bad address",
    "host lookup failed",
    "unknown host",
    "nodename nor servname",
    "try again",
];
const TIMED_OUT: &[&str] = &["timed out", "ncat: timeout"];
const NO_ROUTE: &[&str] = &[
    "no route to host",
    "network is unreachable",
    "network unreachable",
    "host is unreachable",
    "host unreachable",
];

/// Tools, their exit codes, words in lower case of which they print one (none: whatever they
/// print), what it means. The first line that fits counts.
const CONNECTIONS: &[(&[Tool], &[i32], &[&str], ConnectOutcome)] = &[
    (&[Nc, PlainNc, Bash], &[0], &[], Connected),
    // connected, or nc would have given up before `timeout` did
    (&[PlainNc], ENDED, &[], Connected),
    (&[Bash], ENDED, &[], Timeout),
    (&[Python], &[0], &["connected"], Connected),
    (&[Python], &[0], &["refused"], Refused),
    (&[Python], &[0], &["unresolved"], Unresolved),
    (&[Python], &[0], &["timeout"], Timeout),
    (&[Python], &[0], &["no_route"], NoRoute),
    // whatever ends it later: the connection was made
    (&[Curl], ANY, &["* connected to ", "* established connection to "], Connected),
    (&[Curl], &[0], &[], Connected),
    (&[Curl], &[6], &[], Unresolved),
    (&[Curl], &[28], &["resolving timed out"], Unresolved),
    (&[Curl], &[28], &[], Timeout),
    // GNU wget says so, busybox is answered with whatever it takes for an error
    (
        &[Wget],
        ANY,
        &["... connected.", "server returned error", "error getting response", "bad header"],
        Connected,
    ),
    (&[Wget], &[0], &[], Connected),
    (&[Nc, PlainNc, Bash], &[1], REFUSED, Refused),
    (&[Nc, PlainNc, Bash], &[1], UNRESOLVED, Unresolved),
    (&[Nc, PlainNc, Bash], &[1], TIMED_OUT, Timeout),
    (&[Nc, PlainNc, Bash], &[1], NO_ROUTE, NoRoute),
    (&[Curl], &[7], REFUSED, Refused),
    (&[Curl], &[7], TIMED_OUT, Timeout),
    (&[Curl], &[7], NO_ROUTE, NoRoute),
    (&[Wget], &[1, 4], REFUSED, Refused),
    (&[Wget], &[1, 4], UNRESOLVED, Unresolved),
    // that of busybox does not tell a connection from an answer that is not made in time
    (&[Wget], &[4], &["failed: connection timed out", "failed: operation timed out"], Timeout),
    (&[Wget], &[1, 4], NO_ROUTE, NoRoute),
];

/// What a tool's end says of a connection that was given this much time.
pub(in crate::action) fn connect_outcome(
    tool: Tool,
    done: &Done,
    elapsed: Duration,
    limit: Duration,
) -> Heard<ConnectOutcome> {
    let text = format!("{}\n{}", done.stderr, done.stdout).to_lowercase();
    if ["usage:", "invalid option", "unrecognized option", "unknown option"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        return Heard::Nothing;
    }
    let says = |words: &[&str]| words.is_empty() || words.iter().any(|word| text.contains(word));
    let fits = |(tools, codes, words, _): &&(&[Tool], &[i32], &[&str], ConnectOutcome)| {
        tools.contains(&tool) && (codes.is_empty() || codes.contains(&done.code)) && says(words)
    };
    match CONNECTIONS.iter().find(fits) {
        Some((.., means)) => Heard::Sure(*means),
        // some say nothing when they give up, after all the time they were given
        None if matches!(tool, Nc | PlainNc)
            && done.code == 1
            && text.trim().is_empty()
            && elapsed >= limit =>
        {
            Heard::Sure(Timeout)
        }
        None => Heard::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    fn done(code: i32, stdout: &str, stderr: &str) -> Done {
        Done { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn the_words_of_the_tools_that_connect() {
        let usage = "nc: invalid option -- 'z'\nBusyBox v1.37.0 (Debian 1:1.37.0-6+b9) multi-call \
            binary.\n\nUsage: nc [-iN] [-wN] [-l]\n\t-w SEC\tConnect timeout\n";
        for (tool, code, stderr, wanted) in [
            // OpenBSD
            (Nc, 0, "Connection to mysql 3306 port [tcp/mysql] succeeded!", Some(Connected)),
            (
                Nc,
                1,
                "nc: connect to mysql (10.96.0.4) port 3306 (tcp) failed: Connection refused",
                Some(Refused),
            ),
            (
                Nc,
                1,
                "nc: connect to mysql (10.96.0.4) port 3306 (tcp) timed out: Operation now in \
                    progress",
                Some(Timeout),
            ),
            (
                Nc,
                1,
                "nc: getaddrinfo for host \"nope\" port 1: Name or service not known",
                Some(Unresolved),
            ),
            (Nc, 1, "nc: getaddrinfo for host \"nope\" port 1: Try again", Some(Unresolved)),
            (Nc, 1, "nc: connect to 10.0.0.1 port 1 (tcp) failed: No route to host", Some(NoRoute)),
            (Nc, 1, "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-w timeout]", None),
            // busybox
            (
                Nc,
                1,
                "nc: can't connect to remote host (127.0.0.1): Connection refused",
                Some(Refused),
            ),
            (Nc, 1, "nc: bad address 'nope'", Some(Unresolved)),
            (PlainNc, 1, "nc: timed out", Some(Timeout)),
            (PlainNc, 143, "", Some(Connected)),
            (PlainNc, 127, "timeout: can't execute 'nc': No such file or directory", None),
            (Nc, 1, usage, None),
            // nmap
            (Nc, 1, "Ncat: Connection refused.", Some(Refused)),
            (Nc, 1, "Ncat: TIMEOUT.", Some(Timeout)),
            (
                Nc,
                1,
                "Ncat: Could not resolve hostname \"nope\": Name or service not known. QUITTING.",
                Some(Unresolved),
            ),
            (Nc, 2, "Ncat: Invalid -w timeout (must be greater than 0). QUITTING.", None),
            // traditional
            (Nc, 1, "mysql [10.96.0.4] 3306 (mysql) : Connection refused", Some(Refused)),
            (Nc, 1, "nope: forward host lookup failed: Unknown host", Some(Unresolved)),
            (Nc, 1, "nc: Operation not permitted", None),
            (
                Curl,
                28,
                "* Connected to mysql (10.96.0.4) port 3306\n* Operation timed out",
                Some(Connected),
            ),
            (
                Curl,
                49,
                "* Established connection to mysql (10.96.0.4 port 3306) from 10.1.2.3 port 40000 ",
                Some(Connected),
            ),
            (
                Curl,
                28,
                "*   Trying 10.96.0.4:3306...\ncurl: (28) Connection timed out after 3001 \
                    milliseconds",
                Some(Timeout),
            ),
            (Curl, 28, "curl: (28) Resolving timed out after 3001 milliseconds", Some(Unresolved)),
            (Curl, 6, "curl: (6) Could not resolve host: nope", Some(Unresolved)),
            (
                Curl,
                7,
                "curl: (7) Failed to connect to mysql port 3306: Connection refused",
                Some(Refused),
            ),
            (
                Curl,
                7,
                "* connect to 10.0.0.1 port 1 from 0.0.0.0 port 0 failed: No route to host\ncurl: \
                    (7) Couldn't connect to server",
                Some(NoRoute),
            ),
            (Curl, 7, "curl: (7) Couldn't connect to server", None),
            (Curl, 1, "curl: (1) Protocol \"telnet\" not supported", None),
            (Curl, 2, "curl: option --noproxy: is unknown", None),
            (Bash, 0, "", Some(Connected)),
            (Bash, 124, "", Some(Timeout)),
            (
                Bash,
                1,
                "bash: connect: Connection refused\nbash: line 1: /dev/tcp/127.0.0.1/1: Connection \
                    refused",
                Some(Refused),
            ),
            (Bash, 1, "bash: line 1: /dev/tcp/h/1: No such file or directory", None),
            (
                Wget,
                4,
                "Connecting to h (h)|10.0.0.1|:80... failed: Connection refused.",
                Some(Refused),
            ),
            (
                Wget,
                4,
                "Connecting to h|10.0.0.1|:80... connected.\nHTTP request sent, awaiting \
                    response... Read error",
                Some(Connected),
            ),
            (
                Wget,
                1,
                "Connecting to h:443 (10.96.0.1:443)\nwget: server returned error: HTTP/1.0 400 \
                    Bad Request",
                Some(Connected),
            ),
            (Wget, 1, "wget: download timed out", None),
        ] {
            let wanted = wanted.map_or(Heard::Nothing, Heard::Sure);
            assert_eq!(
                connect_outcome(tool, &done(code, "", stderr), Duration::from_secs(1), LIMIT),
                wanted,
                "{tool:?} {code} {stderr}"
            );
        }
        assert_eq!(
            connect_outcome(
                Python,
                &done(0, "refused [Errno 111] Connection refused\n", ""),
                Duration::ZERO,
                LIMIT
            ),
            Heard::Sure(Refused)
        );
        assert_eq!(
            connect_outcome(
                Python,
                &done(1, "", "Traceback (most recent call last):\nTimeoutError: timed out"),
                Duration::ZERO,
                LIMIT
            ),
            Heard::Nothing
        );
    }

    #[test]
    fn silence_means_a_timeout_only_after_the_time() {
        assert_eq!(connect_outcome(Nc, &done(1, "", ""), LIMIT, LIMIT), Heard::Sure(Timeout));
        assert_eq!(
            connect_outcome(Nc, &done(1, "", ""), Duration::from_millis(50), LIMIT),
            Heard::Nothing
        );
        assert_eq!(connect_outcome(Wget, &done(1, "", ""), LIMIT, LIMIT), Heard::Nothing);
    }
}
