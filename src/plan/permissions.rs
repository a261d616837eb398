//! What a plan would do and what it may need, without a cluster.

use super::{Needs, ParamError, Plan, Says, Touched};
use crate::action::{Action, Reach};
use crate::construct::Construct;
use crate::document::{Body, Deferred, Group, Runbook, Step, Written, is_computed};
use crate::event::{Effect, StepKind};
use crate::expression::{Bindings, Budget, Decided, Jq, Reference, decide};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One step of a plan, as far as it is known before the run.
#[derive(Clone, Debug)]
pub struct PlannedAction {
    /// Place in the run.
    pub path: String,
    /// For a person.
    pub title: String,
    /// The verb, or `group`.
    pub action: StepKind,
    /// What it asks, if it is a verb.
    pub reach: Option<Reach>,
    /// What it can do, with its verification.
    pub effect: Effect,
    /// What it can do itself.
    pub own_effect: Effect,
    /// Its namespace; a template where only the run knows it.
    pub namespace: String,
    /// The permissions it needs, and the objects that it changes, as far as they are known.
    pub needs: Needs,
    /// What a person would type instead.
    pub manual_commands: Vec<String>,
    /// When the step is done, if that depends on something.
    pub when: Option<String>,
    /// Whether it, or what surrounds it, depends on a condition or on a failure.
    pub conditional: bool,
    /// Whether the arguments depend on earlier steps, so that names in the commands are only
    /// examples.
    pub depends: bool,
}

/// Every step of the plan, with those of called runbooks.
pub fn actions(plan: &Plan, default_namespace: &str) -> Vec<PlannedAction> {
    walk(plan, default_namespace).all
}

/// Why the namespace of the command line does not reach all that is called, if it does not.
pub fn unreached(plan: &Plan) -> Vec<ParamError> {
    walk(plan, "").unreached
}

/// The namespaces besides this one in which steps may change something.
pub fn also_changes(planned: &[PlannedAction], namespace: &str) -> Vec<String> {
    let reads = ["get", "list", "watch"];
    let mut others = BTreeSet::new();
    for action in planned.iter().filter(|action| {
        matches!(action.own_effect, Effect::Write | Effect::Opaque) && !action.action.is_group()
    }) {
        let accesses = action
            .needs
            .permissions
            .iter()
            .chain(&action.needs.computed)
            .filter(|access| !reads.contains(&access.verb.as_str()));
        others.extend(accesses.map(|access| access.namespace.clone()));
        others.extend(action.needs.touched.iter().filter_map(|touched| match touched {
            Touched::Object(target) => target.split('/').next().map(str::to_owned),
            Touched::In(place) => Some(place.clone()),
            Touched::Any => None,
        }));
    }
    others.into_iter().filter(|other| !other.is_empty() && other != namespace).collect()
}

fn walk<'a>(plan: &'a Plan, default_namespace: &'a str) -> PlanWalk<'a> {
    let namespace = plan.namespace.as_deref().unwrap_or(default_namespace);
    let mut walk = PlanWalk {
        plan,
        all: Vec::new(),
        unreached: Vec::new(),
        conditional: false,
        root: namespace,
        bound: Map::new(),
    };
    walk.runbook(&plan.runbook, &plan.params, namespace, "");
    walk
}

/// What the parameters alone say about a condition; everything else is known in the run only.
fn decided(when: &Jq, params: &Map<String, Value>, bound: &Map<String, Value>) -> Decided<String> {
    // a parameter that the run computes is not there
    let known = |reference: &Reference| {
        bound.contains_key(&reference.root)
            || reference.root == "params"
                && reference.name.as_ref().is_none_or(|name| params.contains_key(name))
    };
    let unknown = |reference: &Reference| (!known(reference)).then(String::new);
    decide(when, &unknown, &|part| {
        let bound = bound.iter().map(|(name, value)| (name.clone(), value.clone()));
        let bindings = Bindings::from_iter(bound).with("params", Value::Object(params.clone()));
        part.condition(&Value::Null, &bindings, Budget::default())
            .map_err(|error| error.to_string())
    })
}

struct PlanWalk<'a> {
    plan: &'a Plan,
    all: Vec<PlannedAction>,
    unreached: Vec<ParamError>,
    conditional: bool,
    /// The namespace of the run.
    root: &'a str,
    /// What the runbook binds for all of it, as far as its parameters tell.
    bound: Map<String, Value>,
}

