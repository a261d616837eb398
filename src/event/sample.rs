//! Records for tests: a run told step by step.

use crate::event::{
    Alert, AlertRule, AlertState, AlertStatus, AnsweredAlert, ChangeDoubted, ChangeFinished,
    ChangeNoted, ChangeResult, ChangeStarted, ChangesPlanned, Effect, Event, EventKind,
    FailedProof, FindingConcluded, FindingItem, JOURNAL_SCHEMA, JudgedItem, Judgement, LockChange,
    LockEvent, Mark, Mode, Next, NotRuledOut, ObjectReference, Outcome, Part, PlannedChange,
    PlannedStep, ProgramStarted, Reason, Record, Remedy, RunFinished, RunInterrupted, RunResumed,
    RunStarted, Saved, Severity, Standing, StepApproved, StepAsked, StepDue, StepFinished,
    StepMark, StepMarked, StepRetried, StepStarted, Stored, Target, Threshold, Truth, Verdict,
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) const RUN: &str = "01K9ZQ4T0000000000LEADER42";

pub(crate) struct Story {
    pub(crate) records: Vec<Record>,
}

impl Story {
    pub(crate) fn new(mode: Mode, steps: &[(&str, &str)]) -> Self {
        let mut story = Self { records: Vec::new() };
        story.push(Event::RunStarted(Box::new(RunStarted {
            schema: JOURNAL_SCHEMA.into(),
            run: RUN.into(),
            runbook: "ta-bot/no-signals".into(),
            title: "TA Bot generates no signals".into(),
            hiding: None,
            digest: "sha256:00".into(),
            mode,
            undoes: None,
            alert: None,
            part: None,
            target: Target {
                context: Some("prod-eu".into()),
                namespace: Some("petrosa-apps".into()),
                ..Target::default()
            },
            params: Map::new(),
            withheld: vec![],
            steps: steps
                .iter()
                .map(|(path, title)| PlannedStep {
                    path: (*path).into(),
                    title: (*title).into(),
                    action: "get".into(),
                    effect: Effect::Read,
                    digest: "sha256:01".into(),
                })
                .collect(),
            version: "0.1.0".into(),
            host: "host-a".into(),
            directory: None,
            arguments: vec!["runbook".into(), "run".into(), "ta-bot/no-signals".into()],
        })));
        story
    }

    pub(crate) fn push(&mut self, event: Event) -> &mut Self {
        let seq = self.records.len() as u64 + 1;
        let at = Timestamp::UNIX_EPOCH + (seq as i64).seconds();
        self.records.push(Record { seq, at, event });
        self
    }

    pub(crate) fn begin(&mut self, path: &str, title: &str) -> &mut Self {
        self.push(Event::StepStarted(started(path, title, "get")))
    }

    /// A write step begins, plans one change and sends it; no answer yet.
    pub(crate) fn sends(&mut self, path: &str, title: &str) -> &mut Self {
        self.push(Event::StepStarted(StepStarted {
            effect: Effect::Write,
            ..started(path, title, "patch")
        }));
        let change = PlannedChange {
            object: ObjectReference {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: "ns".into(),
                name: "x".into(),
            },
            verb: "patch".into(),
            summary: "3 → 1 replicas".into(),
            before: json!({"spec": {"replicas": 3}}),
            after: json!({"spec": {"replicas": 1}}),
            request: Value::Null,
            masked: false,
        };
        let (path, changes) = (path.to_owned(), vec![change]);
        self.push(Event::ChangesPlanned(ChangesPlanned {
            path: path.clone(),
            changes,
            overridden: Vec::new(),
            digest: "sha256:02".into(),
            typed: None,
        }));
        self.push(Event::ChangeStarted(ChangeStarted { path, index: 0 }))
    }

