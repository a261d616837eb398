//! The server as the API defines it.

use super::*;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[tokio::test]
async fn nothing_listens_when_the_server_is_down() {
    let sandbox =
        start(&petrosa(), Options { scenario: "api-down".to_owned(), ..Options::default() })
            .await
            .unwrap();
    let error = tokio::net::TcpStream::connect(sandbox.address()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn dropping_a_sandbox_stops_it() {
    let sandbox =
        start(&petrosa(), Options { scenario: "healthy".to_owned(), ..Options::default() })
            .await
            .unwrap();
    let address = sandbox.address();
    tokio::net::TcpStream::connect(address).await.unwrap();
    drop(sandbox);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn commands_run_as_the_real_tools_do() {
    let cluster = cluster("healthy").await;
    let bot = &cluster.bots().await[0];
    for (command, code, out, err) in [
        (vec!["curl", "-s", "localhost:8080/healthz"], 0, "{\"status\":\"ok\"}\n", ""),
        (
            vec![
                "curl",
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "http://petrosa-tradeengine-service/health",
            ],
            0,
            "200",
            "",
        ),
        (vec!["curl", "-sf", "localhost:8080/nosuch"], 22, "", ""),
        (
            vec!["curl", "-sSf", "localhost:8080/nosuch"],
            22,
            "",
            "curl: (22) The requested URL returned error: 404\n",
        ),
        (
            vec!["curl", "-sS", "localhost:9"],
            7,
            "",
            "curl: (7) Failed to connect to localhost port 9 after 1 ms: Couldn't connect to \
                server\n",
        ),
        (
            vec!["curl", "-sS", "http://nosuch/"],
            6,
            "",
            "curl: (6) Could not resolve host: nosuch\n",
        ),
        (
            vec!["curl", "-sS", "-m", "2", "http://prometheus.monitoring:9090/"],
            28,
            "",
            "curl: (28) Connection timed out after 2000 milliseconds\n",
        ),
        (
            vec!["curl", "-s", "-X", "POST", "-d", "{}", "localhost:8080/api/v1/test/analyze"],
            0,
            "{\"signals\":2}\n",
            "",
        ),
        (vec!["getent", "hosts", "nosuch"], 2, "", ""),
        (vec!["printenv", "VERSION"], 0, "1.0.68\n", ""),
        (vec!["printenv", "NOSUCH"], 1, "", ""),
        (vec!["hostname"], 0, &format!("{bot}\n"), ""),
        (vec!["echo", "a", "b"], 0, "a b\n", ""),
        (vec!["false"], 1, "", ""),
        (vec!["sh", "-c", "nosuch x"], 127, "", "sh: 1: nosuch: not found\n"),
        (vec!["cat", "/nosuch"], 1, "", "cat: /nosuch: No such file or directory\n"),
    ] {
        assert_eq!(
            cluster.exec(bot, &command).await,
            (out.to_owned(), err.to_owned(), Ok(code)),
            "{command:?}"
        );
    }
    let (_, err, code) = cluster.exec(bot, &["sh", "-c", "ps aux | grep x"]).await;
    assert!(code == Ok(127) && err.contains("does not simulate"), "{err}");
    let engine = &cluster.names("app=petrosa-tradeengine").await[0];
    let (_, _, outcome) = cluster.exec(engine, &["curl", "localhost"]).await;
    assert!(outcome.unwrap_err().contains("exec: \"curl\": executable file not found in $PATH"));
}

#[tokio::test]
async fn ports_are_forwarded() {
    let cluster = cluster("healthy").await;
    let bot = &cluster.bots().await[0];
    let mut forwarder = cluster.pods().portforward(bot, &[8080]).await.unwrap();
    let stream = forwarder.take_stream(8080).unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = http::Request::get("/ready").header("host", "x").body(String::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert_eq!(&body[..], b"{\"status\":\"ok\"}\n");
    }
    let mut refused = cluster.pods().portforward(bot, &[9]).await.unwrap();
    let mut stream = refused.take_stream(9).unwrap();
    let _ = stream.write_all(b"x").await;
    let error = refused.take_error(9).unwrap().await.unwrap();
    assert!(error.contains("connect: connection refused"), "{error}");
}

/// In memory, writing fails as soon as nobody holds the other end; a socket accepts it for a while.
#[tokio::test(start_paused = true)]
async fn a_client_that_talks_before_it_reads_hears_that_a_port_is_refused() {
    let options = Options { scenario: "healthy".to_owned(), ..Options::default() };
    let prepared = crate::Prepared::new(&petrosa(), &options).unwrap();
    let sandbox = prepared.start_in_memory(Options::default());
    let pod = sandbox.objects().iter().find_map(|object| {
        let labelled = object["metadata"]["labels"]["app"] == "petrosa-ta-bot";
        let name = object["metadata"]["name"].as_str().filter(|_| object["kind"] == "Pod")?;
        labelled.then(|| name.to_owned())
    });
    let uri = format!(
        "ws://sandbox/api/v1/namespaces/petrosa-apps/pods/{}/portforward?ports=9",
        pod.unwrap()
    );
    let mut request = uri.into_client_request().unwrap();
    let protocol = "v4.channel.k8s.io".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let stream = sandbox.dial().unwrap().connect().unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    socket.send(Message::Binary(Bytes::from_static(b"\0GET / HTTP/1.1\r\n"))).await.unwrap();
    let mut said = Vec::new();
    while let Some(Ok(Message::Binary(frame))) = socket.next().await {
        said.push(frame);
    }
    let refused = String::from_utf8_lossy(&said[2][1..]).into_owned();
    assert!(said[2][0] == 1 && refused.contains("connect: connection refused"), "{refused}");
}

#[tokio::test]
async fn lists_are_paged_and_selected() {
    let cluster = cluster("healthy").await;
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let next = token.map(|token| format!("&continue={token}")).unwrap_or_default();
        let page = cluster
            .get(&format!("/api/v1/namespaces/petrosa-apps/pods?limit=4{next}"))
            .await
            .unwrap();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        match page["metadata"]["continue"].as_str() {
            Some(more) => token = Some(more.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, cluster.names("").await);
    for (query, expected) in [
        ("labelSelector=app%20in%20(mysql,mongodb)", 2),
        ("labelSelector=app%3Dpetrosa-ta-bot,!nosuch", 3),
        ("fieldSelector=status.phase%3DRunning,spec.nodeName%3Dnode", seen.len()),
        ("fieldSelector=status.phase!%3DRunning", 0),
        ("fieldSelector=metadata.name%3Dnosuch", 0),
    ] {
        let list =
            cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods?{query}")).await.unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), expected, "{query}");
    }
    for query in ["labelSelector=a%20b", "fieldSelector=nosuch%3D1", "continue=x"] {
        assert_eq!(
            cluster.get(&format!("/api/v1/pods?{query}")).await.unwrap_err().0,
            400,
            "{query}"
        );
    }
    assert_eq!(cluster.get("/api/v1/pods?resourceVersion=999999999").await.unwrap_err().0, 504);
}

#[tokio::test]
async fn watches_begin_where_they_are_told() {
    let cluster = cluster("healthy").await;
    let lines = async |path: &str| {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let stream = cluster.client.request_stream(request).await.unwrap();
        let lines: Vec<String> = stream.lines().try_collect().await.unwrap();
        lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let events = lines("/api/v1/namespaces/petrosa-apps/pods?watch=true&labelSelector=app%3Dpetrosa-ta-bot&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADDED", "ADDED", "ADDED", "BOOKMARK", "BOOKMARK"]);
    assert_eq!(events[3]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let old = lines("/api/v1/pods?watch=true&resourceVersion=1001&timeoutSeconds=1").await;
    assert_eq!(
        (old[0]["type"].as_str(), old[0]["object"]["code"].as_u64()),
        (Some("ERROR"), Some(410))
    );
    // the leader renews its lease, which a watch sees
    let version = cluster.get("/apis/coordination.k8s.io/v1/leases").await.unwrap()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let renewed = lines(&format!(
        "/apis/coordination.k8s.io/v1/leases?watch=true&resourceVersion={version}&timeoutSeconds=3"
    ))
    .await;
    assert_eq!(renewed[0]["type"], "MODIFIED");
}

#[tokio::test]
async fn what_is_not_simulated_is_refused() {
    let cluster = cluster("healthy").await;
    for (path, code) in [
        ("/apis/metrics.k8s.io/v1beta1/gadgets", 404),
        ("/api/v1/gadgets", 404),
        ("/api/v1/namespaces/petrosa-apps/pods/nosuch", 404),
        ("/openapi/v2", 404),
        ("/api/v1/namespaces/petrosa-apps/pods/nosuch/log", 404),
    ] {
        assert_eq!(cluster.get(path).await.unwrap_err().0, code, "{path}");
    }
    let bot = &cluster.bots().await[0];
    let previous = cluster
        .pods()
        .logs(bot, &LogParams { previous: true, ..LogParams::default() })
        .await
        .unwrap_err();
    assert!(
        previous.to_string().contains(&format!(
            "previous terminated container \"ta-bot\" in pod \"{bot}\" not found"
        )),
        "{previous}"
    );
}

#[tokio::test]
async fn the_cluster_has_the_same_identity_in_every_run() {
    let mut identities = Vec::new();
    for _ in 0..2 {
        let cluster = cluster("healthy").await;
        let namespace =
            Api::<Namespace>::all(cluster.client.clone()).get("kube-system").await.unwrap();
        identities.push((namespace.metadata.uid.unwrap(), cluster.bots().await));
    }
    assert_eq!(identities[0], identities[1]);
}

#[tokio::test]
async fn the_clock_begins_where_it_is_told() {
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let sandbox = start(
        &petrosa(),
        Options {
            scenario: "healthy".to_owned(),
            port: None,
            now: Some(now),
            ..Options::default()
        },
    )
    .await
    .unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&sandbox.kubeconfig()).unwrap();
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let cluster = Cluster { client: Client::try_from(config).unwrap(), _sandbox: sandbox };
    let pod = cluster.pods().get(&cluster.bots().await[0]).await.unwrap();
    assert_eq!(pod.metadata.creation_timestamp.unwrap().0.to_string(), "2026-01-01T11:00:00Z");
    let health = cluster.health().await;
    assert_eq!(health[0]["uptime_seconds"].as_u64().unwrap() / 60, 60);
}
