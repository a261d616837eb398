//! `dns`: resolves a name from inside pods.

use super::support::fan_out::{each_pod, item, pods_of, quote};
use super::support::kubectl_line;
use super::support::settled::Question;
use super::support::tool::{Done, Heard, Tool, ask_tools, exec_permissions, words};
use super::support::tool_lookup::{Lookup, Resolved, lookup};
use super::{Access, Context, Failure, Output, Pods, Reach, Target, Verb, Wrong};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Resolves a name from inside pods. The output is a list with one item per pod: `{pod, name,
/// result, addresses, reason}`. `result` is `resolved`, `not_found`, `timeout` or `server_failure`
/// (the name server responds but cannot resolve the name). The verb tries getent, python3, nslookup
/// and dig until one returns a result; if the image has none of them, or none returns a result, the
/// item is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Pods to resolve the name from.
    pub from: Target,
    /// Name to resolve.
    pub name: String,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Dns {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.starts_with('-') {
            Err(format!("`{}` is not a host name", self.name))
        } else {
            Ok(())
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.from, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let command = format!("getent ahosts {}", quote(&self.name));
        kubectl_line::exec((&self.from, self.pods), namespace, None, "", &command)
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::support::wrong::probe(output, "resolved")
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.from, self.pods).await?;
        let namespace = self.from.namespace(&context.namespace);
        let short = short_of(&self.name);
        let mut commands = vec![
            (Tool::Getent, words(&["getent", "ahosts", &self.name])),
            (Tool::Python, words(&["python3", "-c", PYTHON, &self.name])),
            (Tool::Nslookup, words(&["nslookup", &self.name])),
        ];
        commands.extend(
            short.map(|rest| {
                (Tool::Nslookup, words(&["nslookup", &format!("{}{rest}", self.name)]))
            }),
        );
        commands.push((Tool::Dig, words(&["dig", "+search", "+tries=1", &self.name])));
        let commands = &commands;
        let read = |tool: Tool, done: &Done, elapsed, before: Option<&Resolved>| {
            let heard = lookup(tool, done, elapsed, before);
            let missed = matches!(heard, Heard::Sure((Lookup::NotFound, _)));
            if missed && tool == Tool::Nslookup && short.is_some() { Heard::Nothing } else { heard }
        };
        let question = Question::read(context, &self.from, self.pods);
        let purpose = &format!("resolve {}", self.name);
        let mut output = each_pod(question, &pods, |_, pod| async move {
            let said = ask_tools(context, namespace, &pod, purpose, commands, read).await?;
            let (result, addresses) = said.what;
            let reason = match (result, said.words) {
                (Lookup::Resolved, _) => Value::Null,
                (_, words) if words.is_empty() => format!("getent finds no {}", self.name).into(),
                (_, words) => words.into(),
            };
            Ok(item([
                ("name", self.name.as_str().into()),
                ("result", result.as_str().into()),
                ("addresses", addresses.into_iter().collect()),
                ("reason", reason),
            ]))
        })
        .await?;
        output.summary = match output.value.as_array() {
            Some(items) => format!(
                "{} of {}",
                items.iter().filter(|item| item["result"] == "resolved").count(),
                items.len()
            ),
            None => output.value["result"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(output)
    }
}

/// What a name leaves out of a cluster's name for a Service: `db.apps` of
/// `db.apps.svc.cluster.local`. Not every nslookup adds what the pod's search list has for a name
/// with a dot, as applications do: that it finds none says nothing.
fn short_of(name: &str) -> Option<&'static str> {
    match name.split('.').collect::<Vec<_>>()[..] {
        [_, second] if !second.is_empty() => Some(".svc.cluster.local"),
        [_, _, "svc"] => Some(".cluster.local"),
        _ => None,
    }
}

/// Prints addresses, or one word and the reason.
const PYTHON: &str = "import socket,sys
try: print('\\n'.join(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1],None)})))
except socket.gaierror as e:
 if e.errno==socket.EAI_AGAIN: print('again',e)
 elif e.errno in (socket.EAI_NONAME,getattr(socket,'EAI_NODATA',socket.EAI_NONAME)): \
 print('not_found',e)
 else: raise";

#[cfg(test)]
mod tests {
    use super::short_of;

    #[test]
    fn names_that_a_search_list_completes() {
        for (name, rest) in [
            ("db", None),
            ("db.apps", Some(".svc.cluster.local")),
            ("db.apps.svc", Some(".cluster.local")),
            ("db.apps.svc.cluster.local", None),
            ("fapi.binance.com", None),
            ("example.", None),
        ] {
            assert_eq!(short_of(name), rest, "{name}");
        }
    }
}
