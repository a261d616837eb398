//! `redis`: asks a Redis server with the client in its own container.

use super::support::database_client::{
    Password, SecretKey, ask, password_fault, secret_permission, typed,
};
use super::support::fan_out::{each_pod, item, pods_of};
use super::support::kubectl_line;
use super::support::settled::Question;
use super::support::tool::exec_permissions;
use super::{Access, Context, Failure, Output, Pods, Reach, Target, Verb, Wrong};
use crate::diagnosis::pod;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Commands that read, and those of which only these subcommands do.
const READS: &[&str] = &[
    "PING",
    "INFO",
    "DBSIZE",
    "ROLE",
    "TIME",
    "LASTSAVE",
    "GET",
    "MGET",
    "STRLEN",
    "GETRANGE",
    "EXISTS",
    "TYPE",
    "TTL",
    "PTTL",
    "EXPIRETIME",
    "SCAN",
    "LLEN",
    "LRANGE",
    "LINDEX",
    "SCARD",
    "SMEMBERS",
    "SISMEMBER",
    "SSCAN",
    "HGET",
    "HMGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HEXISTS",
    "HSCAN",
    "ZCARD",
    "ZCOUNT",
    "ZRANGE",
    "ZSCORE",
    "ZRANK",
    "ZSCAN",
    "XLEN",
    "XRANGE",
    "XREVRANGE",
    "XPENDING",
    "BITCOUNT",
    "PFCOUNT",
];
const READS_IN_PART: &[(&str, &[&str])] = &[
    ("XINFO", &["STREAM", "GROUPS", "CONSUMERS"]),
    ("MEMORY", &["USAGE", "STATS", "DOCTOR"]),
    ("CLIENT", &["LIST", "INFO"]),
    ("SLOWLOG", &["GET", "LEN"]),
    ("LATENCY", &["LATEST", "HISTORY", "DOCTOR"]),
    ("CLUSTER", &["INFO", "NODES", "SLOTS", "SHARDS"]),
    ("OBJECT", &["ENCODING", "IDLETIME", "FREQ", "REFCOUNT"]),
    ("PUBSUB", &["CHANNELS", "NUMSUB", "NUMPAT"]),
    ("SENTINEL", &["MASTERS", "REPLICAS", "CKQUORUM", "GET-MASTER-ADDR-BY-NAME"]),
];

/// Settings that `CONFIG GET` may ask for: none of them is a secret.
const SETTINGS: &[&str] = &[
    "maxmemory",
    "maxmemory-policy",
    "maxclients",
    "save",
    "appendonly",
    "appendfsync",
    "tcp-keepalive",
    "timeout",
    "dir",
    "dbfilename",
];

/// Asks a Redis server with its own client (redis-cli 7 or later), in the container of the server.
/// The output is a list with one item per pod: `{pod, container, reply}`; with `pods: one`, it is
/// that item. `reply` is the reply as JSON: a string, a number, a list, an object (of a hash), or
/// null; of `INFO`, an object with a string for each field: `(.reply.connected_clients |
/// tonumber)`. Only commands that read are possible, such as `GET`, `HGETALL`, `LLEN`, `XINFO
/// GROUPS`, `INFO`, `DBSIZE` and `CLIENT LIST`; and `CONFIG GET` of settings that are no secrets. An error of the server is an error. Example:
/// `redis: {target: deployment/redis, command: [LLEN, jobs], password_env: REDIS_PASSWORD}`. (The
/// images of NATS have no client: use `http` with its monitoring port, `/varz`, `/connz`, `/jsz`.)
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Pods of the server.
    pub target: Target,
    /// Command and arguments. They are not interpreted by a shell.
    pub command: Vec<String>,
    /// Number of the database; default: 0.
    pub database: Option<u16>,
    /// User of the server; defaults to that of the client.
    pub user: Option<String>,
    /// Host, as the container sees it; default: 127.0.0.1.
    pub host: Option<String>,
    /// Name of the environment variable of the container that has the password. The value does not
    /// leave the container.
    pub password_env: Option<String>,
    /// Key of a Secret in the namespace of the pods that has the password, instead of
    /// `password_env`: whether the server accepts what clients are given. The client gets the value
    /// on its standard input.
    pub password_secret: Option<SecretKey>,
    /// Whether an error of the server is an answer: the item then has `says`, and no result.
    #[serde(default)]
    pub errors: bool,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Redis {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn judges(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        fault(&self.command)
            .or_else(|| password_fault(self.password_env.as_deref(), self.password_secret.as_ref()))
            .map_or(Ok(()), Err)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.target.namespace(namespace);
        let secret = secret_permission(self.password_secret.as_ref(), place);
        exec_permissions(&self.target, namespace).into_iter().chain(secret).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let at = (&self.target, self.pods);
        let command = typed(self.password(), &self.client());
        let stdin = if self.password_secret.is_some() { " -i" } else { "" };
        kubectl_line::exec(at, namespace, self.container.as_deref(), stdin, &command)
    }

    fn wrong(&self, _output: &Value) -> Option<Wrong> {
        None
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        // what is computed was not known when the runbook was checked
        self.check().map_err(Failure::error)?;
        let pods = pods_of(context, &self.target, self.pods).await?;
        let namespace = self.target.namespace(&context.namespace);
        let asked =
            format!("redis-cli in {} of {}", kubectl_line::counted(pods.len()), self.target);
        (context.progress)(&asked);
        let clients = [self.client()];
        let clients = &clients[..];
        let question = Question::read(context, &self.target, self.pods);
        let output = each_pod(question, &pods, |name, pod| async move {
            let container = self.container.clone().or_else(|| pod::default_container(&pod));
            let place = (namespace, name.as_str(), container.as_deref());
            let said = ask(context, place, self.password(), clients, "").await?;
            let (reply, says) = match said.printed(self.errors)? {
                Ok(text) => (reply(&self.command, &text), Value::Null),
                Err(says) => (Value::Null, json!(says)),
            };
            let mut fields = vec![("container", json!(container)), ("reply", reply)];
            fields.extend(self.errors.then_some(("says", says)));
            Ok(item(fields))
        })
        .await?;
        let summary = match output.value.as_array() {
            None => brief(&output.value["reply"]),
            Some(items) => {
                items.iter().map(|item| brief(&item["reply"])).collect::<Vec<_>>().join(", ")
            }
        };
        Ok(Output::new(output.value, summary))
    }
}

