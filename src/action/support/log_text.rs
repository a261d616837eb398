//! Turns the text of one log into an item of the output: its lines and the matches. Pure.

use super::fan_out::{Item, item};
use crate::action::Failure;
use crate::cluster::{Error, ErrorKind, LogText};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

/// The item of one log. That a container has none yet, or none any more, is an answer.
pub(in crate::action) fn log_item(result: Result<LogText, Error>, regex: Option<&Regex>) -> Item {
    let fields = |lines: &[LogLine<'_>], truncated, reason| {
        let matches = regex.map_or_else(Vec::new, |regex| {
            lines.iter().filter_map(|line| matched(line, regex)).collect()
        });
        let lines: Vec<Value> =
            lines.iter().map(|line| json!({"time": line.time, "text": line.text})).collect();
        item([
            ("lines", Value::Array(lines)),
            ("matches", Value::Array(matches)),
            ("truncated", json!(truncated)),
            ("reason", reason),
        ])
    };
    match result {
        Ok(log) => match lost(&log.text) {
            Some(text) => Err(Failure::error(format!("cannot read the log: {text}"))),
            None => Ok(fields(&split(&log.text), log.truncated, Value::Null)),
        },
        Err(error) => match none_yet(&error) {
            Some(reason) => Ok(fields(&[], false, json!(reason))),
            None => Err(error.into()),
        },
    }
}

/// What the API server says when there is no log because nothing has run yet, or nothing ran
/// before.
fn none_yet(error: &Error) -> Option<String> {
    let text = error
        .status
        .as_ref()
        .and_then(|status| status["message"].as_str())
        .unwrap_or(&error.message);
    let signs =
        ["is waiting to start", "does not have a host assigned", "previous terminated container"];
    (error.kind == ErrorKind::Invalid && signs.iter().any(|sign| text.contains(sign)))
        .then(|| text.to_owned())
}

/// Kubelets send some failures as if they were the log.
fn lost(text: &str) -> Option<&str> {
    let signs =
        ["unable to retrieve container logs for ", "failed to try resolving symlinks in path "];
    signs.iter().any(|sign| text.starts_with(sign)).then(|| text.trim_end())
}

/// A log line.
#[derive(Debug, PartialEq, Eq)]
struct LogLine<'a> {
    /// As the kubelet wrote it: RFC 3339 with nanoseconds.
    time: Option<&'a str>,
    text: &'a str,
}

fn split(log: &str) -> Vec<LogLine<'_>> {
    let line = |line| {
        let (time, text) = str::split_once(line, ' ').unwrap_or((line, ""));
        if time.parse::<Timestamp>().is_ok() {
            LogLine { time: Some(time), text }
        } else {
            LogLine { time: None, text: line }
        }
    };
    log.lines().map(line).collect()
}

/// The line with its named groups, if it matches; a group that took no part is null.
fn matched(line: &LogLine<'_>, regex: &Regex) -> Option<Value> {
    let captures = regex.captures(line.text)?;
    let groups: Map<String, Value> = regex
        .capture_names()
        .flatten()
        .map(|name| (name.to_owned(), json!(captures.name(name).map(|group| group.as_str()))))
        .collect();
    Some(json!({"time": line.time, "text": line.text, "groups": groups}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_times_and_matches_groups() {
        let text = "2024-05-01T10:00:00.123456789Z INFO \
            up\n2024-05-01T10:00:01Z \n2024-05-01T10:00:02+02:00 ERROR code=7 x\ntorn line\n";
        let lines = split(text);
        let wanted = [
            (Some("2024-05-01T10:00:00.123456789Z"), "INFO up"),
            (Some("2024-05-01T10:00:01Z"), ""),
            (Some("2024-05-01T10:00:02+02:00"), "ERROR code=7 x"),
            (None, "torn line"),
        ];
        assert_eq!(lines, wanted.map(|(time, text)| LogLine { time, text }));
        let regex = Regex::new("(?<level>ERROR) code=(?<code>[0-9]+)( y(?<rest>.*))?").unwrap();
        let item =
            log_item(Ok(LogText { text: text.to_owned(), truncated: true }), Some(&regex)).unwrap();
        let groups = json!({"level": "ERROR", "code": "7", "rest": null});
        assert_eq!(
            item["matches"],
            json!([{"time": "2024-05-01T10:00:02+02:00", "text": "ERROR code=7 x",
                "groups": groups}])
        );
        assert_eq!(
            (item["lines"].as_array().map(Vec::len), &item["truncated"]),
            (Some(4), &json!(true))
        );
    }

    #[test]
    fn no_log_yet_is_an_answer_and_a_lost_log_is_none() {
        let error = |kind, message: &str| Err(Error::new(kind, message));
        let waiting = r#"container "a" in pod "p" is waiting to start: ContainerCreating"#;
        let item = log_item(error(ErrorKind::Invalid, waiting), None).unwrap();
        assert_eq!((&item["lines"], &item["reason"]), (&json!([]), &json!(waiting)));
        for failed in [
            error(ErrorKind::Forbidden, "no"),
            error(ErrorKind::Invalid, "tailLines is wrong"),
            Ok(LogText {
                text: "unable to retrieve container logs for containerd://12".to_owned(),
                truncated: false,
            }),
        ] {
            assert!(log_item(failed.clone(), None).is_err(), "{failed:?}");
        }
    }
}
