//! The sandbox as its clients see it: over HTTP, with the real client.

use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{AttachParams, ListParams, LogParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{DEFAULT_SCENARIO, Options, Sandbox, SandboxError, scenarios, start};

struct Cluster {
    client: Client,
    _sandbox: Sandbox,
}

async fn cluster(scenario: &str) -> Cluster {
    let sandbox = start(Options { scenario: scenario.to_owned(), ..Options::default() }).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&sandbox.kubeconfig()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Cluster { client: Client::try_from(config).unwrap(), _sandbox: sandbox }
}

impl Cluster {
    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    async fn get(&self, path: &str) -> Result<Value, (u16, String)> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client.request_text(request).await {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            Err(kube::Error::Api(status)) => Err((status.code, status.message)),
            Err(other) => panic!("{path}: {other}"),
        }
    }

    async fn names(&self, selector: &str) -> Vec<String> {
        let list = self.pods().list(&ListParams::default().labels(selector)).await.unwrap();
        list.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect()
    }

    async fn bots(&self) -> Vec<String> {
        self.names("app=petrosa-ta-bot").await
    }

    async fn health(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for bot in self.bots().await {
            all.push(self.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/health")).await.unwrap());
        }
        all
    }

    async fn logs(&self) -> String {
        let mut all = String::new();
        for bot in self.bots().await {
            all.push_str(&self.pods().logs(&bot, &LogParams { since_seconds: Some(30), ..LogParams::default() }).await.unwrap());
        }
        all
    }

    async fn query(&self, query: &str) -> Result<Value, (u16, String)> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query?query={query}")).await.map(|answer| answer["data"]["result"].clone())
    }

    /// Standard output, standard error, and the exit code or the error.
    async fn exec(&self, pod: &str, command: &[&str]) -> (String, String, Result<i32, String>) {
        let mut process = self.pods().exec(pod, command.iter().copied(), &AttachParams::default()).await.unwrap();
        let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
        let status = process.take_status().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        let (one, other, status) = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err), status);
        one.unwrap();
        other.unwrap();
        let status = status.unwrap();
        let code = if status.status.as_deref() == Some("Success") {
            Ok(0)
        } else {
            let cause = status.details.and_then(|details| details.causes).unwrap_or_default().into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
            cause.map(|cause| cause.message.unwrap().parse().unwrap()).ok_or_else(|| status.message.unwrap())
        };
        (out, err, code)
    }
}

fn field<'a>(all: &'a [Value], pointer: &str) -> Vec<&'a Value> {
    all.iter().map(|one| one.pointer(pointer).unwrap_or(&Value::Null)).collect()
}

#[tokio::test]
async fn healthy_has_one_leader_and_every_dependency() {
    let cluster = cluster("healthy").await;
    let health = cluster.health().await;
    assert_eq!(health.len(), 3);
    let leaders: Vec<_> = health.iter().filter(|one| one["leader_election"]["is_leader"] == true).collect();
    assert_eq!(leaders.len(), 1);
    for one in &health {
        assert_eq!(one["status"], "healthy", "{one}");
        assert_eq!(one["leader_election"]["leader_id"], leaders[0]["leader_election"]["leader_id"]);
        assert!(one["mysql"]["latency_ms"].is_f64(), "{one}");
    }
    let logs = cluster.logs().await;
    assert!(logs.contains("Fetched 200 candles for BTCUSDT 1h"), "{logs}");
    assert!(!logs.contains("ERROR") && !logs.contains("WARNING"), "{logs}");
    let generated = cluster.query("sum(increase(ta_bot_signals_generated_total[5m])) > 0").await.unwrap();
    assert_eq!(generated.as_array().unwrap().len(), 1);
    assert_eq!(cluster.query("ALERTS{alertname=\"TABotNoSignalsGenerated\"}").await.unwrap(), json!([]));
    assert_eq!(cluster.query("count(up == 1)").await.unwrap()[0]["value"][1], "3");
    let deployment = cluster.get("/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot").await.unwrap();
    assert_eq!(deployment["status"]["readyReplicas"], 3);
}

