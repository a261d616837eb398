//! The right object: the namespace that was typed, the lock and the permissions of what is changed.

use crate::changes::{OTHER, RUN, Stage, http_send};
use crate::support::Said;
use serde_json::{Value, json};

/// A served sandbox with a second namespace, in which there is a ConfigMap `shared`, as in the
/// first one.
fn stage() -> Stage {
    let stage = Stage::new("healthy", false);
    let address = stage.sandbox.address().to_string();
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "staging"}});
    assert!(
        http_send(&address, "POST", "/api/v1/namespaces", &namespace.to_string())
            .contains("\"uid\"")
    );
    for namespace in ["staging", "petrosa-apps"] {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared",
            "namespace": namespace}, "data": {"a": "b"}});
        let made = http_send(
            &address,
            "POST",
            &format!("/api/v1/namespaces/{namespace}/configmaps"),
            &object.to_string(),
        );
        assert!(made.contains("\"uid\""), "{made}");
    }
    stage
}

/// Where something was changed by the program, as `namespace/name`.
fn changed(stage: &Stage) -> Vec<String> {
    let by_us = |write: &&Value| write["verb"] != "create" && write["dry_run"] != true;
    let text = |write: &Value, key: &str| write[key].as_str().unwrap_or_default().to_owned();
    stage
        .writes()
        .iter()
        .filter(by_us)
        .map(|write| format!("{}/{}", text(write, "namespace"), text(write, "name")))
        .collect()
}

fn words(said: &Said) -> String {
    said.all().split_whitespace().collect::<Vec<_>>().join(" ")
}

const MARK: &str =
    "steps:\n  - id: mark\n    annotate: {target: configmap/shared, annotations: {marked: flag}}\n";
const PARAM: &str =
    "params: {ns: {type: string, default: petrosa-apps}}\nnamespace: \"{{ params.ns }}\"\n";

fn write(stage: &Stage, name: &str, head: &str, steps: &str) -> String {
    stage.place.write(name, format!("runbook: v1\ntitle: T\n{head}{steps}"))
}

#[test]
fn the_namespace_that_was_typed_wins() {
    for head in ["", "namespace: petrosa-apps\n", PARAM] {
        let stage = stage();
        let file = write(&stage, "mark.yaml", head, MARK);
        let planned = stage.run(&["plan", &file, "-n", "staging"]);
        assert!(
            planned.stdout.contains("namespace staging ·")
                && planned.stdout.contains("-n staging")
                && !planned.stdout.contains("petrosa"),
            "{}",
            planned.all()
        );
        let said = stage.run(&["run", &file, "-n", "staging", "--yes"]);
        assert_eq!(
            (said.code, changed(&stage)),
            (0, vec!["staging/shared".to_owned()]),
            "{head}: {}",
            said.all()
        );
        assert!(said.stdout.contains("· staging ·"), "{}", said.all());
        let shown = stage.run(&["show", RUN]);
        assert!(
            shown.stdout.contains("lock staging/runbook-configmap-shared taken"),
            "{}",
            shown.all()
        );
    }
}

