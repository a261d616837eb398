//! What a probe says, and what to do about it (pkg/probe and pkg/kubelet/prober).

use super::command::{is_absent, is_unknown_to_shell};
use serde_json::Value;

/// What is said of a command that leaves nothing behind the colon.
pub(crate) const SILENT: &str = "the command printed nothing";

/// How the kubelet introduces what a probe says, after the word for the probe
/// (pkg/kubelet/prober/prober.go); one that could not be asked has errored.
const INTRODUCED: &[&str] =
    &[" probe failed:", " probe errored and resulted in unknown state:", " probe errored:"];

/// What a probe of this sort says: what follows the words of the kubelet.
pub(crate) fn own_words<'a>(message: &'a str, word: &str) -> &'a str {
    let parts = INTRODUCED.iter().find_map(|part| message.split_once(part));
    match parts {
        Some((before, rest)) if before.eq_ignore_ascii_case(word) => rest.trim(),
        _ => message,
    }
}

/// The message of a failed probe: only a command can fail without a word.
pub(crate) fn said(message: &str) -> String {
    let message = message.trim();
    if message.ends_with(" probe failed:") {
        format!("{message} {SILENT}")
    } else {
        message.to_owned()
    }
}

/// What to do about a probe that asks another host than its pod: what fails is said of that host
/// (`HTTPGetAction.host` and `TCPSocketAction.host` of the API).
pub(super) fn elsewhere(probe: &Value) -> Option<&'static str> {
    let host = probe["httpGet"]["host"].as_str().or_else(|| probe["tcpSocket"]["host"].as_str());
    host.filter(|host| !host.is_empty()).map(|_| {
        "remove the field host of the probe, unless another host is meant: the probe asks that host, \
            not the pod"
    })
}

/// What to do where the probe itself is wrong, whatever it is for.
pub(super) fn wrong(message: &str) -> Option<&'static str> {
    let has = |part: &str| message.contains(part);
    let hint = if is_absent(message) {
        "use a command for the probe that is in the image, or another sort of probe: the command of the \
            probe is not in the image"
    } else if is_unknown_to_shell(message.rsplit(" probe failed: ").next().unwrap_or(message)) {
        "call only what is in the image, or use another sort of probe: a command that the probe calls is \
            not in the image"
    } else if has("exec: \"") && has("permission denied") {
        "check the mode of the command of the probe: permission to execute it is denied"
    } else if has("server gave HTTP response to HTTPS client") {
        "set scheme of the probe to HTTP: the program speaks no TLS on this port"
    } else if is_http2(message) {
        "use a grpc probe, or the port of an HTTP/1 server: the program speaks HTTP/2 there, as gRPC \
            servers do"
    } else if has("malformed HTTP response") {
        "set scheme of the probe to HTTPS, or correct its port: the program speaks no HTTP there"
    } else if has("strconv.Atoi") || has("couldn't find port") {
        "correct the port of the probe: no port of the container has this name"
    } else if has("statuscode: 404") {
        "correct the path of the probe: the program does not know it"
    } else if has("statuscode: 401") || has("statuscode: 403") {
        "use a path for the probe that needs no authentication, or set httpHeaders: the program refuses \
            its request"
    } else {
        return of_grpc(message);
    };
    Some(hint)
}

/// An HTTP probe that is answered with the settings of HTTP/2: a frame of type 4 on stream 0.
fn is_http2(message: &str) -> bool {
    message
        .split_once("malformed HTTP response \"\\x00\\x00")
        .is_some_and(|(_, rest)| rest.get(..12).is_some_and(|begin| begin.contains("\\x04\\x00")))
}

/// What to do about a gRPC probe (pkg/probe/grpc, and the tool grpc_health_probe).
fn of_grpc(message: &str) -> Option<&'static str> {
    let has = |part: &str| message.contains(part);
    if has("server preface") || has("looked like an HTTP/1") {
        Some(
            "use an httpGet probe, or the port of the gRPC server: the program speaks no gRPC there",
        )
    } else if has("failed to connect service") {
        // the kubelet tries again until its time is over, and does not say why it got no connection
        Some(
            "check whether the program serves gRPC without TLS on the port of the probe; HTTP/1 needs \
            an httpGet probe, and gRPC over TLS an exec probe (grpc_health_probe -tls)",
        )
    } else if has("does not implement the grpc health protocol") {
        Some(
            "serve grpc.health.v1.Health in the program, or use another sort of probe: it serves gRPC \
            without it",
        )
    } else if has("health rpc probe failed") && has("unknown service")
        || has("responded with \"SERVICE_UNKNOWN\"")
    {
        Some("correct grpc.service of the probe: the program knows no service of this name")
    } else {
        None
    }
}

/// What to do about a readiness probe, by what it says.
pub(super) fn hint(message: &str) -> &'static str {
    let has = |part: &str| message.contains(part);
    wrong(message).unwrap_or(if has("connection refused") {
        "check on which port and address the program listens, and read the log to see what it waits for"
    } else if has("context deadline exceeded") || has("timed out") || has("did not complete within") {
        "find out why the program does not answer in time, or raise timeoutSeconds of the probe"
    } else {
        "run the probe by hand (kubectl exec, curl), and read the log to see what the container \
            waits for"
    })
}
