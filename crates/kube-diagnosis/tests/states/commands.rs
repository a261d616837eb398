//! Commands that cannot be executed, of containers and of probes.

use crate::build::*;
use kube_diagnosis::{Cause, Snapshot, diagnose};
use serde_json::{Value, json};

fn first(objects: Vec<Value>, log: Option<&str>) -> Cause {
    let mut snapshot: Snapshot = objects.into_iter().collect();
    if let Some(log) = log {
        snapshot.add_last_words("web-a", "main", log);
    }
    diagnose(&snapshot, now()).causes.remove(0)
}

const FORMAT: &str = "architecture of the node";
const INTERPRETER: &str = "interpreter in the first line of the script, or the loader";
const LIBC: &str = "with the libc of the image";

#[test]
fn a_program_that_cannot_be_loaded_needs_another_image() {
    for (log, wanted) in [
        ("exec /d/bin: exec format error", FORMAT),
        ("standard_init_linux.go:228: exec user process caused: exec format error", FORMAT),
        ("exec container process `/d/bin`: Exec format error", FORMAT),
        ("/d/run.sh: line 3: /d/bin: cannot execute binary file: Exec format error", FORMAT),
        ("OSError: [Errno 8] Exec format error: '/d/bin'", FORMAT),
        ("exec /d/run.sh: no such file or directory", INTERPRETER),
        (
            "standard_init_linux.go:190: exec user process caused \"no such file or directory\"",
            INTERPRETER,
        ),
        (
            "exec container process (missing dynamic library?) `/d/bin`: No such file or directory",
            INTERPRETER,
        ),
        ("/d/run.sh: /opt/perl: bad interpreter: No such file or directory", INTERPRETER),
        ("/d/run.sh: line 3: /d/bin: cannot execute: required file not found", INTERPRETER),
        ("[FATAL tini (7)] exec /d/run.sh failed: No such file or directory", "command and args"),
        ("/usr/bin/env: 'node': No such file or directory", "command and args"),
        ("/usr/bin/env: 'bash\\r': No such file or directory", "with LF"),
        ("/d/run.sh: /bin/sh^M: bad interpreter: No such file or directory", "with LF"),
        (
            "/d/bin: error while loading shared libraries: libpq.so.5: cannot open shared object file: \
                No such file or directory",
            "add the named library",
        ),
        (
            "Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by \
                /d/bin)",
            LIBC,
        ),
        ("/d/bin: /lib/libc.so.6: version `GLIBC_2.34' not found (required by /d/bin)", LIBC),
        // what a program does not find is its own affair
        ("open /etc/app/config.yaml: no such file or directory", "previous run"),
        ("failed to load .env: no such file or directory", "previous run"),
        ("exec /d/run.sh: permission denied", "previous run"),
        ("C:\\run.exe: config not found", "previous run"),
    ] {
        let cause = first(web_with(ill_pod("web-a", crashing("Error", 255))), Some(log));
        assert!(cause.hint.contains(wanted), "{log}: {}", cause.hint);
        // as the kubelet takes it from the log
        let policy = json!({"spec": {"containers": [{"name": "main",
            "terminationMessagePolicy": "FallbackToLogsOnError"}]}});
        let run = json!({"lastState": {"terminated": {"message": log}}});
        let pod = merged(ill_pod("web-a", merged(crashing("Error", 255), run)), policy);
        let cause = first(web_with(pod), None);
        assert!(cause.hint.contains(wanted), "{log}: {}", cause.hint);
    }
    // a program that runs may write so of another one
    let all = web_with(ill_pod("web-a", unready("1h")));
    let cause = first(all, Some("exec /d/bin: exec format error"));
    assert_eq!(cause.id, "readiness-failing");
    assert!(!cause.hint.contains(FORMAT), "{}", cause.hint);
}

/// What is said of a pod whose probe says this: not ready, not started, or killed.
fn probed(id: &str, message: &str) -> Cause {
    let word = if id == "readiness-failing" { "Readiness" } else { "Startup" };
    let probe = json!({"periodSeconds": 2, "failureThreshold": 2, "exec": {"command": ["/d/ok"]}});
    let field = format!("{}Probe", word.to_lowercase());
    let run = match id {
        "startup-probe-kills" => crashing("Error", 137),
        "startup-failing" => merged(unready("1h"), json!({"started": false})),
        _ => unready("1h"),
    };
    let spec = json!({"spec": {"containers": [{"name": "main", "image": "example.com/web:1",
        field: probe}]}});
    let mut all = web_with(merged(ill_pod("web-a", run), spec));
    all.push(of_main("web-a", "Unhealthy", "61s", &format!("{word} probe {message}")));
    let killing = "Container main failed startup probe, will be restarted";
    if id == "startup-probe-kills" {
        all.push(merged(of_main("web-a", "Killing", "61s", killing), json!({"type": "Normal"})));
    }
    let cause = first(all, None);
    assert_eq!(cause.id, id, "{message}");
    cause
}

const UNREADY: &[&str] = &["readiness-failing", "startup-failing", "startup-probe-kills"];

