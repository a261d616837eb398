//! The description of the processes: `src/sandbox/world/apps.yaml`.
//!
//! ```yaml
//! images:                        # an image that is not listed cannot be pulled
//! - {images: ["example/web:1.0"], tools: full}
//! tools: {full: [sh, curl], none: []}   # the commands that exec finds in an image
//! apps:
//! - app: web
//!   command: petrosa web         # the first words of the container's command and arguments, without directories
//!   of_image: petrosa            # optional: what the image's name must contain
//!   ports: [{port: 8080, protocol: TCP, when: env.ON == '1', greeting: "what it says first"}]
//!   users: {name: password}      # who may log in; makes it a MySQL server
//!   leads: {lease: web-leader, when: "true", seconds: 10}   # takes part in the election over this Lease
//!   log_prefix: "%Y/%m/%d "      # strftime, UTC, before each line of the log
//!   builtin: prometheus          # answers by code: prometheus, dns
//!   values:                      # named expressions, evaluated when something asks for them, each time anew
//!     mysql: mysql_login(env.MYSQL_URI)
//!   routes:                      # the first whose method and path fit and whose condition holds
//!   - {port: 8080, route: "GET /items/{item}", when: mysql.ok, status: 200, json: "{'item': request.item}"}
//!   - {route: GET /metrics, type: text/plain, text: "up {{ uptime }}"}
//!   logs:
//!   - {after: 1, text: "listening"}                            # seconds after the start
//!   - {after: 1, every: 2, when: not mysql.ok, text: "ERROR {{ mysql.error }}"}   # lines of the text are lines of the log
//! templates: {process: "…"}      # for include
//! ```
//!
//! `when`, `json` and the values are minijinja expressions, `text` is a template. They see `env` (of the container), `pod`
//! (`name`, `namespace`, `ip`, `labels`), `uptime` and `started` (seconds), `request` (path parameters, `query`, `method`)
//! and the values; and they can ask the network:
//!
//! | function | gives |
//! |---|---|
//! | `tcp('host:port')` | `{ok, error, latency_ms}` of a connection |
//! | `mysql_login(uri)`, `nats_connect(url)` | the same, of a client of that kind |
//! | `http_get(url)` | `{ok, error, status, json}` |
//! | `lease_holder(name)` | who holds the Lease of the pod's namespace, or `''` |
//! | `asked(route)` | how often this route, which is not a GET, has succeeded in this pod |
//! | `values_of(app, value)` | this value in every pod that runs the app |
//! | `candles(query, step, most, stale_minutes)` | what Data Manager answers |
//! | `time(format)`, `words('a,b')`, `version_at_least(version, least)` | |

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::network::Protocol;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) images: Vec<ImageSet>,
    pub(crate) tools: BTreeMap<String, Vec<String>>,
    pub(crate) apps: Vec<App>,
    pub(crate) templates: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageSet {
    pub(crate) images: Vec<String>,
    pub(crate) tools: String,
}

#[derive(Debug, Deserialize)]
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
    pub(crate) log_prefix: String,
    pub(crate) builtin: Option<Builtin>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    #[serde(default)]
    pub(crate) logs: Vec<LogRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListeningPort {
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) protocol: Protocol,
    pub(crate) when: Option<String>,
    pub(crate) greeting: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leads {
    pub(crate) lease: String,
    pub(crate) when: String,
    pub(crate) seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Builtin {
    Prometheus,
    Dns,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The port that answers; any of the app's when absent.
    pub(crate) port: Option<u16>,
    /// `METHOD /path/{parameter}`.
    pub(crate) route: String,
    /// The path is the beginning of those meant.
    #[serde(default)]
    pub(crate) prefix: bool,
    pub(crate) when: Option<String>,
    pub(crate) status: Option<u16>,
    #[serde(rename = "type")]
    pub(crate) content_type: Option<String>,
    pub(crate) json: Option<String>,
    pub(crate) text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogRule {
    /// Seconds after the start of the process.
    pub(crate) after: f64,
    /// Seconds between repetitions; once when absent.
    pub(crate) every: Option<f64>,
    pub(crate) when: Option<String>,
    pub(crate) text: String,
}
