use super::*;
use proptest::prelude::*;
use serde_json::json;

const SOURCE: &str =
    "runbook: v1\nsteps:\n  - id: pods\n    get: {kind: Pod, selecter: app=petrosa-ta-bot}\n";

fn unknown_field() -> Diagnostic {
    let at = SOURCE.find("selecter").unwrap();
    Diagnostic::error(
        "RB0102",
        "unknown field `selecter` of `get`",
        Some("runbooks/x.yaml".into()),
        SOURCE.into(),
    )
    .with_label(at..at + 8, "did you mean `selector`?")
    .with_note("fields of `get`: kind, name, selector")
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    insta::assert_snapshot!(render(&[unknown_field()], false, 80), @r"
    error[RB0102]: unknown field `selecter` of `get`
     --> runbooks/x.yaml:4:22
      |
    4 |     get: {kind: Pod, selecter: app=petrosa-ta-bot}
      |                      ^^^^^^^^ did you mean `selector`?
      |
      = fields of `get`: kind, name, selector
    ");
}

#[test]
fn several_places_help_and_none() {
    let twice = Diagnostic {
        code: "RB0107",
        message: "step id `pods` is used twice".into(),
        ..unknown_field()
    };
    let twice = Diagnostic {
        labels: vec![],
        notes: vec![],
        severity: DiagnosticSeverity::Warning,
        ..twice
    }
    .with_label(35..39, "again here")
    .with_label(0..7, "")
    .with_help("give one of them another id");
    let placeless = Diagnostic { labels: vec![], ..unknown_field() };
    let nowhere = Diagnostic { file: None, ..placeless.clone() };
    insta::assert_snapshot!(render(&[twice, placeless, nowhere], false, 80));
}

#[test]
fn colour_and_hostile_text() {
    let hostile: Arc<str> = "a: \u{1b}[31mred\u{7}\tüé\n".into();
    let diagnostic = Diagnostic::error("RB0001", "bad \u{1b}[2J text", Some("x".into()), hostile)
        .with_label(3..6, "\u{1b}[2J")
        .with_note("\u{1b}[2J");
    let plain = render(std::slice::from_ref(&diagnostic), false, 80);
    assert!(!plain.contains('\u{1b}') && !plain.contains('\u{7}'), "{plain:?}");
    let styled = render(&[diagnostic], true, 80);
    assert!(styled.contains("\u{1b}[") && !styled.contains("\u{1b}[2J"), "{styled:?}");
}

#[test]
fn as_data() {
    assert_eq!(
        to_json(&unknown_field()),
        json!({
            "code": "RB0102", "severity": "error", "message": "unknown field `selecter` of `get`",
            "file": "runbooks/x.yaml", "line": 4, "column": 22,
            "labels": ["did you mean `selector`?"],
            "notes": ["fields of `get`: kind, name, selector"], "help": null, "corrected": null,
        })
    );
}

#[test]
fn nearest_names() {
    let fields = ["kind", "name", "selector", "fields", "namespace"];
    let table = [
        ("selecter", Some("selector")),
        ("Name", Some("name")),
        ("knid", Some("kind")),
        ("field", Some("fields")),
        ("zzz", None),
        ("", None),
    ];
    for (word, expected) in table {
        assert_eq!(nearest(word, fields), expected, "{word}");
    }
    assert_eq!(nearest("x", ["a"]), None);
}

proptest! {
    #[test]
    fn no_text_and_no_range_panics(source in "[a-zü✔\u{1b}\t\r\n 日]{0,40}",
        ranges in prop::collection::vec((0..60usize, 0..60usize), 0..4), width in 0..120usize) {
        let mut diagnostic = Diagnostic::error("RB0000", source.clone(), Some("x".into()),
            source.into());
        for (start, end) in ranges {
            diagnostic = diagnostic.with_label(start..end, "here");
        }
        let _ = (render(std::slice::from_ref(&diagnostic), false, width), to_json(&diagnostic));
    }
}
