//! `tcp`: does a port accept a connection, seen from a pod.

use super::fan::{Item, each_pod, item, pods_of, quote, reading};
use super::tool::{exec_permissions, first_tool, words};
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb, Wrong};
use crate::cluster::{ErrorKind, Selection, builtin};
use crate::network::{EndpointSlice, Protocol, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Connects to a port from inside pods. The output is a list with one item a pod: `{pod, host, port, result, elapsed_ms, reason}`, `result` being `connected`,
/// `refused`, `timeout`, `no_route` or `unresolved`. With `endpoints: true` there is an item for each pod and endpoint,
/// with `endpoint`, the name of the pod that should answer. An image without nc, curl or python3 is an error of that item, not a refusal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The pods that connect.
    pub from: Target,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How long one connection may take.
    #[serde(default = "three_seconds")]
    pub timeout: Duration,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
    /// Connect to every ready endpoint of the Service that `host` names, one by one, and not to the one that the Service happens to choose. A host
    /// that is no Service is its only endpoint.
    #[serde(default)]
    pub endpoints: bool,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    host: String,
    port: u16,
    /// The pod that should answer.
    endpoint: Option<String>,
}

fn three_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(3))
}

impl Verb for Tcp {
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = exec_permissions(&self.from, namespace);
        if self.endpoints {
            let (name, place) = self.service(namespace);
            all.extend(builtin("Service").map(|resource| reading(&resource, "get", place, name)));
            all.extend(builtin("EndpointSlice").map(|resource| reading(&resource, "list", place, "")));
        }
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!(
            "kubectl exec -n {} {} -- nc -zv -w {} {} {}",
            quote(self.from.namespace(namespace)),
            self.from.kubectl(),
            self.seconds(),
            quote(&self.host),
            self.port
        )]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::wrong::probe(output, "connected")
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.from, self.pods).await?;
        let namespace = self.from.namespace(&context.namespace);
        let one = !self.endpoints && (self.pods == Pods::One || self.from.is_one_pod());
        let ends = if self.endpoints { self.ends(context).await? } else { vec![End { host: self.host.clone(), port: self.port, endpoint: None }] };
        let mut output = match &ends[..] {
            [end] => each_pod(&pods, one, |name, pod| self.connect(context, namespace, name, pod, end)).await?,
            ends => {
                let pods = &pods;
                let each = ends.iter().map(|end| each_pod(pods, false, move |name, pod| self.connect(context, namespace, name, pod, end)));
                let each = futures::future::try_join_all(each).await?;
                Output::new(each.iter().flat_map(|output| output.value.as_array().into_iter().flatten()).cloned().collect(), "")
            }
        };
        let connected = |item: &&Value| item["result"] == "connected";
        output.summary = match output.value.as_array() {
            Some(items) => format!("{} of {}", items.iter().filter(connected).count(), items.len()),
            None => output.value["result"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(output)
    }
}

impl Tcp {
    /// One connection from one pod.
    async fn connect(&self, context: &Context, namespace: &str, name: String, pod: Value, end: &End) -> Item {
        let (seconds, port) = (self.seconds(), end.port.to_string());
        let commands = [
            words(&["nc", "-z", "-v", "-w", &seconds, &end.host, &port]),
            words(&["python3", "-c", PYTHON, &end.host, &port, &seconds]),
            words(&["curl", "-sv", "--connect-timeout", &seconds, "-m", &seconds, &format!("telnet://{}:{port}", end.host)]),
        ];
        let said = first_tool(context, namespace, &pod, "connect", &commands).await?;
        let text = said.done.stderr.trim().to_owned();
        let result = classify(said.tool, said.done.code, &said.done.stderr)
            .ok_or_else(|| Failure::error(format!("the tool in pod/{name} ended with {} and said: {text}", said.done.code)))?;
        let elapsed = u64::try_from(said.elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut fields = item([
            ("host", end.host.as_str().into()),
            ("port", end.port.into()),
            ("result", result.into()),
            ("elapsed_ms", elapsed.into()),
            ("reason", if result == "connected" { Value::Null } else { text.into() }),
        ]);
        if self.endpoints {
            fields.insert("endpoint".to_owned(), end.endpoint.clone().into());
        }
        Ok(fields)
    }

    /// The Service that the host may name, and its namespace: `mysql`, `mysql.apps`, `mysql.apps.svc.cluster.local`.
    fn service<'a>(&'a self, step: &'a str) -> (&'a str, &'a str) {
        let mut parts = self.host.trim_end_matches('.').split('.');
        let name = parts.next().unwrap_or_default();
        (name, parts.next().unwrap_or_else(|| self.from.namespace(step)))
    }

    /// The ready endpoints behind the port of the Service.
    ///
    /// # Errors
    /// When the cluster cannot be asked, or no endpoint is ready.
    async fn ends(&self, context: &Context) -> Result<Vec<End>, Failure> {
        let itself = || vec![End { host: self.host.clone(), port: self.port, endpoint: None }];
        let (name, place) = self.service(&context.namespace);
        let (Some(services), Some(slices)) = (builtin("Service"), builtin("EndpointSlice")) else { return Ok(itself()) };
        let cluster = context.cluster()?;
        let service = match cluster.get(&services, Some(place), name).await {
            Ok(service) => service,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(itself()),
            Err(error) => return Err(error.into()),
        };
        let slices = cluster.list(&slices, Some(place), &Selection::labels(format!("kubernetes.io/service-name={name}"))).await?;
        match behind(&service, &slices, self.port) {
            // without such a port or endpoint the Service itself gives the answer: it refuses
            ends if ends.is_empty() => Ok(itself()),
            ends => Ok(ends),
        }
    }

