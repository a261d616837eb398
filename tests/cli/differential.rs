//! The same change by this program and by kubectl: afterwards the objects must be the same. Needs a
//! real cluster (`RUNBOOK_TEST_KUBECONFIG`) and a real kubectl (`RUNBOOK_TEST_KUBECTL`). And on the
//! sandbox: what is undone is as it was.

#[path = "../../crates/netpol-evaluator/tests/network/kubectl.rs"]
mod real_kubectl;

use crate::support::Place;
use real_kubectl::Kubectl;
use serde_json::{Value, json};

const NAMESPACE: &str = "runbook-differential";
/// An image that the test cluster has.
const IMAGE: &str = "yurisa2/petrosa-data-manager:v1.0.12";

/// What is done: the step's action, and the words of kubectl. NAME is the object.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "scale",
        "scale: {target: deployment/NAME, replicas: 0}",
        "scale deployment NAME --replicas=0",
    ),
    ("restart", "restart: {target: deployment/NAME}", "rollout restart deployment NAME"),
    (
        "set_image",
        "set_image: {target: deployment/NAME, images: {c: example.invalid/x:3}}",
        "set image deployment NAME c=example.invalid/x:3",
    ),
    (
        "set_env",
        "set_env: {target: deployment/NAME, env: {A: '2', B: null, C: '3'}}",
        "set env deployment NAME A=2 B- C=3",
    ),
    (
        "label",
        "label: {target: deployment/NAME, labels: {tier: back, old: null}}",
        "label deployment NAME tier=back old-",
    ),
    (
        "annotate",
        "annotate: {target: deployment/NAME, annotations: {note: hello}}",
        "annotate deployment NAME note=hello",
    ),
    (
        "patch",
        "patch: {target: deployment/NAME, type: strategic, patch: {spec: {template: {spec: \
            {terminationGracePeriodSeconds: 5}}}}}",
        "patch deployment NAME -p \
            {\"spec\":{\"template\":{\"spec\":{\"terminationGracePeriodSeconds\":5}}}}",
    ),
    ("rollback", "rollback: {target: deployment/NAME}", "rollout undo deployment NAME"),
];

fn manifest(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"old": "1"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"nodeSelector": {"nowhere": "true"},
            "containers": [{"name": "c", "image": image, "env": [{"name": "A", "value": "1"},
            {"name": "B", "value": "1"}]}]}}},
    })
}

impl Kubectl {
    fn deployment(&self, name: &str) -> Value {
        serde_json::from_str(
            &self.run(&["get", "deployment", name, "-n", NAMESPACE, "-o", "json"], None),
        )
        .unwrap()
    }

    /// Waits, for a bounded time, until the controller has seen the deployment.
    fn observed(&self, name: &str) {
        for _ in 0..100 {
            let object = self.deployment(name);
            if object["status"]["observedGeneration"] == object["metadata"]["generation"] {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the controller did not look at {name}");
    }
}

/// What two objects must have in common: everything but names, times and bookkeeping.
fn essence(object: &Value, name: &str) -> Value {
    let mut object: Value =
        serde_json::from_str(&object.to_string().replace(name, "NAME")).unwrap();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for bookkeeping in
        ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]
    {
        metadata.remove(bookkeeping);
    }
    for annotations in ["/metadata/annotations", "/spec/template/metadata/annotations"] {
        if let Some(annotations) = object.pointer_mut(annotations).and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with("runbook/"));
            if let Some(time) = annotations.get_mut("kubectl.kubernetes.io/restartedAt") {
                *time = json!("TIME");
            }
        }
    }
    object
}