#[test]
fn a_namespace_that_cannot_win_is_refused_with_what_to_set() {
    let stage = stage();
    let file = write(&stage, "param.yaml", PARAM, MARK);
    let said = stage.run(&["run", &file, "-n", "staging", "--set", "ns=petrosa-apps", "--yes"]);
    assert!(
        said.code == 2 && said.stderr.contains("-n staging and --set ns=petrosa-apps conflict"),
        "{}",
        said.all()
    );
    let file = write(
        &stage,
        "made.yaml",
        "params: {env: {type: string, default: petrosa}}\nnamespace: \"{{ params.env }}-apps\"\n",
        MARK,
    );
    let said = stage.run(&["run", &file, "-n", "staging", "--yes"]);
    assert!(said.code == 2 && said.stderr.contains("set instead: --set env=ENV"), "{}", said.all());
    let said = stage.run(&["run", &file, "-n", "Staging", "--yes"]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert_eq!(changed(&stage), Vec::<String>::new());
    // said twice it is no contradiction
    assert_eq!(
        stage.run(&["run", "param.yaml", "-n", "staging", "--set", "ns=staging", "--yes"]).code,
        0
    );
}

#[test]
fn a_step_that_names_its_namespace_stays_and_the_header_says_so() {
    let stage = stage();
    let steps = format!(
        "{MARK}  - id: deliberate\n    namespace: petrosa-apps\n    steps:\n      - id: \
            inner\n        annotate: {{target: configmap/shared, annotations: {{marked: x}}}}\n"
    );
    let file = write(&stage, "two.yaml", "namespace: petrosa-apps\n", &steps);
    let planned = stage.run(&["plan", &file, "-n", "staging"]);
    assert!(
        planned.stdout.contains("namespace staging · also changes petrosa-apps ·"),
        "{}",
        planned.all()
    );
    let said = stage.run(&["run", &file, "-n", "staging", "--yes"]);
    assert!(
        said.code == 0 && said.stdout.contains("staging · also changes petrosa-apps"),
        "{}",
        said.all()
    );
    assert_eq!(
        changed(&stage),
        ["staging/shared", "petrosa-apps/shared"],
        "what is in a group is in its namespace"
    );
}

#[test]
fn a_namespace_of_a_step_that_is_not_known_is_not_replaced_by_another() {
    let stage = stage();
    let steps = "steps:\n  - id: nothing\n    value: 'null'\n  - id: mark\n    namespace: \"{{ \
        steps.nothing.output.name }}\"\n    annotate: {target: configmap/shared, annotations: \
        {marked: x}}\n";
    let file = write(&stage, "unknown.yaml", "namespace: petrosa-apps\n", steps);
    let said = stage.run(&["run", &file, "--yes"]);
    assert_eq!((said.code, changed(&stage)), (3, Vec::new()), "{}", said.all());
}

#[test]
fn what_is_called_goes_along_unless_it_was_placed_elsewhere() {
    for (with, called, place) in [
        ("", PARAM, "staging"),
        ("", "namespace: petrosa-apps\n", "staging"),
        (", with: {ns: petrosa-apps}", PARAM, "petrosa-apps"),
        (", with: {ns: \"{{ params.ns }}\"}", PARAM, "staging"),
    ] {
        let stage = stage();
        write(&stage, "runbooks/inner.yaml", called, MARK);
        write(
            &stage,
            "runbooks/outer.yaml",
            PARAM,
            &format!("steps:\n  - id: call\n    run: {{runbook: inner{with}}}\n"),
        );
        let planned = stage.run(&["plan", "outer", "-n", "staging"]);
        assert!(
            planned.stdout.contains(&format!("kubectl annotate configmap/shared -n {place}")),
            "{}",
            planned.all()
        );
        let said = stage.run(&["run", "outer", "-n", "staging", "--yes"]);
        assert_eq!(
            (said.code, changed(&stage)),
            (0, vec![format!("{place}/shared")]),
            "{with} {called}: {}",
            said.all()
        );
    }
    let stage = stage();
    write(&stage, "runbooks/inner.yaml", PARAM, MARK);
    write(&stage, "runbooks/outer.yaml", "", "steps:\n  - id: call\n    run: {runbook: inner}\n");
    let said = stage.run(&["run", "outer", "-n", "staging", "--yes"]);
    assert_eq!(
        (said.code, changed(&stage)),
        (2, Vec::new()),
        "where it belongs nobody knows: {}",
        said.all()
    );
    assert!(
        words(&said).contains(
            "step call, which calls inner: -n staging does not apply to it: it \
        runs in petrosa-apps"
        ),
        "{}",
        said.all()
    );
}

#[test]
fn the_next_command_acts_in_the_same_namespace() {
    let stage = stage();
    write(&stage, "runbooks/fix.yaml", PARAM, MARK);
    let look = |with: &str| {
        format!(
            "steps:\n  - id: look\n    get: {{kind: ConfigMap, name: shared}}\n    expect:\n      \
                - that: .data.a == \"c\"\nfindings:\n  - id: wrong\n    when: \
                $steps.look.failed\n    cause: It is wrong\n    remedy: {{run: fix{with}}}\n"
        )
    };
    for (head, with, arguments, command) in [
        (PARAM, "", &["-n", "staging"][..], "runbook run fix --namespace staging"),
        (PARAM, "", &["--set", "ns=staging"], "runbook run fix --namespace staging"),
        (
            PARAM,
            ", with: {ns: \"{{ params.ns }}\"}",
            &["-n", "staging"],
            "runbook run fix --set ns=staging",
        ),
        (PARAM, "", &[], "runbook run fix"),
    ] {
        write(&stage, "runbooks/look.yaml", head, &look(with));
        let said = stage.run_as(&ulid(), &[&["run", "look", "-o", "json"][..], arguments].concat());
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["next"][0], command, "{with} {arguments:?}: {}", said.all());
    }
}

