//! Tells somebody elsewhere how a run ended: a webhook, or a channel of a chat.
//!
//! Nothing is sent unless somebody has said where to, and what becomes of a message never changes
//! what a run says.

mod channel;
mod message;

pub use channel::{Channel, ChannelKind, Occasion};
pub use message::message;

use crate::cluster::direct_http;
use crate::event::Summary;
use bytes::Bytes;
use http::{Method, Request, header};
use std::time::Duration;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of an answer, in bytes.
const ANSWER: usize = 4096;

/// Sends the end of a run to a channel.
///
/// # Errors
/// Why it was not delivered, without the path of the URL, which is a secret.
pub async fn send(channel: &Channel, summary: &Summary) -> Result<(), String> {
    let body = serde_json::to_vec(&message(channel.kind, summary)).unwrap_or_default();
    let request = Request::builder()
        .method(Method::POST)
        .uri(channel.url())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("runbook/", env!("CARGO_PKG_VERSION")))
        .body(Bytes::from(body))
        .map_err(|error| error.to_string())?;
    match direct_http(request, PATIENCE, ANSWER).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(error) => Err(error.to_string()),
    }
}
