//! `runbook plan NAME`

use super::arguments::{ParamArguments, workspace};
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::action::Access;
use crate::event::Effect;
use crate::plan::{Open, PlannedAction, actions, also_changes, leases, role};
use crate::secret::Masker;
use crate::session::{self, Start};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Name of the runbook, or path of its file
    name: String,
    #[command(flatten)]
    params: ParamArguments,
    /// Print only the Role and RoleBinding that the run needs, as manifests
    #[arg(long)]
    rbac: bool,
    /// Namespace; overrides the namespace of the runbook
    #[arg(short, long, value_parser = super::arguments::namespace)]
    namespace: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn plan(global: &Global, arguments: PlanArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let mut options = Start::of(arguments.name);
    options.params = arguments.params.params(&workspace)?;
    options.conduct.cluster.namespace = arguments.namespace;
    let plan = session::plan(&workspace, &options)?;
    let steps = actions(&plan, "default");
    let masker = Masker::new();
    plan.runbook.learn_secrets(&plan.params, &masker);
    let namespace = plan.namespace.as_deref().unwrap_or("default");
    let mut permissions: BTreeSet<Access> = steps
        .iter()
        .flat_map(|step| step.needs.permissions.iter().chain(&step.needs.computed).cloned())
        .collect();
    if steps.iter().any(|step| matches!(step.effect, Effect::Write | Effect::Opaque)) {
        permissions.extend(leases(&steps, namespace, &plan.runbook.name).permissions());
    }
    let open: BTreeSet<(String, Open)> = steps
        .iter()
        .flat_map(|step| step.needs.open.iter().map(|open| (step.path.clone(), open.clone())))
        .collect();
    if arguments.rbac {
        let permissions: Vec<Access> = permissions.into_iter().collect();
        output::write(&role(&plan.runbook.name, &permissions, &open, None))?;
        return Ok(Exit::Passed);
    }
    if arguments.output != Format::Text {
        let mut document = json!({
            "schema": "runbook.plan/v1", "runbook": plan.runbook.name, "title": plan.runbook.title,
            "digest": plan.digest,
            "namespace": plan.namespace, "also_changes": also_changes(&steps, namespace),
            "params": plan.shown_params(),
            "steps": steps.iter().map(step_json).collect::<Vec<_>>(),
            "permissions": permissions.iter().map(|access| json!({
                "verb": access.verb, "group": access.group, "resource": access.resource,
                "subresource": access.subresource,
                "namespace": access.namespace, "name": access.name})).collect::<Vec<_>>(),
            "not_known_before_the_run": open.iter().map(|(step, open)| json!({"step": step,
            "what": open.to_string()})).collect::<Vec<_>>(),
        });
        masker.mask_value(&mut document);
        output::write(&format!("{document:#}\n"))?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    let w = &mut text;
    let written = (|| -> std::fmt::Result {
        writeln!(w, "{}  {}", plan.runbook.name, plan.runbook.title)?;
        let also = also_changes(&steps, namespace);
        let also = if also.is_empty() {
            String::new()
        } else {
            format!("also changes {} · ", also.join(", "))
        };
        writeln!(
            w,
            "namespace {} · {also}{}",
            plan.namespace.as_deref().unwrap_or("from the context"),
            plan.digest.get(..19).unwrap_or(&plan.digest)
        )?;
        if !plan.params.is_empty() {
            writeln!(w, "\nParameters")?;
            for (name, value) in plan.shown_params() {
                writeln!(w, "  {name} = {}", shown(&value))?;
            }
        }
        writeln!(w, "\nSteps")?;
        for step in &steps {
            writeln!(
                w,
                "  {:<24} {:<8} {:<8} {}",
                step.path,
                step.action,
                effect(step.effect),
                step.title
            )?;
            if let Some(when) = &step.when {
                writeln!(
                    w,
                    "      only when {}",
                    when.split_whitespace().collect::<Vec<_>>().join(" ")
                )?;
            }
            for line in &step.manual_commands {
                writeln!(w, "      {}{line}", if step.depends { "# for example: " } else { "" })?;
            }
        }
        writeln!(w, "\nPermissions")?;
        for access in &permissions {
            writeln!(w, "  {}", permission(access))?;
        }
        for (step, open) in &open {
            writeln!(w, "  # step {step}: {open}")?;
        }
        Ok(())
    })();
    written.map_err(|_| CommandError::NotJudged("cannot write the plan".to_owned()))?;
    output::write(&masker.clean(&text))?;
    Ok(Exit::Passed)
}

fn step_json(step: &PlannedAction) -> Value {
    json!({"path": step.path, "title": step.title, "action": step.action, "effect": step.effect,
        "when": step.when, "by_hand": step.manual_commands, "depends_on_run": step.depends})
}

/// A value as a person writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// An effect as a word.
pub(super) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Operator => "operator",
        Effect::Write => "write",
        Effect::Opaque => "opaque",
    }
}

fn permission(access: &Access) -> String {
    let mut text = format!("{:<7} {}", access.verb, access.resource);
    if !access.subresource.is_empty() {
        text = format!("{text}/{}", access.subresource);
    }
    if !access.group.is_empty() {
        text = format!("{text}.{}", access.group);
    }
    if !access.name.is_empty() {
        text = format!("{text} {}", access.name);
    }
    if access.namespace.is_empty() {
        format!("{text} (cluster-wide)")
    } else {
        format!("{text} in {}", access.namespace)
    }
}
