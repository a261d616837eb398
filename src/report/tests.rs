use super::step_line;
use super::text::{truncate, width, wrap};
use super::theme::Line;
use super::*;
use crate::event::sample::{Story, diagnosis, finished, judged, run_next};
use crate::event::{
    Effect, Event, Judgement, Mode, Outcome, Record, RunInterrupted, Severity, StepFinished,
    StepRetried, Truth, Verdict,
};
use crate::state::RunState;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn look(width: usize) -> Look {
    Look { width, charset: Charset::Unicode, color: false, detail: Detail::Normal }
}

fn play(records: &[Record], reporter: &mut impl Reporter) {
    let mut state = RunState::new();
    for record in records {
        state.apply(record).unwrap();
        reporter.record(record, &state).unwrap();
    }
    reporter.finish(&state).unwrap();
}

fn plain(story: &Story, look: Look) -> String {
    let sink = Sink::default();
    play(&story.records, &mut Plain::new(sink.clone(), look));
    sink.text()
}

fn rollback(mode: Mode) -> Story {
    let mut story = Story::new(
        mode,
        &[
            ("history", "Revisions of deployment/petrosa-ta-bot"),
            ("rollback", "Go back to the earlier revision"),
            ("rollout", "The rollout completes"),
            ("smoke", "The service answers"),
        ],
    );
    let history =
        json!({"display": ["7  v1.0.69  now        2 h ago", "6  v1.0.68  target     3 d ago"]});
    story.done(StepFinished {
        output: history,
        ..finished("history", "Revisions of deployment/petrosa-ta-bot", Outcome::Passed, "")
    });
    story
}

fn dry_run() -> Story {
    let mut story = rollback(Mode::DryRun);
    let diff = "spec.template.spec.containers[ta-bot].image\n- yurisa2/petrosa-ta-bot:v1.0.69\n+ \
        yurisa2/petrosa-ta-bot:v1.0.68";
    story.done(StepFinished {
        effect: Effect::Write,
        output: json!({"diff": diff}),
        ..finished(
            "rollback",
            "Go back to the earlier revision",
            Outcome::Passed,
            "would change deployment/petrosa-ta-bot",
        )
    });
    for (path, title) in [("rollout", "The rollout completes"), ("smoke", "The service answers")] {
        let reason = "step rollback was not executed".into();
        story.end(StepFinished { reason, ..finished(path, title, Outcome::Unknown, "") });
    }
    story.finish(Verdict::Unknown, 3, &[]);
    story
}

fn paused() -> Story {
    let mut story = rollback(Mode::Run);
    story.done(StepFinished {
        effect: Effect::Write,
        ..finished(
            "rollback",
            "Go back to the earlier revision",
            Outcome::Passed,
            "v1.0.69 → v1.0.68",
        )
    });
    story.begin("rollout", "The rollout completes");
    story.push(Event::RunInterrupted(RunInterrupted { signal: "SIGINT".into() }));
    story.end(StepFinished {
        attempts: 1,
        ..finished("rollout", "The rollout completes", Outcome::Cancelled, "")
    });
    story.finish(Verdict::Paused, 4, &[]);
    story
}

fn groups() -> Story {
    let mut story = Story::new(
        Mode::Run,
        &[
            ("checks", "Both stores"),
            ("checks/redis[0]/ping", "Redis answers"),
            ("checks/mysql", "MySQL answers"),
            ("after", "After"),
        ],
    );
    let group = |path: &str, outcome| StepFinished {
        action: "group".into(),
        ..finished(path, "Both stores", outcome, "")
    };
    story.begin_group("checks", "Both stores").begin_group("checks/redis[0]", "Redis redis-0");
    story.begin("checks/redis[0]/ping", "Redis answers").begin("checks/mysql", "MySQL answers");
    story.end(finished("checks/redis[0]/ping", "Redis answers", Outcome::Passed, "PONG"));
    story.end(finished("checks/mysql", "MySQL answers", Outcome::Failed, "no answer"));
    story.done(finished("checks/redis[0]/info", "Redis has room", Outcome::Passed, "62 %"));
    story.end(group("checks/redis[0]", Outcome::Passed)).end(group("checks", Outcome::Failed));
    story.done(finished("after", "After", Outcome::Passed, ""));
    story.begin_group("empty", "Loop over what cannot be listed");
    story
        .end(StepFinished { reason: "pods is forbidden".into(), ..group("empty", Outcome::Error) });
    story.finish(Verdict::Failed, 1, &[]);
    story
}