#[test]
fn a_change_comes_to_the_same_as_that_of_kubectl() {
    let Some(kubectl) = Kubectl::of_the_environment() else { return };
    kubectl.run(&["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true"], None);
    kubectl.run(&["create", "namespace", NAMESPACE], None);
    let mut wrong = Vec::new();
    for (verb, action, words) in CHANGES {
        let names = [
            format!("{}-ours", verb.replace('_', "-")),
            format!("{}-kctl", verb.replace('_', "-")),
        ];
        for name in &names {
            kubectl.run(&["create", "-f", "-"], Some(&manifest(name, "example.invalid/x:1")));
            if *verb == "rollback" {
                kubectl.observed(name);
                kubectl.run(
                    &["set", "image", "deployment", name, "c=example.invalid/x:2", "-n", NAMESPACE],
                    None,
                );
            }
            kubectl.observed(name);
        }
        let place = Place::new();
        let file = place.write(
            "change.yaml",
            format!(
                "runbook: v1\ntitle: Change\nnamespace: {NAMESPACE}\nsteps:\n  - id: change\n    \
                    title: Change\n    {}\n",
                action.replace("NAME", &names[0])
            ),
        );
        let mut program = place.command();
        program.env_remove("RUNBOOK_NOW");
        let said = crate::support::said(program.args([
            "run",
            &file,
            "--kubeconfig",
            &kubectl.kubeconfig,
            "--yes",
        ]));
        let mut theirs: Vec<String> =
            words.split_whitespace().map(|word| word.replace("NAME", &names[1])).collect();
        theirs.extend(["-n".to_owned(), NAMESPACE.to_owned()]);
        kubectl.run(&theirs.iter().map(String::as_str).collect::<Vec<_>>(), None);
        kubectl.observed(&names[0]);
        kubectl.observed(&names[1]);
        let (ours, theirs) = (
            essence(&kubectl.deployment(&names[0]), &names[0]),
            essence(&kubectl.deployment(&names[1]), &names[1]),
        );
        if said.code != 0 || ours != theirs {
            wrong.push(format!(
                "{verb}: exit {}\nours:   {ours}\ntheirs: {theirs}\n{}",
                said.code,
                said.all()
            ));
        }
    }
    kubectl.run(&["delete", "namespace", NAMESPACE, "--wait=false"], None);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a procedure of one step against the cluster.
fn ours(kubeconfig: &str, namespace: &str, action: &str) -> crate::support::Said {
    let place = Place::new();
    let text = format!(
        "runbook: v1\ntitle: Change\nnamespace: {namespace}\nsteps:\n  - id: change\n    title: \
            Change\n    timeout: 2m\n    {action}\n"
    );
    let file = place.write("change.yaml", text);
    let mut program = place.command();
    program.env_remove("RUNBOOK_NOW");
    crate::support::said(program.args(["run", &file, "--kubeconfig", kubeconfig, "--yes"]))
}

#[test]
fn apply_jobs_and_drain_come_to_the_same_as_those_of_kubectl() {
    const PLACE: &str = "runbook-differential-more";
    let Some(kubectl) = Kubectl::of_the_environment() else { return };
    kubectl.run(&["delete", "namespace", PLACE, "--ignore-not-found", "--wait=true"], None);
    kubectl.run(&["create", "namespace", PLACE], None);
    let get = |kind: &str, name: &str| -> Value {
        serde_json::from_str(&kubectl.run(&["get", kind, name, "-n", PLACE, "-o", "json"], None))
            .unwrap()
    };
    let mut wrong = Vec::new();
    let mut compare = |what: &str, said: &crate::support::Said, left: Value, right: Value| {
        if said.code != 0 || left != right {
            wrong.push(format!(
                "{what}: exit {}\nours:   {left}\ntheirs: {right}\n{}",
                said.code,
                said.all()
            ));
        }
    };

    // a new object, and one that is there already with another owner of a field
    for (kind, body) in [
        ("ConfigMap", json!({"data": {"a": "2", "b": "2"}})),
        (
            "Service",
            json!({"spec": {"selector": {"app": "x"},
                "ports": [{"port": 80, "targetPort": "http"}]}}),
        ),
    ] {
        let object = |name: &str| {
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name,
                "namespace": PLACE, "labels": {"by": "test"}}});
            object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            object
        };
        let (one, two) =
            (format!("{}-ours", kind.to_lowercase()), format!("{}-kctl", kind.to_lowercase()));
        let mut bare = [object(&one), object(&two)];
        for object in &mut bare {
            object["metadata"]["labels"] = json!({"else": "1"});
            kubectl.run(&["create", "-f", "-"], Some(object));
        }
        let said = ours(
            &kubectl.kubeconfig,
            PLACE,
            &format!("apply: {{manifest: {}, force: true}}", object(&one)),
        );
        kubectl
            .run(&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(&object(&two)));
        let plain = |name: &str| {
            let mut object = essence(&get(kind, name), name);
            for own in ["clusterIP", "clusterIPs"] {
                object["spec"].as_object_mut().map(|spec| spec.shift_remove(own));
            }
            object
        };
        compare(&format!("apply {kind}"), &said, plain(&one), plain(&two));
    }

    // a Job from a CronJob; which step made it is ours alone
    let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cron",
        "namespace": PLACE}, "spec": {"schedule": "0 0 1 1 *", "suspend": true,
        "jobTemplate": {"metadata": {"labels": {"job": "x"}, "annotations": {"note": "y"}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "job"}},
            "spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/petrosa", "no-such-role"]}]}}}}}});
    kubectl.run(&["create", "-f", "-"], Some(&cron_job));
    let said = ours(&kubectl.kubeconfig, PLACE, "create_job: {cron_job: cron, name: ours}");
    kubectl.run(&["create", "job", "kctl", "--from=cronjob/cron", "-n", PLACE], None);
    let list: Value =
        serde_json::from_str(&kubectl.run(&["get", "jobs", "-n", PLACE, "-o", "json"], None))
            .unwrap();
    let job = |prefix: &str| {
        let is = |job: &&Value| job["metadata"]["name"].as_str().unwrap().starts_with(prefix);
        let job = list["items"].as_array().unwrap().iter().find(is).unwrap();
        let (name, uid) =
            (job["metadata"]["name"].as_str().unwrap(), job["metadata"]["uid"].as_str().unwrap());
        let mut job =
            essence(&serde_json::from_str(&job.to_string().replace(uid, "UID")).unwrap(), name);
        job["metadata"]["annotations"].as_object_mut().unwrap().shift_remove("runbook/run");
        job
    };
    // the container ends at once and badly: the verb says so, and the Job is compared all the same
    let made = crate::support::Said { code: i32::from(said.code != 1), ..said };
    compare("create_job", &made, job("ours"), job("kctl"));

    // only the pods of this test leave the node
    let node = kubectl.run(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"], None);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "drained", "namespace": PLACE}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"app": "drained"}},
        "template": {"metadata": {"labels": {"app": "drained"}},
        "spec": {"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/petrosa", "listener"],
            "env": [{"name": "PORTS", "value": "8000"}]}]}}}});
    kubectl.run(&["create", "-f", "-"], Some(&deployment));
    let drained = |drain: &mut dyn FnMut() -> crate::support::Said| {
        kubectl
            .run(&["rollout", "status", "deployment/drained", "-n", PLACE, "--timeout=60s"], None);
        let said = drain();
        let mut spec = serde_json::from_str::<Value>(
            &kubectl.run(&["get", "node", &node, "-o", "json"], None),
        )
        .unwrap()["spec"]
            .clone();
        for taint in spec["taints"].as_array_mut().into_iter().flatten() {
            taint.as_object_mut().unwrap().shift_remove("timeAdded");
        }
        let running = kubectl.run(
            &[
                "get",
                "pods",
                "-n",
                PLACE,
                "-l",
                "app=drained",
                "--field-selector=status.phase=Running",
                "-o",
                "name",
            ],
            None,
        );
        kubectl.run(&["uncordon", &node], None);
        (said, json!({"spec": spec, "running": running}))
    };
    let (said, left) = drained(&mut || {
        ours(
            &kubectl.kubeconfig,
            PLACE,
            &format!("drain: {{node: {node}, pod_selector: app=drained}}"),
        )
    });
    let (_, right) = drained(&mut || {
        let text = kubectl.run(
            &["drain", &node, "--pod-selector=app=drained", "--ignore-daemonsets", "--timeout=60s"],
            None,
        );
        crate::support::Said { code: 0, stdout: text, stderr: String::new() }
    });
    compare("drain", &said, left, right);

    kubectl.run(&["delete", "namespace", PLACE, "--wait=false"], None);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One random change of the deployment of TA Bot.
