//! Work that holds up its thread: long calculations, files, questions to a person.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Does the work on a thread for that; on a runtime of one thread at once. There, as in a rehearsal,
/// what happens beside it happens in the same order every time.
///
/// # Errors
/// When the work panics on its thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => spawn_blocking(work).await,
    }
}

/// Asks a person, who may take long: only where nobody is really asked, as in a rehearsal, is it done
/// at once.
pub(crate) async fn asking<T: Send + 'static>(
    rehearsed: bool,
    ask: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    if rehearsed { ask() } else { spawn_blocking(ask).await.unwrap_or(None) }
}
