//! Document and parameters to a plan: what would happen, before it happens. Pure.

mod command;
mod known;
mod lease;
mod namespace;
mod params;
mod permissions;
mod role;

pub use command::{Invocation, run_next};
pub use known::{Needs, Open, Touched};
pub use lease::{Leases, lease_of, leases};
pub use namespace::{Moved, Says, called, check_namespace};
pub use params::{Given, ParamError, resolve};
pub use permissions::{PlannedAction, actions, also_changes, unreached};
pub use role::role;

use crate::document::{Body, Interface, Runbook, Step};
use crate::encoding::hex;
use crate::event::{Effect, Next, PlannedStep};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A runbook with its parameters and all that it calls.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// The runbook and all that it calls, by name.
    pub loaded: BTreeMap<String, Arc<Runbook>>,
    /// Resolved parameters.
    pub params: Map<String, Value>,
    /// What is known of runbooks that are named as remedies, so that the commands shown are short
    /// and act in the right namespace.
    pub neighbours: BTreeMap<String, Interface>,
    /// Namespace of the steps; that of the context if none is written.
    pub namespace: Option<String>,
    /// Whether that is another than the runbook would act in by itself.
    pub moved: Option<Moved>,
    /// `sha256:…` over the texts of the runbook and of all that it calls.
    pub digest: String,
}

impl Plan {
    /// Plans a run.
    ///
    /// # Errors
    /// Every parameter that is missing, unknown or wrong; a namespace that cannot be rendered, or
    /// that cannot be the one that is wanted.
    pub fn new(
        name: &str,
        loaded: BTreeMap<String, Arc<Runbook>>,
        given: &[Given],
        namespace: Option<&str>,
    ) -> Result<Self, Vec<ParamError>> {
        let Some(runbook) = loaded.get(name).cloned() else {
            return Err(vec![ParamError::new("", format!("runbook {name} is not loaded"))]);
        };
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        let (params, settled) = says.settle(given, namespace)?;
        let moved = Moved::of(&says, settled.as_deref(), namespace);
        let digest =
            digest(loaded.values().map(|runbook| (runbook.name.as_str(), runbook.source.as_ref())));
        Ok(Self {
            runbook,
            loaded,
            params,
            neighbours: BTreeMap::new(),
            namespace: settled,
            moved,
            digest,
        })
    }

    /// The steps as far as they are known before the run.
    pub fn steps(&self) -> Vec<PlannedStep> {
        let mut steps = Vec::new();
        let mut known = self.runbook.bound_by(&self.params);
        known.insert("params".to_owned(), Value::Object(self.params.clone()));
        let known = Value::Object(known);
        for step in self.runbook.steps.iter().chain(&self.runbook.always) {
            self.planned(step, &known, "", &mut steps);
        }
        steps
    }

    fn planned(&self, step: &Step, known: &Value, prefix: &str, into: &mut Vec<PlannedStep>) {
        let path = format!("{prefix}{}", step.id);
        let title = step.title.render_text(known).unwrap_or_else(|_| step.id.clone());
        into.push(PlannedStep {
            path: path.clone(),
            title,
            action: step.kind(),
            effect: self.effect_of(step),
            digest: step_digest(&self.runbook, step),
        });
        // what is in a loop has as many paths as the list has items, which only the run knows
        if step.for_each.is_none() {
            let prefix = format!("{path}/");
            step.children().for_each(|child| self.planned(child, known, &prefix, into));
        }
    }

    /// What a step can do, its verification not included: the strongest of a group and of a called
    /// runbook.
    pub fn effect_of(&self, step: &Step) -> Effect {
        let with_verification = |step: &Step| {
            let all = std::iter::once(step).chain(&step.then);
            all.map(|step| self.effect_of(step)).max()
        };
        let strongest = match &step.body {
            Body::Run(call) => {
                let called = self.loaded.get(&call.sketch.runbook);
                let steps =
                    called.into_iter().flat_map(|called| called.steps.iter().chain(&called.always));
                steps.filter_map(with_verification).max()
            }
            Body::Group(group) => group.children().filter_map(with_verification).max(),
            _ => Some(step.own_effect()),
        };
        strongest.unwrap_or(Effect::Read)
    }

