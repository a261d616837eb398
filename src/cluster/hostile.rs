//! Tests of the client against servers that send responses no API server sends, or responses
//! without an end. None of them causes a panic, passes for an empty list, or exhausts the memory.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::testing::{client, reply, serve, socket, watch};
use super::write::Writer;
use super::*;

const SOON: Duration = Duration::from_secs(20);

fn pods() -> Resource {
    builtin("Pod").unwrap()
}

fn pod(name: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": "u",
        "resourceVersion": "1"}})
}

fn list(items: Value) -> Value {
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
        "items": items})
}

/// Shapes that are no object that was asked for.
fn wrong_objects() -> Vec<Value> {
    vec![
        json!([]),
        json!(null),
        json!("text"),
        json!(7),
        json!({}),
        json!({"kind": "Pod"}),
        json!({"kind": "Pod", "metadata": null}),
        json!({"kind": "Pod", "metadata": []}),
        json!({"kind": "Pod", "metadata": {}}),
        json!({"kind": "Pod", "metadata": {"name": 5}}),
        json!({"kind": "Pod", "metadata": {"name": ""}}),
        json!({"kind": "Secret", "metadata": {"name": "a", "namespace": "shop"}}),
        json!({"kind": 5, "metadata": {"name": "a", "namespace": "shop"}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "labels": "x"}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": "x"}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"containers": {}}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"containers": [null]}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"template": {"metadata": {"annotations": []}}}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
            "status": {"conditions": "x"}}),
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "other"}}),
    ]
}

#[tokio::test]
async fn an_object_of_the_wrong_shape_is_an_error() {
    let more = [
        pod("b"),
        json!({"metadata": {"name": "a", "namespace": "shop"}}),
        list(json!([])),
        json!({"kind": "Pod", "metadata": {"name": "a"}}),
    ];
    for answer in wrong_objects().into_iter().chain(more) {
        let sent = answer.clone();
        let (cluster, _) = serve(move |_, _| reply(sent.clone())).await;
        let error = cluster.get(&pods(), Some("shop"), "a").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{answer}: {error}");
        assert!(cluster.get_optional(&pods(), "shop", "a").await.is_err(), "{answer}");
        assert!(!error.retryable() && !error.not_executed());
    }
}

