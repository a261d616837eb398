//! `runbook new`: what it writes passes at once, and nothing is overwritten.

use crate::support::Place;
use std::collections::BTreeMap;
use std::path::Path;

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn written(place: &Place) -> BTreeMap<String, String> {
    let all = files(place.path()).into_iter();
    all.filter(|(name, _)| name.starts_with("runbooks/") || name.starts_with("worlds/")).collect()
}

#[test]
fn what_it_writes_passes_check_and_test_at_once() {
    for name in ["shop/health", "health", "team/shop/Health_2", "plain"] {
        let place = Place::new();
        let said = place.run(&["new", name]);
        assert_eq!(said.code, 0, "{name}: {}", said.all());
        let said = place.run(&["check", &format!("runbooks/{name}.yaml")]);
        assert_eq!(said.stdout, "1 runbook checked, no errors\n", "{name}: {}", said.all());
        let (tested, code) = place.json(&["test", name, "--coverage", "--mutate"]);
        assert_eq!(code, 0, "{name}: {tested:#}");
        assert_eq!(tested["cases"].as_array().map(Vec::len), Some(4), "{name}: {tested:#}");
    }
}

#[test]
fn its_cases_exercise_all_of_it() {
    let place = Place::new();
    place.run(&["new", "shop/health"]);
    let said = place.run(&["test", "shop/health", "--coverage", "--mutate"]);
    // how long it took is another text on another machine
    let (counted, _) = said.stdout.trim_end().rsplit_once("  ").unwrap();
    insta::assert_snapshot!(counted.replace(|c: char| c.is_ascii_digit(), "0"));
}

#[test]
fn it_names_what_it_wrote_and_what_to_do_next() {
    let said = Place::new().run(&["new", "shop/health"]);
    insta::assert_snapshot!(said.all());
}

#[test]
fn nothing_is_overwritten() {
    let place = Place::new();
    place.run(&["new", "shop/health"]);
    let before = written(&place);
    assert_eq!(before.len(), 6, "{:?}", before.keys());
    let again = place.run(&["new", "shop/health"]);
    assert_eq!((again.code, written(&place)), (2, before), "{}", again.all());
    assert!(again.stderr.contains("the runbook `shop/health` exists"), "{}", again.stderr);
    // one of the files is enough, and then none is written
    let place = Place::new();
    place.write("runbooks/shop/health.test.yaml", "mine");
    let said = place.run(&["new", "shop/health"]);
    assert_eq!((said.code, written(&place).len()), (2, 1), "{}", said.all());
    assert!(said.stderr.contains("health.test.yaml exists"), "{}", said.stderr);
}

#[test]
fn a_second_runbook_gets_a_world_of_its_own() {
    let place = Place::new();
    for name in ["shop/health", "shop/stock"] {
        assert_eq!(place.run(&["new", name]).code, 0, "{name}");
    }
    let worlds: Vec<_> =
        written(&place).into_keys().filter(|name| name.ends_with("world.yaml")).collect();
    assert_eq!(worlds, ["worlds/shop-stock/world.yaml", "worlds/shop/world.yaml"]);
    assert_eq!(place.run(&["test", "shop"]).code, 0);
}

#[test]
fn names_that_are_none_are_refused() {
    let place = Place::new();
    for name in ["../up", "/etc/x", "a//b", "", "-x", "a b", ".hidden", "ta-bot/health", "a/../b"] {
        let said = place.run(&["new", "--", name]);
        assert_eq!((said.code, written(&place).len()), (2, 0), "{name}: {}", said.all());
    }
}