    /// nc takes whole seconds, and none means for ever.
    fn seconds(&self) -> String {
        self.timeout.0.as_secs_f64().ceil().max(1.0).to_string()
    }
}

/// The ready endpoints behind a port of a Service, each once and in order.
fn behind(service: &Value, slices: &[Value], port: u16) -> Vec<End> {
    let (Some(service), slices) = (Service::from_object(service), slices.iter().filter_map(EndpointSlice::from_object)) else { return Vec::new() };
    let Some(entry) = service.ports.iter().find(|entry| entry.port == port && entry.protocol == Protocol::Tcp) else { return Vec::new() };
    let mut found = Vec::new();
    for slice in slices {
        let number = slice.ports.iter().find(|(name, _, protocol)| *name == entry.name && *protocol == entry.protocol).map(|(_, number, _)| *number);
        let Some(number) = number else { continue };
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            // the addresses of one endpoint are alternatives
            let address = endpoint.addresses.first().map(|address| End { host: address.to_string(), port: number, endpoint: endpoint.pod.clone() });
            found.extend(address.filter(|end| !found.contains(end)));
        }
    }
    found.sort_by(|one: &End, other| (&one.endpoint, &one.host).cmp(&(&other.endpoint, &other.host)));
    found
}

const PYTHON: &str = "import socket,sys
try: socket.create_connection((sys.argv[1],int(sys.argv[2])),float(sys.argv[3])).close()
except socket.gaierror as e: print('could not resolve:',e,file=sys.stderr); sys.exit(1)
except ConnectionRefusedError as e: print('connection refused:',e,file=sys.stderr); sys.exit(1)
except (socket.timeout,TimeoutError) as e: print('timed out:',e,file=sys.stderr); sys.exit(1)
except OSError as e: print(e,file=sys.stderr); sys.exit(1)";

/// What the end of a tool says about the connection; none if it says nothing about it.
fn classify(tool: usize, code: i32, stderr: &str) -> Option<&'static str> {
    const CURL: usize = 2;
    let text = stderr.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if code == 0 || (tool == CURL && says(&["connected to "])) {
        Some("connected")
    } else if says(&["refused"]) {
        Some("refused")
    } else if says(&["could not resolve", "name or service not known", "temporary failure in name resolution", "bad address", "no address associated", "getaddrinfo"]) {
        Some("unresolved")
    } else if says(&["timed out", "timeout", "in progress"]) {
        Some("timeout")
    } else if says(&["no route", "unreachable"]) {
        Some("no_route")
    } else if code == 1 && text.trim().is_empty() {
        // busybox nc says nothing when it gives up
        Some("timeout")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_ready_endpoint_behind_a_port() {
        let service = json!({"metadata": {"name": "api", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "m", "port": 90}]}});
        let slice = |endpoints: Value, port: u16| {
            json!({"metadata": {"name": "s", "namespace": "a", "labels": {"kubernetes.io/service-name": "api"}}, "ports": [{"name": "http", "port": port}], "endpoints": endpoints})
        };
        let at = |address: &str, ready: bool, pod: &str| json!({"addresses": [address], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}});
        let slices = [slice(json!([at("10.0.0.2", true, "b"), at("10.0.0.3", false, "c")]), 8080), slice(json!([at("10.0.0.1", true, "a"), at("10.0.0.2", true, "b")]), 9000), slice(Value::Null, 1)];
        let told: Vec<String> = behind(&service, &slices, 80).iter().map(|end| format!("{} {}:{}", end.endpoint.clone().unwrap_or_default(), end.host, end.port)).collect();
        assert_eq!(told, ["a 10.0.0.1:9000", "b 10.0.0.2:8080", "b 10.0.0.2:9000"]);
        assert_eq!(behind(&service, &slices, 90), []);
        assert_eq!(behind(&service, &slices, 81), []);
    }

    #[test]
    fn the_words_of_the_tools() {
        for (tool, code, stderr, wanted) in [
            (0, 0, "Connection to mysql 3306 port [tcp/mysql] succeeded!", Some("connected")),
            (0, 1, "nc: connect to mysql (10.96.0.4) port 3306 (tcp) failed: Connection refused", Some("refused")),
            (0, 1, "nc: connect to mysql (10.96.0.4) port 3306 (tcp) timed out: Operation now in progress", Some("timeout")),
            (0, 1, "nc: getaddrinfo for host \"nope\" port 1: Name or service not known", Some("unresolved")),
            (0, 1, "nc: bad address 'nope'", Some("unresolved")),
            (0, 1, "nc: connect to 10.0.0.1 port 1 (tcp) failed: No route to host", Some("no_route")),
            (2, 28, "* Connected to mysql (10.96.0.4) port 3306\n* Operation timed out", Some("connected")),
            (2, 7, "curl: (7) Failed to connect to mysql port 3306: Connection refused", Some("refused")),
            (0, 2, "nc: invalid option -- 'z'", None),
        ] {
            assert_eq!(classify(tool, code, stderr), wanted, "{stderr}");
        }
    }
}