#[tokio::test]
async fn a_list_of_the_wrong_shape_is_an_error_and_never_empty() {
    let items = wrong_objects().into_iter().filter(|object| *object != json!({"kind": "Pod"}));
    let lists = items.map(|object| list(json!([pod("b"), object]))).chain([
        json!([]),
        json!(null),
        json!({}),
        json!("x"),
        pod("a"),
        list(json!({})),
        list(json!("x")),
        json!({"kind": "PodList", "metadata": {"resourceVersion": "1"}}),
        json!({"kind": "PodList", "metadata": {}, "items": []}),
        json!({"kind": "PodList", "metadata": {"resourceVersion": ""}, "items": []}),
        json!({"kind": "PodList", "items": []}),
        json!({"kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": []}),
        json!({"kind": "Status", "status": "Success", "metadata": {}, "items": []}),
        json!({"metadata": {"resourceVersion": "1"}, "items": []}),
    ]);
    for answer in lists {
        let sent = answer.clone();
        let (cluster, _) = serve(move |_, _| reply(sent.clone())).await;
        let error = cluster.list(&pods(), Some("shop"), &Selection::all()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{answer}: {error}");
        let deadline = Instant::now() + SOON;
        let waited = cluster
            .watch_until(&pods(), Some("shop"), &Selection::all(), deadline, |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
        assert!(
            matches!(waited, Err(WaitError::Failed(_))) && Instant::now() < deadline,
            "{answer}: {waited:?}"
        );
        assert!(cluster.changed_by("runbook", &pods(), "shop", "a").await.is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_list_of_a_kind_that_is_not_built_in_may_have_any_name_and_no_place_in_history() {
    let widgets = Resource {
        group: "a.io".into(),
        version: "v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        namespaced: true,
        short: Vec::new(),
    };
    for (answer, good) in [
        (
            json!({"kind": "WidgetCollection", "metadata": {},
                "items": [{"metadata": {"name": "a"}}]}),
            true,
        ),
        (json!({"kind": "Status", "metadata": {}, "items": []}), false),
        (json!({"metadata": {}, "items": []}), false),
        (
            json!({"kind": "WidgetList", "metadata": {},
                "items": [{"kind": "Gadget", "metadata": {"name": "a"}}]}),
            false,
        ),
    ] {
        let sent = answer.clone();
        let (cluster, _) = serve(move |_, _| reply(sent.clone())).await;
        assert_eq!(
            cluster.list(&widgets, Some("shop"), &Selection::all()).await.is_ok(),
            good,
            "{answer}"
        );
        let deadline = Instant::now() + SOON;
        let waited = cluster
            .watch_until(&widgets, Some("shop"), &Selection::all(), deadline, |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
        assert!(
            matches!(waited, Err(WaitError::Failed(_))),
            "a watch needs a place to begin at: {answer}"
        );
    }
}

#[tokio::test]
async fn a_watch_event_of_the_wrong_shape_ends_the_wait_with_an_error() {
    let objects =
        wrong_objects().into_iter().map(|object| json!({"type": "MODIFIED", "object": object}));
    let more = [
        json!([]),
        json!(null),
        json!({}),
        json!({"type": "ADDED"}),
        json!({"type": "DELETED", "object": []}),
        json!({"type": "BOOKMARK", "object": {}}),
        json!({"type": "NONSENSE", "object": pod("a")}),
    ];
    for event in objects.chain(more) {
        // the same kind alone, without more, is left out in a watch as in a list
        let sent = event.clone();
        let (cluster, _) = serve(move |number, _| {
            if number == 0 {
                reply(list(json!([pod("a")])))
            } else {
                watch(std::slice::from_ref(&sent))
            }
        })
        .await;
        let deadline = Instant::now() + SOON;
        let waited = cluster
            .watch_until(&pods(), Some("shop"), &Selection::all(), deadline, |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
        assert!(
            matches!(&waited, Err(WaitError::Failed(error)) if error.kind == ErrorKind::Malformed),
            "{event}: {waited:?}"
        );
    }
}

#[tokio::test]
async fn a_discovery_or_identity_of_the_wrong_shape_is_an_error() {
    for answer in [
        json!([]),
        json!(null),
        json!({}),
        json!({"kind": "APIGroupDiscoveryList"}),
        json!({"kind": "APIGroupDiscoveryList", "items": {}}),
        list(json!([])),
    ] {
        let sent = answer.clone();
        let (cluster, _) = serve(move |_, _| reply(sent.clone())).await;
        assert_eq!(
            cluster.resolve("Widget").await.unwrap_err().kind,
            ErrorKind::Malformed,
            "{answer}"
        );
        assert_eq!(cluster.identify().await.unwrap_err().kind, ErrorKind::Malformed, "{answer}");
    }
    // as many groups as it likes, each of which would be asked for
    let groups: Vec<Value> = (0..5000)
        .map(|number| json!({"preferredVersion": {"groupVersion": format!("g{number}/v1")}}))
        .collect();
    let (cluster, requests) = serve(move |_, request| {
        let core = request.uri().path() == "/api";
        reply(if core {
            json!({"kind": "APIVersions", "versions": []})
        } else {
            json!({"kind": "APIGroupList", "groups": groups})
        })
    })
    .await;
    assert_eq!(cluster.resolve("Widget").await.unwrap_err().kind, ErrorKind::Malformed);
    assert!(requests.all().len() < 10);
}

#[tokio::test]
async fn an_answer_to_a_change_that_is_not_the_object_leaves_it_in_doubt() {
    let write = |method| Write {
        method,
        resource: pods(),
        namespace: "shop".into(),
        name: "a".into(),
        body: json!({}),
    };
    let good = pod("a");
    let other =
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "uid": "another"}});
    let success =
        json!({"kind": "Status", "status": "Success", "details": {"name": "a", "uid": "u"}});
    let failure = json!({"kind": "Status", "status": "Failure"});
    let elsewhere = json!({"kind": "Status", "status": "Success", "details": {"name": "b"}});
    let ends = [Method::Delete, Method::Evict];
    let all = [
        Method::Create,
        Method::MergePatch,
        Method::StrategicPatch,
        Method::JsonPatch,
        Method::Apply,
        Method::ForceApply,
        Method::Delete,
        Method::Evict,
    ];
    for method in all {
        let wrong = wrong_objects()
            .into_iter()
            .chain([pod("b"), other.clone(), failure.clone(), elsewhere.clone()])
            .map(|answer| (answer, false));
        for (answer, fits) in
            wrong.chain([(good.clone(), true), (success.clone(), ends.contains(&method))])
        {
            let sent = answer.clone();
            let (cluster, requests) = serve(move |_, _| reply(sent.clone())).await;
            let sent = Writer::new(cluster).send_within(&write(method), Some("u"), SOON).await;
            match sent {
                Ok(_) => assert!(fits, "{method:?} {answer}"),
                Err(error) => assert!(
                    !fits && !error.not_executed() && error.kind == ErrorKind::Malformed,
                    "{method:?} {answer}: {error}"
                ),
            }
            assert_eq!(requests.all().len(), 1, "nothing is repeated");
        }
        for body in ["", "<html>", "{", "[1"] {
            let (cluster, _) = serve(move |_, _| Response::new(Body::from(body))).await;
            let error =
                Writer::new(cluster).send_within(&write(method), None, SOON).await.unwrap_err();
            assert!(!error.not_executed(), "{method:?} {body}: {error}");
        }
    }
}

#[tokio::test]
async fn a_change_is_bounded_by_the_time_that_it_is_given_and_the_server_is_told() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let heard = seen.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        *heard.lock().unwrap() = String::from_utf8_lossy(&buffer[..read]).into_owned();
        tokio::time::sleep(SOON).await;
    });
    let write = Write {
        method: Method::MergePatch,
        resource: pods(),
        namespace: "shop".into(),
        name: "a".into(),
        body: json!({}),
    };
    let begun = Instant::now();
    let error = Writer::new(client(&server, json!({})).await.unwrap())
        .send_within(&write, None, Duration::from_millis(300))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.not_executed()), (ErrorKind::Timeout, false), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(seen.lock().unwrap().contains("&timeout=1s"), "{}", seen.lock().unwrap());
}