fn random_change(seed: &mut u64) -> String {
    let mut next = |most: u64| {
        // xorshift64: the same sequence for the same seed
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed % most
    };
    let target = "target: deployment/petrosa-ta-bot";
    match next(7) {
        0 => format!("scale: {{{target}, replicas: {}}}", next(6)),
        1 => format!(
            "set_image: {{{target}, images: {{ta-bot: 'yurisa2/petrosa-ta-bot:v1.0.{}'}}}}",
            60 + next(12)
        ),
        2 => format!(
            "set_env: {{{target}, env: {{LOG_LEVEL: '{}', EXTRA_{}: '1'}}}}",
            next(4),
            next(3)
        ),
        3 => format!("label: {{{target}, labels: {{tier-{}: 'x{}'}}}}", next(3), next(3)),
        4 => format!(
            "annotate: {{{target}, annotations: {{note/{}: 'x{}', gone: null}}}}",
            next(3),
            next(3)
        ),
        5 => format!(
            "patch: {{{target}, patch: {{spec: {{minReadySeconds: {}, template: {{spec: \
                {{terminationGracePeriodSeconds: {}}}}}}}}}}}",
            next(5),
            1 + next(30)
        ),
        _ => format!("restart: {{{target}}}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_undone_is_as_it_was() {
    for start in 1..=12u64 {
        let mut seed = start.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let options =
            runbook::sandbox::Options { scenario: "healthy".to_owned(), ..Default::default() };
        let sandbox = runbook::sandbox::start(options).await.unwrap();
        let place = Place::new();
        let kubeconfig = place.write("kubeconfig", sandbox.kubeconfig());
        let steps: String = (0..1 + start % 5)
            .map(|number| format!("  - id: s{number}\n    {}\n", random_change(&mut seed)))
            .collect();
        let file = place.write(
            "changes.yaml",
            format!("runbook: v1\ntitle: Changes\nnamespace: petrosa-apps\nsteps:\n{steps}"),
        );
        let look = place.write(
            "look.yaml",
            "runbook: v1\ntitle: Look\nnamespace: petrosa-apps\nsteps:\n  - \
                id: look\n    get: {kind: Deployment, name: petrosa-ta-bot}\n",
        );
        let done = tokio::task::spawn_blocking(move || {
            let spec = |run: &str| {
                let mut command = place.command();
                command.env("RUNBOOK_RUN_ID", run);
                crate::support::said(command.args(["run", &look, "--kubeconfig", &kubeconfig]));
                let journal = std::fs::read_to_string(
                    place.state().join("runs").join(run).join("journal.jsonl"),
                )
                .unwrap();
                let object = journal
                    .lines()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                    .find_map(|record| {
                        let output =
                            record.pointer("/record/output").or(record.get("output"))?.clone();
                        output["spec"].is_object().then_some(output)
                    });
                let object = object.unwrap_or_else(|| panic!("no object in {journal}"));
                json!([object["spec"], object["metadata"]["labels"]])
            };
            let before = spec("01K9ZQ4T000000000000LOOK01");
            let run = place.run(&["run", &file, "--kubeconfig", &kubeconfig, "--yes"]);
            let changed = spec("01K9ZQ4T000000000000LOOK02");
            let mut undo = place.command();
            undo.env("RUNBOOK_RUN_ID", "01K9ZQ4T000000000000UNDO01");
            let undone = crate::support::said(undo.args([
                "undo",
                "01K9ZQ4T000000000000000000",
                "--kubeconfig",
                &kubeconfig,
                "--yes",
            ]));
            (before, changed, spec("01K9ZQ4T000000000000LOOK03"), run.all() + &undone.all(), steps)
        });
        let (before, changed, after, said, steps) = done.await.unwrap();
        assert_eq!(before, after, "{steps}\n{said}");
        assert!(before != changed || steps.contains("annotate"), "{steps}\n{said}");
    }
}
