//! What an output reports as wrong by itself, so that a step without expectations can still fail.

use serde_json::{Map, Value};

/// Something wrong, in the output of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The fields that say so: an expectation that looks at one of them decides instead.
    pub fields: &'static [&'static str],
    /// The first item that is wrong, and how many more: `pod/NAME: exit code 1: connection
    /// refused`.
    pub reason: String,
}

/// Judges each item of a fan-out, or the one item that the output is. Items that could not be read
/// say nothing.
pub(in crate::action) fn items(
    output: &Value,
    fields: &'static [&'static str],
    judge: impl Fn(&Value) -> Option<String>,
) -> Option<Wrong> {
    let one = std::slice::from_ref(output);
    let items = output.as_array().map_or(one, Vec::as_slice);
    let wrong: Vec<String> = items
        .iter()
        .filter(|item| item["unread"] != true)
        .filter_map(|item| {
            let reason = judge(item)?;
            Some(
                item["pod"]
                    .as_str()
                    .filter(|_| output.is_array())
                    .map_or_else(|| reason.clone(), |pod| format!("pod/{pod}: {reason}")),
            )
        })
        .collect();
    let first = wrong.first()?;
    let reason = if wrong.len() == 1 {
        first.clone()
    } else {
        format!("{first}; and {} more of {}", wrong.len() - 1, items.len())
    };
    Some(Wrong { fields, reason })
}

/// A command that ended badly, with the last thing that it said.
pub(in crate::action) fn command(output: &Value) -> Option<Wrong> {
    items(output, &["exit_code"], |item| {
        let code = item["exit_code"].as_i64().filter(|code| *code != 0)?;
        let last = ["stderr", "stdout"].iter().find_map(|stream| {
            item[*stream].as_str()?.lines().rev().map(str::trim).find(|line| !line.is_empty())
        });
        Some(last.map_or_else(
            || format!("exit code {code}"),
            |last| format!("exit code {code}: {last}"),
        ))
    })
}

/// A request that was refused, got no answer, or an answer that is an error (RFC 9110, section 15:
/// 4xx and 5xx).
pub(in crate::action) fn request(output: &Value) -> Option<Wrong> {
    items(output, &["status", "refused", "reason"], |item| match item["status"].as_u64() {
        Some(status) => (status >= 400).then(|| format!("status {status}")),
        None if item.get("status").is_none() => None,
        None => Some(item["reason"].as_str().unwrap_or("no response").to_owned()),
    })
}

/// A probe with another result than the one that is hoped for.
pub(in crate::action) fn probe(output: &Value, hoped: &str) -> Option<Wrong> {
    items(output, &["result"], |item| {
        let result = item["result"].as_str().filter(|result| *result != hoped)?;
        let why = item["reason"]
            .as_str()
            .and_then(|reason| reason.lines().next())
            .filter(|why| !why.is_empty());
        Some(why.map_or_else(|| result.to_owned(), |why| format!("{result}: {why}")))
    })
}

/// Whether an item of a fan-out is bad enough to ask whether its pod still counts: it has an end,
/// a status or a result, and not a good one.
pub(in crate::action) fn is_doubtful(item: &Map<String, Value>) -> bool {
    let bad =
        |field: &str, good: fn(&Value) -> bool| item.get(field).is_some_and(|value| !good(value));
    bad("exit_code", |code| *code == 0)
        || bad("status", |status| status.as_u64().is_some_and(|status| status < 400))
        || bad("result", |result| *result == "connected" || *result == "resolved")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reason(wrong: Option<Wrong>) -> Option<String> {
        wrong.map(|wrong| wrong.reason)
    }

    #[test]
    fn what_outputs_say_by_themselves() {
        let some = |text: &str| Some(text.to_owned());
        for (output, wanted) in [
            (json!({"exit_code": 0, "stderr": "warning"}), None),
            (
                json!({"exit_code": 1, "stderr": "a\npg_dump: connection refused\n\n",
                    "stdout": "x"}),
                some("exit code 1: pg_dump: connection refused"),
            ),
            (json!({"exit_code": 2, "stderr": "", "stdout": ""}), some("exit code 2")),
            (json!({"by_hand": "ann: done"}), None),
            (
                json!([{"pod": "a", "exit_code": 0}, {"pod": "b", "exit_code": 3, "stderr": "no"}]),
                some("pod/b: exit code 3: no"),
            ),
            (
                json!([{"pod": "a", "exit_code": 1}, {"pod": "b", "exit_code": 3}]),
                some("pod/a: exit code 1; and 1 more of 2"),
            ),
            (
                json!([{"pod": "a", "exit_code": 0}, {"pod": "b", "error": "not allowed",
                    "unread": true}]),
                None,
            ),
        ] {
            assert_eq!(reason(command(&output)), wanted, "{output}");
        }
        for (output, wanted) in [
            (json!({"status": 200}), None),
            (json!({"status": 302}), None),
            (json!({"status": 404}), some("status 404")),
            (
                json!({"pod": "a", "status": null, "refused": true,
                    "reason": "connection refused"}),
                some("connection refused"),
            ),
            (
                json!([{"pod": "a", "status": 503}, {"pod": "b", "status": 200}]),
                some("pod/a: status 503"),
            ),
        ] {
            assert_eq!(reason(request(&output)), wanted, "{output}");
        }
        assert_eq!(
            reason(probe(&json!({"result": "connected", "reason": null}), "connected")),
            None
        );
        assert_eq!(
            reason(probe(&json!({"result": "timeout", "reason": "timed out"}), "connected")),
            some("timeout: timed out")
        );
        assert_eq!(
            reason(probe(&json!([{"pod": "a", "result": "not_found", "reason": ""}]), "resolved")),
            some("pod/a: not_found")
        );
    }
}
