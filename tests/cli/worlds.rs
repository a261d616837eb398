//! Worlds of the user, beside the runbooks and anywhere.

use crate::support::Place;

const HEADER: &str = "world: v1\ntitle: A shop\nnamespace: shop\n";
const RUNBOOK: &str = "runbook: v1\ntitle: Namespaces\nsandbox: shop/bare\nsteps:\n  - id: all\n    \
    get: {kind: Namespace}\n    expect:\n      - any: .metadata.name == \"shop\"\n        \
    over: .items\n";

fn place() -> Place {
    let place = Place::new();
    place.write("worlds/shop/world.yaml", HEADER);
    place.write(
        "worlds/shop/manifests/shop.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    );
    place.write("worlds/shop/scenarios/bare.yaml", "title: Bare\ndescription: Nothing.\n");
    place.write("runbooks/namespaces.yaml", RUNBOOK);
    place
}

#[test]
fn the_scenario_of_the_runbook_is_played_and_said() {
    let place = place();
    let (document, code) = place.json(&["run", "namespaces", "--sandbox"]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["target"]["sandbox"], "shop/bare");
    assert_eq!(document["target"]["namespace"], "shop");
    // what runs on the folder itself can be gone on with from anywhere
    let place = self::place();
    let (document, code) = place.json(&["run", "namespaces", "--sandbox=worlds/../worlds/shop"]);
    let label = document["target"]["sandbox"].as_str().unwrap();
    assert!(code == 0 && label.starts_with('/') && label.ends_with("/shop/bare"), "{label}");
}

#[test]
fn a_fault_of_a_world_is_shown_where_it_is() {
    let place = place();
    place.write("worlds/shop/scenarios/bare.yaml", "title: Bare\ndescripton: Nothing.\n");
    let said = place.run(&["run", "namespaces", "--sandbox"]);
    assert_eq!(said.code, 2, "{}", said.all());
    for part in ["error[RB0601]: ", "worlds/shop/scenarios/bare.yaml:2:1", "descripton: Nothing."] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
    // the other worlds can be played all the same
    assert_eq!(place.run(&["run", "ta-bot/smoke", "--sandbox=petrosa/healthy"]).code, 0);
}

#[test]
fn a_scenario_that_no_world_has_is_found_by_check() {
    let place = place();
    place.write("runbooks/namespaces.yaml", RUNBOOK.replace("shop/bare", "shop/bar"));
    let said = place.run(&["check"]);
    assert_eq!(said.code, 2);
    for part in [
        "error[RB0602]: there is no sandbox scenario `shop/bar`; did you mean `bare`?",
        "runbooks/namespaces.yaml:3:10",
    ] {
        assert!(said.stderr.contains(part), "{}", said.all());
    }
    let said = place.run(&["run", "namespaces", "--sandbox=heathy"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("did you mean `healthy`?"), "{}", said.stderr);
}