#[tokio::test]
async fn healthy_logs_hold_an_old_error_that_means_nothing() {
    let cluster = cluster("healthy").await;
    let pod = &cluster.bots().await[0];
    let all = cluster.pods().logs(pod, &LogParams::default()).await.unwrap();
    assert_eq!(all.matches("ERROR").count(), 1, "{all}");
    assert!(all.contains("ERROR Cannot connect to NATS") && all.contains("0 errors, failed=0"));
}

#[tokio::test]
async fn no_leader() {
    let cluster = cluster("tabot-no-leader").await;
    let health = cluster.health().await;
    assert_eq!(field(&health, "/leader_election/is_leader"), [&json!(false); 3]);
    assert_eq!(field(&health, "/leader_election/leader_id"), [&json!(null); 3]);
    assert_eq!(field(&health, "/mysql/status"), [&json!("connected"); 3]);
    assert_eq!(cluster.query("sum(increase(ta_bot_signals_generated_total[5m]))").await.unwrap()[0]["value"][1], "0");
    let leases = cluster.get("/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases").await.unwrap();
    assert_eq!(leases["items"], json!([]));
    let sets = cluster.get("/apis/apps/v1/namespaces/petrosa-apps/replicasets?labelSelector=app%3Dpetrosa-ta-bot").await.unwrap();
    assert_eq!(sets["items"].as_array().unwrap().len(), 2, "the template before the change is still there");
}

#[tokio::test]
async fn two_leaders() {
    let health = cluster("tabot-two-leaders").await.health().await;
    assert_eq!(field(&health, "/leader_election/is_leader"), [&json!(true); 3]);
}

#[tokio::test]
async fn leader_is_a_dead_pod() {
    let cluster = cluster("tabot-leader-dead-pod").await;
    let health = cluster.health().await;
    assert_eq!(field(&health, "/leader_election/is_leader"), [&json!(false); 3]);
    assert_eq!(field(&health, "/leader_election/leader_id"), [&json!("petrosa-ta-bot-866b5f95bd-qd8n7"); 3]);
}

#[tokio::test]
async fn one_pod_without_mysql() {
    let cluster = cluster("tabot-one-pod-mysql-down").await;
    let health = cluster.health().await;
    assert_eq!(field(&health, "/mysql/status"), ["connected", "connected", "disconnected"]);
    assert_eq!(health[2]["status"], "degraded");
    let logs = cluster.logs().await;
    assert!(logs.contains("ERROR Cannot connect to MySQL: dial tcp") && logs.contains(":3306: i/o timeout"), "{logs}");
    let bots = cluster.bots().await;
    let (_, err, code) = cluster.exec(&bots[2], &["nc", "-zv", "-w", "2", "mysql", "3306"]).await;
    assert_eq!(code, Ok(1), "{err}");
    assert!(err.contains("timed out"), "{err}");
    assert_eq!(cluster.exec(&bots[0], &["nc", "-z", "-w", "2", "mysql", "3306"]).await.2, Ok(0));
}

#[tokio::test]
async fn mysql_fails_for_every_pod() {
    for (scenario, reason) in [
        ("tabot-mysql-no-endpoints", ":3306: connect: connection refused"),
        ("tabot-mysql-secret-malformed", "malformed mysql-uri"),
        ("tabot-mysql-auth-denied", "Error 1045 (28000): Access denied for user 'petrosa'@'10.244.0."),
        ("tabot-mysql-policy-blocked", ":3306: i/o timeout"),
    ] {
        let cluster = cluster(scenario).await;
        assert_eq!(field(&cluster.health().await, "/mysql/status"), ["disconnected"; 3], "{scenario}");
        let logs = cluster.logs().await;
        assert!(logs.contains("ERROR Cannot connect to MySQL: ") && logs.contains(reason), "{scenario}: {logs}");
        assert!(logs.contains("ERROR Analysis skipped: Cannot connect to MySQL"), "{scenario}");
    }
}

