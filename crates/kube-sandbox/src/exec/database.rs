//! The clients of database servers, in the container of the server. What the server responds is
//! that of the routes `SQL /` and `REDIS /` of its app; they are told the password that the client
//! has, if any.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Outcome, Session, not_simulated, perform};
use crate::app::{Request, Response, respond_inside};
use netpol_evaluator::Protocol;

/// The script that gives a program the value of an environment variable under another name.
const WITH_PASSWORD: &str = "value=$(printenv \"$1\"); case $? in 0) ;; 127) exit 123 ;; *) exit 125 ;; esac; \
    export \"$2=$value\"; shift 2; exec \"$@\"";

/// The script that gives a program the first line of its standard input.
const WITH_GIVEN_PASSWORD: &str =
    "IFS= read -r value || exit 124; export \"$1=$value\"; shift; exec \"$@\"";

/// Runs the program that one of the scripts starts; none for any other script.
pub(super) fn with_password(session: &Session, arguments: &[&str]) -> Option<Outcome> {
    let password = |from: &str| session.container().env.get(from).map(String::as_str);
    match arguments {
        ["-c", WITH_PASSWORD, _, from, _, program, rest @ ..] => {
            Some(start(session, password(from), program, rest))
        }
        ["-c", WITH_GIVEN_PASSWORD, _, _, program, rest @ ..] => {
            let text = String::from_utf8_lossy(&session.stdin);
            let (given, left) = text.split_once('\n')?;
            let session = Session {
                snapshot: Arc::clone(&session.snapshot),
                watch: session.watch.clone(),
                stdin: left.as_bytes().to_vec(),
                ..*session
            };
            Some(start(&session, Some(given), program, rest))
        }
        _ => None,
    }
}

fn start(session: &Session, password: Option<&str>, program: &str, rest: &[&str]) -> Outcome {
    match (password, program) {
        (None, _) => Outcome { code: 125, ..Outcome::default() },
        (_, program) if !session.has(program) => {
            Outcome::failed(127, format!("sh: 1: exec: {program}: not found\n"))
        }
        (_, tool @ ("mariadb" | "mysql" | "psql")) => sql(session, tool, rest, password),
        (_, "redis-cli") => redis(session, rest, password),
        (_, program) => perform(session, program, rest),
    }
}

/// The password that a client has: the one it is given, or that of its own variable.
pub(super) fn password_of<'a>(
    session: &'a Session,
    own: &str,
    given: Option<&'a str>,
) -> Option<&'a str> {
    given.or_else(|| session.container().env.get(own).map(String::as_str))
}

/// `mariadb`, `mysql` and `psql` with a script on standard input.
pub(super) fn sql(
    session: &Session,
    tool: &str,
    arguments: &[&str],
    password: Option<&str>,
) -> Outcome {
    let script = String::from_utf8_lossy(&session.stdin);
    let asked = if tool == "psql" { psql_script(&script) } else { mysql_script(&script) };
    let Some((statement, params)) = asked else { return not_simulated(tool, arguments) };
    let own = if tool == "psql" { "PGPASSWORD" } else { "MYSQL_PWD" };
    let option = |name: &str| arguments.iter().find_map(|word| word.strip_prefix(name));
    let asked = json!({"statement": statement, "params": params, "host": option("--host="),
        "database": option("--dbname=").or_else(|| option("--database=")),
        "user": option("--user="), "password": password_of(session, own, password)});
    let response = ask(session, "SQL", &asked);
    let Some(response) = response else { return not_simulated(tool, &[&statement]) };
    let body = String::from_utf8_lossy(&response.body);
    if response.status >= 400 {
        return Outcome::failed(1, format!("ERROR: {}\n", body.trim()));
    }
    let Ok(Value::Array(rows)) = serde_json::from_str(&body) else {
        return Outcome::failed(1, format!("the route is no list of rows: {body}\n"));
    };
    let null = arguments.iter().find_map(|word| word.strip_prefix("--pset=null=")).unwrap_or("");
    Outcome::printed(if tool == "psql" { csv(&rows, null) } else { xml(&rows) })
}

/// `pg_isready`: whether the server in the same container accepts connections.
pub(super) fn pg_isready(session: &Session, arguments: &[&str]) -> Outcome {
    if !matches!(arguments, [] | ["-h", "127.0.0.1" | "localhost"]) {
        return not_simulated("pg_isready", arguments);
    }
    let place = arguments.get(1).copied().unwrap_or("/var/run/postgresql");
    if session.snapshot.is_open(session.pod, 5432, Protocol::Tcp) {
        Outcome::printed(format!("{place}:5432 - accepting connections\n"))
    } else {
        let said = format!("{place}:5432 - no response\n");
        Outcome { code: 2, ..Outcome::printed(said) }
    }
}

