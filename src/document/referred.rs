//! Which outputs a run has to keep: those that something refers to.

use super::runbook::{Body, Step};
use std::collections::BTreeSet;

/// The steps whose outputs are looked at after they have ended: by later steps, findings, titles, remedies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referred {
    /// Something refers to `$steps` as a whole.
    all: bool,
    ids: BTreeSet<String>,
}

impl Referred {
    /// From the uses of `steps` in a runbook: the names, and none for the whole.
    pub(super) fn new<'a>(steps: impl IntoIterator<Item = &'a Step>, uses: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut referred = Self::default();
        for name in uses {
            match name {
                Some(name) => drop(referred.ids.insert(name.to_owned())),
                None => referred.all = true,
            }
        }
        for step in steps {
            referred.spread(step, false);
        }
        referred
    }

    /// The output of a group is made of those of its steps.
    fn spread(&mut self, step: &Step, wanted: bool) {
        if wanted {
            self.ids.insert(step.id.clone());
        }
        let wanted = wanted || self.ids.contains(&step.id);
        if let Body::Group(group) = &step.body {
            group.children().for_each(|child| self.spread(child, wanted));
        }
        step.then.iter().for_each(|child| self.spread(child, false));
    }

    /// Whether the output of the step is kept.
    pub fn contains(&self, id: &str) -> bool {
        self.all || self.ids.contains(id)
    }
}
