//! The meaning of what tools print about a name. Output that is not understood means nothing.

use super::tool::{Done, Heard, Tool};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Lookup {
    Resolved,
    NotFound,
    Timeout,
    ServerFailure,
}

impl Lookup {
    pub(in crate::action) fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::ServerFailure => "server_failure",
        }
    }
}

/// A name and its addresses.
pub(in crate::action) type Resolved = (Lookup, BTreeSet<String>);

/// A resolver asks for five seconds before it gives up (resolv.conf(5), `timeout`).
const PATIENCE: Duration = Duration::from_secs(4);

/// What a tool's end says of a name. Applications resolve as getent does: what others find that
/// getent has not found is not an answer to the question.
pub(in crate::action) fn lookup(
    tool: Tool,
    done: &Done,
    elapsed: Duration,
    before: Option<&Resolved>,
) -> Heard<Resolved> {
    let addresses = addresses(tool, &done.stdout);
    let without = |lookup| Heard::Sure((lookup, BTreeSet::new()));
    let text = format!("{}\n{}", done.stdout, done.stderr).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let resolved = !addresses.is_empty() && (tool == Tool::Nslookup || done.code == 0);
    match tool {
        _ if resolved && before.is_some() && tool != Tool::Python => Heard::Nothing,
        // that of busybox asks for every search domain and ends with 1 when one of them is not the
        // right one
        _ if resolved => Heard::Sure((Lookup::Resolved, addresses)),
        Tool::Getent if done.code == 2 && elapsed >= PATIENCE => without(Lookup::Timeout),
        // one exit code for "no such name" and "the server cannot say"
        Tool::Getent if done.code == 2 => Heard::Perhaps((Lookup::NotFound, BTreeSet::new())),
        Tool::Python if done.code == 0 => match done.stdout.split_whitespace().next() {
            Some("not_found") => without(Lookup::NotFound),
            Some("again") if elapsed >= PATIENCE => without(Lookup::Timeout),
            Some("again") => without(Lookup::ServerFailure),
            _ => Heard::Nothing,
        },
        Tool::Nslookup if says(&["timed out", "no servers could be reached"]) => {
            without(Lookup::Timeout)
        }
        Tool::Nslookup if says(&["servfail", "refused", "try again", "temporary failure"]) => {
            without(Lookup::ServerFailure)
        }
        Tool::Nslookup
            if says(&[
                "nxdomain",
                "no response",
                "name does not resolve",
                "name or service not known",
            ]) =>
        {
            without(Lookup::NotFound)
        }
        Tool::Dig if done.code == 9 || says(&["no servers could be reached"]) => {
            without(Lookup::Timeout)
        }
        Tool::Dig if says(&["status: servfail", "status: refused"]) => {
            without(Lookup::ServerFailure)
        }
        Tool::Dig if says(&["status: nxdomain"]) => without(Lookup::NotFound),
        // it may have addresses of the other kind
        Tool::Dig if done.code == 0 && says(&["status: noerror"]) => {
            Heard::Perhaps((Lookup::NotFound, BTreeSet::new()))
        }
        _ => Heard::Nothing,
    }
}

