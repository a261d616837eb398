//! One run at a time on what is changed: a Lease for each target, renewed while the run lives.

use super::{EngineError, Recorder};
use crate::api::{Error, ErrorKind, Method, Port, Resource, Sender, Write, builtin};
use crate::event::{Event, LockChange, LockEvent, short_id};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a Lease lasts without being renewed: a crashed holder is gone after this.
const LASTS: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(8);

/// How the lock is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// Taken if it is free or expired.
    #[default]
    Ordinary,
    /// Taken also from a living holder.
    Takeover,
    /// Not taken.
    None,
}

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) run: String,
    pub(super) host: String,
    pub(super) runbook: String,
    pub(super) step: String,
    /// Since when.
    pub(super) since: String,
    /// How long ago it gave a sign of life.
    pub(super) seen: SignedDuration,
    /// Whether that is longer ago than the Lease lasts: it has crashed.
    pub(super) expired: bool,
}

/// Why a run has no lock.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another run has it.
    Held(String, Box<Holder>),
    /// The Lease could not be read or written.
    Failed(Error),
}

/// What a Lease says of its holder at this time; none if it is free or ours.
pub(super) fn holder(lease: &Value, own: &str, now: Timestamp) -> Option<Holder> {
    let spec = &lease["spec"];
    let run = spec["holderIdentity"]
        .as_str()
        .filter(|identity| !identity.is_empty() && *identity != own)?;
    // who never renewed it cannot have it
    let renewed: Timestamp = spec["renewTime"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let lasts = SignedDuration::from_secs(spec["leaseDurationSeconds"].as_i64().unwrap_or(0));
    let seen = now.duration_since(renewed);
    let note = |key: &str| {
        lease["metadata"]["annotations"][format!("runbook/{key}")]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Some(Holder {
        run: run.to_owned(),
        host: note("host"),
        runbook: note("runbook"),
        step: note("step"),
        since: spec["acquireTime"].as_str().unwrap_or_default().to_owned(),
        seen,
        expired: seen > lasts,
    })
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {}", shown(&self.run))?;
        for (word, value) in [
            ("of", &self.runbook),
            ("on", &self.host),
            ("at step", &self.step),
            ("since", &self.since),
        ] {
            if !value.is_empty() {
                write!(f, " {word} {value}")?;
            }
        }
        write!(f, "; last renewed {} s ago", self.seen.as_secs().max(0))?;
        if self.expired { write!(f, ", which has expired") } else { Ok(()) }
    }
}

/// A run as its commands name it; a holder may be something else.
fn shown(run: &str) -> &str {
    const ULID: usize = 26;
    if run.len() == ULID { short_id(run) } else { run }
}

/// What the holder says of itself.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) run: String,
    pub(super) host: String,
    pub(super) runbook: String,
}

impl Refused {
    /// Why, for a person.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Held(lease, holder) => {
                format!(
                    "another run holds the lock: {holder}; wait for it to finish; if its process has \
                        ended, continue it with runbook resume {}, or take over its lock {lease} with \
                        --takeover",
                    shown(&holder.run)
                )
            }
            Self::Failed(error) => {
                format!("cannot take the lock: {error}; to run without it: --no-lock")
            }
        }
    }
}

/// The locks of a run. Dropping it ends the renewal; [`Lock::release`] also frees them.
pub(super) struct Lock {
    /// Those that are held: more are taken as their objects become known.
    leases: Leases,
    lost: Arc<Mutex<Option<String>>>,
    /// One at a time takes more.
    taking: tokio::sync::Mutex<()>,
    takeover: bool,
    _renewal: DropGuard,
    work: Work,
}

/// Leases that are held: namespace and name.
type Leases = Arc<Mutex<Vec<(String, String)>>>;

