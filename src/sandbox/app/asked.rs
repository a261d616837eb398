//! What the processes were asked to do: requests that change something are remembered, and counters show them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// How many requests of one kind a process remembers.
const MOST: usize = 10_000;

/// The successful requests beside reads, by pod (namespace and name) and route.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<BTreeMap<(String, String, String), Vec<Timestamp>>>);

impl Asked {
    pub(crate) fn remember(&self, namespace: &str, pod: &str, route: &str, at: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry((namespace.to_owned(), pod.to_owned(), route.to_owned())).or_default();
        if times.len() < MOST {
            times.push(at);
        }
    }

    /// How often a route had succeeded by then.
    pub(crate) fn count(&self, namespace: &str, pod: &str, route: &str, at: Timestamp) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.get(&(namespace.to_owned(), pod.to_owned(), route.to_owned()));
        times.map_or(0, |times| times.iter().filter(|time| **time <= at).count())
    }
}
