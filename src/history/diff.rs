//! What was different from one run to another. It compares what two runs say of themselves; names
//! and times that differ from run to run by nature are not compared.

use crate::event::{
    FindingConcluded, Judgement, Mode, Outcome, StepSummary, Summary, Target, Truth, Verdict,
};
use crate::journal::RunInfo;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the document.
const DIFF_SCHEMA: &str = "runbook.diff/v1";

/// What was different.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDiff {
    /// Version of the document.
    pub schema: &'static str,
    /// Whether nothing below is different; the two runs themselves always are.
    pub same: bool,
    /// The earlier run.
    pub before: Side,
    /// The later run.
    pub after: Side,
    /// Whether the text of the runbook, or of one that it calls, was changed.
    pub runbook_changed: bool,
    /// Parts of the target.
    pub target: Vec<FieldDiff>,
    /// Parameters.
    pub params: Vec<FieldDiff>,
    /// Causes of which the two runs know something else.
    pub findings: Vec<FindingDiff>,
    /// Steps that ended otherwise, or saw something else, in the order of the later run.
    pub steps: Vec<StepDiff>,
    /// Changes that only one of them made.
    pub changes: ChangesDiff,
}

/// One of the two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Its id.
    pub run: String,
    /// Name of the runbook.
    pub runbook: String,
    /// Kind of run.
    pub mode: Mode,
    /// When it began.
    pub started: Timestamp,
    /// Result; none while it runs or after a crash.
    pub verdict: Option<Verdict>,
    /// Exit code that goes with the verdict.
    pub exit_code: Option<u8>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// A value with a name; null where there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldDiff {
    /// Its name.
    pub name: String,
    /// In the earlier run.
    pub before: Value,
    /// In the later run.
    pub after: Value,
}

/// What a run knows of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "known", rename_all = "snake_case")]
pub enum Known {
    /// It was found.
    Found {
        /// The cause, for a person.
        cause: String,
    },
    /// It was found, removed by the run, and proved to be gone.
    Fixed {
        /// The cause, for a person.
        cause: String,
    },
    /// It could not be excluded.
    NotRuledOut {
        /// Why.
        because: String,
    },
    /// It was looked for and not found; or this runbook does not look for it.
    NotFound,
    /// The run did not get to its conclusions.
    NotJudged,
}

/// A cause of which the two runs know something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingDiff {
    /// Its id.
    pub id: String,
    /// In the earlier run.
    pub before: Known,
    /// In the later run.
    pub after: Known,
}

/// A step that ended otherwise, or saw something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepDiff {
    /// Place in the run.
    pub path: String,
    /// What it is called for a person.
    pub title: String,
    /// How it ended in the earlier run; none if it was not done there.
    pub before: Option<StepEnd>,
    /// How it ended in the later run.
    pub after: Option<StepEnd>,
    /// The expectations that saw something else.
    pub expectations: Vec<ExpectationDiff>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepEnd {
    /// None when it was begun and never ended.
    pub outcome: Option<Outcome>,
    /// Why it did not pass.
    pub reason: String,
}

/// An expectation that saw something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExpectationDiff {
    /// As it is written.
    pub that: String,
    /// In the earlier run; none if it was not judged there.
    pub before: Option<SeenValue>,
    /// In the later run.
    pub after: Option<SeenValue>,
}

/// What an expectation saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeenValue {
    /// Whether it holds.
    pub outcome: Truth,
    /// What was found.
    pub actual: Value,
    /// The conclusion in one line.
    pub reason: String,
}

/// Changes that only one of the runs made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangesDiff {
    /// Only the earlier one.
    pub before: Vec<Value>,
    /// Only the later one.
    pub after: Vec<Value>,
}

/// What was different from `before` to `after`.
pub fn diff(before: &Summary, after: &Summary) -> RunDiff {
    let mut diff = RunDiff {
        schema: DIFF_SCHEMA,
        same: false,
        before: side(before),
        after: side(after),
        runbook_changed: before.runbook == after.runbook && before.digest != after.digest,
        target: fields(&target(&before.target), &target(&after.target)),
        params: fields(&before.params, &after.params),
        findings: findings(before, after),
        steps: steps(before, after),
        changes: changes(before, after),
    };
    if kind(before.mode) != kind(after.mode) {
        let field =
            FieldDiff { name: "mode".into(), before: json!(before.mode), after: json!(after.mode) };
        diff.target.insert(0, field);
    }
    diff.same = before.runbook == after.runbook
        && before.verdict == after.verdict
        && !diff.runbook_changed
        && diff.target.is_empty()
        && diff.params.is_empty()
        && diff.findings.is_empty()
        && diff.steps.is_empty()
        && diff.changes == ChangesDiff::default();
    diff
}

