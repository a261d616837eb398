//! `runbook alerts`

use super::alert::waited;
use super::arguments::{KubeconfigArguments, PrometheusArguments, workspace};
use super::exit::{CommandError, Exit};
use super::{Global, ResultFormat, output};
use crate::alert::{Coverage, FamilyCoverage, Handled, Rules, runbooks_of};
use crate::secret::Masker;
use crate::session::{ClusterChoice, Workspace, alert_rules, handled};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct AlertsArguments {
    /// List only alerts and runbooks whose names contain this text
    filter: Option<String>,
    /// List the alerts of clusters of all kinds that no runbook answers, and what they need; and the
    /// alerts of a Prometheus, if one is named
    #[arg(long)]
    coverage: bool,
    #[command(flatten)]
    prometheus: PrometheusArguments,
    #[command(flatten)]
    kubeconfig: KubeconfigArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

pub(super) fn alerts(global: &Global, arguments: &AlertsArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let handled = handled(&workspace.catalogue());
    let rules = arguments.rules(global, &workspace)?;
    let coverage = arguments.coverage.then(|| Coverage::of(&handled));
    if arguments.output != ResultFormat::Text {
        let document = json!({"schema": "runbook.alerts/v1",
            "alerts": by_alert(&handled, arguments.filter.as_deref()), "coverage": coverage,
            "rules": rules.as_ref().map(|rules| of_rules(rules, &handled))});
        let document = Masker::new().clean_value(&document);
        output::write(&format!("{document:#}\n"))?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    match &coverage {
        None => list(&mut text, &handled, arguments.filter.as_deref()),
        Some(coverage) => covered(&mut text, coverage),
    }
    if let Some(rules) = &rules {
        text.push('\n');
        live(&mut text, rules, &handled);
    }
    output::write(&Masker::new().clean(&text))?;
    Ok(Exit::Passed)
}

impl AlertsArguments {
    /// The rules of the Prometheus that is to be asked.
    fn rules(&self, global: &Global, workspace: &Workspace) -> Result<Option<Rules>, CommandError> {
        let chosen = self.prometheus.chosen(global)?;
        let Some(prometheus) = chosen.filter(|_| self.coverage) else { return Ok(None) };
        let choice: ClusterChoice = self.kubeconfig.choice(None);
        let rules = waited(alert_rules(workspace, &choice, &prometheus, None))?;
        rules.map(Some).map_err(CommandError::NotJudged)
    }
}

/// The runbooks of each alert, as far as a name contains the text.
fn by_alert<'h>(handled: &'h [Handled], filter: Option<&str>) -> BTreeMap<&'h str, Vec<&'h str>> {
    let filter = filter.unwrap_or_default().to_lowercase();
    let names: BTreeSet<&str> = handled.iter().map(|one| one.alert.as_str()).collect();
    let contains = |text: &str| text.to_lowercase().contains(&filter);
    names
        .into_iter()
        .map(|name| (name, runbooks_of(name, handled)))
        .filter(|(name, runbooks)| contains(name) || runbooks.iter().any(|name| contains(name)))
        .collect()
}

fn list(text: &mut String, handled: &[Handled], filter: Option<&str>) {
    let all = by_alert(handled, filter);
    if all.is_empty() {
        text.push_str("no alerts found\n");
    }
    let width = all.keys().map(|name| name.len()).max().unwrap_or_default();
    for (alert, runbooks) in all {
        // writing into a string cannot fail
        writeln!(text, "{alert:<width$}  {}", runbooks.join(", ")).ok();
    }
}

/// The alerts of clusters of all kinds: sums, then the families that are not covered.
fn covered(text: &mut String, coverage: &Coverage) {
    let ((common, of_common), (all, of_all)) = (coverage.count(true), coverage.count(false));
    writeln!(text, "{common} of {of_common} families of common alerts have runbooks (*)").ok();
    writeln!(text, "{all} of {of_all} families of alerts have runbooks").ok();
    let mut area = "";
    for one in coverage.families.iter().filter(|one| !one.is_covered()) {
        if area != one.family.area {
            area = &one.family.area;
            writeln!(text, "\n{area}").ok();
        }
        writeln!(text, "  {}", uncovered(one)).ok();
    }
}

/// `* NAME, NAME`, with what they need below; the star stands at the common ones.
fn uncovered(one: &FamilyCoverage) -> String {
    let star = if one.family.common { "* " } else { "" };
    let names = match (&one.family.about, one.missing.as_slice()) {
        (Some(about), []) => about.clone(),
        (_, missing) => missing.join(", "),
    };
    let needs = match one.family.needs.as_slice() {
        [] => String::new(),
        needs => format!("\n      needs {}", needs.join("; ")),
    };
    let decidable = match one.family.decidable.as_str() {
        "yes" => "",
        "no" => " (not decidable from the cluster)",
        _ => " (partly decidable from the cluster)",
    };
    format!("{star}{names}{decidable}{needs}")
}

/// The alerts of a live Prometheus: the runbooks of each.
fn of_rules(rules: &Rules, handled: &[Handled]) -> Vec<Value> {
    rules
        .names()
        .into_iter()
        .map(|name| json!({"alert": name, "runbooks": runbooks_of(name, handled)}))
        .collect()
}

fn live(text: &mut String, rules: &Rules, handled: &[Handled]) {
    let (with, without): (Vec<&str>, Vec<&str>) =
        rules.names().into_iter().partition(|name| !runbooks_of(name, handled).is_empty());
    let all = with.len() + without.len();
    writeln!(text, "{} of {all} alerts of this Prometheus have a runbook", with.len()).ok();
    for name in without {
        writeln!(text, "  {name}: none").ok();
    }
}