/// A new id for each run of a test.
fn ulid() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("01K9ZQ4T00000000000002{:04}", NEXT.fetch_add(1, Ordering::SeqCst))
}

#[test]
fn a_resume_and_an_undo_keep_the_namespace() {
    let stage = stage();
    let file = write(&stage, "param.yaml", PARAM, MARK);
    assert_eq!(stage.run(&["run", &file, "-n", "staging"]).code, 4);
    for typed in [["-n", "petrosa-apps"], ["--set", "ns=petrosa-apps"]] {
        let said = stage.run(&[&["resume", RUN, "--yes"][..], &typed].concat());
        assert_eq!(said.code, 2, "{}", said.all());
    }
    assert_eq!(stage.run(&["resume", RUN, "--yes"]).code, 0);
    assert_eq!(stage.run_as(OTHER, &["undo", RUN, "-n", "petrosa-apps", "--yes"]).code, 2);
    assert_eq!(stage.run_as(OTHER, &["undo", RUN, "--yes"]).code, 0);
    assert_eq!(changed(&stage), ["staging/shared", "staging/shared"]);
}

#[test]
fn a_namespace_that_does_not_exist_is_said_before_anything_is_asked() {
    let stage = stage();
    let ask = "steps:\n  - id: sure\n    confirm: {question: Go on?}\n";
    let look = "steps:\n  - id: look\n    get: {kind: ConfigMap, name: shared}\n";
    for (number, steps) in [MARK, ask, look].into_iter().enumerate() {
        let file = write(&stage, &format!("r{number}.yaml"), "", steps);
        let said = stage.run_as(&ulid(), &["run", &file, "-n", "stagign", "--yes"]);
        // a run that asks no cluster has no namespace
        let expected = if steps == ask { 4 } else { 3 };
        assert_eq!(said.code, expected, "{}", said.all());
        assert!(
            steps == ask || words(&said).contains("namespace stagign does not exist"),
            "{}",
            said.all()
        );
        assert!(steps == ask || words(&said).contains("did you mean staging?"), "{}", said.all());
        assert!(
            !words(&said).contains("fought over") && !words(&said).contains("--no-lock"),
            "{}",
            said.all()
        );
    }
    let makes = "steps:\n  - id: make\n    apply: {manifests: [{apiVersion: v1, kind: Namespace, \
        metadata: {name: brand-new}}]}\n  - id: fill\n    apply: {manifests: [{apiVersion: v1, \
        kind: ConfigMap, metadata: {name: shared}, data: {a: b}}]}\n";
    let file = write(&stage, "makes.yaml", "namespace: brand-new\n", makes);
    let said = stage.run(&["run", &file, "--yes"]);
    assert_eq!(said.code, 0, "a run that makes its namespace: {}", said.all());
    let shown = stage.run(&["show", RUN]);
    assert!(
        shown.stdout.contains("lock brand-new/runbook-configmap-shared taken"),
        "once it is there: {}",
        shown.all()
    );
}

const COMPUTED: &str = "namespace: petrosa-apps\n";

fn computed(target: &str, loops: bool) -> String {
    let each = if loops { "    for_each: '[\"shared\"]'\n" } else { "" };
    format!(
        "steps:\n  - id: name\n    value: '\"shared\"'\n  - id: mark\n{each}    annotate: \
            {{target: \"{target}\", annotations: {{marked: x}}}}\n"
    )
}

