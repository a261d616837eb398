//! What becomes of objects that are changed: the world is stepped through time, without a server.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::object;
use crate::simulation::{Clock, Simulation};

/// A world whose time passes as it is told.
pub(super) struct Stage {
    pub(super) world: Simulation,
    pub(super) now: Timestamp,
}

impl Stage {
    pub(super) fn of(scenario: &str) -> Self {
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        Self {
            world: Simulation::build(
                &petrosa(),
                petrosa().scenario(scenario).unwrap(),
                Clock::starting_at(now),
                "",
                &[],
            )
            .unwrap(),
            now,
        }
    }

    pub(super) fn get(&self, plural: &'static str, name: &str) -> Value {
        self.find(plural, name).unwrap_or_else(|| panic!("no {plural} {name}"))
    }

    pub(super) fn find(&self, plural: &'static str, name: &str) -> Option<Value> {
        self.world.store.get(plural, "petrosa-apps", name).map(|object| (**object).clone())
    }

    pub(super) fn patch(&mut self, plural: &'static str, name: &str, patch: &Value) {
        let mut object = self.get(plural, name);
        object::merge(&mut object, patch);
        self.world.store.put(object, self.now);
    }

    pub(super) fn put(&mut self, mut object: Value) {
        crate::controllers::complete(&mut object, &self.world.store);
        self.world.store.put(object, self.now);
    }

    pub(super) fn step(&mut self) -> bool {
        self.now = self.now.checked_add(SignedDuration::from_millis(100)).unwrap();
        self.world.step(self.now)
    }

    /// Steps until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            if self.step() {
                return;
            }
        }
        panic!("the world does not settle");
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self.settle();
    }

    pub(super) fn pods(&self, app: &str) -> Vec<Arc<Value>> {
        self.world
            .store
            .list("pods", Some("petrosa-apps"))
            .filter(|pod| pod["metadata"]["labels"]["app"] == app)
            .cloned()
            .collect()
    }

    pub(super) fn bots(&self) -> Vec<Arc<Value>> {
        self.pods(BOT)
    }

    pub(super) fn condition(
        &self,
        plural: &'static str,
        name: &str,
        kind: &str,
    ) -> (String, String) {
        let object = self.get(plural, name);
        let found = object::list(&object["status"]["conditions"])
            .iter()
            .find(|condition| condition["type"] == kind)
            .cloned()
            .unwrap_or_default();
        (
            found["status"].as_str().unwrap_or_default().to_owned(),
            found["reason"].as_str().unwrap_or_default().to_owned(),
        )
    }

    pub(super) fn events(&self, reason: &str) -> Vec<String> {
        let events = self
            .world
            .store
            .list("events", Some("petrosa-apps"))
            .filter(|event| event["reason"] == reason);
        events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks a pod.
    pub(super) fn ask(&mut self, pod: &str, request: &str, body: &Value) -> (u16, Value) {
        let (method, target) = request.split_once(' ').unwrap();
        let request = crate::app::Request {
            method: method.to_owned(),
            target: target.to_owned(),
            body: body.to_string().into_bytes(),
        };
        let snapshot = self.world.snapshot();
        let pod = snapshot.pod("petrosa-apps", pod).unwrap();
        let watch = crate::app::Watch::at(self.now);
        let response = crate::app::respond(&snapshot, pod, 8080, &request, &watch, 0).unwrap();
        let text = String::from_utf8(response.body.clone()).unwrap();
        (response.status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

pub(super) const BOT: &str = "petrosa-ta-bot";

pub(super) fn image(version: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "ta-bot",
        "image": format!("yurisa2/petrosa-ta-bot:{version}")}]}}}})
}

