use super::codec::{JournalLine, Link, decode, encode};
use super::*;
use crate::event::sample::{RUN, Story, diagnosis, finished};
use crate::event::{Event, EventKind, Mode, Outcome, Record, StepFinished, Verdict};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};
use std::path::{Path, PathBuf};

fn written(story: &Story) -> (tempfile::TempDir, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(state.path(), RUN, Durability::Lazy).unwrap();
    for record in &story.records {
        journal.append(record).unwrap();
    }
    let path = journal.directory().join("journal.jsonl");
    (state, path)
}

#[test]
fn what_is_appended_is_read_back() {
    let story = diagnosis();
    let (state, _) = written(&story);
    let reading = read(state.path(), RUN).unwrap();
    assert_eq!((reading.records, reading.torn_bytes), (story.records.clone(), 0));
    let (reading, mut journal) = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap();
    assert_eq!(reading.records, story.records);
    let mut more = Story { records: reading.records };
    more.resume();
    journal.append(more.records.last().unwrap()).unwrap();
    drop(journal);
    assert_eq!(read(state.path(), RUN).unwrap().records, more.records);
}

#[test]
fn a_last_record_torn_at_any_byte_is_dropped() {
    let mut story = Story::new(Mode::Run, &[]);
    story.begin("a", "the ✔ step").end(finished("a", "the ✔ step", Outcome::Passed, ""));
    let (state, path) = written(&story);
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let reading = read(state.path(), RUN).unwrap();
        assert_eq!(reading.torn_bytes, cut - last);
        let (reading, mut journal) = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap();
        assert_eq!(reading.records, story.records[..2], "cut at {cut}");
        journal.append(&story.records[2]).unwrap();
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
    for tail in [&b"\0\0\0"[..], b"{\"seq\":4"] {
        std::fs::write(&path, [&whole, tail].concat()).unwrap();
        assert_eq!(read(state.path(), RUN).unwrap().records, story.records);
    }
    // a record is written with its newline: a whole line that is no record was put there
    for tail in [&b"\n"[..], b"{\"seq\":4}\n", b"\0\0\0\n"] {
        std::fs::write(&path, [&whole, tail].concat()).unwrap();
        assert!(
            matches!(
                Journal::reopen(state.path(), RUN, Durability::Lazy),
                Err(Error::Corrupt { line: 4, .. })
            ),
            "{tail:?}"
        );
    }
}

#[test]
fn a_last_record_that_was_changed_is_corrupt_and_not_torn() {
    let mut story = Story::new(Mode::Run, &[]);
    story.begin("a", "the ✔ step");
    let (state, path) = written(&story);
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in last..whole.len() - 1 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(
            matches!(read(state.path(), RUN), Err(Error::Corrupt { line: 2, .. })),
            "byte {at}"
        );
    }
}

/// The lines of a story with each its hash worked out again, as one does who changes a record and
/// covers it up.
fn chained_again(records: &[Record], changed: usize) -> String {
    let mut link = Link::default();
    let mut text = String::new();
    for (index, record) in records.iter().enumerate() {
        let (line, next) = encode(record, link).unwrap();
        text += &line;
        // what follows the changed record is left as it was
        link = if index == changed {
            encode(&diagnosis().records[index], link).unwrap().1
        } else {
            next
        };
    }
    text
}

#[test]
fn the_chain_breaks_where_a_record_was_changed_removed_or_added() {
    let story = diagnosis();
    let (state, path) = written(&story);
    let whole = std::fs::read_to_string(&path).unwrap();
    let head = read(state.path(), RUN).unwrap().chain;
    let mut records = story.records.clone();
    let Event::RunStarted(header) = &mut records[0].event else { panic!("a header comes first") };
    header.title = "Another".into();
    std::fs::write(&path, chained_again(&records, 0)).unwrap();
    let error = read(state.path(), RUN).unwrap_err().to_string();
    assert!(
        error.contains(
            "journal.jsonl:2: the journal is damaged: it does not match the previous records"
        ),
        "{error}"
    );
    // whoever works out the whole chain again gets another head
    std::fs::write(&path, chained_again(&records, usize::MAX)).unwrap();
    assert_ne!(read(state.path(), RUN).unwrap().chain, head);
    // a record that is checked alone does not come after chained ones
    let mut lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let alone = foreign(serde_json::to_value(&story.records[2]).unwrap());
    lines[2] = &alone;
    std::fs::write(&path, lines.concat()).unwrap();
    let error = read(state.path(), RUN).unwrap_err().to_string();
    assert!(
        error.contains(
            "journal.jsonl:3: the journal is damaged: it is not chained to the previous records"
        ),
        "{error}"
    );
}

