//! What a cluster does with the objects by itself. Each controller brings the store to what the objects ask for and does
//! nothing when it is there already, so that they can run again after any change.

mod defaults;
mod election;
mod endpoints;
mod events;
mod kubelet;
mod workloads;

pub(crate) use defaults::complete;
pub(crate) use election::elect;
pub(crate) use endpoints::endpoints;
pub(crate) use events::expire_events;
pub(crate) use kubelet::{Process, probe, run_pods};
pub(crate) use workloads::{History, deployment_status, deployments, replica_sets};

use sha2::{Digest, Sha256};

/// The letters of generated names: no vowels, nothing that reads like another letter.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Letters as in generated names, the same for the same text in every run.
pub(crate) fn letters(text: &str, count: usize) -> String {
    Sha256::digest(text).iter().take(count).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