#[test]
fn a_probe_whose_command_is_not_in_the_image_or_speaks_another_protocol_is_wrong_itself() {
    let runc = "OCI runtime exec failed: exec failed: unable to start container process: exec: ";
    for (message, wanted) in [
        (format!("failed: {runc}\"/bin/grpc_health_probe\": stat /bin/grpc_health_probe: no such file \
            or directory: unknown"), "not in the image"),
        (format!("failed: {runc}\"curl\": executable file not found in $PATH: unknown"), "not in the image"),
        ("failed: executable file `curl` not found in $PATH: No such file or directory".into(), "not in the image"),
        ("failed: /bin/sh: curl: not found".into(), "a command that the probe calls"),
        ("failed: /d/ok.sh: line 2: curl: not found".into(), "a command that the probe calls"),
        ("failed: sh: line 1: curl: command not found".into(), "a command that the probe calls"),
        (format!("failed: {runc}\"/d/ok\": permission denied: unknown"), "check the mode"),
        (
            "failed: timeout: failed to connect service \"10.0.0.1:8080\" within 1s: context deadline \
                exceeded".into(),
            "serves gRPC without TLS",
        ),
        (
            "failed: error: health rpc probe failed: connection error: desc = \"error reading server \
                preface: http2: failed reading the frame payload: http2: frame too large, note that the \
                frame header looked like an HTTP/1.1 header\"".into(),
            "speaks no gRPC",
        ),
        (
            "failed: error: this server does not implement the grpc health protocol \
                (grpc.health.v1.Health): unknown service grpc.health.v1.Health".into(),
            "serve grpc.health.v1.Health",
        ),
        ("failed: error: health rpc probe failed: unknown service".into(), "correct grpc.service"),
        (
            "failed: Get \"http://10.0.0.1:8080/\": net/http: HTTP/1.x transport connection broken: \
                malformed HTTP response \"\\x00\\x00\\x06\\x04\\x00\\x00\\x00\\x00\\x00\\x00\\x05\"".into(),
            "use a grpc probe",
        ),
        (
            "failed: Get \"http://10.0.0.1:8080/\": net/http: HTTP/1.x transport connection broken: \
                malformed HTTP response \"\\x15\\x03\\x01\\x00\\x02\\x02\"".into(),
            "scheme of the probe to HTTPS",
        ),
        ("failed: HTTP probe failed with statuscode: 401".into(), "no authentication"),
    ] {
        for id in UNREADY {
            let hint = probed(id, &message).hint;
            assert!(hint.contains(wanted), "{id}: {message}: {hint}");
        }
    }
    // a probe that could not be asked ends nothing
    let errored = format!(
        "errored and resulted in unknown state: rpc error: code = NotFound desc = failed to exec in \
            container: failed to start exec \"0af1\": {runc}\"/d/ok\": stat /d/ok: no such file or \
            directory: unknown"
    );
    assert!(probed("readiness-failing", &errored).hint.contains("not in the image"));
    let named =
        "errored and resulted in unknown state: strconv.Atoi: parsing \"web\": invalid syntax";
    let sentence = probed("readiness-failing", named).sentence();
    assert!(sentence.contains("probe: main: strconv.Atoi: parsing"), "{sentence}");
    // what the command itself does not find may come
    for message in [
        "failed: cat: /tmp/healthy: No such file or directory",
        "failed: route: not found",
        "failed: refresh: token: not found",
    ] {
        let hint = probed("readiness-failing", message).hint;
        assert!(hint.contains("run the probe by hand"), "{message}: {hint}");
    }
}

#[test]
fn a_probe_that_prints_nothing_is_said_to() {
    for id in UNREADY {
        let sentence = probed(id, "failed:").sentence();
        assert!(sentence.contains("`/d/ok` fails and prints nothing"), "{sentence}");
        let evidence = probed(id, "failed: ").evidence;
        assert!(
            evidence[0].says.contains("probe failed: the command printed nothing"),
            "{evidence:?}"
        );
    }
    // where its sentence has the words of the kubelet
    let mut all = web_with(merged(
        pod("web-a", json!({})),
        json!({"status": {"conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": ago("1m")}]}}),
    ));
    all[0] = web(1, 1).remove(0);
    all.push(of_main("web-a", "Unhealthy", "61s", "Readiness probe failed: "));
    let sentence = first(all, None).sentence();
    assert!(sentence.contains("Readiness probe failed: the command printed nothing"), "{sentence}");
}

#[test]
fn a_job_whose_program_cannot_be_loaded_is_told_what_to_do_first() {
    let hint = |log: &str| {
        let run = json!({"name": "main", "ready": false, "restartCount": 0,
            "state": ended("Error", 255, "1m")});
        let status = json!({"status": {"phase": "Failed", "containerStatuses": [run]}});
        let pod = owned(merged(pod("web-a", json!({})), status), "Job", "import");
        let all = vec![job("import", "Failed", "BackoffLimitExceeded", json!({})), pod];
        first(all, Some(log)).hint
    };
    let told = hint("exec /d/bin: exec format error");
    assert!(told.contains(FORMAT) && told.ends_with("create the Job again"), "{told}");
    assert!(!hint("no licence").contains(FORMAT));
}

#[test]
fn a_hook_whose_command_is_not_in_the_image_needs_another() {
    let hint = |message: &str| {
        let mut all = web_with(ill_pod("web-a", waiting("PostStartHookError", "")));
        all.push(of_main("web-a", "FailedPostStartHook", "1m", message));
        first(all, None).hint
    };
    let absent = "Exec lifecycle hook ([/d/ok]) for Container \"main\" failed - error: exec: \"/d/ok\": \
        stat /d/ok: no such file or directory";
    assert!(hint(absent).contains("that is in the image"), "{}", hint(absent));
    assert!(hint("PostStartHook failed").contains("fix lifecycle.postStart"));
}