    /// Parameters and namespace of a runbook that is called with these parameters; none: the
    /// namespace of the call.
    ///
    /// # Errors
    /// What is wrong with its parameters.
    pub fn called(
        &self,
        runbook: &Runbook,
        with: &Map<String, Value>,
    ) -> Result<(Map<String, Value>, Option<String>), Vec<ParamError>> {
        called(
            &Says { params: &runbook.params, namespace: runbook.namespace.as_ref() },
            with,
            self.moved.as_ref(),
        )
    }

    /// The command that runs a remedy with these parameters, where this run acts.
    pub fn command(&self, name: &str, with: &Map<String, Value>, invocation: &Invocation) -> Next {
        let known = self.neighbours.get(name);
        let says =
            known.map(|known| Says { params: &known.params, namespace: known.namespace.as_ref() });
        self.run_here(name, with, says, invocation)
    }

    /// The command that runs this once more from the start. What is secret is not typed.
    pub fn again(&self, invocation: &Invocation) -> Next {
        let runbook = &self.runbook;
        let open = self.params.iter().filter(|(name, _)| !runbook.is_secret(name));
        let with = open.map(|(name, value)| (name.clone(), value.clone())).collect();
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        self.run_here(&runbook.name, &with, Some(says), invocation)
    }

    fn run_here(
        &self,
        name: &str,
        with: &Map<String, Value>,
        says: Option<Says<'_>>,
        invocation: &Invocation,
    ) -> Next {
        let (own, moved) = (self.namespace.as_deref(), self.moved.as_ref());
        let namespace = namespace::of_command(says.as_ref(), with, own, moved);
        let declared = says.map(|says| says.params);
        run_next(name, with, declared, namespace.as_deref(), invocation)
    }

    /// The parameters with secret ones masked.
    pub fn shown_params(&self) -> Map<String, Value> {
        let shown = |name: &String, value: &Value| {
            let secret = self.runbook.is_secret(name) && !value.is_null();
            (name.clone(), if secret { Value::from("[secret]") } else { value.clone() })
        };
        self.params.iter().map(|(name, value)| shown(name, value)).collect()
    }
}

/// What templates see before the run.
pub fn context(params: &Map<String, Value>) -> Value {
    json!({ "params": params })
}

/// Digest of a step as written, with the names and the namespace that it gets from around it: a
/// resume keeps a finished step only if this is unchanged.
pub fn step_digest(runbook: &Runbook, step: &Step) -> String {
    let text =
        |span: &Range<usize>| runbook.source.get(span.clone()).unwrap_or_default().trim_end();
    let around = step.around.iter().map(|span| ("let", text(span)));
    digest([(step.id.as_str(), text(&step.span))].into_iter().chain(around))
}

fn digest<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in texts {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let hex = hex(&hash.finalize());
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Catalogue;

    #[test]
    fn a_step_counts_as_changed_when_what_is_bound_around_it_has_changed() {
        let digest = |outer: &str, group: &str| {
            let text = format!(
                "runbook: v1\ntitle: T\n{outer}steps:\n  - id: g\n{group}    steps: [{{id: a, \
                    value: $run.id}}]\n"
            );
            let loaded = Catalogue::new(&[]).load_text("x", text).unwrap();
            step_digest(&loaded["x"], loaded["x"].all_steps()[1])
        };
        let (one, two) = ("let: {x: '1'}\n", "let: {x: '2'}\n");
        assert_ne!(digest(one, ""), digest("", ""));
        assert_ne!(digest(one, ""), digest(two, ""));
        assert_eq!(digest(one, ""), digest(one, ""));
        let inner = |text: &str| format!("    {text}");
        assert_ne!(digest("", &inner(one)), digest("", &inner(two)));
    }
}
