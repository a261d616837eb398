//! Diagnostics as text and as data.

use super::{Diagnostic, DiagnosticSeverity, clamp};
use annotate_snippets::{AnnotationKind, Level, Patch, Renderer, Snippet, normalize_untrusted_str};
use serde_json::{Value, json};

/// Every diagnostic with its excerpt, in the given order, an empty line between two. `width` is
/// that of the terminal, in columns.
pub fn render(diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(width);
    let texts: Vec<String> =
        diagnostics.iter().map(|diagnostic| renderer.render(&groups(diagnostic)) + "\n").collect();
    texts.join("\n")
}

/// What is wrong, and how it was probably meant.
fn groups(diagnostic: &Diagnostic) -> Vec<annotate_snippets::Group<'_>> {
    let corrected = diagnostic.correction.as_ref().filter(|_| diagnostic.corrected().is_some());
    let meant = corrected.map(|correction| {
        let range = clamp(&diagnostic.source, &correction.range);
        let patch = Patch::new(range, normalize_untrusted_str(&correction.text));
        Level::HELP
            .secondary_title("write")
            .element(Snippet::source(&*diagnostic.source).patch(patch))
    });
    [group(diagnostic)].into_iter().chain(meant).collect()
}

fn group(diagnostic: &Diagnostic) -> annotate_snippets::Group<'_> {
    let level = match diagnostic.severity {
        DiagnosticSeverity::Error => Level::ERROR,
        DiagnosticSeverity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let file =
        diagnostic.file.as_ref().map(|file| normalize_untrusted_str(&file.display().to_string()));
    let mut group = if diagnostic.labels.is_empty() {
        title.elements(file.map(annotate_snippets::Origin::path))
    } else {
        let labels = diagnostic.labels.iter().enumerate().map(|(index, label)| {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let text = (!label.text.is_empty()).then(|| normalize_untrusted_str(&label.text));
            kind.span(clamp(&diagnostic.source, &label.range)).label(text)
        });
        title.element(Snippet::source(&*diagnostic.source).path(file).annotations(labels))
    };
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.no_name().message(normalize_untrusted_str(note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    group
}

/// A diagnostic as data: `line` and `column` count from 1, the column in characters.
pub fn to_json(diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.place();
    json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity {
            DiagnosticSeverity::Error => "error",
            DiagnosticSeverity::Warning => "warning",
        },
        "message": diagnostic.message,
        "file": diagnostic.file.as_ref().map(|file| file.display().to_string()),
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "labels": diagnostic.labels.iter().map(|label| label.text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "corrected": diagnostic.corrected(),
    })
}
