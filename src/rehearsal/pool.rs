//! Several threads over a list.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// The stack of each thread: as much as the main thread of a program has, which a run needs in a
/// build that is not optimized.
pub(super) const STACK: usize = 8 << 20;

/// Does the work for every item, on so many threads. Each result is shown as it comes; all are
/// returned in the order of the items.
pub(super) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
    mut each: impl FnMut(&R),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(items.len(), || None);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            let turns = move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    if sender.send((at, work(item))).is_err() {
                        return;
                    }
                }
            };
            let spawned = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, turns);
            // fewer threads do all of it as well, as long as there is one
            if let Err(error) = spawned {
                tracing::warn!(%error, "a thread could not be started");
            }
        }
        drop(sender);
        for (at, result) in receiver {
            each(&result);
            results[at] = Some(result);
        }
    });
    results.into_iter().flatten().collect()
}
