//! Outputs of steps for a reader: those in a record, and those in a file beside it, which are read
//! part by part.

use crate::event::{Record, StepFinished, Stored};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

/// What an action made for a person: lines to show, or a difference.
#[derive(Default, Deserialize)]
pub(super) struct Preview {
    #[serde(default)]
    display: Value,
    #[serde(default)]
    diff: Value,
}

impl Preview {
    /// That of a step. A file that cannot be read has nothing to show here; `show` says so.
    pub(super) fn of(step: &StepFinished) -> Self {
        match &step.stored {
            None => {
                let field = |name: &str| step.output.get(name).cloned().unwrap_or_default();
                Self { display: field("display"), diff: field("diff") }
            }
            Some(stored) => reader(stored)
                .ok()
                .and_then(|file| serde_json::from_reader(file).ok())
                .unwrap_or_default(),
        }
    }

    /// Its lines; none if there is no preview.
    pub(super) fn lines(&self) -> Option<Vec<&str>> {
        match (&self.display, &self.diff) {
            (Value::Array(lines), _) => Some(lines.iter().filter_map(Value::as_str).collect()),
            (_, Value::String(diff)) => Some(diff.lines().collect()),
            _ => None,
        }
    }
}

/// Whether the step returned something.
pub(super) fn is_there(step: &StepFinished) -> bool {
    step.stored.is_some() || !step.output.is_null()
}

/// The output as a value, wherever it is.
///
/// # Errors
/// When its file cannot be read.
pub fn value(step: &StepFinished) -> io::Result<Value> {
    match &step.stored {
        None => Ok(step.output.clone()),
        Some(stored) => Ok(serde_json::from_reader(reader(stored)?)?),
    }
}

/// The output as text for a person: a text as it is, anything else as JSON over several lines.
pub(super) fn write(step: &StepFinished, out: &mut dyn Write) -> io::Result<()> {
    match (&step.stored, &step.output) {
        (None, Value::String(text)) => out.write_all(text.as_bytes()),
        (None, value) => Ok(serde_json::to_writer_pretty(out, value)?),
        (Some(stored), _) => {
            let mut file = reader(stored)?;
            if file.fill_buf()?.first() == Some(&b'"') {
                let text: String = serde_json::from_reader(file)?;
                return out.write_all(text.as_bytes());
            }
            pretty(file, out)
        }
    }
}

/// The first lines of the output as JSON, and how many there are.
pub(super) fn head(step: &StepFinished, most: usize) -> (Vec<String>, usize) {
    let mut lines = FirstLines { most, lines: Vec::new(), line: Vec::new(), count: 0 };
    let written = match &step.stored {
        None => serde_json::to_writer_pretty(&mut lines, &step.output).map_err(io::Error::from),
        Some(stored) => reader(stored).and_then(|file| pretty(file, &mut lines)),
    };
    if let Err(error) = written {
        return (vec![format!("(the stored output cannot be read: {error})")], 1);
    }
    lines.end();
    (lines.lines, lines.count)
}

/// A record as a line of JSON with its output, wherever that is.
///
/// # Errors
/// When it cannot be read or written.
pub fn write_line(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    /// How the JSON of the end of a step ends whose output is elsewhere.
    const NOTHING: &str = "null}";
    let line = serde_json::to_string(record)?;
    let stored = match &record.event {
        crate::event::Event::StepFinished(step) => step.stored.as_ref(),
        _ => None,
    };
    match (stored, line.strip_suffix(NOTHING)) {
        (Some(stored), Some(start)) => {
            out.write_all(start.as_bytes())?;
            io::copy(&mut reader(stored)?, out)?;
            out.write_all(b"}\n")
        }
        _ => {
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")
        }
    }
}

fn reader(stored: &Stored) -> io::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(&stored.path)?))
}

