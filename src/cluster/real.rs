//! Tests against a real cluster; they only read. They need the Deployment `petrosa-ta-bot` in
//! `petrosa-apps`, whose pods have curl and respond on port 8080.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;

use super::*;

const NAMESPACE: &str = "petrosa-apps";
const TIMEOUT: Duration = Duration::from_secs(10);

async fn cluster() -> Cluster {
    let kubeconfig = std::env::var_os("RUNBOOK_TEST_KUBECONFIG").expect("RUNBOOK_TEST_KUBECONFIG");
    let options = Options { kubeconfig: Some(kubeconfig.into()), ..Options::default() };
    Cluster::connect(&options).await.unwrap()
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn get(path: &str) -> ::http::Request<Bytes> {
    ::http::Request::get(path).body(Bytes::new()).unwrap()
}

fn name(pod: &serde_json::Value) -> String {
    pod["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The fastest of several runs, printed.
async fn timed<T, F: Future<Output = T>>(what: &str, run: impl Fn() -> F) -> T {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..7 {
        let started = Instant::now();
        last = Some(run().await);
        best = best.min(started.elapsed());
    }
    println!("{what}: {:.1} ms", best.as_secs_f64() * 1000.0);
    last.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real cluster: RUNBOOK_TEST_KUBECONFIG"]
async fn reads_a_real_cluster() {
    let started = Instant::now();
    let cluster = cluster().await;
    println!("connect: {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let started = Instant::now();
    let pod = cluster.resolve("pods").await.unwrap();
    cluster.list(&pod, Some(NAMESPACE), &Selection::all()).await.unwrap();
    println!("first list: {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);

    let identity = timed("identify", || cluster.identify()).await.unwrap();
    assert!(
        identity.server_version.starts_with('v') && identity.cluster_uid.is_some(),
        "{identity:?}"
    );
    println!("{identity:?} {:?}", cluster.target());
    let every = Selection::all();
    let all = timed("list pods", || cluster.list(&pod, Some(NAMESPACE), &every)).await.unwrap();
    assert!(all.iter().all(|pod| pod["kind"] == "Pod" && pod["apiVersion"] == "v1"));
    for pod in &all {
        println!("{} {}", name(pod), crate::diagnosis::pod::pod_status(pod));
    }
    let target = PodsOf::Workload { kind: "deployment".into(), name: "petrosa-ta-bot".into() };
    let pods = timed("pods of deployment", || cluster.pods(&target, NAMESPACE)).await.unwrap();
    let names: Vec<String> = pods.iter().map(name).collect();
    assert_eq!(names.len(), 3);

    let logs = timed("3 logs", || {
        join_all(names.iter().map(|name| {
            let cluster = cluster.clone();
            async move {
                cluster
                    .logs(NAMESPACE, name, &LogOptions { tail: Some(100), ..LogOptions::default() })
                    .await
            }
        }))
    })
    .await;
    assert!(logs.iter().all(|log| log.as_ref().is_ok_and(|log| !log.truncated)));
    let cut = LogOptions { limit_bytes: 300, ..LogOptions::default() };
    let cut = cluster.logs(NAMESPACE, &names[0], &cut).await.unwrap();
    assert!(cut.truncated && cut.text.len() <= 300 && cut.text.ends_with('\n'), "{cut:?}");

    let curl = argv(&["curl", "-s", "http://localhost:8080/health"]);
    let executed = timed("3 exec curl", || {
        join_all(
            names
                .iter()
                .map(|name| cluster.exec(NAMESPACE, name, None, &curl, None, TIMEOUT, 1 << 20)),
        )
    })
    .await;
    assert!(executed.iter().all(|done| {
        done.as_ref().is_ok_and(|done| done.exit == CommandExit::Code(0) && !done.stdout.is_empty())
    }));

    let answers = timed("3 forward GET", || {
        join_all(names.iter().map(|name| {
            cluster.forward_http(NAMESPACE, name, 8080, get("/health"), TIMEOUT, 1 << 20)
        }))
    })
    .await;
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)),
        "{answers:?}"
    );
    let answers = timed("3 proxy GET", || {
        join_all(
                names.iter().map(|name| {
                    let (cluster, to) =
                        (cluster.clone(), ProxyTo::Pod { name: name.clone(), port: 8080 });
                    async move {
                        cluster.proxy_http(NAMESPACE, &to, get("/health"), TIMEOUT, 1 << 20).await
                    }
                }),
            )
    })
    .await;
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)),
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real cluster: RUNBOOK_TEST_KUBECONFIG"]
async fn reports_the_failures_of_a_real_cluster() {
    let cluster = cluster().await;
    let target = PodsOf::Workload { kind: "deployment".into(), name: "petrosa-ta-bot".into() };
    let pod = name(&cluster.pods(&target, NAMESPACE).await.unwrap()[0]);
    let run = |words: &[&str], stdin: Option<&[u8]>| {
        let (cluster, pod, argv, stdin) =
            (cluster.clone(), pod.clone(), argv(words), stdin.map(<[u8]>::to_vec));
        async move { cluster.exec(NAMESPACE, &pod, None, &argv, stdin, TIMEOUT, 1000).await.unwrap() }
    };
    assert_eq!(run(&["sh", "-c", "exit 3"], None).await.exit, CommandExit::Code(3));
    let absent = run(&["no-such-program"], None).await;
    println!("{absent:?}");
    assert!(matches!(absent.exit, CommandExit::NotStarted(_)));
    let echoed = run(&["cat"], Some(b"hello")).await;
    assert_eq!((echoed.stdout.as_slice(), echoed.exit), (&b"hello"[..], CommandExit::Code(0)));
    let long = run(&["sh", "-c", "head -c 3000000 /dev/zero; echo done >&2; exit 4"], None).await;
    assert_eq!(
        (long.stdout.len(), long.truncated, &long.stderr[..], long.exit),
        (1000, true, &b"done\n"[..], CommandExit::Code(4))
    );
    let slow = argv(&["sleep", "3"]);
    let slow = cluster
        .exec(NAMESPACE, &pod, None, &slow, None, Duration::from_millis(300), 10)
        .await
        .unwrap();
    assert_eq!(slow.exit, CommandExit::TimedOut);

    let started = Instant::now();
    let refused =
        cluster.forward_http(NAMESPACE, &pod, 9, get("/"), TIMEOUT, 100).await.unwrap_err();
    println!("forward refused after {:.1} ms: {refused}", started.elapsed().as_secs_f64() * 1000.0);
    assert_eq!(refused.kind, ErrorKind::ConnectionRefused);
    let started = Instant::now();
    let refused = cluster.forward_connect(NAMESPACE, &pod, 9).await.unwrap_err();
    println!("connect refused after {:.1} ms: {refused}", started.elapsed().as_secs_f64() * 1000.0);
    assert_eq!(refused.kind, ErrorKind::ConnectionRefused);
    cluster.forward_connect(NAMESPACE, &pod, 8080).await.unwrap();
    let to = ProxyTo::Pod { name: pod.clone(), port: 9 };
    let refused = cluster.proxy_http(NAMESPACE, &to, get("/"), TIMEOUT, 100_000).await.unwrap_err();
    println!("{refused}");
    assert_eq!(refused.kind, ErrorKind::ConnectionRefused);
    let to = ProxyTo::Pod { name: pod.clone(), port: 8080 };
    let answer =
        cluster.proxy_http(NAMESPACE, &to, get("/no-such-path"), TIMEOUT, 100_000).await.unwrap();
    assert_eq!(answer.status, 404);

    for result in [
        cluster.forward_http(NAMESPACE, "absent", 80, get("/"), TIMEOUT, 100).await.err(),
        cluster.exec(NAMESPACE, "absent", None, &argv(&["true"]), None, TIMEOUT, 10).await.err(),
        cluster.logs(NAMESPACE, "absent", &LogOptions::default()).await.err(),
        cluster.get(&builtin("pod").unwrap(), Some("absent"), "absent").await.err(),
        cluster.get(&builtin("pod").unwrap(), Some(NAMESPACE), "absent").await.err(),
        cluster.pods(&PodsOf::Service("absent".into()), NAMESPACE).await.err(),
    ] {
        let error = result.unwrap();
        println!("{error}");
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let error = cluster.logs(NAMESPACE, &pod, &previous).await.unwrap_err();
    println!("{error}");
    assert_eq!(error.kind, ErrorKind::Invalid);
    let error = cluster.resolve("Deploymint").await.unwrap_err();
    println!("{error}");
    assert_eq!(error.kind, ErrorKind::Unsupported);
    let flow = cluster.resolve("flowschemas").await.unwrap();
    assert!(!cluster.list(&flow, None, &Selection::all()).await.unwrap().is_empty());
    cluster.events(NAMESPACE, Some(("Pod", &pod))).await.unwrap();
    let access = Access {
        verb: "get".into(),
        resource: "pods".into(),
        namespace: NAMESPACE.into(),
        ..Access::default()
    };
    assert!(cluster.can_i(&access).await.unwrap().allowed);

    let deadline = tokio::time::Instant::now() + Duration::from_millis(400);
    let absent = Selection::name("absent");
    let waited = cluster
        .watch_until(&builtin("pod").unwrap(), Some(NAMESPACE), &absent, deadline, |pods| {
            if pods.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await;
    assert!(matches!(waited, Err(WaitError::Timeout { last_error: None, .. })), "{waited:?}");
}