/// The most memory that this process has had, in MiB; the tests of one process share it.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn endless(part: &'static str) -> Response {
    Response::new(Body::from_stream(stream::repeat_with(move || {
        Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes()))
    })))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_an_end_is_an_error() {
    // the same page again, a page of nothing that goes on, and pages that bring something, each
    // with another token
    let page = |items: Value, token: &str| {
        json!({"kind": "PodList", "metadata": {"resourceVersion": "1",
            "continue": token}, "items": items})
    };
    let (same, _) = serve(move |_, _| reply(page(json!([pod("a")]), "t"))).await;
    let (nothing, _) = serve(move |number, _| reply(page(json!([]), &number.to_string()))).await;
    let (more, requests) =
        serve(move |number, _| reply(page(json!([pod("a")]), &number.to_string()))).await;
    for cluster in [same, nothing, more] {
        let error =
            tokio::time::timeout(SOON * 3, cluster.list(&pods(), Some("shop"), &Selection::all()))
                .await
                .unwrap()
                .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
    }
    assert_eq!(requests.all().len(), 2000);
}

#[tokio::test]
async fn an_answer_larger_than_the_memory_that_it_may_take_is_an_error() {
    let mut small = 1000;
    assert!(
        answer::parse(br#"{"a": [1, 2, "text", null, {"b": true}]}"#, &mut small).is_ok()
            && small < 1000
    );
    let value =
        answer::parse(br#"{"b": [1, -2, 1.5, "x\n", null, {"c": true}], "a": {}}"#, &mut 10_000)
            .unwrap();
    assert_eq!(value, json!({"b": [1, -2, 1.5, "x\n", null, {"c": true}], "a": {}}));
    let brackets = format!("[{}]", vec!["[]"; 1000].join(","));
    assert!(answer::parse(brackets.as_bytes(), &mut 1000).unwrap_err().contains("in memory"));
    assert!(
        answer::parse("[".repeat(10_000).as_bytes(), &mut 1_000_000)
            .unwrap_err()
            .contains("recursion")
    );
    assert!(
        answer::parse(b"{} {}", &mut 1000).is_err() && answer::parse(b"\xff", &mut 1000).is_err()
    );
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_end_with_an_error_in_bounded_memory() {
    let before = peak();
    // a body without an end: text in JSON, a list of little things, tiny chunks; logs; a watch in
    // one line, and of new objects
    let bodies = ["xxxxxxxxxxxxxxxx", "[],[],[],[],[],[],[],[],", "{\"a\":[[],[],[],[],[]]},"];
    for part in bodies {
        let (cluster, _) = serve(move |_, _| endless(part)).await;
        let error = cluster.list(&pods(), Some("shop"), &Selection::all()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed | ErrorKind::Timeout), "{error}");
    }
    let lines: &'static str = "a line\n".repeat(1000).leak();
    let (cluster, _) = serve(move |_, _| endless(lines)).await;
    let log = cluster
        .logs(
            "shop",
            "a",
            &LogOptions {
                container: Some("c".into()),
                limit_bytes: 1_000_000,
                ..LogOptions::default()
            },
        )
        .await
        .unwrap();
    assert!(log.truncated && log.text.len() <= 1_000_000);
    for part in [
        "x",
        " \n",
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n",
    ] {
        let (cluster, _) = serve(
            move |number, _| if number == 0 { reply(list(json!([]))) } else { endless(part) },
        )
        .await;
        let deadline = Instant::now() + Duration::from_secs(1);
        let waited = cluster
            .watch_until(&pods(), Some("shop"), &Selection::all(), deadline, |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
        assert!(waited.is_err() && deadline.elapsed() < SOON, "{waited:?}");
    }
    assert!(peak() - before < 1500, "{} MiB", peak() - before);
}

#[tokio::test]
async fn a_server_that_answers_drop_by_drop_or_with_huge_headers_is_not_waited_for() {
    for huge in [true, false] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
                    let header = format!("X-A: {}\r\n", "a".repeat(50_000)).into_bytes();
                    let part: &[u8] = if huge { &header } else { b"\r\n{" };
                    let pause = Duration::from_millis(if huge { 0 } else { 50 });
                    let rest: &[u8] = if huge { part } else { b" " };
                    let mut part = part;
                    while stream.write_all(part).await.is_ok() {
                        tokio::time::sleep(pause).await;
                        part = rest;
                    }
                });
            }
        });
        let begun = Instant::now();
        let error = client(&server, json!({}))
            .await
            .unwrap()
            .list(&pods(), Some("shop"), &Selection::all())
            .await
            .unwrap_err();
        let kinds = if huge {
            [ErrorKind::Protocol, ErrorKind::Protocol]
        } else {
            [ErrorKind::Timeout, ErrorKind::Timeout]
        };
        assert!(
            kinds.contains(&error.kind) && begun.elapsed() < Duration::from_secs(5),
            "{huge}: {error}"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_without_an_end_end_a_stream() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let flood = |request: Request| {
        socket(request, |socket| async move {
            // what comes back is not read: an answer to each ping would pile up
            let (mut send, _receive) = socket.split();
            loop {
                let sent = send.feed(Message::Ping(Bytes::from_static(b"0123456789"))).await;
                if sent.is_err() || STOP.load(Ordering::SeqCst) {
                    return;
                }
            }
        })
    };
    let (cluster, _) = serve(move |_, request| flood(request)).await;
    let before = peak();
    let begun = Instant::now();
    let done = cluster
        .exec("shop", "p", None, &["ls".to_owned()], None, Duration::from_secs(10), 1000)
        .await
        .unwrap();
    assert!(matches!(&done.exit, CommandExit::Unknown(why) if why.contains("ping")), "{done:?}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    let request = ::http::Request::get("http://ignored/").body(Bytes::new()).unwrap();
    let error = cluster
        .forward_http("shop", "p", 8080, request, Duration::from_secs(3), 1000)
        .await
        .unwrap_err();
    STOP.store(true, Ordering::SeqCst);
    assert!(begun.elapsed() < SOON, "{error}");
    assert!(peak() - before < 300, "{} MiB: {error}", peak() - before);
}
