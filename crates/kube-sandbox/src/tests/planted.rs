//! What the scenarios of changes plant, and what TA Bot keeps of what it is told.

use super::controllers::{BOT, Stage};
use super::*;
use crate::object;

const RSI: &str = "/api/v1/strategies/rsi/config";

fn names(stage: &Stage) -> Vec<String> {
    stage.bots().iter().map(|pod| object::name(pod).to_owned()).collect()
}

fn metric(stage: &mut Stage, pod: &str, series: &str) -> Option<String> {
    let (_, text) = stage.ask(pod, "GET /metrics", &Value::Null);
    text.as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

#[test]
fn a_rollout_is_stuck() {
    let stage = Stage::of("tabot-rollout-stuck");
    assert_eq!(
        stage.condition("deployments", BOT, "Progressing"),
        ("False".to_owned(), "ProgressDeadlineExceeded".to_owned())
    );
    assert_eq!(stage.get("deployments", BOT)["status"]["availableReplicas"], 3);
    assert_eq!(
        stage
            .bots()
            .iter()
            .filter(|pod| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
                == "ImagePullBackOff")
            .count(),
        3
    );
}

#[test]
fn revisions_are_what_the_scenario_says() {
    for (scenario, expected) in [
        (
            "tabot-rollback-below-min",
            vec![
                ("1", "v1.0.68", ""),
                ("2", "v1.0.69", "release v1.0.69"),
                ("3", "v1.0.60", "release v1.0.60"),
                ("4", "v1.0.70", "release v1.0.70"),
            ],
        ),
        ("tabot-rollback-good", vec![("1", "v1.0.68", ""), ("2", "v1.0.69", "release v1.0.69")]),
    ] {
        let mut stage = Stage::of(scenario);
        let sets = stage
            .world
            .store
            .list("replicasets", Some("petrosa-apps"))
            .filter(|set| set["metadata"]["labels"]["app"] == BOT);
        let mut found: Vec<_> = sets
            .map(|set| {
                let annotation =
                    |key: &str| set["metadata"]["annotations"][key].as_str().unwrap_or_default();
                let image = set["spec"]["template"]["spec"]["containers"][0]["image"]
                    .as_str()
                    .unwrap()
                    .rsplit(':')
                    .next()
                    .unwrap();
                (
                    annotation("deployment.kubernetes.io/revision"),
                    image,
                    annotation("kubernetes.io/change-cause"),
                )
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{scenario}");
        let pod = names(&stage)[0].clone();
        assert_eq!(stage.ask(&pod, "GET /health", &Value::Null).1["status"], "healthy");
    }
}

#[test]
fn one_replica_is_left_without_a_record() {
    let stage = Stage::of("restore-without-record");
    assert_eq!(stage.bots().len(), 1);
    assert!(
        stage.events("ScalingReplicaSet").iter().any(|message| message.ends_with("from 3 to 1"))
    );
}

#[test]
fn a_lease_is_held_by_another_run() {
    let mut stage = Stage::of("lease-held");
    let lease =
        |stage: &Stage| stage.get("leases", "runbook-deployment-petrosa-ta-bot")["spec"].clone();
    let before = lease(&stage);
    assert_eq!(before["holderIdentity"], "other-run@other-host");
    stage.pass(100);
    assert_ne!(lease(&stage)["renewTime"], before["renewTime"], "kept fresh");
    stage.patch(
        "leases",
        "runbook-deployment-petrosa-ta-bot",
        &json!({"spec": {"holderIdentity": "this-run"}}),
    );
    let taken = lease(&stage);
    stage.pass(100);
    assert_eq!(lease(&stage), taken, "no longer theirs");
}

#[tokio::test]
async fn latency_is_high_for_want_of_cpu_or_not_known() {
    let quantile = "histogram_quantile(0.99, sum by (le) \
        (rate(ta_bot_signal_processing_duration_bucket[5m])))";
    let slow = cluster("tabot-latency-cpu").await;
    let p99: f64 =
        slow.query(quantile).await.unwrap()[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(p99 > 5000.0, "{p99}");
    let share = "sum by (pod) \
        (rate(container_cpu_cfs_throttled_periods_total{namespace=\"petrosa-apps\"}[5m])) / sum by \
        (pod) (rate(container_cpu_cfs_periods_total{namespace=\"petrosa-apps\"}[5m]))";
    let throttled = slow.query(share).await.unwrap();
    assert_eq!(throttled.as_array().unwrap().len(), 3, "{throttled}");
    let share: f64 = throttled[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(share > 0.5, "{share}");
    let unknown = cluster("tabot-latency-nan").await;
    assert_eq!(unknown.query(quantile).await.unwrap()[0]["value"][1], "NaN");
}

#[test]
fn configuration_is_stored_once_and_cached_by_each_pod() {
    let mut stage = Stage::of("healthy");
    let pods = names(&stage);
    let (one, other) = (pods[0].clone(), pods[1].clone());
    let (global, custom) = (
        json!({"period": 14, "overbought": 70, "oversold": 30}),
        json!({"period": 21, "overbought": 80, "oversold": 20}),
    );
    let symbol = format!("{RSI}/BTCUSDT");
    let ok = |status: &str| (200, json!({"status": status}));
    for (pod, request, body, expected) in [
        (&one, format!("GET {RSI}"), Value::Null, (200, global.clone())),
        (
            &one,
            "GET /api/v1/strategies/nosuch/config".to_owned(),
            Value::Null,
            (404, json!({"detail": "unknown strategy"})),
        ),
        (
            &one,
            format!("PUT {RSI}"),
            json!("x"),
            (422, json!({"detail": "the body is not a JSON object"})),
        ),
        (&one, format!("PUT {RSI}"), custom.clone(), ok("updated")),
        (&one, format!("GET {RSI}"), Value::Null, (200, custom.clone())),
        (&other, format!("GET {RSI}"), Value::Null, (200, global.clone())),
        (&one, format!("PUT {symbol}"), json!({"period": 10, "overbought": 75}), ok("updated")),
        (
            &one,
            format!("GET {symbol}"),
            Value::Null,
            (200, json!({"period": 10, "overbought": 75, "oversold": 20})),
        ),
        (&one, format!("GET {RSI}/ETHUSDT"), Value::Null, (200, custom.clone())),
        (&other, "POST /api/v1/strategies/cache/refresh".to_owned(), Value::Null, ok("refreshed")),
        (
            &other,
            format!("GET {symbol}"),
            Value::Null,
            (200, json!({"period": 10, "overbought": 75, "oversold": 20})),
        ),
        (&one, format!("DELETE {symbol}"), Value::Null, ok("deleted")),
        (&one, format!("DELETE {symbol}"), Value::Null, (404, json!({"detail": "no override"}))),
        (&one, format!("GET {symbol}"), Value::Null, (200, custom.clone())),
    ] {
        assert_eq!(stage.ask(pod, &request, &body), expected, "{request}");
    }
    for (pod, series, expected) in [
        (&one, "ta_bot_config_changes_total{action=\"update\"}", Some("2")),
        (&one, "ta_bot_config_changes_total{action=\"delete\"}", Some("1")),
        (&other, "ta_bot_config_changes_total{action=\"update\"}", Some("0")),
        (&other, "ta_bot_config_changes_total{action=\"delete\"}", None),
    ] {
        assert_eq!(metric(&mut stage, pod, series).as_deref(), expected, "{series}");
    }
    // a new pod begins with what is stored
    stage.patch("deployments", BOT, &super::controllers::image("v1.0.69"));
    stage.settle();
    let fresh = names(&stage)[0].clone();
    assert_eq!(stage.ask(&fresh, &format!("GET {RSI}"), &Value::Null), (200, custom));
    // and nothing is stored without MySQL
    stage.patch("deployments", "mysql", &json!({"spec": {"replicas": 0}}));
    stage.settle();
    let unavailable = json!({"detail": "configuration store unavailable"});
    for request in [
        format!("PUT {RSI}"),
        format!("DELETE {symbol}"),
        "POST /api/v1/strategies/cache/refresh".to_owned(),
    ] {
        assert_eq!(
            stage.ask(&fresh, &request, &json!({})),
            (503, unavailable.clone()),
            "{request}"
        );
    }
}

#[test]
fn replicas_disagree_about_their_configuration() {
    let mut stage = Stage::of("tabot-config-replicas-disagree");
    let periods: Vec<Value> = names(&stage)
        .iter()
        .map(|pod| stage.ask(pod, &format!("GET {RSI}"), &Value::Null).1["period"].clone())
        .collect();
    assert_eq!(periods, [14, 14, 21]);
}

#[test]
fn counters_go_on_when_the_world_changes() {
    let mut stage = Stage::of("healthy");
    let leader = stage.get("leases", "petrosa-ta-bot-leader")["spec"]["holderIdentity"]
        .as_str()
        .unwrap()
        .to_owned();
    let series = "ta_bot_signals_generated_total{strategy=\"rsi\",symbol=\"BTCUSDT\"}";
    let count = |stage: &mut Stage| metric(stage, &leader, series).unwrap().parse::<u64>().unwrap();
    let before = count(&mut stage);
    assert!(before > 700, "an hour at one every five seconds: {before}");
    stage.patch("deployments", "mysql", &json!({"spec": {"replicas": 0}}));
    stage.settle();
    stage.pass(60);
    assert!(
        count(&mut stage) - before <= 1,
        "a counter does not fall, and does not rise without MySQL"
    );
    stage.patch("deployments", "mysql", &json!({"spec": {"replicas": 1}}));
    stage.settle();
    stage.pass(60);
    let after = count(&mut stage);
    assert!((11..=14).contains(&(after - before)), "{before} {after}");
    assert_eq!(
        stage.ask(&leader, "POST /api/v1/test/analyze", &Value::Null),
        (200, json!({"signals": 2}))
    );
    assert_eq!(count(&mut stage), after + 1);
}
