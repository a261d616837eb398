//! What each scenario plants shows.

use super::*;

#[tokio::test]
async fn healthy_has_one_leader_and_every_dependency() {
    let cluster = cluster("healthy").await;
    let health = cluster.health().await;
    assert_eq!(health.len(), 3);
    let leaders: Vec<_> =
        health.iter().filter(|one| one["leader_election"]["is_leader"] == true).collect();
    assert_eq!(leaders.len(), 1);
    for one in &health {
        assert_eq!(one["status"], "healthy", "{one}");
        assert_eq!(one["leader_election"]["leader_id"], leaders[0]["leader_election"]["leader_id"]);
        assert!(one["mysql"]["latency_ms"].is_f64(), "{one}");
    }
    let logs = cluster.logs().await;
    assert!(logs.contains("Fetched 200 candles for BTCUSDT 1h"), "{logs}");
    assert!(!logs.contains("ERROR") && !logs.contains("WARNING"), "{logs}");
    let generated =
        cluster.query("sum(increase(ta_bot_signals_generated_total[5m])) > 0").await.unwrap();
    assert_eq!(generated.as_array().unwrap().len(), 1);
    assert_eq!(
        cluster.query("ALERTS{alertname=\"TABotNoSignalsGenerated\"}").await.unwrap(),
        json!([])
    );
    assert_eq!(cluster.query("count(up == 1)").await.unwrap()[0]["value"][1], "3");
    let deployment = cluster
        .get("/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot")
        .await
        .unwrap();
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
    assert_eq!(
        cluster.query("sum(increase(ta_bot_signals_generated_total[5m]))").await.unwrap()[0]["value"]
            [1],
        "0"
    );
    let leases =
        cluster.get("/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases").await.unwrap();
    assert_eq!(leases["items"], json!([]));
    let sets = cluster
        .get("/apis/apps/v1/namespaces/petrosa-apps/replicasets?labelSelector=app%3Dpetrosa-ta-bot")
        .await
        .unwrap();
    assert_eq!(
        sets["items"].as_array().unwrap().len(),
        2,
        "the template before the change is still there"
    );
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
    assert_eq!(
        field(&health, "/leader_election/leader_id"),
        [&json!("petrosa-ta-bot-866b5f95bd-qd8n7"); 3]
    );
}

#[tokio::test]
async fn one_pod_without_mysql() {
    let cluster = cluster("tabot-one-pod-mysql-down").await;
    let health = cluster.health().await;
    assert_eq!(field(&health, "/mysql/status"), ["connected", "connected", "disconnected"]);
    assert_eq!(health[2]["status"], "degraded");
    let logs = cluster.logs().await;
    assert!(
        logs.contains("ERROR Cannot connect to MySQL: dial tcp")
            && logs.contains(":3306: i/o timeout"),
        "{logs}"
    );
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
        (
            "tabot-mysql-auth-denied",
            "Error 1045 (28000): Access denied for user 'petrosa'@'10.244.0.",
        ),
        ("tabot-mysql-policy-blocked", ":3306: i/o timeout"),
    ] {
        let cluster = cluster(scenario).await;
        assert_eq!(
            field(&cluster.health().await, "/mysql/status"),
            ["disconnected"; 3],
            "{scenario}"
        );
        let logs = cluster.logs().await;
        assert!(
            logs.contains("ERROR Cannot connect to MySQL: ") && logs.contains(reason),
            "{scenario}: {logs}"
        );
        assert!(logs.contains("ERROR Analysis skipped: Cannot connect to MySQL"), "{scenario}");
    }
}

#[tokio::test]
async fn nats_fails_for_every_pod() {
    for (scenario, reason) in [
        ("tabot-nats-down", "nats: no servers available for connection"),
        ("tabot-nats-policy-namespace-label", ":4222: i/o timeout"),
    ] {
        let cluster = cluster(scenario).await;
        let health = cluster.health().await;
        assert_eq!(field(&health, "/nats/status"), ["disconnected"; 3], "{scenario}");
        assert_eq!(field(&health, "/mysql/status"), ["connected"; 3], "{scenario}");
        let logs = cluster.logs().await;
        assert!(
            logs.contains("ERROR Error publishing signal via NATS: not connected")
                && logs.contains(reason),
            "{scenario}: {logs}"
        );
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
        assert_eq!(
            cluster.query("sum(increase(ta_bot_signals_generated_total[5m]))").await.unwrap()[0]["value"]
                [1],
            "0",
            "{scenario}"
        );
    }
}

#[tokio::test]
async fn metrics_are_not_there() {
    for (scenario, version) in [("tabot-old-version", "1.0.60"), ("tabot-otel-off", "1.0.68")] {
        let cluster = cluster(scenario).await;
        assert_eq!(field(&cluster.health().await, "/version"), [version; 3], "{scenario}");
        let bot = &cluster.bots().await[0];
        let (code, message) = cluster
            .get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/metrics"))
            .await
            .unwrap_err();
        assert_eq!(code, 404, "{scenario}: {message}");
        assert_eq!(cluster.query("sum(up)").await.unwrap()[0]["value"][1], "0", "{scenario}");
        assert_eq!(
            cluster.query("ta_bot_signals_generated_total").await.unwrap(),
            json!([]),
            "{scenario}"
        );
    }
}

