//! What a step sees: parameters, the steps before it, the item of its loop.

use crate::document::{Deferred, Let, Runbook, Step};
use crate::encoding::hex;
use crate::event::{Outcome, Reason, Severity};
use crate::expression::{Asks, Bindings, Budget, Data, Jq, Reference};
use crate::plan::step_digest;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The result of a step, as later steps see it.
#[derive(Clone, Debug)]
pub(crate) struct StepResult {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Place in the run.
    pub(crate) path: String,
    /// Why it did not pass.
    pub(crate) reason: Reason,
    /// What the action returned; dropped when nobody refers to it.
    pub(crate) output: Data,
    /// What could not be read of what the output is made from: such a step may fail or be unknown,
    /// and says nothing good.
    pub(crate) unread: Option<Arc<Reason>>,
    /// The output is complete, and only what is expected of it could not be judged.
    pub(crate) only_open: bool,
}

impl StepResult {
    /// A result. `inherited`: what could not be read by the steps that it is made from.
    pub(crate) fn new(
        outcome: Outcome,
        path: &str,
        reason: Reason,
        output: Data,
        inherited: Option<Reason>,
    ) -> Self {
        let unread = inherited.or_else(|| output.unread().map(Reason::from)).map(Arc::new);
        Self { outcome, path: path.to_owned(), reason, output, unread, only_open: false }
    }

    /// `$steps.ID`.
    fn data(&self) -> Data {
        Data::object([
            ("outcome", Value::from(self.outcome.as_str()).into()),
            ("passed", Value::from(self.outcome.is_good()).into()),
            ("failed", Value::from(self.outcome.is_bad()).into()),
            ("reason", Value::from(self.reason.to_string()).into()),
            ("output", self.output.clone()),
        ])
    }

    /// Why nothing is known from it, the result of the step `id`.
    pub(crate) fn leaves_open(&self, id: &str) -> Reason {
        Reason::depends_on(id, self.outcome, &self.reason)
    }

    /// Whether nothing at all is known from it.
    pub(crate) fn is_blank(&self) -> bool {
        !self.outcome.is_judged() && self.output.is_null()
    }
}

/// What a step sees. Cloning shares the results; [`Scope::iteration`] begins new ones.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) runbook: Arc<Runbook>,
    pub(crate) params: Arc<Value>,
    pub(crate) namespace: String,
    /// Path of what surrounds the steps, with a `/` at the end.
    pub(crate) prefix: String,
    pub(crate) item: Option<Arc<Value>>,
    /// Counts at most this much.
    pub(crate) severity: Severity,
    /// Done also after the first signal.
    pub(crate) always: bool,
    /// Paths of what is written before it, here and around: what a step sees is no older than that.
    pub(crate) behind: Arc<[String]>,
    /// What is around would not go on, had something in it failed that counts.
    pub(crate) guards: bool,
    /// The run was stopped here and has cleaned up: no more of it is done.
    pub(crate) is_cleaned_up: bool,
    /// Digest of the parameters with which its runbook was called; empty for that of the run.
    called_with: Arc<str>,
    /// When everything in it must be over.
    pub(crate) deadline: Option<Instant>,
    /// `$run`.
    pub(crate) run: Arc<Value>,
    /// `$alert`: the alert that the run answers, or null.
    pub(crate) alert: Arc<Value>,
    /// Cancelled when the first step in it has begun: what stands behind it in a parallel group may
    /// begin then, so that steps begin in the order in which they are written.
    pub(crate) begun: CancellationToken,
    results: Arc<Mutex<IndexMap<String, StepResult>>>,
    /// What `let` has bound here, by name.
    bound: Arc<IndexMap<String, Bound>>,
}

/// A step of which nothing is known, or a value that cannot be had: how what depends on it ends,
/// and why.
pub(crate) type Blank = (Outcome, Reason);

/// A value that `let` has bound.
#[derive(Clone)]
struct Bound {
    value: Result<Data, Blank>,
    /// What it is made from: steps and their outputs, not other names.
    references: Vec<Reference>,
}

