//! A small API server for tests: a closure that responds to requests, and a client for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Cluster, Options};

pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The requests a server got: `GET /api/v1/pods?limit=500`.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn count(&self, part: &str) -> usize {
        self.all().iter().filter(|request| request.contains(part)).count()
    }
}

/// Serves on a loopback port for as long as the runtime lives. The closure gets the number of
/// requests before it.
pub(super) async fn serve(
    answer: impl Fn(usize, Request) -> Response + Clone + Send + Sync + 'static,
) -> (Cluster, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let handler = move |request: Request| {
        let number = {
            let mut all = seen.0.lock().unwrap();
            all.push(format!("{} {}", request.method(), request.uri()));
            all.len() - 1
        };
        let answer = answer.clone();
        async move { answer(number, request) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(handler)).await });
    (client(&server, json!({})).await.unwrap(), requests)
}

/// A client of this server, with these fields of a kubeconfig user.
pub(super) async fn client(server: &str, user: Value) -> Result<Cluster, super::Error> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u",
        "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let options = Options {
        kubeconfig: Some(file),
        request_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    Cluster::connect(&options).await
}

pub(super) fn reply(value: Value) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

pub(super) fn failure(code: u16, reason: &str, message: &str) -> Response {
    let name = if reason == "NotFound" { "x" } else { "" };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason,
                        "message": message, "details": {"name": name}});
    let mut response = reply(status);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response
}

/// A watch answer with these events, then its end.
pub(super) fn watch(events: &[Value]) -> Response {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    Response::new(Body::from(lines))
}

/// Upgrades to a WebSocket of the first offered protocol and talks.
pub(super) fn socket<F, T>(mut request: Request, talk: F) -> Response
where
    F: FnOnce(Socket) -> T + Send + 'static,
    T: Future<Output = ()> + Send,
{
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    let protocol = header("sec-websocket-protocol").split(',').next().unwrap().to_owned();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        talk(WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
    });
    Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", accept)
        .header("sec-websocket-protocol", protocol)
        .body(Body::empty())
        .unwrap()
}