fn held(leases: &Leases) -> Vec<(String, String)> {
    leases.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Lock {
    /// Looks at the Leases, and says why nothing more may be changed, if one of them is no longer
    /// ours. Between two renewals someone else may have taken it. A Lease that cannot be read is
    /// not lost: the renewal decides.
    pub(super) async fn lost(&self) -> Option<String> {
        for (namespace, name) in &held(&self.leases) {
            let known = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if known.is_some() {
                return known;
            }
            if let Ok(lease) = self.work.port.look(&self.work.resource, namespace, name).await
                && let Some(other) = self.work.other(lease.as_ref())
            {
                lose(&self.work, &self.lost, format!("{namespace}/{name}"), other);
            }
        }
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Work {
    port: Arc<dyn Port>,
    sender: Arc<dyn Sender>,
    resource: Resource,
    own: Own,
    recorder: Recorder,
}

impl Lock {
    /// Begins with no lock at all.
    pub(super) fn new(
        port: &Arc<dyn Port>,
        sender: &Arc<dyn Sender>,
        own: Own,
        takeover: bool,
        recorder: &Recorder,
    ) -> Result<Self, Refused> {
        let Some(resource) = builtin("Lease") else {
            return Err(Refused::Failed(Error::new(
                ErrorKind::Unsupported,
                "this cluster does not serve Leases",
            )));
        };
        let work = Work {
            port: port.clone(),
            sender: sender.clone(),
            resource,
            own,
            recorder: recorder.clone(),
        };
        let (leases, lost, stop) = (Leases::default(), Arc::default(), CancellationToken::new());
        tokio::spawn(renew(work.clone(), Arc::clone(&leases), Arc::clone(&lost), stop.clone()));
        Ok(Self {
            leases,
            lost,
            taking: tokio::sync::Mutex::default(),
            takeover,
            _renewal: stop.drop_guard(),
            work,
        })
    }

    /// Takes those of these Leases that are not held yet: all of them, or none.
    pub(super) async fn take(
        &self,
        wanted: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Result<(), Refused>, EngineError> {
        let _one_at_a_time = self.taking.lock().await;
        let before = held(&self.leases);
        let mut taken = Vec::new();
        for (namespace, name) in wanted.into_iter().filter(|lease| !before.contains(lease)) {
            match self.work.acquire(&namespace, &name, self.takeover).await {
                Ok(Acquired::From(holder)) => {
                    let living = holder.as_ref().is_some_and(|holder| !holder.expired);
                    let what = if living { LockChange::TakenOver } else { LockChange::Taken };
                    let other = holder.map(|holder| holder.to_string()).unwrap_or_default();
                    self.work.recorder.record(Event::Lock(LockEvent {
                        lease: format!("{namespace}/{name}"),
                        what,
                        other,
                    }))?;
                    taken.push((namespace, name));
                }
                // it is taken before the change, if the run has made the namespace by then
                Ok(Acquired::NoNamespace) => {}
                Err(refused) => {
                    for (namespace, name) in &taken {
                        self.work.free(namespace, name).await;
                    }
                    return Ok(Err(refused));
                }
            }
        }
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
        Ok(Ok(()))
    }

    /// Frees the locks of the run that are still there: those that are held, and those that an
    /// earlier process took for a step that is not executed again.
    pub(super) async fn release(&self) {
        let mut all: BTreeSet<(String, String)> = held(&self.leases).into_iter().collect();
        self.work.recorder.state(|state| {
            let leases = state.locks().iter().filter_map(|lock| lock.lease.split_once('/'));
            all.extend(leases.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())));
        });
        for (namespace, name) in &all {
            self.work.free(namespace, name).await;
        }
    }
}

/// What came of taking one Lease.
enum Acquired {
    /// It is ours; who had it, if anybody did.
    From(Option<Holder>),
    /// Its namespace does not exist, and so nothing in it that could be changed.
    NoNamespace,
}

impl Work {
    /// Takes one Lease. Gives the holder that it was taken from, which has expired unless it is a
    /// takeover.
    async fn acquire(
        &self,
        namespace: &str,
        name: &str,
        takeover: bool,
    ) -> Result<Acquired, Refused> {
        let now = self.recorder.clock().now();
        // someone may be faster, once or twice
        for _ in 0..3 {
            let present =
                self.port.look(&self.resource, namespace, name).await.map_err(Refused::Failed)?;
            let (write, from) = match &present {
                None => (
                    self.write(Method::Create, namespace, name, self.body(namespace, name, now)),
                    None,
                ),
                Some(lease) => match holder(lease, &self.own.run, now) {
                    Some(holder) if !takeover && !holder.expired => {
                        return Err(Refused::Held(format!("{namespace}/{name}"), Box::new(holder)));
                    }
                    holder => (
                        self.write(
                            Method::JsonPatch,
                            namespace,
                            name,
                            self.replacing(lease, namespace, name, now),
                        ),
                        holder,
                    ),
                },
            };
            match self.sender.send(&write, None, None).await {
                Ok(_) => return Ok(Acquired::From(from)),
                Err(error) if present.is_none() && error.kind == ErrorKind::NotFound => {
                    return Ok(Acquired::NoNamespace);
                }
                Err(error) if present.is_none() && error.kind == ErrorKind::Invalid => {
                    return Err(Refused::Failed(error));
                }
                Err(error)
                    if matches!(
                        error.kind,
                        ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::NotFound
                    ) => {}
                Err(error) => return Err(Refused::Failed(error)),
            }
        }
        Err(Refused::Failed(Error::new(
            ErrorKind::Conflict,
            format!("other clients keep changing lease {namespace}/{name}; retry"),
        )))
    }

    /// Who has a Lease that was ours; none if it still is.
    fn other(&self, lease: Option<&Value>) -> Option<String> {
        let Some(lease) = lease else {
            return Some(
                "nobody: it was deleted, possibly by another run that took it over".to_owned(),
            );
        };
        if lease["spec"]["holderIdentity"] == json!(self.own.run) {
            return None;
        }
        Some(
            holder(lease, &self.own.run, self.recorder.clock().now())
                .map_or_else(|| "nobody: it was released".to_owned(), |holder| holder.to_string()),
        )
    }

    /// Renews a Lease that is ours. Gives who has it now, if it no longer is.
    async fn renew(&self, namespace: &str, name: &str) -> Result<Option<String>, Error> {
        let lease = self.port.look(&self.resource, namespace, name).await?;
        let (None, Some(lease)) = (self.other(lease.as_ref()), &lease) else {
            return Ok(self.other(lease.as_ref()));
        };
        let write = self.write(
            Method::JsonPatch,
            namespace,
            name,
            self.replacing(lease, namespace, name, self.recorder.clock().now()),
        );
        match self.sender.send(&write, None, None).await {
            Ok(_) => Ok(None),
            // someone was faster: who it is shows at once
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::NotFound
                ) =>
            {
                Ok(self.other(self.port.look(&self.resource, namespace, name).await?.as_ref()))
            }
            Err(error) => Err(error),
        }
    }

    fn body(&self, namespace: &str, name: &str, now: Timestamp) -> Value {
        let step = self.recorder.state(|state| {
            state
                .running()
                .into_iter()
                .find(|path| state.step(path).is_some_and(|step| !step.action().is_group()))
                .map(str::to_owned)
        });
        let time = micro(now);
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace, "annotations": {
                "runbook/host": self.own.host, "runbook/runbook": self.own.runbook,
                "runbook/step": step.unwrap_or_default(),
            }},
            "spec": {"holderIdentity": self.own.run, "leaseDurationSeconds": LASTS.as_secs(),
            "acquireTime": time, "renewTime": time},
        })
    }

    fn replacing(&self, lease: &Value, namespace: &str, name: &str, now: Timestamp) -> Value {
        let body = self.body(namespace, name, now);
        let mut spec = body["spec"].clone();
        if lease["spec"]["holderIdentity"] == json!(self.own.run) {
            spec["acquireTime"] = lease["spec"]["acquireTime"].clone();
        }
        let test = json!({"op": "test", "path": "/metadata/resourceVersion",
            "value": lease["metadata"]["resourceVersion"]});
        json!([test, {"op": "add", "path": "/metadata/annotations",
            "value": body["metadata"]["annotations"]}, {"op": "add", "path": "/spec",
            "value": spec}])
    }

    fn write(&self, method: Method, namespace: &str, name: &str, body: Value) -> Write {
        Write {
            method,
            resource: self.resource.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            body,
        }
    }

    /// Frees a Lease if it is ours. What does not succeed expires by itself.
    async fn free(&self, namespace: &str, name: &str) {
        let Ok(Some(lease)) = self.port.look(&self.resource, namespace, name).await else {
            return;
        };
        if lease["spec"]["holderIdentity"] == json!(self.own.run) {
            let body = json!({"apiVersion": "v1", "kind": "DeleteOptions",
                "preconditions": {"uid": lease["metadata"]["uid"],
                "resourceVersion": lease["metadata"]["resourceVersion"]}});
            if let Err(error) = self
                .sender
                .send(&self.write(Method::Delete, namespace, name, body), None, None)
                .await
            {
                tracing::warn!(%error, "the lock was not released; it will expire");
            }
        }
    }
}

