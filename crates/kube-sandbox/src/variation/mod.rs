//! Variations of a world: legitimate differences between healthy clusters, which must not change any
//! verdict.
//!
//! A variation is a pure function of a world and a seed. It applies to the declared objects, before
//! anything is derived from them, or to the running cluster, for states that no manifest declares (a
//! pod that is being deleted, a restart weeks ago), or to both.
//!
//! A kind of variation is an entry of [`KINDS`]: its name, a description in one line, and its
//! functions.

#![expect(clippy::ptr_arg, reason = "all kinds have one signature, and some of them add objects")]

mod chance;
mod cluster;
mod containers;
mod history;
mod network;
mod objects;
mod pods;
mod ports;

use jiff::Timestamp;
use serde_json::Value;

pub(crate) use chance::Chance;

use crate::app::Apps;

/// A change of what is declared.
type Declared = fn(&mut Vec<Value>, &mut Chance);
/// A change of what is declared, as the descriptions of the apps allow it.
type OfApps = fn(&mut Vec<Value>, &mut Chance, &Apps);
/// What is put into the world that runs, made from what is there: new objects, and those that are
/// changed.
type Running = fn(&[&Value], &mut Chance, Timestamp) -> Vec<Value>;

/// A kind of variation.
#[derive(Debug, Clone, Copy)]
pub struct VariationKind {
    /// Its name: `sidecar-first`.
    pub name: &'static str,
    /// The difference, in one line.
    pub title: &'static str,
    declared: Option<Declared>,
    of_apps: Option<OfApps>,
    running: Option<Running>,
}

/// One variation: a kind, and the seed that makes its choices.
#[derive(Debug, Clone, Copy)]
pub struct Variation {
    /// The kind.
    pub kind: &'static VariationKind,
    /// The seed: the same one makes the same choices.
    pub seed: u64,
}

const fn declared(name: &'static str, title: &'static str, change: Declared) -> VariationKind {
    VariationKind { name, title, declared: Some(change), of_apps: None, running: None }
}

const fn of_apps(name: &'static str, title: &'static str, change: OfApps) -> VariationKind {
    VariationKind { name, title, declared: None, of_apps: Some(change), running: None }
}

const fn running(name: &'static str, title: &'static str, change: Running) -> VariationKind {
    VariationKind { name, title, declared: None, of_apps: None, running: Some(change) }
}

const fn both(
    name: &'static str,
    title: &'static str,
    declared: Declared,
    running: Running,
) -> VariationKind {
    VariationKind { name, title, declared: Some(declared), of_apps: None, running: Some(running) }
}

