//! `runbook explain WORD`

use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::diagnostic::nearest;
use crate::reference::{self, Entry, Placed};
use clap::Args;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// A verb (`get`), a cause (`app-exit`), the code of a diagnostic (`RB0104`), or a field (`until`,
    /// `http.port`)
    word: String,
}

/// Fields that are listed of a name that many things have.
const MOST: usize = 12;

pub(super) fn explain(
    _global: &Global,
    arguments: &ExplainArguments,
) -> Result<Exit, CommandError> {
    let word = arguments.word.trim().trim_matches('`').trim_end_matches(':');
    let text = explained(word).ok_or_else(|| unknown(word))?;
    output::write(&text)?;
    Ok(Exit::Passed)
}

/// What is to be said of a word.
fn explained(word: &str) -> Option<String> {
    if let Some(text) = reference::code(word) {
        return Some(format!("{}\n\n{text}\n", word.to_uppercase()));
    }
    if let Some(text) = reference::cause(word) {
        return Some(format!("{word}\n\n{text}\n"));
    }
    let (verb, fields) = (reference::verb(word), having(word));
    match (verb, fields.is_empty()) {
        (None, true) => None,
        (Some(verb), true) => Some(of_verb(&verb)),
        (Some(verb), false) => Some(format!("{}\n{}", of_verb(&verb), of_fields(&fields))),
        (None, false) => Some(of_fields(&fields)),
    }
}

/// The fields of a name, or the one that `PLACE.NAME` means.
fn having(word: &str) -> Vec<Placed> {
    let (of, name) = word.rsplit_once('.').map_or((None, word), |(of, name)| (Some(of), name));
    let is_meant = |placed: &Placed| {
        placed.field.name == name && of.is_none_or(|of| placed.of.replace(' ', ".") == of)
    };
    reference::fields().into_iter().filter(is_meant).collect()
}

fn of_verb(verb: &Entry) -> String {
    let mut text = format!("{}\n\n{}\n", verb.name, verb.about);
    if !verb.fields.is_empty() {
        text.push_str("\nFields\n");
    }
    let width = verb.fields.iter().map(|field| field.name.len()).max().unwrap_or_default();
    for field in &verb.fields {
        let _ = writeln!(text, "  {:width$}  {}: {}", field.name, field.kind, field.says());
    }
    if let Some(example) = reference::example(verb.name) {
        text.push_str("\nExample\n");
        for line in example.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn of_fields(fields: &[Placed]) -> String {
    let mut text = String::new();
    for Placed { of, field } in fields.iter().take(MOST) {
        let _ = writeln!(text, "`{}` of {of} ({})\n  {}", field.name, field.kind, field.says());
    }
    if let Some(more) = fields.len().checked_sub(MOST).filter(|more| *more > 0) {
        let rest: Vec<_> = fields[MOST..].iter().map(|placed| placed.of.as_str()).collect();
        let _ = writeln!(text, "and of {more} more: {}", rest.join(", "));
    }
    text
}

fn unknown(word: &str) -> CommandError {
    let verbs: Vec<&str> = reference::verbs().iter().map(|entry| entry.name).collect();
    let causes: Vec<&str> = reference::causes().collect();
    let fields = reference::fields();
    let names = fields.iter().map(|placed| placed.field.name.as_str());
    let codes = reference::codes().map(|(code, _)| code);
    let near = if word.to_uppercase().starts_with("RB") {
        nearest(&word.to_uppercase(), codes)
    } else {
        nearest(word, verbs.iter().copied().chain(names).chain(causes.iter().copied()))
    };
    let near = near.map_or_else(
        || "; use a verb, a cause, a field, or a code such as RB0104".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    );
    CommandError::Usage(format!("unknown word `{word}`{near}"))
}
