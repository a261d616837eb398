//! Dumps, and restores of them. What a dump consists of is what the route `DUMP /` of the app
//! responds; what comes of a restore, what its routes `RESTORE /` do.

use serde_json::{Value, json};

use super::database::{ask, password_of};
use super::{Meanwhile, Outcome, Session, not_simulated};
use crate::app::Response;

/// Begins a restore that is one transaction, and is followed by the question for its identity.
const BEGIN: &str = "\\set ON_ERROR_STOP on\nBEGIN;\n";
const IDENTIFY: &str = "SELECT 'runbook-transaction:'";
const COMMIT: &str = "\nCOMMIT;\n";
/// Asks what became of it.
const QUESTION: &str = "SELECT 'runbook-outcome:'";
/// The version of the format whose end has a checksum.
const RDB: &[u8] = b"REDIS0010\xfa";
const RDB_END: u8 = 0xff;

/// `pg_dump` and its like.
pub(super) fn dump(session: &Session, tool: &str, arguments: &[&str]) -> Outcome {
    match dumped(session, tool, arguments) {
        Some(Ok(text)) => Outcome::printed(text),
        Some(Err(text)) => Outcome::failed(1, format!("{tool}: error: {}\n", text.trim())),
        None => not_simulated(tool, arguments),
    }
}

/// `redis-cli --rdb -`: a text is the content of a file of Redis, unless it is one itself.
pub(super) fn rdb(session: &Session, arguments: &[&str]) -> Outcome {
    if !arguments.ends_with(&["--rdb", "-"]) {
        return not_simulated("redis-cli", arguments);
    }
    match dumped(session, "redis-cli", arguments) {
        Some(Ok(text)) if text.starts_with(b"REDIS") => Outcome::printed(text),
        Some(Ok(text)) => Outcome::printed(rdb_file(&text)),
        Some(Err(text)) => Outcome::failed(1, text),
        None => not_simulated("redis-cli", arguments),
    }
}

fn dumped(session: &Session, tool: &str, arguments: &[&str]) -> Option<Result<Vec<u8>, String>> {
    let own = if tool == "redis-cli" { "REDISCLI_AUTH" } else { "PGPASSWORD" };
    let command: Vec<&str> = std::iter::once(tool).chain(arguments.iter().copied()).collect();
    let asked = json!({"command": command, "password": password_of(session, own, None)});
    let Response { status, body, .. } = ask(session, "DUMP", &asked)?;
    Some(if status < 400 { Ok(body) } else { Err(String::from_utf8_lossy(&body).into_owned()) })
}

/// A file with one field, which is no key.
fn rdb_file(text: &[u8]) -> Vec<u8> {
    let short = &text[..text.len().min(63)];
    let mut file = RDB.to_vec();
    for part in [b"text".as_slice(), short] {
        file.push(u8::try_from(part.len()).unwrap_or_default());
        file.extend_from_slice(part);
    }
    file.push(RDB_END);
    file.extend(checksum(&file).to_le_bytes());
    file
}

/// The CRC-64 of Redis.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| {
        (0..8).fold(value ^ u64::from(*byte), |value: u64, _| {
            if value & 1 == 1 { (value >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { value >> 1 }
        })
    })
}

/// Whether psql reads a restore that is one transaction.
pub(super) fn is_restore(stdin: &[u8]) -> bool {
    stdin.starts_with(BEGIN.as_bytes())
}

/// Whether psql is asked what became of one.
pub(super) fn is_question(stdin: &[u8]) -> bool {
    String::from_utf8_lossy(stdin).contains(QUESTION)
}

/// Answers the question for the identity of the transaction, before the file and after it.
pub(super) fn meanwhile(session: &Session, said: usize) -> Meanwhile {
    let script = String::from_utf8_lossy(&session.stdin);
    if script.matches(IDENTIFY).count() <= said || !script.ends_with(";\n") {
        return Meanwhile::Waits;
    }
    if said > 0 && !matches!(executed(session, &script), Some(Ok(()))) {
        return Meanwhile::Ends;
    }
    Meanwhile::Says(b" runbook-transaction:7411/1/812\n(1 row)\n\n".to_vec())
}

/// The end of psql: the transaction is committed if it was told so.
pub(super) fn restore(session: &Session, arguments: &[&str]) -> Outcome {
    let script = String::from_utf8_lossy(&session.stdin);
    match executed(session, &script) {
        None => return not_simulated("psql", arguments),
        Some(Err(text)) => {
            return Outcome::failed(3, format!("psql:<stdin>:9: ERROR:  {}\n", text.trim()));
        }
        Some(Ok(())) => {}
    }
    if script.ends_with(COMMIT) && script.matches(IDENTIFY).count() == 2 {
        drop(ask(session, "RESTORE", &json!({"phase": "commit", "file": file_of(&script)})));
    }
    Outcome::default()
}

/// What became of a transaction.
pub(super) fn outcome(session: &Session, arguments: &[&str]) -> Outcome {
    match ask(session, "RESTORE", &json!({"phase": "outcome", "file": Value::Null})) {
        Some(Response { status: ..400, body, .. }) => {
            let word = String::from_utf8_lossy(&body).trim().to_owned();
            Outcome::printed(format!(" runbook-outcome:{word}/\n(1 row)\n\n"))
        }
        _ => not_simulated("psql", arguments),
    }
}

/// What comes of the statements of the file; none if that is not simulated.
fn executed(session: &Session, script: &str) -> Option<Result<(), String>> {
    let asked = json!({"phase": "execute", "file": file_of(script)});
    let Response { status, body, .. } = ask(session, "RESTORE", &asked)?;
    let text = || String::from_utf8_lossy(&body).into_owned();
    Some(if status < 400 { Ok(()) } else { Err(text()) })
}

/// What stands between the two questions.
fn file_of(script: &str) -> &str {
    let after = script.split_once(IDENTIFY).and_then(|(_, rest)| rest.split_once(";\n"));
    let file = after.map_or("", |(_, file)| file);
    file.split_once("\n\\set ON_ERROR_STOP on\n").map_or(file, |(file, _)| file)
}
