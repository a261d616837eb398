//! What the two ends of a journal say of its run: its first record and its last. A list reads
//! nothing else, so that it stays fast with thousands of large journals.

use crate::event::{Mode, RunFinished, Target};
use jiff::Timestamp;
use serde::Deserialize;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// How much of the end of a journal is read, in bytes: more only if its last line is longer.
const LAST: [u64; 3] = [4 * 1024, 64 * 1024, 1024 * 1024];

/// What a list shows of a run's header.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHeader {
    /// When the run began.
    pub started: Timestamp,
    /// Name in the catalogue.
    pub runbook: String,
    /// Title of the runbook.
    pub title: String,
    /// Kind of run.
    pub mode: Mode,
    /// Id of the run whose changes it takes back.
    pub undoes: Option<String>,
    /// Where it began to act.
    pub target: Target,
    /// Name of the alert that it answers.
    pub alert: Option<String>,
    /// Host on which it began.
    pub host: String,
}

/// What the ends say.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) header: Option<RunHeader>,
    pub(super) finished: Option<(Timestamp, RunFinished)>,
}

/// The first record, as far as a list shows it: the steps and parameters are passed over.
#[derive(Deserialize)]
struct Head {
    event: String,
    at: Timestamp,
    runbook: String,
    title: String,
    mode: Mode,
    target: Target,
    host: String,
    #[serde(default)]
    undoes: Option<String>,
    #[serde(default)]
    alert: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Which record a line holds.
#[derive(Deserialize)]
struct Tag {
    event: String,
    at: Timestamp,
}

/// Reads both ends. What cannot be read there is none.
pub(super) fn read(file: &mut (impl Read + Seek)) -> io::Result<Ends> {
    let mut first = Vec::new();
    BufReader::new(&mut *file).read_until(b'\n', &mut first)?;
    Ok(Ends { header: first.strip_suffix(b"\n").and_then(header), finished: finished(file)? })
}

fn header(line: &[u8]) -> Option<RunHeader> {
    let head: Head = serde_json::from_slice(line).ok()?;
    (head.event == "run_started").then(|| RunHeader {
        started: head.at,
        runbook: head.runbook,
        title: head.title,
        mode: head.mode,
        undoes: head.undoes,
        target: head.target,
        alert: head.alert.map(|alert| alert.name),
        host: head.host,
    })
}

/// The end of the run, from as little of the end of the file as tells it.
fn finished(file: &mut (impl Read + Seek)) -> io::Result<Option<(Timestamp, RunFinished)>> {
    let length = file.seek(SeekFrom::End(0))?;
    for size in LAST {
        let start = length.saturating_sub(size);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut *file).take(size).read_to_end(&mut bytes)?;
        let from = match start {
            0 => Some(0),
            // what comes before the first newline is the rest of a line
            _ => bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
        };
        if let Some(said) = from.and_then(|from| bytes.get(from..)).and_then(last) {
            return Ok(said);
        }
        if start == 0 {
            break;
        }
    }
    Ok(None)
}

/// What the last of these whole lines say of the end; none if that takes lines before them. What a
/// person says after the end of a run does not take its end back.
fn last(lines: &[u8]) -> Option<Option<(Timestamp, RunFinished)>> {
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        // a record is being written, or was when the process died
        return Some(None);
    }
    for line in lines.rsplit(|byte| *byte == b'\n').skip(1) {
        let Ok(Tag { event, at }) = serde_json::from_slice(line) else { return Some(None) };
        match event.as_str() {
            "step_approved" | "step_marked" => {}
            "run_finished" => {
                let finished = serde_json::from_slice::<RunFinished>(line).ok();
                return Some(finished.map(|finished| (at, finished)));
            }
            _ => return Some(None),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, finished, run_next};
    use crate::event::{Event, Outcome, Record, StepMark, StepMarked, Verdict};
    use std::io::Cursor;

    /// A file that counts what is read of it.
    struct Counted {
        file: Cursor<Vec<u8>>,
        read: u64,
    }

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.file.read(buffer)?;
            self.read += read as u64;
            Ok(read)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
            self.file.seek(place)
        }
    }

    fn counted(records: &[Record]) -> Counted {
        let mut bytes = Vec::new();
        for record in records {
            serde_json::to_writer(&mut bytes, record).unwrap();
            bytes.push(b'\n');
        }
        Counted { file: Cursor::new(bytes), read: 0 }
    }

    /// A run of so many steps.
    fn run(steps: usize) -> Story {
        let mut story = Story::new(Mode::Run, &[]);
        for number in 0..steps {
            let path = format!("step-{number}");
            story.begin(&path, "A step").end(finished(&path, "A step", Outcome::Passed, ""));
        }
        story
    }

    #[test]
    fn of_a_long_journal_only_the_ends_are_read() {
        let read_of = |steps: usize| {
            let mut story = run(steps);
            story.finish(Verdict::Failed, 1, &[run_next("x")]);
            let mut file = counted(&story.records);
            let ends = read(&mut file).unwrap();
            assert_eq!(ends.header.unwrap().runbook, "ta-bot/no-signals");
            assert_eq!(ends.finished.unwrap().1.verdict, Verdict::Failed);
            file.read
        };
        assert_eq!(read_of(200), read_of(5_000), "the bytes do not grow with the journal");
        assert!(read_of(5_000) <= 8 * 1024 + 4 * 1024, "{}", read_of(5_000));
    }

    #[test]
    fn a_long_last_line_is_read_whole() {
        let mut story = run(300);
        let next = run_next(&"x".repeat(100_000));
        story.finish(Verdict::Paused, 4, std::slice::from_ref(&next));
        let ends = read(&mut counted(&story.records)).unwrap();
        assert_eq!(ends.finished.unwrap().1.commands, [next]);
    }

    #[test]
    fn an_approval_after_the_end_does_not_take_it_back_and_a_resume_does() {
        let mut story = run(1);
        story.finish(Verdict::Paused, 4, &[]);
        let verdict = |story: &Story| {
            let ends = read(&mut counted(&story.records)).unwrap();
            ends.finished.map(|(_, end)| end.verdict)
        };
        story.push(Event::StepMarked(StepMarked {
            path: "a".into(),
            mark: StepMark::Done,
            by: "anna".into(),
            reason: "by hand".into(),
        }));
        assert_eq!(verdict(&story), Some(Verdict::Paused));
        story.begin("b", "Another");
        assert_eq!(verdict(&story), None);
        let mut file = counted(&story.records);
        file.file.get_mut().truncate(10);
        let ends = read(&mut file).unwrap();
        assert!(ends.header.is_none() && ends.finished.is_none());
        assert!(read(&mut counted(&[])).unwrap().header.is_none());
    }
}
