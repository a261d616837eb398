//! Tests of the verbs that query pods, against a real cluster. They only read.

use crate::action::{Action, Context, Failure, FailureKind, Output, Prompt, VerbName};
use crate::cluster::{Cluster, Options};
use crate::secret::Masker;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Nobody;

impl Prompt for Nobody {
    fn ask(&self, _: &crate::action::Question) -> Option<bool> {
        None
    }

    fn approve(&self, _: &crate::action::Approval) -> Option<crate::action::Consented> {
        None
    }
}

/// No earlier runs.
struct NoRuns;

impl crate::action::Records for NoRuns {
    fn find(
        &self,
        _: &crate::action::WhichRun,
    ) -> Result<Option<crate::action::EarlierRun>, String> {
        Ok(None)
    }
}

/// A context with nobody to ask and a minute of time.
pub(in crate::action) fn context(cluster: Option<Cluster>, namespace: &str) -> Context {
    Context {
        cluster,
        namespace: namespace.to_owned(),
        masker: Masker::default(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        cancel: tokio_util::sync::CancellationToken::new(),
        now: jiff::Timestamp::now(),
        progress: Arc::new(|_| {}),
        started: Arc::new(|_, _| {}),
        note: Arc::new(|_| Ok(())),
        programs: Arc::new(crate::action::Programs::new(std::env::vars(), None)),
        prompt: Arc::new(Nobody),
        run: Arc::from("01RUN"),
        path: "step".to_owned(),
        made: Arc::default(),
        records: Arc::new(NoRuns),
        shelf: Arc::new(()),
        hosts: Arc::from(["127.0.0.1".to_owned(), "localhost".to_owned()]),
        outside: None,
    }
}

async fn perform(context: &Context, verb: &str, arguments: Value) -> Result<Output, Failure> {
    let action: Action = VerbName(verb).deserialize(arguments.clone()).unwrap();
    action.check().unwrap();
    let started = Instant::now();
    let result = action.perform(context).await;
    let summary = result
        .as_ref()
        .map_or_else(|failure| failure.message.as_str(), |output| output.summary.as_str());
    println!("{:>5} ms  {verb} {arguments}: {summary}", started.elapsed().as_millis());
    result
}

#[tokio::test]
#[ignore = "needs a real cluster: RUNBOOK_TEST_KUBECONFIG"]
async fn asks_the_pods_of_a_real_cluster() {
    let kubeconfig = std::env::var_os("RUNBOOK_TEST_KUBECONFIG").unwrap();
    let options = Options { kubeconfig: Some(kubeconfig.into()), ..Options::default() };
    let context = context(Some(Cluster::connect(&options).await.unwrap()), "petrosa-apps");
    let context = &context;
    let bot = "deployment/petrosa-ta-bot";
    let ask =
        |verb, arguments| async move { perform(context, verb, arguments).await.unwrap().value };
    let all = |items: &Value, key: &str, wanted: &Value| {
        items
            .as_array()
            .is_some_and(|items| items.len() == 3 && items.iter().all(|item| item[key] == *wanted))
    };

    ask("get", json!({"kind": "Pod", "selector": "app=petrosa-ta-bot"})).await;
    for _ in 0..3 {
        let logs =
            ask("logs", json!({"target": bot, "tail": 50, "match": "(?<word>[A-Za-z]+)"})).await;
        assert!(logs[0]["lines"][0]["time"].is_string(), "{logs}");
        assert!(logs[0]["matches"].as_array().is_some_and(|all| !all.is_empty()), "{logs}");
        for via in ["forward", "proxy"] {
            let health =
                ask("http", json!({"target": bot, "port": 8080, "path": "/health", "via": via}))
                    .await;
            assert!(
                health
                    .as_array()
                    .is_some_and(|items| items.len() == 3
                        && items.iter().all(|item| item["json"].is_object())),
                "{health}"
            );
        }
    }
    let inside =
        ask("http", json!({"url": "http://localhost:8080/health", "via": "pod", "from": bot}))
            .await;
    assert!(inside[0]["status"].is_u64(), "{inside}");
    assert!(
        inside[0]["headers"]["content-type"].is_string() && inside[0]["json"].is_object(),
        "{inside}"
    );
    let service = json!({"target": "service/petrosa-ta-bot-service", "path": "/health"});
    let one = ask("http", service.clone()).await;
    assert!(one["pod"].is_string() && one["service"] == "petrosa-ta-bot-service", "{one}");
    for (key, value) in [("via", json!("proxy")), ("port", json!(80))] {
        let mut service = service.clone();
        service[key] = value;
        assert!(ask("http", service).await["status"].is_u64());
    }
    let inside = ask(
        "http",
        json!({"target": "service/petrosa-data-manager", "path": "/health",
        "via": "pod", "from": bot, "pods": "one"}),
    )
    .await;
    assert!(inside["status"].is_u64(), "{inside}");

    let text = "o'b\\;-- é\n";
    let rows = ask(
        "sql",
        json!({"target": "deployment/mysql", "client": "mysql", "pods": "one", "statement":
            "SELECT 1 + :one AS two, :text AS text, NULL AS gone, 'NULL' AS word",
            "params": {"one": 1, "text": text}}),
    )
    .await;
    assert_eq!(rows["rows"], json!([{"two": "2", "text": text, "gone": null, "word": "NULL"}]));

    // its network policy keeps the bot from its own service
    let blocked = ask(
        "http",
        json!({"target": "service/petrosa-ta-bot-service", "via": "pod", "from": bot,
            "timeout": "500ms"}),
    )
    .await;
    assert!(
        all(&blocked, "status", &Value::Null) && all(&blocked, "refused", &json!(false)),
        "{blocked}"
    );

    for via in ["forward", "proxy"] {
        let refused = ask("http", json!({"target": bot, "port": 9, "via": via})).await;
        assert!(
            all(&refused, "refused", &json!(true)) && all(&refused, "status", &Value::Null),
            "{refused}"
        );
    }
    let refused =
        ask("http", json!({"url": "http://localhost:9/", "via": "pod", "from": bot})).await;
    assert!(all(&refused, "refused", &json!(true)), "{refused}");
    let unnamed =
        ask("http", json!({"url": "http://no-such-host.invalid/", "via": "pod", "from": bot}))
            .await;
    assert!(
        all(&unnamed, "status", &Value::Null) && all(&unnamed, "refused", &json!(false)),
        "{unnamed}"
    );
    let bare = perform(
        context,
        "http",
        json!({"url": "http://localhost:8000/health", "via": "pod",
            "from": "deployment/petrosa-tradeengine"}),
    )
    .await;
    assert!(bare.unwrap_err().message.contains("tried curl, wget, python3"));

    let run = ask(
        "exec",
        json!({"target": bot, "command": ["python3", "-c", "print('{\"a\": 1}')"],
        "effect": "read"}),
    )
    .await;
    assert!(all(&run, "json", &json!({"a": 1})), "{run}");
    let run =
        ask("exec", json!({"target": bot, "command": ["sh", "-c", "exit 3"], "pods": "one"})).await;
    assert_eq!(run["exit_code"], 3);
    let absent = perform(context, "exec", json!({"target": bot, "command": ["no-such-program"]}))
        .await
        .unwrap_err();
    assert_eq!(absent.kind, FailureKind::Error);
    let hurried = Context {
        deadline: tokio::time::Instant::now() + Duration::from_secs(1),
        ..context.clone()
    };
    let slow =
        perform(&hurried, "exec", json!({"target": bot, "command": ["sleep", "3"], "pods": "one"}))
            .await
            .unwrap_err();
    assert_eq!(slow.kind, FailureKind::Error);

    let metrics =
        ask("metrics", json!({"target": "deployment/petrosa-tradeengine", "port": "metrics"}))
            .await;
    assert!(
        all(&metrics, "status", &json!(200)) && all(&metrics, "invalid_lines", &json!(0)),
        "{metrics}"
    );
    assert!(
        metrics[0]["families"].as_object().is_some_and(|families| !families.is_empty()),
        "{metrics}"
    );

    let prometheus = json!({"kind": "service", "name": "prometheus", "namespace": "monitoring"});
    let up = ask("promql", json!({"query": "count(up)", "target": prometheus})).await;
    assert!(up["outcome"] == "data" && up["value"].is_i64(), "{up}");
    let none = ask(
        "promql",
        json!({"query": "no_such_metric{a=\"b c\"}", "target": prometheus,
        "via": "proxy", "port": 9090}),
    )
    .await;
    assert_eq!(none, json!({"outcome": "no_data", "value": null, "result": []}));
    let nan = ask("promql", json!({"query": "vector(0) / 0", "target": prometheus})).await;
    assert_eq!(nan["outcome"], "nan");
    let wrong = perform(context, "promql", json!({"query": "up{", "target": prometheus}))
        .await
        .unwrap_err();
    assert!(wrong.message.contains("parse error"), "{wrong:?}");
    let elsewhere = perform(
        context,
        "promql",
        json!({"query": "up", "target": "service/petrosa-ta-bot-service"}),
    )
    .await;
    assert_eq!(elsewhere.unwrap_err().kind, FailureKind::Error);
}
