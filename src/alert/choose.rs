//! Which runbooks answer an alert, and which alerts one run answers.

use super::parameters::Parameters;
use crate::diagnostic::nearest;
use crate::event::Alert;

/// An alert that a runbook of the catalogue answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Name of the alert.
    pub alert: String,
    /// Name of the runbook.
    pub runbook: String,
    /// Whether the runbook is one of the program.
    pub built_in: bool,
}

/// The runbooks for an alert: the user's own, and those of the program where there are none.
pub fn runbooks_of<'h>(alert: &str, handled: &'h [Handled]) -> Vec<&'h str> {
    let all: Vec<&Handled> = handled.iter().filter(|one| one.alert == alert).collect();
    let own = all.iter().any(|one| !one.built_in);
    all.into_iter().filter(|one| !own || !one.built_in).map(|one| one.runbook.as_str()).collect()
}

/// How many similar names are of use.
const NEAR: usize = 3;

/// The known names that are most like this one, the most similar first.
pub fn near<'n>(alert: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut left: Vec<&str> = names.into_iter().collect();
    let mut found = Vec::new();
    while let Some(name) = nearest(alert, left.iter().copied()).filter(|_| found.len() < NEAR) {
        left.retain(|other| *other != name);
        found.push(name);
    }
    found
}

/// One run and the alerts that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name of the runbook.
    pub runbook: String,
    /// What the alerts give to it.
    pub parameters: Parameters,
    /// The alerts, in order; at least one.
    pub alerts: Vec<Alert>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(alert: &str, runbook: &str, built_in: bool) -> Handled {
        Handled { alert: alert.to_owned(), runbook: runbook.to_owned(), built_in }
    }

    #[test]
    fn own_runbooks_come_before_those_of_the_program() {
        let all = [
            handled("A", "kubernetes/a", true),
            handled("A", "kubernetes/b", true),
            handled("B", "kubernetes/a", true),
            handled("B", "shop/b", false),
        ];
        assert_eq!(runbooks_of("A", &all), ["kubernetes/a", "kubernetes/b"]);
        assert_eq!(runbooks_of("B", &all), ["shop/b"]);
        assert_eq!(runbooks_of("C", &all), [""; 0]);
    }

    #[test]
    fn similar_names_are_found() {
        let names = ["KubePodNotReady", "KubePodCrashLooping", "KubeNodeNotReady", "TargetDown"];
        assert_eq!(near("KubePodNotReadi", names), ["KubePodNotReady", "KubeNodeNotReady"]);
        assert_eq!(near("Something", names), [""; 0]);
    }
}
