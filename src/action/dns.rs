//! `dns`: does a name resolve, seen from a pod.

use super::fan::{each_pod, item, pods_of, quote};
use super::tool::{exec_permissions, first_tool, words};
use super::{Access, Context, Failure, Output, Pods, Target, Verb, Wrong};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Resolves a name from inside pods. The output is a list with one item a pod: `{pod, name, result, addresses, reason}`, `result` being `resolved`,
/// `not_found` or `timeout`. An image without getent, nslookup or python3 is an error of that item.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The pods that ask.
    pub from: Target,
    /// The name.
    pub name: String,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Dns {
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.starts_with('-') { Err(format!("`{}` is not a host name", self.name)) } else { Ok(()) }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.from, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!("kubectl exec -n {} {} -- getent ahosts {}", quote(self.from.namespace(namespace)), self.from.kubectl(), quote(&self.name))]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::wrong::probe(output, "resolved")
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.from, self.pods).await?;
        let namespace = self.from.namespace(&context.namespace);
        let commands = [words(&["getent", "ahosts", &self.name]), words(&["nslookup", &self.name]), words(&["python3", "-c", PYTHON, &self.name])];
        let commands = &commands;
        let one = self.pods == Pods::One || self.from.is_one_pod();
        let mut output = each_pod(&pods, one, |_, pod| async move {
            let said = first_tool(context, namespace, &pod, "resolve names", commands).await?;
            let text = format!("{}\n{}", said.done.stdout, said.done.stderr);
            let addresses = addresses(said.tool, &said.done.stdout);
            let result = match (said.done.code, addresses.is_empty()) {
                (0, false) => "resolved",
                // getent has one exit code for "no such name" and "nobody answers"; only the latter takes its time
                _ if text.to_lowercase().contains("timed out") || said.elapsed >= RESOLVER_PATIENCE => "timeout",
                _ => "not_found",
            };
            let reason = if result == "resolved" { Value::Null } else { said.done.stderr.trim().into() };
            Ok(item([("name", self.name.as_str().into()), ("result", result.into()), ("addresses", addresses.into_iter().collect()), ("reason", reason)]))
        })
        .await?;
        output.summary = match output.value.as_array() {
            Some(items) => format!("{} of {}", items.iter().filter(|item| item["result"] == "resolved").count(), items.len()),
            None => output.value["result"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(output)
    }
}

/// A resolver asks for five seconds before it gives up (resolv.conf(5), `timeout`).
const RESOLVER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(4);

const PYTHON: &str = "import socket,sys
try: print('\\n'.join(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1],None)})))
except socket.gaierror as e: print(e,file=sys.stderr); sys.exit(2)";

/// The addresses in a tool's answer, each once.
fn addresses(tool: usize, stdout: &str) -> BTreeSet<String> {
    const NSLOOKUP: usize = 1;
    let lines = stdout.lines();
    let words: Vec<&str> = if tool == NSLOOKUP {
        // the first address is that of the server
        let answer = lines.skip_while(|line| !line.starts_with("Name:") && !line.starts_with("Non-authoritative"));
        answer.filter(|line| line.starts_with("Address")).filter_map(|line| line.split(": ").nth(1)?.split_whitespace().next()).collect()
    } else {
        lines.filter_map(|line| line.split_whitespace().next()).collect()
    };
    words.into_iter().filter(|word| word.parse::<IpAddr>().is_ok()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_that_of_the_server() {
        let wanted = BTreeSet::from(["10.96.0.7".to_owned()]);
        assert_eq!(addresses(0, "10.96.0.7      STREAM mysql\n10.96.0.7      DGRAM\n"), wanted);
        assert_eq!(addresses(1, "Server:\t10.96.0.10\nAddress:\t10.96.0.10#53\n\nName:\tmysql\nAddress: 10.96.0.7\n"), wanted);
        assert_eq!(addresses(2, "10.96.0.7\n"), wanted);
        assert!(addresses(0, "").is_empty());
    }
}
