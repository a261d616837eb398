//! Starting and stopping a sandbox.

use std::net::{Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::SandboxError;
use super::scenario::ServerState;
use super::server::{self, Fault, Manners, TOKEN, USER};
use super::simulation::{Clock, Simulation};
use super::variation::Variation;
use super::world::{HEALTHY, World};

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

/// A running sandbox. Dropping it stops the server and cuts its connections.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    scenario: String,
    namespace: String,
    _stop: DropGuard,
}

/// Starts a sandbox of a world on the current tokio runtime.
///
/// # Errors
/// The scenario is unknown, it does not fit the world, or the port cannot be opened.
pub async fn start(of: &World, options: Options) -> Result<Sandbox, SandboxError> {
    let name = if options.scenario.is_empty() { HEALTHY } else { &options.scenario };
    let scenario = of.scenario(name)?;
    let port = options.port.unwrap_or(0);
    let listen = |source| SandboxError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let stop = CancellationToken::new();
    if scenario.server != Some(ServerState::Down) {
        let world = Simulation::build(
            of,
            scenario,
            Clock::starting_at(options.now.unwrap_or_else(Timestamp::now)),
            &options.cluster,
            &options.variations,
        )?;
        let manners = Manners {
            forbid_writes: options.forbid_writes,
            faults: options.faults,
            user: options.user,
        };
        server::serve(listener, world, manners, stop.clone());
    }
    Ok(Sandbox {
        address,
        scenario: name.to_owned(),
        namespace: of.namespace().to_owned(),
        _stop: stop.drop_guard(),
    })
}

impl Sandbox {
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
