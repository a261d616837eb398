//! NetworkPolicies that keep pods from the DNS, as far as their fields say. The policy carries it, as
//! one keeps all the workloads that it isolates: what is seen of each of them follows from it.

mod rule;

use super::Kind;
use super::block::asked;
use super::evaluate::{self, client};
use super::policy::{POLICY, isolating};
use super::resolution::is_unanswered;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name, text};
use crate::view::{View, fits, listed};
use rule::{Access, access, asks_elsewhere, is_near};
use serde_json::Value;
use std::cmp::Reverse;
use std::net::IpAddr;

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
    "rollout-in-progress",
    "startup-failing",
    "startup-probe-kills",
];
/// Those of them of a program that runs: whatever is wrong, it cannot work without its DNS.
const RUNS: &[&str] = &["readiness-failing", "rollout-in-progress", "startup-failing"];
/// In how many of the last lines of such a program it says so.
const LATE: usize = 20;

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
        let Some(pod) = cause.pods.first().and_then(|pod| view.get("Pod", pod)) else { continue };
        let Some(said) = unanswered(view, cause, pod) else { continue };
        match judged(view, pod, asked(&said)) {
            Some(Judgement::Denied { policies, near, evidence }) => {
                let carrier = Object::of(policies[0]);
                cause.follows_from = Some((carrier.clone(), DNS));
                let at = found.iter().position(|(own, _)| own.object == carrier);
                let at = at.unwrap_or_else(|| {
                    found.push((denied(carrier, cause, pod, near), Vec::new()));
                    found.len() - 1
                });
                add(&mut found[at], cause, evidence);
            }
            Some(Judgement::Unknown(look)) => {
                let command = command(cause, pod);
                cause.hint = format!("{look} ({command}); otherwise {}", cause.hint);
            }
            None => {}
        }
    }
    of_pods.extend(found.into_iter().map(|(cause, workloads)| {
        let workloads: Vec<&str> = workloads.iter().map(String::as_str).collect();
        Cause { detail: listed(&workloads), ..cause }
    }));
}

/// What a program says of the DNS that does not answer: the reason that is told of it, or, of one
/// that runs, anything at the end of its log.
fn unanswered(view: &View<'_>, cause: &Cause, pod: &Value) -> Option<String> {
    if !SAID.contains(&cause.id) {
        return None;
    }
    let container = cause.container.as_deref().filter(|_| RUNS.contains(&cause.id));
    let log = container.and_then(|container| view.snapshot.last_words(name(pod), container));
    let lines = log.into_iter().flat_map(|log| log.lines().rev().take(LATE));
    [cause.detail.as_str()]
        .into_iter()
        .chain(lines)
        .map(str::to_lowercase)
        .find(|line| is_unanswered(line))
}

fn denied(carrier: Object, cause: &Cause, pod: &Value, near: Option<String>) -> Cause {
    let whom = if asks_elsewhere(pod) {
        "the nameservers of the pods (dnsPolicy, dnsConfig)"
    } else {
        "the DNS of the cluster: kube-dns in kube-system"
    };
    let near = near.map_or_else(String::new, |near| format!("{near}; "));
    let command = command(cause, pod);
    let hint = format!("{near}allow egress to port 53, UDP and TCP, of {whom} ({command})");
    Cause::new(DNS, carrier, "", "").hint(hint)
}

/// What evaluates the policies between a pod and the DNS servers.
fn command(cause: &Cause, pod: &Value) -> String {
    let namespace = &cause.object.namespace;
    format!("to evaluate it: {}", evaluate::dns(&client(cause, pod), namespace))
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
    /// By these policies, with what each of their rules allows instead. There is at least one policy.
    Denied {
        policies: Vec<&'a Value>,
        /// What a rule allows that is about the port of the DNS, in words.
        near: Option<String>,
        evidence: Vec<Evidence>,
    },
    /// What to look at.
    Unknown(String),
}

/// Whether the policies keep a pod from the DNS; none if they do not. `asked` is the address of the
/// server that it asked, if it says so.
fn judged<'a>(view: &View<'a>, pod: &Value, asked: Option<IpAddr>) -> Option<Judgement<'a>> {
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
    let (mut near, mut unknown) = (None, None);
    for policy in &policies {
        let field = format!("{}: spec.egress", Object::of(policy));
        let rules: Vec<&Value> = array(&policy["spec"]["egress"]).collect();
        if rules.is_empty() {
            evidence.push(Evidence::new(field.as_str(), "no rules"));
        }
        for (at, rule) in rules.into_iter().enumerate() {
            match access(view, pod, rule, asked) {
                Access::Allowed => return None,
                Access::Denied(only) => {
                    if is_near(rule) {
                        near.get_or_insert(format!("{} allows {only}", Object::of(policy)));
                    }
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
        None if policies.is_empty() => None,
        None => Some(Judgement::Denied { policies, near, evidence }),
    }
}

/// How many pods a policy is of.
fn isolated(view: &View<'_>, policy: &Value) -> usize {
    let is_of = |pod: &&Value| fits(&policy["spec"]["podSelector"], &pod["metadata"]["labels"]);
    view.of("Pod").iter().filter(is_of).count()
}
