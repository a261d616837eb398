//! The lines that say why, of logs in few words.

use super::*;

const JAVA: &str = "INFO starting\nException in thread \"main\" java.lang.IllegalStateException: \
    Could not open JDBC connection\n\tat com.acme.App.main(App.java:12)\nCaused by: \
    java.net.ConnectException: Connection refused (db:5432)\n\tat \
    java.net.Socket.connect(Socket.java:1)\n\t... 12 more";
const NODE: &str = "/app/server.js:3\nthrow new Error(\"REDIS_URL is not set\");\n^\n\nError: \
    REDIS_URL is not set\n    at Object.<anonymous> (/app/server.js:3:7)\n    at \
    node:internal/main/run_main_module:28:49\n\nNode.js v20.11.0";
const GO: &str = "panic: runtime error: invalid memory address or nil pointer dereference\n\
    [signal SIGSEGV: segmentation violation code=0x1]\n\ngoroutine 1 [running]:\nmain.main()\n\
    \t/app/main.go:10 +0x1d\nexit status 2";

#[test]
fn traces() {
    for (log, wanted) in [
        (JAVA, "Caused by: java.net.ConnectException: Connection refused (db:5432)"),
        ("java.lang.Error: boom\n\tat a.B.c(B.java:1)", "java.lang.Error: boom"),
        // Spring says afterwards what it closes
        (
            "ERROR Application run failed\njava.lang.RuntimeException: x\n\tat a.B.c(B.java:1)\n\
                Caused by: java.io.IOException: disk\n\tat a.B.d(B.java:2)\n\t... 3 common frames \
                omitted\n2026-01-01 INFO pool - Shutdown completed.",
            "Caused by: java.io.IOException: disk",
        ),
        (NODE, "Error: REDIS_URL is not set"),
        (
            "Error: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n    at \
                Module._resolveFilename (node:internal:1)\n    at x {\n  code: \
                'MODULE_NOT_FOUND',\n  requireStack: [ '/app/server.js' ]\n}\n\nNode.js v22.1.0",
            "Error: Cannot find module 'express'",
        ),
        (
            "TypeError: x is not a function\n    at main (/a.js:1:1)\nnpm ERR! code 1\nnpm ERR! \
                A complete log of this run can be found in:\nnpm ERR!     /root/.npm/x.log",
            "TypeError: x is not a function",
        ),
        (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
        (
            "panic: first [recovered]\n\tpanic: second\n\ngoroutine 7 [running]:\nx.y(0x1)\n\
                \t/src/x.go:3 +0x2",
            "panic: second",
        ),
        (
            "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n\
                main.main()\n\t/app/main.go:5 +0x1",
            "fatal error: all goroutines are asleep - deadlock!",
        ),
        (
            "Traceback (most recent call last):\n  File \"/app/x.py\", line 1, in <module>\n    \
                import foo\nModuleNotFoundError: No module named 'foo'",
            "ModuleNotFoundError: No module named 'foo'",
        ),
    ] {
        assert_eq!(reason(log), Some(wanted), "{log}");
    }
}

#[test]
fn lines_and_usages() {
    let json = r#"{"level":"fatal","msg":"cannot open store","error":"denied"}"#;
    let below = format!("{json}\n{}", r#"{"level":"info","msg":"stopped"}"#);
    let pino = "{\"level\":60,\"msg\":\"no config\"}\n{\"level\":30,\"msg\":\"bye\"}";
    for (log, wanted) in [
        (json, json),
        (below.as_str(), json),
        (pino, "{\"level\":60,\"msg\":\"no config\"}"),
        ("connecting\nno such table: orders", "no such table: orders"),
        ("ERROR old\ncannot bind", "cannot bind"),
        (
            "level=error msg=\"no route\"\nlevel=info msg=\"shutdown\"",
            "level=error msg=\"no route\"",
        ),
        ("2026/01/01 [emerg] 1#1: host not found\nbye", "2026/01/01 [emerg] 1#1: host not found"),
        (
            "E0102 10:00:00.1 1 main.go:1] leader lost\nI0102 10:00:00.2 1 main.go:2] end",
            "E0102 10:00:00.1 1 main.go:1] leader lost",
        ),
        (
            "\u{1b}[31mFATAL\u{1b}[0m cannot migrate\ngoodbye",
            "\u{1b}[31mFATAL\u{1b}[0m cannot migrate",
        ),
        ("INFO 0 errors found\ndone", "done"),
        ("one\ntwo\n\n", "two"),
        ("waiting for database\npostgres:5432 - no response", "postgres:5432 - no response"),
        ("exit status 1", "exit status 1"),
        ("cannot read config\nexit status 1", "cannot read config"),
        (
            "nc: unrecognized option: u\nBusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call \
                binary.\n\nUsage: nc [OPTIONS] HOST PORT\n\n\t-l\tListen\n\t-p PORT\tLocal port",
            "nc: unrecognized option: u",
        ),
        (
            "BusyBox v1.37.0 multi-call binary.\n\nUsage: nc [OPTIONS] HOST PORT\n\t-l\tListen",
            "BusyBox v1.37.0 multi-call binary.",
        ),
        ("Usage: app COMMAND\n\nCommands:\n  serve  Run", "Usage: app COMMAND"),
        (
            "starting\nflag provided but not defined: -x\nUsage of /app:\n  -addr string\n    \
                \taddress",
            "flag provided but not defined: -x",
        ),
        (
            "usage: app [-h] --db DB\napp: error: the following arguments are required: --db",
            "app: error: the following arguments are required: --db",
        ),
    ] {
        assert_eq!(reason(log), Some(wanted), "{log}");
    }
    assert_eq!((reason(""), reason("\n  \n")), (None, None));
    let far = format!("ERROR first\n{}", "line\n".repeat(80));
    assert_eq!(reason(&far), Some("line"));
}

#[test]
fn what_a_program_goes_on_after_ranks_last() {
    let plugin = "ERROR could not load optional plugin x, ignoring";
    let after = |rest: &str| format!("WARN deprecated flag --foo\n{plugin}\n{rest}");
    let refused = "ERROR db: connection refused, retrying";
    for (log, wanted) in [
        (
            after("INFO connecting\nINFO config invalid: replicas must be > 0\nINFO bye"),
            "INFO config invalid: replicas must be > 0",
        ),
        (after("ERROR no licence\nINFO bye"), "ERROR no licence"),
        (format!("FATAL no licence\n{plugin}"), "FATAL no licence"),
        // where nothing else is said it is what there is
        (after("INFO bye"), plugin),
        (after("INFO 0 errors found"), plugin),
        (format!("INFO start\n{refused}\n{refused}\nINFO bye"), refused),
        (format!("ERROR first\n{refused}\nERROR giving up"), "ERROR giving up"),
        ("panic: optional plugin missing".to_owned(), "panic: optional plugin missing"),
    ] {
        assert_eq!(reason(&log), Some(wanted), "{log}");
    }
}

#[test]
fn what_is_counted_or_served_is_no_reason() {
    let yaml = "yaml: line 3: did not find expected key";
    let after = |reason: &str, rest: &str| format!("loading\n{reason}\n{rest}");
    for (log, wanted) in [
        (after(yaml, "Summary: Errors: 0, Warnings: 3"), yaml),
        (after("rejected by policy", "Summary: Errors: 0, Warnings: 3"), "rejected by policy"),
        (after("rejected by policy", "Build summary: 0 errors, 3 warnings"), "rejected by policy"),
        (after("rejected by policy", "Tests: 3 passed, 0 failed"), "rejected by policy"),
        (
            after("schema: does not match pattern", "10.0.0.9 - - \"GET /error HTTP/1.1\" 200 13"),
            "schema: does not match pattern",
        ),
        (
            after("no licence: expired", "INFO:     10.0.0.9:3 - \"GET /failed HTTP/1.1\" 503"),
            "no licence: expired",
        ),
        (
            after("cannot open store", "WARN Failed login attempt for user eve from 1.2.3.4"),
            "cannot open store",
        ),
        // where nothing else is said it is what there is
        ("Summary: Errors: 0, Warnings: 3".to_owned(), "Summary: Errors: 0, Warnings: 3"),
    ] {
        assert_eq!(reason(&log), Some(wanted), "{log}");
    }
}

#[test]
fn a_container_that_runs_complains_of_what_is_wrong_with_itself() {
    let uvicorn = "Traceback (most recent call last):\n  File \"/app/x.py\", line 1, in load\n    \
        raise RuntimeError(x)\nRuntimeError: model weights checksum mismatch\n\nERROR:    \
        Application startup failed. Will not exit.";
    let upstream = "2026/01/01 10:00:00 [error] 29#29: *1 connect() failed (111: Connection refused) \
        while connecting to upstream, client: 10.0.0.9, server: , request: \"GET /healthz HTTP/1.1\", \
        upstream: \"http://127.0.0.1:9000/healthz\", host: \"10.0.0.1:80\"";
    let served = |log: &str, access: &str| format!("{log}\n{access}");
    let refused = "dial tcp 10.0.0.7:5432: connect: connection refused";
    for (log, wanted) in [
        (uvicorn.to_owned(), "RuntimeError: model weights checksum mismatch"),
        (
            served(
                upstream,
                "10.0.0.9 - - [01/Jan/2026:10:00:00 +0000] \"GET /healthz HTTP/1.1\" 502 \
                157 \"-\" \"kube-probe/1.34\" \"-\"",
            ),
            upstream,
        ),
        (served(refused, "INFO:     10.0.0.9:35244 - \"GET /ready HTTP/1.1\" 503 Down"), refused),
        (
            served(refused, "[GIN] 2026/01/01 - 10:00:00 | 503 | 1ms | 10.0.0.9 | GET \"/ready\""),
            refused,
        ),
        (served(refused, "GET /ready 503 1.234 ms - 19"), refused),
        (
            served(refused, r#"{"level":"info","method":"GET","path":"/ready","status":503}"#),
            refused,
        ),
        (
            served("panic: no tickets\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1", ""),
            "panic: no tickets",
        ),
        // what has failed is waited for, or started again in the same container
        (
            "Error: REDIS_URL is not set\n    at x (/a.js:3:7)\n\nNode.js v20.11.0\n[nodemon] app \
                crashed - waiting for file changes before starting...".to_owned(),
            "Error: REDIS_URL is not set",
        ),
        (
            "KeyError: 'DB'\n1 INFO exited: app (exit status 1; not expected)\n2 INFO gave up: app \
                entered FATAL state, too many start retries too quickly".to_owned(),
            "KeyError: 'DB'",
        ),
        (
            "SEVERE [main] listenerStart\njava.lang.IllegalStateException: no licence\n\tat \
                a.B.c(B.java:1)\nSEVERE [main] One or more listeners failed to start. Full details will be \
                found in the appropriate container log file\nSEVERE [main] Context [/app] startup failed \
                due to previous errors".to_owned(),
            "java.lang.IllegalStateException: no licence",
        ),
        // what it says of its peer is about itself
        ("Error response from 10.0.0.7: unauthorized".to_owned(), "Error response from 10.0.0.7: unauthorized"),
        (
            "Access denied for user 'app'@'10.0.0.5' (using password: YES)".to_owned(),
            "Access denied for user 'app'@'10.0.0.5' (using password: YES)",
        ),
        (format!("{refused}\nINFO stopping"), refused),
        (format!("{refused}\nreceived signal 15\nINFO stopping"), refused),
        (format!("{refused}\nINFO will retry in 5s"), refused),
        (format!("{refused}\nINFO attempt 2 of 5 failed, retrying"), refused),
        (format!("{refused}\nNext attempt in 5 s"), refused),
        ("connection refused, retrying".to_owned(), "connection refused, retrying"),
    ] {
        assert!(complains(&log, &[]), "{log}");
        assert_eq!(reason(&log), Some(wanted), "{log}");
    }
    for log in [
        "Failed login attempt for user eve from 1.2.3.4",
        "sshd: Failed password for root from 1.2.3.4 port 2200 ssh2",
        "sshd: Invalid user admin from 1.2.3.4 port 2200",
        "auth: invalid credentials user=eve ip=1.2.3.4",
        "ERROR invalid token from 10.0.0.9:3142",
        "connection refused\n10.0.0.9 - - \"GET /items HTTP/1.1\" 200 13",
        "su: authentication failure; user=eve rhost=1.2.3.4",
        "http: TLS handshake error from 10.0.0.9:3412: EOF",
        r#"{"level":"error","msg":"Authentication failed","client":"10.0.0.9:3412"}"#,
        "10.0.0.9 - - \"GET /error HTTP/1.1\" 404 13",
        "connection refused\nconnected",
        "connection refused\nINFO will retry in 5s\nconnected",
        "connection refused\nINFO:     Application startup complete.",
        "Summary: Errors: 0, Warnings: 3",
    ] {
        assert!(!complains(log, &[]), "{log}");
    }
}

/// nginx says at every request what it did not find for it.
#[test]
fn what_is_wrong_with_a_request_is_told_of_that_of_a_probe() {
    let line = "[error] 29#29: *1 directory index of \"/usr/share/nginx/html/\" is forbidden, client: \
        10.0.0.9, server: localhost, request: \"GET / HTTP/1.1\", host: \"web\"";
    let other = line.replace("GET / ", "GET /favicon.ico?v=1 ");
    for paths in [&["/"][..], &["/ready", "/"]] {
        assert!(complains(line, paths) && !complains(&other, paths), "{paths:?}");
    }
    assert!(complains(&other, &["/favicon.ico"]));
    // whatever was asked for, what is behind it is down
    let behind = format!("{other}, upstream: \"http://127.0.0.1:9000/\"");
    assert!(complains(&behind, &["/"]));
}

#[test]
fn evidence_is_the_end_and_the_reason() {
    assert_eq!(excerpt("a\nb"), "a\nb");
    let long = format!("{JAVA}\n{}", "\tat x.Y.z(Y.java:1)\n".repeat(20));
    let shown = excerpt(&long);
    assert!(shown.starts_with("Caused by: ") && shown.lines().count() == 6, "{shown}");
}