/// What kind of run it is: one that was resumed did the same as one that was not.
fn kind(mode: Mode) -> Mode {
    match mode {
        Mode::Run | Mode::Resume => Mode::Run,
        Mode::DryRun => Mode::DryRun,
        Mode::Undo => Mode::Undo,
    }
}

/// The run before this one of the same runbook, of the same kind and on the same target, among
/// `runs`, newest first.
pub fn previous(runs: impl IntoIterator<Item = RunInfo>, run: &str) -> Option<RunInfo> {
    let mut runs = runs.into_iter();
    let own = runs.by_ref().find(|info| info.run == run)?.header?;
    runs.find(|info| {
        info.header.as_ref().is_some_and(|header| {
            header.runbook == own.runbook
                && (header.mode == Mode::DryRun) == (own.mode == Mode::DryRun)
                && is_same_place(&header.target, &own.target)
        })
    })
}

/// A simulated cluster is new each time; a real one is the same if its uid is.
fn is_same_place(one: &Target, other: &Target) -> bool {
    let uids = [&one.cluster_uid, &other.cluster_uid];
    one.sandbox == other.sandbox
        && one.namespace == other.namespace
        && match (uids, &one.sandbox) {
            ([Some(one), Some(other)], None) => one == other,
            _ => one.context == other.context,
        }
}

fn side(summary: &Summary) -> Side {
    Side {
        run: summary.run.clone(),
        runbook: summary.runbook.clone(),
        mode: summary.mode,
        started: summary.started,
        verdict: summary.verdict,
        exit_code: summary.exit_code,
        duration_ms: summary.duration_ms,
    }
}