fn wrong() -> Story {
    let mut story = Story::new(Mode::Run, &[("a-step-with-a-very-long-identifier", ""), ("b", "")]);
    let many: Vec<(String, Value)> =
        (0..13).map(|n| (format!("pod/mysql-{n}"), json!(n * 100))).collect();
    let items: Vec<(&str, Value)> =
        many.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let table = [
        judged(".spec.replicas == 3", Truth::False, json!(3), json!(2), &[]),
        Judgement {
            reason: "12 of 13 are over 50 ms".into(),
            message: Some(
                "latency is too high for trading, which needs an answer within 50 ms at all times"
                    .into(),
            ),
            ..judged(".ms < 50", Truth::False, json!(50), json!(1200), &items)
        },
        Judgement {
            reason: "null is not a boolean: .ready".into(),
            ..judged(".ready", Truth::Error, json!(true), Value::Null, &[])
        },
        judged(".ok", Truth::True, json!(true), json!(true), &[]),
    ];
    let long = "A title that is much longer than any terminal would like to show on one line";
    story.done(StepFinished {
        expectations: table.to_vec(),
        ..finished(
            "a-step-with-a-very-long-identifier",
            long,
            Outcome::Failed,
            "3 expectations do not hold",
        )
    });
    story.done(StepFinished {
        severity: Severity::Warning,
        reason: "HorizontalPodAutoscaler petrosa-ta-bot-hpa owns the replicas (2 to 10) and would \
            undo this within a \
                 minute.\nSuspend it in the same run: --set suspend_hpa=true"
            .into(),
        ..finished(
            "b",
            "日本語のタイトル、とても長いのでどこかで切られるはずです、そうでしょう",
            Outcome::Failed,
            "全部 3/3",
        )
    });
    story.done(StepFinished {
        duration_ms: 300_000,
        reason: "waiting for zz81p: ContainerCreating".into(),
        ..finished("rollout", "The rollout completes", Outcome::TimedOut, "2 of 3 updated after 5m")
    });
    story.end(StepFinished {
        reason: "it needs --set exercise=true, which this run was not given, because nobody asked \
            for it"
            .into(),
        ..finished("analyze", "Trigger one analysis", Outcome::Skipped, "")
    });
    story.finish(Verdict::Failed, 1, &[]);
    story
}

fn crashed() -> Story {
    let mut story = rollback(Mode::Run);
    story.sends("rollback", "Go back to the earlier revision");
    story
}

fn zero_steps() -> Story {
    let mut story = Story::new(Mode::Run, &[]);
    story.finish(Verdict::Passed, 0, &[]);
    story
}

fn warning() -> Story {
    let mut story = Story::new(Mode::Run, &[("heal", "Heal"), ("disk", "The disk has room")]);
    let group =
        StepFinished { action: "group".into(), ..finished("heal", "Heal", Outcome::Recovered, "") };
    story
        .begin_group("heal", "Heal")
        .done(finished("heal/try", "Try", Outcome::Failed, "no"))
        .end(group);
    let disk = finished("disk", "The disk has room", Outcome::Failed, "91 %, want 80 %");
    story.done(StepFinished { severity: Severity::Warning, ..disk }).finish(
        Verdict::Passed,
        0,
        &[],
    );
    story
}

