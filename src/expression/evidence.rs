//! What a person needs to understand why an item is to blame: its name, and the reason that it
//! carries itself. Pure.

use serde_json::Value;

/// The longest reason that is taken over.
const LONGEST: usize = 300;

/// What names an item of a list. `pod/NAME` by `.pod`, else what objects, events, conditions,
/// connections and keys are called by, else its position.
pub(super) fn name(item: &Value, index: usize) -> String {
    let text = |key: &str| item[key].as_str().filter(|text| !text.is_empty());
    if let Some(pod) = text("pod") {
        return format!("pod/{}", pod.strip_prefix("pod/").unwrap_or(pod));
    }
    let own = text("name").or_else(|| item["metadata"]["name"].as_str()).map(str::to_owned);
    own.or_else(|| text("object").map(str::to_owned))
        .or_else(|| text("type").map(str::to_owned))
        .or_else(|| {
            let host = text("host")?;
            Some(
                item["port"]
                    .as_u64()
                    .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            )
        })
        .or_else(|| {
            ["service", "node", "container", "key", "id", "reason", "url", "path"]
                .iter()
                .find_map(|key| text(key))
                .map(str::to_owned)
        })
        .unwrap_or_else(|| format!("item {}", index + 1))
}

/// Why an item is as it is, in its own words: symptoms, problems, the condition that is asked for
/// in `source`, a message, a reason.
pub(super) fn because(item: &Value, source: &str) -> Option<String> {
    let list = |key: &str| item[key].as_array().filter(|list| !list.is_empty());
    let joined = |texts: Vec<String>| Some(texts.join("; ")).filter(|text| !text.is_empty());
    let found = if let Some(symptoms) = list("symptoms") {
        joined(symptoms.iter().map(symptom).collect())
    } else if let Some(problems) = list("problems") {
        joined(problems.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    } else if let Some(conditions) = item["status"]["conditions"].as_array() {
        joined(
            conditions
                .iter()
                .filter(|one| {
                    one["type"].as_str().is_some_and(|kind| source.contains(&format!("\"{kind}\"")))
                })
                .map(condition)
                .collect(),
        )
    } else if item["type"].is_string() && item["status"].is_string() {
        said(item)
    } else {
        let texts = ["message", "reason", "error"]
            .iter()
            .filter_map(|key| item[key].as_str())
            .map(str::trim);
        texts.filter(|text| !text.is_empty()).map(str::to_owned).next()
    };
    found.map(|text| cut(&text)).filter(|text| !text.is_empty())
}

/// A text without what it quotes: of twenty messages of one kind, each names another pod.
pub fn core(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

/// What was found where an answer is null: the output says why there is none.
pub(super) fn instead_of_null(item: &Value) -> Option<&'static str> {
    if item["refused"] == true {
        return Some("refused");
    }
    (item.get("status").is_some_and(Value::is_null) && item["reason"].is_string())
        .then_some("no response")
}

/// `main: CrashLoopBackOff, exit code 78, 9 restarts: FATAL …`
fn symptom(one: &Value) -> String {
    let text = |key: &str| one[key].as_str().map(str::trim).filter(|text| !text.is_empty());
    let mut words: Vec<String> =
        text("reason").or_else(|| text("id")).map(str::to_owned).into_iter().collect();
    if let Some(code) = one["exit_code"].as_i64() {
        words.push(format!("exit code {code}"));
    }
    if let Some(restarts) = one["restarts"].as_u64().filter(|restarts| *restarts > 0) {
        words.push(format!("{restarts} restart{}", if restarts == 1 { "" } else { "s" }));
    }
    let head = words.join(", ");
    let head =
        text("container").map_or_else(|| head.clone(), |container| format!("{container}: {head}"));
    text("message").map_or_else(|| head.clone(), |message| format!("{head}: {message}"))
}

/// `Ready False, containers with unready status: [main]`
fn condition(one: &Value) -> String {
    let head = format!(
        "{} {}",
        one["type"].as_str().unwrap_or_default(),
        one["status"].as_str().unwrap_or_default()
    );
    said(one).map_or_else(|| head.clone(), |why| format!("{head}, {why}"))
}

/// What a condition says of itself.
fn said(one: &Value) -> Option<String> {
    let text = |key: &str| one[key].as_str().map(str::trim).filter(|text| !text.is_empty());
    match (text("reason"), text("message")) {
        // the kubelet's reason for Ready repeats the message in one word
        (Some("ContainersNotReady" | "ContainersNotInitialized"), Some(message))
        | (None, Some(message)) => Some(message.to_owned()),
        (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
        (Some(reason), None) => Some(reason.to_owned()),
        (None, None) => None,
    }
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_is_called_by_what_names_it() {
        for (item, wanted) in [
            (json!({"pod": "web-1", "name": "x"}), "pod/web-1"),
            (json!({"name": "a", "type": "b"}), "a"),
            (json!({"metadata": {"name": "web"}, "kind": "Pod"}), "web"),
            (
                json!({"object": "replicaset/overquota-1", "type": "Warning",
                    "reason": "FailedCreate"}),
                "replicaset/overquota-1",
            ),
            (json!({"type": "Failed", "status": "True"}), "Failed"),
            (json!({"host": "db", "port": 3306, "result": "refused"}), "db:3306"),
            (json!({"container": "main", "reason": "OOMKilled"}), "main"),
            (json!({"key": "uri"}), "uri"),
            (json!({"reason": "BackOff"}), "BackOff"),
            (json!({"status": 200}), "item 3"),
            (json!(7), "item 3"),
        ] {
            assert_eq!(name(&item, 2), wanted, "{item}");
        }
    }

    #[test]
    fn messages_that_differ_in_what_they_quote_are_the_same() {
        assert_eq!(
            core(r#"pods "a-1" is forbidden: exceeded quota"#),
            core(r#"pods "a-2" is forbidden: exceeded quota"#)
        );
        assert_ne!(core(r#"pods "a-1" is forbidden"#), core(r#"pods "a-1" is gone"#));
    }

    #[test]
    fn the_reason_that_an_item_has_is_found() {
        let crash = json!({"pod": "a",
            "symptoms": [{"container": "main", "reason": "CrashLoopBackOff", "exit_code": 78,
            "restarts": 9, "message": "FATAL no config"}]});
        let ready = json!({"kind": "Pod", "status": {"conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady",
            "message": "containers with unready status: [main]"}]}});
        let source = r#"any(.status.conditions[]; .type == "Ready" and .status == "True")"#;
        for (item, source, wanted) in [
            (
                crash,
                ".symptoms == []",
                Some("main: CrashLoopBackOff, exit code 78, 9 restarts: FATAL no config"),
            ),
            (ready.clone(), source, Some("Ready False, containers with unready status: [main]")),
            (ready, ".spec.x == 1", None),
            (
                json!({"valid": false, "problems": ["trailing newline",
                    "the value is a placeholder"]}),
                ".valid",
                Some("trailing newline; the value is a placeholder"),
            ),
            (
                json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}),
                "",
                Some("BackoffLimitExceeded"),
            ),
            (
                json!({"object": "a", "reason": "FailedCreate", "message": "exceeded quota\n"}),
                "",
                Some("exceeded quota"),
            ),
            (
                json!({"status": null, "refused": true, "reason": "connection refused"}),
                "",
                Some("connection refused"),
            ),
            (json!({"status": 200}), "", None),
            (json!(false), "", None),
        ] {
            assert_eq!(because(&item, source).as_deref(), wanted, "{item}");
        }
    }
}