fn revisions(stage: &Stage) -> Vec<(String, String, u64)> {
    let sets = stage
        .world
        .store
        .list("replicasets", Some("petrosa-apps"))
        .filter(|set| set["metadata"]["labels"]["app"] == BOT);
    let mut found: Vec<_> = sets
        .map(|set| {
            let image = set["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned();
            (
                set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                image,
                set["spec"]["replicas"].as_u64().unwrap(),
            )
        })
        .collect();
    found.sort();
    found
}

fn revision(number: &str, image: &str, replicas: u64) -> (String, String, u64) {
    (number.to_owned(), image.to_owned(), replicas)
}

#[test]
fn a_world_at_rest_stays_as_it_is() {
    let mut stage = Stage::of("healthy");
    let before = stage.world.store.revision();
    for _ in 0..10 {
        assert!(stage.step());
    }
    assert_eq!(stage.world.store.revision(), before);
}

#[test]
fn a_new_template_is_rolled_out() {
    let mut stage = Stage::of("healthy");
    let before: Vec<Arc<Value>> = stage.bots();
    stage.patch("deployments", BOT, &image("v1.0.69"));
    let deployment = stage.get("deployments", BOT);
    assert_ne!(
        deployment["metadata"]["generation"], deployment["status"]["observedGeneration"],
        "not seen yet"
    );
    let mut least = u64::MAX;
    for _ in 0..30 {
        stage.step();
        let status = stage.get("deployments", BOT)["status"].clone();
        least = least.min(status["availableReplicas"].as_u64().unwrap_or(0));
        if status["updatedReplicas"] == 3
            && status["availableReplicas"].as_u64() < Some(6)
            && status["replicas"] == 6
        {
            assert_eq!(stage.condition("deployments", BOT, "Progressing").1, "ReplicaSetUpdated");
        }
    }
    stage.settle();
    assert!(least >= 3, "maxUnavailable is 0, {least} were available");
    let deployment = stage.get("deployments", BOT);
    assert_eq!(deployment["status"]["observedGeneration"], deployment["metadata"]["generation"]);
    for (field, expected) in [
        ("replicas", json!(3)),
        ("updatedReplicas", json!(3)),
        ("readyReplicas", json!(3)),
        ("availableReplicas", json!(3)),
        ("unavailableReplicas", Value::Null),
    ] {
        assert_eq!(deployment["status"][field], expected, "{field}");
    }
    assert_eq!(
        stage.condition("deployments", BOT, "Progressing"),
        ("True".to_owned(), "NewReplicaSetAvailable".to_owned())
    );
    assert_eq!(revisions(&stage), [revision("1", "v1.0.68", 0), revision("2", "v1.0.69", 3)]);
    assert_eq!(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    let after = stage.bots();
    assert_eq!(after.len(), 3);
    assert!(
        after.iter().all(|pod| !before.iter().any(|old| object::name(old) == object::name(pod)))
    );
    let name = object::name(&after[0]).to_owned();
    assert_eq!(
        stage.ask(&name, "GET /health", &Value::Null).1["version"],
        "1.0.69",
        "the version follows the image"
    );
}

#[test]
fn going_back_takes_the_earlier_set_again() {
    let mut stage = Stage::of("healthy");
    stage.patch(
        "deployments",
        BOT,
        &json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "v1.0.69"}}}),
    );
    for version in ["v1.0.69", "v1.0.68"] {
        stage.patch("deployments", BOT, &image(version));
        stage.settle();
    }
    assert_eq!(revisions(&stage), [revision("2", "v1.0.69", 0), revision("3", "v1.0.68", 3)]);
    let sets: Vec<_> = stage
        .world
        .store
        .list("replicasets", Some("petrosa-apps"))
        .filter(|set| set["metadata"]["labels"]["app"] == BOT)
        .collect();
    let back = sets.iter().find(|set| set["spec"]["replicas"] == 3).unwrap();
    assert_eq!(back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    assert!(
        sets.iter()
            .all(|set| set["metadata"]["annotations"]["kubernetes.io/change-cause"] == "v1.0.69")
    );
}

