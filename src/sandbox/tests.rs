use std::fs;
use std::path::Path;

use super::*;

/// A folder with runbooks, beside which there are worlds.
fn place(worlds: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (file, text) in worlds {
        let path = place.path().join("worlds").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

const HEADER: &str = "world: v1\ntitle: A shop\n";
const DOWN: &str = "title: Down\ndescription: Nothing answers.\nserver: down\n";

fn label(worlds: &Worlds, text: &str, declared: Option<&str>) -> String {
    match worlds.find(text, declared) {
        Ok(chosen) => chosen.label,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn a_scenario_is_found_by_name_world_and_folder() {
    let place = place(&[
        ("shop/world.yaml", HEADER),
        ("shop/scenarios/down.yaml", DOWN),
        ("petrol/world.yaml", HEADER),
        ("petrol/scenarios/api-down.yaml", DOWN),
    ]);
    let shop = place.path().join("worlds/shop");
    let at = |rest: &str| format!("{}{rest}", shop.display());
    let worlds = Worlds::new(&[place.path().join("runbooks")]);
    let alone = Worlds::new(&[]);
    for (worlds, text, declared, wanted) in [
        // embedded, by its name alone
        (&alone, "tabot-no-leader", None, "tabot-no-leader"),
        (&alone, "petrosa/tabot-no-leader", None, "tabot-no-leader"),
        (&alone, "petrosa", None, "healthy"),
        (&alone, "petrosa", Some("petrosa/te-degraded"), "te-degraded"),
        // beside the runbooks: first, and named with its world
        (&worlds, "down", None, "shop/down"),
        (&worlds, "shop/down", None, "shop/down"),
        (&worlds, "api-down", None, "petrol/api-down"),
        (&worlds, "shop", None, "shop/healthy"),
        (&worlds, "shop", Some("shop/down"), "shop/down"),
        // the world of the runbook comes first
        (&worlds, "api-down", Some("petrosa/te-degraded"), "petrosa/api-down"),
        (&worlds, "healthy", Some("petrosa/te-degraded"), "petrosa/healthy"),
        // a folder
        (&alone, &at(""), None, &at("/healthy")),
        (&alone, &at("/"), None, &at("/healthy")),
        (&alone, &at("/down"), None, &at("/down")),
        (&worlds, &at("/down"), None, "shop/down"),
        (&alone, &at(""), Some("shop/down"), &at("/down")),
        // none
        (
            &alone,
            "tabot-noleader",
            None,
            "error: there is no sandbox scenario `tabot-noleader`; did you mean \
                `tabot-no-leader`? See `runbook sandbox list`",
        ),
        (
            &worlds,
            "shop/dwn",
            None,
            "error: there is no sandbox scenario `shop/dwn`; did you mean `down`? See \
                `runbook sandbox list`",
        ),
        (&alone, "", None, "healthy"),
    ] {
        assert_eq!(label(worlds, text, declared), wanted, "{text} {declared:?}");
    }
    let folder = place.path().display().to_string();
    assert!(label(&alone, &folder, None).ends_with("is not a world: it has no world.yaml"));
}

#[test]
fn a_fault_of_a_world_is_shown_where_it_is() {
    let scenario = "title: t\ndescription: d\nchanges:\n- dlete: {kind: Pod, name: x}\n";
    let place = place(&[("shop/world.yaml", HEADER), ("shop/scenarios/x.yaml", scenario)]);
    let error = Worlds::new(&[place.path().join("runbooks")]).find("x", None).unwrap_err();
    let WorldError::Invalid(diagnostics) = error else { panic!("{error}") };
    let [diagnostic] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
    assert!(diagnostic.file.as_ref().unwrap().ends_with("worlds/shop/scenarios/x.yaml"));
    assert_eq!(diagnostic.place(), Some((4, 3)));
    assert!(diagnostic.message.contains("dlete"), "{}", diagnostic.message);
}

#[test]
fn what_is_no_regular_file_or_too_large_is_refused() {
    let large = format!("#{}", "x".repeat(2 << 20));
    let place = place(&[("shop/world.yaml", HEADER), ("shop/manifests/large.yaml", &large)]);
    let find = || Worlds::new(&[place.path().join("runbooks")]).find("shop", None);
    assert!(find().unwrap_err().to_string().contains("more than the 1048576"));
    let manifests = place.path().join("worlds/shop/manifests");
    fs::remove_file(manifests.join("large.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", manifests.join("zero.yaml")).unwrap();
    assert_eq!(find().unwrap().label, "shop/healthy", "it is passed over");
    for number in 0..17 {
        fs::write(manifests.join(format!("{number}.yaml")), &large[..1 << 20]).unwrap();
    }
    assert!(find().unwrap_err().to_string().contains("at most 16777216 bytes"));
}

#[test]
fn every_world_of_the_program_can_be_read() {
    for listed in Worlds::new(&[]).list() {
        let world = listed.load().unwrap();
        assert!(!world.title().is_empty() && world.scenarios().len() > 1, "{}", listed.name);
        assert!(Path::new("worlds").join(&listed.name).join("world.yaml").is_file());
    }
}
