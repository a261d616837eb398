//! Programs that get no connection to another one, in the words of their clients: which Service they
//! mean.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose};
use serde_json::{Value, json};

const ADDRESS: &str = "10.96.3.3";

/// The Service `db` with a port, whose only pod is ill.
fn down(port: u16) -> Vec<Value> {
    let set = db(1, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}}));
    let ill = waiting("CreateContainerConfigError", "secret \"db\" not found");
    let spec = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"},
        "clusterIP": ADDRESS, "clusterIPs": [ADDRESS, "fd00:10::3"], "ports": [{"port": port}]}});
    vec![set, db_pod(ill_pod("db-0", ill)), service(spec)]
}

/// From what the end of a program with these last words follows.
fn follows(message: &str, objects: &[Value]) -> Option<String> {
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let mut all = web_with(ill_pod("web-a", merged(crashing("Error", 1), last)));
    all.extend_from_slice(objects);
    let causes = found(&all).causes;
    let own = causes.iter().find(|cause| cause.object.to_string() == "deployment/web").unwrap();
    own.follows_from.as_ref().map(|(object, id)| format!("{object} {id}"))
}

/// The same of a program that leaves this log.
fn of_log(log: &str) -> Option<&'static str> {
    let mut all = web_with(ill_pod("web-a", crashing("Error", 1)));
    all.extend(down(5432));
    let mut snapshot: Snapshot = all.into_iter().collect();
    snapshot.add_last_words("web-a", "main", log);
    let causes = diagnose(&snapshot, now()).causes;
    let own = causes.into_iter().find(|cause| cause.object.to_string() == "deployment/web");
    own.unwrap().follows_from.map(|(_, id)| id)
}

