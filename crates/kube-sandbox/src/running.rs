//! Starting and stopping a sandbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::SandboxError;
use super::scenario::{ApiFault, ServerState};
use super::server::{self, Fault, Listener, Manners, Server, TOKEN, USER};
use super::simulation::{Clock, Simulation};
use super::variation::Variation;
use super::world::{HEALTHY, World, WorldFault};

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The name of the scenario; [`HEALTHY`] when empty.
    pub scenario: String,
    /// The port on 127.0.0.1; any free one when absent.
    pub port: Option<u16>,
    /// When the world's clock begins; the real time when absent. It goes on as real time does.
    pub now: Option<Timestamp>,
    /// Answers every write that is no dry run with an error. What was tried is listed at
    /// `/sandbox/writes`.
    pub forbid_writes: bool,
    /// Tells this cluster from others with the same scenario: the uids of all objects depend on it.
    pub cluster: String,
    /// The name of the user, whoever asks; that of the kubeconfig when absent.
    pub user: Option<String>,
    /// Faults on purpose.
    pub faults: Vec<Fault>,
    /// What is different from the world of the scenario without meaning anything.
    pub variations: Vec<Variation>,
}

/// How many bytes may be on their way on a connection in memory, as in the buffer of a socket.
const IN_FLIGHT: usize = 256 << 10;

/// A running sandbox. Dropping it stops the server and cuts its connections.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    dial: Option<mpsc::UnboundedSender<Call>>,
    /// None where it is down.
    server: Option<Server>,
    scenario: String,
    namespace: String,
    _stop: DropGuard,
}

/// Starts a sandbox of a world on the current tokio runtime.
///
/// # Errors
/// The scenario is unknown, it does not fit the world, or the port cannot be opened.
pub async fn start(of: &World, options: Options) -> Result<Sandbox, SandboxError> {
    let port = options.port.unwrap_or(0);
    let listen = |source| SandboxError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let prepared = Prepared::new(of, &options)?;
    Ok(prepared.begin(options, Listener::Tcp(listener), (address, None)))
}

/// A world that was brought into the state of a scenario, and can be started from there as often as
/// one likes; each time it is the same.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// None where the server is down.
    simulation: Option<Arc<Simulation>>,
    now: Timestamp,
    faults: Vec<ApiFault>,
    scenario: String,
    namespace: String,
}

impl Prepared {
    /// Brings a world into the state of a scenario. Of the options these count: the scenario, when
    /// it begins, the cluster and the variations.
    ///
    /// # Errors
    /// The scenario is unknown, or it does not fit the world.
    pub fn new(of: &World, options: &Options) -> Result<Self, SandboxError> {
        let name = if options.scenario.is_empty() { HEALTHY } else { &options.scenario };
        let scenario = of.scenario(name)?;
        let now = options.now.unwrap_or_else(Timestamp::now);
        let simulation = match scenario.server {
            Some(ServerState::Down) => None,
            Some(ServerState::Unready) | None => {
                let Options { cluster, variations, .. } = options;
                let clock = Clock::starting_at(now);
                Some(Arc::new(Simulation::build(of, scenario, clock, cluster, variations)?))
            }
        };
        Ok(Self {
            simulation,
            now,
            faults: scenario.faults.clone(),
            scenario: name.to_owned(),
            namespace: of.namespace().to_owned(),
        })
    }

    /// Starts a sandbox that is reached through [`Sandbox::dial`] alone, without a socket: on a
    /// tokio runtime whose clock is paused, an hour in it takes as long as what happens in that
    /// hour. Of the options these count: faults, the user, and whether writing is allowed.
    #[must_use]
    pub fn start_in_memory(&self, options: Options) -> Sandbox {
        let (sender, receiver) = mpsc::unbounded_channel();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 6443));
        self.clone().begin(options, Listener::Memory(receiver), (address, Some(sender)))
    }

    fn begin(
        self,
        options: Options,
        listener: Listener,
        (address, dial): (SocketAddr, Option<mpsc::UnboundedSender<Call>>),
    ) -> Sandbox {
        let stop = CancellationToken::new();
        let server = self.simulation.map(|simulation| {
            let manners = Manners {
                forbid_writes: options.forbid_writes,
                faults: options.faults,
                api_faults: self.faults,
                user: options.user,
            };
            let world = simulation.starting_at(Clock::starting_at(self.now));
            server::serve(listener, world, manners, stop.clone())
        });
        let Self { scenario, namespace, .. } = self;
        Sandbox { address, dial, server, scenario, namespace, _stop: stop.drop_guard() }
    }
}

/// A connection to a sandbox in this process, and what ends it.
pub(crate) type Call = (DuplexStream, CancellationToken);

/// Connects to a sandbox in this process.
#[derive(Debug, Clone)]
pub struct Dial {
    calls: mpsc::UnboundedSender<Call>,
    ended: CancellationToken,
}

impl Dial {
    /// A new connection, on which the sandbox speaks HTTP/1.1.
    ///
    /// # Errors
    /// The sandbox has stopped, or its server is down.
    pub fn connect(&self) -> std::io::Result<DuplexStream> {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        if self.ended.is_cancelled() {
            return Err(refused());
        }
        let (near, far) = tokio::io::duplex(IN_FLIGHT);
        self.calls.send((far, self.ended.clone())).map_err(|_| refused())?;
        Ok(near)
    }

    /// Cuts the connections that were made this way, for good: as if their process had died.
    pub fn hang_up(&self) {
        self.ended.cancel();
    }
}

impl Sandbox {
    /// A way to a sandbox in memory, as that of one process; none to one with a port.
    #[must_use]
    pub fn dial(&self) -> Option<Dial> {
        Some(Dial { calls: self.dial.clone()?, ended: CancellationToken::new() })
    }

    /// The writes so far, oldest first: `verb`, `resource`, `namespace`, `name`, `status` of each;
    /// dry runs are not among them.
    #[must_use]
    pub fn writes(&self) -> Vec<Value> {
        self.server.iter().flat_map(Server::writes).collect()
    }

    /// What of the world turned out to be wrong while it ran: changes of the scenario's `then` that
    /// could not be made, expressions of applications that could not be evaluated.
    #[must_use]
    pub fn failed(&self) -> Vec<WorldFault> {
        self.server.iter().flat_map(Server::failed).collect()
    }

    /// Nobody looks at the world until then: as long as nothing in it is under way or due, it is
    /// left alone for minutes, so that days pass quickly on a paused clock.
    pub fn unwatched(&self, until: Timestamp) {
        if let Some(server) = &self.server {
            server.unwatched(until);
        }
    }

    /// The objects as they are now.
    #[must_use]
    pub fn objects(&self) -> Vec<Arc<Value>> {
        self.server.iter().flat_map(Server::objects).collect()
    }

    /// Where the API server listens; nothing does in a scenario whose server is down.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig for it, as YAML.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let Self { address, scenario, namespace, .. } = self;
        format!(
            "apiVersion: v1
kind: Config
current-context: sandbox-{scenario}
clusters:
- name: sandbox-{scenario}
  cluster:
    server: http://{address}
contexts:
- name: sandbox-{scenario}
  context:
    cluster: sandbox-{scenario}
    user: {USER}
    namespace: {namespace}
users:
- name: {USER}
  user:
    token: {TOKEN}
"
        )
    }
}
