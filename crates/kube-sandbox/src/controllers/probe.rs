//! What a probe of the kubelet finds.
//!
//! After `pkg/kubelet/prober/` of the kubelet.

use std::sync::Arc;

use serde_json::Value;

use crate::app::{Request, Watch, status};
use crate::exec::{self, Session};
use crate::object;
use crate::snapshot::{Snapshot, target_port};
use netpol_evaluator::{PortName, Protocol};

/// Asks one probe; what it says if it fails is in the words of the kubelet.
pub(super) fn ask(
    snapshot: &Arc<Snapshot>,
    index: usize,
    place: usize,
    pod: &Value,
    probe: &Value,
    watch: &Watch,
) -> Result<(), String> {
    let port = |value: &Value| {
        serde_json::from_value::<PortName>(value.clone())
            .ok()
            .and_then(|port| target_port(&port, pod, Protocol::Tcp))
    };
    let refused = |port: Option<u16>| {
        let address = format!(
            "{}:{}",
            pod["status"]["podIP"].as_str().unwrap_or_default(),
            port.unwrap_or_default()
        );
        (format!("dial tcp {address}: connect: connection refused"), address)
    };
    // a probe comes from the node, which every pod admits, to the address of the pod
    let open = |port: u16| snapshot.is_open(index, port, Protocol::Tcp);
    if let Some(get) = probe.get("httpGet") {
        let path = get["path"].as_str().unwrap_or("/");
        let port = port(&get["port"]);
        let answer = port
            .filter(|port| open(*port))
            .and_then(|port| status(snapshot, index, port, &Request::get(path), watch));
        return match answer {
            Some(200..400) => Ok(()),
            Some(status) => Err(format!("HTTP probe failed with statuscode: {status}")),
            None => {
                let (refused, address) = refused(port);
                Err(format!("Get \"http://{address}{path}\": {refused}"))
            }
        };
    }
    if let Some(run) = probe.get("exec") {
        let command: Vec<String> = object::list(&run["command"])
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        return execute(snapshot, index, place, &command, watch);
    }
    let Some(socket) = probe.get("tcpSocket") else { return Ok(()) };
    let port = port(&socket["port"]);
    if port.is_some_and(open) { Ok(()) } else { Err(refused(port).0) }
}

/// Runs the command of a probe. One that is not simulated does what it is for, and succeeds.
fn execute(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    container: usize,
    command: &[String],
    watch: &Watch,
) -> Result<(), String> {
    if snapshot.pods[pod].container(container).is_none_or(|known| known.run.until.is_some()) {
        return Ok(());
    }
    let snapshot = Arc::clone(snapshot);
    let session = Session { snapshot, pod, container, watch: watch.clone(), stdin: Vec::new() };
    match exec::simulated(&session, command) {
        Some(outcome) if outcome.code != 0 => {
            let said = [outcome.stdout, outcome.stderr].concat();
            Err(String::from_utf8_lossy(&said).into_owned())
        }
        _ => Ok(()),
    }
}
