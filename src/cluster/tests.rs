//! Tests of the client against a small server that fails in the ways in which clusters do.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::testing::{Socket, client, failure, reply, serve, socket, watch};
use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

fn pods() -> Resource {
    builtin("Pod").unwrap()
}

fn pod(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": version,
        "managedFields": [1]}})
}

fn list(items: &[Value], version: &str, token: &str) -> Value {
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version,
        "continue": token}, "items": items})
}

fn parameter(request: &Request, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

fn soon() -> Instant {
    Instant::now() + TIMEOUT
}

#[tokio::test]
async fn lists_all_pages_sorted() {
    let (cluster, requests) = serve(|_, request| {
        reply(match parameter(&request, "continue").as_deref() {
            None => list(&[pod("c", "1"), pod("b", "1")], "9", "t1"),
            Some("t1") => list(&[pod("a", "1")], "9", "t2"),
            _ => json!({"kind": "PodList", "metadata": {"resourceVersion": "9"}, "items": null}),
        })
    })
    .await;
    let found = cluster.list(&pods(), Some("shop"), &Selection::labels("app=x")).await.unwrap();
    let names: Vec<&str> =
        found.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(
        found[0].to_string(),
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop","resourceVersion":"1"}}"#
    );
    assert_eq!(
        requests.all()[1],
        "GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dx&limit=500&continue=t1"
    );
}

#[tokio::test]
async fn lists_again_when_a_page_is_too_old() {
    let (cluster, requests) =
        serve(|_, request| match (parameter(&request, "continue"), parameter(&request, "limit")) {
            (Some(_), _) => failure(410, "Expired", "too old"),
            (None, Some(_)) => reply(list(&[pod("a", "1")], "9", "t1")),
            (None, None) => reply(list(&[pod("a", "1"), pod("b", "1")], "9", "")),
        })
        .await;
    assert_eq!(cluster.list(&pods(), None, &Selection::all()).await.unwrap().len(), 2);
    assert_eq!(requests.all()[2], "GET /api/v1/pods");
}

#[tokio::test]
async fn knows_when_a_manager_last_changed_an_object() {
    let (cluster, requests) = serve(|_, request| {
        let entry = |manager: &str, time: &str| json!({"manager": manager, "time": time});
        let fields = json!([
            entry("runbook", "2026-01-01T00:00:00Z"),
            entry("other", "2026-01-03T00:00:00Z"),
            entry("runbook", "2026-01-02T00:00:00Z")
        ]);
        let selected = parameter(&request, "fieldSelector")
            .is_some_and(|selector| selector == "metadata.name%3Da");
        let items = if selected {
            vec![json!({"metadata": {"name": "a", "managedFields": fields}})]
        } else {
            Vec::new()
        };
        reply(list(&items, "9", ""))
    })
    .await;
    let changed = async |manager: &str, name: &str| {
        cluster.changed_by(manager, &pods(), "shop", name).await.unwrap()
    };
    assert_eq!(changed("runbook", "a").await, "2026-01-02T00:00:00Z".parse().ok());
    assert_eq!((changed("nobody", "a").await, changed("runbook", "b").await), (None, None));
    assert_eq!(requests.all().len(), 3);
}

#[tokio::test]
async fn says_what_was_refused_and_why() {
    let cases: [(fn() -> Response, ErrorKind, &[&str]); 8] = [
        (
            || failure(403, "Forbidden", "pods is forbidden: User \"x\" cannot list"),
            ErrorKind::Forbidden,
            &["list pods in namespace shop", "User \"x\" cannot list", "refused to list pods"],
        ),
        (
            || failure(401, "Unauthorized", "Unauthorized"),
            ErrorKind::Unauthorized,
            &["context \"test\"", "log in"],
        ),
        (
            || failure(404, "", "the server could not find the requested resource"),
            ErrorKind::Unsupported,
            &["HTTP 404"],
        ),
        (|| failure(429, "TooManyRequests", "slow down"), ErrorKind::Throttled, &["slow down"]),
        (|| failure(500, "InternalError", "etcd"), ErrorKind::Server, &["etcd", "HTTP 500"]),
        (|| failure(504, "Timeout", "late"), ErrorKind::Timeout, &["late"]),
        (
            || Response::new("<html>welcome</html>".into()),
            ErrorKind::Malformed,
            &["like a Kubernetes API server"],
        ),
        (|| reply(json!({})), ErrorKind::Malformed, &["the list has no kind"]),
    ];
    for (answer, kind, parts) in cases {
        let (cluster, requests) = serve(move |_, _| answer()).await;
        let error = cluster.list(&pods(), Some("shop"), &Selection::all()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        for part in parts {
            assert!(error.message.contains(part), "{error} should contain {part}");
        }
        assert!(!error.message.contains("insecure") && !error.message.contains('\n'));
        // Nothing is retried behind the caller's back.
        assert_eq!(requests.all().len(), 1);
    }
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_of_its_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cluster = client(&server, json!({})).await.unwrap();
    let error = cluster.list(&pods(), None, &Selection::all()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(
        error.message,
        format!(
            "could not reach {server} to list pods in all namespaces: connection refused; check \
                that context \"test\" is correct, that the VPN is up and that the API server is \
                running"
        )
    );
    assert!(error.retryable() && error.not_executed() && error.is_cluster_down());
    assert_eq!(cluster.identify().await.unwrap_err().kind, ErrorKind::Unreachable);
    let deadline = Instant::now() + Duration::from_millis(300);
    let waited =
        cluster
            .watch_until(&pods(), None, &Selection::all(), deadline, |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
    assert!(
        matches!(waited, Err(WaitError::Failed(error)) if error.kind == ErrorKind::Unreachable)
    );
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_a_tls_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = client(&server, json!({}))
        .await
        .unwrap()
        .list(&pods(), None, &Selection::all())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    assert!(error.message.contains("uses a TLS port"), "{error}");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let cluster = client(&server, json!({})).await.unwrap();
    let error = cluster.list(&pods(), None, &Selection::all()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(!error.not_executed());
}

#[cfg(unix)]
#[tokio::test]
async fn a_failing_credential_plugin_shows_its_error_but_not_its_output() {
    let plugin = |script: &str| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh", "args": ["-c", script]}})
    };
    let error =
        client("http://127.0.0.1:1", plugin("echo hunter2; echo session expired >&2; exit 1"))
            .await
            .err()
            .unwrap();
    assert_eq!(error.kind, ErrorKind::Kubeconfig);
    assert!(
        error.message.contains("session expired") && !error.message.contains("hunter2"),
        "{error}"
    );
    let absent = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-plugin"}});
    let error = client("http://127.0.0.1:1", absent).await.err().unwrap();
    assert!(error.message.contains(": no-such-plugin was not found: install it"), "{error}");
}

#[tokio::test]
async fn a_missing_namespace_is_named() {
    let (cluster, _) = serve(|_, request| {
        let namespace = request.uri().path() == "/api/v1/namespaces/gone";
        failure(
            404,
            "NotFound",
            if namespace { "namespaces \"gone\" not found" } else { "pods \"a\" not found" },
        )
    })
    .await;
    let error = cluster.get(&pods(), Some("gone"), "a").await.unwrap_err();
    assert_eq!(error.message, "namespace \"gone\" not found, so it has no pods \"a\"");
    let error = cluster.get(&pods(), Some("default"), "a").await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "pods \"a\" not found in namespace \"default\"")
    );
    assert_eq!(cluster.get(&pods(), None, "").await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_watch_survives_what_passes() {
    let (cluster, requests) = serve(|number, request| {
        if parameter(&request, "watch").is_none() {
            return match number {
                0 => failure(500, "InternalError", "etcd leader changed"),
                1 => failure(429, "TooManyRequests", "storage is (re)initializing"),
                2 => reply(list(&[pod("a", "1")], "1", "")),
                _ => reply(list(&[pod("a", "1"), pod("b", "7")], "7", "")),
            };
        }
        match parameter(&request, "resourceVersion").as_deref() {
            // A bookmark moves the cursor, then the stream ends.
            Some("1") => watch(&[json!({"type": "BOOKMARK",
                "object": {"metadata": {"resourceVersion": "3"}}})]),
            Some("3") if number == 4 => failure(503, "ServiceUnavailable", "starting"),
            Some("3") => {
                watch(&[json!({"type": "ERROR", "object": {"kind": "Status", "code": 410,
                "reason": "Expired", "message": "old"}})])
            }
            _ => watch(&[
                json!({"type": "MODIFIED", "object": pod("b", "8")}),
                json!({"type": "DELETED", "object": pod("a", "9")}),
                json!({"type": "ADDED", "object": pod("c", "10")}),
            ]),
        }
    })
    .await;
    let mut views = Vec::new();
    let result = cluster
        .watch_until(&pods(), Some("shop"), &Selection::all(), soon(), |objects| {
            let names: Vec<&str> = objects.keys().map(|key| key.name.as_str()).collect();
            views.push(names.join(","));
            if objects.len() == 2 && names.contains(&"c") {
                ControlFlow::Break(objects.len())
            } else {
                ControlFlow::Continue(())
            }
        })
        .await;
    assert_eq!(result.unwrap(), 2);
    assert_eq!(views, ["a", "a,b", "a,b", "b", "b,c"]);
    assert_eq!(requests.count("watch=true"), 4);
}

#[tokio::test]
async fn a_watch_gives_up_at_once_on_what_does_not_pass() {
    for (code, reason) in [(403, "Forbidden"), (401, "Unauthorized"), (404, "")] {
        let (cluster, requests) = serve(move |number, _| match number {
            0 => reply(list(&[], "1", "")),
            _ => failure(code, reason, "no"),
        })
        .await;
        let waited = cluster
            .watch_until(&pods(), None, &Selection::all(), soon(), |_| {
                ControlFlow::<()>::Continue(())
            })
            .await;
        assert!(matches!(waited, Err(WaitError::Failed(_))), "{code} {waited:?}");
        assert_eq!(requests.all().len(), 2);
    }
}

#[tokio::test]
async fn a_watch_says_at_its_deadline_what_it_last_saw() {
    let (cluster, requests) = serve(|_, request| match parameter(&request, "watch") {
        None => reply(list(&[pod("a", "1")], "1", "")),
        Some(_) => watch(&[]),
    })
    .await;
    let deadline = Instant::now() + Duration::from_millis(500);
    let selection = Selection::name("a");
    let waited = cluster
        .watch_until(&pods(), Some("shop"), &selection, deadline, |_| {
            ControlFlow::<()>::Continue(())
        })
        .await;
    let Err(WaitError::Timeout { last, last_error: None, .. }) = waited else {
        panic!("{waited:?}")
    };
    assert_eq!(last.keys().next().unwrap().name, "a");
    // A server that closes every watch at once is not hammered.
    assert!(requests.all().len() < 8, "{:?}", requests.all());
    assert_eq!(requests.count("fieldSelector=metadata.name%3Da"), requests.all().len());
}

#[tokio::test]
async fn discovers_kinds_that_are_not_built_in_once() {
    let aggregated = json!({"kind": "APIGroupDiscoveryList",
        "items": [{"metadata": {"name": "cert-manager.io"}, "versions": [
        {"version": "v1", "resources": [{"resource": "certificates", "scope": "Namespaced",
        "singularResource": "certificate",
         "shortNames": ["cert"], "responseKind": {"kind": "Certificate"}}]}]}]});
    let (cluster, requests) = serve(move |_, request| match request.uri().path() {
        "/apis" => reply(aggregated.clone()),
        _ => reply(json!({"kind": "APIGroupDiscoveryList", "items": []})),
    })
    .await;
    for name in ["Certificate", "certs.cert-manager.io", "cert", "certificates.v1.cert-manager.io"]
    {
        let found = cluster.resolve(name).await;
        assert_eq!(found.is_ok(), name != "certs.cert-manager.io", "{name} {found:?}");
    }
    // One discovery, and one more for the name that was not known.
    assert_eq!(requests.all().len(), 4);
    let error = cluster.resolve("Certificat").await.unwrap_err();
    assert!(
        error.message.ends_with("has no kind \"Certificat\"; did you mean Certificate?"),
        "{error}"
    );
}

#[tokio::test]
async fn discovers_group_by_group_on_old_servers() {
    let (cluster, _) = serve(|_, request| match request.uri().path() {
        "/api" => reply(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => reply(json!({"kind": "APIGroupList", "groups": [
            {"name": "a.io", "preferredVersion": {"groupVersion": "a.io/v2"}},
            {"name": "b.io", "preferredVersion": {"groupVersion": "b.io/v1"}}]})),
        "/apis/a.io/v2" => reply(json!({"kind": "APIResourceList", "resources": [
            {"name": "things/status", "kind": "Thing", "namespaced": true},
            {"name": "things", "kind": "Thing", "namespaced": false}]})),
        "/apis/b.io/v1" => failure(503, "ServiceUnavailable", "down"),
        _ => reply(json!({"kind": "APIResourceList", "resources": []})),
    })
    .await;
    let thing = cluster.resolve("thing").await.unwrap();
    assert_eq!(
        (thing.api_version().as_str(), thing.plural.as_str(), thing.namespaced),
        ("a.io/v2", "things", false)
    );
    let error = cluster.resolve("Widget").await.unwrap_err();
    assert!(error.message.contains("did not answer: b.io/v1"), "{error}");
}

#[tokio::test]
async fn finds_the_pods_of_a_deployment_by_their_owners() {
    let owned = |name: &str, uid: &str, owner: &str| {
        json!({"metadata": {"name": name, "uid": uid,
            "ownerReferences": [{"uid": owner, "controller": true}]},
               "status": {"phase": if name == "done" { "Succeeded" } else { "Running" }}})
    };
    let (cluster, requests) = serve(move |_, request| match request.uri().path() {
        "/apis/apps/v1/namespaces/shop/deployments/web" => {
            reply(json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop",
                "uid": "d"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}))
        }
        "/apis/apps/v1/namespaces/shop/replicasets" => {
            reply(json!({"kind": "ReplicaSetList", "metadata": {"resourceVersion": "1"},
                "items": [owned("rs1", "r1", "d"), owned("rs2", "r2", "other")]}))
        }
        _ => reply(json!({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [
            owned("z", "1", "r1"), owned("a", "2", "r1"), owned("foreign", "3", "r2"), owned("done",
                "4", "r1")]})),
    })
    .await;
    let target = PodsOf::Workload { kind: "deploy".into(), name: "web".into() };
    let names = |pods: Vec<Value>| {
        pods.iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(cluster.pods(&target, "shop").await.unwrap()), ["a", "z"]);
    assert_eq!(requests.all().len(), 3);
    assert_eq!(requests.count("labelSelector=app%3Dweb"), 2);
    assert_eq!(
        names(cluster.pods_with_finished(&target, "shop").await.unwrap()),
        ["a", "done", "z"]
    );
}

#[tokio::test]
async fn logs_are_cut_at_whole_lines_and_find_their_container() {
    let (cluster, _) = serve(|_, request| {
        if !request.uri().path().ends_with("/log") {
            return reply(json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
                "spec": {"containers": [{"name": "main"}, {"name": "side"}]}}));
        }
        match parameter(&request, "container").as_deref() {
            None => failure(
                400,
                "BadRequest",
                "a container name must be specified for pod a, choose one of: [main side]",
            ),
            Some(name) => Response::new(format!("{name} 1\n{name} 2\n").into()),
        }
    })
    .await;
    let whole = cluster.logs("shop", "a", &LogOptions::default()).await.unwrap();
    assert_eq!(whole, LogText { text: "main 1\nmain 2\n".into(), truncated: false });
    let options =
        LogOptions { container: Some("side".into()), limit_bytes: 10, ..LogOptions::default() };
    let cut = cluster.logs("shop", "a", &options).await.unwrap();
    assert_eq!(cut, LogText { text: "side 1\n".into(), truncated: true });
}

fn frame(channel: u8, data: &[u8]) -> Message {
    let mut bytes = vec![channel];
    bytes.extend_from_slice(data);
    Message::binary(bytes)
}

async fn exec_against<F, T>(talk: F, stdin: Option<&[u8]>) -> Executed
where
    F: Fn(Socket) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let (cluster, requests) = serve(move |_, request| socket(request, talk.clone())).await;
    let argv = ["echo".to_owned(), "a b".to_owned()];
    let done = cluster
        .exec("shop", "p", None, &argv, stdin.map(<[u8]>::to_vec), Duration::from_secs(2), 6)
        .await
        .unwrap();
    assert!(
        requests.all()[0]
            .starts_with("GET /api/v1/namespaces/shop/pods/p/exec?command=echo&command=a%20b")
    );
    done
}

