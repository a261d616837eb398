//! Controllers that have nothing to do rest until what they look at changes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Moment;
use crate::store::Store;

/// The controllers that found nothing to do, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rests(BTreeMap<&'static str, Rest>);

/// A controller found nothing to do when what it looks at was of this version.
#[derive(Debug, Clone, Copy)]
struct Rest {
    seen: u64,
    /// What it waits for, and what is over when.
    soon: Option<Timestamp>,
    late: Option<Timestamp>,
}

impl Rests {
    /// Lets a controller act, unless it would find what it found before: objects of these kinds
    /// are all that it looks at and changes, apart from the time.
    pub(crate) fn unless_idle(
        &mut self,
        (controller, kinds): (&'static str, &[&'static str]),
        store: &mut Store,
        moment: &Moment,
        act: impl FnOnce(&mut Store, &Moment),
    ) {
        let version =
            |store: &Store| kinds.iter().map(|kind| store.changed(kind)).max().unwrap_or_default();
        let seen = version(store);
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= moment.now);
        let rests = |rest: &Rest| rest.seen == seen && !is_due(rest.soon) && !is_due(rest.late);
        let known = self.0.get(controller).copied().filter(rests);
        let rest = known.unwrap_or_else(|| {
            let own = Moment::at(moment.now);
            act(store, &own);
            Rest { seen, soon: own.soon(), late: own.late() }
        });
        moment.takes_over(rest.soon, rest.late);
        if version(store) == seen {
            self.0.insert(controller, rest);
        } else {
            self.0.remove(controller);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_controller_rests_until_something_changes_or_is_due() {
        let (mut rests, mut store, acted) = (Rests::default(), Store::new(), Cell::new(0));
        let second = |second| Timestamp::from_second(second).unwrap();
        let mut look = |store: &mut Store, at: i64| {
            let moment = Moment::at(second(at));
            rests.unless_idle(("it", &["configmaps"]), store, &moment, |_, moment| {
                acted.set(acted.get() + 1);
                moment.passed(second(0), SignedDuration::from_secs(10));
            });
            (acted.get(), moment.next())
        };
        let config = |name: &str, kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "a"}});
        assert_eq!(look(&mut store, 1), (1, Some(second(10))));
        assert_eq!(look(&mut store, 2), (1, Some(second(10))), "what is due is still known");
        store.put(config("a", "Secret"), second(2));
        assert_eq!(look(&mut store, 3).0, 1, "it does not look at Secrets");
        store.put(config("a", "ConfigMap"), second(3));
        assert_eq!((look(&mut store, 4).0, look(&mut store, 5).0), (2, 2));
        assert_eq!((look(&mut store, 10), look(&mut store, 11).0), ((3, None), 3), "it was due");
        store.delete("configmaps", "a", "a");
        assert_eq!(look(&mut store, 12).0, 4);
    }
}