/// What tells a target apart. The address of a simulated cluster is another one each time.
fn target(target: &Target) -> Map<String, Value> {
    let Target { context, server, cluster_uid, namespace, also_changes, user, sandbox } = target;
    let real = sandbox.is_none();
    let fields = [
        ("sandbox", json!(sandbox)),
        ("context", json!(context)),
        ("server", json!(server.as_ref().filter(|_| real))),
        ("cluster", json!(cluster_uid.as_ref().filter(|_| real))),
        ("namespace", json!(namespace)),
        ("also changes", json!(also_changes)),
        ("user", json!(user)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldDiff> {
    let of =
        |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names = after.keys().chain(gone);
    let all = names.map(|name| FieldDiff {
        name: name.clone(),
        before: of(before, name),
        after: of(after, name),
    });
    all.filter(|field| field.before != field.after).collect()
}

fn findings(before: &Summary, after: &Summary) -> Vec<FindingDiff> {
    let ids = |summary: &Summary| -> Vec<String> {
        let found = summary.findings.iter().map(|finding| finding.id.clone());
        found.chain(summary.not_ruled_out.iter().map(|open| open.id.clone())).collect()
    };
    let mut told = BTreeSet::new();
    let all = ids(after).into_iter().chain(ids(before)).filter(|id| told.insert(id.clone()));
    let all =
        all.map(|id| FindingDiff { before: known(before, &id), after: known(after, &id), id });
    all.filter(|finding| finding.before != finding.after).collect()
}

fn known(summary: &Summary, id: &str) -> Known {
    let found = summary.findings.iter().find(|finding| finding.id == id);
    let open = summary.not_ruled_out.iter().find(|open| open.id == id);
    match (found, open, summary.verdict) {
        (Some(finding), _, _) if finding.fixed => Known::Fixed { cause: cause(finding) },
        (Some(finding), _, _) => Known::Found { cause: cause(finding) },
        (None, Some(open), _) => Known::NotRuledOut { because: open.because.clone() },
        (
            None,
            None,
            Some(
                Verdict::Passed
                | Verdict::Failed
                | Verdict::Error
                | Verdict::Unknown
                | Verdict::Previewed
                | Verdict::Partial,
            ),
        ) => Known::NotFound,
        (
            None,
            None,
            Some(Verdict::Paused | Verdict::InDoubt | Verdict::Cancelled | Verdict::TimedOut)
            | None,
        ) => Known::NotJudged,
    }
}

fn cause(finding: &FindingConcluded) -> String {
    let causes: Vec<String> = finding.items().into_iter().map(|item| item.cause).collect();
    causes.join("; ")
}

fn steps(before: &Summary, after: &Summary) -> Vec<StepDiff> {
    let by_path = |summary: &Summary| -> BTreeMap<String, StepSummary> {
        summary.steps.iter().map(|step| (step.path.clone(), step.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let gone = before.steps.iter().filter(|step| !new.contains_key(&step.path));
    let paths = after.steps.iter().chain(gone).map(|step| &step.path);
    paths.filter_map(|path| step(old.get(path), new.get(path))).collect()
}

/// The difference of a step that at least one of the runs has.
fn step(before: Option<&StepSummary>, after: Option<&StepSummary>) -> Option<StepDiff> {
    let shown = after.or(before)?;
    let judged =
        |step: Option<&StepSummary>| step.map(|step| step.expectations.clone()).unwrap_or_default();
    let expectations = match (before, after) {
        (Some(_), Some(_)) => expectations(&judged(before), &judged(after)),
        _ => Vec::new(),
    };
    let end = |step: &StepSummary| StepEnd { outcome: step.outcome, reason: step.reason.clone() };
    // how a step passed differs from run to run by nature; why it did not is worth to be known
    let passed = |step: &StepSummary| step.outcome == Some(Outcome::Passed);
    let told = |step: Option<&StepSummary>| {
        step.map(|step| (step.outcome, (!passed(step)).then(|| step.reason.clone())))
    };
    (told(before) != told(after) || !expectations.is_empty()).then(|| StepDiff {
        path: shown.path.clone(),
        title: shown.title.clone(),
        before: before.map(end),
        after: after.map(end),
        expectations,
    })
}

/// Expectations with the same text are told apart by their order.
fn expectations(before: &[Judgement], after: &[Judgement]) -> Vec<ExpectationDiff> {
    let mut old: BTreeMap<&str, Vec<&Judgement>> = BTreeMap::new();
    for judgement in before.iter().rev() {
        old.entry(&judgement.that).or_default().push(judgement);
    }
    let mut pairs: Vec<(Option<&Judgement>, Option<&Judgement>)> = after
        .iter()
        .map(|judgement| (old.get_mut(judgement.that.as_str()).and_then(Vec::pop), Some(judgement)))
        .collect();
    pairs.extend(old.into_values().flatten().map(|judgement| (Some(judgement), None)));
    let all = pairs.into_iter().filter_map(|(before, after)| {
        let that = after.or(before)?.that.clone();
        Some(ExpectationDiff { that, before: before.map(seen), after: after.map(seen) })
    });
    all.filter(|expectation| expectation.before != expectation.after).collect()
}

fn seen(judgement: &Judgement) -> SeenValue {
    SeenValue {
        outcome: judgement.outcome,
        actual: judgement.actual.clone(),
        reason: judgement.in_brief().to_owned(),
    }
}

fn changes(before: &Summary, after: &Summary) -> ChangesDiff {
    // each of several equal ones has its counterpart
    let without = |all: &[Value], other: &[Value]| {
        let mut other = other.to_vec();
        let mut left = Vec::new();
        for change in all {
            match other.iter().position(|known| known == change) {
                Some(at) => drop(other.swap_remove(at)),
                None => left.push(change.clone()),
            }
        }
        left
    };
    ChangesDiff {
        before: without(&before.changes, &after.changes),
        after: without(&after.changes, &before.changes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StepFinished;
    use crate::event::sample::{Story, finished};
    use crate::state::RunState;

    fn story(outcome: Outcome, actual: i64) -> Story {
        let mut story = Story::new(Mode::Run, &[("leader", "Exactly one pod leads")]);
        let truth = if outcome == Outcome::Passed { Truth::True } else { Truth::False };
        let reason = format!("{actual} of 3, want 1");
        let judgement = Judgement {
            that: "exactly: .leads".into(),
            outcome: truth,
            expected: json!(1),
            actual: json!(actual),
            items: Vec::new(),
            reason: reason.clone(),
            brief: None,
            message: None,
            at: None,
        };
        let end = finished("leader", "Exactly one pod leads", outcome, &reason);
        story.done(StepFinished { expectations: vec![judgement], reason, ..end });
        story
    }

    fn summary(story: &Story) -> Summary {
        RunState::replay(&story.records).unwrap().summary()
    }

    fn failed() -> Story {
        let mut story = story(Outcome::Failed, 0);
        story.finding("leader-stuck", "no pod leads", "runbook run x").finish(
            Verdict::Failed,
            1,
            &[],
        );
        story
    }

    fn passed() -> Story {
        let mut story = story(Outcome::Passed, 1);
        story.finish(Verdict::Passed, 0, &[]);
        story
    }

    #[test]
    fn the_same_run_is_no_difference() {
        assert!(diff(&summary(&passed()), &summary(&passed())).same);
        // one that was interrupted in between did the same
        let resumed = Summary { mode: Mode::Resume, ..summary(&passed()) };
        assert!(diff(&resumed, &summary(&passed())).same);
        let dry = Summary { mode: Mode::DryRun, ..summary(&passed()) };
        let diff = diff(&dry, &summary(&passed()));
        assert!(!diff.same && diff.target[0].name == "mode");
    }

    #[test]
    fn a_cause_that_came_with_what_its_step_saw() {
        let diff = diff(&summary(&passed()), &summary(&failed()));
        assert!(!diff.same && !diff.runbook_changed);
        let found = Known::Found { cause: "no pod leads".into() };
        assert_eq!(
            diff.findings,
            [FindingDiff { id: "leader-stuck".into(), before: Known::NotFound, after: found }]
        );
        let [step] = diff.steps.as_slice() else { panic!("{:?}", diff.steps) };
        let outcome = |end: &Option<StepEnd>| end.as_ref().and_then(|end| end.outcome);
        assert_eq!(outcome(&step.before), Some(Outcome::Passed));
        assert_eq!(outcome(&step.after), Some(Outcome::Failed));
        let [expectation] = step.expectations.as_slice() else { panic!("{step:?}") };
        let actual = |seen: &Option<SeenValue>| seen.as_ref().unwrap().actual.clone();
        assert_eq!((actual(&expectation.before), actual(&expectation.after)), (json!(1), json!(0)));
    }

    #[test]
    fn a_cause_that_could_not_be_looked_for_has_not_gone() {
        let mut open = story(Outcome::Passed, 1);
        open.open("leader-stuck", "step leader: forbidden").finish(Verdict::Unknown, 3, &[]);
        let mut stopped = story(Outcome::Passed, 1);
        stopped.finish(Verdict::Cancelled, 130, &[]);
        let crashed = story(Outcome::Passed, 1);
        let after = |story: &Story| {
            let diff = diff(&summary(&failed()), &summary(story));
            diff.findings[0].after.clone()
        };
        assert_eq!(after(&open), Known::NotRuledOut { because: "step leader: forbidden".into() });
        assert_eq!(after(&stopped), Known::NotJudged);
        assert_eq!(after(&crashed), Known::NotJudged);
        assert_eq!(after(&passed()), Known::NotFound);
    }

    #[test]
    fn parameters_target_runbook_and_changes() {
        let before = summary(&passed());
        let mut after = before.clone();
        after.params.insert("log_window".into(), json!("5m"));
        after.target.namespace = Some("other".into());
        after.digest = "sha256:ff".into();
        let change = |step: &str| json!({"step": step, "object": "x"});
        after.changes = vec![change("a"), change("a"), change("b")];
        let before = Summary { changes: vec![change("a"), change("c")], ..before };
        let diff = diff(&before, &after);
        assert_eq!(diff.params.last().map(|field| field.name.as_str()), Some("log_window"));
        assert_eq!(diff.target[0].name, "namespace");
        assert!(diff.runbook_changed);
        assert_eq!(diff.changes.before, [change("c")]);
        assert_eq!(diff.changes.after, [change("a"), change("b")]);
    }

    #[test]
    fn steps_that_one_run_has_and_expectations_that_were_added() {
        let before = summary(&passed());
        let mut after = before.clone();
        let mut more = after.steps[0].clone();
        more.path = "more".into();
        after.steps.push(more);
        after.steps[0].expectations.push(judged_again(&before));
        let diff = diff(&before, &after);
        let paths: Vec<&str> = diff.steps.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["leader", "more"]);
        assert_eq!(diff.steps[0].expectations[0].before, None);
        assert_eq!(diff.steps[1].before, None);
    }

    #[test]
    fn a_step_that_failed_for_another_reason_is_different() {
        let mut before = summary(&passed());
        before.steps[0].outcome = Some(Outcome::Failed);
        before.steps[0].reason = "refused".into();
        let mut after = before.clone();
        assert!(diff(&before, &after).steps.is_empty());
        after.steps[0].reason = "timed out".into();
        let diff = diff(&before, &after);
        assert_eq!((diff.same, diff.steps.len()), (false, 1));
    }

    fn judged_again(summary: &Summary) -> Judgement {
        summary.steps[0].expectations[0].clone()
    }
}
