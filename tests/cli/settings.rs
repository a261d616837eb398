//! Settings: the file of the project, that of the user, and what neither may do.

use crate::network::Stage;
use crate::support::{Place, Said, said};
use serde_json::{Value, json};

const USER: &str = ".config/runbook/runbook.toml";
const READS: &str = "runbook: v1\ntitle: Look\nsteps:\n  - id: pods\n    get: {kind: Pod}\n    expect: .items != null\n";
const CHANGES: &str = "runbook: v1\ntitle: Change\nnamespace: petrosa-apps\nsteps:\n  - id: mark\n    \
    annotate: {target: deployment/petrosa-ta-bot, annotations: {note: x}}\n";

/// A run in a folder of the place.
fn run_in(place: &Place, folder: &str, arguments: &[&str]) -> Said {
    said(place.command().current_dir(place.path().join(folder)).args(arguments))
}

fn setting<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    let settings = document["settings"].as_array().unwrap().iter();
    settings.filter(|row| row["setting"] == name).collect()
}

#[test]
fn the_settings_in_effect_are_shown_with_where_they_come_from() {
    let place = Place::new();
    place.write(
        "shop/runbook.toml",
        "catalogues = [\"ops\"]\nbuiltin = [\"kubernetes/\"]\n\n[defaults]\nnamespace = \
            \"shop\"\n\n[contexts]\nprotected = [\"stage\"]\n",
    );
    place.write(
        USER,
        "catalogues = [\"/home/me/runbooks\"]\n[defaults]\nnamespace = \"default\"\ntimeout = \
            \"30m\"\n[contexts]\nprotected = [\"prod-*\"]\n[notify]\nchannels = \
            [\"slack=https://hooks.example.com/services/S3CR3T\"]\n[retention]\nkeep = 20\n",
    );
    let home = place.path().display().to_string();
    let shown = |width: &str| {
        let mut command = place.command();
        command.current_dir(place.path().join("shop")).env("COLUMNS", width);
        let said = said(command.args(["config", "--catalogue", "mine"]));
        assert!(said.stdout.lines().all(|line| line.len() <= 100), "{}", said.stdout);
        said.all().replace(&home, "/home/me")
    };
    let wide = shown("80");
    assert!(!wide.contains("S3CR3T"), "{wide}");
    insta::assert_snapshot!("settings", wide);
    insta::assert_snapshot!("settings_narrow", shown("40"));
    let said = run_in(&place, "shop", &["config", "-o", "json"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["schema"], "runbook.config/v1");
    let namespace = setting(&document, "defaults.namespace");
    assert_eq!(
        namespace,
        [&json!({"setting": "defaults.namespace", "value": "shop", "from": "project",
            "name": null, "file": "runbook.toml", "line": 5})]
    );
    let state = setting(&document, "state_dir");
    assert_eq!(
        (&state[0]["from"], &state[0]["name"]),
        (&json!("environment"), &json!("RUNBOOK_STATE_DIR"))
    );
    assert!(!said.stdout.contains("S3CR3T"), "{}", said.stdout);
}

#[test]
fn a_mistake_is_shown_at_its_place_and_ends_every_command_that_would_follow_it() {
    let place = Place::new();
    place.write("runbook.toml", "catalogs = [\"ops\"]\n\n[defaults]\ntimeout = \"soon\"\n");
    let said = place.run(&["list"]);
    insta::assert_snapshot!("settings_mistakes", said.all());
    for arguments in [&["history"][..], &["run", "kubernetes/triage", "--sandbox"], &["config"]] {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
    for arguments in [&["schema", "config"][..], &["explain", "protected"], &["--version"]] {
        assert_eq!(place.run(arguments).code, 0, "{arguments:?}");
    }
    let (document, code) = place.json(&["list"]);
    assert_eq!((code, &document["schema"]), (2, &json!("runbook.error/v1")));
    assert_eq!(document["diagnostics"].as_array().unwrap().len(), 2, "{document:#}");
}

#[test]
fn runbooks_of_the_project_are_found_from_below() {
    let place = Place::new();
    place.write("shop/runbook.toml", "catalogues = [\"ops\"]\nbuiltin = []\n");
    place.write("shop/ops/web.yaml", READS);
    place.write("shop/src/deep/file", "");
    let listed = run_in(&place, "shop/src/deep", &["list"]);
    assert_eq!(listed.code, 0, "{}", listed.all());
    let names: Vec<&str> =
        listed.stdout.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["web"]);
    // what is not listed is still there for whoever knows its name
    let hidden = run_in(&place, "shop", &["describe", "kubernetes/triage"]);
    assert_eq!(hidden.code, 0, "{}", hidden.all());
    let near = run_in(&place, "shop", &["describe", "kubernetes/triag"]);
    assert!(!near.all().contains("did you mean"), "{}", near.all());
    assert_eq!(place.run(&["describe", "web"]).code, 2);
}

#[test]
fn a_project_cannot_replace_what_its_user_has() {
    let local = |made: &str| {
        format!(
            "runbook: v1\ntitle: T\nsteps:\n  - id: here\n    command: {{argv: [touch, {made}], \
                effect: read}}\n"
        )
    };
    // of the program: only after a person has looked at it
    let place = Place::new();
    place.write("runbook.toml", "catalogues = [\"ops\"]\nbuiltin = []\n");
    place.write("ops/ta-bot/smoke.yaml", local("made"));
    let refused = place.run(&["run", "ta-bot/smoke"]);
    assert_eq!(refused.code, 2, "{}", refused.all());
    assert!(refused.stderr.contains("overrides the built-in runbook"), "{}", refused.stderr);
    // of the user: not at all
    let place = Place::new();
    place.write("runbook.toml", "catalogues = [\"ops\"]\n");
    place.write("ops/shop/web.yaml", local("of-project"));
    place.write(USER, "catalogues = [\"mine\"]\n");
    place.write(".config/runbook/mine/shop/web.yaml", local("of-user"));
    let run = place.run(&["run", "shop/web"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(place.path().join("of-user").exists() && !place.path().join("of-project").exists());
}

#[test]
fn a_project_cannot_decide_what_is_the_users() {
    let place = Place::new();
    place.write("runbook.toml", "state_dir = \"trusted-by-me\"\n[notify]\nchannels = []\n");
    let said = place.run(&["history"]);
    let shown = said.all().replace(&place.path().display().to_string(), "/home/me");
    insta::assert_snapshot!("settings_of_the_user", shown);
}

#[test]
fn a_protected_context_is_changed_only_by_its_name() {
    let stage = Stage::new("healthy");
    let place = &stage.place;
    place.write("look.yaml", READS);
    place.write("change.yaml", CHANGES);
    place.write(USER, "[contexts]\nprotected = [\"sandbox-*\"]\n");
    // the project cannot take it back
    place.write("runbook.toml", "[contexts]\nprotected = []\n");
    let run = |arguments: &[&str]| {
        let mut command = place.command();
        command
            .env_remove("RUNBOOK_NOW")
            .env_remove("RUNBOOK_RUN_ID")
            .env("KUBECONFIG", place.path().join("kubeconfig"));
        said(command.args(arguments))
    };
    let refused = run(&["run", "change.yaml", "--yes"]);
    assert_eq!(refused.code, 2, "{}", refused.all());
    let file = place.path().join(USER);
    let words = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words,
        format!(
            "error: the context sandbox-healthy is protected ({}:2), and this run can change it: \
                name it, if it is the one that you mean: --context sandbox-healthy",
            file.display()
        )
    );
    assert_eq!(run(&["run", "look.yaml", "-n", "petrosa-apps"]).code, 0);
    assert_eq!(run(&["run", "change.yaml", "--dry-run"]).code, 0);
    let changed = run(&["run", "change.yaml", "--yes", "--context", "sandbox-healthy"]);
    assert_eq!(changed.code, 0, "{}", changed.all());
    assert_eq!(run(&["undo", "latest", "--yes"]).code, 2);
    // the command to copy has the context
    let undone = changed.stdout.lines().find_map(|line| line.trim().strip_prefix("Undo   "));
    if let Some(command) = undone {
        assert!(command.contains("--context sandbox-healthy"), "{command}");
    }
    let undo = run(&["undo", "latest", "--yes", "--context", "sandbox-healthy"]);
    assert_eq!(undo.code, 0, "{}", undo.all());
}

#[test]
fn a_default_namespace_is_for_runbooks_that_name_none() {
    let stage = Stage::new("healthy");
    stage.place.write("runbook.toml", "[defaults]\nnamespace = \"petrosa-apps\"\n");
    stage.place.write("look.yaml", READS);
    stage.place.write("own.yaml", READS.replace("steps:", "namespace: default\nsteps:"));
    for (arguments, wanted) in [
        (&["run", "look.yaml"][..], "petrosa-apps"),
        (&["run", "look.yaml", "-n", "kube-system"], "kube-system"),
        (&["run", "own.yaml"], "default"),
    ] {
        let (document, _) = stage.run(arguments);
        assert_eq!(document["target"]["namespace"], wanted, "{arguments:?}");
    }
    // a simulated cluster has namespaces of its own
    let (document, _) = stage.run(&["run", "kubernetes/triage", "--sandbox"]);
    assert_eq!(document["target"]["namespace"], "shop");
}

#[test]
fn contexts_of_a_runbook_do_not_bar_the_sandbox() {
    let stage = Stage::new("healthy");
    let file = stage.place.write(
        "look.yaml",
        READS.replace("steps:", "contexts: [prod]\nnamespace: petrosa-apps\nsteps:"),
    );
    assert_eq!(stage.run(&["run", &file]).1, 2);
    let (document, code) = stage.run(&["run", &file, "--sandbox=healthy"]);
    assert_eq!(code, 0, "{document:#}");
}

#[test]
fn a_retention_of_the_user_is_that_of_prune() {
    let place = Place::new();
    let nothing = place.run(&["prune"]);
    assert_eq!(nothing.code, 2, "{}", nothing.all());
    assert!(nothing.stderr.contains("[retention]"), "{}", nothing.stderr);
    place.write(USER, "[retention]\nkeep = 3\nolder_than = \"90d\"\n");
    let said = place.run(&["prune"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stderr.contains("--keep 3 --older-than 90d ("), "{}", said.stderr);
    let typed = place.run(&["prune", "--keep", "1"]);
    assert!(!typed.stderr.contains("older-than"), "{}", typed.stderr);
}

#[test]
fn rights_that_nobody_checks_are_not_passed_over_in_silence() {
    let place = Place::new();
    let said = place.run(&["run", "ta-bot/smoke", "--sandbox=healthy", "--as", "jane"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stderr.contains("everybody has all rights: --as jane"), "{}", said.stderr);
    let plan = place.run(&["plan", "ta-bot/restart", "--rbac", "--sandbox=healthy"]);
    assert!(plan.code == 0 && plan.stdout.contains("kind: Role"), "{}", plan.all());
    assert_eq!(place.run(&["plan", "ta-bot/restart", "--sandbox=nowhere"]).code, 2);
}