/// `redis-cli` with a command.
pub(super) fn redis(session: &Session, arguments: &[&str], password: Option<&str>) -> Outcome {
    let mut words = arguments.iter();
    let mut command = Vec::new();
    while let Some(word) = words.next() {
        match *word {
            "--json" | "-e" if command.is_empty() => {}
            "-n" | "-h" | "--user" if command.is_empty() => drop(words.next()),
            word => command.push(word),
        }
    }
    let password = password_of(session, "REDISCLI_AUTH", password);
    match ask(session, "REDIS", &json!({"command": command, "password": password})) {
        Some(Response { status: 400.., body, .. }) => {
            Outcome { stderr: body, ..Outcome::failed(1, "") }
        }
        Some(Response { body, .. }) => Outcome::printed(body),
        None => not_simulated("redis-cli", &command),
    }
}

pub(super) fn ask(session: &Session, method: &str, body: &Value) -> Option<Response> {
    let body = body.to_string().into_bytes();
    let request = Request { method: method.to_owned(), target: "/".to_owned(), body };
    respond_inside(&session.snapshot, session.pod, session.container, &request, &session.watch)
}

/// The statement that is prepared, and the variables that are set before.
fn mysql_script(script: &str) -> Option<(String, Value)> {
    let mut params = json!({});
    let mut statement = None;
    for line in script.lines() {
        let Some((name, value)) =
            line.strip_prefix("SET @").and_then(|line| line.strip_suffix(';')?.split_once(" = "))
        else {
            continue;
        };
        let text = value.strip_prefix("CONVERT(X'").and_then(|rest| rest.split('\'').next());
        match (name, text) {
            ("runbook", text) => statement = unhex(text?),
            (name, Some(text)) => params[name] = json!(unhex(text)?),
            (name, None) => params[name] = serde_json::from_str(value).ok()?,
        }
    }
    Some((statement?, params))
}

fn unhex(digits: &str) -> Option<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// The statement in the transaction, and the variables that are set before.
fn psql_script(script: &str) -> Option<(String, Value)> {
    let (head, rest) = script.split_once("BEGIN TRANSACTION READ ONLY;\n")?;
    let (statement, _) = rest.split_once("\n;\nROLLBACK;")?;
    let mut params = json!({});
    for line in head.lines().filter_map(|line| line.strip_prefix("\\set ")) {
        let (name, quoted) = line.split_once(' ')?;
        params[name] = json!(unquoted(quoted.strip_prefix('\'')?.strip_suffix('\'')?));
    }
    Some((statement.to_owned(), params))
}

fn unquoted(quoted: &str) -> String {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(char) = characters.next() {
        match char {
            '\'' => text.extend(characters.next()),
            '\\' => text.extend(characters.next().map(|escape| match escape {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            })),
            other => text.push(other),
        }
    }
    text
}

fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn xml(rows: &[Value]) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let field = |(name, value): (&String, &Value)| match value {
        Value::Null => format!("\t<field name=\"{}\" xsi:nil=\"true\" />\n", escaped(name)),
        value => format!("\t<field name=\"{}\">{}</field>\n", escaped(name), escaped(&cell(value))),
    };
    let row = |row: &Value| {
        let fields: String = row.as_object().into_iter().flatten().map(field).collect();
        format!("  <row>\n{fields}  </row>\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<?xml version=\"1.0\"?>\n\n<resultset statement=\"EXECUTE runbook\" xmlns:xsi=\"http://www\
        .w3.org/2001/XMLSchema-instance\">\n{rows}</resultset>\n"
    )
}

fn csv(rows: &[Value], null: &str) -> String {
    let quoted = |text: String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    };
    let first = rows.first().and_then(Value::as_object);
    let names: Vec<&String> = first.into_iter().flat_map(|row| row.keys()).collect();
    let mut head: Vec<String> = names.iter().map(|name| quoted((*name).clone())).collect();
    if head.is_empty() {
        // a result without rows has names all the same; PostgreSQL calls a column so that has none
        head.push("?column?".to_owned());
    }
    let mut lines = vec![head];
    lines.extend(rows.iter().map(|row| {
        let value = |name: &&String| match &row[name.as_str()] {
            Value::Null => null.to_owned(),
            value => quoted(cell(value)),
        };
        names.iter().map(value).collect()
    }));
    lines.iter().map(|line| format!("{}\n", line.join(","))).collect()
}
