//! What programs write of a name that they cannot resolve, in lower case. A resolver that got an
//! answer has reached its DNS; one that got none may have been kept from it.

/// Something has answered: that there is no such name (NXDOMAIN, NODATA), or that it cannot tell
/// (SERVFAIL, REFUSED).
const ANSWERED: &[&str] = &[
    // Go, .NET (`No such host is known`), docker
    "no such host",
    "server misbehaving",
    // EAI_NONAME of glibc, musl and BSD; EAI_NODATA
    "name or service not known",
    "name does not resolve",
    "nodename nor servname",
    "no address associated",
    // Node.js; c-ares
    "enotfound",
    "servfail",
    "domain name not found",
    // dig, nslookup, Erlang and Elixir
    "nxdomain",
    // dnspython
    "dns query name does not exist",
    // ngx_resolver_strerror
    "(2: server failure)",
    "(3: host not found)",
    "(5: operation refused)",
    // EAI_NONAME of the clients of MySQL and MariaDB
    "' (-2)",
];

/// Nothing has answered in time, or nothing could be asked. That glibc and musl say the same of
/// SERVFAIL (EAI_AGAIN) cannot be told from it.
const UNANSWERED: &[&str] = &[
    // glibc, and all that ask it: Python, Ruby, PHP, Perl, Java, Haskell, Rust, libpq
    "failure in name resolution",
    // Node.js
    "eai_again",
    // musl, by way of Ruby, Rust, libpq, Python
    "getaddrinfo: try again",
    "address information: try again",
    "to address: try again",
    "[errno -3]",
    // curl
    "resolving timed out",
    // dig, nslookup
    "no servers could be reached",
    // Node.js by c-ares
    "querya etimeout",
    "queryaaaa etimeout",
    "querysrv etimeout",
    "querya econnrefused",
    "queryaaaa econnrefused",
    "querysrv econnrefused",
    // c-ares: aiodns, gRPC
    "contacting dns servers",
    "could not contact dns servers",
    // dnspython
    "dns operation timed out",
    "resolution lifetime expired",
    // Netty
    "dnsnameresolvertimeoutexception",
    // ngx_resolver_strerror
    "could not be resolved (110:",
    // EAI_AGAIN of the clients of MySQL and MariaDB
    "' (-3)",
];

/// It does not say which.
const EITHER: &[&str] = &[
    "name resolution",
    "nameresolutionerror",
    // curl, git, ssh, wget, grpc-java
    "resolve host",
    // Netty, urllib3
    "failed to resolve '",
    // HAProxy
    "could not resolve address",
    // gRPC, Envoy, the clients of Kafka
    "dns resolution failed",
    "no resolvable bootstrap",
    // libpq, the clients of MySQL
    "could not translate host name",
    "unknown mysql server host",
    // Java
    "unknownhostexception",
    // nginx
    "host not found in ",
    // BusyBox
    "bad address '",
    // Rust
    "failed to lookup address information",
    // Python, PHP
    "getaddrinfo failed",
    "getaddrinfo for ",
    // Perl, ping
    "bad hostname",
    "unknown host",
];

/// Words of failing resolution that others use as well: `could not resolve placeholder`, `can't find
/// module`. Together with the name of a Service, or again and again, they mean it.
const LOOSE: &[&str] = &[
    "not resolve",
    "n't resolve",
    "cannot resolve",
    "failed to resolve",
    "can't find",
    "bad address",
];

/// A line says that a name could not be resolved.
pub(super) fn is_unresolved(lower: &str) -> bool {
    words().chain(LOOSE).any(|word| lower.contains(word)) || is_lookup(lower) || is_dotnet(lower)
}

/// A line says that a name could not be resolved, and nothing in it says that anybody has answered.
pub(super) fn is_unanswered(lower: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let either = || has(EITHER) || is_lookup(lower);
    has(UNANSWERED) || is_dotnet(lower) || either() && !has(ANSWERED)
}

/// The words that say so wherever they stand.
pub(super) fn words() -> impl Iterator<Item = &'static &'static str> {
    ANSWERED.iter().chain(UNANSWERED).chain(EITHER)
}

/// `lookup db on 10.96.0.10:53: read udp …: i/o timeout`, `lookup db: i/o timeout` (Go,
/// net.DNSError).
fn is_lookup(lower: &str) -> bool {
    lower.match_indices("lookup ").any(|(at, word)| {
        let rest = &lower[at + word.len()..];
        let mut words = rest.split(' ');
        let name = words.next().unwrap_or_default();
        let server = words.next().filter(|on| *on == "on").and_then(|_| words.next());
        server.is_some_and(|server| server.ends_with(":53:"))
            || name.ends_with(':') && rest[name.len()..].starts_with(" i/o timeout")
    })
}