#[test]
fn an_image_that_cannot_be_pulled_stops_the_rollout() {
    let mut stage = Stage::of("healthy");
    stage.patch("deployments", BOT, &image("v1.0.99"));
    stage.settle();
    let waiting: Vec<_> =
        stage.bots().into_iter().filter(|pod| pod["status"]["phase"] == "Pending").collect();
    assert_eq!(waiting.len(), 3);
    assert_eq!(
        waiting[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "ImagePullBackOff"
    );
    assert_eq!(stage.condition("deployments", BOT, "Progressing").1, "ReplicaSetUpdated");
    stage.pass(25);
    assert_eq!(
        stage.condition("deployments", BOT, "Progressing"),
        ("False".to_owned(), "ProgressDeadlineExceeded".to_owned())
    );
    assert_eq!(stage.condition("deployments", BOT, "Available").0, "True");
    let status = stage.get("deployments", BOT)["status"].clone();
    assert_eq!(
        (&status["readyReplicas"], &status["replicas"], &status["unavailableReplicas"]),
        (&json!(3), &json!(6), &json!(3))
    );
    // and back
    stage.patch("deployments", BOT, &image("v1.0.68"));
    stage.settle();
    assert_eq!(
        stage.condition("deployments", BOT, "Progressing"),
        ("True".to_owned(), "NewReplicaSetAvailable".to_owned())
    );
    assert_eq!(stage.bots().len(), 3);
}

#[test]
fn a_paused_deployment_does_not_roll_and_can_be_scaled() {
    let mut stage = Stage::of("healthy");
    stage.patch("deployments", BOT, &json!({"spec": {"paused": true}}));
    stage.settle();
    assert_eq!(
        stage.condition("deployments", BOT, "Progressing"),
        ("Unknown".to_owned(), "DeploymentPaused".to_owned())
    );
    stage.patch("deployments", BOT, &image("v1.0.69"));
    stage.patch("deployments", BOT, &json!({"spec": {"replicas": 2}}));
    stage.settle();
    assert_eq!(revisions(&stage), [revision("1", "v1.0.68", 2)]);
    stage.patch("deployments", BOT, &json!({"spec": {"paused": false}}));
    stage.settle();
    assert_eq!(revisions(&stage), [revision("1", "v1.0.68", 0), revision("2", "v1.0.69", 2)]);
    assert_eq!(stage.condition("deployments", BOT, "Progressing").1, "NewReplicaSetAvailable");
}

#[test]
fn only_so_many_old_sets_are_kept() {
    let mut stage = Stage::of("healthy");
    stage.patch("deployments", BOT, &json!({"spec": {"revisionHistoryLimit": 1}}));
    for version in ["v1.0.69", "v1.0.70", "v1.0.67"] {
        stage.patch("deployments", BOT, &image(version));
        stage.settle();
    }
    assert_eq!(revisions(&stage), [revision("3", "v1.0.70", 0), revision("4", "v1.0.67", 3)]);
}

#[test]
fn recreate_ends_all_pods_first() {
    let mut stage = Stage::of("healthy");
    stage.patch(
        "deployments",
        BOT,
        &json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}),
    );
    stage.patch("deployments", BOT, &image("v1.0.69"));
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..30 {
        stage.step();
        least = least.min(stage.bots().len());
        most = most.max(stage.bots().len());
    }
    stage.settle();
    assert_eq!((least, most), (0, 3));
    assert_eq!(revisions(&stage), [revision("1", "v1.0.68", 0), revision("2", "v1.0.69", 3)]);
}

#[test]
fn replicas_follow_the_number_asked_for() {
    let mut stage = Stage::of("healthy");
    let first = stage.bots();
    for (replicas, events) in [
        (1, "Scaled down replica set"),
        (0, "Scaled down replica set"),
        (3, "Scaled up replica set"),
        (5, "Scaled up replica set"),
    ] {
        stage.patch("deployments", BOT, &json!({"spec": {"replicas": replicas}}));
        stage.settle();
        assert_eq!(stage.bots().len(), replicas);
        assert!(
            stage.events("ScalingReplicaSet").iter().any(|message| message.starts_with(events)
                && message.ends_with(&format!("to {replicas}")))
        );
        let slices = stage.world.store.list("endpointslices", Some("petrosa-apps")).find(|slice| {
            slice["metadata"]["labels"]["kubernetes.io/service-name"] == "petrosa-ta-bot-service"
        });
        assert_eq!(object::list(&slices.unwrap()["endpoints"]).len(), replicas);
    }
    assert!(
        stage
            .bots()
            .iter()
            .all(|pod| first.iter().all(|old| object::name(old) != object::name(pod))),
        "names are not given twice"
    );
    assert_eq!(revisions(&stage).len(), 1, "scaling is no rollout");
}

#[test]
fn a_deleted_pod_is_replaced_and_another_leads() {
    let mut stage = Stage::of("healthy");
    let leader = |stage: &Stage| {
        stage.get("leases", "petrosa-ta-bot-leader")["spec"]["holderIdentity"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let gone = leader(&stage);
    let pod = stage.get("pods", &gone);
    stage.world.store.put(
        {
            let mut pod = pod;
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:01Z");
            pod
        },
        stage.now,
    );
    stage.settle();
    assert!(stage.find("pods", &gone).is_none());
    assert_eq!(stage.bots().len(), 3);
    assert_eq!(leader(&stage), gone, "the lease has not expired");
    stage.pass(11);
    assert_ne!(leader(&stage), gone);
    let name = leader(&stage);
    assert_eq!(
        stage.ask(&name, "GET /health", &Value::Null).1["leader_election"]["is_leader"],
        true
    );
}

#[test]
fn what_a_deleted_deployment_owned_goes() {
    let mut stage = Stage::of("healthy");
    stage.world.store.delete("deployments", "petrosa-apps", BOT);
    stage.settle();
    assert!(stage.bots().is_empty() && revisions(&stage).is_empty());
}

#[test]
fn a_pod_whose_labels_no_longer_fit_is_let_go() {
    let mut stage = Stage::of("healthy");
    let name = object::name(&stage.bots()[0]).to_owned();
    stage.patch("pods", &name, &json!({"metadata": {"labels": {"app": "quarantine"}}}));
    stage.settle();
    assert_eq!(stage.bots().len(), 3);
    assert_eq!(stage.get("pods", &name)["metadata"]["ownerReferences"], json!(null));
}
