//! Steps that judge nothing: whatever they see, they pass.

use super::Warning;
use crate::document::body::Body;
use crate::document::runbook::{Runbook, Step};
use crate::event::Severity;

/// A warning for each step that judges nothing and whose output nobody looks at. `severity: info`
/// says that it is shown to a person and judges nothing on purpose.
pub(super) fn unjudged(runbook: &Runbook) -> impl Iterator<Item = Warning> {
    let steps = runbook.all_steps().into_iter();
    steps.filter(|step| judges_nothing(step) && !runbook.referred.contains(&step.id)).map(warning)
}

fn warning(step: &Step) -> Warning {
    let (id, verb) = (&step.id, step.verb());
    let message = format!("step `{id}` checks nothing: it passes whatever `{verb}` returns");
    let label = "neither `expect` nor `until`, and nothing refers to its output";
    Warning {
        help: Some(format!(
            "add `expect`, refer to `$steps[\"{id}\"].output`, or set `severity: info` if the \
                output is only displayed"
        )),
        ..Warning::new("RB0501", step.span.start..step.span.start + 1, message, label)
    }
}

fn judges_nothing(step: &Step) -> bool {
    let decides = match &step.body {
        Body::Verb(written) => written.sketch.judges(),
        Body::Value(_) => false,
        Body::Run(_)
        | Body::Confirm(_)
        | Body::Approve(_)
        | Body::Pause(_)
        | Body::WaitForTime(_)
        | Body::Group(_) => true,
    };
    let until = step.poll.as_ref().is_some_and(|poll| poll.until.is_some());
    let kept = !step.save.is_empty();
    !decides && !kept && step.expect.is_empty() && !until && step.severity != Severity::Info
}

#[cfg(test)]
mod tests {
    use crate::document::Catalogue;

    /// The steps that are warned of, in a runbook with these steps.
    fn warned(steps: &str) -> String {
        let text = format!("runbook: v1\ntitle: T\nsteps:\n{steps}");
        let loaded = Catalogue::new(&[]).load_text("x", text).unwrap();
        let warnings = loaded["x"].warnings();
        let ids = warnings.iter().map(|warning| warning.message.split('`').nth(1).unwrap());
        ids.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_step_that_judges_nothing_is_warned_of() {
        let table = [
            ("  - {id: a, events: {}}", "a"),
            ("  - {id: a, get: {kind: Pod}}", "a"),
            ("  - {id: a, get: {kind: Pod, selector: app=x, optional: true}}", "a"),
            ("  - {id: a, triage: {target: deployment/web}}", "a"),
            ("  - {id: a, value: '1'}", "a"),
            ("  - {id: a, rollout: {target: deployment/web, history: true}}", "a"),
            ("  - {id: g, steps: [{id: a, events: {}}]}", "a"),
            // its end is looked at, what it saw is not
            ("  - {id: a, events: {}}\n  - {id: b, when: $steps.a.passed, pause: 1s}", "a"),
            // something is expected, or looks at it
            ("  - {id: a, events: {}, expect: [{that: length == 0}]}", ""),
            ("  - {id: a, events: {}, until: length > 0, timeout: 1m}", ""),
            (
                "  - {id: a, events: {}}\n  - {id: b, value: $steps.a.output, expect: [{that: '. \
                    == []'}]}",
                "",
            ),
            // a person does
            ("  - {id: a, severity: info, events: {}}", ""),
            // the verb judges by itself
            ("  - {id: a, get: {kind: Pod, selector: app=x}}", ""),
            ("  - {id: a, get: {kind: Pod, name: x}}", ""),
            ("  - {id: a, exec: {target: deployment/web, command: [ls], effect: read}}", ""),
            ("  - {id: a, rollout: {target: deployment/web}}", ""),
            ("  - {id: a, scale: {target: deployment/web, replicas: 1}}", ""),
        ];
        for (steps, wanted) in table {
            assert_eq!(warned(steps), wanted, "{steps}");
        }
    }
}
