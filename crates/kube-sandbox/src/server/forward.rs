//! Port-forwarding over WebSockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::Server;
use super::log::pod_of;
use super::request::{Query, ResourceRequest};
use super::status::Status;
use super::websocket::{Socket, Upgrade, frame, upgrade};
use crate::app;
use netpol_evaluator::Protocol;

const PROTOCOLS: &[&str] = &["v4.channel.k8s.io"];
/// What a stream holds before its writer waits.
const BUFFER: usize = 64 * 1024;

pub(crate) fn answer(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
    request: Request,
) -> Result<Response, Status> {
    let pod = pod_of(server, target)?;
    if pod["status"]["phase"] != "Running" {
        return Err(Status::bad_request("cannot forward ports: pod is not running"));
    }
    let ports: Vec<u16> = query
        .all("ports")
        .flat_map(|ports| ports.split(','))
        .filter_map(|port| port.parse().ok())
        .collect();
    let tunnelled = request
        .headers()
        .get(http::header::SEC_WEBSOCKET_PROTOCOL)
        .is_some_and(|offered| offered.as_bytes().starts_with(b"SPDY"));
    if ports.is_empty() && !tunnelled && request.method() == http::Method::GET {
        return Err(Status::bad_request("query parameter \"ports\" is required"));
    }
    let (response, upgraded) = upgrade(request, PROTOCOLS)?.split();
    let target = Pod {
        server: server.clone(),
        namespace: target.namespace_name().to_owned(),
        name: target.name.clone().unwrap_or_default(),
        uid: pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
    };
    let stop = server.stop.clone();
    tokio::spawn(async move {
        let Some(socket) = Upgrade::socket(upgraded).await else {
            return;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = forward(socket, target, ports) => {}
        }
    });
    Ok(response)
}

#[derive(Clone)]
struct Pod {
    server: Server,
    namespace: String,
    name: String,
    uid: String,
}

type Outgoing = Arc<Mutex<SplitSink<Socket, Message>>>;

/// Carries the streams: port number i has channel 2i for data and 2i + 1 for errors; each begins
/// with the port.
async fn forward(socket: Socket, pod: Pod, ports: Vec<u16>) {
    let (outgoing, mut incoming) = socket.split();
    let outgoing: Outgoing = Arc::new(Mutex::new(outgoing));
    // dropping the set ends the streams with the connection
    let mut streams = JoinSet::new();
    let (finished, mut endings) = mpsc::channel::<u8>(8);
    let mut inputs: BTreeMap<u8, WriteHalf<DuplexStream>> = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let Ok(channel) = u8::try_from(index * 2) else {
            break;
        };
        for channel in [channel, channel + 1] {
            if outgoing.lock().await.send(frame(channel, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        let (near, far) = tokio::io::duplex(BUFFER);
        let (mut output, input) = tokio::io::split(near);
        inputs.insert(channel, input);
        let (served, port, sink) = (pod.clone(), *port, Arc::clone(&outgoing));
        streams.spawn(async move {
            // the other end must hear of the refusal before the stream ends
            if let Err((refused, _far)) = serve(far, served, port).await {
                let _ = sink.lock().await.send(frame(channel + 1, refused.as_bytes())).await;
            }
        });
        let (sink, finished) = (Arc::clone(&outgoing), finished.clone());
        streams.spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = output.read(&mut buffer).await {
                if sink.lock().await.send(frame(channel, &buffer[..count])).await.is_err() {
                    break;
                }
            }
            let _ = finished.send(channel).await;
        });
    }
    drop(finished);
    let mut open = inputs.len();
    while open > 0 {
        tokio::select! {
            ending = endings.recv() => match ending {
                Some(_) => open -= 1,
                None => break,
            },
            message = incoming.next() => match message {
                Some(Ok(Message::Binary(data))) => {
                    let Some((channel, rest)) = data.split_first() else { continue };
                    if let Some(input) = inputs.get_mut(channel) && input.write_all(rest).await.is_err() {
                        inputs.remove(channel);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = outgoing.lock().await.close().await;
    // a client that still talks must hear what was said to it: the connection is the client's to end
    while let Some(Ok(message)) = incoming.next().await {
        if matches!(message, Message::Close(_)) {
            break;
        }
    }
}

/// Plays the process at the far end of a stream; the error is what the kubelet says.
async fn serve(
    mut stream: DuplexStream,
    pod: Pod,
    port: u16,
) -> Result<(), (String, DuplexStream)> {
    let snapshot = pod.server.snapshot();
    let listening = snapshot
        .pod(&pod.namespace, &pod.name)
        .and_then(|index| Some((index, snapshot.listener(index, port, Protocol::Tcp)?)));
    let Some((index, container)) = listening else {
        let refused = format!(
            "error forwarding port {port} to pod {}, uid : failed to execute portforward in \
                network namespace \"/var/run/netns/cni-{}\": failed to connect to localhost:{port} \
                inside namespace \"{}\", IPv4: dial tcp4 127.0.0.1:{port}: connect: connection \
                refused IPv6 dial tcp6 [::1]:{port}: connect: connection refused ",
            pod.uid, pod.uid, pod.uid
        );
        return Err((refused, stream));
    };
    let program =
        snapshot.pods[index].containers[container].app.map(|program| snapshot.apps.app(program));
    let speaks_http = app::respond(
        &snapshot,
        index,
        port,
        &app::Request::get("/"),
        &app::Watch::at(pod.server.world().clock.now()),
        0,
    )
    .is_some();
    if !speaks_http {
        let greeting = program
            .and_then(|program| program.ports.iter().find(|entry| entry.port == port))
            .and_then(|entry| entry.greeting.as_ref());
        if let Some(greeting) = greeting {
            let _ = stream.write_all(format!("{greeting}\r\n").as_bytes()).await;
        }
        // what is said to it is heard and not answered
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        return Ok(());
    }
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let pod = pod.clone();
        async move { Ok::<_, Infallible>(ask(&pod, port, request.map(Body::new)).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    Ok(())
}

async fn ask(pod: &Pod, port: u16, request: http::Request<Body>) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let asked = app::Request { method: parts.method.to_string(), target, body };
    let (snapshot, now) = (pod.server.snapshot(), pod.server.world().clock.now());
    let answer = snapshot
        .pod(&pod.namespace, &pod.name)
        .and_then(|index| app::respond(&snapshot, index, port, &asked, &app::Watch::at(now), 0));
    let ended = || Arc::new(app::Response::text(502, "the process has ended\n"));
    super::proxy::response(&answer.unwrap_or_else(ended), now)
}
