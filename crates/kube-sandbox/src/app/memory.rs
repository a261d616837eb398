//! The state of processes: counters, and values that they keep. It outlives a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

/// How often one thing is remembered to have happened in one process.
const MOST: usize = 100_000;
/// How many different complaints are kept.
const MOST_COMPLAINTS: usize = 20;

/// Of one pod, by namespace and name, what has this name.
type Of = (String, String, String);

/// The memory of all processes.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Inner>);

#[derive(Debug, Clone, Default)]
struct Inner {
    happened: BTreeMap<Of, Vec<Timestamp>>,
    looked_at: BTreeMap<Of, Timestamp>,
    values: BTreeMap<Of, Value>,
    stored: BTreeMap<(String, String), Value>,
    complaints: BTreeSet<String>,
    /// How often something was remembered, or forgotten, that expressions can ask for.
    turns: u64,
}

fn of(namespace: &str, pod: &str, name: &str) -> Of {
    (namespace.to_owned(), pod.to_owned(), name.to_owned())
}

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, of other processes.
    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.inner().clone()))
    }

    /// An expression or template of an app cannot be evaluated.
    pub(crate) fn complain(&self, complaint: String) {
        let mut inner = self.inner();
        if inner.complaints.len() < MOST_COMPLAINTS {
            inner.complaints.insert(complaint);
        }
    }

    /// How often something was remembered or forgotten that expressions can ask for.
    pub(crate) fn turns(&self) -> u64 {
        self.inner().turns
    }

    /// What could not be evaluated so far.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.inner().complaints.iter().cloned().collect()
    }

    /// Something happens in a pod.
    pub(crate) fn count(&self, namespace: &str, pod: &str, name: &str, at: Timestamp) {
        let mut inner = self.inner();
        inner.turns += 1;
        let times = inner.happened.entry(of(namespace, pod, name)).or_default();
        if times.len() < MOST {
            let place = times.partition_point(|time| *time <= at);
            times.insert(place, at);
        }
    }

    /// How often something had happened in a pod by then.
    pub(crate) fn happened(&self, namespace: &str, pod: &str, name: &str, at: Timestamp) -> usize {
        self.inner()
            .happened
            .get(&of(namespace, pod, name))
            .map_or(0, |times| times.partition_point(|time| *time <= at))
    }

    /// Until when what happens by itself has been looked at; sets it to now.
    pub(crate) fn look(
        &self,
        namespace: &str,
        pod: &str,
        name: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.inner().looked_at.insert(of(namespace, pod, name), now)
    }

    /// What a process keeps for itself under this name.
    pub(crate) fn recall(&self, namespace: &str, pod: &str, name: &str) -> Option<Value> {
        self.inner().values.get(&of(namespace, pod, name)).cloned()
    }

    /// Keeps something in a process, as long as its pod lives.
    pub(crate) fn remember(&self, namespace: &str, pod: &str, name: &str, value: Value) {
        let mut inner = self.inner();
        inner.turns += 1;
        inner.values.insert(of(namespace, pod, name), value);
    }

    /// What the processes of a namespace have stored under this name, in the database that they
    /// share.
    pub(crate) fn stored(&self, namespace: &str, name: &str) -> Option<Value> {
        self.inner().stored.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Stores something in the database of a namespace.
    pub(crate) fn store(&self, namespace: &str, name: &str, value: Value) {
        let mut inner = self.inner();
        inner.turns += 1;
        inner.stored.insert((namespace.to_owned(), name.to_owned()), value);
    }

    /// Forgets what a pod that is gone knew: another one of the same name begins anew.
    pub(crate) fn forget(&self, namespace: &str, pod: &str) {
        let mut inner = self.inner();
        inner.turns += 1;
        let other = |key: &Of| key.0 != namespace || key.1 != pod;
        inner.happened.retain(|key, _| other(key));
        inner.looked_at.retain(|key, _| other(key));
        inner.values.retain(|key, _| other(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_a_moment_and_a_pod() {
        let (memory, at) = (Memory::default(), |second| Timestamp::from_second(second).unwrap());
        for second in [3, 1, 2] {
            memory.count("n", "p", "round", at(second));
        }
        for (pod, second, expected) in [("p", 0, 0), ("p", 2, 2), ("p", 9, 3), ("q", 9, 0)] {
            assert_eq!(memory.happened("n", pod, "round", at(second)), expected, "{pod} {second}");
        }
        memory.forget("n", "p");
        assert_eq!(memory.happened("n", "p", "round", at(9)), 0);
    }
}
