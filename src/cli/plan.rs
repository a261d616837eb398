//! `runbook plan NAME`

use super::arguments::{ParamArguments, workspace};
use super::exit::{CommandError, Exit};
use super::parameters::incomplete;
use super::{Global, ResultFormat, output};
use crate::action::Access;
use crate::event::Effect;
use crate::plan::{Open, Plan, PlannedAction, actions, also_changes, leases, role};
use crate::secret::Masker;
use crate::session::{self, SessionError, Start};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Name of the runbook, or path of its file
    name: String,
    #[command(flatten)]
    params: ParamArguments,
    /// Print only the Role and RoleBinding that the run needs, as manifests
    #[arg(long)]
    rbac: bool,
    /// Plan a run on a simulated cluster, in this scenario
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, require_equals = true,
        default_missing_value = "")]
    sandbox: Option<String>,
    /// Namespace; overrides the namespace of the runbook
    #[arg(short, long, value_parser = super::arguments::namespace)]
    namespace: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

pub(super) fn plan(global: &Global, arguments: PlanArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let mut options = Start::of(arguments.name);
    options.params = arguments.params.params(&workspace)?;
    options.conduct.cluster.namespace = arguments.namespace;
    options.conduct.cluster.sandbox = arguments.sandbox;
    let plan = session::plan(&workspace, &options).map_err(|error| match error {
        SessionError::Params(errors) => incomplete(&workspace, &options.runbook, errors, &[]),
        other => other.into(),
    })?;
    // that there is such a scenario is said here, too
    options.conduct.cluster.choose(&workspace, plan.runbook.sandbox.as_ref())?;
    let overview = Overview::of(plan);
    let masker = Masker::new();
    overview.plan.runbook.learn_secrets(&overview.plan.params, &masker);
    if arguments.rbac && arguments.output == ResultFormat::Text {
        output::write(&overview.role())?;
    } else if arguments.rbac {
        for (step, open) in &overview.open {
            output::hint(&format!("step {step}: {open}"));
        }
        output::write(&format!("{:#}\n", listed(&overview.role())?))?;
    } else if arguments.output == ResultFormat::Text {
        output::write(&masker.clean(&overview.text()))?;
    } else {
        let mut document = overview.document();
        masker.mask_value(&mut document);
        output::write(&format!("{document:#}\n"))?;
    }
    Ok(Exit::Passed)
}

/// Manifests as one List, which `kubectl apply -f -` takes.
fn listed(manifests: &str) -> Result<Value, CommandError> {
    let items: Vec<Value> = serde_saphyr::from_multiple(manifests)
        .map_err(|error| CommandError::NotJudged(format!("the Role cannot be written: {error}")))?;
    let items: Vec<Value> = items.into_iter().filter(Value::is_object).collect();
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// A plan, and what its steps do and need.
struct Overview {
    plan: Plan,
    steps: Vec<PlannedAction>,
    permissions: BTreeSet<Access>,
    /// What is known only during the run, by step.
    open: BTreeSet<(String, Open)>,
}

impl Overview {
    fn of(plan: Plan) -> Self {
        let steps = actions(&plan, "default");
        let mut permissions: BTreeSet<Access> = steps
            .iter()
            .flat_map(|step| step.needs.permissions.iter().chain(&step.needs.computed).cloned())
            .collect();
        if steps.iter().any(|step| matches!(step.effect, Effect::Write | Effect::Opaque)) {
            let namespace = plan.namespace.as_deref().unwrap_or("default");
            permissions.extend(leases(&steps, namespace, &plan.runbook.name).permissions());
        }
        let open = steps
            .iter()
            .flat_map(|step| step.needs.open.iter().map(|open| (step.path.clone(), open.clone())))
            .collect();
        Self { plan, steps, permissions, open }
    }

    /// The namespaces that the run changes besides its own.
    fn also_changes(&self) -> Vec<String> {
        also_changes(&self.steps, self.plan.namespace.as_deref().unwrap_or("default"))
    }

    /// The Role and RoleBinding that the run needs, as manifests.
    fn role(&self) -> String {
        let permissions: Vec<Access> = self.permissions.iter().cloned().collect();
        role(&self.plan.runbook.name, &permissions, &self.open, None)
    }

    fn document(&self) -> Value {
        let Plan { runbook, digest, namespace, .. } = &self.plan;
        let permissions = self.permissions.iter().map(|access| {
            if !access.path.is_empty() {
                return json!({"verb": access.verb, "path": access.path});
            }
            json!({"verb": access.verb, "group": access.group, "resource": access.resource,
                "subresource": access.subresource, "namespace": access.namespace,
                "name": access.name})
        });
        let open =
            self.open.iter().map(|(step, open)| json!({"step": step, "what": open.to_string()}));
        json!({
            "schema": "runbook.plan/v1", "runbook": runbook.name, "title": runbook.title,
            "digest": digest, "namespace": namespace, "also_changes": self.also_changes(),
            "params": self.plan.shown_params(),
            "steps": self.steps.iter().map(step_json).collect::<Vec<_>>(),
            "permissions": permissions.collect::<Vec<_>>(),
            "not_known_before_the_run": open.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // writing to a String cannot fail
        let _ = self
            .write_header(&mut text)
            .and_then(|()| self.write_steps(&mut text))
            .and_then(|()| self.write_permissions(&mut text));
        text
    }

    fn write_header(&self, text: &mut String) -> fmt::Result {
        let Plan { runbook, digest, namespace, params, .. } = &self.plan;
        writeln!(text, "{}  {}", runbook.name, runbook.title)?;
        write!(text, "namespace {} · ", namespace.as_deref().unwrap_or("from the context"))?;
        let also = self.also_changes();
        if !also.is_empty() {
            write!(text, "also changes {} · ", also.join(", "))?;
        }
        writeln!(text, "{}", digest.get(..19).unwrap_or(digest))?;
        if !params.is_empty() {
            writeln!(text, "\nParameters")?;
            for (name, value) in self.plan.shown_params() {
                writeln!(text, "  {name} = {}", shown(&value))?;
            }
        }
        Ok(())
    }

    fn write_steps(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "\nSteps")?;
        for step in &self.steps {
            let PlannedAction { path, action, title, when, manual_commands, depends, .. } = step;
            writeln!(text, "  {path:<24} {action:<8} {:<8} {title}", effect(step.effect))?;
            if let Some(when) = when {
                let when: Vec<&str> = when.split_whitespace().collect();
                writeln!(text, "      only when {}", when.join(" "))?;
            }
            let example = if *depends { "# for example: " } else { "" };
            for line in manual_commands {
                writeln!(text, "      {example}{line}")?;
            }
        }
        Ok(())
    }

    fn write_permissions(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "\nPermissions")?;
        for access in &self.permissions {
            writeln!(text, "  {}", permission(access))?;
        }
        for (step, open) in &self.open {
            writeln!(text, "  # step {step}: {open}")?;
        }
        Ok(())
    }
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
    if !access.path.is_empty() {
        return format!("{:<7} {} (cluster-wide)", access.verb, access.path);
    }
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
