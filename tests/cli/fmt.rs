//! `runbook fmt`: short forms in place of long ones.

use crate::support::Place;
use std::fs;

const LONG: &str = "runbook: v1\ntitle: T   \nsteps:\n  - id: a\n    value: $run.id # why\n    \
    expect:\n      - that: . != \"\"\n";
const TIDY: &str = "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    value: $run.id # why\n    \
    expect:\n      - that: . != \"\"\n";
const SHORT: &str =
    "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    value: $run.id # why\n    expect: . != \"\"\n";

#[test]
fn files_are_changed_only_where_that_was_asked_for() {
    let place = Place::new();
    let file = place.write("runbooks/a.yaml", LONG);
    let text = || fs::read_to_string(place.path().join("runbooks/a.yaml")).unwrap();
    let said = place.run(&["fmt", "--check", "--upgrade"]);
    assert_eq!((said.code, text().as_str()), (1, LONG), "{}", said.all());
    assert!(said.stdout.contains("would change runbooks/a.yaml"), "{}", said.all());
    assert_eq!((place.run(&["fmt", &file]).code, text().as_str()), (0, TIDY));
    assert_eq!((place.run(&["fmt", "--upgrade"]).code, text().as_str()), (0, SHORT));
    let said = place.run(&["fmt", "--check", "--upgrade", &file]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stdout.contains("1 file checked, nothing to change"), "{}", said.all());
    assert_eq!(fs::read_dir(place.path().join("runbooks")).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_read_is_an_error_and_stays_as_it_is() {
    let place = Place::new();
    let broken = place.write("broken.yaml", "runbook: [  \n");
    let said = place.run(&["fmt", &broken]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.stderr.contains("RB0001"), "{}", said.all());
    assert_eq!(fs::read_to_string(place.path().join("broken.yaml")).unwrap(), "runbook: [  \n");
    assert_eq!(place.run(&["fmt", "nowhere.yaml"]).code, 2);
}
