//! What to do about a pod that the kubelet of its node rejects: the message says why.

/// How the message of every rejection begins (pkg/kubelet/kubelet.go, `rejectPod`).
const REJECTED: &str = "Pod was rejected: ";

/// What to do, by the reason of the rejection (pkg/kubelet/lifecycle, pkg/kubelet/sysctl and
/// pkg/kubelet/cm/topologymanager).
pub(super) fn hint(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "AppArmor" => {
            "use a node on which AppArmor is enabled and the profile is loaded, or change \
                appArmorProfile of the pod"
        }
        "SysctlForbidden" => {
            "remove the sysctl from securityContext.sysctls, or add it to allowedUnsafeSysctls of \
                the kubelets"
        }
        "TopologyAffinityError" => {
            "compare the requests of the pod with the NUMA nodes and the topologyManagerPolicy of \
                its node"
        }
        "PodOSNotSupported" | "PodOSSelectorNodeLabelDoesNotMatch" => {
            "select nodes of its operating system: compare spec.os and nodeSelector with the label \
                kubernetes.io/os"
        }
        "SupplementalGroupsPolicyNotSupported" => {
            "use a node whose container runtime supports supplementalGroupsPolicy, or remove the \
                field"
        }
        _ => return None,
    })
}

/// What to do about a pod that has failed as a whole. Events are gone after an hour, and say the
/// same.
pub(super) fn hint_of_failed(reason: &str, message: &str) -> &'static str {
    hint(reason).unwrap_or(if message.starts_with(REJECTED) {
        "correct what the message names: the kubelet of its node rejected the pod"
    } else if message.is_empty() {
        "check the events of the pod"
    } else {
        "correct what the message names"
    })
}