#[tokio::test]
async fn nats_fails_for_every_pod() {
    for (scenario, reason) in [("tabot-nats-down", "nats: no servers available for connection"), ("tabot-nats-policy-namespace-label", ":4222: i/o timeout")] {
        let cluster = cluster(scenario).await;
        let health = cluster.health().await;
        assert_eq!(field(&health, "/nats/status"), ["disconnected"; 3], "{scenario}");
        assert_eq!(field(&health, "/mysql/status"), ["connected"; 3], "{scenario}");
        let logs = cluster.logs().await;
        assert!(logs.contains("ERROR Error publishing signal via NATS: not connected") && logs.contains(reason), "{scenario}: {logs}");
    }
}

#[tokio::test]
async fn analysis_has_nothing_to_work_with() {
    for (scenario, line) in [
        ("tabot-candles-insufficient", "WARNING Insufficient candle data for BTCUSDT 1h: 12 < 50"),
        ("tabot-strategies-disabled", "WARNING No strategies enabled, nothing to run"),
    ] {
        let cluster = cluster(scenario).await;
        let logs = cluster.logs().await;
        assert!(logs.contains(line), "{scenario}: {logs}");
        assert_eq!(cluster.query("sum(increase(ta_bot_signals_generated_total[5m]))").await.unwrap()[0]["value"][1], "0", "{scenario}");
    }
}

#[tokio::test]
async fn metrics_are_not_there() {
    for (scenario, version) in [("tabot-old-version", "1.0.60"), ("tabot-otel-off", "1.0.68")] {
        let cluster = cluster(scenario).await;
        assert_eq!(field(&cluster.health().await, "/version"), [version; 3], "{scenario}");
        let bot = &cluster.bots().await[0];
        let (code, message) = cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/metrics")).await.unwrap_err();
        assert_eq!(code, 404, "{scenario}: {message}");
        assert_eq!(cluster.query("sum(up)").await.unwrap()[0]["value"][1], "0", "{scenario}");
        assert_eq!(cluster.query("ta_bot_signals_generated_total").await.unwrap(), json!([]), "{scenario}");
    }
}

#[tokio::test]
async fn prometheus_knows_nothing() {
    let absent = cluster("tabot-metrics-absent-in-prometheus").await;
    assert_eq!(absent.query("ta_bot_signals_generated_total").await.unwrap(), json!([]));
    assert_eq!(absent.query("up").await.unwrap(), json!([]));
    let bot = &absent.bots().await[0];
    let metrics = absent.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/metrics")).await.unwrap();
    assert!(metrics.as_str().unwrap().contains("ta_bot_signals_generated_total{"), "{metrics}");
    let (code, message) = cluster("tabot-no-prometheus").await.query("up").await.unwrap_err();
    assert_eq!((code, message.as_str()), (503, "no endpoints available for service \"prometheus\""));
}

#[tokio::test]
async fn rbac_forbids_to_reach_into_pods() {
    let cluster = cluster("rbac-missing").await;
    let bot = &cluster.bots().await[0];
    for path in ["log", "exec?command=true&stdout=true", "portforward?ports=8080"] {
        let (code, message) = cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}/{path}")).await.unwrap_err();
        let resource = path.split('?').next().unwrap();
        assert_eq!(code, 403, "{message}");
        assert_eq!(message, format!("pods \"{bot}\" is forbidden: User \"sandbox-operator\" cannot get resource \"pods/{resource}\" in API group \"\" in the namespace \"petrosa-apps\""));
    }
    assert_eq!(cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/health")).await.unwrap_err().0, 403);
    for (subresource, allowed) in [("exec", false), ("", true)] {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"namespace": "petrosa-apps", "verb": "get", "resource": "pods", "subresource": subresource}}});
        let request = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").header("content-type", "application/json").body(review.to_string().into_bytes()).unwrap();
        let answer: Value = cluster.client.request(request).await.unwrap();
        assert_eq!(answer["status"]["allowed"], allowed, "{subresource}");
    }
}

