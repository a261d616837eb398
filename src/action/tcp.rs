//! `tcp`: connects to a port from inside pods.

use super::support::fan_out::{Item, each_pod, item, pods_of, quote, reading};
use super::support::kubectl_line;
use super::support::settled::Question;
use super::support::tool::{Tool, ask_tools, exec_permissions, words};
use super::support::tool_connect::{ConnectOutcome, connect_outcome};
use super::{Access, Context, Duration, Failure, Output, Pods, Reach, Target, Verb, Wrong};
use crate::cluster::{ErrorKind, Selection, builtin};
use crate::event::Effect;
use crate::network::{EndpointSlice, Protocol, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Connects to a port from inside pods. The output is a list with one item per pod: `{pod, host,
/// port, result, elapsed_ms, reason}`. `result` is `connected`, `refused`, `timeout`, `no_route` or
/// `unresolved`. With `endpoints: true`, there is one item per pod and endpoint, and `endpoint` is
/// the name of the destination pod. The verb tries nc, python3, curl, bash and wget until one
/// returns a result; if the image has none of them, or none returns a result, the item is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// Pods to connect from.
    pub from: Target,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Timeout of one connection attempt.
    #[serde(default = "three_seconds")]
    pub timeout: Duration,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
    /// Whether to connect to every ready endpoint of the Service in `host` instead of one endpoint
    /// that the Service selects. A host that is not a Service is its own only endpoint.
    #[serde(default)]
    pub endpoints: bool,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TcpDestination {
    host: String,
    port: u16,
    /// The pod that should answer.
    endpoint: Option<String>,
}

fn three_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(3))
}