#[tokio::test]
async fn exec_reports_output_and_exit_code() {
    let done = exec_against(
        |mut socket| async move {
            socket.send(frame(1, b"out")).await.unwrap();
            socket.send(frame(2, b"err")).await.unwrap();
            socket.send(frame(1, b"putputput")).await.unwrap();
            let status = br#"{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
            socket.send(frame(3, status)).await.unwrap();
        },
        None,
    )
    .await;
    let expected = Executed {
        stdout: b"output".to_vec(),
        stderr: b"err".to_vec(),
        truncated: true,
        exit: CommandExit::Code(7),
    };
    assert_eq!(done, expected);
}

#[tokio::test]
async fn exec_sends_standard_input_and_its_end() {
    let done = exec_against(
        |mut socket| async move {
            let mut read = Vec::new();
            while let Some(Ok(Message::Binary(data))) = socket.next().await {
                if data[0] == 255 {
                    break;
                }
                read.extend_from_slice(&data[1..]);
            }
            socket.send(frame(1, &read)).await.unwrap();
            socket.send(frame(3, br#"{"status":"Success"}"#)).await.unwrap();
        },
        Some(b"hello"),
    )
    .await;
    assert_eq!((done.stdout.as_slice(), done.exit), (&b"hello"[..], CommandExit::Code(0)));
}

#[tokio::test]
async fn exec_without_a_status_is_never_a_success() {
    let closed = exec_against(
        |mut socket| async move {
            socket.send(frame(1, b"out")).await.unwrap();
            socket.close(None).await.unwrap();
        },
        None,
    )
    .await;
    assert_eq!(closed.stdout, b"out");
    assert!(matches!(closed.exit, CommandExit::Unknown(_)), "{closed:?}");
    let broken = exec_against(|socket| async move { drop(socket) }, None).await;
    assert!(matches!(broken.exit, CommandExit::Unknown(_)), "{broken:?}");
    let silent = exec_against(
        |socket| async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            drop(socket);
        },
        None,
    )
    .await;
    assert_eq!(silent.exit, CommandExit::TimedOut);
}

#[tokio::test]
async fn exec_that_is_refused_is_an_error() {
    let (cluster, _) =
        serve(|_, _| failure(403, "Forbidden", "pods \"p\" is forbidden: cannot create pods/exec"))
            .await;
    let error =
        cluster.exec("shop", "p", None, &["ls".to_owned()], None, TIMEOUT, 10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(error.message.contains("run \"ls\" in pod p in namespace shop"), "{error}");
    assert!(error.message.contains("cannot create pods/exec"), "{error}");
}

/// The server half of a port-forward to port 8080 that reads a request and answers with these
/// frames.
async fn forward(mut socket: Socket, frames: Vec<Message>) {
    let port = 8080_u16.to_le_bytes();
    socket.send(frame(0, &port)).await.unwrap();
    socket.send(frame(1, &port)).await.unwrap();
    if frames.iter().all(|frame| !frame.clone().into_data().starts_with(&[1])) {
        let _ = socket.next().await;
    }
    for frame in frames {
        socket.send(frame).await.unwrap();
    }
    let _ = socket.close(None).await;
}

fn get_health() -> ::http::Request<Bytes> {
    ::http::Request::get("http://ignored/health?x=1").body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn forwards_http() {
    let (cluster, requests) = serve(|_, request| {
        socket(request, |socket| {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nA: 1\r\na: \
                2\r\n\r\nhello";
            forward(socket, vec![frame(0, &answer[..20]), frame(0, &answer[20..])])
        })
    })
    .await;
    let answer = cluster.forward_http("shop", "p", 8080, get_health(), TIMEOUT, 4).await.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.truncated), (503, &b"hell"[..], true));
    assert_eq!(answer.headers["a"], "1, 2");
    assert_eq!(requests.all(), ["GET /api/v1/namespaces/shop/pods/p/portforward?&ports=8080"]);
    cluster.forward_connect("shop", "p", 8080).await.unwrap();
}

#[tokio::test]
async fn a_forward_to_a_closed_port_says_so_without_another_try() {
    let (cluster, requests) = serve(|_, request| {
        socket(request, |socket| {
            let text = b"failed to connect to localhost:8080 inside namespace: dial tcp4 \
                127.0.0.1:8080: connect: connection refused";
            forward(socket, vec![frame(1, text)])
        })
    })
    .await;
    let error =
        cluster.forward_http("shop", "p", 8080, get_health(), TIMEOUT, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ConnectionRefused, "{error}");
    assert_eq!(
        error.message,
        "nothing listens at pod shop/p:8080: dial tcp4 127.0.0.1:8080: connect: connection refused"
    );
    assert_eq!(requests.all().len(), 1);
    let error = cluster.forward_connect("shop", "p", 8080).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ConnectionRefused, "{error}");
}

