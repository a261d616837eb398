//! `tcp`: does a port accept a connection, seen from a pod.

use super::fan::{each_pod, item, pods_of, quote};
use super::tool::{Tool, ask_tools, exec_permissions, words};
use super::tool_words::{Connection, connection};
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb, Wrong};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Connects to a port from inside pods. The output is a list with one item a pod: `{pod, host, port, result, elapsed_ms, reason}`, `result` being `connected`,
/// `refused`, `timeout`, `no_route` or `unresolved`. nc, python3, curl, bash and wget are tried until one gives an answer; where none is in the image or none gives one,
/// that is an error of the item.
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
    fn check(&self) -> Result<(), String> {
        if self.host.is_empty() || self.host.starts_with('-') { Err(format!("`{}` is not a host", self.host)) } else { Ok(()) }
    }

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
        let commands = &self.commands();
        let one = self.pods == Pods::One || self.from.is_one_pod();
        let limit = std::time::Duration::from_secs(self.seconds());
        let purpose = &format!("connect to {}:{}", self.host, self.port);
        let mut output = each_pod(&pods, one, |_, pod| async move {
            let said = ask_tools(context, namespace, &pod, purpose, commands, |tool, done, elapsed, _| connection(tool, done, elapsed, limit)).await?;
            let elapsed = u64::try_from(said.elapsed.as_millis()).unwrap_or(u64::MAX);
            Ok(item([
                ("host", self.host.as_str().into()),
                ("port", self.port.into()),
                ("result", said.what.as_str().into()),
                ("elapsed_ms", elapsed.into()),
                ("reason", if said.what == Connection::Connected { Value::Null } else { said.words.into() }),
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
    fn seconds(&self) -> u64 {
        self.timeout.0.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
    }

    /// How a connection is tried, the most exact way first.
    fn commands(&self) -> Vec<(Tool, Vec<String>)> {
        let (seconds, host, port) = (self.seconds().to_string(), self.host.as_str(), self.port.to_string());
        // longer than nc itself waits for the connection
        let longer = self.seconds().saturating_add(1).to_string();
        let url = |scheme: &str| if host.contains(':') { format!("{scheme}://[{host}]:{port}/") } else { format!("{scheme}://{host}:{port}/") };
        vec![
            (Tool::Nc, words(&["nc", "-z", "-v", "-w", &seconds, host, &port])),
            (Tool::Python, words(&["python3", "-c", PYTHON, host, &port, &seconds])),
            // the proxy of the environment would be asked instead
            (Tool::Curl, words(&["curl", "-sv", "--noproxy", "*", "--connect-timeout", &seconds, "-m", &seconds, &url("telnet")])),
            (Tool::PlainNc, words(&["timeout", &longer, "nc", "-w", &seconds, host, &port])),
            (Tool::Bash, words(&["timeout", &seconds, "bash", "-c", r#"exec 3<>"/dev/tcp/$0/$1""#, host, &port])),
            (Tool::Wget, words(&["wget", "-T", &seconds, "-t", "1", "-O", "/dev/null", &url("http")])),
        ]
    }
}

/// Says what came of it in one word.
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
