//! The remedy that the words of the kubelet, the scheduler or a controller call for.

use crate::build::*;
use serde_json::{Value, json};

/// A hint that must have the one part, and must not have the other.
#[track_caller]
fn tells(said: &str, hint: &str, wanted: &str, wrong: &str) {
    assert!(hint.contains(wanted), "{said}: {hint}");
    assert!(wrong.is_empty() || !hint.contains(wrong), "{said}: {hint}");
}

fn first(objects: &[Value]) -> String {
    found(objects).causes.remove(0).hint
}

/// What is said of the pod `web-a`, which cannot mount or attach its volume for this.
fn unmounted(reason: &str, message: &str) -> String {
    let mut all = web_with(ill_pod("web-a", waiting("ContainerCreating", "")));
    all.push(event("Pod", "web-a", reason, "1m", message));
    first(&all)
}

#[test]
fn a_volume_whose_csi_driver_is_not_on_the_node_needs_the_driver() {
    let plugin = "the node plugin";
    for (message, wanted, wrong) in [
        (
            "MountVolume.SetUp failed for volume \"s\" : kubernetes.io/csi: mounter.SetUpAt failed \
                to get CSI client: driver name secrets-store.csi.k8s.io not found in the list of \
                registered CSI drivers",
            plugin,
            "Secret",
        ),
        (
            "MountVolume.MountDevice failed for volume \"configmap-data\" : kubernetes.io/csi: \
                attacher.MountDevice failed to create newCsiDriverClient: driver name \
                configmap.csi.example.com not found in the list of registered CSI drivers",
            plugin,
            "ConfigMap",
        ),
        (
            "MountVolume.SetUp failed for volume \"s\" : kubernetes.io/csi: mounter.SetupAt failed: \
                volume mode \"Ephemeral\" not supported by driver secrets-store.csi.k8s.io (no \
                CSIDriver object)",
            "install the CSI driver",
            "Secret",
        ),
        // the driver runs, and does not find what it is to mount
        (
            "MountVolume.SetUp failed for volume \"s\" : rpc error: code = Unknown desc = failed to \
                get secretproviderclass n/shop, error: SecretProviderClass.secrets-store.csi.x-k8s.io \
                \"shop\" not found",
            "create the SecretProviderClass",
            "the Secret ",
        ),
        (
            "MountVolume.SetUp failed for volume \"my-secret\" : configmap \"app\" not found",
            "create the ConfigMap",
            "Secret",
        ),
        (
            "MountVolume.SetUp failed for volume \"s\" : secret \"app\" not found",
            "the Secret",
            plugin,
        ),
        ("secrets \"app\" not found", "the Secret", plugin),
        (
            "MountVolume.SetUp failed for volume \"s\" : references non-existent secret key: k",
            "the Secret",
            plugin,
        ),
        (
            "MountVolume.SetUp failed for volume \"c\" : references non-existent config key: k",
            "the ConfigMap",
            "Secret",
        ),
    ] {
        tells(message, &unmounted("FailedMount", message), wanted, wrong);
    }
    for (message, wanted) in [
        (
            "AttachVolume.Attach failed for volume \"d\" : CSINode w1 does not contain driver ebs.csi.aws.com",
            plugin,
        ),
        (
            "AttachVolume.Attach failed for volume \"d\" : timed out waiting for external-attacher of \
                ebs.csi.aws.com CSI driver to attach volume vol-1",
            "the controller of the CSI driver",
        ),
        ("AttachVolume.Attach failed for volume \"d\" : rpc error: code = NotFound", "its storage"),
    ] {
        tells(message, &unmounted("FailedAttachVolume", message), wanted, "");
    }
}

#[test]
fn an_autoscaler_with_the_wrong_version_of_its_target_is_told_the_right_one() {
    let said = |reference: Value, message: &str| {
        let message =
            format!("the HPA controller was unable to get the target's current scale: {message}");
        let condition = json!({"type": "AbleToScale", "status": "False", "reason": "FailedGetScale",
            "message": message});
        let hpa = json!({"spec": {"scaleTargetRef": reference, "maxReplicas": 3},
            "status": {"conditions": [condition]}});
        let mut all = web(1, 1);
        all.extend([pod("web-a", json!({})), object("HorizontalPodAutoscaler", "web", hpa)]);
        first(&all)
    };
    let of = |version: &str, name: &str| json!({"apiVersion": version, "kind": "Deployment", "name": name});
    let typo = json!({"apiVersion": "apps/v1", "kind": "Deploymnt", "name": "web"});
    let rights = "rights, admission";
    for (reference, message, wanted) in [
        (
            of("extensions/v1beta1", "web"),
            "no matches for kind \"Deployment\" in group \"extensions\"",
            "correct scaleTargetRef.apiVersion: deployment/web has apps/v1",
        ),
        (
            of("apps/v1beta1", "web"),
            "no matches for kind \"Deployment\" in version \"apps/v1beta1\"",
            "correct scaleTargetRef.apiVersion: deployment/web has apps/v1",
        ),
        (
            of("a/b/c", "web"),
            "unexpected GroupVersion string: a/b/c",
            "correct scaleTargetRef.apiVersion: ",
        ),
        (
            typo,
            "no matches for kind \"Deploymnt\" in group \"apps\"",
            "correct scaleTargetRef.kind",
        ),
        (
            of("extensions/v1beta1", "other"),
            "no matches for kind \"Deployment\" in group \"extensions\"",
            "correct scaleTargetRef.apiVersion and scaleTargetRef.kind",
        ),
        (
            of("apps/v1", "web"),
            "the server could not find the requested resource",
            "scale subresource",
        ),
    ] {
        tells(message, &said(reference, message), wanted, rights);
    }
    let forbidden = "deployments.apps \"web\" is forbidden: User \"x\" cannot get resource";
    tells(forbidden, &said(of("apps/v1", "web"), forbidden), rights, "apiVersion");
}