#[tokio::test]
async fn prometheus_knows_nothing() {
    let absent = cluster("tabot-metrics-absent-in-prometheus").await;
    assert_eq!(absent.query("ta_bot_signals_generated_total").await.unwrap(), json!([]));
    assert_eq!(absent.query("up").await.unwrap(), json!([]));
    let bot = &absent.bots().await[0];
    let metrics = absent
        .get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/metrics"))
        .await
        .unwrap();
    assert!(metrics.as_str().unwrap().contains("ta_bot_signals_generated_total{"), "{metrics}");
    let (code, message) = cluster("tabot-no-prometheus").await.query("up").await.unwrap_err();
    assert_eq!(
        (code, message.as_str()),
        (503, "no endpoints available for service \"prometheus\"")
    );
}

#[tokio::test]
async fn rbac_forbids_to_reach_into_pods() {
    let cluster = cluster("rbac-missing").await;
    let bot = &cluster.bots().await[0];
    for path in ["log", "exec?command=true&stdout=true", "portforward?ports=8080"] {
        let (code, message) = cluster
            .get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}/{path}"))
            .await
            .unwrap_err();
        let resource = path.split('?').next().unwrap();
        assert_eq!(code, 403, "{message}");
        assert_eq!(
            message,
            format!(
                "pods \"{bot}\" is forbidden: User \"sandbox-operator\" cannot get \
                    resource \"pods/{resource}\" in API group \"\" in the \
                    namespace \"petrosa-apps\""
            )
        );
    }
    assert_eq!(
        cluster
            .get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/health"))
            .await
            .unwrap_err()
            .0,
        403
    );
    for (subresource, allowed) in [("exec", false), ("", true)] {
        let review = json!({"apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": "petrosa-apps", "verb": "get",
            "resource": "pods", "subresource": subresource}}});
        let request = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
            .header("content-type", "application/json")
            .body(review.to_string().into_bytes())
            .unwrap();
        let answer: Value = cluster.client.request(request).await.unwrap();
        assert_eq!(answer["status"]["allowed"], allowed, "{subresource}");
    }
}

#[tokio::test]
async fn every_scenario_starts_and_no_expression_is_broken() {
    let nosuch = Options { scenario: "tabot-noleader".to_owned(), ..Options::default() };
    let error = start(&petrosa(), nosuch).await.unwrap_err();
    let SandboxError::UnknownScenario { nearest, .. } = error else { panic!("{error}") };
    assert_eq!(nearest[0], "tabot-no-leader");
    // of these some pods, or all requests, are to fail
    let excepted = ["api-down", "rbac-missing", "tabot-rollout-stuck"];
    for scenario in petrosa()
        .scenarios()
        .into_iter()
        .filter(|scenario| !excepted.contains(&scenario.name.as_str()))
    {
        let cluster = cluster(&scenario.name).await;
        let unready: Vec<_> = cluster
            .pods()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .into_iter()
            .filter(|pod| pod.status.as_ref().unwrap().phase.as_deref() != Some("Running"))
            // those of Jobs have ended, well or not
            .filter(|pod| {
                !pod.metadata
                    .labels
                    .as_ref()
                    .is_some_and(|labels| labels.contains_key("batch.kubernetes.io/job-name"))
            })
            .collect();
        assert!(unready.is_empty(), "{}", scenario.name);
        for path in [
            "/health",
            "/healthz",
            "/ready",
            "/api/v1/strategies/rsi/config",
            "/api/v1/strategies/rsi/config/BTCUSDT",
        ] {
            for bot in cluster.bots().await {
                cluster
                    .get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy{path}"))
                    .await
                    .unwrap_or_else(|error| panic!("{} {path}: {error:?}", scenario.name));
            }
        }
        for path in [
            "petrosa-data-manager:80/proxy/health/databases",
            "petrosa-data-manager:80/proxy/data/candles?pair=X&period=5m",
            "petrosa-tradeengine-service:80/proxy/health",
        ] {
            match cluster.get(&format!("/api/v1/namespaces/petrosa-apps/services/{path}")).await {
                // a Service that selects no pod is what a scenario may be about
                Ok(_) => {}
                Err((503, text)) if text.contains("no endpoints available") => {}
                Err((403, text)) if text == "RBAC: access denied" => {}
                Err(error) => panic!("{} {path}: {error:?}", scenario.name),
            }
        }
    }
}

#[tokio::test]
async fn a_test_analysis_counts() {
    let cluster = cluster("tabot-no-leader").await;
    let bot = &cluster.bots().await[0];
    let analyze = ["curl", "-s", "-X", "POST", "localhost:8080/api/v1/test/analyze"];
    assert_eq!(cluster.exec(bot, &analyze).await.0, "{\"signals\":2}\n");
    let (metrics, _, _) = cluster.exec(bot, &["curl", "-s", "localhost:8080/metrics"]).await;
    assert!(
        metrics.contains("ta_bot_signals_generated_total{strategy=\"rsi\",symbol=\"BTCUSDT\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(cluster.health().await[0]["nats"]["published_signals"], 2);
    assert_eq!(cluster.health().await[1]["nats"]["published_signals"], 0);
}
