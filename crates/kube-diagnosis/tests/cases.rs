//! What a real cluster showed of things that go wrong, and what must be named: all objects of a
//! namespace, taken with kubectl a moment after the fault was planted. Of Secrets there is only what
//! is public of their certificates.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use kube_diagnosis::{Cause, Diagnosis, PortState, Snapshot, diagnose, ids, wanted_ports};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Case, what is named as a cause, and what is named as following from one.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("oom-killed", &["deployment/eater oom-killed"], &[]),
    ("app-exit", &["deployment/api app-exit"], &[]),
    ("liveness-kills", &["deployment/slow liveness-probe-kills"], &[]),
    ("command-not-found", &["deployment/typo start-error"], &[]),
    ("exits-zero", &["deployment/once exits-zero"], &[]),
    ("init-fails", &["deployment/withinit init-container-fails"], &[]),
    ("one-of-three-crashes", &["statefulset/ring app-exit"], &[]),
    ("registry-unreachable", &["deployment/puller registry-unreachable"], &[]),
    ("image-never-pull", &["deployment/local image-not-present"], &[]),
    ("configmap-missing", &["deployment/conf config-missing"], &[]),
    ("secret-key-missing", &["deployment/key config-missing"], &[]),
    ("volume-secret-missing", &["deployment/vol volume-mount-failed"], &[]),
    ("cpu-insufficient", &["deployment/big insufficient-resources"], &[]),
    ("node-selector", &["deployment/gpu node-selector-mismatch"], &[]),
    (
        "claim-unbound",
        &["deployment/db volume-unbound", "persistentvolumeclaim/data storage-class-missing"],
        &[],
    ),
    ("readiness-port", &["deployment/web readiness-failing"], &[]),
    ("root-not-allowed", &["deployment/rooted security-context-refused"], &[]),
    ("stuck-terminating", &["pod/kept stuck-terminating"], &[]),
    (
        "quota-exceeded",
        &["deployment/three quota-exceeded", "resourcequota/small quota-exhausted"],
        &[],
    ),
    ("pod-security", &["deployment/priv admission-denied"], &[]),
    ("service-account-missing", &["deployment/sa service-account-missing"], &[]),
    ("rollout-paused", &["deployment/paused rollout-paused"], &[]),
    (
        "rollout-stuck",
        &["deployment/served config-missing", "deployment/served rollout-stuck"],
        &[],
    ),
    (
        "ordinal-blocks",
        &["statefulset/ordered readiness-failing"],
        &["statefulset/ordered ordinal-blocks-others"],
    ),
    ("nowhere-scheduled", &["daemonset/agent no-node-eligible"], &[]),
    ("job-backoff", &["job/import job-failed"], &[]),
    ("job-deadline", &["job/export job-failed"], &[]),
    ("cronjob-suspended", &["cronjob/nightly cronjob-suspended"], &[]),
    ("selector-nothing", &["service/shop selector-matches-nothing"], &[]),
    ("target-port", &["service/cart target-port-mismatch"], &[]),
    ("target-port-name", &["service/named target-port-mismatch"], &[]),
    (
        "endpoints-unready",
        &["deployment/lame readiness-failing"],
        &["service/lame no-ready-endpoints"],
    ),
    ("policy-blocks", &["service/closed ingress-denied"], &[]),
    ("loopback-only", &[], &[]),
    ("hpa-no-metrics", &["horizontalpodautoscaler/scaled hpa-metrics-unavailable"], &[]),
    ("hpa-no-target", &["horizontalpodautoscaler/ghost hpa-target-missing"], &[]),
    ("certificate-expired", &["ingress/shop certificate-expired"], &[]),
    ("certificate-expiring", &["ingress/shop certificate-expiring"], &[]),
    ("certificate-host", &["ingress/shop certificate-host-mismatch"], &[]),
    ("webhook-unavailable", &["deployment/hooked admission-webhook-unavailable"], &[]),
    ("healthy", &[], &[]),
];

fn taken(case: &str) -> (Snapshot, jiff::Timestamp) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/{case}.json"));
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let objects = document["items"].as_array().unwrap().clone();
    (objects.into_iter().collect(), document["taken"].as_str().unwrap().parse().unwrap())
}

fn named(diagnosis: &Diagnosis, follows: bool) -> Vec<String> {
    let wanted = diagnosis.causes.iter().filter(|cause| cause.follows_from.is_some() == follows);
    wanted.map(|cause: &Cause| format!("{} {}", cause.object, cause.id)).collect()
}

#[test]
fn each_case_is_named_once_and_nothing_else() {
    for (case, causes, follow) in CASES {
        let (mut snapshot, now) = taken(case);
        // of the ports that look wrong, none had anybody listening, of the others all
        for (pod, port) in wanted_ports(&snapshot, now, 10) {
            let is_open = *case != "target-port";
            let address = is_open.then_some(true);
            snapshot.add_port(&pod, port, PortState { loopback: Some(is_open), address });
        }
        let found = diagnose(&snapshot, now);
        assert_eq!(named(&found, false), *causes, "{case}");
        assert_eq!(named(&found, true), *follow, "{case}");
        assert_eq!(found.not_looked_at, [].into(), "{case}");
        for cause in &found.causes {
            assert!(ids().any(|id| id == cause.id), "{case}: {}", cause.id);
            assert!(!cause.hint.is_empty() && !cause.evidence.is_empty(), "{case}: {cause:?}");
        }
    }
}

#[test]
fn every_recording_is_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut judged: Vec<String> = CASES.iter().map(|(case, ..)| (*case).to_owned()).collect();
    files.sort();
    judged.sort();
    assert_eq!(files, judged);
}

/// What could not be read rules nothing out and accuses nobody.
#[test]
fn what_was_not_read_is_not_looked_at() {
    let (snapshot, now) = taken("certificate-expired");
    let mut partial = Snapshot::default();
    for kind in ["Ingress", "Service", "Pod", "Deployment", "ReplicaSet"] {
        partial.add(kind, snapshot.of(kind).to_vec());
    }
    partial.unread("Secret", "secrets is forbidden");
    let found = diagnose(&partial, now);
    assert_eq!(named(&found, false), Vec::<String>::new());
    let why = &found.not_looked_at["certificate-expired"];
    assert_eq!(why, "Secret objects could not be read: secrets is forbidden");
    assert!(!found.not_looked_at.contains_key("oom-killed"));
}
