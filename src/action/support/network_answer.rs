//! The output of `network_path`: the worst path, and the changes that would allow all paths. Pure.

use super::network_inventory::Survey;
use crate::action::{Failure, Output};
use crate::network::{
    Decision, Fix, Misdirected, Path, Stage, StageName, StageOutcome, propose_for_path,
};
use serde_json::{Map, Value, json};

/// The worst of the paths, with what would allow all of them.
///
/// # Errors
/// When there is no path.
pub(in crate::action) fn answer(survey: &Survey, paths: &[Path]) -> Result<Output, Failure> {
    let badness = |path: &Path| match path.verdict {
        Decision::Denied => 2,
        Decision::Unknown => 1,
        Decision::Allowed => 0,
    };
    // the first of the worst
    let worst = paths
        .iter()
        .rev()
        .max_by_key(|path| badness(path))
        .ok_or_else(|| Failure::error("there is no connection to evaluate"))?;
    let allowed = match worst.verdict {
        Decision::Allowed => Some(true),
        Decision::Denied => Some(false),
        Decision::Unknown => None,
    };
    let each: Vec<Value> = paths
        .iter()
        .map(|path| {
            json!({"source": path.source, "destination": path.destination,
            "verdict": path.verdict, "first_failing": path.first_failing, "reason": reason(path)})
        })
        .collect();
    let good = paths.iter().filter(|path| path.verdict == Decision::Allowed).count();
    let summary = if good == paths.len() {
        "allowed".to_owned()
    } else if paths.len() == 1 {
        worst.verdict.to_string()
    } else {
        format!("{} ({good} of {} allowed)", worst.verdict, paths.len())
    };
    let concerning = worst.not_evaluated.iter().filter(|one| one.concerns);
    let foreign: Vec<String> = concerning.map(|one| one.policy.to_string()).collect();
    let notes: Vec<String> =
        worst.notes.iter().cloned().chain(survey.gaps.iter().cloned()).collect();
    let mut value = json!({
        "verdict": worst.verdict, "allowed": allowed, "first_failing": worst.first_failing,
        "reason": reason(worst), "reasons": reasons(paths),
        "source": worst.source, "destination": worst.destination, "protocol": worst.protocol,
        "port": worst.port,
        "stages": worst.stages, "sources": each, "failed": failed(paths),
        "connections": connections(paths), "misdirected": misdirected(paths), "not_evaluated": foreign, "notes": notes,
        "fix": fix(survey, paths),
    });
    if worst.verdict != Decision::Allowed {
        value["display"] = json!(lines(worst));
    }
    Ok(Output::new(value, summary))
}

/// What would allow all of the paths, each proposal once.
fn fix(survey: &Survey, paths: &[Path]) -> Fix {
    fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
        let new: Vec<T> = more.into_iter().filter(|one| !all.contains(one)).collect();
        all.extend(new);
    }
    let mut fix = Fix::default();
    for path in paths {
        let one = propose_for_path(survey.inventory.cluster(), path);
        add(&mut fix.policies, one.policies);
        add(&mut fix.alternatives, one.alternatives);
        add(&mut fix.obstacles, one.obstacles);
    }
    fix
}

/// Every stage that fails on any of the ways, in their order.
pub(in crate::action) fn failed(paths: &[Path]) -> Vec<StageName> {
    let mut found: Vec<StageName> = paths
        .iter()
        .flat_map(|path| &path.stages)
        .filter(|stage| stage.outcome == StageOutcome::Failed)
        .map(|stage| stage.stage)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What each stage says that fails on any of the ways, by its name.
fn reasons(paths: &[Path]) -> Value {
    let mut said = Map::new();
    for stage in paths.iter().flat_map(|path| &path.stages) {
        if let (StageOutcome::Failed, Value::String(name)) = (stage.outcome, json!(stage.stage)) {
            said.entry(name).or_insert_with(|| stage.sentence.as_str().into());
        }
    }
    Value::Object(said)
}

/// Where the Service leads, if that is no port of its pods.
pub(in crate::action) fn misdirected(paths: &[Path]) -> Option<&Misdirected> {
    paths.iter().find_map(|path| path.misdirected.as_ref())
}

/// What policies say of each source and endpoint.
fn connections(paths: &[Path]) -> Vec<Value> {
    let judged = paths.iter().flat_map(|path| {
        path.connections.iter().filter(|one| !one.dns).map(move |one| (path, &one.explanation))
    });
    let told = judged.map(|(path, explanation)| {
        json!({"from": path.source, "to": explanation.destination, "allowed": explanation.allowed,
            "egress": explanation.egress.passes(), "ingress": explanation.ingress.passes()})
    });
    told.collect()
}

/// For a person: what does not pass, and what looks like a slip beside it.
fn lines(path: &Path) -> Vec<String> {
    const SLIP: u8 = 2;
    const NEAR: usize = 2;
    let mut lines = Vec::new();
    for stage in path.stages.iter().filter(|stage| stage.outcome != StageOutcome::Passed) {
        lines.push(format!("{}: {}", stage.stage, stage.sentence));
        let slips = stage.near_misses.iter().filter(|miss| miss.distance <= SLIP).take(NEAR);
        lines.extend(slips.map(|miss| format!("near: {miss}")));
    }
    lines.extend(path.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// The stage that decides: the first that fails, or else the first that is unknown.
pub(in crate::action) fn decisive(path: &Path) -> Option<&Stage> {
    let with = |outcome| path.stages.iter().find(|stage| stage.outcome == outcome);
    with(StageOutcome::Failed).or_else(|| with(StageOutcome::Unknown))
}

/// What the first stage that does not pass says, and the policies of the destination where those of
/// the source deny the connection as well; empty if all pass.
pub(in crate::action) fn reason(path: &Path) -> String {
    let Some(first) = decisive(path) else { return String::new() };
    let of_source =
        matches!(first.stage, StageName::DnsUdp | StageName::DnsTcp | StageName::Egress);
    let other = path.stages.iter().find(|stage| {
        of_source && stage.stage == StageName::Ingress && stage.outcome == StageOutcome::Failed
    });
    let said: Vec<String> = [Some(first), other]
        .into_iter()
        .flatten()
        .map(|stage| format!("{}: {}", stage.stage, stage.sentence))
        .collect();
    said.join("; ")
}