impl Scope {
    /// The scope of a run's own runbook.
    pub(crate) fn root(
        runbook: Arc<Runbook>,
        params: Map<String, Value>,
        namespace: String,
        alert: Value,
        run_id: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            params: Arc::new(Value::Object(params)),
            run: Arc::new(json!({"id": run_id, "now": now.to_string(), "namespace": namespace,
                    "runbook": runbook.name})),
            alert: Arc::new(alert),
            runbook,
            namespace,
            prefix: String::new(),
            item: None,
            severity: Severity::Critical,
            always: false,
            behind: Arc::default(),
            guards: false,
            is_cleaned_up: false,
            called_with: Arc::default(),
            deadline: None,
            begun: CancellationToken::new(),
            results: Arc::default(),
            bound: Arc::default(),
        }
        .with_own_names()
    }

    /// The same with what the runbook binds for all of it: nothing has been found yet.
    fn with_own_names(self) -> Self {
        let runbook = self.runbook.clone();
        self.with(&runbook.bound, || Value::Array(Vec::new()))
    }

    /// The same with these names. Each value is evaluated here, once; what it lacks is kept for
    /// those that use it.
    pub(crate) fn with(&self, bound: &[Let], findings: impl Fn() -> Value) -> Self {
        let mut inner = self.clone();
        for Let { name, program } in bound {
            let blank = inner.blank(program.references());
            let value = blank.map_or_else(|| inner.value(name, program, &findings), Err);
            let references = inner.reached(program.references()).into_iter().cloned().collect();
            let mut known = IndexMap::clone(&inner.bound);
            known.insert(name.clone(), Bound { value, references });
            inner.bound = Arc::new(known);
        }
        inner
    }

    fn value(
        &self,
        name: &str,
        program: &Jq,
        findings: impl FnOnce() -> Value,
    ) -> Result<Data, Blank> {
        let bindings = self.bindings(program.references(), findings);
        program
            .run_one(&Value::Null, &bindings, Budget::default())
            .map(Data::from)
            .map_err(|error| (Outcome::Error, format!("`let` {name}: {error}").into()))
    }

    /// The scope of a called runbook.
    pub(crate) fn called(
        &self,
        runbook: Arc<Runbook>,
        params: Map<String, Value>,
        namespace: String,
        path: &str,
        severity: Severity,
    ) -> Self {
        let called_with = called_with(&runbook, &params, &namespace, &self.called_with);
        Self {
            runbook,
            params: Arc::new(Value::Object(params)),
            namespace,
            prefix: format!("{path}/"),
            item: None,
            severity: self.severity.min(severity),
            called_with,
            results: Arc::default(),
            bound: Arc::default(),
            ..self.clone()
        }
        .with_own_names()
    }

    /// Digest of a step as it is written and called here: a resume keeps what has this digest.
    pub(crate) fn digest(&self, step: &Step) -> String {
        let digest = step_digest(&self.runbook, step);
        if self.called_with.is_empty() { digest } else { format!("{digest}{}", self.called_with) }
    }

    /// The hosts that the runbook declares for requests from this machine; none where they cannot
    /// be told.
    pub(crate) fn hosts(&self) -> Arc<[String]> {
        let Some(declared) = &self.runbook.hosts else { return Arc::default() };
        let rendered = declared.render(&json!({"params": *self.params}));
        rendered
            .ok()
            .and_then(|value| serde_json::from_value::<Vec<String>>(value).ok())
            .unwrap_or_default()
            .into()
    }

    /// The scope inside a group.
    pub(crate) fn inside(&self, path: &str, severity: Severity) -> Self {
        Self { prefix: format!("{path}/"), severity: self.severity.min(severity), ..self.clone() }
    }

    /// The scope of what comes after the steps at these paths.
    pub(crate) fn after(&self, paths: impl IntoIterator<Item = String>) -> Self {
        Self { behind: self.behind.iter().cloned().chain(paths).collect(), ..self.clone() }
    }

    /// Path of a step of these.
    pub(crate) fn path_of(&self, step: &Step) -> String {
        format!("{}{}", self.prefix, step.id)
    }

    /// The scope of a branch of a parallel group.
    pub(crate) fn branch(&self) -> Self {
        Self { begun: CancellationToken::new(), ..self.clone() }
    }

    /// The scope of a step with a namespace of its own.
    pub(crate) fn placed_in(&self, namespace: String) -> Self {
        Self { namespace, ..self.clone() }
    }

    /// The scope of one round of a loop: it sees what was before, and what it does is its own.
    pub(crate) fn iteration(&self, item: Value) -> Self {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { item: Some(Arc::new(item)), results: Arc::new(Mutex::new(results)), ..self.clone() }
    }

    /// The scope of what is done in any case.
    pub(crate) fn unstoppable(&self) -> Self {
        Self { always: true, ..self.clone() }
    }

    /// Whoever reads the output of a step sees less than there is, and why.
    pub(crate) fn leave_open(&self, id: &str, why: Reason) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = results.get_mut(id) {
            result.unread.get_or_insert_with(|| Arc::new(why));
        }
    }

    /// Nothing is known of a step for those that depend on it, although what was done of it ended
    /// well.
    pub(crate) fn blank_out(&self, id: &str, reason: Reason) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = results.get_mut(id).filter(|result| result.outcome.is_good()) {
            (result.outcome, result.output, result.reason) =
                (Outcome::Unknown, Data::from(Value::Null), reason);
        }
    }

    /// Keeps a result for later steps.
    pub(crate) fn put(&self, id: &str, mut result: StepResult) {
        // that there was one is known all the same
        if !result.output.is_null() && !self.runbook.referred.contains(id) {
            result.output = Data::Dropped;
        }
        self.results.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), result);
    }

    /// The result of a step.
    pub(crate) fn result(&self, id: &str) -> Option<StepResult> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All results, in the order of ending.
    pub(crate) fn results(&self) -> Vec<(String, StepResult)> {
        self.results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(id, result)| (id.clone(), result.clone()))
            .collect()
    }

    /// The first thing that these references need and of which nothing is known.
    pub(crate) fn blank<'a>(
        &self,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Option<Blank> {
        references.into_iter().find_map(|reference| self.blank_behind(reference))
    }

    /// Why nothing is known of what a reference names; none if something is.
    pub(crate) fn blank_behind(&self, reference: &Reference) -> Option<Blank> {
        if reference.root == "steps" {
            let why = self.why_blank(reference.name.as_deref()?)?;
            return Some((Outcome::Unknown, why));
        }
        self.bound.get(&reference.root)?.value.as_ref().err().cloned()
    }

    /// The paths of the steps that these references look at.
    pub(crate) fn looks_at<'a>(
        &'a self,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Vec<String> {
        let steps =
            self.reached(references).into_iter().filter(|reference| reference.root == "steps");
        let names = steps.filter_map(|reference| reference.name.as_deref());
        names.filter_map(|id| Some(self.result(id)?.path)).collect()
    }

    /// The references, and for a name that `let` has bound those of its value.
    pub(crate) fn reached<'a>(
        &'a self,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Vec<&'a Reference> {
        let mut all = Vec::new();
        for reference in references {
            match self.bound.get(&reference.root) {
                Some(bound) => all.extend(&bound.references),
                None => all.push(reference),
            }
        }
        all
    }

    /// Why nothing is known of a step; none if something is.
    pub(crate) fn why_blank(&self, id: &str) -> Option<Reason> {
        match self.result(id) {
            Some(result) if !result.is_blank() => None,
            Some(result) => Some(result.leaves_open(id)),
            None => Some(Reason::not_executed(id)),
        }
    }

    /// What could not be read of the outputs that these references look at: `step logs: pod/NAME
    /// could not be read: …`.
    pub(crate) fn unread<'a>(
        &'a self,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Option<Reason> {
        let of = |id: &str| Some(self.result(id)?.unread?.read_by(id));
        self.reached(references)
            .into_iter()
            .filter(|reference| reference.root == "steps" && reference.asks != Asks::Outcome)
            .find_map(|reference| match &reference.name {
                Some(id) => of(id),
                None => self.results().iter().find_map(|(id, _)| of(id)),
            })
    }

    /// Why an expression with these references finds nothing where it looks: a step that has
    /// returned nothing, or of whose rounds one has not.
    pub(crate) fn fruitless<'a>(
        &'a self,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Option<Reason> {
        let reached = self.reached(references);
        let names = reached.iter().filter(|reference| reference.root == "steps");
        names.filter_map(|reference| reference.name.as_deref()).find_map(|id| {
            let result = self.result(id).filter(|result| !result.outcome.is_good())?;
            let lacks_a_round = |output: &Value| {
                let mut rounds = output.as_array().into_iter().flatten();
                rounds.any(|round| round.get("output").is_some_and(Value::is_null))
            };
            if !result.output.is_null() && !lacks_a_round(&result.output.to_value()) {
                return None;
            }
            // of rounds each says it for itself
            Some(if result.reason.is_empty() {
                Reason::Ended { step: id.to_owned(), outcome: result.outcome }
            } else {
                result.reason.read_by(id)
            })
        })
    }

    /// What jq programs see. Only the steps that are referred to are put in, because outputs may be
    /// large.
    pub(crate) fn bindings<'a>(
        &self,
        references: impl IntoIterator<Item = &'a Reference>,
        findings: impl FnOnce() -> Value,
    ) -> Bindings {
        let mut steps: IndexMap<String, Data> = IndexMap::new();
        let mut named = Bindings::new();
        let (mut all, mut wants_findings) = (false, false);
        for reference in references {
            match (reference.root.as_str(), &reference.name) {
                ("steps", Some(id)) => {
                    if let Some(result) = self.result(id) {
                        steps.insert(id.clone(), result.data());
                    }
                }
                ("steps", None) => all = true,
                ("findings", _) => wants_findings = true,
                (name, _) => {
                    if let Some(Bound { value: Ok(value), .. }) = self.bound.get(name) {
                        named.set(name, value.clone());
                    }
                }
            }
        }
        if all {
            steps = self.results().into_iter().map(|(id, result)| (id, result.data())).collect();
        }
        named
            .with("params", self.params.clone())
            .with("steps", Data::object(steps))
            .with("findings", if wants_findings { findings() } else { Value::Array(Vec::new()) })
            .with("run", self.run.clone())
            .with("alert", self.alert.clone())
            .with("item", self.item.clone().unwrap_or_default())
    }

    /// What templates see; of the steps only those that they refer to.
    pub(crate) fn context_for(&self, deferred: &Deferred) -> Value {
        self.context_of(&deferred.references())
    }

    /// What templates with these references see.
    pub(crate) fn context_of(&self, references: &[&Reference]) -> Value {
        if references.is_empty() {
            return Value::Null;
        }
        let steps: Map<_, _> = references
            .iter()
            .filter(|reference| reference.root == "steps")
            .filter_map(|reference| {
                Some((
                    reference.name.clone()?,
                    self.result(reference.name.as_deref()?)?.data().to_value(),
                ))
            })
            .collect();
        let mut context = Map::from_iter([
            ("params".to_owned(), (*self.params).clone()),
            ("steps".to_owned(), Value::Object(steps)),
            ("run".to_owned(), (*self.run).clone()),
            ("alert".to_owned(), (*self.alert).clone()),
        ]);
        if let Some(item) = &self.item {
            context.insert("item".to_owned(), (**item).clone());
        }
        for reference in references {
            if let Some(Bound { value: Ok(value), .. }) = self.bound.get(&reference.root) {
                context.insert(reference.root.clone(), value.to_value());
            }
        }
        Value::Object(context)
    }
}

/// Digest of what a runbook is called with, and of what its caller was. Secret parameters are left
/// out: a digest of a short one tells it.
fn called_with(
    runbook: &Runbook,
    params: &Map<String, Value>,
    namespace: &str,
    outer: &str,
) -> Arc<str> {
    let open: BTreeMap<&String, &Value> =
        params.iter().filter(|(name, _)| !runbook.is_secret(name)).collect();
    let whole = json!([runbook.name, open, namespace, outer]).to_string();
    format!("+{}", hex(&Sha256::digest(whole))).into()
}
