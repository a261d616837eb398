//! docs/verbs.md is made from the fields of the verbs, and docs/causes.md from the diagnosis:
//! `UPDATE_DOCS=1 cargo test --test reference` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use runbook::diagnosis::{Weight, weight};
use runbook::reference::{self, EXAMPLES, example};
use std::fmt::Write;
use std::path::Path;

fn reference() -> String {
    let head = "# Verbs\n\nGenerated from the source. See [format.md](format.md) for the fields of a \
        step.\n";
    let entries = reference::verbs();
    head.to_owned() + &entries.iter().map(reference::Entry::markdown).collect::<String>()
}

/// Every cause that `diagnose` can name.
fn causes() -> String {
    let mut text = "# Causes\n\nGenerated from the source. The causes that `diagnose` and the \
        runbooks of `kubernetes/` can name, in the order in which they are named: the identifier, \
        and what it says of the object that carries it.\n\nSome states are deliberate or \
        temporary. A runbook that takes over all causes (`ids: '*'`), such as `triage`, reports \
        them as warnings, which leave exit code 0. The column \"warning\" says which: `always`, or \
        `unless asked`: the runbook that is asked about this object counts it as a cause.\n\n\
        | identifier | the object … | warning |\n|---|---|---|\n"
        .to_owned();
    for id in runbook::diagnosis::ids() {
        let title = runbook::diagnosis::title(id).unwrap();
        let warning = match weight(id) {
            Weight::Fault => "",
            Weight::Setting => "unless asked",
            Weight::Harmless => "always",
        };
        writeln!(text, "| `{id}` | {title} | {warning} |").unwrap();
    }
    text
}

fn is_up_to_date(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{page} is not what the source says: UPDATE_DOCS=1 cargo test --test reference"
    );
}

#[test]
fn the_reference_of_the_verbs_is_up_to_date() {
    is_up_to_date("docs/verbs.md", &reference());
}

#[test]
fn the_list_of_causes_is_up_to_date() {
    is_up_to_date("docs/causes.md", &causes());
}

#[test]
fn every_verb_has_an_example_that_check_accepts_without_a_warning() {
    for entry in reference::verbs() {
        let step = example(entry.name).unwrap_or_else(|| panic!("no example of {}", entry.name));
        assert!(step.contains(&format!("{}:", entry.name)), "{step}");
    }
    let loaded = runbook::document::Catalogue::new(&[]).load_text("examples", EXAMPLES.to_owned());
    let warnings = loaded.unwrap()["examples"].warnings();
    let said: Vec<_> = warnings.iter().map(|one| one.message.as_str()).collect();
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn every_code_of_the_page_is_explained() {
    let codes: Vec<_> = reference::codes().collect();
    assert!(codes.len() > 30, "{}", codes.len());
    for (code, text) in codes {
        assert!(code.starts_with("RB") && text.len() > 30, "{code}: {text}");
    }
}

#[test]
fn every_field_says_what_it_is() {
    for placed in reference::fields() {
        let (of, field) = (&placed.of, &placed.field);
        assert!(field.about.len() > 4, "{of}.{}: {:?}", field.name, field.about);
    }
}
