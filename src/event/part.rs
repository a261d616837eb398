//! The part of a runbook that a run does.

use serde::{Deserialize, Serialize};

/// What of its runbook a run does, where that is not all. It holds for every process of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Paths of the steps that are done, each with all that is in it; empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Path of the step that is the first to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
    /// Whether a person is asked before every step.
    #[serde(default)]
    pub asks: bool,
}

impl Part {
    /// Whether it says nothing: all steps are done.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// The paths that it names.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        self.only.iter().chain(&self.start_at)
    }

    /// The option that leaves the step at `path` out; none if it is done. `planned`: the paths of
    /// all steps of the plan, in order.
    pub fn leaves_out<'a>(
        &self,
        path: &str,
        planned: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'static str> {
        let is_part = |only: &String| covers(only, path) || is_within(only, path);
        if !self.only.is_empty() && !self.only.iter().any(is_part) {
            return Some("--only");
        }
        let first = self.start_at.as_deref()?;
        let mut before = planned.into_iter().take_while(|planned| *planned != first);
        // a group that the first step stands in is begun
        let is_before = |planned: &str| !is_within(first, planned) && covers(planned, path);
        before.any(is_before).then_some("--start-at")
    }
}

/// Whether the step at `path` is the one at `outer`, or within it.
pub fn covers(outer: &str, path: &str) -> bool {
    outer == path || is_within(path, outer)
}

/// Whether `path` lies inside the step at `ancestor`: in a group, a loop or a called runbook.
pub fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANNED: [&str; 6] = ["pods", "checks", "checks/redis", "checks/nats", "scale", "look"];

    fn done(part: &Part) -> Vec<&'static str> {
        let is_done = |path: &&str| part.leaves_out(path, PLANNED).is_none();
        PLANNED.into_iter().filter(is_done).collect()
    }

    #[test]
    fn a_part_is_the_named_steps_with_what_is_in_them_and_around_them() {
        let only = |paths: &[&str]| Part {
            only: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Part::default()
        };
        assert_eq!(done(&Part::default()), PLANNED);
        assert_eq!(done(&only(&["scale", "pods"])), ["pods", "scale"]);
        assert_eq!(done(&only(&["checks"])), ["checks", "checks/redis", "checks/nats"]);
        assert_eq!(done(&only(&["checks/nats"])), ["checks", "checks/nats"]);
        let looped = only(&["look"]);
        for path in ["look[0]", "look[3]/inner", "look/then"] {
            assert_eq!(looped.leaves_out(path, PLANNED), None, "{path}");
        }
        assert_eq!(looped.leaves_out("looks", PLANNED), Some("--only"), "it is another step");
    }

    #[test]
    fn a_run_that_starts_later_leaves_out_what_is_before() {
        let from = |path: &str| Part { start_at: Some(path.to_owned()), ..Part::default() };
        assert_eq!(done(&from("pods")), PLANNED);
        assert_eq!(done(&from("checks/nats")), ["checks", "checks/nats", "scale", "look"]);
        assert_eq!(done(&from("look")), ["look"]);
        assert_eq!(from("look").leaves_out("pods[1]/inner", PLANNED), Some("--start-at"));
        let both = Part { only: vec!["pods".to_owned(), "look".to_owned()], ..from("scale") };
        assert_eq!(done(&both), ["look"]);
    }
}
