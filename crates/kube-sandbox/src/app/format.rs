//! The description of the processes: `applications.yaml` of a world.
//!
//! ```yaml
//! images:                        # an image that is not listed cannot be pulled
//! - {images: ["example/web:1.0"], tools: full}
//!   # optional: programs: [shop] are all that it can start; root: true, it runs as root
//! tools: {full: [sh, curl], none: []}   # the commands that exec finds in an image
//! apps:
//! - app: web
//!   command: shop web         # the first words of the container's command and arguments, without directories
//!   of_image: shop               # optional: required part of the image name
//!   # a container with PORT_8080=9000 in its environment listens there instead
//!   ports: [{port: 8080, protocol: TCP, when: env.ON == '1', greeting: "sent on connect"}]
//!   # with `loopback: env.HOST == '127.0.0.1'`, a port that only the pod itself reaches
//!   users: {name: password}      # users that may log in; makes it a MySQL server
//!   leads: {lease: web-leader, when: "true", seconds: 10}   # participates in a leader election
//!   log_prefix: "%Y/%m/%d "      # strftime, UTC, before each line of the log
//!   builtin: prometheus          # implemented in code: prometheus, dns
//!   values:                      # named expressions, evaluated whenever they are used
//!     mysql: mysql_login(env.MYSQL_URI)
//!   varies: {log-noise: {NOISE: ["1", "2"]}}   # for variations, see `variation/`
//!   versions: {usual: v1.0, others: [v1.1]}    # the same
//!   starts: remember('seen', 0)  # evaluated once at startup
//!   happens:                     # periodically; counted, see `happened`
//!   - {name: round, after: 1.5, every: 5, when: mysql.ok}
//!   exits: {when: "true", after: "2", code: 0 if mysql.ok else 1}   # a program that ends: seconds, exit code
//!   memory: 40 + 10 * uptime     # in MiB; a container whose limit is lower is killed
//!   routes:                      # the first with a matching method, path and condition
//!   - {port: 8080, route: "GET /items/{item}", when: mysql.ok, status: 200, json: "{'item': request.item}"}
//!   - {route: "PUT /items/{item}", json: "{}", does: "remember('item', request.json)"}   # `does` is evaluated after the response
//!   - {route: GET /metrics, type: text/plain, text: "up {{ uptime }}"}
//!   - {route: SQL /, json: "[{'n': 1}]"}   # to a client in the container: SQL or REDIS, see `exec/database.rs`
//!   logs:
//!   - {after: 1, text: "listening"}                            # seconds after the start
//!   - {after: 1, every: 2, when: not mysql.ok, text: "ERROR {{ mysql.error }}"}   # each line of the text is a line of the log
//! templates: {process: "…"}      # for include and import; macros are the functions of a world
//! ```
//!
//! `when`, `json` and the values are minijinja expressions, `text` is a template. Available
//! variables are `env`, `image` and `args` of the container, `pod` (`name`, `namespace`, `ip`,
//! `labels`), `cpu_limit` (cores), `uptime` and `started` (seconds), `request` (path parameters,
//! `query`, `method`, `json`) and the values. These functions are built in:
//!
//! | function | result |
//! |---|---|
//! | `tcp('host:port')` | `{ok, error, latency_ms}` of a connection |
//! | `mysql_login(uri)`, `nats_connect(url)` | the same, for a client of this kind |
//! | `http_get(url)` | `{ok, error, status, json}` |
//! | `lease_holder(name)` | holder of the Lease in the namespace of the pod, or `''` |
//! | `happened(name)`, `count(name)` | number of occurrences in the process; increments the counter |
//! | `recall(name)`, `remember(name, value)` | state of the process |
//! | `stored(name)`, `store(name, value)` | state shared by the processes of a namespace |
//! | `merged(map, other)`, `without(map, key)` | a changed map |
//! | `containers(value)` | every running container: `{namespace, pod, container, cpu_limit, uptime, value}` |
//! | `values_of(app, value)` | the value in every running pod of the app |
//! | `time(format)`, `time(format, seconds)` | the current time, or Unix time in seconds, formatted with strftime |
//! | `words('a,b')`, `version_at_least(version, least)` | a list; whether a version is at least another |

use std::collections::BTreeMap;
use std::ops::Deref;

use jiff::Timestamp;
use jiff::fmt::strtime;
use serde::Deserialize;
use serde_saphyr::Spanned;

use netpol_evaluator::Protocol;

/// An expression or a template, with its place in the file.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct Text(
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema::Scalar"))] Spanned<String>,
);

impl Deref for Text {
    type Target = Spanned<String>;

    fn deref(&self) -> &Spanned<String> {
        &self.0
    }
}

/// The tags of an image that are as good as the usual one.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Versions {
    pub(crate) usual: String,
    pub(crate) others: Vec<String>,
}