#[test]
fn nodes_without_the_label_of_a_topology_key_need_it() {
    let said = |nodes: &str| {
        let spread = json!([{"topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"},
            {"topologyKey": "example.com/room", "whenUnsatisfiable": "ScheduleAnyway"}]);
        let pod =
            unscheduled("web-a", &format!("0/3 nodes are available: {nodes}. preemption: 0/3"));
        first(&web_with(merged(pod, json!({"spec": {"topologySpreadConstraints": spread}}))))
    };
    let unlabeled =
        "3 node(s) didn't match pod topology spread constraints (missing required label)";
    let label = "label the nodes with example.com/rack";
    let placement = "placement of the pods";
    tells(unlabeled, &said(unlabeled), label, placement);
    tells(unlabeled, &said(unlabeled), label, "example.com/room");
    let uneven = "3 node(s) didn't match pod topology spread constraints";
    tells(uneven, &said(uneven), placement, label);
    let both = "1 node(s) didn't match pod topology spread constraints (missing required label), 2 \
        node(s) didn't match pod topology spread constraints";
    tells(both, &said(both), placement, "");
    tells(both, &said(both), label, "");
}

#[test]
fn a_budget_that_never_allows_a_disruption_is_changed_by_what_it_says() {
    let of = |spec: Value| {
        let status = json!({"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1,
            "expectedPods": 1});
        let selector = json!({"selector": {"matchLabels": {"app": "web"}}});
        let budget = json!({"spec": merged(selector, spec), "status": status});
        let mut all = web(1, 1);
        all.push(pod("web-a", json!({})));
        all.push(object("PodDisruptionBudget", "b", budget));
        first(&all)
    };
    let replica = "add a replica";
    tells("none", &of(json!({"maxUnavailable": 0})), "raise maxUnavailable", replica);
    tells("all", &of(json!({"minAvailable": "100%"})), "lower minAvailable", replica);
    tells("one", &of(json!({"minAvailable": 1})), replica, "maxUnavailable");
}

#[test]
fn a_probe_that_asks_another_host_says_nothing_of_the_program() {
    let of = |host: Value| {
        let probe = json!({"httpGet": {"path": "/", "port": 8080, "host": host}});
        let spec = json!({"spec": {"containers": [{"name": "main", "readinessProbe": probe}]}});
        let mut all = web_with(merged(ill_pod("web-a", unready("1h")), spec));
        let said = "Readiness probe failed: HTTP probe failed with statuscode: 403";
        all.push(of_main("web-a", "Unhealthy", "1m", said));
        first(&all)
    };
    tells("another", &of(json!("10.0.0.1")), "remove the field host", "the program");
    tells("its own", &of(json!(null)), "the program refuses its request", "field host");
}

#[test]
fn a_limit_that_is_too_low_to_start_a_pod_is_to_be_raised() {
    let said = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start \
        sandbox: container init was OOM-killed (memory limit too low?): unknown";
    let mut all = web_with(ill_pod("web-a", waiting("ContainerCreating", "")));
    all.push(event("Pod", "web-a", "FailedCreatePodSandBox", "1m", said));
    tells(said, &first(&all), "raise resources.limits.memory", "network plugin");
}

#[test]
fn a_job_of_a_cronjob_is_run_again_from_that() {
    let failed = || job("import", "Failed", "BackoffLimitExceeded", json!({}));
    tells("by hand", &first(&[failed()]), "create the Job again", "--from=cronjob");
    let of_cronjob = [owned(failed(), "CronJob", "import"), cronjob(json!({}))];
    let causes = found(&of_cronjob).causes;
    let cause = causes.iter().find(|cause| cause.id == "job-failed").unwrap();
    tells("of a CronJob", &cause.hint, "--from=cronjob/import", "create the Job again");
}
