//! What the processes in the pods do without a request.

use std::sync::Arc;

use jiff::Timestamp;

use super::Moment;
use crate::app::{AppContext, moments, next_moment};
use crate::snapshot::Snapshot;

/// Begins the processes that have not begun, and counts what has happened in all of them since the
/// last time. What they depend on is looked at now, for all that time.
pub(crate) fn live(snapshot: &Arc<Snapshot>, moment: &Moment) {
    let now = moment.now;
    for (pod, state) in snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        let (namespace, name) = (&state.network.namespace, &state.network.name);
        for place in 0..state.containers.len() {
            let context = AppContext::new(snapshot, pod, place, &moment.watch, 0).map(Arc::new);
            let Some(context) = context else { continue };
            let app = snapshot.apps.app(context.app);
            if app.starts.is_some()
                && snapshot.memory.look(namespace, name, &format!("{place}/starts"), now).is_none()
            {
                // a broken expression changes nothing; a test evaluates them all
                drop(context.evaluate("starts", 0));
            }
            for (index, rule) in app.happens.iter().enumerate() {
                let before =
                    snapshot.memory.look(namespace, name, &format!("{place}/{index}"), now);
                let next = next_moment(state.started, rule.after, rule.every, now);
                next.into_iter().for_each(|next| moment.notes(next));
                let due: Vec<Timestamp> =
                    moments(state.started, rule.after, Some(rule.every), before, now)
                        .map(|(_, moment)| moment)
                        .filter(|moment| before.is_none_or(|before| *moment > before))
                        .collect();
                if !due.is_empty() && context.holds("happens-when", index, rule.when.as_ref()) {
                    due.into_iter().for_each(|moment| {
                        snapshot.memory.count(namespace, name, &rule.name, moment);
                    });
                }
            }
        }
    }
}
