//! What a plan would do and what it may need, without a cluster.

use super::{Plan, context};
use crate::action::{Access, Action, VerbName};
use crate::document::{Body, Runbook, Step};
use crate::event::Effect;
use crate::expression::{Bindings, Budget, Decided, Jq, Reference, decide};
use serde::de::DeserializeSeed;

/// One step of a plan, as far as it is known before the run.
#[derive(Clone, Debug)]
pub struct PlannedAction {
    /// Place in the run.
    pub path: String,
    /// For a person.
    pub title: String,
    /// The verb, or `group`.
    pub action: String,
    /// What it can do.
    pub effect: Effect,
    /// The permissions it needs.
    pub permissions: Vec<Access>,
    /// The objects that it changes, as far as they are known: `namespace/kind/name`.
    pub targets: Vec<String>,
    /// What a person would type instead.
    pub by_hand: Vec<String>,
    /// When the step is done, if that depends on something.
    pub when: Option<String>,
    /// Whether it, or what surrounds it, depends on a condition or on a failure.
    pub conditional: bool,
    /// Whether the arguments depend on earlier steps, so that names in the commands are only examples.
    pub depends: bool,
}

/// Every step of the plan, with those of called runbooks.
pub fn actions(plan: &Plan, default_namespace: &str) -> Vec<PlannedAction> {
    let mut all = Vec::new();
    let namespace = plan.namespace.as_deref().unwrap_or(default_namespace);
    let mut walk = Walk { plan, all: &mut all, conditional: false };
    walk.runbook(&plan.runbook, &plan.params, namespace, "");
    all
}

/// What the parameters alone say about a condition; everything else is known in the run only.
fn decided(when: &Jq, params: &serde_json::Map<String, serde_json::Value>) -> Decided {
    let unknown = |reference: &Reference| (reference.root != "params").then(String::new);
    decide(when, &unknown, &|part| {
        let bindings = Bindings::new().with("params", serde_json::Value::Object(params.clone()));
        part.condition(&serde_json::Value::Null, &bindings, Budget::default()).map_err(|error| error.to_string())
    })
}

struct Walk<'a> {
    plan: &'a Plan,
    all: &'a mut Vec<PlannedAction>,
    conditional: bool,
}

impl Walk<'_> {
    fn runbook(&mut self, runbook: &Runbook, params: &serde_json::Map<String, serde_json::Value>, namespace: &str, prefix: &str) {
        for step in runbook.steps.iter().chain(&runbook.always) {
            self.step(step, params, namespace, prefix);
        }
    }

    fn step(&mut self, step: &Step, params: &serde_json::Map<String, serde_json::Value>, namespace: &str, prefix: &str) {
        let known = context(params);
        let decided = step.when.as_ref().map(|when| decided(when, params));
        // what the parameters rule out is no part of this plan
        if decided == Some(Decided::No) {
            return;
        }
        let namespace = step.namespace.as_ref().and_then(|deferred| deferred.render_text(&known).ok()).unwrap_or_else(|| namespace.to_owned());
        let path = format!("{prefix}{}", step.id);
        let title = step.title.render_text(&known).unwrap_or_else(|_| step.id.clone());
        let when = step.when.as_ref().map(|when| when.source().to_owned());
        let outside = self.conditional;
        self.conditional |= matches!(decided, Some(Decided::Open(_)));
        let mut planned = PlannedAction {
            conditional: self.conditional,
            targets: Vec::new(),
            path: path.clone(),
            title,
            action: step.verb().to_owned(),
            effect: step.effect(),
            permissions: Vec::new(),
            by_hand: Vec::new(),
            when,
            depends: false,
        };
        match &step.body {
            Body::Group(group) => {
                let place = self.all.len();
                self.all.push(planned);
                let inner = format!("{path}/");
                group.steps.iter().chain(&group.always).for_each(|child| self.step(child, params, &namespace, &inner));
                let certain = std::mem::replace(&mut self.conditional, true);
                group.rescue.iter().for_each(|child| self.step(child, params, &namespace, &inner));
                self.conditional = certain;
                // what is ruled out in it does not count
                let effect = self.all[place + 1..].iter().map(|inner| inner.effect).max().unwrap_or(Effect::Read);
                self.all[place].effect = effect;
            }
            Body::Action { verb, arguments, sketch, .. } => {
                let exact = arguments.render(&known).ok().and_then(|value| VerbName(verb).deserialize(value).ok());
                planned.depends = exact.is_none();
                let action = exact.unwrap_or_else(|| sketch.as_ref().clone());
                planned.permissions = action.permissions(&namespace);
                planned.by_hand = action.by_hand(&namespace);
                planned.targets = action.targets(&namespace);
                self.all.push(planned);
                if let Action::Run(run) = &action
                    && let Some(called) = self.plan.loaded.get(&run.runbook)
                {
                    let given: Vec<_> =
                        run.with.iter().map(|(name, value)| super::Given { name: name.clone(), value: value.clone(), is_text: false }).collect();
                    let params = super::resolve(&called.params, &given).unwrap_or_default();
                    let inner = called.namespace.as_ref().and_then(|deferred| deferred.render_text(&context(&params)).ok());
                    self.runbook(&called.clone(), &params, inner.as_deref().unwrap_or(&namespace), &format!("{path}/"));
                }
            }
        }
        step.then.iter().for_each(|child| self.step(child, params, &namespace, &format!("{path}/")));
        self.conditional = outside;
    }
}
