//! `health`: whether an object of any kind works, as its status says.

use super::support::counter;
use super::support::fan_out::{quote, reading};
use super::support::snapshot::named;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Unseen, Verb, Wrong};
use crate::cluster::{ErrorKind, builtin};
use crate::diagnosis::health::{Fact, Health as Found, Sign, health};
use crate::diagnosis::object::text;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Judges an object of any kind, built-in or custom, by its whole status: conditions at any depth,
/// phases and states, error messages, and whether its controller has observed its current spec. The
/// output is `{target, facts: [{id, at, says, sign}], behind: [{at, seen, generation}], unknown: [REASON]}`.
/// `sign` is `good`, `bad`, `warning` (something beside it is bad), `paused` or `open` (in the middle of
/// something, or not understood). Without an expectation, the step fails if a fact is bad or the
/// controller is behind. It is an error if nothing in the status says whether the object works.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Object to judge: `certificates.cert-manager.io/NAME`, `deployment/NAME`, `node/NAME`.
    pub target: Target,
}

impl Verb for Health {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        self.target.one_object()
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.target.namespace(namespace);
        // which permission a kind needs that is not built in, the cluster says
        let kind = builtin(&self.target.kind);
        kind.map(|kind| reading(&kind, "get", place, self.target.asked())).into_iter().collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.target.namespace(namespace));
        vec![format!("kubectl get -n {place} {} -o yaml", self.target.kubectl())]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let bad = output["facts"].as_array()?.iter().find(|fact| fact["sign"] == "bad");
        let behind = output["behind"].as_array().and_then(|all| all.first());
        let reason = match (bad, behind) {
            (Some(fact), _) => format!("{} is {}", text(&fact["at"]), text(&fact["says"])),
            (None, Some(behind)) => format!(
                "its controller has observed generation {} of its spec, and {} is the current one",
                behind["seen"], behind["generation"]
            ),
            (None, None) => return None,
        };
        Some(Wrong { fields: &["facts", "behind"], reason })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let kind = cluster.resolve(&self.target.kind).await?;
        let place = self.target.namespace(&context.namespace);
        let read = cluster.get(&kind, kind.namespaced.then_some(place), self.target.asked()).await;
        let mut object = read.map_err(|error| match error.kind {
            ErrorKind::NotFound => Failure::new(FailureKind::Failed, error.to_string()),
            _ => error.into(),
        })?;
        counter::write_out(&mut object, &kind);
        context.masker.learn_object(&object);
        let found = health(&object);
        let unseen = (!found.unknown.is_empty()).then(|| Unseen {
            that: format!("the status of {} says whether it works", self.target.kubectl()),
            reason: found.unknown.join("; "),
        });
        let mut output = json!(found);
        output["target"] = named(&kind, &object).to_string().into();
        Ok(Output { unseen, ..Output::new(output, summary(&found)) })
    }
}

/// What is bad; otherwise the first that is good, as it is about the whole.
fn summary(found: &Found) -> String {
    let with = |sign: Sign| found.facts.iter().filter(move |fact| fact.sign == sign);
    let said = |fact: &Fact| {
        let says = fact.says.split_once(": ").map_or(fact.says.as_str(), |(short, _)| short);
        format!("{} is {says}", fact.at)
    };
    match with(Sign::Bad).count() {
        0 => with(Sign::Good).chain(with(Sign::Paused)).next().map(said).unwrap_or_default(),
        1 => with(Sign::Bad).map(said).collect(),
        bad => format!("{bad} faults"),
    }
}
