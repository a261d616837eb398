//! Whether the controller of an object has observed its current spec.

use super::conditions::generation;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// That a status is about an older spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// Where the generation is that was observed: empty for that of the object, `parents[0] ` and the
    /// like for those of conditions.
    pub at: String,
    /// The generation that was observed.
    pub seen: i64,
    /// The current one.
    pub generation: i64,
}

/// Lists of conditions beside those of the object that are about its spec (Gateway API).
const OF_SPEC: [&str; 3] = ["listeners", "parents", "ancestors"];

/// Where a status is about an older spec. Some controllers (Gateway API, cert-manager) write
/// `observedGeneration` into the conditions only. A condition that has not changed may keep an older
/// one, so the newest of a list counts.
pub(super) fn behind(object: &Value, observed: &[(String, i64)]) -> Vec<Behind> {
    let Some(generation_now) = generation(&object["metadata"]["generation"]) else {
        return Vec::new();
    };
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    // Flux writes -1 until it has succeeded once
    let seen =
        generation(&object["status"]["observedGeneration"]).filter(|generation| *generation >= 0);
    if let Some(seen) = seen {
        newest.insert("", seen);
    } else {
        let counts = |at: &str| at.is_empty() || OF_SPEC.iter().any(|list| at.starts_with(list));
        for (at, seen) in observed.iter().filter(|(at, _)| counts(at)) {
            let known = newest.entry(at.as_str()).or_insert(*seen);
            *known = (*known).max(*seen);
        }
    }
    let old = newest.into_iter().filter(|(_, seen)| *seen < generation_now);
    old.map(|(at, seen)| Behind { at: at.to_owned(), seen, generation: generation_now }).collect()
}
