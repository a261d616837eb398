//! A change of a workload is asked of the API server and made by a controller. Until that controller
//! has observed it, the pods and the status are those of before, and a condition on them says
//! nothing about the change.

use super::Run;
use crate::action::{Context, Failure};
use crate::api::Write;
use crate::diagnosis::object::{count, stated};
use crate::event::PlannedChange;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at the object.
const PAUSE: Duration = Duration::from_millis(100);

/// How long to wait for the first new pod of a Deployment that its controller has observed. The
/// status is written before the controller of ReplicaSets makes pods.
const FIRST_POD: Duration = Duration::from_secs(5);

/// What the object of a change says of its controller.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The status is of a generation before.
    Before,
    /// The status is of this generation, and all pods of before are in place.
    Unchanged,
    /// The controller acts, or says why it does not.
    Begun,
}

impl Run {
    /// Waits until the controllers have observed the changes of a step, as `kubectl rollout status`
    /// does (`pkg/polymorphichelpers/rollout_status.go`). Who may not read the objects does not
    /// wait.
    pub(super) async fn observed(
        &self,
        made: &[PlannedChange],
        context: &Context,
    ) -> Result<(), Failure> {
        let Some(port) = self.permit.port() else { return Ok(()) };
        for planned in made.iter().filter(|planned| is_of_a_controller(planned)) {
            let Ok(write) = serde_json::from_value::<Write>(planned.request.clone()) else {
                continue;
            };
            let begun = Instant::now();
            while let Ok(Some(now)) =
                port.look(&write.resource, &write.namespace, &write.name).await
            {
                let object = planned.object.short();
                match seen(&now) {
                    Seen::Begun => break,
                    Seen::Unchanged if begun.elapsed() >= FIRST_POD => break,
                    Seen::Before if Instant::now() >= context.deadline => {
                        return Err(Failure::error(format!(
                            "the change was made, but its controller has not observed it: the \
                             status of {object} is still of the generation before; check that \
                             kube-controller-manager runs"
                        )));
                    }
                    Seen::Before | Seen::Unchanged => {
                        (context.progress)(&format!("waiting for the controller of {object}"));
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_of_a_controller(planned: &PlannedChange) -> bool {
    planned.object.api_version == "apps/v1" && planned.verb == "patch" && planned.is_rolled_out()
}

fn seen(workload: &Value) -> Seen {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    if count(&status["observedGeneration"]) < count(&workload["metadata"]["generation"]) {
        return Seen::Before;
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let is_as_before = workload["kind"] == "Deployment"
        && wanted > 0
        && spec["paused"] != true
        && stated(workload, "ReplicaFailure", "True").is_none()
        && count(&status["updatedReplicas"]) == 0
        && count(&status["availableReplicas"]) >= wanted;
    if is_as_before { Seen::Unchanged } else { Seen::Begun }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_status_of_before_says_nothing_about_a_change() {
        let deployment = |spec: Value, status: Value| {
            json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": spec,
                "status": status})
        };
        let spec = || json!({"replicas": 2});
        let old = |observed: i64, updated: i64| {
            json!({"observedGeneration": observed, "replicas": 2, "availableReplicas": 2,
                "updatedReplicas": updated})
        };
        let mut refused = old(2, 0);
        refused["conditions"] = json!([{"type": "ReplicaFailure", "status": "True"}]);
        for (spec, status, wanted) in [
            (spec(), old(1, 2), Seen::Before),
            (spec(), json!({}), Seen::Before),
            (spec(), old(2, 0), Seen::Unchanged),
            (spec(), old(2, 1), Seen::Begun),
            (spec(), refused, Seen::Begun),
            (json!({"replicas": 2, "paused": true}), old(2, 0), Seen::Begun),
            (json!({"replicas": 0}), json!({"observedGeneration": 2}), Seen::Begun),
            // an old pod has gone already
            (spec(), json!({"observedGeneration": 2, "availableReplicas": 1}), Seen::Begun),
        ] {
            assert_eq!(seen(&deployment(spec.clone(), status.clone())), wanted, "{spec} {status}");
        }
        let set = json!({"kind": "StatefulSet", "metadata": {"generation": 2},
            "spec": {"replicas": 2}, "status": {"observedGeneration": 2, "availableReplicas": 2}});
        assert_eq!(seen(&set), Seen::Begun);
    }
}