const WITH_PORT: &[(&str, &str)] = &[
    ("Go", "dial tcp db:PORT: connect: connection refused"),
    ("Go", "dial tcp 10.96.3.3:PORT: connect: connection refused"),
    ("Go", "dial tcp [fd00:10::3]:PORT: connect: connection refused"),
    ("Go", "read tcp 10.244.0.9:43521->10.96.3.3:PORT: i/o timeout"),
    ("Go", "Get \"http://front:80/a\": dial tcp db:PORT: context deadline exceeded"),
    ("Node.js", "Error: connect ECONNREFUSED 10.96.3.3:PORT"),
    ("Node.js", "Error: connect ETIMEDOUT 10.96.3.3:PORT"),
    ("Node.js", "Error: connect EHOSTUNREACH 10.96.3.3:PORT"),
    ("Node.js", "{ code: 'ECONNREFUSED', syscall: 'connect', address: '10.96.3.3', port: PORT }"),
    ("libpq", "connection to server at \"db\" (10.96.3.3), port PORT failed: Connection refused"),
    ("libpq", "connection to server at \"10.96.3.3\", port PORT failed: Connection refused"),
    ("libpq", "could not connect to host db port PORT: Connection refused"),
    ("asyncpg", "OSError: [Errno 111] Connect call failed ('10.96.3.3', PORT)"),
    (
        "redis-py",
        "redis.exceptions.ConnectionError: Error 111 connecting to db:PORT. Connection refused.",
    ),
    (
        "pymongo",
        "ServerSelectionTimeoutError: db:PORT: [Errno 111] Connection refused (configured \
        timeouts: socketTimeoutMS: 20000.0ms), Timeout: 30s",
    ),
    (
        "kafka-python",
        "Connect attempt to <BrokerConnection node_id=bootstrap-0 host=db:PORT \
        <connecting> [IPv4 ('10.96.3.3', PORT)]> returned error: Connection refused",
    ),
    (
        "aiokafka",
        "KafkaConnectionError: Unable to connect to \"db:PORT\": [Errno 111] Connect call failed",
    ),
    (
        "kombu",
        "consumer: Cannot connect to amqp://guest:**@db:PORT//: [Errno 111] Connection refused.",
    ),
    (
        "pika",
        "TCP Connection attempt failed: ConnectionRefusedError(111, 'Connection refused'); \
        dest=(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('10.96.3.3', PORT))",
    ),
    (
        "urllib3",
        "HTTPConnectionPool(host='db', port=PORT): Max retries exceeded with url: /a (Caused by \
        NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused'))",
    ),
    ("Elasticsearch of Python", "ConnectionError([Errno 111] Connection refused) http://db:PORT"),
    ("Lettuce", "Unable to connect to db/<unresolved>:PORT"),
    ("Netty", "Caused by: AnnotatedConnectException: Connection refused: db/10.96.3.3:PORT"),
    ("Netty", "Connection refused: db.n.svc.cluster.local/10.96.3.3:PORT"),
    (
        "JDBC of PostgreSQL",
        "PSQLException: Connection to db:PORT refused. Check that the hostname and port are correct",
    ),
    (
        "Kafka client",
        "[Consumer clientId=x] Connection to node -1 (db/10.96.3.3:PORT) could not be \
        established. Broker may not be available.",
    ),
    (
        "Mongo of Java",
        "MongoTimeoutException: Timed out after 30000 ms while waiting for a server. \
        Client view of cluster state is {servers=[{address=db:PORT, type=UNKNOWN, state=CONNECTING}]",
    ),
    ("Lettuce", "RedisConnectionException: Unable to connect to db/<unresolved>:PORT"),
    ("Lettuce", "Unable to connect to [db.n.svc/<unresolved>:PORT]: connection refused"),
    ("Java", "java.net.ConnectException: Connection refused: db/[fd00:10:0:0:0:0:0:3]:PORT"),
    ("Npgsql", "Npgsql.NpgsqlException (0x80004005): Failed to connect to 10.96.3.3:PORT"),
    (
        "StackExchange.Redis",
        "It was not possible to connect to the redis server(s). UnableToConnect on \
        db:PORT/Interactive, Initializing/NotStarted",
    ),
    ("HttpClient of .NET", "System.Net.Http.HttpRequestException: Connection refused (db:PORT)"),
    ("RabbitMQ of .NET", "SocketException (111): Connection refused 10.96.3.3:PORT"),
    ("Ruby", "Errno::ECONNREFUSED: Connection refused - connect(2) for \"db\" port PORT"),
    ("redis of Ruby", "Error connecting to Redis on db:PORT (Errno::ECONNREFUSED)"),
    ("Predis", "Predis\\Connection\\ConnectionException: Connection refused [tcp://db:PORT]"),
    (
        "PDO",
        "SQLSTATE[08006] [7] connection to server at \"db\" (10.96.3.3), port PORT failed: Connection refused",
    ),
    (
        "Rust",
        "error trying to connect: tcp connect error: Connection refused (os error 111) host=db port=PORT",
    ),
    (
        "reqwest",
        "error sending request for url (http://db:PORT/): Connection refused (os error 111)",
    ),
    ("MySQL", "ERROR 2003 (HY000): Can't connect to MySQL server on 'db:PORT' (111)"),
    ("MySQL", "ERROR 2003 (HY000): Can't connect to MySQL server on 'db' (111)"),
    (
        "NATS of Python",
        "nats: encountered error: [Errno 111] Connect call failed ('10.96.3.3', PORT)",
    ),
    (
        "Elixir",
        "[error] Postgrex.Protocol failed to connect: tcp connect (db:PORT): connection refused",
    ),
    ("curl", "curl: (7) Failed to connect to db port PORT after 3 ms: Couldn't connect to server"),
    ("netcat", "nc: connect to db (10.96.3.3) port PORT (tcp) failed: Connection refused"),
    ("netcat", "db [10.96.3.3] PORT (postgresql) : Connection refused"),
    ("redis-cli", "Could not connect to Redis at db:PORT: Connection refused"),
    (
        "nginx",
        "connect() failed (111: Connection refused) while connecting to upstream, client: \
        10.244.0.7, server: shop, upstream: \"http://10.96.3.3:PORT/\", host: \"front:80\"",
    ),
    ("JSON", "{\"msg\":\"connection refused\",\"host\":\"db\",\"port\":PORT}"),
];

