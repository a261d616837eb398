//! NetworkPolicies that keep pods from the DNS, as far as their fields say. The policy carries it, as
//! one keeps all the workloads that it isolates: what is seen of each of them follows from it.

mod rule;

use super::Kind;
use super::policy::{POLICY, isolating};
use super::resolution::is_unanswered;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name, text};
use crate::view::{View, fits, listed};
use rule::{Access, access, asks_elsewhere};
use serde_json::Value;
use std::cmp::Reverse;

const DNS: &str = "dns-denied";
/// Ids of what a program in the pod says. Images are pulled and volumes mounted by the node, which
/// resolves names for itself.
const SAID: &[&str] = &[
    "app-exit",
    "exits-zero",
    "init-container-fails",
    "init-container-waits",
    "liveness-probe-kills",
    "post-start-hook-failed",
    "readiness-failing",
    "startup-failing",
    "startup-probe-kills",
];

pub(super) const KINDS: &[Kind] =
    &[Kind(DNS, "isolates pods that no NetworkPolicy allows to query DNS", POLICY)];

/// Says of pods that get no answer from the DNS that no policy lets them ask; or, where that depends
/// on labels or addresses that are not known, what to look at.
pub(super) fn explain(view: &View<'_>, of_pods: &mut Vec<Cause>) {
    if !view.has_read(&["NetworkPolicy"]) {
        return;
    }
    let mut found: Vec<(Cause, Vec<String>)> = Vec::new();
    for cause in of_pods.iter_mut() {
        if !SAID.contains(&cause.id) || !is_unanswered(&cause.detail.to_lowercase()) {
            continue;
        }
        let Some(pod) = cause.pods.first().and_then(|pod| view.get("Pod", pod)) else { continue };
        match judged(view, pod) {
            Some(Judgement::Denied(policies, evidence)) => {
                let carrier = Object::of(policies[0]);
                cause.follows_from = Some((carrier.clone(), DNS));
                let at = found.iter().position(|(own, _)| own.object == carrier);
                let at = at.unwrap_or_else(|| {
                    found.push((denied(carrier, pod), Vec::new()));
                    found.len() - 1
                });
                add(&mut found[at], cause, evidence);
            }
            Some(Judgement::Unknown(look)) => {
                cause.hint = format!("{look}; otherwise {}", cause.hint);
            }
            None => {}
        }
    }
    of_pods.extend(found.into_iter().map(|(cause, workloads)| {
        let workloads: Vec<&str> = workloads.iter().map(String::as_str).collect();
        Cause { detail: listed(&workloads), ..cause }
    }));
}

fn denied(carrier: Object, pod: &Value) -> Cause {
    let whom = if asks_elsewhere(pod) {
        "the nameservers of the pods (dnsPolicy, dnsConfig)"
    } else {
        "the DNS of the cluster: kube-dns in kube-system"
    };
    let hint = format!("allow egress to port 53, UDP and TCP, of {whom}");
    Cause::new(DNS, carrier, "", "").hint(hint)
}

/// Adds what is seen of one more workload, or of one more of its containers.
fn add(to: &mut (Cause, Vec<String>), cause: &Cause, evidence: Vec<Evidence>) {
    let (own, workloads) = to;
    let workload = cause.object.to_string();
    if !workloads.contains(&workload) {
        workloads.push(workload);
    }
    for pod in &cause.pods {
        if !own.pods.contains(pod) {
            own.pods.push(pod.clone());
        }
    }
    for one in evidence {
        if !own.evidence.contains(&one) {
            own.evidence.push(one);
        }
    }
}

enum Judgement<'a> {
    /// By these policies, with what each of their rules allows instead. There is at least one.
    Denied(Vec<&'a Value>, Vec<Evidence>),
    /// What to look at.
    Unknown(String),
}

/// Whether the policies keep a pod from the DNS; none if they do not.
fn judged<'a>(view: &View<'a>, pod: &Value) -> Option<Judgement<'a>> {
    // a pod in the network of its node is subject to no policy, and neither is what is within a pod
    let is_within = array(&pod["spec"]["dnsConfig"]["nameservers"])
        .any(|one| text(one).starts_with("127.") || one == "::1");
    if pod["spec"]["hostNetwork"] == true || is_within {
        return None;
    }
    let mut policies = isolating(view, pod, "Egress");
    // the same one for all pods, if several isolate them: that of the most
    policies.sort_by_key(|policy| (Reverse(isolated(view, policy)), name(policy)));
    let mut evidence = Vec::new();
    let mut unknown = None;
    for policy in &policies {
        let field = format!("{}: spec.egress", Object::of(policy));
        let rules: Vec<&Value> = array(&policy["spec"]["egress"]).collect();
        if rules.is_empty() {
            evidence.push(Evidence::new(field.as_str(), "no rules"));
        }
        for (at, rule) in rules.into_iter().enumerate() {
            match access(view, pod, rule) {
                Access::Allowed => return None,
                Access::Denied(only) => {
                    evidence.push(Evidence::new(format!("{field}[{at}]"), only));
                }
                Access::Unknown(how) => {
                    let look = format!("check whether {} allows DNS: {how}", Object::of(policy));
                    unknown.get_or_insert(look);
                }
            }
        }
    }
    match unknown {
        Some(look) => Some(Judgement::Unknown(look)),
        None => (!policies.is_empty()).then_some(Judgement::Denied(policies, evidence)),
    }
}

/// How many pods a policy is of.
fn isolated(view: &View<'_>, policy: &Value) -> usize {
    let is_of = |pod: &&Value| fits(&policy["spec"]["podSelector"], &pod["metadata"]["labels"]);
    view.of("Pod").iter().filter(is_of).count()
}
