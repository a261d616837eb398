//! Parts of the kubectl and curl commands that a user would type. Pure.

use super::fan_out::quote;
use crate::action::http::{Http, HttpMethod, HttpPort};
use crate::action::{Pods, Target, Which};

/// What stands for a pod in a line that is for each pod.
const EACH: &str = "pod/NAME";

/// The lines that find the pods, and the place for lines that kubectl takes for one pod only.
pub(in crate::action) fn pods(
    target: &Target,
    pods: Pods,
    namespace: &str,
) -> (Vec<String>, String) {
    let place = format!("-n {}", quote(namespace));
    match &target.which {
        Which::Selector(selector) => (
            vec![format!("kubectl get pods {place} -l {} # NAME: each of them", quote(selector))],
            EACH.to_owned(),
        ),
        Which::Name(_) if pods == Pods::All && !target.is_one_pod() => {
            (vec![format!("kubectl get pods {place} # NAME: each of {target}")], EACH.to_owned())
        }
        Which::Name(_) => (Vec::new(), target.kubectl()),
    }
}

/// The lines that execute a command in the pods of a target. `flags` are those of `kubectl exec`,
/// with a space before each; `command` is quoted already.
pub(in crate::action) fn exec(
    (target, which): (&Target, Pods),
    namespace: &str,
    container: Option<&str>,
    flags: &str,
    command: &str,
) -> Vec<String> {
    let namespace = target.namespace(namespace);
    let (mut lines, place) = pods(target, which, namespace);
    let container = container.map(|name| format!(" -c {}", quote(name))).unwrap_or_default();
    let namespace = quote(namespace);
    lines.push(format!("kubectl exec{flags} -n {namespace} {place}{container} -- {command}"));
    lines
}

/// A command line, quoted for a shell.
pub(in crate::action) fn line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// The line that opens a port-forward, and the `host:port` at which it then listens.
pub(in crate::action) fn forward(
    place: &str,
    namespace: &str,
    port: Option<&HttpPort>,
) -> (String, String) {
    let (local, remote) = match port {
        // ports below 1024 are not for ordinary users
        Some(HttpPort::Number(number)) if *number < 1024 => (number + 8000, number.to_string()),
        Some(HttpPort::Number(number)) => (*number, number.to_string()),
        Some(HttpPort::Name(name)) => (8080, name.clone()),
        None => (8080, "PORT".to_owned()),
    };
    let explained = match port {
        Some(_) => "",
        None => " # PORT: the one it listens on",
    };
    (
        format!(
            "kubectl port-forward -n {} {place} {local}:{} &{explained}",
            quote(namespace),
            quote(&remote)
        ),
        format!("localhost:{local}"),
    )
}

/// A request as the arguments of curl; a body comes on standard input.
pub(in crate::action) fn curl(http: &Http, url: &str, seconds: f32) -> Vec<String> {
    let mut words: Vec<String> =
        ["curl", "-sS", "-m", &seconds.to_string()].map(str::to_owned).to_vec();
    match http.method {
        // with -X HEAD curl would wait for a body that never comes
        HttpMethod::Head => words.push("-I".to_owned()),
        HttpMethod::Get => words.push("-i".to_owned()),
        HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch | HttpMethod::Delete => {
            words.extend(["-i", "-X", http.method.text()].map(str::to_owned));
        }
    }
    for (name, value) in http.all_headers() {
        // curl takes a semicolon for the colon of a header without a value
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        words.extend(["-H".to_owned(), header]);
    }
    if http.body.is_some() {
        words.extend(["--data-binary", "@-"].map(str::to_owned));
    }
    words.push(url.to_owned());
    words
}

/// A line that is given the body of a request on standard input.
pub(in crate::action) fn with_body(http: &Http, line: String) -> String {
    match http.body_text() {
        Some(body) => format!("printf %s {} | {line}", quote(&body)),
        None => line,
    }
}

/// `1 pod`, `3 pods`.
pub(in crate::action) fn counted(pods: usize) -> String {
    if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") }
}