/// A number of seconds, of at most a year.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(pub(crate) f64);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        (0.0..=31_536_000.0).contains(&seconds).then_some(Self(seconds)).ok_or_else(|| {
            format!("{seconds} is no number of seconds between 0 and 31536000 (a year)")
        })
    }
}

/// What stands before each line of a log, as strftime writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
pub(crate) struct LogPrefix(String);

impl TryFrom<String> for LogPrefix {
    type Error = String;

    fn try_from(prefix: String) -> Result<Self, String> {
        match strtime::format(&prefix, Timestamp::UNIX_EPOCH) {
            Ok(_) => Ok(Self(prefix)),
            Err(error) => Err(format!(
                "log_prefix is not as strftime takes it: {error}; an example is `%Y-%m-%d %H:%M:%S `"
            )),
        }
    }
}

impl LogPrefix {
    /// The prefix of a line of this time.
    pub(crate) fn at(&self, at: Timestamp) -> String {
        strtime::format(&self.0, at).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Document {
    pub(crate) images: Vec<ImageSet>,
    pub(crate) tools: BTreeMap<String, Vec<String>>,
    pub(crate) apps: Vec<App>,
    pub(crate) templates: BTreeMap<String, Text>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageSet {
    pub(crate) images: Vec<String>,
    pub(crate) tools: String,
    /// The programs that it can start, besides the tools; empty when nobody has said so.
    #[serde(default)]
    pub(crate) programs: Vec<String>,
    /// Whether it is known to run as root.
    #[serde(default)]
    pub(crate) root: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    #[serde(rename = "app")]
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) of_image: Option<String>,
    #[serde(default)]
    pub(crate) ports: Vec<ListeningPort>,
    #[serde(default)]
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) leads: Option<Leads>,
    #[serde(default)]
    pub(crate) log_prefix: LogPrefix,
    pub(crate) builtin: Option<Builtin>,
    /// What is done once, when the process begins.
    pub(crate) starts: Option<Text>,
    #[serde(default)]
    pub(crate) happens: Vec<Happening>,
    /// How it ends, if it is not a server.
    pub(crate) exits: Option<Exits>,
    /// What it uses, in MiB.
    pub(crate) memory: Option<Text>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Text>,
    /// Values of environment variables that change nothing of importance, by kind of variation.
    #[serde(default)]
    pub(crate) varies: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    pub(crate) versions: Option<Versions>,
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    #[serde(default)]
    pub(crate) logs: Vec<LogRule>,
}

/// What the processes of an app do otherwise in a scenario.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Otherwise {
    /// The app, in its place.
    pub(crate) app: Text,
    /// Instead of the values of the same names.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Text>,
    /// Before the routes of the app.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Besides the logs of the app.
    #[serde(default)]
    pub(crate) logs: Vec<LogRule>,
    /// Instead of how the app ends.
    pub(crate) exits: Option<Exits>,
    /// Instead of what the app uses.
    pub(crate) memory: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ListeningPort {
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) protocol: Protocol,
    pub(crate) when: Option<Text>,
    /// Whether it listens on 127.0.0.1 alone.
    pub(crate) loopback: Option<Text>,
    pub(crate) greeting: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Leads {
    pub(crate) lease: String,
    pub(crate) when: Text,
    pub(crate) seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Builtin {
    Prometheus,
    Dns,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The port that answers; any of the app's when absent.
    pub(crate) port: Option<u16>,
    /// `METHOD /path/{parameter}`.
    pub(crate) route: String,
    /// The path is the beginning of those meant.
    #[serde(default)]
    pub(crate) prefix: bool,
    pub(crate) when: Option<Text>,
    pub(crate) status: Option<u16>,
    #[serde(rename = "type")]
    pub(crate) content_type: Option<String>,
    pub(crate) json: Option<Text>,
    pub(crate) text: Option<Text>,
    /// What the request changes, evaluated after the answer.
    pub(crate) does: Option<Text>,
}

/// What happens in a process by itself, and is counted under a name.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Happening {
    pub(crate) name: String,
    /// Seconds after the start of the process.
    pub(crate) after: Seconds,
    /// Seconds between repetitions.
    pub(crate) every: Seconds,
    pub(crate) when: Option<Text>,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Exits {
    /// Whether it ends at all; it does when absent.
    pub(crate) when: Option<Text>,
    /// Seconds after the start of the process.
    pub(crate) after: Text,
    /// The exit code.
    pub(crate) code: Text,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct LogRule {
    /// Seconds after the start of the process.
    pub(crate) after: Seconds,
    /// Seconds between repetitions; once when absent.
    pub(crate) every: Option<Seconds>,
    pub(crate) when: Option<Text>,
    pub(crate) text: Text,
}