impl PlanWalk<'_> {
    fn runbook(
        &mut self,
        runbook: &Runbook,
        params: &Map<String, Value>,
        namespace: &str,
        prefix: &str,
    ) {
        let outside = std::mem::replace(&mut self.bound, runbook.bound_by(params));
        self.steps(runbook.steps.iter().chain(&runbook.always), params, namespace, prefix);
        self.bound = outside;
    }

    /// What templates see before the run.
    fn known(&self, params: &Map<String, Value>) -> Value {
        let mut known = self.bound.clone();
        known.insert("params".to_owned(), Value::Object(params.clone()));
        let run = json!({"namespace": self.root, "runbook": self.plan.runbook.name});
        known.insert("run".to_owned(), run);
        Value::Object(known)
    }

    fn step(&mut self, step: &Step, params: &Map<String, Value>, namespace: &str, prefix: &str) {
        let decided = step.when.as_ref().map(|when| decided(when, params, &self.bound));
        // what the parameters rule out is no part of this plan
        if decided == Some(Decided::No) {
            return;
        }
        let known = self.known(params);
        let outside = self.conditional;
        self.conditional |= matches!(decided, Some(Decided::Open(_)));
        let mut planned = self.planned(step, &known, namespace, prefix);
        let (path, namespace) = (planned.path.clone(), planned.namespace.clone());
        match &step.body {
            Body::Group(group) => self.group(group, planned, params),
            Body::Verb(written) => {
                planned.describe(written, &known);
                planned.effect =
                    step.then.iter().map(Step::effect).fold(planned.own_effect, Ord::max);
                self.all.push(planned);
            }
            Body::Run(written) => {
                let run = planned.sketch(written, &known);
                let place = self.all.len();
                self.all.push(planned);
                if let Some(called) = self.plan.loaded.get(&run.runbook).cloned() {
                    let line = self.call(&called, &run.with, &path, &namespace);
                    self.all[place].manual_commands = vec![line];
                    self.strongest_within(place);
                }
            }
            Body::Value(_) => self.all.push(planned),
            Body::Confirm(written) => {
                planned.sketch(written, &known);
                self.all.push(planned);
            }
            Body::Approve(written) => {
                planned.sketch(written, &known);
                self.all.push(planned);
            }
            Body::Pause(written) => {
                planned.sketch(written, &known);
                self.all.push(planned);
            }
            Body::WaitForTime(written) => {
                let wait = planned.sketch(written, &known);
                let look = wait.look().map(|look| look.permissions(&planned.namespace));
                planned.needs.permissions.extend(look.into_iter().flatten());
                self.all.push(planned);
            }
        }
        self.steps(&step.then, params, &namespace, &format!("{path}/"));
        self.conditional = outside;
    }

    fn steps<'s>(
        &mut self,
        steps: impl IntoIterator<Item = &'s Step>,
        params: &Map<String, Value>,
        namespace: &str,
        prefix: &str,
    ) {
        steps.into_iter().for_each(|step| self.step(step, params, namespace, prefix));
    }

    /// What every step has, whatever its body.
    fn planned(&self, step: &Step, known: &Value, namespace: &str, prefix: &str) -> PlannedAction {
        PlannedAction {
            conditional: self.conditional,
            path: format!("{prefix}{}", step.id),
            namespace: step
                .namespace
                .as_ref()
                .map_or_else(|| namespace.to_owned(), |own| text_of(own, known)),
            title: step.title.render_text(known).unwrap_or_else(|_| step.id.clone()),
            action: step.kind(),
            reach: step.body.action().map(Action::reach),
            effect: step.effect(),
            own_effect: step.own_effect(),
            needs: Needs::default(),
            manual_commands: Vec::new(),
            when: step.when.as_ref().map(|when| when.source().to_owned()),
            depends: false,
        }
    }

    /// A group, whose effect is the strongest of the steps that are part of the plan.
    fn group(&mut self, group: &Group, planned: PlannedAction, params: &Map<String, Value>) {
        let (namespace, inner) = (planned.namespace.clone(), format!("{}/", planned.path));
        let place = self.all.len();
        self.all.push(planned);
        self.steps(group.steps.iter().chain(&group.always), params, &namespace, &inner);
        let certain = std::mem::replace(&mut self.conditional, true);
        self.steps(&group.rescue, params, &namespace, &inner);
        self.conditional = certain;
        self.strongest_within(place);
    }

    /// Gives the step at this place the strongest effect of those behind it, which are in it.
    fn strongest_within(&mut self, place: usize) {
        let inner = self.all[place + 1..].iter().map(|inner| inner.effect);
        self.all[place].effect = inner.max().unwrap_or(Effect::Read);
    }

    /// The steps of a called runbook; returns the command that a person would type instead.
    fn call(
        &mut self,
        called: &Runbook,
        with: &Map<String, Value>,
        path: &str,
        namespace: &str,
    ) -> String {
        let (params, own) = self.params_of_call(called, with, path);
        let place = own.as_deref().unwrap_or(namespace);
        self.runbook(called, &params, place, &format!("{path}/"));
        let says = Says { params: &called.params, namespace: called.namespace.as_ref() };
        let named = says.by_default().is_none_or(|by_default| by_default != place)
            && !says.set_by(place).iter().any(|name| with.contains_key(name));
        super::run_next(
            &called.name,
            with,
            Some(&called.params),
            Some(place).filter(|_| named),
            &super::Invocation::default(),
        )
        .to_string()
    }

    /// The parameters of a called runbook as far as they are known, and its own namespace. What the
    /// run computes is missing: templates that need it stay templates, conditions are open.
    fn params_of_call(
        &mut self,
        called: &Runbook,
        with: &Map<String, Value>,
        path: &str,
    ) -> (Map<String, Value>, Option<String>) {
        let certain: Map<_, _> = with
            .iter()
            .filter(|(_, value)| !any_computed(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let params: IndexMap<_, _> = called
            .params
            .iter()
            .filter(|(name, _)| certain.contains_key(*name) || !with.contains_key(*name))
            .map(|(name, param)| (name.clone(), param.clone()))
            .collect();
        let says = Says { params: &params, namespace: called.namespace.as_ref() };
        let settled = super::called(&says, &certain, self.plan.moved.as_ref()).or_else(|errors| {
            let alone = super::called(&says, &certain, None);
            // it is the namespace of the command line that does not fit
            if alone.is_ok() {
                let told = |error: ParamError| {
                    let step = format!("step {path}, which calls {}: {error}", called.name);
                    ParamError::new("", step)
                };
                self.unreached.extend(errors.into_iter().map(told));
            }
            alone
        });
        settled.unwrap_or_else(|_| {
            let params: Map<_, _> = params
                .iter()
                .filter_map(|(name, param)| Some((name.clone(), param.default.clone()?)))
                .chain(certain.clone())
                .collect();
            let own = called.namespace.as_ref().map(|own| text_of(own, &self.known(&params)));
            (params, own)
        })
    }
}

impl PlannedAction {
    /// What a verb does, with its arguments as far as they are known.
    fn describe(&mut self, written: &Written<Box<Action>>, known: &Value) {
        let sketch = written.sketch(known);
        let action = sketch.known.clone().unwrap_or_else(|| written.sketch.as_ref().clone());
        self.depends = !sketch.exact;
        self.reach = Some(action.reach());
        self.own_effect = action.effect();
        self.needs = Needs::of(&action, &sketch, &self.namespace);
        self.manual_commands = action.manual_commands(&self.namespace);
    }

    /// What a construct does, with its arguments as far as they are known; these are returned.
    fn sketch<T: Construct + Clone>(&mut self, written: &Written<T>, known: &Value) -> T {
        let sketch = written.sketch(known);
        let construct = sketch.known.unwrap_or_else(|| written.sketch.clone());
        self.depends = !sketch.exact;
        self.manual_commands = construct.manual_commands();
        construct
    }
}

/// A text, or the template where only the run knows it.
fn text_of(deferred: &Deferred, known: &Value) -> String {
    match deferred.partial(known) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn any_computed(value: &Value) -> bool {
    match value {
        Value::String(text) => is_computed(text),
        Value::Array(items) => items.iter().any(any_computed),
        Value::Object(fields) => fields.values().any(any_computed),
        _ => false,
    }
}
