//! Commands in containers.

use axum::extract::Request;
use axum::response::Response;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::log::{container_of, pod_of};
use super::request::{Query, ResourceRequest};
use super::status::Status;
use super::websocket::{Socket, Upgrade, frame, upgrade};
use crate::app::Watch;
use crate::exec::{Meanwhile, Outcome, Session, meanwhile, run};

const PROTOCOLS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Says that a channel, the next byte, is closed.
const CLOSE: u8 = 255;
/// How much a command reads.
const MOST_INPUT: usize = 1024 * 1024;
/// How much of a stream goes into one frame.
const CHUNK: usize = 32 * 1024;

pub(crate) fn answer(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
    request: Request,
) -> Result<Response, Status> {
    let pod = pod_of(server, target)?;
    let container = container_of(&pod, query.get("container"))?;
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Status {
            code: 422,
            ..Status::bad_request("you must specify at least 1 command for the container")
        });
    }
    let terminal = query.get("tty").is_some() && query.flag("tty");
    let snapshot = server.snapshot();
    let found = snapshot
        .pod(target.namespace_name(), target.name.as_deref().unwrap_or_default())
        .and_then(|pod| {
            let index = snapshot.pods[pod]
                .containers
                .iter()
                .position(|known| known.name == container && known.run.until.is_none())?;
            Some((pod, index))
        });
    // a container that does not run cannot be entered
    let Some((pod, index)) = found else {
        return Err(Status::internal(format!(
            "unable to upgrade connection: container not found (\"{container}\")"
        )));
    };
    let (response, upgraded) = upgrade(request, PROTOCOLS)?.split();
    let watch = Watch::at(server.world().clock.now());
    let reads = query.get("stdin").is_some() && query.flag("stdin");
    let mut session = Session { snapshot, pod, container: index, watch, stdin: Vec::new() };
    let stop = server.stop.clone();
    tokio::spawn(async move {
        let Some(mut socket) = Upgrade::socket(upgraded).await else {
            return;
        };
        let work = async {
            if reads {
                input(&mut socket, &mut session, &command).await;
            }
            let outcome = run(&session, &command);
            tokio::time::sleep(outcome.took).await;
            let stderr = if terminal { STDOUT } else { STDERR };
            for (channel, data) in [(STDOUT, &outcome.stdout), (stderr, &outcome.stderr)] {
                for chunk in data.chunks(CHUNK) {
                    if socket.send(frame(channel, chunk)).await.is_err() {
                        return;
                    }
                }
            }
            let _ = socket.send(frame(STATUS, status(&outcome).to_string().as_bytes())).await;
            let _ =
                socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
            // the client closes its half
            while let Some(Ok(message)) = socket.next().await {
                if matches!(message, Message::Close(_)) {
                    break;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
    Ok(response)
}

/// What the client sends as standard input, until it closes that or the command reads no more.
async fn input(socket: &mut Socket, session: &mut Session, command: &[String]) {
    let mut said = 0;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(data) if data[..] == [CLOSE, STDIN] => break,
            Message::Binary(data) if data.first() == Some(&STDIN) => {
                session.stdin.extend_from_slice(&data[1..]);
                if session.stdin.len() > MOST_INPUT {
                    break;
                }
                match meanwhile(session, command, said) {
                    Meanwhile::Waits => {}
                    Meanwhile::Says(text) => {
                        said += 1;
                        if socket.send(frame(STDOUT, &text)).await.is_err() {
                            break;
                        }
                    }
                    Meanwhile::Ends => break,
                }
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
}

/// How a command ended, as the last frame says it.
fn status(outcome: &Outcome) -> Value {
    match (&outcome.not_started, outcome.code) {
        (Some(reason), _) => Status::internal(reason).object(),
        (None, 0) => json!({"metadata": {}, "status": "Success"}),
        (None, code) => json!({
            "metadata": {}, "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    }
}