/// Every kind of variation.
pub static KINDS: &[VariationKind] = &[
    declared(
        "sidecar-first",
        "The first container of every pod is a sidecar without ports",
        containers::sidecar_first,
    ),
    declared(
        "sidecar-with-ports",
        "Every pod has a proxy with ports and probes of its own",
        containers::sidecar_with_ports,
    ),
    declared(
        "default-container",
        "The application's container is not the first, and an annotation names it",
        containers::default_container,
    ),
    both(
        "init-containers",
        "Every pod has init containers that have completed",
        containers::init_containers,
        containers::init_statuses,
    ),
    both(
        "native-sidecars",
        "Init containers with restartPolicy Always run next to the application",
        containers::native_sidecars,
        containers::init_statuses,
    ),
    of_apps(
        "log-noise",
        "Logs contain harmless lines with the word error, very long lines and Unicode",
        |manifests, chance, apps| containers::variables("log-noise", manifests, chance, apps),
    ),
    of_apps(
        "slow-answers",
        "Servers respond some milliseconds later, within their limits",
        |manifests, chance, apps| containers::variables("slow-answers", manifests, chance, apps),
    ),
    of_apps(
        "other-version",
        "Applications run another version that works as well",
        containers::other_version,
    ),
    declared(
        "other-hash",
        "An annotation of the template changes the names of ReplicaSets and pods",
        containers::other_hash,
    ),
    declared(
        "other-port",
        "The applications listen on other ports; Services and policies follow",
        ports::other_port,
    ),
    declared(
        "port-renamed",
        "The ports of containers have other names; Services and probes follow",
        ports::port_renamed,
    ),
    declared(
        "target-port-by-name",
        "Services refer to ports of containers by name instead of number",
        ports::target_port_by_name,
    ),
    declared(
        "target-port-by-number",
        "Services refer to ports of containers by number instead of name",
        ports::target_port_by_number,
    ),
    declared("two-replicas", "Two pods of each application instead of three", pods::two_replicas),
    declared(
        "five-replicas",
        "Five pods of each application instead of three",
        pods::five_replicas,
    ),
    declared("one-replica", "One pod of each application instead of three", pods::one_replica),
    declared(
        "finished-pods",
        "A Job with the label of the application has completed",
        pods::finished_pods,
    ),
    running(
        "evicted-pods",
        "A pod with the label of the application was evicted long ago",
        pods::evicted_pods,
    ),
    running(
        "terminating-pods",
        "A pod with the label of the application is being deleted",
        pods::terminating_pods,
    ),
    running("old-restarts", "Containers were restarted seven times, weeks ago", pods::old_restarts),
    declared("extra-service", "One more Service with the same selector", network::extra_service),
    declared(
        "headless-service",
        "One more headless Service with the same selector",
        network::headless_service,
    ),
    declared("external-name", "An ExternalName Service", network::external_name),
    declared(
        "policy-for-allowed",
        "More policies that allow what is already allowed",
        network::policy_for_allowed,
    ),
    declared("policy-for-nobody", "A policy that selects no pod", network::policy_for_nobody),
    both(
        "dual-stack",
        "Services and pods have an IPv6 address as well",
        network::dual_stack,
        network::dual_stack_pods,
    ),
    declared(
        "split-slices",
        "The endpoints of a Service are spread over several EndpointSlices",
        network::split_slices,
    ),
    declared(
        "prometheus-elsewhere",
        "Prometheus runs in another namespace, and its Service has another name",
        network::prometheus_elsewhere,
    ),
    declared(
        "look-alikes",
        "Namespaces and workloads with similar names and labels",
        cluster::look_alikes,
    ),
    declared("cordoned-node", "A second node that is cordoned and tainted", cluster::cordoned_node),
    declared("autoscaler", "An autoscaler that keeps the number of replicas", cluster::autoscaler),
    declared("disruption-budget", "Disruption budgets", cluster::disruption_budgets),
    declared("foreign-cronjob", "A suspended CronJob of another team", cluster::foreign_cronjob),
    declared("more-labels", "More labels on objects and pods", objects::more_labels),
    declared(
        "gitops-annotations",
        "Annotations of a tool that deploys from Git",
        objects::gitops_annotations,
    ),
    declared("more-config-keys", "ConfigMaps have further keys", objects::more_config_keys),
    declared("more-secret-keys", "Secrets have further keys", objects::more_secret_keys),
    declared("other-names", "Policies and accounts have other names", objects::other_names),
    running(
        "old-revisions",
        "ReplicaSets of previous revisions, without pods",
        history::old_revisions,
    ),
    running("old-events", "Warnings of an hour ago that no longer apply", history::old_events),
];

impl VariationKind {
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

impl Variation {
    fn chance(&self) -> Chance {
        Chance::new(self.seed, self.kind.name)
    }

    /// What is declared, varied.
    pub(crate) fn declare(&self, manifests: &mut Vec<Value>, apps: &Apps) {
        if let Some(change) = self.kind.declared {
            change(manifests, &mut self.chance());
        }
        if let Some(change) = self.kind.of_apps {
            change(manifests, &mut self.chance(), apps);
        }
    }

    /// What is to be put into a world that runs.
    pub(crate) fn run(&self, objects: &[&Value], now: Timestamp) -> Vec<Value> {
        self.kind.running.map(|change| change(objects, &mut self.chance(), now)).unwrap_or_default()
    }
}

impl std::fmt::Display for Variation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.kind.name, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_does_something() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(KINDS.iter().all(|kind| {
            kind.declared.is_some() || kind.of_apps.is_some() || kind.running.is_some()
        }));
        assert!(
            VariationKind::named("sidecar-first").is_some()
                && VariationKind::named("nosuch").is_none()
        );
    }

    #[test]
    fn the_same_seed_makes_the_same_world_and_no_kind_is_without_effect() {
        let world = crate::tests::petrosa();
        let manifests: Vec<Value> =
            world.manifests().iter().map(|manifest| manifest.object.clone()).collect();
        for kind in KINDS.iter().filter(|kind| kind.declared.is_some() || kind.of_apps.is_some()) {
            let vary = |seed| {
                let mut varied = manifests.clone();
                Variation { kind, seed }.declare(&mut varied, world.apps());
                varied
            };
            assert_eq!(vary(1), vary(1), "{}", kind.name);
            assert_ne!(vary(1), manifests, "{}", kind.name);
        }
    }
}