/// Renews the Leases until it is stopped or one is lost.
async fn renew(
    work: Work,
    leases: Leases,
    lost: Arc<Mutex<Option<String>>>,
    stop: CancellationToken,
) {
    let mut renewed = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEW) => {}
            () = stop.cancelled() => return,
        }
        let mut all = true;
        let leases = held(&leases);
        for (namespace, name) in &leases {
            match work.renew(namespace, name).await {
                Ok(None) => {}
                Ok(Some(other)) => return lose(&work, &lost, format!("{namespace}/{name}"), other),
                Err(error) => {
                    tracing::warn!(%error, "the lock was not renewed");
                    all = false;
                }
            }
        }
        if all {
            renewed = tokio::time::Instant::now();
        } else if renewed.elapsed() > LASTS {
            let lease = leases
                .first()
                .map(|(namespace, name)| format!("{namespace}/{name}"))
                .unwrap_or_default();
            return lose(&work, &lost, lease, "nobody: it could not be renewed in time".to_owned());
        }
    }
}

/// Remembers and records the first loss.
fn lose(work: &Work, lost: &Mutex<Option<String>>, lease: String, other: String) {
    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.is_some() {
        return;
    }
    *lost = Some(format!("the lock {lease} was lost to {other}; no further changes are made"));
    // the run finds out by itself; what cannot be written stops it anyway
    drop(work.recorder.record(Event::Lock(LockEvent { lease, what: LockChange::Lost, other })));
}