    /// The answer to what was sent.
    pub(crate) fn made(&mut self, path: &str) -> &mut Self {
        let finished = ChangeFinished {
            path: path.into(),
            index: 0,
            result: ChangeResult::Made,
            after: json!({"spec": {"replicas": 1}}),
            reason: String::new(),
            unproven: false,
        };
        self.push(Event::ChangeFinished(finished))
    }

    pub(crate) fn begin_group(&mut self, path: &str, title: &str) -> &mut Self {
        self.push(Event::StepStarted(started(path, title, "group")))
    }

    pub(crate) fn end(&mut self, finished: StepFinished) -> &mut Self {
        self.push(Event::StepFinished(Box::new(finished)))
    }

    pub(crate) fn done(&mut self, finished: StepFinished) -> &mut Self {
        let begun = StepStarted {
            effect: finished.effect,
            ..started(&finished.path, &finished.title, finished.action.as_str())
        };
        self.push(Event::StepStarted(begun)).end(finished)
    }

    pub(crate) fn resume(&mut self) -> &mut Self {
        self.push(Event::RunResumed(RunResumed {
            host: "host-b".into(),
            target: Target { context: Some("prod-eu".into()), ..Target::default() },
            digest: "sha256:00".into(),
            kept: vec![],
            changed: vec![],
        }))
    }

    pub(crate) fn finding(&mut self, id: &str, cause: &str, command: &str) -> &mut Self {
        self.push(Event::FindingConcluded(FindingConcluded {
            id: id.into(),
            severity: Severity::Critical,
            cause: cause.into(),
            objects: None,
            steps: vec!["leader".into()],
            remedy: None,
            command: Some(command.into()),
            next: None,
            each: Vec::new(),
            fixed: false,
            not_fixed: Vec::new(),
        }))
    }

    pub(crate) fn open(&mut self, id: &str, because: &str) -> &mut Self {
        self.push(Event::FindingNotRuledOut(NotRuledOut { id: id.into(), because: because.into() }))
    }

    pub(crate) fn finish(&mut self, verdict: Verdict, exit_code: u8, next: &[Next]) -> &mut Self {
        let commands = next.to_vec();
        let next = next.iter().map(Next::to_string).collect();
        self.push(Event::RunFinished(RunFinished {
            verdict,
            exit_code,
            duration_ms: 400,
            next,
            commands,
            waiting: BTreeMap::new(),
            due: BTreeMap::new(),
        }))
    }
}

/// The command that runs a remedy.
pub(crate) fn run_next(runbook: &str) -> Next {
    let (runbook, options) = (runbook.to_owned(), Vec::new());
    Next::Run { runbook, with: Map::new(), namespace: None, options }
}

pub(crate) fn started(path: &str, title: &str, action: &str) -> StepStarted {
    StepStarted {
        path: path.into(),
        id: path.rsplit('/').next().unwrap_or(path).into(),
        title: title.into(),
        action: action.into(),
        effect: Effect::Read,
        digest: "sha256:01".into(),
        item: String::new(),
    }
}

pub(crate) fn finished(path: &str, title: &str, outcome: Outcome, summary: &str) -> StepFinished {
    let not_done = matches!(outcome, Outcome::Skipped | Outcome::Unknown | Outcome::Cancelled);
    StepFinished {
        path: path.into(),
        id: path.rsplit('/').next().unwrap_or(path).into(),
        title: title.into(),
        action: "get".into(),
        effect: Effect::Read,
        digest: "sha256:01".into(),
        item: String::new(),
        outcome,
        severity: Severity::Critical,
        summary: summary.into(),
        reason: String::new(),
        why: None,
        attempts: u32::from(!not_done),
        duration_ms: if not_done { 0 } else { 42 },
        expectations: vec![],
        output: Value::Null,
        stored: None,
        saved: Vec::new(),
        met_secrets: false,
    }
}

