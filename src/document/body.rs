//! What a step does: a verb, a construct, or steps within it.

use super::deferred::Deferred;
use super::runbook::Step;
use super::sketch::Sketch;
use crate::action::{Action, Reach, VerbName};
use crate::construct::{Approve, Confirm, Construct, Pause, Run, Value as ValueText, WaitForTime};
use crate::event::Effect;
use crate::expression::{Jq, Reference};
use serde::de::DeserializeSeed;
use serde_json::Value;
use std::sync::Arc;

/// What a step does.
#[derive(Clone, Debug)]
pub enum Body {
    /// A verb with arguments.
    Verb(Written<Box<Action>>),
    /// A jq program over earlier results.
    Value(Jq),
    /// Another runbook.
    Run(Written<Run>),
    /// A question to the operator.
    Confirm(Written<Confirm>),
    /// A question to another person.
    Approve(Written<Approve>),
    /// A while of waiting.
    Pause(Written<Pause>),
    /// A time to wait for.
    WaitForTime(Written<WaitForTime>),
    /// Steps within the step.
    Group(Arc<Group>),
}

/// Arguments as they are written.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// Before templates are rendered.
    pub arguments: Deferred,
    /// With stand-ins for what only a run knows: for effects and permissions when nothing else is
    /// at hand.
    pub sketch: T,
}

/// Steps within a step.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The steps.
    pub steps: Vec<Step>,
    /// How many run at the same time: 1 is one after the other.
    pub parallel: usize,
    /// Done when one of the steps did not pass; if they pass, the group has recovered.
    pub rescue: Vec<Step>,
    /// Done at the end, however the steps ended.
    pub always: Vec<Step>,
}

impl Group {
    /// Every step in it, rescue and always included.
    pub fn children(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.rescue).chain(&self.always)
    }
}

impl Written<Box<Action>> {
    /// The action as it is in a run.
    ///
    /// # Errors
    /// What cannot be rendered, or is wrong with the values.
    pub fn resolve(&self, context: &Value) -> Result<Action, String> {
        let verb = self.sketch.name();
        let value = self.arguments.render(context).map_err(|error| error.to_string())?;
        let action =
            VerbName(verb).deserialize(value).map_err(|error| format!("{verb}: {error}"))?;
        action.check().map(|()| action)
    }

    /// The action as far as this context tells.
    pub fn sketch(&self, context: &Value) -> Sketch<Action> {
        self.arguments.sketch(VerbName(self.sketch.name()), context)
    }

    /// The action with other arguments; none if they are not valid.
    pub fn with(&self, arguments: &Value) -> Option<Action> {
        super::sketch::read(VerbName(self.sketch.name()), arguments)
    }
}

impl<T: Construct> Written<T> {
    /// The arguments as they are in a run.
    ///
    /// # Errors
    /// What cannot be rendered, or is wrong with the values.
    pub fn resolve(&self, context: &Value) -> Result<T, String> {
        let value = self.arguments.render(context).map_err(|error| error.to_string())?;
        let known: T =
            serde_json::from_value(value).map_err(|error| format!("{}: {error}", T::NAME))?;
        known.check().map(|()| known)
    }

    /// The arguments as far as this context tells.
    pub fn sketch(&self, context: &Value) -> Sketch<T> {
        self.arguments.sketch(std::marker::PhantomData, context)
    }
}

impl Body {
    /// The key in the step: the verb or the construct; `group` for steps within it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verb(written) => written.sketch.name(),
            Self::Value(_) => ValueText::NAME,
            Self::Run(_) => Run::NAME,
            Self::Confirm(_) => Confirm::NAME,
            Self::Approve(_) => Approve::NAME,
            Self::Pause(_) => Pause::NAME,
            Self::WaitForTime(_) => WaitForTime::NAME,
            Self::Group(_) => "group",
        }
    }

    /// What it can do; for a group the strongest of its steps.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Verb(written) => written.sketch.effect(),
            Self::Value(_) | Self::Run(_) | Self::Pause(_) | Self::WaitForTime(_) => Effect::Read,
            Self::Confirm(_) | Self::Approve(_) => Effect::Operator,
            Self::Group(group) => group.children().map(Step::effect).max().unwrap_or(Effect::Read),
        }
    }

    /// Whether it asks the cluster. Who approves is who the cluster says.
    pub fn needs_cluster(&self) -> bool {
        match self {
            Self::Verb(written) => written.sketch.reach() == Reach::Cluster,
            Self::Approve(_) => true,
            Self::WaitForTime(written) => written.sketch.cronjob.is_some(),
            Self::Value(_) | Self::Run(_) | Self::Confirm(_) | Self::Pause(_) | Self::Group(_) => {
                false
            }
        }
    }

    /// The verb, if it is one.
    pub fn action(&self) -> Option<&Action> {
        match self {
            Self::Verb(written) => Some(&written.sketch),
            _ => None,
        }
    }

    /// What its arguments, or its program, refer to.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Verb(written) => written.arguments.references(),
            Self::Value(program) => program.references().iter().collect(),
            Self::Run(written) => written.arguments.references(),
            Self::Confirm(written) => written.arguments.references(),
            Self::Approve(written) => written.arguments.references(),
            Self::Pause(written) => written.arguments.references(),
            Self::WaitForTime(written) => written.arguments.references(),
            Self::Group(_) => Vec::new(),
        }
    }
}
