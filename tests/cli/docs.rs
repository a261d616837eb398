//! `runbook docs`: pages on stdout and in a directory.

use crate::support::Place;
use std::fs;

#[test]
fn pages_are_written_with_an_index() {
    let place = Place::new();
    let own = place
        .write("own.yaml", "runbook: v1\ntitle: Own\nsteps: [{id: a, run: kubernetes/restart}]\n");
    let said = place.run(&["docs", "kubernetes/restart", &own, "--dir", "pages"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "2 pages, listed in pages/index.md\n"));
    let read = |name: &str| fs::read_to_string(place.path().join("pages").join(name)).unwrap();
    assert!(read("index.md").contains("[`kubernetes/restart`](kubernetes/restart.md)"));
    assert!(read("own.md").contains("[`kubernetes/restart`](kubernetes/restart.md)"));
    assert!(read("kubernetes/restart.md").contains("kubectl rollout restart"));
    let said = place.run(&["docs", "--dir", "all", "-o", "html"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stdout.contains(" pages, listed in all/index.html"), "{}", said.all());
}

#[test]
fn one_page_goes_to_stdout() {
    let place = Place::new();
    let said = place.run(&["docs", "kubernetes/restart"]);
    assert!(said.stdout.starts_with("# Restart a workload\n"), "{}", said.all());
    let said = place.run(&["docs", "kubernetes/restart", "--format", "html"]);
    assert!(said.stdout.starts_with("<!doctype html>"), "{}", said.all());
    for (words, says) in [
        (&["docs"][..], "name a runbook, or write the whole catalogue to a directory"),
        (&["docs", "a", "b", "--format", "html"], "several pages of HTML need a directory"),
        (&["docs", "kubernetes/restrat"], "did you mean `kubernetes/restart`?"),
    ] {
        let said = place.run(words);
        assert!(said.code == 2 && said.stderr.contains(says), "{}", said.all());
    }
}

#[test]
fn a_folder_stands_for_its_runbooks() {
    let place = Place::new();
    place.write("runbooks/shop/a.yaml", "runbook: v1\ntitle: A\nsteps: [{id: a, value: 1}]\n");
    place.write("runbooks/shop/b.yaml", "runbook: v1\ntitle: B\nsteps: [{id: a, value: 1}]\n");
    let said = place.run(&["docs", "shop/", "--dir", "pages"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "2 pages, listed in pages/index.md\n"));
    let said = place.run(&["docs", "shop/"]);
    assert!(said.stdout.contains("# A") && said.stdout.contains("# B"), "{}", said.stdout);
    assert_eq!(place.run(&["docs", "shpo/"]).code, 2);
}
