//! Which outputs a run has to keep: those that something refers to.

use super::body::Body;
use super::runbook::Step;
use std::collections::BTreeSet;

/// The steps whose outputs are looked at after they have ended: by later steps, findings, titles,
/// remedies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referred {
    /// Something refers to `$steps` as a whole.
    all: bool,
    ids: BTreeSet<String>,
}

impl Referred {
    /// From the uses of `steps` in a runbook: the names, and none for the whole.
    pub(super) fn new<'a>(
        steps: impl IntoIterator<Item = &'a Step>,
        uses: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
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

#[cfg(test)]
mod tests {
    use crate::document::Catalogue;

    /// The steps of a runbook of which outputs are kept, when this is asked at its end.
    fn kept(last: &str) -> String {
        let text = format!(
            "runbook: v1\ntitle: T\non_failure: continue\nsteps:\n  - {{id: a, value: '1'}}\n  - \
                {{id: b, value: '1'}}\n  - id: g\n    steps:\n      - {{id: c, value: '1'}}\n      \
                - id: h\n        steps: [{{id: d, value: '1'}}]\n  - id: each\n    for_each: \
                '[1]'\n    value: $item\n{last}"
        );
        let loaded = Catalogue::new(&[]).load_text("x", text).unwrap();
        let runbook = &loaded["x"];
        runbook
            .all_steps()
            .iter()
            .map(|step| step.id.as_str())
            .filter(|id| runbook.referred.contains(id))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn only_outputs_that_something_looks_at_are_kept() {
        let table = [
            ("", ""),
            ("  - {id: z, value: $steps.a.output}", "a"),
            ("  - {id: z, when: $steps.a.failed, value: $steps.b.output | length}", "b"),
            (
                "  - {id: z, when: '$steps.a.passed and $steps.b.outcome == \"failed\" and \
                    $steps.c.reason == \"\"', value: '1'}",
                "",
            ),
            ("  - {id: z, value: '$steps.a | .output'}", "a"),
            ("  - {id: z, value: '$steps.a.failedness'}", "a"),
            ("  - {id: z, value: '$steps[\"b\"].output'}", "b"),
            ("  - {id: z, value: $steps.g.output.h}", "g c h d"),
            ("  - {id: z, value: $steps.each.output}", "each"),
            (
                "  - {id: z, title: 'It is {{ steps.a.output }}, {{ steps.b.reason }}', value: \
                    '1'}",
                "a",
            ),
            ("  - {id: z, value: '1', expect: [{that: '. == $steps.b.output'}]}", "b"),
            ("  - {id: z, value: '$steps | keys'}", "a b g c h d each z"),
            (
                "findings:\n  - {id: f, when: $steps.a.failed, cause: 'saw {{ steps.b.output }}'}",
                "b",
            ),
            (
                "findings:\n  - {id: f, when: $steps.a.output == 1, cause: c, remedy: {text: '{{ \
                    steps.c.output }}'}}",
                "a c",
            ),
        ];
        for (last, wanted) in table {
            assert_eq!(kept(last), wanted, "{last}");
        }
    }
}
