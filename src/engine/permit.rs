//! What a run may do to its cluster: what can send for it, its permissions and its locks.

use super::ended::Ended;
use super::lock::{Lock, Own};
use super::preflight::{self, Stopped};
use super::{EngineError, Locking, Recorder};
use crate::action::{Access, Action, Connection, Context};
use crate::api::{Port, Sender};
use crate::event::{Outcome, Target};
use crate::plan::{PlannedAction, lease_of, leases};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The cluster of a run, as far as it may act on it.
pub(super) struct Permit {
    pub(super) connection: Option<Connection>,
    /// What can change the cluster; none in a dry run.
    sender: Option<Arc<dyn Sender>>,
    /// Where the run acts, and as whom.
    pub(super) target: Target,
    runbook: String,
    lock: Mutex<Option<Arc<Lock>>>,
    /// Permissions that were asked for, and are there.
    asked: Mutex<BTreeSet<Access>>,
}

impl Permit {
    /// What a run of this runbook may do. A dry run is given nothing that could send.
    pub(super) fn new(
        connection: Option<Connection>,
        target: Target,
        runbook: &str,
        is_dry: bool,
    ) -> Self {
        // the only place where something is made that can change a cluster
        let sender = match &connection {
            Some(connection) if !is_dry => Some(connection.port().sender()),
            Some(_) | None => None,
        };
        Self {
            connection,
            sender,
            target,
            runbook: runbook.to_owned(),
            lock: Mutex::new(None),
            asked: Mutex::default(),
        }
    }

    /// What the engine knows of the cluster; none without one.
    pub(super) fn port(&self) -> Option<&Arc<dyn Port>> {
        self.connection.as_ref().map(Connection::port)
    }

    /// What can change the cluster; none in a dry run.
    pub(super) fn sender(&self) -> Option<&Arc<dyn Sender>> {
        self.sender.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Lock>>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<Access>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the first step of a run that changes something: permissions, then the lock. Why it may
    /// not begin, if so.
    pub(super) async fn begin(
        &self,
        planned: &[PlannedAction],
        namespace: &str,
        own: Own,
        locking: Locking,
        recorder: &Recorder,
    ) -> Result<Option<Stopped>, EngineError> {
        let Some(port) = self.port() else { return Ok(None) };
        let locked = self.sender().filter(|_| locking != Locking::None);
        let leases = leases(planned, namespace, &self.runbook);
        let mut needed = preflight::needed(planned);
        if locked.is_some() {
            needed.extend(leases.certain());
        }
        if let Some((reason, role)) = self.missing(&**port, needed).await {
            return Ok(Some(Stopped::not_allowed(reason, role)));
        }
        let Some(sender) = locked else { return Ok(None) };
        let takeover = locking == Locking::Takeover;
        let lock = match Lock::new(port, sender, own, takeover, recorder) {
            Ok(lock) => Arc::new(lock),
            Err(refused) => return Ok(Some(Stopped::locked(refused.reason()))),
        };
        *self.lock() = Some(lock.clone());
        let refused = lock.take(leases.known).await?.err();
        Ok(refused.map(|refused| Stopped::locked(refused.reason())))
    }

    /// What the user may not do of this, with the Role that would allow it. Each is asked once in a
    /// run.
    async fn missing(&self, port: &dyn Port, needed: BTreeSet<Access>) -> Option<(String, String)> {
        let unasked = {
            let mut asked = self.asked();
            needed.into_iter().filter(|access| asked.insert(access.clone())).collect()
        };
        let missing = preflight::missing(port, unasked).await;
        if missing.is_empty() {
            return None;
        }
        // it is asked again when it is needed again
        self.asked().retain(|access| !missing.contains(access));
        Some(preflight::report(&missing, &self.runbook, self.target.user.as_deref()))
    }

    /// Before a step changes what only the run has come to know: its permissions, then the locks of
    /// its objects. Why it may not, if so.
    pub(super) async fn cleared(
        &self,
        action: &Action,
        context: &Context,
    ) -> Result<Option<Ended>, EngineError> {
        let (Some(port), Some(_)) = (self.port(), self.sender()) else { return Ok(None) };
        let needed = action.permissions(&context.namespace).into_iter().collect();
        if let Some((reason, role)) = self.missing(&**port, needed).await {
            return Ok(Some(Ended {
                output: json!({"role": role}).into(),
                ..Ended::without_output(Outcome::Error, reason)
            }));
        }
        let lock = self.lock().clone();
        let Some(lock) = lock else { return Ok(None) };
        let root = self.target.namespace.as_deref().unwrap_or(&context.namespace);
        let targets = action.targets(&context.namespace);
        let leases: Vec<_> = targets.iter().map(|target| lease_of(target, root)).collect();
        let refused = lock.take(leases).await?.err();
        Ok(refused.map(|refused| Ended::without_output(Outcome::Error, refused.reason())))
    }

    /// Why nothing more may be changed, if the lock was lost.
    pub(super) async fn lock_lost(&self) -> Option<String> {
        let lock = self.lock().clone();
        match lock {
            Some(lock) => lock.lost().await,
            None => None,
        }
    }

    /// Frees the locks that are still held.
    pub(super) async fn release(&self) {
        let lock = self.lock().take();
        if let Some(lock) = lock {
            lock.release().await;
        }
    }
}