/// `Resource temporarily unavailable (db:80)`: as .NET writes EAI_AGAIN of a host. Of anything else
/// the brackets hold no port.
fn is_dotnet(lower: &str) -> bool {
    let said = lower.split_once("resource temporarily unavailable (").map(|(_, rest)| rest);
    let host =
        said.and_then(|rest| rest.split_once(')')).and_then(|(host, _)| host.split_once(':'));
    host.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(' ') && port.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{is_unanswered, is_unresolved};

    /// What a NetworkPolicy can explain.
    const OF_SILENCE: &[(&str, &str)] = &[
        (
            "Go",
            "lookup pay.n.svc on 10.96.0.10:53: read udp 10.0.0.9:4352->10.96.0.10:53: i/o timeout",
        ),
        ("Go", "dial tcp: lookup pay on 10.96.0.10:53: dial udp: connect: operation not permitted"),
        ("Go", "dial tcp: lookup pay: i/o timeout"),
        ("Node.js", "Error: getaddrinfo EAI_AGAIN pay.n.svc.cluster.local"),
        ("Node.js", "Error: queryA ETIMEOUT pay"),
        ("Node.js", "MongoError: querySrv ECONNREFUSED _mongodb._tcp.pay"),
        ("Python", "socket.gaierror: [Errno -3] Temporary failure in name resolution"),
        ("Python on musl", "socket.gaierror: [Errno -3] Try again"),
        (
            "dnspython",
            "dns.resolver.LifetimeTimeout: The resolution lifetime expired after 5.4 seconds",
        ),
        ("aiodns", "aiodns.error.DNSError: (12, 'Timeout while contacting DNS servers')"),
        ("Java", "Caused by: java.net.UnknownHostException: pay"),
        ("Java", "java.net.UnknownHostException: pay: Temporary failure in name resolution"),
        (
            "Netty",
            "DnsNameResolverTimeoutException: [4711: /10.96.0.10:53] DefaultDnsQuestion(pay. IN A)",
        ),
        (
            "Kafka",
            "Couldn't resolve server kafka:9092 from bootstrap.servers as DNS resolution failed for kafka",
        ),
        ("Ruby", "Failed to open TCP connection to pay:80 (getaddrinfo: Try again)"),
        (
            "PHP",
            "php_network_getaddresses: getaddrinfo for pay failed: Temporary failure in name resolution",
        ),
        ("Perl", "Can't connect to pay:80 (Temporary failure in name resolution)"),
        ("Rust", "dns error: failed to lookup address information: Try again"),
        (".NET", "System.Net.Http.HttpRequestException: Resource temporarily unavailable (pay:80)"),
        (
            "Haskell",
            "Network.Socket.getAddrInfo: does not exist (Temporary failure in name resolution)",
        ),
        ("curl", "curl: (6) Could not resolve host: pay"),
        ("curl", "curl: (28) Resolving timed out after 5000 milliseconds"),
        ("wget", "wget: unable to resolve host address 'pay'"),
        ("BusyBox", "wget: bad address 'pay:80'"),
        ("nslookup", ";; connection timed out; no servers could be reached"),
        ("nginx", "[emerg] host not found in upstream \"pay\" in /etc/nginx/conf.d/default.conf:5"),
        ("nginx", "pay could not be resolved (110: Operation timed out)"),
        ("libpq", "could not translate host name \"pay\" to address: Try again"),
        ("MySQL", "ERROR 2005 (HY000): Unknown MySQL server host 'pay' (-3)"),
        ("gRPC", "DNS resolution failed for pay:50051: Timeout while contacting DNS servers"),
    ];

    /// The DNS has answered.
    const OF_ANSWERS: &[(&str, &str)] = &[
        ("Go", "dial tcp: lookup pay on 10.96.0.10:53: no such host"),
        ("Go", "dial tcp: lookup pay on 10.96.0.10:53: server misbehaving"),
        ("Node.js", "Error: getaddrinfo ENOTFOUND pay"),
        ("Node.js", "Error: queryA ESERVFAIL pay"),
        ("Python", "socket.gaierror: [Errno -2] Name or service not known"),
        ("Python on musl", "socket.gaierror: [Errno -2] Name does not resolve"),
        ("Java", "java.net.UnknownHostException: pay: Name or service not known"),
        ("Rust", "failed to lookup address information: Name or service not known"),
        (".NET", "System.Net.Http.HttpRequestException: Name or service not known (pay:80)"),
        ("Elixir", "tcp connect (pay:5432): non-existing domain - :nxdomain"),
        ("nslookup", "** server can't find pay: SERVFAIL"),
        ("nginx", "pay could not be resolved (3: Host not found)"),
        ("libpq", "could not translate host name \"pay\" to address: Name or service not known"),
        ("MySQL", "ERROR 2005 (HY000): Unknown MySQL server host 'pay' (-2)"),
    ];

    #[test]
    fn what_a_resolver_without_an_answer_says_is_told_from_an_answer() {
        let mut wrong = Vec::new();
        for (all, silent) in [(OF_SILENCE, true), (OF_ANSWERS, false)] {
            for (of, line) in all {
                let lower = line.to_lowercase();
                if !is_unresolved(&lower) || is_unanswered(&lower) != silent {
                    wrong.push(format!("{of}: {line}"));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn other_words_are_no_failing_resolution() {
        for line in [
            "Could not resolve placeholder 'PAY' in value \"${PAY}\"",
            "Error: Can't find module 'pay'",
            "write /data: bad address",
            "fork: Resource temporarily unavailable (os error 11)",
            "lookup table pay: i/o error",
            "dial tcp 10.96.1.1:443: i/o timeout",
            "please try again later",
        ] {
            assert!(!is_unanswered(&line.to_lowercase()), "{line}");
        }
    }
}
