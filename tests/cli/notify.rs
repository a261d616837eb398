//! Messages at the end of a run: to a real server, which may refuse them.

use crate::support::Place;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::Value;
use std::sync::{Arc, Mutex};

const RUN: &str = "01K9ZQ4T000000000000000000";

/// A server that answers with this status, and what it was sent.
struct Server {
    address: std::net::SocketAddr,
    heard: Arc<Mutex<Vec<Value>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(status: u16) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let ear = heard.clone();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(move |body: Bytes| {
            ear.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            async move { StatusCode::from_u16(status).unwrap() }
        });
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, heard, _runtime: runtime }
    }

    fn url(&self, kind: &str) -> String {
        format!("{kind}=http://{}/services/S3CR3T-S3CR3T", self.address)
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }
}

fn smoke<'a>(scenario: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "ta-bot/smoke", scenario], more].concat()
}

#[test]
fn the_end_of_a_run_is_told() {
    let (place, server) = (Place::new(), Server::start(200));
    let (slack, webhook) = (server.url("slack"), server.url("webhook"));
    let failing = "--sandbox=petrosa/tabot-no-leader";
    let run =
        place.run(&["run", "ta-bot/no-signals", failing, "--notify", &slack, "--notify", &webhook]);
    assert_eq!(run.code, 1, "{}", run.all());
    let heard = server.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    let text = heard[0]["text"].as_str().unwrap();
    assert!(text.starts_with("ta-bot/no-signals: failed (sandbox tabot-no-leader"), "{text}");
    assert!(text.contains("\nCause: ") && text.contains("\nNext: runbook run "), "{text}");
    assert_eq!(heard[1]["schema"], "runbook.notification/v1");
    assert_eq!(heard[1]["verdict"], "failed");
    // who knows the URL can write there
    let record = place.run(&["show", RUN, "--output", "jsonl"]);
    assert!(!format!("{}{}", run.all(), record.all()).contains("S3CR3T"), "{}", record.all());
}

#[test]
fn nothing_is_sent_by_a_dry_run_or_where_all_is_well() {
    let (place, server) = (Place::new(), Server::start(200));
    let slack = server.url("slack");
    let scenario = "--sandbox=petrosa/tabot-no-leader";
    place.run(&smoke(scenario, &["--notify", &slack, "--dry-run"]));
    let healthy = "--sandbox=petrosa/healthy";
    let run = Place::new().run(&smoke(healthy, &["--notify", &slack, "--notify-on", "not-passed"]));
    assert_eq!((run.code, server.heard().len()), (0, 0), "{}", run.all());
    let run = Place::new().run(&smoke(healthy, &["--notify", &slack]));
    assert_eq!((run.code, server.heard().len()), (0, 1), "{}", run.all());
}

#[test]
fn a_message_that_is_not_delivered_changes_nothing() {
    let (place, server) = (Place::new(), Server::start(503));
    let slack = server.url("slack");
    let run = place.run(&smoke("--sandbox=petrosa/healthy", &["--notify", &slack]));
    assert_eq!((run.code, server.heard().len()), (0, 1), "{}", run.all());
    assert!(run.stderr.contains("Not notified: slack at 127.0.0.1: status 503"), "{}", run.stderr);
    let closed = "webhook=http://127.0.0.1:1/S3CR3T-S3CR3T";
    let run = Place::new().run(&smoke("--sandbox=petrosa/healthy", &["--notify", closed]));
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(
        run.stderr.contains("Not notified: webhook at 127.0.0.1: ")
            && !run.stderr.contains("S3CR3T"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_channel_that_is_no_url_is_refused_before_the_run() {
    let run = Place::new().run(&smoke("--sandbox=petrosa/healthy", &["--notify", "mail=S3CR3T"]));
    assert_eq!(run.code, 2, "{}", run.all());
    assert!(run.stderr.contains("use slack=URL or webhook=URL"), "{}", run.stderr);
}

#[test]
fn a_channel_of_the_user_is_told_unless_the_command_line_says_otherwise() {
    let (place, server, other) = (Place::new(), Server::start(200), Server::start(200));
    place.write(
        ".config/runbook/runbook.toml",
        format!("[notify]\nchannels = [\"{}\"]\non = \"not-passed\"\n", server.url("slack")),
    );
    let failing = "--sandbox=petrosa/tabot-no-leader";
    for (run, arguments) in [
        ["run", "ta-bot/no-signals", failing, "--no-notify"].to_vec(),
        ["run", "ta-bot/no-signals", failing, "--notify", &other.url("slack")].to_vec(),
        ["run", "ta-bot/smoke", "--sandbox=healthy"].to_vec(),
        ["run", "ta-bot/no-signals", failing].to_vec(),
    ]
    .iter()
    .enumerate()
    {
        assert!(server.heard().is_empty(), "{arguments:?}");
        let id = format!("01K9ZQ4T00000000000000000{run}");
        let said = crate::support::said(place.command().env("RUNBOOK_RUN_ID", id).args(arguments));
        assert!(!said.all().contains("S3CR3T"), "{}", said.all());
    }
    assert_eq!((server.heard().len(), other.heard().len()), (1, 1));
}