const TARGETS: [(&str, bool, bool); 3] = [
    ("configmap/{{ steps.name.output }}", false, true),
    ("configmap/{{ item }}", true, true),
    ("{{ 'configmap/' ~ steps.name.output }}", false, false),
];

#[test]
fn the_lock_of_a_computed_target_is_taken_before_its_change() {
    for (target, loops, _) in TARGETS {
        let stage = stage();
        let file = write(&stage, "computed.yaml", COMPUTED, &computed(target, loops));
        let said = stage.run(&["run", &file, "--yes"]);
        assert_eq!(
            (said.code, changed(&stage)),
            (0, vec!["petrosa-apps/shared".to_owned()]),
            "{}",
            said.all()
        );
        let shown = stage.run(&["show", RUN]);
        let shown = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(shown.matches(" lock ").count(), 1, "{shown}");
        assert!(shown.contains(" lock petrosa-apps/runbook-configmap-shared taken "), "{shown}");
        let address = stage.sandbox.address().to_string();
        let left = http_send(
            &address,
            "GET",
            "/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases",
            "",
        );
        assert!(!left.contains("runbook-"), "freed: {left}");
    }
}

#[test]
fn a_computed_target_that_another_run_changes_is_left_alone() {
    for (target, loops, _) in TARGETS {
        let stage = stage();
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "runbook-configmap-shared", "namespace": "petrosa-apps"},
            "spec": {"holderIdentity": "01K9OTHERRUN", "leaseDurationSeconds": 30,
            "acquireTime": time, "renewTime": time}});
        let address = stage.sandbox.address().to_string();
        http_send(
            &address,
            "POST",
            "/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases",
            &lease.to_string(),
        );
        let file = write(&stage, "computed.yaml", COMPUTED, &computed(target, loops));
        let said = stage.run(&["run", &file, "--yes"]);
        assert_eq!((said.code, changed(&stage)), (3, Vec::new()), "{}", said.all());
        assert!(
            words(&said).contains("another run holds the lock: run 01K9OTHERRUN"),
            "{}",
            said.all()
        );
        assert!(words(&said).contains("✔ name"), "the step before it is done: {}", said.all());
        assert_eq!(stage.run_as(OTHER, &["run", &file, "--yes", "--no-lock"]).code, 0);
    }
}

#[test]
fn a_role_never_names_what_is_not_known() {
    let stage = stage();
    for (target, loops, kind_is_known) in TARGETS {
        let file = write(&stage, "computed.yaml", COMPUTED, &computed(target, loops));
        let said = stage.run(&["plan", &file, "--rbac"]);
        assert!(
            said.code == 0
                && !said.stdout.contains("{{")
                && !said.stdout.contains("pods")
                && !said.stdout.contains("[name]"),
            "{}",
            said.all()
        );
        let rule = "- {apiGroups: [\"\"], resources: [configmaps], verbs: [get, patch]}";
        assert_eq!(said.stdout.contains(rule), kind_is_known, "{}", said.all());
        let comment = "# step mark: the run computes the kind of its object: add a rule for it";
        assert_eq!(said.stdout.contains(comment), !kind_is_known, "{}", said.all());
        assert!(
            said.stdout.contains("resources: [leases], verbs: [create, delete, get, patch]"),
            "{}",
            said.all()
        );
    }
    let known = "steps:\n  - id: size\n    value: '2'\n  - id: scale\n    scale: {target: \
        deployment/petrosa-ta-bot, replicas: \"{{ steps.size.output }}\"}\n";
    let file = write(&stage, "known.yaml", COMPUTED, known);
    let said = stage.run(&["plan", &file, "--rbac"]);
    assert!(
        said.stdout.contains(
            "resources: [deployments], resourceNames: [petrosa-ta-bot], verbs: [get, patch]"
        ),
        "{}",
        said.all()
    );
    assert!(
        said.stdout.contains(
            "resources: [leases], resourceNames: \
        [runbook-deployment-petrosa-ta-bot], verbs: [delete, get, patch]"
        ),
        "{}",
        said.all()
    );
}
