//! The commands that a user would type instead of an `http` step.

use super::fan_out::quote;
use super::http_route::{RequestDestination, Route};
use super::kubectl_line;
use crate::action::http::{Http, HttpMethod, HttpPort, Via, service_name};
use crate::action::{Pods, Target};

/// The commands, for a step in this namespace.
pub(in crate::action) fn commands(http: &Http, namespace: &str) -> Vec<String> {
    match http.route() {
        None => Vec::new(),
        Some(Route::Direct { url }) => vec![curl(http, url)],
        Some(Route::FromPods { from, to }) => from_pods(http, from, to, namespace),
        Some(
            Route::ToService { target, .. }
            | Route::ToPodsOfService { target }
            | Route::ToPods { target },
        ) => match (http.via, http.method) {
            (Via::Proxy, HttpMethod::Get) => proxied(http, target, namespace),
            // kubectl sends nothing but GET over the proxy without a file; a forward is what a
            // person takes
            _ => forwarded(http, target, namespace),
        },
    }
}

/// A curl that sends the request to this URL, and what gives it the body.
fn curl(http: &Http, url: &str) -> String {
    kubectl_line::with_body(http, curl_alone(http, url))
}

fn curl_alone(http: &Http, url: &str) -> String {
    kubectl_line::line(kubectl_line::curl(http, url, http.timeout.0.as_secs_f32()))
}

fn from_pods(
    http: &Http,
    from: &Target,
    to: RequestDestination<'_>,
    namespace: &str,
) -> Vec<String> {
    let url = match to {
        RequestDestination::Url(url) => url.to_owned(),
        RequestDestination::Target(target) => format!(
            "http://{}:{}{}",
            host(target, namespace),
            port_or_placeholder(http.port.as_ref()),
            http.path
        ),
    };
    let place = from.namespace(namespace);
    let (mut lines, pod) = kubectl_line::pods(from, http.pods(), place);
    let stdin = if http.body.is_some() { "-i " } else { "" };
    let line =
        format!("kubectl exec {stdin}-n {} {pod} -- {}", quote(place), curl_alone(http, &url));
    lines.push(kubectl_line::with_body(http, line));
    lines
}

fn proxied(http: &Http, target: &Target, namespace: &str) -> Vec<String> {
    let place = target.namespace(namespace);
    let port = port_or_placeholder(http.port.as_ref());
    let (mut lines, object) = match service_name(target) {
        Some(name) => (Vec::new(), format!("services/{name}:{port}")),
        None => {
            let (lines, pod) = kubectl_line::pods(target, http.pods(), place);
            let name = pod
                .strip_prefix("pod/")
                .filter(|name| *name != "NAME" && target.is_one_pod())
                .unwrap_or("NAME");
            (lines, format!("pods/{name}:{port}"))
        }
    };
    let path = format!("/api/v1/namespaces/{place}/{object}/proxy{}", http.path);
    lines.push(format!("kubectl get --raw {}", quote(&path)));
    lines
}

fn forwarded(http: &Http, target: &Target, namespace: &str) -> Vec<String> {
    let place = target.namespace(namespace);
    let pods = if service_name(target).is_some() { Pods::One } else { http.pods() };
    let (mut lines, object) = kubectl_line::pods(target, pods, place);
    let (forward, host) = kubectl_line::forward(&object, place, http.port.as_ref());
    lines.push(forward);
    lines.push(curl(http, &format!("http://{host}{}", http.path)));
    lines
}

/// The host of a Service or a pod as other pods see it.
fn host(target: &Target, namespace: &str) -> String {
    match service_name(target) {
        Some(name) => format!("{name}.{}.svc", target.namespace(namespace)),
        None => "POD_IP".to_owned(),
    }
}

fn port_or_placeholder(port: Option<&HttpPort>) -> String {
    port.map_or_else(|| "PORT".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_by_hand() {
        let cases = [
            (
                json!({"target": "deployment/d", "port": 8080, "path": "/health", "pods": "one"}),
                vec![
                    "kubectl port-forward -n n deployment/d 8080:8080 &",
                    "curl -sS -m 5 -i http://localhost:8080/health",
                ],
            ),
            (
                json!({"target": "service/s", "port": "http", "method": "POST", "body": {"a": 1}}),
                vec![
                    "kubectl port-forward -n n service/s 8080:http &",
                    r#"printf %s '{"a":1}' | curl -sS -m 5 -i -X POST -H 'Content-Type: application/json' --data-binary @- http://localhost:8080/"#,
                ],
            ),
            (
                json!({"target": {"kind": "Pod", "selector": "a=b"}, "port": 80, "via": "proxy",
                    "path": "/m?x=1"}),
                vec![
                    "kubectl get pods -n n -l a=b # NAME: each of them",
                    "kubectl get --raw '/api/v1/namespaces/n/pods/NAME:80/proxy/m?x=1'",
                ],
            ),
            (
                json!({"target": "service/s", "port": 80, "via": "proxy"}),
                vec!["kubectl get --raw /api/v1/namespaces/n/services/s:80/proxy/"],
            ),
            (
                json!({"target": "service/s", "port": 80, "via": "pod", "from": "pod/p",
                    "method": "HEAD"}),
                vec!["kubectl exec -n n pod/p -- curl -sS -m 5 -I http://s.n.svc:80/"],
            ),
            (
                json!({"url": "http://x/", "via": "direct", "timeout": "1500ms"}),
                vec!["curl -sS -m 1.5 -i http://x/"],
            ),
        ];
        for (value, wanted) in cases {
            let http: Http = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(commands(&http, "n"), wanted, "{value}");
        }
    }
}