#[tokio::test]
async fn a_broken_forward_is_tried_again_for_reads_only() {
    let (cluster, requests) = serve(|number, request| {
        socket(request, move |socket| async move {
            if number == 1 {
                forward(socket, vec![frame(0, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")])
                    .await;
            }
        })
    })
    .await;
    assert_eq!(
        cluster.forward_http("shop", "p", 8080, get_health(), TIMEOUT, 100).await.unwrap().status,
        200
    );
    let post = ::http::Request::post("/").body(Bytes::new()).unwrap();
    let error = cluster.forward_http("shop", "p", 8080, post, TIMEOUT, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert_eq!(requests.all().len(), 3);
}

#[tokio::test]
async fn proxies_http() {
    let (cluster, requests) = serve(|number, _| match number {
        0 => Response::builder().status(503).body("{\"status\":\"down\"}".into()).unwrap(),
        1 => failure(403, "Forbidden", "cannot get pods/proxy"),
        _ => failure(
            503,
            "ServiceUnavailable",
            "error trying to reach service: dial tcp 10.0.0.1:80: connect: connection refused",
        ),
    })
    .await;
    let to = ProxyTo::Service { name: "web".into(), port: "http".into() };
    let ask = || cluster.proxy_http("shop", &to, get_health(), TIMEOUT, 1000);
    assert_eq!(ask().await.unwrap().status, 503);
    assert_eq!(requests.all()[0], "GET /api/v1/namespaces/shop/services/web:http/proxy/health?x=1");
    assert_eq!(ask().await.unwrap_err().kind, ErrorKind::Forbidden);
    assert_eq!(ask().await.unwrap_err().kind, ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn identifies_as_much_as_it_may() {
    let (cluster, _) = serve(|_, request| match request.uri().path() {
        "/version" => reply(json!({"gitVersion": "v1.33.1"})),
        "/api/v1/namespaces/kube-system" => failure(403, "Forbidden", "no"),
        _ => failure(404, "", "the server could not find the requested resource"),
    })
    .await;
    let expected = Identity {
        server_version: "v1.33.1".into(),
        cluster_uid: None,
        user: None,
        groups: vec![],
    };
    assert_eq!(cluster.identify().await.unwrap(), expected);
}

#[test]
fn events_are_sorted_by_when_they_were_last_seen() {
    let mut events = [
        json!({"n": 4, "series": {"lastObservedTime": "2026-01-01T00:04:00.000000Z"},
            "eventTime": "2026-01-01T00:00:00Z"}),
        json!({"n": 2, "lastTimestamp": "2026-01-01T00:02:00Z",
            "metadata": {"creationTimestamp": "2026-01-01T00:09:00Z"}}),
        json!({"n": 3, "lastTimestamp": null, "eventTime": "2026-01-01T00:03:00.5Z"}),
        json!({"n": 1, "metadata": {"creationTimestamp": "2026-01-01T00:01:00Z"}}),
    ];
    sort_events(&mut events);
    assert_eq!(events.map(|event| event["n"].as_i64().unwrap()), [1, 2, 3, 4]);
}
