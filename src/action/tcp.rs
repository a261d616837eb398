//! `tcp`: does a port accept a connection, seen from a pod.

use super::fan::{each_pod, item, pods_of, quote};
use super::tool::{exec_permissions, first_tool, words};
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb, Wrong};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Connects to a port from inside pods. The output is a list with one item a pod: `{pod, host, port, result, elapsed_ms, reason}`, `result` being `connected`,
/// `refused`, `timeout`, `no_route` or `unresolved`. An image without nc, curl or python3 is an error of that item, not a refusal.
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
}

fn three_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(3))
}

impl Verb for Tcp {
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.from, namespace)
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
        let (seconds, port) = (self.seconds(), self.port.to_string());
        let commands = [
            words(&["nc", "-z", "-v", "-w", &seconds, &self.host, &port]),
            words(&["python3", "-c", PYTHON, &self.host, &port, &seconds]),
            words(&["curl", "-sv", "--connect-timeout", &seconds, "-m", &seconds, &format!("telnet://{}:{port}", self.host)]),
        ];
        let one = self.pods == Pods::One || self.from.is_one_pod();
        let commands = &commands;
        let mut output = each_pod(&pods, one, |name, pod| async move {
            let said = first_tool(context, namespace, &pod, "connect", commands).await?;
            let text = said.done.stderr.trim().to_owned();
            let result = classify(said.tool, said.done.code, &said.done.stderr)
                .ok_or_else(|| Failure::error(format!("the tool in pod/{name} ended with {} and said: {text}", said.done.code)))?;
            let elapsed = u64::try_from(said.elapsed.as_millis()).unwrap_or(u64::MAX);
            Ok(item([
                ("host", self.host.as_str().into()),
                ("port", self.port.into()),
                ("result", result.into()),
                ("elapsed_ms", elapsed.into()),
                ("reason", if result == "connected" { Value::Null } else { text.into() }),
            ]))
        })
        .await?;
        let connected = |item: &&Value| item["result"] == "connected";
        output.summary = match output.value.as_array() {
            Some(items) => format!("{} of {}", items.iter().filter(connected).count(), items.len()),
            None => output.value["result"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(output)
    }
}

impl Tcp {
    /// nc takes whole seconds, and none means for ever.
    fn seconds(&self) -> String {
        self.timeout.0.as_secs_f64().ceil().max(1.0).to_string()
    }
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