pub(crate) fn judged(
    that: &str,
    outcome: Truth,
    expected: Value,
    actual: Value,
    items: &[(&str, Value)],
) -> Judgement {
    Judgement {
        that: that.into(),
        outcome,
        expected,
        actual,
        items: items
            .iter()
            .map(|(name, value)| JudgedItem {
                name: (*name).into(),
                value: value.clone(),
                because: None,
            })
            .collect(),
        reason: String::new(),
        brief: None,
        message: None,
        at: None,
    }
}

/// The diagnosis that finds something.
pub(crate) fn diagnosis() -> Story {
    let steps = [
        ("pods", "Every TA Bot pod is ready"),
        ("errors", "No error still holds in the last 15m"),
        ("health", "Ask every pod for its health"),
        ("leader", "Exactly one pod leads"),
        ("mysql", "Every pod is connected to MySQL"),
        ("candles", "Enough candles to analyse"),
        ("analyze", "Trigger one analysis"),
    ];
    let mut story = Story::new(Mode::Run, &steps);
    let step = |path: &str, outcome, summary: &str| {
        let title = steps.iter().find(|step| step.0 == path).map_or("", |step| step.1);
        finished(path, title, outcome, summary)
    };
    let leader = judged(
        ".is_leader",
        Truth::False,
        json!(1),
        json!(0),
        &[
            ("pod/petrosa-ta-bot-7d9f8b6c5d-spgqs", json!({"is_leader": false, "leader_id": null})),
            ("pod/petrosa-ta-bot-7d9f8b6c5d-x2lkd", json!({"is_leader": false, "leader_id": null})),
            ("pod/petrosa-ta-bot-7d9f8b6c5d-zz81p", json!({"is_leader": false, "leader_id": null})),
        ],
    );
    let leader = Judgement {
        reason: "0 of 3, want 1".into(),
        message: Some("exactly one pod must hold the leader lease".into()),
        ..leader
    };
    let passing = judged(".status == \"True\"", Truth::True, json!(true), json!(true), &[]);
    let pods = StepFinished {
        expectations: vec![passing],
        output: json!({"items": [{"name": "petrosa-ta-bot-7d9f8b6c5d-spgqs"}]}),
        ..step("pods", Outcome::Passed, "3 of 3")
    };
    story
        .done(pods)
        .done(StepFinished { duration_ms: 61, ..step("errors", Outcome::Passed, "3 pods") })
        .done(StepFinished {
            duration_ms: 38,
            attempts: 2,
            ..step("health", Outcome::Passed, "3 of 3")
        })
        .done(StepFinished {
            expectations: vec![leader],
            ..step("leader", Outcome::Failed, "0 of 3, want 1")
        })
        .done(StepFinished {
            duration_ms: 1250,
            ..step("mysql", Outcome::Passed, "3 of 3, ≤ 12 ms")
        })
        .done(StepFinished {
            reason:
                "pods \"petrosa-ta-bot-7d9f8b6c5d-spgqs\" is forbidden: User \"oncall\" cannot \
                create resource \
                     \"pods/exec\" in API group \"\" in the namespace \"petrosa-apps\""
                    .into(),
            ..step("candles", Outcome::Error, "403: exec is not allowed")
        })
        .end(StepFinished {
            reason: "needs --set exercise=true".into(),
            ..step("analyze", Outcome::Skipped, "")
        })
        .finding(
            "leader-stuck",
            "leader election is stuck, no pod leads",
            "runbook run ta-bot/restart",
        )
        .open("candles-insufficient", "step candles was not allowed to look")
        .finish(Verdict::Failed, 1, &[run_next("ta-bot/restart")]);
    story
}

