//! The variables of an app's expressions, evaluated on first use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use minijinja::Value as Dynamic;
use minijinja::value::{Object, Serde};
use serde_json::{Map, Value, json};

use super::{RESULT, Text, Watch, template};
use crate::snapshot::{ContainerState, PodState, Snapshot};

/// How far processes may ask each other in turn: beyond it they are asking in a circle.
const DEEPEST: u8 = 6;

/// One process at one moment.
#[derive(Debug)]
pub(crate) struct AppContext {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) pod: usize,
    pub(crate) container: usize,
    pub(crate) app: usize,
    pub(crate) watch: Watch,
    pub(crate) depth: u8,
    request: Value,
    /// The values asked for so far; none while one is being evaluated.
    known: Mutex<BTreeMap<String, Dynamic>>,
    /// The environment of the container, once it was asked for.
    env: OnceLock<Dynamic>,
}

/// A request to a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query: `/data/candles?pair=BTCUSDT`.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), target: target.into(), body: Vec::new() }
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parameters of the query, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        crate::http::query_pairs(
            self.target.split_once('?').map(|(_, query)| query).unwrap_or_default(),
        )
    }
}

impl AppContext {
    /// The process in a container; none when nothing is known of the program, or the question has
    /// come too far around.
    pub(crate) fn new(
        snapshot: &Arc<Snapshot>,
        pod: usize,
        container: usize,
        watch: &Watch,
        depth: u8,
    ) -> Option<Self> {
        let app = snapshot.pods.get(pod)?.container(container)?.app?;
        let (known, env) = (Mutex::default(), OnceLock::new());
        (depth <= DEEPEST).then(|| Self {
            snapshot: Arc::clone(snapshot),
            pod,
            container,
            app,
            watch: watch.clone(),
            depth,
            request: Value::Null,
            known,
            env,
        })
    }

    /// The same process, asked by a request with these path parameters.
    pub(crate) fn asked(self, request: &Request, parameters: Map<String, Value>) -> Self {
        let query: Map<String, Value> =
            request.query().into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        let mut fields = parameters;
        fields.insert("query".to_owned(), Value::Object(query));
        fields.insert("method".to_owned(), json!(request.method));
        if let Ok(body) = serde_json::from_slice::<Value>(&request.body) {
            fields.insert("json".to_owned(), body);
        }
        Self { request: Value::Object(fields), known: Mutex::default(), ..self }
    }

    pub(crate) fn state(&self) -> &PodState {
        &self.snapshot.pods[self.pod]
    }

    pub(crate) fn container(&self) -> &ContainerState {
        let state = self.state();
        state.container(self.container).unwrap_or(&state.containers[0])
    }

    /// Seconds since the process started.
    pub(crate) fn uptime(&self) -> f64 {
        self.watch.read().duration_since(self.container().run.from).as_secs_f64()
    }

    /// How many cores it may use; none when it may use all.
    pub(crate) fn cpu_limit(&self) -> Option<f64> {
        self.container().limits.get("cpu").and_then(|cpu| cores(cpu))
    }

    /// Renders one part of the app.
    pub(crate) fn render(
        self: &Arc<Self>,
        part: &str,
        index: impl std::fmt::Display,
    ) -> Result<String, minijinja::Error> {
        let root = Dynamic::from_dyn_object(Arc::clone(self));
        let name = template(self.app, part, &index);
        let rendered = self.snapshot.apps.templates.get_template(&name)?.render(root);
        rendered.inspect_err(|error| self.complain(part, index, error))
    }

    /// Evaluates one expression of the app.
    pub(crate) fn evaluate(
        self: &Arc<Self>,
        part: &str,
        index: impl std::fmt::Display,
    ) -> Result<Value, minijinja::Error> {
        serde_json::to_value(self.result(part, index)?).map_err(|error| {
            minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
        })
    }

    /// The result of one expression of the app, as other expressions see it.
    fn result(
        self: &Arc<Self>,
        part: &str,
        index: impl std::fmt::Display,
    ) -> Result<Dynamic, minijinja::Error> {
        let root = Dynamic::from_dyn_object(Arc::clone(self));
        let name = template(self.app, part, &index);
        let captured = self.snapshot.apps.templates.get_template(&name)?.render_captured(root);
        let captured = captured.inspect_err(|error| self.complain(part, index, error))?;
        let result = captured.state().lookup(RESULT).filter(|result| !result.is_undefined());
        Ok(result.unwrap_or(Dynamic::from(())))
    }

    fn complain(&self, part: &str, index: impl std::fmt::Display, error: &minijinja::Error) {
        let app = &self.snapshot.apps.app(self.app).name;
        let detail = error.detail().unwrap_or_default();
        let said = format!("app {app}, {part} {index}: {}: {detail}", error.kind());
        self.snapshot.memory.complain(said);
    }

    /// Says whether a condition of the app holds; an absent one does, a broken one does not.
    pub(crate) fn holds(
        self: &Arc<Self>,
        part: &str,
        index: usize,
        condition: Option<&Text>,
    ) -> bool {
        condition.is_none() || self.result(part, index).is_ok_and(|value| value.is_true())
    }

    /// A named value of the app; none when there is none.
    pub(crate) fn value(self: &Arc<Self>, name: &str) -> Dynamic {
        if !self.snapshot.apps.app(self.app).values.contains_key(name) {
            return Dynamic::from(());
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known().get(name) {
            return value.clone();
        }
        known().insert(name.to_owned(), Dynamic::from(()));
        let value = self.result("value", name).unwrap_or(Dynamic::from(()));
        known().insert(name.to_owned(), value.clone());
        value
    }

    fn env(&self) -> Dynamic {
        self.env.get_or_init(|| Dynamic::from(Serde(&self.container().env))).clone()
    }
}

/// A quantity of CPU in cores.
fn cores(text: &str) -> Option<f64> {
    match text.strip_suffix('m') {
        Some(thousandths) => {
            thousandths.parse::<f64>().ok().map(|thousandths| thousandths / 1000.0)
        }
        None => text.parse().ok(),
    }
}

impl Object for AppContext {
    fn get_value(self: &Arc<Self>, key: &Dynamic) -> Option<Dynamic> {
        let name = key.as_str()?;
        let state = self.state();
        let value = match name {
            "this" => return Some(Dynamic::from_dyn_object(Arc::clone(self))),
            "env" => return Some(self.env()),
            "args" => json!(self.container().args),
            "image" => json!(self.container().image),
            "cpu_limit" => json!(self.cpu_limit()),
            "pod" => {
                json!({"name": state.network.name, "namespace": state.network.namespace,
                    "ip": state.network.ip, "labels": state.network.labels})
            }
            "uptime" => json!(self.uptime()),
            "started" => json!(self.container().run.from.as_second()),
            "request" => self.request.clone(),
            _ if self.snapshot.apps.app(self.app).values.contains_key(name) => {
                return Some(self.value(name));
            }
            _ => return None,
        };
        Some(Dynamic::from(Serde(value)))
    }
}
