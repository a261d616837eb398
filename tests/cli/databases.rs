//! `sql` and `redis`: what servers say, as the clients in their containers print it.

use crate::support::Place;

const MANIFESTS: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: maria}
spec:
  containers: [{name: server, image: "maria:11", command: [mariadbd], env: [{name: ROOT, value: top-hidden-word}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: postgres}
spec: {containers: [{name: server, image: "postgres:15", command: [postgres]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: redis}
spec: {containers: [{name: server, image: "redis:7", command: [redis-server]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {containers: [{name: server, image: "bare:1", command: [bare]}]}
"#;

const APPLICATIONS: &str = r##"images:
- {images: ["maria:11"], tools: maria}
- {images: ["postgres:15"], tools: postgres}
- {images: ["redis:7"], tools: redis}
- {images: ["bare:1"], tools: none}
tools: {maria: [sh, mysql], postgres: [psql], redis: [redis-cli], none: []}
apps:
- app: maria
  command: mariadbd
  routes:
  - route: SQL /
    when: request.json.statement == 'SELECT * FROM orders WHERE customer = @customer AND total > @least'
    json: >-
      [{'customer': request.json.params.customer, 'total': request.json.params.least, 'note': none},
       {'customer': 'x <&> "y"', 'total': 1.5, 'note': 'NULL'}]
  - {route: SQL /, status: 400, text: "1146 (42S02): Table 'shop.nothing' does not exist"}
- app: postgres
  command: postgres
  routes:
  - {route: SQL /, json: "[{'a': request.json.params.text, 'b': none, 'c': ''}]"}
- app: redis
  command: redis-server
  routes:
  - {route: REDIS /, when: "request.json.command == ['LLEN', 'jobs']", json: "7"}
  - {route: REDIS /, when: "request.json.command[0] == 'INFO'", text: "# Server\r\nrole:master\r\n"}
  - {route: REDIS /, status: 400, text: "NOAUTH Authentication required."}
- {app: bare, command: bare}
"##;

const RUNBOOK: &str = r#"runbook: v1
title: What the servers say
namespace: shop
on_failure: continue
params: {customer: {type: string, default: "o'b;\\ -- é"}}
steps:
  - id: orders
    title: Orders of a customer
    sql:
      target: pod/maria
      client: mysql
      password_env: ROOT
      statement: "SELECT * FROM orders WHERE customer = :customer AND total > :least;"
      params: {customer: "{{ params.customer }}", least: 3}
    expect:
      - that: '.count == 2 and .rows[0] == {customer: $params.customer, total: "3", note: null}'
      - that: '.rows[1] == {customer: "x <&> \"y\"", total: "1.5", note: "NULL"}'
  - id: text
    title: A text with everything
    sql: {target: pod/postgres, client: psql, statement: "SELECT :text AS a", params: {text: "{{ text }}"}}
    let: {text: '"a,\"b\"\n\tc\\n''" + $params.customer'}
    expect: '.rows == [{a: $text, b: null, c: ""}]'
  - id: jobs
    title: Jobs in the queue
    redis: {target: pod/redis, command: [LLEN, jobs]}
    expect: .reply == 7
  - id: role
    title: The role of the server
    redis: {target: pod/redis, command: [INFO, replication], database: 2}
    expect: .reply.role == "master"
"#;

fn place(more: &str) -> Place {
    let place = Place::new();
    place.write("worlds/shop/world.yaml", "world: v1\ntitle: A shop\nnamespace: shop\n");
    place.write("worlds/shop/manifests/shop.yaml", MANIFESTS);
    place.write("worlds/shop/applications.yaml", APPLICATIONS);
    place.write("runbooks/shop/ask.yaml", format!("{RUNBOOK}{more}"));
    place
}

#[test]
fn rows_and_replies_are_values() {
    let place = place("");
    place.write(
        "runbooks/shop/ask.test.yaml",
        "rehearsal: v1\nworld: shop\ncases: [{case: all servers respond}]\n",
    );
    let tested = place.run(&["test", "shop/ask"]);
    assert_eq!(tested.code, 0, "{}", tested.all());
}

#[test]
fn a_server_or_client_that_says_no_is_undetermined() {
    let place = place(
        r#"  - {id: gone, title: No table, sql: {target: pod/maria, client: mysql, statement: "SELECT 1 FROM nothing"}}
  - {id: bare, title: No client, sql: {target: pod/bare, client: psql, statement: "SELECT 1"}}
  - {id: unset, title: No password, sql: {target: pod/maria, client: mysql, statement: "SELECT 1", password_env: NONE}}
  - {id: denied, title: No access, redis: {target: pod/redis, command: [DBSIZE]}}
"#,
    );
    let ran = place.run(&["run", "shop/ask", "--sandbox=shop", "-v"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    let said = ran.all().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "mysql in pod maria failed with exit code 1: ERROR: 1146 (42S02): Table 'shop.nothing'",
        "pod bare (container server) has no psql: name the container of the server",
        "the environment of pod maria has no NONE",
        "redis-cli in pod redis failed with exit code 1: NOAUTH Authentication required.",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("top-hidden-word"), "{said}");
}

#[test]
fn what_could_write_is_refused_before_the_run() {
    for (step, says) in [
        (
            r#"sql: {target: pod/maria, client: mysql, statement: "DELETE FROM orders"}"#,
            "only reads",
        ),
        (
            r#"sql: {target: pod/maria, client: psql, statement: "SELECT 1; DELETE FROM orders"}"#,
            "one statement",
        ),
        (
            r#"sql: {target: pod/maria, client: psql, statement: "SELECT '{{ params.customer }}'"}"#,
            "in `params`",
        ),
        (
            r#"sql: {target: pod/maria, client: psql, statement: "SELECT 1", params: {a: 1}}"#,
            "write `:a`",
        ),
        (
            r#"sql: {target: pod/maria, client: psql, statement: "SELECT 1", password_env: "A;B"}"#,
            "name of an",
        ),
        (r#"redis: {target: pod/redis, command: [SET, a, b]}"#, "only reads"),
        (r#"redis: {target: pod/redis, command: [CLIENT, KILL, "1"]}"#, "only LIST, INFO read"),
    ] {
        let place = place(&format!("  - {{id: bad, title: Bad, {step}}}\n"));
        let checked = place.run(&["check", "runbooks/shop/ask.yaml"]);
        assert_eq!(checked.code, 2, "{step}");
        assert!(checked.all().contains(says), "{says}: {}", checked.all());
    }
}

#[test]
fn a_dry_run_asks_redis_but_no_function_of_another_server() {
    let place = place("");
    let ran = place.run(&["run", "shop/ask", "--sandbox=shop", "--dry-run", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let outcome = |id: &str| {
        let steps = document["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap()["outcome"].clone()
    };
    assert_eq!((outcome("orders"), outcome("jobs")), ("unknown".into(), "passed".into()));
    let place = self::place("");
    let trusted = place.run(&["run", "shop/ask", "--sandbox=shop", "--dry-run", "--trust-reads"]);
    assert_eq!(trusted.code, 0, "{}", trusted.all());
}
