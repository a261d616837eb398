//! The revisions of a workload. Pure.

use crate::diagnosis::pod::{is_live, is_ready};
use serde_json::{Value, json};

/// One revision of a workload: a pod template that it has, or had.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The number; a rollback gives the template a new one.
    pub number: u64,
    /// Images of the containers, by container.
    pub images: Vec<(String, String)>,
    /// `kubernetes.io/change-cause`, if someone wrote one.
    pub change_cause: Option<String>,
    /// When it came into being (RFC 3339).
    pub created: Option<String>,
    /// Whether it is the template that the workload has now.
    pub current: bool,
    /// How many pods it has; none where that is not known.
    pub pods: Option<u64>,
    /// How many of them are ready.
    pub ready: Option<u64>,
    /// The pod template, without the label that the controller adds.
    pub template: Value,
}

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// The revisions of a workload, newest first, from the objects that keep them: ReplicaSets of a
/// Deployment, ControllerRevisions of a StatefulSet or DaemonSet. Only those that the workload owns
/// count.
///
/// The rules are those of kubectl's `polymorphichelpers/history.go` and `rollback.go`; the current
/// one is found by its template, so that it is right also while the controller lags behind. A
/// ReplicaSet counts its ready pods; those of a ControllerRevision are counted here, if the pods are
/// known.
pub fn revisions(workload: &Value, keepers: &[Value], pods: Option<&[Value]>) -> Vec<Revision> {
    let uid = &workload["metadata"]["uid"];
    let owned = |keeper: &&Value| {
        keeper["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|owner| owner["controller"] == true && owner["uid"] == *uid)
    };
    let present = bare(&workload["spec"]["template"]);
    let mut all: Vec<Revision> = keepers
        .iter()
        .filter(owned)
        .filter_map(|keeper| revision(keeper, &present, pods))
        .collect();
    all.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    // two keepers of one template: only the newest is current
    let mut seen = false;
    for revision in &mut all {
        revision.current &= !seen;
        seen |= revision.current;
    }
    all
}

fn revision(keeper: &Value, present: &Value, pods: Option<&[Value]>) -> Option<Revision> {
    let metadata = &keeper["metadata"];
    let (number, template) = if keeper["kind"] == "ControllerRevision" {
        let mut template = keeper["data"]["spec"]["template"].clone();
        if let Some(template) = template.as_object_mut() {
            template.shift_remove("$patch");
        }
        (keeper["revision"].as_u64()?, template)
    } else {
        (
            metadata["annotations"][REVISION].as_str()?.parse().ok()?,
            keeper["spec"]["template"].clone(),
        )
    };
    let template = bare(&template);
    let cause = metadata["annotations"][CHANGE_CAUSE]
        .as_str()
        .or(template["metadata"]["annotations"][CHANGE_CAUSE].as_str());
    let containers = template["spec"]["containers"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let counted = |name: &str| keeper["status"][name].as_u64().unwrap_or_default();
    let (has, ready) = match (keeper["kind"] == "ControllerRevision", pods) {
        (true, pods) => pods.map(|pods| pods_of(keeper, pods)).unzip(),
        (false, _) => (Some(counted("replicas")), Some(counted("readyReplicas"))),
    };
    Some(Revision {
        number,
        images: containers
            .map(|container| (text(&container["name"]), text(&container["image"])))
            .collect(),
        change_cause: cause.map(str::to_owned),
        created: metadata["creationTimestamp"].as_str().map(str::to_owned),
        current: same(&template, present),
        pods: has,
        ready,
        template,
    })
}

/// How many live pods a ControllerRevision has, and how many of them are ready. Those of a StatefulSet have its name as a label,
/// those of a DaemonSet its hash (pkg/controller/statefulset, `setPodRevision`; pkg/controller/daemon,
/// `CreatePodTemplate`).
fn pods_of(keeper: &Value, pods: &[Value]) -> (u64, u64) {
    const HASH: &str = "controller-revision-hash";
    let (name, hash) = (&keeper["metadata"]["name"], &keeper["metadata"]["labels"][HASH]);
    let is_of = |pod: &&Value| {
        let own = &pod["metadata"]["labels"][HASH];
        own.is_string() && (own == name || own == hash)
    };
    let own: Vec<&Value> = pods.iter().filter(is_of).filter(|pod| is_live(pod)).collect();
    (own.len() as u64, own.iter().filter(|pod| is_ready(pod)).count() as u64)
}

/// The template without the label of its ReplicaSet.
fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    template
}

/// Whether two templates are one; empty fields count as absent.
fn same(one: &Value, other: &Value) -> bool {
    fn clean(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().map(|(key, value)| (key.clone(), clean(value)));
                Value::Object(
                    kept.filter(|(_, value)| {
                        !value.is_null() && *value != json!({}) && *value != json!([])
                    })
                    .collect(),
                )
            }
            Value::Array(items) => Value::Array(items.iter().map(clean).collect()),
            other => other.clone(),
        }
    }
    clean(one) == clean(other)
}