/// Writes JSON over several lines, as `serde_json` does, without holding it.
fn pretty(mut json: impl BufRead, out: &mut dyn Write) -> io::Result<()> {
    let (mut depth, mut text, mut escaped, mut opened) = (0_usize, false, false, false);
    let mut written: Vec<u8> = Vec::new();
    loop {
        let part = json.fill_buf()?;
        if part.is_empty() {
            return Ok(());
        }
        let read = part.len();
        for byte in part.iter().copied() {
            if text {
                written.push(byte);
                (text, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
                continue;
            }
            let closes = matches!(byte, b'}' | b']');
            if closes {
                depth = depth.saturating_sub(1);
            }
            if opened != closes && (opened || closes) {
                line(&mut written, depth);
            }
            opened = matches!(byte, b'{' | b'[');
            depth += usize::from(opened);
            text = byte == b'"';
            written.push(byte);
            match byte {
                b',' => line(&mut written, depth),
                b':' => written.push(b' '),
                _ => {}
            }
        }
        json.consume(read);
        out.write_all(&written)?;
        written.clear();
    }
}

fn line(written: &mut Vec<u8>, depth: usize) {
    written.push(b'\n');
    written.resize(written.len() + 2 * depth, b' ');
}

/// Keeps the first lines and counts the others.
struct FirstLines {
    most: usize,
    lines: Vec<String>,
    line: Vec<u8>,
    count: usize,
}

impl FirstLines {
    /// The longest part of a line that is kept.
    const WIDTH: usize = 4096;

    fn end(&mut self) {
        self.count += 1;
        if self.lines.len() < self.most {
            self.lines.push(String::from_utf8_lossy(&self.line).into_owned());
        }
        self.line.clear();
    }
}

impl Write for FirstLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (index, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                self.end();
            }
            let room = Self::WIDTH.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::finished;
    use crate::event::{Event, Outcome};
    use proptest::prelude::*;
    use serde_json::json;

    fn stored(folder: &tempfile::TempDir, output: &Value) -> StepFinished {
        let path = folder.path().join("3.json");
        std::fs::write(&path, output.to_string()).unwrap();
        let stored = Some(Stored { path, bytes: 0, sha256: String::new(), done: false });
        StepFinished { stored, ..finished("a", "", Outcome::Passed, "") }
    }

    fn both(output: &Value) -> [StepFinished; 2] {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("3.json");
        std::fs::write(&path, output.to_string()).unwrap();
        let inline =
            StepFinished { output: output.clone(), ..finished("a", "", Outcome::Passed, "") };
        [
            StepFinished {
                stored: Some(Stored { path, bytes: 0, sha256: String::new(), done: false }),
                output: Value::Null,
                ..inline.clone()
            },
            inline,
        ]
    }

    #[test]
    fn an_output_reads_the_same_from_a_record_and_from_a_file() {
        let outputs = [
            json!({"items": [{"a": "x\"}]{[\\", "b": []}, {}, null, 1.5, [[]]], "display": ["one",
                "two"], "diff": "- a\n+ b"}),
            json!({"diff": "- a\n+ b"}),
            json!("two\nlines \"quoted\""),
            json!([]),
            json!({}),
            json!([1, [2, {"x": true}]]),
        ];
        for output in outputs {
            let [file, record] = both(&output).map(|step| {
                let mut text = Vec::new();
                write(&step, &mut text).unwrap();
                let mut line = Vec::new();
                write_line(
                    &Record {
                        seq: 3,
                        at: jiff::Timestamp::UNIX_EPOCH,
                        event: Event::StepFinished(Box::new(step.clone())),
                    },
                    &mut line,
                )
                .unwrap();
                let preview = Preview::of(&step).lines().map(|lines| lines.join("|"));
                (
                    String::from_utf8(text).unwrap(),
                    String::from_utf8(line).unwrap(),
                    preview,
                    head(&step, 2),
                )
            });
            assert_eq!(file, record);
        }
    }

    #[test]
    fn a_file_that_is_gone_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let step = stored(&folder, &json!([1]));
        drop(folder);
        assert!(write(&step, &mut Vec::new()).is_err());
        assert!(head(&step, 2).0[0].starts_with("(the stored output cannot be read: "));
    }

    proptest! {
        #[test]
        fn any_json_is_written_as_by_serde_json(keys in prop::collection::vec(".{0,6}", 0..4),
            numbers in prop::collection::vec(any::<i64>(), 0..4), room in 1_usize..9) {
            let value = json!({"a": keys.iter().map(|key| json!({key.as_str(): numbers,
                "e": {}})).collect::<Vec<_>>(), "b": numbers, "c": [[], [{}]]});
            let mut out = Vec::new();
            pretty(BufReader::with_capacity(room, value.to_string().as_bytes()), &mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(),
                serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