#[test]
fn a_journal_of_an_earlier_version_is_read_and_chained_from_where_it_is_gone_on_with() {
    let story = diagnosis();
    let (state, path) = written(&story);
    let old: String = story
        .records
        .iter()
        .map(|record| foreign_at(serde_json::to_value(record).unwrap()))
        .collect();
    std::fs::write(&path, &old).unwrap();
    let reading = read(state.path(), RUN).unwrap();
    assert_eq!((&reading.records, reading.unchained), (&story.records, story.records.len()));
    let (reading, mut journal) = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap();
    let mut more = Story { records: reading.records };
    more.resume();
    journal.append(more.records.last().unwrap()).unwrap();
    drop(journal);
    let reading = read(state.path(), RUN).unwrap();
    assert_eq!((&reading.records, reading.unchained), (&more.records, story.records.len()));
    // from then on what was there before is held fast
    let text = std::fs::read_to_string(&path).unwrap();
    let mut header = serde_json::to_value(&story.records[0]).unwrap();
    header["title"] = json!("Another");
    let rest = text.split_once('\n').unwrap().1;
    std::fs::write(&path, foreign_at(header) + rest).unwrap();
    let line = text.lines().count();
    assert!(
        matches!(read(state.path(), RUN), Err(Error::Corrupt { line: seen, .. }) if seen == line)
    );
}

#[test]
fn any_changed_byte_before_the_last_record_is_refused() {
    let mut story = Story::new(Mode::Run, &[]);
    story.begin("a", "the ✔ step").begin("b", "");
    let (state, path) = written(&story);
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..last {
        for bit in [1, 0x20, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            std::fs::write(&path, &bytes).unwrap();
            let error = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap_err();
            let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(
                matches!(error, Error::Corrupt { line: seen, .. } if seen == line),
                "byte {at}: {error}"
            );
        }
    }
    std::fs::write(&path, &whole).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let without: Vec<&str> =
        text.split_inclusive('\n').enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| l).collect();
    std::fs::write(&path, without.concat()).unwrap();
    let error = read(state.path(), RUN).unwrap_err().to_string();
    assert!(
        error.contains(
            "journal.jsonl:2: the journal is damaged: it does not match the previous records"
        ),
        "{error}"
    );
}

#[test]
fn a_run_has_one_process() {
    let (state, _) = written(&diagnosis());
    let (_, held) = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap();
    let error = Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap_err().to_string();
    assert!(error.contains(RUN) && error.contains("another process: wait"), "{error}");
    assert!(read(state.path(), RUN).is_ok());
    drop(held);
    assert!(Journal::reopen(state.path(), RUN, Durability::Lazy).is_ok());
    assert!(matches!(
        Journal::create(state.path(), RUN, Durability::Lazy),
        Err(Error::Exists { .. })
    ));
}

#[test]
fn a_header_alone_that_is_torn_is_a_run_that_never_began() {
    let (state, path) = written(&Story::new(Mode::Run, &[]));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(
        Journal::reopen(state.path(), RUN, Durability::Lazy),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(read(state.path(), RUN), Err(Error::Empty { .. })));
    assert_eq!(list(state.path()).unwrap()[0].header, None);
}

/// Writes a line as another version would.
fn foreign(mut record: Value) -> String {
    record["at"] = json!("2026-11-20T03:12:07Z");
    foreign_at(record)
}

fn foreign_at(record: Value) -> String {
    let body = record.to_string();
    format!("{},\"crc\":\"{:08x}\"}}\n", &body[..body.len() - 1], crc32fast::hash(body.as_bytes()))
}