/// An alert with something in every field.
fn answered() -> AnsweredAlert {
    let text = || "x".to_owned();
    let by_name = || BTreeMap::from([(text(), text())]);
    let time = Some(Timestamp::UNIX_EPOCH);
    AnsweredAlert {
        alert: Alert {
            name: text(),
            status: AlertStatus::Resolved,
            labels: by_name(),
            annotations: by_name(),
            starts_at: time,
            ends_at: time,
            generator_url: Some(text()),
            fingerprint: Some(text()),
        },
        standing: Standing {
            firing: Some(true),
            state: Some(AlertState::Firing),
            active_since: time,
            value: Some(1.0),
            rule: Some(AlertRule {
                expr: text(),
                for_s: Some(1.0),
                threshold: Some(Threshold { operator: text(), value: 1.0 }),
                group: Some(text()),
            }),
            because: Some(text()),
        },
        also: vec![by_name()],
    }
}

/// One event of each kind, with something in every field.
pub(crate) fn every_event() -> Vec<Event> {
    let text = || "x".to_owned();
    let target = || Target {
        context: Some(text()),
        server: Some(text()),
        cluster_uid: Some(text()),
        namespace: Some(text()),
        also_changes: vec![text()],
        user: Some(text()),
        sandbox: Some(text()),
    };
    let fields = || Map::from_iter([("x".to_owned(), json!({"x": ["x"]}))]);
    let change = PlannedChange {
        object: ObjectReference {
            api_version: text(),
            kind: text(),
            namespace: text(),
            name: text(),
        },
        verb: text(),
        summary: text(),
        before: json!({"x": "x"}),
        after: json!(["x"]),
        request: json!("x"),
        masked: true,
    };
    let judgement = Judgement {
        reason: text(),
        brief: Some(text()),
        message: Some(text()),
        at: Some(text()),
        items: vec![JudgedItem { name: text(), value: json!({"x": "x"}), because: Some(text()) }],
        ..judged("x", Truth::Error, json!("x"), json!("x"), &[])
    };
    let why = Reason::DependsOn {
        step: text(),
        outcome: Some(Outcome::Skipped),
        cause: Some(Box::new(Reason::OnlyWhen { condition: text() })),
    };
    let step = StepFinished {
        reason: text(),
        why: Some(why),
        expectations: vec![judgement],
        item: text(),
        output: json!({"x": "x"}),
        stored: Some(Stored { path: "x".into(), bytes: 1, sha256: text(), done: true }),
        saved: vec![Saved { file: text(), bytes: 1, sha256: text(), left_out: 1 }],
        ..finished("x", "x", Outcome::Passed, "x")
    };
    let remedy = Remedy { run: Some(text()), with: fields(), text: Some(text()) };
    let by_path = || BTreeMap::from([(text(), text())]);
    EventKind::ALL
        .iter()
        .map(|kind| match kind {
            EventKind::RunStarted => Event::RunStarted(Box::new(RunStarted {
                schema: text(),
                run: text(),
                runbook: text(),
                title: text(),
                digest: text(),
                hiding: Some(text()),
                mode: Mode::Run,
                undoes: Some(text()),
                alert: Some(Box::new(answered())),
                part: Some(Part { only: vec![text()], start_at: Some(text()), asks: true }),
                target: target(),
                params: fields(),
                withheld: vec![text()],
                steps: vec![PlannedStep {
                    path: text(),
                    title: text(),
                    action: "x".into(),
                    effect: Effect::Read,
                    digest: text(),
                }],
                version: text(),
                host: text(),
                directory: Some(text()),
                arguments: vec![text()],
            })),
            EventKind::RunResumed => Event::RunResumed(RunResumed {
                host: text(),
                target: target(),
                digest: text(),
                kept: vec![text()],
                changed: vec![text()],
            }),
            EventKind::StepStarted => {
                Event::StepStarted(StepStarted { item: text(), ..started("x", "x", "x") })
            }
            EventKind::StepRetried => Event::StepRetried(StepRetried {
                path: text(),
                attempt: 1,
                reason: text(),
                delay_ms: 1,
            }),
            EventKind::ChangesPlanned => Event::ChangesPlanned(ChangesPlanned {
                path: text(),
                changes: vec![change.clone()],
                overridden: vec![text()],
                digest: text(),
                typed: Some(text()),
            }),
            EventKind::ChangeStarted => {
                Event::ChangeStarted(ChangeStarted { path: text(), index: 0 })
            }
            EventKind::ChangeNoted => {
                Event::ChangeNoted(ChangeNoted { path: text(), index: 0, note: text() })
            }
            EventKind::ChangeDoubted => {
                Event::ChangeDoubted(ChangeDoubted { path: text(), index: 0, reason: text() })
            }
            EventKind::ChangeFinished => Event::ChangeFinished(ChangeFinished {
                path: text(),
                index: 0,
                result: ChangeResult::NotMade,
                after: json!({"x": "x"}),
                reason: text(),
                unproven: true,
            }),
            EventKind::ProgramStarted => Event::ProgramStarted(ProgramStarted {
                path: text(),
                program: text(),
                group: 1,
                host: text(),
            }),
            EventKind::StepDue => Event::StepDue(StepDue {
                path: text(),
                digest: text(),
                from: Timestamp::UNIX_EPOCH,
                due: Timestamp::UNIX_EPOCH,
            }),
            EventKind::StepAsked => Event::StepAsked(StepAsked {
                path: text(),
                question: text(),
                typed: Some(text()),
                digest: text(),
            }),
            EventKind::StepApproved => Event::StepApproved(StepApproved {
                path: text(),
                by: text(),
                how: text(),
                plan: text(),
                changes: text(),
                expires: Some(Timestamp::UNIX_EPOCH),
                user: Some(text()),
                seal: text(),
            }),
            EventKind::StepMarked => Event::StepMarked(StepMarked {
                path: text(),
                mark: StepMark::Skip,
                by: text(),
                reason: text(),
            }),
            EventKind::Lock => {
                Event::Lock(LockEvent { lease: text(), what: LockChange::Taken, other: text() })
            }
            EventKind::StepFinished => Event::StepFinished(Box::new(step.clone())),
            EventKind::FindingConcluded => Event::FindingConcluded(FindingConcluded {
                id: text(),
                severity: Severity::Critical,
                cause: text(),
                objects: Some(vec![json!({"kind": text(), "name": text()})]),
                steps: vec![text()],
                remedy: Some(remedy.clone()),
                command: Some(text()),
                next: Some(Next::Run {
                    runbook: text(),
                    with: fields(),
                    namespace: Some(text()),
                    options: vec![text()],
                }),
                each: vec![FindingItem {
                    cause: text(),
                    objects: Some(vec![text().into()]),
                    remedy: Some(remedy.clone()),
                    command: Some(text()),
                    next: Some(Next::Run {
                        runbook: text(),
                        with: fields(),
                        namespace: Some(text()),
                        options: vec![text()],
                    }),
                }],
                fixed: true,
                not_fixed: vec![FailedProof {
                    step: text(),
                    reason: text(),
                    outcome: Outcome::Failed,
                }],
            }),
            EventKind::FindingNotRuledOut => {
                Event::FindingNotRuledOut(NotRuledOut { id: text(), because: text() })
            }
            EventKind::RunInterrupted => Event::RunInterrupted(RunInterrupted { signal: text() }),
            EventKind::RunFinished => Event::RunFinished(RunFinished {
                verdict: Verdict::Paused,
                exit_code: 4,
                duration_ms: 1,
                next: vec![text()],
                commands: vec![
                    Next::Resume {
                        run: text(),
                        mark: Some(Mark { step: text(), mark: StepMark::Done }),
                        withheld: vec![text()],
                        options: vec![text()],
                    },
                    Next::Approve {
                        run: text(),
                        step: text(),
                        typed: Some(text()),
                        options: vec![text()],
                    },
                    Next::Status { run: text() },
                    Next::Undo { run: text(), options: vec![text()] },
                ],
                waiting: by_path(),
                due: BTreeMap::from([(text(), Timestamp::UNIX_EPOCH)]),
            }),
        })
        .collect()
}