fn shown(summary: &crate::event::Summary, records: &[Record], look: Look) -> String {
    let mut text = Vec::new();
    Show::write(summary, records, look, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn texts() {
    let ascii = Look { charset: Charset::Ascii, ..look(80) };
    let verbose = Look { detail: Detail::Verbose, ..look(80) };
    let quiet = Look { detail: Detail::Quiet, ..look(80) };
    let table = [
        ("diagnosis_80", diagnosis(), look(80)),
        ("diagnosis_40", diagnosis(), look(40)),
        ("diagnosis_120", diagnosis(), look(120)),
        ("diagnosis_ascii", diagnosis(), ascii),
        ("diagnosis_color", diagnosis(), Look { color: true, ..look(80) }),
        ("diagnosis_verbose", diagnosis(), verbose),
        ("diagnosis_quiet", diagnosis(), quiet),
        ("dry_run_80", dry_run(), look(80)),
        ("dry_run_40", dry_run(), look(40)),
        ("paused_80", paused(), look(80)),
        ("groups_80", groups(), look(80)),
        ("wrong_80", wrong(), look(80)),
        ("wrong_40", wrong(), look(40)),
        ("wrong_verbose", wrong(), verbose),
        ("crashed_80", crashed(), look(80)),
        ("warning_60", warning(), look(60)),
        ("zero_steps_80", zero_steps(), look(80)),
        ("zero_steps_quiet", zero_steps(), quiet),
    ];
    for (name, story, look) in table {
        insta::assert_snapshot!(name, plain(&story, look).replace('\u{1b}', "␛"));
    }
}

#[test]
fn the_full_record() {
    for (name, mut story) in [("show_diagnosis", diagnosis()), ("show_crashed", crashed())] {
        if name == "show_crashed" {
            story.resume();
            let retried = StepRetried {
                path: "smoke".into(),
                attempt: 1,
                reason: "EOF".into(),
                delay_ms: 10,
            };
            story.begin("smoke", "The service answers").push(Event::StepRetried(retried));
        }
        let summary = RunState::replay(&story.records).unwrap().summary();
        insta::assert_snapshot!(name, shown(&summary, &story.records, look(80)));
    }
}

#[test]
fn a_group_has_its_heading_once_however_deep_its_steps_are() {
    let mut story = Story::new(Mode::Run, &[]);
    for path in ["g/a", "g/h/b", "g/h/c", "g/d"] {
        story.done(finished(path, "", Outcome::Passed, ""));
    }
    let text = plain(&story, look(80));
    let headings: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.starts_with('g')).collect();
    assert_eq!(headings, ["g", "g/h"], "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in [60, 80, 120] {
        for story in [diagnosis(), dry_run(), paused(), groups(), wrong(), warning(), crashed()] {
            for line in plain(&story, look(columns)).lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn a_terminal_shows_the_same_text() {
    for story in [diagnosis(), groups(), paused()] {
        let sink = Sink::default();
        let bars =
            indicatif::MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let mut terminal = Terminal::new(sink.clone(), bars, look(80));
        terminal.progress("nowhere", "ignored");
        play(&story.records, &mut terminal);
        assert_eq!(sink.text(), plain(&story, look(80)));
    }
}

#[test]
fn machine_output() {
    let story = diagnosis();
    let sink = Sink::default();
    play(&story.records, &mut Json::new(sink.clone()));
    insta::assert_snapshot!("summary_document", sink.text());

    let sink = Sink::default();
    play(&story.records, &mut JsonLines::new(sink.clone()));
    let read: Vec<Record> =
        sink.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, story.records);
}

struct Broken(io::ErrorKind);

impl Reporter for Broken {
    fn record(&mut self, _: &Record, _: &RunState) -> io::Result<()> {
        Err(self.0.into())
    }

    fn finish(&mut self, _: &RunState) -> io::Result<()> {
        panic!("a reporter that failed is told nothing more");
    }
}

#[test]
fn a_reporter_that_fails_does_not_disturb_the_others() {
    let story = diagnosis();
    let sink = Sink::default();
    let mut all = FanOut::new();
    all.add("report.xml", Broken(io::ErrorKind::StorageFull));
    all.add("standard output", Broken(io::ErrorKind::BrokenPipe));
    all.add("text", Plain::new(sink.clone(), look(80)));
    play(&story.records, &mut all);
    assert_eq!(sink.text(), plain(&story, look(80)));
    let failures: Vec<String> = all.failures().iter().map(ToString::to_string).collect();
    assert_eq!(failures, ["cannot write report.xml"]);
}

#[test]
fn durations() {
    let table = [
        (0, "0 ms"),
        (42, "42 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (1349, "1.3 s"),
        (59_949, "59.9 s"),
        (59_950, "1 m 00 s"),
        (125_000, "2 m 05 s"),
        (3_599_499, "59 m 59 s"),
        (3_599_500, "1 h 00 m"),
        (3_720_000, "1 h 02 m"),
        (u64::MAX, "5124095576030 h 26 m"),
    ];
    for (ms, expected) in table {
        assert_eq!(duration(ms), expected, "{ms}");
    }
}

#[test]
fn locales() {
    let table = [
        ((None, None, Some("en_US.UTF-8")), Charset::Unicode),
        ((None, None, Some("C.utf8")), Charset::Unicode),
        ((Some(""), None, Some("de_DE.UTF-8")), Charset::Unicode),
        ((Some("C"), None, Some("de_DE.UTF-8")), Charset::Ascii),
        ((None, Some("POSIX"), Some("de_DE.UTF-8")), Charset::Ascii),
        ((None, None, None), Charset::Ascii),
    ];
    for ((all, ctype, lang), expected) in table {
        assert_eq!(Charset::from_locale(all, ctype, lang), expected, "{all:?} {ctype:?} {lang:?}");
    }
}

#[test]
fn cutting_and_wrapping() {
    for (text, columns, expected) in [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("a bc", 3, "a…"),
        ("ab", 0, ""),
    ] {
        assert_eq!(truncate(text, columns, "…"), expected, "{text} {columns}");
    }
    assert_eq!(
        wrap("one two\n\n https://example.com/long x", 8),
        ["one two", "https://example.com/long", "x"]
    );
    assert!(wrap(" \n ", 8).is_empty());
}

#[test]
fn paths() {
    let table =
        [("a", "", "a", 0), ("g/a", "g", "a", 1), ("g/r[1]/p", "g/r[1]", "p", 2), ("", "", "", 0)];
    for (path, parent, name, depth) in table {
        assert_eq!(
            (step_line::parent(path), step_line::name(path), step_line::depth(path)),
            (parent, name, depth),
            "{path}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_at_any_width_is_laid_out(texts in prop::collection::vec("\\PC{0,30}", 6),
        columns in 0..200usize, outcome in 0..8usize, verbose: bool, ascii: bool) {
        let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Error, Outcome::Unknown,
            Outcome::Skipped, Outcome::Recovered, Outcome::TimedOut, Outcome::Cancelled];
        let mut story = Story::new(Mode::Run, &[(&texts[0], &texts[1])]);
        let judgement = Judgement {
            message: Some(texts[3].clone()),
            ..judged(&texts[4], Truth::False, json!(texts[2]), json!(texts[1]),
                &[(&texts[5], json!({texts[3].as_str(): texts[4]}))])
        };
        let step = StepFinished {
            reason: texts[5].clone(),
            expectations: vec![judgement],
            attempts: 2,
            output: json!({"display": texts, "x": texts}),
            ..finished(&texts[0], &texts[1], outcomes[outcome], &texts[2])
        };
        story.done(step).finding(&texts[0], &texts[1], &texts[2]).open(&texts[3], &texts[4]);
        story.finish(Verdict::Failed, 1, &[run_next(&texts[2])]);
        let detail = if verbose { Detail::Verbose } else { Detail::Normal };
        let charset = if ascii { Charset::Ascii } else { Charset::Unicode };
        let look = Look { width: columns, charset, color: verbose, detail };
        let text = plain(&story, look);
        prop_assert!(!text.is_empty());
        prop_assert!(text.lines().all(|line| verbose || line == line.trim_end()));
        let summary = RunState::replay(&story.records).unwrap().summary();
        shown(&summary, &story.records, look);
    }

    #[test]
    fn a_cut_text_fits(text in "\\PC{0,30}", columns in 0..40usize) {
        prop_assert!(width(&truncate(&text, columns, "…")) <= columns);
        prop_assert!(Line::empty().text(text).render(false).trim_end().len() < 200);
    }
}
