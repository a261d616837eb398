//! Which declared connections policies would cut that are to be applied.

use super::change::Guard;
use super::network_inventory::{Survey, everything};
use crate::action::{Context, Failure};
use crate::network::{Inventory, Path, StageName, StageOutcome, declared, trace};
use serde_json::Value;
use std::collections::BTreeSet;

/// So many connections are named.
const SHOWN: usize = 6;

/// Refuses policies by which a connection that the workloads of their namespaces declare, and that
/// the policies of now allow, would be denied.
///
/// # Errors
/// When something that decides cannot be read.
pub(in crate::action) async fn cuts(
    context: &Context,
    manifests: &[Value],
) -> Result<Option<Guard>, Failure> {
    let policies: Vec<Value> =
        manifests.iter().filter(|one| one["kind"] == "NetworkPolicy").cloned().collect();
    if policies.is_empty() {
        return Ok(None);
    }
    let survey = everything(context.cluster()?).await?;
    // thousands of pods against hundreds of policies take their time
    crate::blocking::blocking(move || guard(&survey, &policies))
        .await
        .map_err(|error| Failure::error(error.to_string()))
}

/// The objects of a cluster in which these policies are applied.
pub(in crate::action) fn with(objects: &[Value], policies: &[Value]) -> Vec<Value> {
    let same = |one: &Value, other: &Value| {
        one["kind"] == "NetworkPolicy"
            && ["namespace", "name"]
                .iter()
                .all(|field| one["metadata"][field] == other["metadata"][field])
    };
    let kept = objects.iter().filter(|old| !policies.iter().any(|new| same(old, new)));
    kept.chain(policies).cloned().collect()
}

fn guard(survey: &Survey, policies: &[Value]) -> Option<Guard> {
    let place = |object: &Value, field: &str| object["metadata"][field].as_str().map(str::to_owned);
    let intended = Inventory::from_objects(&with(&survey.objects, policies));
    let namespaces: BTreeSet<String> =
        policies.iter().filter_map(|policy| place(policy, "namespace")).collect();
    let mut cut: Vec<String> = Vec::new();
    for namespace in &namespaces {
        for one in declared(&survey.inventory, &survey.objects, Some(namespace)) {
            let now = trace(&survey.inventory, &one.edge);
            let then = trace(&intended, &one.edge);
            if let (Ok(now), Ok(then)) = (now, then)
                && !stopped(&now)
                && stopped(&then)
            {
                cut.push(format!("{} -> {}", one.workload, one.to));
            }
        }
    }
    cut.dedup();
    let more = cut.len().saturating_sub(SHOWN);
    let named = cut.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!cut.is_empty()).then(|| Guard {
        id: "connections-cut",
        reason: format!("the policies would cut connections that work now: {named}{rest}"),
        way: "add policies that allow them, and apply these first or together".to_owned(),
    })
}

/// Whether a policy stops the connection, whatever else is wrong with it.
fn stopped(path: &Path) -> bool {
    path.stages.iter().any(|stage| {
        matches!(stage.stage, StageName::DnsUdp | StageName::Egress | StageName::Ingress)
            && stage.outcome == StageOutcome::Failed
    })
}