impl Verb for Tcp {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if self.host.is_empty() || self.host.starts_with('-') {
            Err(format!("`{}` is not a host", self.host))
        } else {
            Ok(())
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = exec_permissions(&self.from, namespace);
        if self.endpoints {
            let (name, place) = self.service(namespace);
            all.extend(builtin("Service").map(|resource| reading(&resource, "get", place, name)));
            all.extend(
                builtin("EndpointSlice").map(|resource| reading(&resource, "list", place, "")),
            );
        }
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let (host, port) = (quote(&self.host), self.port);
        let command = format!("nc -zv -w {} {host} {port}", self.seconds());
        kubectl_line::exec((&self.from, self.pods), namespace, None, "", &command)
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::support::wrong::probe(output, "connected")
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.from, self.pods).await?;
        let namespace = self.from.namespace(&context.namespace);
        let mut question = Question::read(context, &self.from, self.pods);
        // a list of endpoints is one also from one pod
        question.one &= !self.endpoints;
        let ends = if self.endpoints {
            self.ends(context).await?
        } else {
            vec![TcpDestination { host: self.host.clone(), port: self.port, endpoint: None }]
        };
        let mut output = match &ends[..] {
            [end] => {
                each_pod(question, &pods, |_, pod| self.connect(context, namespace, pod, end))
                    .await?
            }
            ends => {
                let pods = &pods;
                let each = ends.iter().map(|end| {
                    each_pod(question, pods, move |_, pod| {
                        self.connect(context, namespace, pod, end)
                    })
                });
                let each = futures::future::try_join_all(each).await?;
                Output::new(
                    each.iter()
                        .flat_map(|output| output.value.as_array().into_iter().flatten())
                        .cloned()
                        .collect(),
                    "",
                )
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
    async fn connect(
        &self,
        context: &Context,
        namespace: &str,
        pod: Value,
        end: &TcpDestination,
    ) -> Item {
        let limit = std::time::Duration::from_secs(self.seconds());
        let purpose = format!("connect to {}:{}", end.host, end.port);
        let commands = self.commands(&end.host, end.port);
        let said =
            ask_tools(context, namespace, &pod, &purpose, &commands, |tool, done, elapsed, _| {
                connect_outcome(tool, done, elapsed, limit)
            })
            .await?;
        let elapsed = u64::try_from(said.elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut fields = item([
            ("host", end.host.as_str().into()),
            ("port", end.port.into()),
            ("result", said.what.as_str().into()),
            ("elapsed_ms", elapsed.into()),
            (
                "reason",
                if said.what == ConnectOutcome::Connected {
                    Value::Null
                } else {
                    said.words.into()
                },
            ),
        ]);
        if self.endpoints {
            fields.insert("endpoint".to_owned(), end.endpoint.clone().into());
        }
        Ok(fields)
    }

    /// The Service that the host may name, and its namespace: `mysql`, `mysql.apps`,
    /// `mysql.apps.svc.cluster.local`.
    fn service<'a>(&'a self, step: &'a str) -> (&'a str, &'a str) {
        let mut parts = self.host.trim_end_matches('.').split('.');
        let name = parts.next().unwrap_or_default();
        (name, parts.next().unwrap_or_else(|| self.from.namespace(step)))
    }

    /// The ready endpoints behind the port of the Service.
    ///
    /// # Errors
    /// When the cluster cannot be asked, or no endpoint is ready.
    async fn ends(&self, context: &Context) -> Result<Vec<TcpDestination>, Failure> {
        let itself =
            || vec![TcpDestination { host: self.host.clone(), port: self.port, endpoint: None }];
        let (name, place) = self.service(&context.namespace);
        let (Some(services), Some(slices)) = (builtin("Service"), builtin("EndpointSlice")) else {
            return Ok(itself());
        };
        let cluster = context.cluster()?;
        let service = match cluster.get(&services, Some(place), name).await {
            Ok(service) => service,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(itself()),
            Err(error) => return Err(error.into()),
        };
        let slices = cluster
            .list(
                &slices,
                Some(place),
                &Selection::labels(format!("kubernetes.io/service-name={name}")),
            )
            .await?;
        match behind(&service, &slices, self.port) {
            // without such a port or endpoint the Service itself gives the answer: it refuses
            ends if ends.is_empty() => Ok(itself()),
            ends => Ok(ends),
        }
    }

    /// nc takes whole seconds, and none means for ever.
    fn seconds(&self) -> u64 {
        self.timeout.0.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
    }

    /// How a connection is tried, the most exact way first.
    fn commands(&self, host: &str, port: u16) -> Vec<(Tool, Vec<String>)> {
        let (seconds, port) = (self.seconds().to_string(), port.to_string());
        // longer than nc itself waits for the connection
        let longer = self.seconds().saturating_add(1).to_string();
        let url = |scheme: &str| {
            if host.contains(':') {
                format!("{scheme}://[{host}]:{port}/")
            } else {
                format!("{scheme}://{host}:{port}/")
            }
        };
        vec![
            (Tool::Nc, words(&["nc", "-z", "-v", "-w", &seconds, host, &port])),
            (Tool::Python, words(&["python3", "-c", PYTHON, host, &port, &seconds])),
            // the proxy of the environment would be asked instead
            (
                Tool::Curl,
                words(&[
                    "curl",
                    "-sv",
                    "--noproxy",
                    "*",
                    "--connect-timeout",
                    &seconds,
                    "-m",
                    &seconds,
                    &url("telnet"),
                ]),
            ),
            (Tool::PlainNc, words(&["timeout", &longer, "nc", "-w", &seconds, host, &port])),
            (
                Tool::Bash,
                words(&[
                    "timeout",
                    &seconds,
                    "bash",
                    "-c",
                    r#"exec 3<>"/dev/tcp/$0/$1""#,
                    host,
                    &port,
                ]),
            ),
            (
                Tool::Wget,
                words(&["wget", "-T", &seconds, "-t", "1", "-O", "/dev/null", &url("http")]),
            ),
        ]
    }
}

/// The ready endpoints behind a port of a Service, each once and in order.
fn behind(service: &Value, slices: &[Value], port: u16) -> Vec<TcpDestination> {
    let (Some(service), slices) =
        (Service::from_object(service), slices.iter().filter_map(EndpointSlice::from_object))
    else {
        return Vec::new();
    };
    let Some(entry) =
        service.ports.iter().find(|entry| entry.port == port && entry.protocol == Protocol::Tcp)
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for slice in slices {
        let number = slice
            .ports
            .iter()
            .find(|(name, _, protocol)| *name == entry.name && *protocol == entry.protocol)
            .map(|(_, number, _)| *number);
        let Some(number) = number else { continue };
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            // the addresses of one endpoint are alternatives
            let address = endpoint.addresses.first().map(|address| TcpDestination {
                host: address.to_string(),
                port: number,
                endpoint: endpoint.pod.clone(),
            });
            found.extend(address.filter(|end| !found.contains(end)));
        }
    }
    found.sort_by(|one: &TcpDestination, other| {
        (&one.endpoint, &one.host).cmp(&(&other.endpoint, &other.host))
    });
    found
}

/// Prints the result in one word.
const PYTHON: &str = "import errno,socket,sys
def say(word,why=''): print(word,why); sys.exit(0)
try: socket.create_connection((sys.argv[1],int(sys.argv[2])),float(sys.argv[3])).close()
except socket.gaierror as e: say('unresolved',e)
except ConnectionRefusedError as e: say('refused',e)
except (socket.timeout,TimeoutError) as e: say('timeout',e)
except OSError as e:
 if e.errno in (errno.EHOSTUNREACH,errno.ENETUNREACH): say('no_route',e)
 raise
say('connected')";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_ready_endpoint_behind_a_port() {
        let service = json!({"metadata": {"name": "api", "namespace": "a"},
            "spec": {"clusterIP": "10.96.0.1",
            "ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "m",
            "port": 90}]}});
        let slice = |endpoints: Value, port: u16| {
            json!({"metadata": {"name": "s", "namespace": "a",
                "labels": {"kubernetes.io/service-name": "api"}},
                "ports": [{"name": "http", "port": port}], "endpoints": endpoints})
        };
        let at = |address: &str, ready: bool, pod: &str| {
            json!({"addresses": [address], "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": pod}})
        };
        let slices = [
            slice(json!([at("10.0.0.2", true, "b"), at("10.0.0.3", false, "c")]), 8080),
            slice(json!([at("10.0.0.1", true, "a"), at("10.0.0.2", true, "b")]), 9000),
            slice(Value::Null, 1),
        ];
        let told: Vec<String> = behind(&service, &slices, 80)
            .iter()
            .map(|end| {
                format!("{} {}:{}", end.endpoint.clone().unwrap_or_default(), end.host, end.port)
            })
            .collect();
        assert_eq!(told, ["a 10.0.0.1:9000", "b 10.0.0.2:8080", "b 10.0.0.2:9000"]);
        assert_eq!(behind(&service, &slices, 90), []);
        assert_eq!(behind(&service, &slices, 81), []);
    }
}
