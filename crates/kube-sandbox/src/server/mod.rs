//! The API server.

mod discovery;
mod exec;
mod fault;
pub(crate) mod fields;
mod forward;
mod listing;
mod log;
mod messages;
mod openapi;
mod patch;
mod protobuf;
mod proxy;
mod request;
mod review;
mod router;
mod schema;
mod stats;
mod status;
mod table;
mod usage;
mod watch;
mod websocket;
mod write;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use axum::{BoxError, Router};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub use self::fault::Fault;
use self::fault::{Cut, Faults};
use self::write::Writes;
pub(crate) use self::write::admit;
use super::running::Call;
use super::scenario::ApiFault;
use super::simulation::Simulation;
use super::snapshot::Snapshot;
use super::world::WorldFault;

/// The user of the kubeconfig.
pub(crate) const USER: &str = "sandbox-operator";
/// Its bearer token.
pub(crate) const TOKEN: &str = "sandbox-operator-token";
/// How often the controllers look whether there is something to do.
const TICK: Duration = Duration::from_millis(100);

/// What all requests share.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    world: Arc<Mutex<Simulation>>,
    writes: Arc<Writes>,
    faults: Arc<Faults>,
    /// The name of the user, whoever asks.
    user: Arc<str>,
    /// Ends connections that have been taken over from HTTP.
    stop: CancellationToken,
}

impl Server {
    /// The world; held for the moment of one answer only, never across an await.
    fn world(&self) -> MutexGuard<'_, Simulation> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.world().snapshot()
    }

    /// The writes so far.
    pub(crate) fn writes(&self) -> Vec<Value> {
        self.writes.list().as_array().cloned().unwrap_or_default()
    }

    /// Nobody looks until then.
    pub(crate) fn unwatched(&self, until: Timestamp) {
        self.world().unwatched(until);
    }

    /// What of the world turned out to be wrong.
    pub(crate) fn failed(&self) -> Vec<WorldFault> {
        self.world().failed()
    }

    /// The objects as they are now.
    pub(crate) fn objects(&self) -> Vec<Arc<Value>> {
        self.world().store.all().cloned().collect()
    }
}

/// How a server deals with its clients.
#[derive(Debug, Default)]
pub(crate) struct Manners {
    pub(crate) forbid_writes: bool,
    pub(crate) faults: Vec<Fault>,
    /// Those of the scenario.
    pub(crate) api_faults: Vec<ApiFault>,
    /// The name of the user; that of the kubeconfig when absent.
    pub(crate) user: Option<String>,
}

/// Where clients connect.
pub(crate) enum Listener {
    /// A port of this machine.
    Tcp(TcpListener),
    /// The memory of this process.
    Memory(mpsc::UnboundedReceiver<Call>),
}

/// A connection, whichever way it came.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// The next connection; none where nobody can connect any more.
    async fn accept(&mut self) -> Option<(Box<dyn Stream>, CancellationToken)> {
        let listener = match self {
            Self::Memory(calls) => {
                let (stream, ended) = calls.recv().await?;
                return Some((Box::new(stream), ended));
            }
            Self::Tcp(listener) => listener,
        };
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                // answers are small: waiting to fill packets would only delay them
                let _ = stream.set_nodelay(true);
                return Some((Box::new(stream), CancellationToken::new()));
            }
            // out of descriptors, most likely: trying at once would only spin
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Serves in the background until it is told to stop.
pub(crate) fn serve(
    mut listener: Listener,
    world: Simulation,
    manners: Manners,
    stop: CancellationToken,
) -> Server {
    let server = Server {
        world: Arc::new(Mutex::new(world)),
        writes: Arc::new(Writes::new(manners.forbid_writes)),
        faults: Arc::new(Faults::new(manners.faults, manners.api_faults)),
        user: manners.user.as_deref().unwrap_or(USER).into(),
        stop: stop.clone(),
    };
    let router = Router::new().fallback(router::route).with_state(server.clone());
    let running = server.clone();
    tokio::spawn(async move {
        // dropping the set ends the connections that are open
        let mut connections = JoinSet::new();
        let mut tick = tokio::time::Instant::now();
        loop {
            tokio::select! {
                // in this order, so that what happens on a paused clock is the same every time
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(tick) => {
                    let rest = running.world().tick();
                    let rest = rest.and_then(|rest| Duration::try_from(rest).ok());
                    tick += rest.map_or(TICK, |rest| rest.max(TICK));
                }
                Some(_) = connections.join_next() => {}
                Some((stream, ended)) = listener.accept() => {
                    // an error of the service is what makes hyper close a connection without an
                    // answer
                    let service = TowerToHyperService::new(ServiceExt::<http::Request<Incoming>>::map_result(router.clone(), answered));
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    connections.spawn(async move {
                        tokio::select! {
                            _ = served => {}
                            () = ended.cancelled() => {}
                        }
                    });
                }
            }
        }
    });
    server
}

fn answered(result: Result<Response, Infallible>) -> Result<Response, BoxError> {
    match result {
        Ok(response) if response.extensions().get::<Cut>().is_some() => {
            Err("cut on purpose".into())
        }
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}