/// The revision to go back to.
///
/// # Errors
/// Why there is none, with those that exist.
pub fn target_of(revisions: &[Revision], wanted: Option<u64>) -> Result<&Revision, String> {
    let numbers = || {
        revisions.iter().map(|revision| revision.number.to_string()).collect::<Vec<_>>().join(", ")
    };
    match wanted {
        Some(number) => {
            revisions.iter().find(|revision| revision.number == number).ok_or_else(|| {
                format!(
                    "revision {number} does not exist; available: {}",
                    if revisions.is_empty() { "none".to_owned() } else { numbers() }
                )
            })
        }
        None => match revisions.iter().position(|revision| revision.current) {
            // what comes next in age; two revisions are never of one template
            Some(place) => {
                revisions.get(place + 1).ok_or_else(|| "there is no earlier revision".to_owned())
            }
            // the controller has not seen the present template yet: the newest that it knows is the
            // one before
            None => revisions.first().ok_or_else(|| "there is no rollout history".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(image: &str) -> Value {
        json!({"metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": image}]}})
    }

    fn set(number: &str, image: &str, owner: &str) -> Value {
        let mut template = template(image);
        template["metadata"]["labels"]["pod-template-hash"] = json!("abc");
        json!({"kind": "ReplicaSet",
            "metadata": {"annotations": {REVISION: number, CHANGE_CAUSE: format!("to {image}")},
            "ownerReferences": [{"controller": true, "uid": owner}]},
            "spec": {"template": template}})
    }

    fn deployment(image: &str) -> Value {
        json!({"kind": "Deployment", "metadata": {"uid": "u"},
            "spec": {"template": template(image)}})
    }

    #[test]
    fn newest_first_and_only_those_that_are_owned() {
        let all = revisions(
            &deployment("c:2"),
            &[
                set("1", "c:1", "u"),
                set("10", "c:2", "u"),
                set("9", "c:0", "u"),
                set("11", "x", "other"),
            ],
            None,
        );
        assert_eq!(
            all.iter().map(|revision| (revision.number, revision.current)).collect::<Vec<_>>(),
            [(10, true), (9, false), (1, false)]
        );
        assert_eq!(all[0].images, [("c".to_owned(), "c:2".to_owned())]);
        assert_eq!(all[0].change_cause.as_deref(), Some("to c:2"));
    }

    #[test]
    fn the_previous_one_is_the_one_before_the_present_template() {
        let sets = [set("1", "c:1", "u"), set("2", "c:2", "u"), set("3", "c:3", "u")];
        for (present, wanted, found) in [
            ("c:3", None, Ok(2)),
            ("c:3", Some(1), Ok(1)),
            ("c:4", None, Ok(3)),
            ("c:1", None, Err(())),
            ("c:3", Some(7), Err(())),
        ] {
            let all = revisions(&deployment(present), &sets, None);
            assert_eq!(
                target_of(&all, wanted).map(|revision| revision.number).map_err(|_| ()),
                found,
                "{present} {wanted:?}"
            );
        }
        assert!(target_of(&[], None).is_err());
    }

    #[test]
    fn controller_revisions_hold_a_patch() {
        let mut data = template("c:1");
        data["$patch"] = json!("replace");
        let keeper = json!({"kind": "ControllerRevision", "revision": 4,
            "metadata": {"name": "db-5f6", "labels": {"controller-revision-hash": "5f6"},
                "ownerReferences": [{"controller": true, "uid": "u"}]},
            "data": {"spec": {"template": data}}});
        let all = revisions(&deployment("c:1"), std::slice::from_ref(&keeper), None);
        assert_eq!(
            (all[0].number, all[0].current, all[0].template["$patch"].is_null()),
            (4, true, true)
        );
        assert_eq!(all[0].ready, None);
        let pod = |hash: &str, ready: &str| {
            json!({"metadata": {"labels": {"controller-revision-hash": hash}},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}})
        };
        // of a StatefulSet, of a DaemonSet, of another revision, not ready
        let pods = [
            pod("db-5f6", "True"),
            pod("5f6", "True"),
            pod("db-7a8", "True"),
            pod("db-5f6", "False"),
        ];
        let all = revisions(&deployment("c:1"), &[keeper], Some(&pods));
        assert_eq!((all[0].pods, all[0].ready), (Some(3), Some(2)));
    }
}