/// The addresses in a tool's answer, each once.
fn addresses(tool: Tool, stdout: &str) -> BTreeSet<String> {
    let lines = stdout.lines();
    let words: Vec<&str> = match tool {
        // the first address is that of the server
        Tool::Nslookup => {
            let answer = lines.skip_while(|line| {
                !line.starts_with("Name:") && !line.starts_with("Non-authoritative")
            });
            // `Address: A`, and `Address 1: A NAME` of older busyboxes
            answer
                .filter(|line| line.starts_with("Address"))
                .filter_map(|line| line.split_once(':')?.1.split_whitespace().next())
                .collect()
        }
        // NAME TTL IN A ADDRESS
        Tool::Dig => lines
            .filter(|line| !line.starts_with(';'))
            .filter_map(|line| line.split_whitespace().nth(4))
            .collect(),
        _ => lines.filter_map(|line| line.split_whitespace().next()).collect(),
    };
    words.into_iter().filter(|word| word.parse::<IpAddr>().is_ok()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(code: i32, stdout: &str, stderr: &str) -> Done {
        Done { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn the_words_of_the_tools_that_resolve() {
        let busybox = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n** server can't find \
            web.cluster.local: NXDOMAIN\n\nName:\tweb.shop.svc.cluster.local\nAddress: \
            10.96.0.7\n\n";
        let bind =
            "Server:\t10.96.0.10\nAddress:\t10.96.0.10#53\n\nName:\tmysql\nAddress: 10.96.0.7\n";
        let dig = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: \
            1\nmysql.shop.svc.cluster.local. 5 IN A 10.96.0.7\n";
        for (tool, code, stdout, stderr, wanted) in [
            (
                Tool::Getent,
                0,
                "10.96.0.7      STREAM mysql\n10.96.0.7      DGRAM\n",
                "",
                Some(Lookup::Resolved),
            ),
            (Tool::Getent, 1, "", "Unknown database: ahosts", None),
            (Tool::Nslookup, 0, bind, "", Some(Lookup::Resolved)),
            (Tool::Nslookup, 1, busybox, "", Some(Lookup::Resolved)),
            (
                Tool::Nslookup,
                0,
                "Name:      web\nAddress 1: 10.96.0.7 web.shop.svc.cluster.local\n",
                "",
                Some(Lookup::Resolved),
            ),
            (
                Tool::Nslookup,
                1,
                "** server can't find nope: NXDOMAIN\n",
                "",
                Some(Lookup::NotFound),
            ),
            (
                Tool::Nslookup,
                1,
                "** server can't find a.b: NXDOMAIN\n** server can't find a: SERVFAIL\n",
                "",
                Some(Lookup::ServerFailure),
            ),
            (
                Tool::Nslookup,
                1,
                "",
                "nslookup: can't resolve 'nope': Name does not resolve",
                Some(Lookup::NotFound),
            ),
            (
                Tool::Nslookup,
                1,
                ";; connection timed out; no servers could be reached\n",
                "",
                Some(Lookup::Timeout),
            ),
            (
                Tool::Nslookup,
                1,
                "",
                "BusyBox v1.37.0 multi-call binary.\n\nUsage: nslookup HOST",
                None,
            ),
            (Tool::Python, 0, "10.96.0.7\n", "", Some(Lookup::Resolved)),
            (
                Tool::Python,
                0,
                "not_found [Errno -2] Name or service not known\n",
                "",
                Some(Lookup::NotFound),
            ),
            (
                Tool::Python,
                0,
                "again [Errno -3] Temporary failure in name resolution\n",
                "",
                Some(Lookup::ServerFailure),
            ),
            (Tool::Python, 1, "", "SyntaxError: invalid syntax", None),
            (Tool::Dig, 0, dig, "", Some(Lookup::Resolved)),
            (Tool::Dig, 0, ";; status: NXDOMAIN, id: 1\n", "", Some(Lookup::NotFound)),
            (Tool::Dig, 9, ";; no servers could be reached\n", "", Some(Lookup::Timeout)),
        ] {
            let addresses = if wanted == Some(Lookup::Resolved) {
                BTreeSet::from(["10.96.0.7".to_owned()])
            } else {
                BTreeSet::new()
            };
            let wanted = wanted.map_or(Heard::Nothing, |wanted| Heard::Sure((wanted, addresses)));
            assert_eq!(
                lookup(tool, &done(code, stdout, stderr), Duration::ZERO, None),
                wanted,
                "{tool:?} {code} {stdout} {stderr}"
            );
        }
    }

    #[test]
    fn what_getent_does_not_find_is_not_found_and_others_say_why() {
        let nothing = (Lookup::NotFound, BTreeSet::new());
        assert_eq!(
            lookup(Tool::Getent, &done(2, "", ""), Duration::ZERO, None),
            Heard::Perhaps(nothing.clone())
        );
        assert_eq!(
            lookup(Tool::Getent, &done(2, "", ""), Duration::from_secs(5), None),
            Heard::Sure((Lookup::Timeout, BTreeSet::new()))
        );
        let servfail = done(1, "** server can't find a: SERVFAIL\n", "");
        assert_eq!(
            lookup(Tool::Nslookup, &servfail, Duration::ZERO, Some(&nothing)),
            Heard::Sure((Lookup::ServerFailure, BTreeSet::new()))
        );
        let resolved = done(0, "Name:\ta\nAddress: 10.0.0.1\n", "");
        assert_eq!(
            lookup(Tool::Nslookup, &resolved, Duration::ZERO, Some(&nothing)),
            Heard::Nothing
        );
    }
}
