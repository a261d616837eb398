//! The server half of the channel protocols: exec and port-forward.

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::status::Status;

pub(crate) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The answer that switches protocols, and the connection once it has.
pub(crate) struct Upgrade {
    response: Response,
    upgraded: hyper::upgrade::OnUpgrade,
}

/// Switches to one of the protocols, in the order in which the client prefers them.
///
/// SPDY is not spoken: such requests are refused as by a server without it.
pub(crate) fn upgrade(mut request: Request, supported: &[&'static str]) -> Result<Upgrade, Status> {
    let headers = request.headers();
    let websocket = text(headers, header::UPGRADE)
        .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    let Some(key) =
        text(headers, header::SEC_WEBSOCKET_KEY).filter(|_| websocket).map(str::to_owned)
    else {
        return Err(Status::bad_request("Upgrade request required"));
    };
    let offered = text(headers, header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    let chosen = offered
        .split(',')
        .map(str::trim)
        .find_map(|offered| supported.iter().find(|supported| **supported == offered));
    let Some(protocol) = chosen else {
        return Err(Status {
            code: 403,
            reason: "Forbidden",
            message: format!(
                "unable to upgrade: unable to negotiate protocol: client supports [{offered}], \
                    server accepts [{}]",
                supported.join(" ")
            ),
            details: None,
        });
    };
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .header(header::SEC_WEBSOCKET_PROTOCOL, *protocol)
        .body(axum::body::Body::empty())
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Upgrade { response, upgraded: hyper::upgrade::on(&mut request) })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl Upgrade {
    /// The connection, after the answer was sent.
    pub(crate) async fn socket(upgraded: hyper::upgrade::OnUpgrade) -> Option<Socket> {
        let upgraded = upgraded.await.ok()?;
        Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await)
    }

    pub(crate) fn split(self) -> (Response, hyper::upgrade::OnUpgrade) {
        (self.response, self.upgraded)
    }
}

/// A frame of a channel.
pub(crate) fn frame(channel: u8, data: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(data.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(data);
    Message::Binary(Bytes::from(frame))
}
