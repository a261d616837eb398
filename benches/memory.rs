//! How much memory the program takes at most where a cluster is large: 100 steps over 300 pods, a
//! list of 10,000 pods, and what reads the record afterwards. The API server is this process, so
//! that its memory does not count.

#![expect(clippy::unwrap_used, reason = "a benchmark fails where it panics")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

const RUN: &str = "01K9ZQ4T000000000000000000";

/// Pods of 200 Deployments on 200 nodes, each with a name, address, identity and times of its own.
fn pods(count: usize, namespace: &str) -> Vec<String> {
    let template = include_str!("pod.json");
    let pod = |index: usize| {
        let mut pod: Value =
            serde_json::from_str(&template.replace("shop", &format!("app-{:03}", index % 200)))
                .unwrap();
        let time = |salt: usize| {
            format!(
                "2026-11-{:02}T{:02}:{:02}:{:02}Z",
                index % 27 + 1,
                index / 7 % 24,
                (index * 13 + salt) % 60,
                (index * 31 + salt) % 60
            )
        };
        let ip = format!("10.{}.{}.{}", index / 62_500, index / 250 % 250, index % 250);
        pod["metadata"]["name"] = format!("app-{:03}-59fcc47744-{index:05}", index % 200).into();
        pod["metadata"]["namespace"] = namespace.into();
        pod["metadata"]["uid"] = format!("{index:08x}-72a5-4b0e-9d5f-{:012x}", index * 7919).into();
        pod["metadata"]["resourceVersion"] = (100_000 + index * 7).to_string().into();
        pod["metadata"]["creationTimestamp"] = time(0).into();
        pod["spec"]["nodeName"] = format!("node-{:03}", index * 17 % 200).into();
        pod["status"]["podIP"] = ip.as_str().into();
        pod["status"]["podIPs"] = json!([{"ip": ip}]);
        pod["status"]["startTime"] = time(0).into();
        for (salt, condition) in
            pod["status"]["conditions"].as_array_mut().unwrap().iter_mut().enumerate()
        {
            condition["lastTransitionTime"] = time(salt).into();
        }
        for container in pod["status"]["containerStatuses"].as_array_mut().unwrap() {
            container["containerID"] = format!("containerd://{:064x}", index * 7919).into();
            container["state"] = json!({"running": {"startedAt": time(3)}});
        }
        pod.to_string()
    };
    (0..count).map(pod).collect()
}

/// Answers one request after the other on a connection.
fn serve(stream: TcpStream, few: &[String], many: &[String]) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    let mut out = stream;
    loop {
        let (mut request, mut length) = (String::new(), 0);
        lines.read_line(&mut request).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok()?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        let place = request.split(' ').nth(1)?;
        let (path, query) = place.split_once('?').unwrap_or((place, ""));
        let parameter = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .and_then(|value| value.parse::<usize>().ok())
        };
        let answer = if path.ends_with("/pods") {
            let all = if path.contains("/many/") { many } else { few };
            let from = parameter("continue").unwrap_or(0);
            let until = parameter("limit").map_or(all.len(), |limit| all.len().min(from + limit));
            let next = if until < all.len() { until.to_string() } else { String::new() };
            let items = all[from..until].join(",");
            format!(
                r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"7","continue":"{next}"}},"items":[{items}]}}"#
            )
        } else if path == "/version" {
            json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0"}).to_string()
        } else if let Some(name) = path.strip_prefix("/api/v1/namespaces/") {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "u"}})
                .to_string()
        } else {
            let mut review: Value = serde_json::from_slice(&body).unwrap_or_else(|_| json!({}));
            review["status"] = json!({"allowed": true, "userInfo": {"username": "bench"}});
            review.to_string()
        };
        write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        )
        .ok()?;
        out.write_all(answer.as_bytes()).ok()?;
    }
}

/// Runs the program and gives its exit code and the most memory that it had, in MB.
fn peak(folder: &Path, arguments: &[&str]) -> (i32, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(arguments)
        .current_dir(folder)
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .env("RUNBOOK_STATE_DIR", folder.join("state"))
        .env("RUNBOOK_RUN_ID", RUN)
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.join("stdout")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let now = text.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        most = most.max(now.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap_or(-1), most / 1024);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn steps(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, step| {
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "      - id: s{step}\n        get: {{kind: Pod}}\n        expect: \
            [{{that: .items | length == 300}}, {{all: .status.phase == \"Running\", over: \
            .items}}]"
        );
        text
    })
}

fn main() {
    let (few, many) = (Arc::new(pods(300, "few")), Arc::new(pods(10_000, "many")));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (few, many) = (few.clone(), many.clone());
            std::thread::spawn(move || serve(stream, &few, &many));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "big",
        "users": [{"name": "u", "user": {"token": "t"}}],
        "clusters": [{"name": "big", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "big", "context": {"cluster": "big", "user": "u",
        "namespace": "few"}}],
    });
    fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
    let group = |mode: &str, count| {
        format!(
            "runbook: v1\ntitle: Many\nsteps:\n  - id: all\n    parallel: {mode}\n    steps:\n{}",
            steps(count)
        )
    };
    let list = |rest: &str| {
        format!(
            "runbook: v1\ntitle: Large\nnamespace: many\nsteps:\n  - id: pods\n    get: {{kind: \
                Pod}}\n{rest}"
        )
    };
    let scenarios = [
        ("100 steps over 300 pods, one after the other", group("false", 100)),
        ("100 steps over 300 pods, parallel: true", group("true", 100)),
        ("100 steps over 300 pods, parallel: 100", group("100", 100)),
        ("10,000 pods listed", list("")),
        ("10,000 pods counted", list("    expect: [{that: .items | length == 10000}]\n")),
        (
            "10,000 pods judged one by one",
            list("    expect: [{all: .status.phase == \"Running\", over: .items}]\n"),
        ),
        (
            "10,000 pods kept for a later step",
            list(
                "  - id: count\n    value: $steps.pods.output.items | length\n    expect: [{that: \
                    . == 10000}]\n",
            ),
        ),
        (
            "10,000 pods, a program that needs them whole",
            list("    expect: [{that: '.items | group_by(.spec.nodeName) | length == 200'}]\n"),
        ),
    ];
    for (name, text) in scenarios {
        fs::remove_dir_all(folder.path().join("state")).ok();
        fs::write(folder.path().join("x.yaml"), text).unwrap();
        let (code, most) = peak(folder.path(), &["run", "x.yaml", "--output", "json"]);
        println!("{most:>6} MB  {name}  (exit {code})");
        let (code, most) = peak(folder.path(), &["show", RUN]);
        println!("{most:>6} MB    show  (exit {code})");
    }
}