#[test]
fn other_versions() {
    let header = |schema: &str| {
        let mut header = serde_json::to_value(&Story::new(Mode::Run, &[]).records[0]).unwrap();
        header["schema"] = json!(schema);
        header["version"] = json!("9.1.0");
        foreign(header)
    };
    let table = [
        (header("runbook.journal/v1"), "ok", "ok"),
        (header("runbook.journal/v1.2"), "ok", "continued with runbook 9.1.0"),
        (header("runbook.journal/v2"), "schema runbook.journal/v2", "schema runbook.journal/v2"),
        (header("runbook.journal/v10"), "schema runbook.journal/v10", "schema runbook.journal/v10"),
        (
            foreign(json!({"seq": 1, "event": "run_started", "schema": "runbook.journal/v3"})),
            "schema runbook.journal/v3",
            "schema runbook.journal/v3",
        ),
        (
            header("runbook.journal/v1") + &foreign(json!({"seq": 2, "event": "step_slept"})),
            "unknown event `step_slept`, written by runbook 9.1.0",
            "unknown event `step_slept`, written by runbook 9.1.0",
        ),
    ];
    for kind in EventKind::ALL {
        // a known event that cannot be understood is damage, and nothing of a newer version
        let line = foreign(json!({"seq": "not a number", "event": kind}));
        let refused = decode(line.trim_end().as_bytes(), Link::default()).unwrap_err();
        assert!(matches!(refused, codec::LineFault::Damaged(_)), "{kind:?}: {refused:?}");
    }
    for (text, read_says, reopen_says) in table {
        let (state, path) = written(&Story::new(Mode::Run, &[]));
        std::fs::write(&path, &text).unwrap();
        let seen = read(state.path(), RUN).map_or_else(|error| error.to_string(), |_| "ok".into());
        assert!(seen.contains(read_says), "{text}: {seen}");
        let seen = Journal::reopen(state.path(), RUN, Durability::Lazy)
            .map_or_else(|error| error.to_string(), |_| "ok".into());
        assert!(seen.contains(reopen_says), "{text}: {seen}");
    }
}

fn large() -> (Story, StepFinished) {
    let output = json!({"text": "x".repeat(artifact::LIMIT)});
    let step = StepFinished { output, ..finished("a", "", Outcome::Passed, "") };
    let mut story = Story::new(Mode::Run, &[]);
    story.done(step.clone());
    (story, step)
}

/// The outputs, which stay in their files when records are read.
fn outputs(records: &[Record]) -> Vec<Value> {
    let steps = records.iter().filter_map(|record| match &record.event {
        Event::StepFinished(step) => Some(step),
        _ => None,
    });
    steps
        .map(|step| {
            step.stored
                .as_ref()
                .map_or_else(|| step.output.clone(), |stored| load(stored).unwrap().to_value())
        })
        .collect()
}

#[test]
fn large_outputs_are_files_beside_the_journal() {
    let (story, step) = large();
    let (state, path) = written(&story);
    assert!(std::fs::metadata(&path).unwrap().len() < 4096);
    let stored = path.with_file_name("artifacts").join("3.json");
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), step.output.to_string());
    let records = read(state.path(), RUN).unwrap().records;
    assert_eq!(outputs(&records), [step.output]);
    std::fs::write(&stored, "{}").unwrap();
    assert!(matches!(read(state.path(), RUN), Err(Error::Artifact { seq: 3, .. })));
}

