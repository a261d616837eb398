//! `runbook explain`: verbs, fields and codes, and what was probably meant.

use crate::support::Place;

fn explained(word: &str) -> String {
    let said = Place::new().run(&["explain", word]);
    assert_eq!(said.code, 0, "{word}: {}", said.all());
    said.stdout
}

#[test]
fn a_verb_has_its_fields_and_an_example() {
    insta::assert_snapshot!(explained("exec"));
}

#[test]
fn a_field_says_of_what_it_is() {
    insta::assert_snapshot!(
        ["until", "step.for_each", "case.expect.verdict"].map(explained).join("\n")
    );
}

#[test]
fn a_code_has_the_text_of_the_page() {
    insta::assert_snapshot!(explained("rb0504"));
}

#[test]
fn a_cause_has_its_title_and_its_weight() {
    let said = explained("app-exit");
    assert!(said.contains("the object exits with an error.\nIt is a fault"), "{said}");
    assert!(explained("scaled-to-zero").contains("a warning, and a fault only for a runbook"));
    assert!(explained("standby").contains("only a warning"));
}

#[test]
fn unknown_words_get_the_nearest() {
    let place = Place::new();
    for (word, wanted) in [
        ("exce", "did you mean `exec`?"),
        ("RB0510", "did you mean `RB050"),
        ("untill", "did you mean `until`?"),
        ("app-exot", "did you mean `app-exit`?"),
        ("zzzzzz", "use a verb, a cause, a field, or a code such as RB0104"),
    ] {
        let said = place.run(&["explain", word]);
        assert_eq!(said.code, 2, "{word}");
        assert!(said.stderr.contains(wanted), "{word}: {}", said.stderr);
    }
}