#[test]
fn the_service_that_a_client_names_is_found() {
    let mut wrong = Vec::new();
    for port in [5432, 6379] {
        for (of, line) in WITH_PORT {
            let line = line.replace("PORT", &port.to_string());
            let found = follows(&line, &down(port));
            if found.as_deref() != Some("statefulset/db config-missing") {
                wrong.push(format!("{of}: {line}: {found:?}"));
            }
            // the Service has another port
            if line.contains(&port.to_string()) && follows(&line, &down(port + 1)).is_some() {
                wrong.push(format!("{of}: of another port: {line}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn an_innocent_service_is_not_blamed() {
    for line in [
        // a word of the sentence
        "could not connect to the db on port 5432 of 10.1.1.1: Connection refused",
        "db migration failed: connection refused",
        "connection to db refused, port 5432",
        "no db, port 5432 refused",
        "Unable to connect to db: 10.1.1.1:5432",
        // of another namespace, or outside
        "dial tcp db.other:5432: connection refused",
        "Connection refused: db.other.svc/10.96.9.9:5432",
        "connection to server at \"db.other\" (10.96.9.9), port 5432 failed: Connection refused",
        "connection to server at \"db.example.com\", port 5432 failed: Connection refused",
        // another name
        "connection to server at \"mydb\" (10.96.9.9), port 5432 failed: Connection refused",
        "Connection refused: db-old/10.96.9.9:5432",
        "http://web/db/a:5432: connection refused",
        // another address, or another port
        "dial tcp 10.96.3.33:5432: connection refused",
        "dial tcp 110.96.3.3:5432: connection refused",
        "dial tcp 10.96.3.3:54321: connection refused",
        "Connection refused: db/10.96.3.3:6379",
        "Unable to connect to db/<unresolved>:6379",
        "Unable to connect to mydb/<unresolved>:5432",
        "Unable to connect to db.other.svc/<unresolved>:5432",
        "dial tcp db.n.svc.cluster.local:6379: connection refused",
        "[Errno 111] Connect call failed ('10.96.3.3', 6379)",
        // another one is refused
        "reads of db:5432; dial tcp 10.9.9.9:6379: connect: connection refused",
        // what is set is no failure
        "connects to db:5432 timeout=5s",
        "connects to db:5432?connectTimeoutMS=5000",
    ] {
        assert_eq!(follows(line, &down(5432)), None, "{line}");
    }
}

/// libpq before version 14 names the server below the line that says what is wrong.
#[test]
fn a_server_that_is_named_in_the_lines_below_is_found() {
    let log = |host: &str, port: u16| {
        format!(
            "psycopg2.OperationalError: could not connect to server: Connection refused\n\
                \tIs the server running on host {host} and accepting\n\
                \tTCP/IP connections on port {port}?\n"
        )
    };
    let root = |log: String| of_log(&log);
    assert_eq!(root(log("\"db\" (10.96.3.3)", 5432)), Some("config-missing"));
    assert_eq!(root(log("\"10.96.3.3\"", 5432)), Some("config-missing"));
    assert_eq!(root(log("\"db\" (10.96.3.3)", 6379)), None);
    assert_eq!(root(log("\"mydb\" (10.96.9.9)", 5432)), None);
}

/// Of two Services that a line names, the one next to the words of the failure is meant.
#[test]
fn a_healthy_service_is_not_blamed_and_hides_no_other() {
    let cache = object(
        "Service",
        "cache",
        json!({"spec": {"selector": {"app": "cache"}, "clusterIP": "10.96.4.4",
            "ports": [{"port": 6379}]}}),
    );
    let labels = json!({"metadata": {"labels": {"app": "cache"}, "ownerReferences": null}});
    let with = |line: &str| {
        let mut all = down(5432);
        all.extend([cache.clone(), pod("cache-0", labels.clone())]);
        follows(line, &all)
    };
    let root = Some("statefulset/db config-missing".to_owned());
    assert_eq!(with("dial tcp 10.96.4.4:6379: connection refused"), None);
    assert_eq!(with("cache:6379: connection refused (next to db:5432)"), None);
    assert_eq!(with("GET http://cache:6379/a: dial tcp db:5432: connection refused"), root);
}

#[test]
fn another_name_of_a_service_means_the_service() {
    let named = |outside: &str| {
        object(
            "Service",
            "store",
            json!({"spec": {"type": "ExternalName", "externalName": outside}}),
        )
    };
    let with =
        |line: &str, outside: &str| follows(line, &[down(5432), vec![named(outside)]].concat());
    let root = Some("statefulset/db config-missing".to_owned());
    let own = "db.n.svc.cluster.local";
    let line = "dial tcp store:5432: connect: connection refused";
    assert_eq!(with(line, own), root);
    assert_eq!(with("dial tcp store.n.svc:5432: connect: connection refused", own), root);
    assert_eq!(with("dial tcp store:6379: connect: connection refused", own), None);
    assert_eq!(with(line, "db.other.svc.cluster.local"), None);
    assert_eq!(with(line, "db.example.com"), None);
    assert_eq!(with("dial tcp mystore:5432: connect: connection refused", own), None);
    // an alias of an alias
    let second = json!({"spec": {"type": "ExternalName", "externalName": "store.n.svc"}});
    let all = [down(5432), vec![named(own), object("Service", "shelf", second)]].concat();
    assert_eq!(follows("dial tcp shelf:5432: connect: connection refused", &all), root);
}

/// What leads nowhere itself is what a program waits for that names it.
#[test]
fn a_program_that_names_an_alias_that_leads_nowhere_follows_from_it() {
    let alias = |of: &str| {
        object("Service", "store", json!({"spec": {"type": "ExternalName", "externalName": of}}))
    };
    for (outside, wanted) in [
        ("gone.n.svc.cluster.local", Some("service/store alias-of-nothing")),
        ("store.n.svc", Some("service/store alias-unresolvable")),
        ("10.1.2.3", Some("service/store alias-unresolvable")),
        ("db.example.com", None),
        ("db.other.svc", None),
    ] {
        for line in [
            "redis.exceptions.ConnectionError: Error -2 connecting to store:6379. Name or service not \
                known.",
            "Unable to connect to store/<unresolved>:6379",
        ] {
            assert_eq!(follows(line, &[alias(outside)]).as_deref(), wanted, "{outside}: {line}");
        }
    }
}

/// A program that ends by a fault of its own waits for nothing, whatever else it said.
#[test]
fn a_program_whose_last_words_are_its_own_follows_from_no_other() {
    const REFUSED: &str = "dial tcp db:5432: connect: connection refused";
    const PANIC: &str = "panic: runtime error: index out of range [5] with length 3\n\n\
        goroutine 1 [running]:\nmain.main()\n\t/app/main.go:10 +0x1d\n";
    for (log, waits) in [
        (format!("{PANIC}{REFUSED}"), false),
        (format!("{PANIC}ERROR {REFUSED}"), false),
        (format!("{PANIC}WARN {REFUSED}, retrying in 5s"), false),
        (format!("ERROR {REFUSED}\n{PANIC}"), false),
        (format!("FATAL no licence\nERROR {REFUSED}"), false),
        (format!("ERROR no licence\nWARN {REFUSED}"), false),
        (format!("ERROR no licence\nERROR {REFUSED}, retrying"), false),
        (format!("ERROR no licence\nINFO {REFUSED}, will retry in 5s\nINFO bye"), false),
        (format!("ERROR {REFUSED}\nINFO will retry in 5s\nINFO bye"), true),
        (format!("ERROR {REFUSED}, retrying\nINFO next attempt in 5s, timeout 30s"), true),
        (format!("ERROR no cache, ignoring\nFATAL {REFUSED}"), true),
        (format!("{}ERROR bye", PANIC.replace("runtime error: index", REFUSED)), true),
    ] {
        assert_eq!(of_log(&log), waits.then_some("config-missing"), "{log}");
    }
}
