//! The controllers. Each brings the store to the state that the objects specify and does nothing if
//! it is there already, so that all can run again after any change.

mod autoscaler;
mod back_off;
mod cronjob;
mod daemonset;
mod defaults;
mod deployment;
mod deployment_status;
mod disruption;
mod election;
mod ending;
mod endpoints;
mod events;
mod garbage;
mod init;
mod job;
mod kubelet;
mod moment;
mod pods;
mod probe;
mod processes;
mod quota;
mod replicaset;
mod rest;
mod restarts;
mod revision;
mod scheduler;
mod start;
mod statefulset;
mod volumes;

pub(crate) use autoscaler::{Disagreements, autoscale};
pub(crate) use back_off::Run;
pub(crate) use cronjob::{Scheduled, cron_schedules};
pub(crate) use daemonset::daemon_sets;
pub(crate) use defaults::complete;
pub(crate) use deployment::{History, deployments, former_sets};
pub(crate) use deployment_status::deployment_status;
pub(crate) use disruption::disruption_budgets;
pub(crate) use election::{elect, keep_leases};
pub(crate) use endpoints::{PER_SLICE, endpoints};
pub(crate) use events::expire_events;
pub(crate) use garbage::{ask_to_go, collect_garbage};
pub(crate) use job::{cron_jobs, jobs, with_selector};
pub(crate) use kubelet::{Ended, Kubelet, Process, end_pods, probe, run_pods};
pub(crate) use moment::{Moment, earliest};
pub(crate) use pods::Names;
pub(crate) use processes::live;
pub(crate) use quota::quotas;
pub(crate) use replicaset::{replica_set_status, replica_sets};
pub(crate) use rest::Rests;
pub(crate) use restarts::restart_containers;
pub(crate) use scheduler::schedule;
pub(crate) use start::{Because, Images};
pub(crate) use statefulset::stateful_sets;
pub(crate) use volumes::claims;

use sha2::{Digest, Sha256};

/// The letters of generated names: no vowels, nothing that reads like another letter.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Letters as in generated names, the same for the same text in every run.
pub(crate) fn letters(text: &str, count: usize) -> String {
    Sha256::digest(text)
        .iter()
        .take(count)
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}