impl Redis {
    fn password(&self) -> Option<Password<'_>> {
        Password::of(self.password_env.as_deref(), self.password_secret.as_ref(), "REDISCLI_AUTH")
    }

    fn client(&self) -> Vec<String> {
        let mut words = vec!["redis-cli".to_owned(), "--json".to_owned(), "-e".to_owned()];
        let database = self.database.map(|number| number.to_string());
        let named = [("-n", &database), ("--user", &self.user), ("-h", &self.host)];
        for (flag, value) in named {
            words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
        }
        words.extend(self.command.iter().cloned());
        words
    }
}

/// A fault in a command.
fn fault(command: &[String]) -> Option<String> {
    let word = |index: usize| command.get(index).map(|word| word.to_uppercase());
    let Some(first) = word(0) else {
        return Some("the `command` is empty: list the command and its arguments".to_owned());
    };
    if READS.contains(&first.as_str()) {
        return None;
    }
    if first == "CONFIG" {
        let known = |name: &String| SETTINGS.contains(&name.to_lowercase().as_str());
        let good = word(1).is_some_and(|second| second == "GET")
            && command.len() > 2
            && command[2..].iter().all(known);
        let text = || format!("of `CONFIG`, only GET of {} is possible", SETTINGS.join(", "));
        return (!good).then(text);
    }
    let Some((_, parts)) = READS_IN_PART.iter().find(|(name, _)| *name == first) else {
        return Some(format!(
            "`{first}` is not a command that only reads: use one such as GET, HGETALL, LLEN, INFO \
            or DBSIZE"
        ));
    };
    let second = word(1).unwrap_or_default();
    (!parts.contains(&second.as_str()))
        .then(|| format!("of `{first}`, only {} read", parts.join(", ")))
}

/// The reply in what the client printed. Some replies are texts, which it prints as they are.
fn reply(command: &[String], text: &str) -> Value {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if command.first().is_some_and(|first| first.eq_ignore_ascii_case("INFO")) {
        let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        return Value::Object(
            fields.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>(),
        );
    }
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn brief(reply: &Value) -> String {
    match reply {
        Value::Array(items) => format!("{} items", items.len()),
        Value::Object(fields) => format!("{} fields", fields.len()),
        other => other.to_string().chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_commands_that_read() {
        for good in
            ["get a", "HGETALL h", "INFO", "xinfo groups jobs", "CLIENT LIST", "config get Save"]
        {
            assert_eq!(fault(&words(good)), None, "{good}");
        }
        let bad = [
            "",
            "SET a b",
            "CONFIG GET requirepass",
            "CONFIG GET *",
            "CONFIG GET save requirepass",
            "CONFIG GET",
            "CONFIG SET save x",
            "CLIENT KILL 1",
            "XINFO",
            "-h x",
            "EVAL 1 0",
        ];
        for bad in bad {
            assert!(fault(&words(bad)).is_some(), "{bad}");
        }
    }

    #[test]
    fn replies() {
        for (command, text, wanted) in [
            ("GET a", "\"x\\\"y\"\n", json!("x\"y")),
            ("GET a", "null\n", Value::Null),
            ("HGETALL h", "{\"a\":\"1\"}\n", json!({"a": "1"})),
            ("LLEN a", "3\n", json!(3)),
            ("CLIENT LIST", "id=3 addr=x\n", json!("id=3 addr=x")),
            (
                "info",
                "# Server\r\nversion:7.0.15\r\n\r\nslave0:ip=1,port=2\r\n",
                json!({"version": "7.0.15", "slave0": "ip=1,port=2"}),
            ),
        ] {
            assert_eq!(reply(&words(command), text), wanted, "{command}");
        }
    }

    #[test]
    fn the_line_by_hand() {
        let redis: Redis = serde_json::from_value(json!({"target": "pod/redis-0", "command":
            ["LLEN", "a b"], "database": 2, "password_env": "REDIS_PASSWORD"}))
        .unwrap();
        assert!(redis.check().is_ok());
        assert_eq!(
            redis.manual_commands("n"),
            ["kubectl exec -n n pod/redis-0 -- sh -c 'REDISCLI_AUTH=\"$REDIS_PASSWORD\" exec \
            redis-cli --json -e -n 2 LLEN '\\''a b'\\'''"]
        );
    }
}
