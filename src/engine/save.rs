//! What a step keeps of its output in files beside the journal.

use super::scope::{Blank, Scope};
use super::{Recorder, Run};
use crate::action::Shelf;
use crate::document::{Deferred, Save, Step};
use crate::event::{Outcome, Reason, Saved};
use crate::expression::{Budget, Data, Jq};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// The most bytes of a file that does not say: 16 MiB.
const MOST: u64 = 16 << 20;

/// Makes a page of the run so far.
pub type Page = Arc<dyn Fn() -> String + Send + Sync>;

impl Run {
    /// Keeps what the step saves of its output.
    pub(super) fn save(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        output: &Data,
    ) -> Result<(), Blank> {
        let mut files = BTreeSet::new();
        for save in &step.save {
            let mut one = |scope: &Scope| {
                let file = file_of(scope, save)?;
                if !files.insert(file.clone()) {
                    let twice = format!("the step saves `{file}` twice; name one file differently");
                    return Err((Outcome::Error, Reason::from(format!("`save`: {twice}"))));
                }
                self.save_one(scope, save, &file, path, output)
            };
            match &save.for_each {
                None => one(scope)?,
                Some(list) => match self.evaluated(scope, "for_each", list, output)? {
                    Value::Array(items) => {
                        for item in items {
                            one(&scope.iteration(item))?;
                        }
                    }
                    other => {
                        let shown = crate::expression::show(&other);
                        return Err(wrong("for_each", format!("{shown} is not a list")));
                    }
                },
            }
        }
        Ok(())
    }

    fn save_one(
        &self,
        scope: &Scope,
        save: &Save,
        file: &str,
        path: &str,
        output: &Data,
    ) -> Result<(), Blank> {
        let most = match &save.max_bytes {
            None => MOST,
            Some(most) => text(scope, "max_bytes", most)?
                .parse()
                .map_err(|_| wrong("max_bytes", "it is not a number of bytes"))?,
        };
        let content = match (&save.content, &scope.item, &save.for_each) {
            (Some(program), ..) => self.evaluated(scope, "content", program, output)?,
            (None, Some(item), Some(_)) => Value::clone(item),
            (None, ..) => output.to_value(),
        };
        let masker = self.recorder.masker();
        let (content, left_out) = match content {
            Value::Null => {
                let why = "it is null: the path does not exist or has no value; if there may be \
                    nothing to save, use `(… // \"\")`";
                return Err(wrong("content", why));
            }
            Value::String(text) => end_of(&masker.clean(&text), most),
            other => start_of(written(file, &masker.clean_value(&other)), most),
        };
        let saved = self.recorder.save(path, file, content.as_bytes(), left_out);
        saved.map(drop).map_err(|why| (Outcome::Error, why.into()))
    }

    fn evaluated(
        &self,
        scope: &Scope,
        field: &str,
        program: &Jq,
        output: &Data,
    ) -> Result<Value, Blank> {
        if let Some(blank) = scope.blank(program.references()) {
            return Err(blank);
        }
        let bindings = scope.bindings(program.references(), || self.findings_so_far(scope));
        let result = program.run_one(output, &bindings, Budget::default());
        result.map_err(|error| wrong(field, error))
    }
}

/// The name of a file that is to be saved.
fn file_of(scope: &Scope, save: &Save) -> Result<String, Blank> {
    let file = text(scope, "file", &save.file)?;
    match crate::action::archive::kept_for_archives(&file) {
        Some(why) => Err((Outcome::Error, Reason::from(format!("`save`: `{file}`: {why}")))),
        None => Ok(file),
    }
}

fn text(scope: &Scope, field: &str, deferred: &Deferred) -> Result<String, Blank> {
    if let Some(blank) = scope.blank(deferred.references()) {
        return Err(blank);
    }
    deferred.render_text(&scope.context_for(deferred)).map_err(|error| wrong(field, error))
}

fn wrong(field: &str, why: impl std::fmt::Display) -> Blank {
    (Outcome::Error, Reason::from(format!("`save`: cannot evaluate `{field}`: {why}")))
}

/// A value that is no text, as the name of its file says: YAML or JSON.
fn written(file: &str, value: &Value) -> String {
    let yaml = [".yaml", ".yml"].iter().any(|ending| file.ends_with(ending));
    let text = yaml.then(|| serde_saphyr::to_string(value).ok()).flatten();
    text.unwrap_or_else(|| format!("{value:#}\n"))
}

/// Of a text that is too long, the whole lines at its end: the newest of a log.
fn end_of(text: &str, most: u64) -> (String, u64) {
    let over = text.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    if over == 0 {
        return (text.to_owned(), 0);
    }
    let from = text.as_bytes()[over..].iter().position(|byte| *byte == b'\n');
    let from = from.map_or(text.len(), |newline| over + newline + 1);
    (format!("[{from} bytes before this are left out]\n{}", &text[from..]), from as u64)
}

/// Of a document that is too long, the whole lines at its start.
fn start_of(text: String, most: u64) -> (String, u64) {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if text.len() <= most {
        return (text, 0);
    }
    let until =
        text.as_bytes()[..most].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let left_out = text.len() - until;
    (format!("{}# {left_out} bytes after this are left out\n", &text[..until]), left_out as u64)
}

/// The shelf of a run, for the verbs that use it.
pub(super) struct RunShelf {
    pub(super) recorder: Recorder,
    pub(super) page: Option<Page>,
}

impl Shelf for RunShelf {
    fn files(&self) -> Vec<Saved> {
        self.recorder.saved()
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        self.recorder.read_saved(file)
    }

    fn keep(&self, step: &str, file: &str, content: &[u8]) -> Result<Saved, String> {
        self.recorder.save(step, file, content, 0)
    }

    fn page(&self) -> String {
        self.page.as_ref().map(|page| page()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_lines() {
        let text = "one\ntwo\nthree\n";
        let table = [
            (14, (text, text), 0),
            (
                9,
                (
                    "[8 bytes before this are left out]\nthree\n",
                    "one\ntwo\n# 6 bytes after this are left out\n",
                ),
                8,
            ),
            (
                2,
                ("[14 bytes before this are left out]\n", "# 14 bytes after this are left out\n"),
                14,
            ),
        ];
        for (most, (end, start), left_out) in table {
            assert_eq!(end_of(text, most), (end.to_owned(), left_out), "{most}");
            assert_eq!(start_of(text.to_owned(), most).0, start, "{most}");
        }
        // a text of many bytes a character is cut at a line as well
        assert_eq!(end_of("äöü\nß\n", 4).0, "[7 bytes before this are left out]\nß\n");
    }

    #[test]
    fn the_name_says_how_a_value_is_written() {
        let value = serde_json::json!({"a": [1]});
        assert_eq!(written("x.yaml", &value), "a:\n- 1\n");
        assert_eq!(written("x.json", &value), "{\n  \"a\": [\n    1\n  ]\n}\n");
    }
}
