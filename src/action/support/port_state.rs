//! Whether something listens on a port of a pod, asked past its policies.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::cluster::{Cluster, Error, ErrorKind, ProxyTo};
use crate::diagnosis::PortState;

/// How long a port may take to accept a connection.
const ANSWER: Duration = Duration::from_secs(2);

/// Where port-forward connects is the loopback address; through the API server's proxy it is the
/// address of the pod, which is asked at the same time if `both`, and else where the first refuses:
/// a program may listen there only.
pub(in crate::action) async fn port_state(
    cluster: &Cluster,
    (namespace, pod, port): (&str, &str, u16),
    both: bool,
) -> PortState {
    let loopback = async {
        let connected =
            tokio::time::timeout(ANSWER, cluster.forward_connect(namespace, pod, port)).await;
        answered(connected.ok()?)
    };
    let address = async {
        let to = ProxyTo::Pod { name: pod.to_owned(), port };
        let request = Request::get("/").body(Bytes::new()).ok()?;
        let sent = cluster.proxy_http(namespace, &to, request, ANSWER, 1024).await;
        answered(sent.map(|_| ()))
    };
    if both {
        let (loopback, address) = tokio::join!(loopback, address);
        return PortState { loopback, address };
    }
    let loopback = loopback.await;
    let address = if loopback == Some(false) { address.await } else { None };
    PortState { loopback, address }
}

/// Whether something accepted the connection; none if that cannot be told.
fn answered(result: Result<(), Error>) -> Option<bool> {
    match result {
        Ok(()) => Some(true),
        Err(error) if error.kind == ErrorKind::ConnectionRefused => Some(false),
        Err(_) => None,
    }
}