/// Leases have times with microseconds (`MicroTime`).
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;
    use crate::engine::Clock;
    use crate::event::Mode;
    use crate::event::sample::Story;
    use crate::secret::Masker;
    use crate::state::RunState;

    #[test]
    fn a_holder_lives_as_long_as_it_renews() {
        let lease = json!({"metadata": {"annotations": {"runbook/host": "host-a",
            "runbook/step": "scale", "runbook/runbook": "ta-bot/rollback"}},
            "spec": {"holderIdentity": "01A", "leaseDurationSeconds": 30,
            "renewTime": "2026-11-20T03:00:00.000000Z", "acquireTime": "2026-11-20T02:59:00Z"}});
        let at = |time: &str| holder(&lease, "01B", time.parse().unwrap());
        let living = at("2026-11-20T03:00:12Z").unwrap();
        assert_eq!(
            living.to_string(),
            "run 01A of ta-bot/rollback on host-a at step scale since 2026-11-20T02:59:00Z; last \
                renewed 12 s ago"
        );
        assert!(!living.expired);
        let crashed = at("2026-11-20T03:00:31Z").unwrap();
        assert!(
            crashed.expired && crashed.to_string().ends_with("31 s ago, which has expired"),
            "{crashed}"
        );
        assert_eq!(
            holder(&lease, "01A", "2026-11-20T03:00:12Z".parse().unwrap()),
            None,
            "the own lock is no obstacle"
        );
    }

    fn lease(run: &str, renewed: Timestamp) -> Value {
        json!({"metadata": {"name": "l", "namespace": "shop", "annotations": {}},
            "spec": {"holderIdentity": run, "leaseDurationSeconds": 30,
            "renewTime": micro(renewed), "acquireTime": micro(renewed)}})
    }

    fn lock(fake: &Fake, takeover: bool) -> Lock {
        let mut state = RunState::default();
        for record in &Story::new(Mode::Run, &[]).records {
            state.apply(record).unwrap();
        }
        let (port, sender): (Arc<dyn Port>, _) = (Arc::new(fake.clone()), fake.sender());
        let own = Own { run: "01B".into(), host: "host-b".into(), runbook: "a/b".into() };
        let recorder = Recorder::new(Clock::System, Masker::new(), state, None, Vec::new());
        Lock::new(&port, &sender, own, takeover, &recorder).unwrap()
    }

    fn leases(names: &[&str]) -> Vec<(String, String)> {
        names.iter().map(|name| ("shop".to_owned(), (*name).to_owned())).collect()
    }

    fn held_by(fake: &Fake, name: &str) -> Option<String> {
        let lease = fake.known().objects.get(&format!("shop/{name}"))?.clone();
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    }

    #[tokio::test]
    async fn a_free_lease_is_taken_and_gone_when_it_is_released() {
        let fake = Fake::default();
        let lock = lock(&fake, false);
        lock.take(leases(&["l"])).await.unwrap().unwrap();
        assert_eq!(held_by(&fake, "l").as_deref(), Some("01B"));
        // what is held is not taken again
        lock.take(leases(&["l"])).await.unwrap().unwrap();
        lock.release().await;
        assert_eq!(held_by(&fake, "l"), None);
        assert_eq!(fake.known().sent, ["Create shop/l", "Delete shop/l"]);
    }

    #[tokio::test]
    async fn a_living_holder_keeps_its_lease_unless_it_is_taken_over() {
        let long_ago = Timestamp::now() - SignedDuration::from_secs(31);
        for (renewed, takeover, holder) in [
            (Timestamp::now(), false, "01A"),
            (Timestamp::now(), true, "01B"),
            (long_ago, false, "01B"),
        ] {
            let fake = Fake::default();
            fake.put("shop", "l", lease("01A", renewed));
            let taken = lock(&fake, takeover).take(leases(&["l"])).await.unwrap();
            assert_eq!(held_by(&fake, "l").as_deref(), Some(holder), "{renewed} {takeover}");
            assert_eq!(taken.is_ok(), holder == "01B");
            if let Err(refused) = taken {
                assert!(refused.reason().contains("run 01A"), "{}", refused.reason());
            }
        }
    }

    #[tokio::test]
    async fn what_an_earlier_process_of_the_run_took_is_freed_and_nothing_of_others() {
        let fake = Fake::default();
        let earlier = lock(&fake, false);
        earlier.take(leases(&["l", "m"])).await.unwrap().unwrap();
        let later = lock(&fake, false);
        for lease in ["shop/l", "shop/m"] {
            let (what, other) = (LockChange::Taken, String::new());
            let taken = LockEvent { lease: lease.to_owned(), what, other };
            later.work.recorder.record(Event::Lock(taken)).unwrap();
        }
        // somebody else has taken one since
        fake.put("shop", "m", lease("01A", Timestamp::now()));
        later.release().await;
        assert_eq!((held_by(&fake, "l"), held_by(&fake, "m").as_deref()), (None, Some("01A")));
    }

    #[tokio::test]
    async fn all_leases_are_taken_or_none() {
        let fake = Fake::default();
        fake.put("shop", "m", lease("01A", Timestamp::now()));
        assert!(lock(&fake, false).take(leases(&["l", "m"])).await.unwrap().is_err());
        assert_eq!((held_by(&fake, "l"), held_by(&fake, "m").as_deref()), (None, Some("01A")));
    }

    #[tokio::test]
    async fn a_lease_that_someone_else_has_now_or_that_is_gone_is_lost_for_good() {
        for other in [Some(lease("01C", Timestamp::now())), None] {
            let fake = Fake::default();
            let lock = lock(&fake, false);
            lock.take(leases(&["l"])).await.unwrap().unwrap();
            assert_eq!(lock.lost().await, None);
            match other {
                Some(other) => fake.put("shop", "l", other),
                None => drop(fake.known().objects.remove("shop/l")),
            }
            let lost = lock.lost().await.unwrap();
            assert!(lost.contains("no further changes are made"), "{lost}");
            fake.put("shop", "l", lease("01B", Timestamp::now()));
            assert_eq!(lock.lost().await, Some(lost), "a lock that was lost does not come back");
        }
    }
}