#[test]
fn an_output_that_looks_like_a_reference_is_kept_as_it_is() {
    let output = json!({"artifact": "3.json", "bytes": 2, "sha256": "00"});
    let mut story = Story::new(Mode::Run, &[]);
    story.done(StepFinished { output: output.clone(), ..finished("a", "", Outcome::Passed, "") });
    let (state, _) = written(&story);
    assert_eq!(outputs(&read(state.path(), RUN).unwrap().records), [output]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let (state, path) = written(&large().0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let run = path.parent().unwrap();
    for dir in [run.parent().unwrap(), run, &run.join("artifacts")] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    for file in [&path, &run.join("artifacts/3.json")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    drop(state);
}

#[test]
fn a_full_disk_is_its_own_error_and_the_journal_stops() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(matches!(Error::from_io("write", Path::new("x"), full), Error::DiskFull { .. }));
    let (state, path) = written(&diagnosis());
    let (Reading { records, .. }, mut journal) =
        Journal::reopen(state.path(), RUN, Durability::Lazy).unwrap();
    std::fs::remove_dir_all(path.with_file_name("artifacts")).unwrap();
    let (story, _) = large();
    assert!(matches!(journal.append(&story.records[2]), Err(Error::Io { .. })));
    assert!(matches!(journal.append(&story.records[1]), Err(Error::Stopped { .. })));
    assert_eq!(read(state.path(), RUN).unwrap().records, records);
}

#[test]
fn runs_are_listed_newest_first_and_found_by_either_end() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(list(state.path()).unwrap(), []);
    let runs =
        ["01K9ZQ4T0000000000LEADER42", "01K9ZQ4T0000000000MYSQL777", "01K9ZR000000000000REDIS001"];
    for (index, run) in runs.iter().enumerate() {
        let mut journal = Journal::create(state.path(), run, Durability::Lazy).unwrap();
        let mut story = Story::new(Mode::Run, &[]);
        story.finish(Verdict::Failed, 1, &[]);
        for mut record in story.records.drain(..if index == 2 { 1 } else { 2 }) {
            record.at += jiff::SignedDuration::from_secs(index as i64 * 100);
            journal.append(&record).unwrap();
        }
    }
    std::fs::create_dir(state.path().join("runs/not a run")).unwrap();
    let listed = list(state.path()).unwrap();
    assert_eq!(
        listed.iter().map(|info| info.run.as_str()).collect::<Vec<_>>(),
        [runs[2], runs[1], runs[0]]
    );
    assert_eq!(listed[0].finished, None);
    assert_eq!(listed[1].finished.as_ref().map(|end| end.verdict), Some(Verdict::Failed));
    assert_eq!(listed[1].header.as_ref().unwrap().runbook, "ta-bot/no-signals");

    let said = |text: &str| find(state.path(), text).unwrap_or_else(|error| error.to_string());
    assert_eq!(said(runs[0]), runs[0]);
    assert_eq!(said("leader42"), runs[0]);
    assert_eq!(said("01K9ZR"), runs[2]);
    assert!(
        said("01K9ZQ4T").starts_with("`01K9ZQ4T` matches 2 runs: 01K9ZQ4T0000000000MYSQL777, ")
    );
    assert!(
        said("LEADER43")
            .starts_with("run `LEADER43` not found; nearest: 01K9ZQ4T0000000000LEADER42, ")
    );
    assert_eq!(said("latest"), listed[0].run);
    assert_eq!(said("latest:ta-bot/no-signals"), listed[0].run);
    assert_eq!(said("latest:ta-bot/smoke"), "no run of `ta-bot/smoke` is recorded");
    assert!(said("").starts_with("run `` not found"));
    assert!(matches!(read(state.path(), "../runs"), Err(Error::BadRunId { .. })));
    assert!(matches!(read(state.path(), "nope"), Err(Error::NotFound { .. })));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>()
            .prop_map(|n| Number::from_f64(f64::from(n) / 8.0).map_or(Value::Null, Value::Number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn a_record_survives_its_line(output in any_value(), text in any::<String>(),
        seq in any::<u64>()) {
        let step = StepFinished { output, ..finished("a", &text, Outcome::Failed, &text) };
        let at = "2026-11-20T03:12:07.123456789Z".parse().unwrap();
        let record = Record { seq, at, event: Event::StepFinished(Box::new(step)) };
        let (line, link) = encode(&record, Link::default()).unwrap();
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let bytes = line.trim_end_matches('\n').as_bytes();
        prop_assert_eq!(decode(bytes, Link::default()).unwrap(), JournalLine { record,
            check: codec::LineCheck::Chained, link });
        prop_assert!(decode(bytes, link).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan::scan(&bytes, Path::new("journal.jsonl"));
    }
}
