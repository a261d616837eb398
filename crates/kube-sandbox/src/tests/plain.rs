//! What the scenarios of the world `plain` show: the reason or message by which each is told.

use super::*;
use crate::object;
use crate::simulation::{Clock, Simulation};
use jiff::Timestamp;

/// The world of this repository in which everything that is common goes wrong.
fn plain() -> World {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds/plain");
    World::from_files(files(&root, "")).unwrap()
}

/// The objects of a scenario.
fn objects(scenario: &str) -> Vec<Value> {
    let world = plain();
    let now: Timestamp = "2026-03-10T09:30:00Z".parse().unwrap();
    let clock = Clock::starting_at(now);
    let built = Simulation::build(&world, world.scenario(scenario).unwrap(), clock, "", &[]);
    built.unwrap().store.all().map(|object| (**object).clone()).collect()
}

fn named(objects: &[Value], kind: &str, name: &str) -> Value {
    let found = objects.iter().find(|object| {
        object["kind"] == kind
            && (object::name(object) == name
                || object::name(object).starts_with(&format!("{name}-")))
    });
    found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
}

#[test]
fn dump() {
    let Ok(folder) = std::env::var("PLAIN_DUMP") else { return };
    for info in plain().scenarios() {
        let items: Vec<Value> = objects(&info.name)
            .into_iter()
            .filter(|object| object::namespace(object) == "shop" || object["kind"] == "Node")
            .collect();
        let text = serde_json::to_string(&json!({"items": items})).unwrap();
        std::fs::write(format!("{folder}/{}.json", info.name), text).unwrap();
    }
}
