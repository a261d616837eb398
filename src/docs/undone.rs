//! How a person takes back what a verb has changed.

/// What takes back a change of this verb by hand, in words; none if it changes nothing that lasts.
pub(super) fn by_hand(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "apply" | "patch" => {
            "before the change, save the object (`kubectl get … -o yaml`); apply what was saved"
        }
        "scale" => "note the number of replicas before the change; scale back to it",
        "restart" => "a restart cannot be undone; it replaces the pods and changes nothing else",
        "rollback" | "set_image" | "set_env" => {
            "note the revision before the change (`kubectl rollout history`); `kubectl rollout undo \
                --to-revision` returns to it"
        }
        "label" | "annotate" => {
            "set the earlier value again, or remove the key (`KEY-` instead of `KEY=VALUE`)"
        }
        "delete" => {
            "before the change, save the object (`kubectl get … -o yaml`); create what was saved. \
                What belonged to it, such as the data of a volume, does not come back"
        }
        "create_job" | "probe_pod" => "delete what was created",
        "cordon" => "`kubectl uncordon` the node",
        "uncordon" => "`kubectl cordon` the node",
        "drain" => "`kubectl uncordon` the node; pods that were evicted stay where they are now",
        "restore" => "it cannot be undone: back up the data before it is replaced",
        "undo" => "make the change again",
        "exec" | "http" | "command" => {
            "it is unknown how: think about it before you run the command"
        }
        _ => return None,
    })
}