#[tokio::test]
async fn nothing_listens_when_the_server_is_down() {
    let sandbox = start(Options { scenario: "api-down".to_owned(), ..Options::default() }).await.unwrap();
    let error = tokio::net::TcpStream::connect(sandbox.address()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn dropping_a_sandbox_stops_it() {
    let sandbox = start(Options { scenario: "healthy".to_owned(), ..Options::default() }).await.unwrap();
    let address = sandbox.address();
    tokio::net::TcpStream::connect(address).await.unwrap();
    drop(sandbox);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn every_scenario_starts_and_no_expression_is_broken() {
    assert!(scenarios().iter().any(|scenario| scenario.name == DEFAULT_SCENARIO));
    assert!(matches!(start(Options { scenario: "nosuch".to_owned(), ..Options::default() }).await, Err(SandboxError::UnknownScenario { .. })));
    for scenario in scenarios().into_iter().filter(|scenario| scenario.name != "api-down" && scenario.name != "rbac-missing") {
        let cluster = cluster(&scenario.name).await;
        let unready: Vec<_> = cluster.pods().list(&ListParams::default()).await.unwrap().items.into_iter().filter(|pod| pod.status.as_ref().unwrap().phase.as_deref() != Some("Running")).collect();
        assert!(unready.is_empty(), "{}", scenario.name);
        for path in ["/health", "/healthz", "/ready", "/api/v1/strategies/rsi/config", "/api/v1/strategies/rsi/config/BTCUSDT"] {
            for bot in cluster.bots().await {
                cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy{path}")).await.unwrap_or_else(|error| panic!("{} {path}: {error:?}", scenario.name));
            }
        }
        for path in ["petrosa-data-manager:80/proxy/health/databases", "petrosa-data-manager:80/proxy/data/candles?pair=X&period=5m", "petrosa-tradeengine-service:80/proxy/health"] {
            cluster.get(&format!("/api/v1/namespaces/petrosa-apps/services/{path}")).await.unwrap_or_else(|error| panic!("{} {path}: {error:?}", scenario.name));
        }
    }
}

#[tokio::test]
async fn commands_run_as_the_real_tools_do() {
    let cluster = cluster("healthy").await;
    let bot = &cluster.bots().await[0];
    for (command, code, out, err) in [
        (vec!["curl", "-s", "localhost:8080/healthz"], 0, "{\"status\":\"ok\"}\n", ""),
        (vec!["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://petrosa-tradeengine-service/health"], 0, "200", ""),
        (vec!["curl", "-sf", "localhost:8080/nosuch"], 22, "", ""),
        (vec!["curl", "-sSf", "localhost:8080/nosuch"], 22, "", "curl: (22) The requested URL returned error: 404\n"),
        (vec!["curl", "-sS", "localhost:9"], 7, "", "curl: (7) Failed to connect to localhost port 9 after 1 ms: Couldn't connect to server\n"),
        (vec!["curl", "-sS", "http://nosuch/"], 6, "", "curl: (6) Could not resolve host: nosuch\n"),
        (vec!["curl", "-sS", "-m", "2", "http://prometheus.monitoring:9090/"], 28, "", "curl: (28) Connection timed out after 2001 milliseconds\n"),
        (vec!["curl", "-s", "-X", "POST", "-d", "{}", "localhost:8080/api/v1/test/analyze"], 0, "{\"signals\":2}\n", ""),
        (vec!["getent", "hosts", "nosuch"], 2, "", ""),
        (vec!["printenv", "VERSION"], 0, "1.0.68\n", ""),
        (vec!["printenv", "NOSUCH"], 1, "", ""),
        (vec!["hostname"], 0, &format!("{bot}\n"), ""),
        (vec!["echo", "a", "b"], 0, "a b\n", ""),
        (vec!["false"], 1, "", ""),
        (vec!["sh", "-c", "nosuch x"], 127, "", "sh: 1: nosuch: not found\n"),
        (vec!["cat", "/nosuch"], 1, "", "cat: /nosuch: No such file or directory\n"),
    ] {
        assert_eq!(cluster.exec(bot, &command).await, (out.to_owned(), err.to_owned(), Ok(code)), "{command:?}");
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
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
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

#[tokio::test]
async fn lists_are_paged_and_selected() {
    let cluster = cluster("healthy").await;
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let next = token.map(|token| format!("&continue={token}")).unwrap_or_default();
        let page = cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods?limit=4{next}")).await.unwrap();
        seen.extend(page["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()));
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
        let list = cluster.get(&format!("/api/v1/namespaces/petrosa-apps/pods?{query}")).await.unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), expected, "{query}");
    }
    for query in ["labelSelector=a%20b", "fieldSelector=nosuch%3D1", "continue=x"] {
        assert_eq!(cluster.get(&format!("/api/v1/pods?{query}")).await.unwrap_err().0, 400, "{query}");
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
    assert_eq!((old[0]["type"].as_str(), old[0]["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
    // the leader renews its lease, which a watch sees
    let version = cluster.get("/apis/coordination.k8s.io/v1/leases").await.unwrap()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let renewed = lines(&format!("/apis/coordination.k8s.io/v1/leases?watch=true&resourceVersion={version}&timeoutSeconds=3")).await;
    assert_eq!(renewed[0]["type"], "MODIFIED");
}

#[tokio::test]
async fn what_is_not_simulated_is_refused() {
    let cluster = cluster("healthy").await;
    for (path, code) in [
        ("/apis/metrics.k8s.io/v1beta1/pods", 404),
        ("/api/v1/gadgets", 404),
        ("/api/v1/namespaces/petrosa-apps/pods/nosuch", 404),
        ("/openapi/v2", 404),
        ("/api/v1/namespaces/petrosa-apps/pods/nosuch/log", 404),
    ] {
        assert_eq!(cluster.get(path).await.unwrap_err().0, code, "{path}");
    }
    let bot = &cluster.bots().await[0];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = http::Request::builder().method(method).uri(format!("/api/v1/namespaces/petrosa-apps/pods/{bot}")).body(Vec::new()).unwrap();
        let Err(kube::Error::Api(status)) = cluster.client.request_text(request).await else { panic!("{method}") };
        assert_eq!((status.code, status.reason.as_str()), (405, "MethodNotAllowed"), "{method}");
    }
    let previous = cluster.pods().logs(bot, &LogParams { previous: true, ..LogParams::default() }).await.unwrap_err();
    assert!(previous.to_string().contains(&format!("previous terminated container \"ta-bot\" in pod \"{bot}\" not found")), "{previous}");
}

#[tokio::test]
async fn the_cluster_has_the_same_identity_in_every_run() {
    let mut identities = Vec::new();
    for _ in 0..2 {
        let cluster = cluster("healthy").await;
        let namespace = Api::<Namespace>::all(cluster.client.clone()).get("kube-system").await.unwrap();
        identities.push((namespace.metadata.uid.unwrap(), cluster.bots().await));
    }
    assert_eq!(identities[0], identities[1]);
}

#[tokio::test]
async fn the_clock_begins_where_it_is_told() {
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let sandbox = start(Options { scenario: "healthy".to_owned(), port: None, now: Some(now) }).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&sandbox.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let cluster = Cluster { client: Client::try_from(config).unwrap(), _sandbox: sandbox };
    let pod = cluster.pods().get(&cluster.bots().await[0]).await.unwrap();
    assert_eq!(pod.metadata.creation_timestamp.unwrap().0.to_string(), "2026-01-01T11:00:00Z");
    let health = cluster.health().await;
    assert_eq!(health[0]["uptime_seconds"], 3600);
}
