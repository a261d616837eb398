//! The short form of findings that are taken over from a diagnosis: `{ids: [A, B], from: CAUSES}`,
//! `{ids: '*', from: CAUSES}` and `{id: X, is: A, from: CAUSES}`.
//!
//! `CAUSES` is what `diagnose` has found: lists of causes by their ids. Each id becomes a finding
//! that is looked for in its list.

use super::node::{Entry, Fault, Node, NodeKind};
use crate::diagnosis::{self, Weight};
use crate::diagnostic::nearest;
use serde_json::Value;
use std::collections::BTreeSet;

/// All ids that no other finding takes over.
const REST: &str = "*";
/// Keys of the short form.
const KEYS: [&str; 3] = ["ids", "is", "from"];
/// What such a finding says of an item, where it says nothing else.
const OF_ITEM: [(&str, &str); 2] = [("cause", "{{ item.cause }}"), ("objects", "[$item.object]")];

/// The findings in their long form. What is none of the short forms stays as it is.
pub(super) fn from_diagnosis(findings: &[Node]) -> Vec<Node> {
    let known: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| finding.get("from").is_some())
        .flat_map(|finding| {
            let listed = finding.get("ids").into_iter().flat_map(items);
            listed.chain(finding.get("is")).chain(finding.get("id")).filter_map(Node::as_str)
        })
        .collect();
    findings.iter().flat_map(|finding| written_out(finding, &known)).collect()
}

/// Whether the id of a finding is one of those that `'*'` stands for.
pub(super) fn is_rest(id: &Node, source: &str) -> bool {
    let written = source.get(id.span.clone()).unwrap_or_default();
    written.trim_matches(['\'', '"']) == REST
}

fn items(node: &Node) -> &[Node] {
    match &node.kind {
        NodeKind::List(items) => items,
        NodeKind::Map(_) | NodeKind::Scalar { .. } => &[],
    }
}

fn written_out(finding: &Node, known: &BTreeSet<&str>) -> Vec<Node> {
    let Some(from) = finding.get("from").and_then(Node::as_str) else {
        return vec![finding.clone()];
    };
    // the id of the finding, and that of the cause
    let taken: Vec<(Node, Node)> = match (finding.get("ids"), finding.get("id"), finding.get("is"))
    {
        (Some(all), None, None) if all.as_str() == Some(REST) => diagnosis::ids()
            .filter(|id| !known.contains(id))
            .map(|id| Node::text(id.to_owned(), all.span.clone()))
            .map(|id| (id.clone(), id))
            .collect(),
        (Some(listed), None, None) => {
            items(listed).iter().map(|id| (id.clone(), id.clone())).collect()
        }
        (None, Some(id), cause) => vec![(id.clone(), cause.unwrap_or(id).clone())],
        _ => Vec::new(),
    };
    if taken.is_empty() {
        return vec![finding.clone()];
    }
    let is_rest = finding.get("ids").and_then(Node::as_str) == Some(REST);
    let rest = rest(finding);
    let place = finding.get("from").map_or(finding.span.clone(), |from| from.span.clone());
    // what is no diagnosis may have ids of its own
    let is_diagnosis = from.trim_end().ends_with(".causes");
    let of = |(id, cause): (Node, Node)| {
        let list = format!("({from})[{}]", Value::from(cause.as_str().unwrap_or_default()));
        let own = [entry("id", id), entry("for_each", Node::text(list, place.clone()))];
        let lighter = is_rest.then(|| lighter(finding, own[0].node.as_str())).flatten();
        let said = |entry: &&Entry| lighter.is_none() || entry.key != "severity";
        let rest = rest.iter().filter(said).cloned();
        let named = is_diagnosis.then(|| entry("is", cause));
        let all = own.into_iter().chain(named).chain(rest).chain(lighter.clone());
        Node { span: finding.span.clone(), kind: NodeKind::Map(all.collect()) }
    };
    taken.into_iter().map(of).collect()
}

/// The severity of a cause that `'*'` stands for, if it is less than what the finding says: what is
/// harmless is never more than a warning, and a setting is one unless the finding says otherwise.
fn lighter(finding: &Node, id: Option<&str>) -> Option<Entry> {
    let said = finding.get("severity").and_then(Node::as_str);
    let is_lighter = match diagnosis::weight(id?) {
        Weight::Fault => false,
        Weight::Setting => said.is_none(),
        Weight::Harmless => said.is_none_or(|said| said == "critical"),
    };
    let start = finding.span.start;
    is_lighter.then(|| entry("severity", Node::text("warning".to_owned(), start..start)))
}

/// What is wrong with the id of a cause, if no diagnosis can name it.
pub(super) fn unknown_cause(cause: &Node) -> Option<Fault> {
    let named = cause.as_str().unwrap_or_default();
    if diagnosis::ids().any(|id| id == named) {
        return None;
    }
    let label = nearest(named, diagnosis::ids())
        .map_or_else(|| "see docs/causes.md".to_owned(), |near| format!("did you mean `{near}`?"));
    let message = format!("unknown cause `{named}`");
    Some(Fault::new("RB0104", cause.span.clone(), message, label))
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), key_span: node.span.start..node.span.start, node }
}

/// What the finding says besides, with what it says by default: cause, objects, and the remedy that
/// the diagnosis has.
fn rest(finding: &Node) -> Vec<Entry> {
    let is_other = |key: &str| key != "id" && !KEYS.contains(&key);
    let entries = finding.entries().unwrap_or_default().iter();
    let mut rest: Vec<Entry> = entries.filter(|entry| is_other(&entry.key)).cloned().collect();
    let start = finding.span.start;
    let said = |text: &str| Node::text(text.to_owned(), start..start);
    for (key, text) in OF_ITEM {
        if !rest.iter().any(|entry| entry.key == key) {
            rest.push(entry(key, said(text)));
        }
    }
    let text = entry("text", said("{{ item.remedy }}"));
    match rest.iter_mut().find(|entry| entry.key == "remedy").map(|entry| &mut entry.node) {
        None => {
            let kind = NodeKind::Map(vec![text]);
            rest.push(entry("remedy", Node { span: start..start, kind }));
        }
        Some(remedy) if remedy.get("text").is_none() => {
            if let NodeKind::Map(entries) = &mut remedy.kind {
                entries.push(text);
            }
        }
        Some(_) => {}
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical;
    use super::super::node::parse;
    use super::*;
    use crate::document::Catalogue;
    use serde_json::json;

    fn findings(text: &str) -> Value {
        canonical(&parse(&format!("findings:\n{text}")).unwrap()).to_value()["findings"].clone()
    }

    #[test]
    fn each_id_becomes_a_finding_with_the_words_of_the_diagnosis() {
        let long = |id: &str, cause: &str| {
            json!({"id": id, "for_each": format!("(.x)[\"{cause}\"]"), "severity": "warning",
                "cause": "{{ item.cause }}", "objects": "[$item.object]",
                "remedy": {"text": "{{ item.remedy }}"}})
        };
        let short = findings("  - {ids: [oom-killed, app-exit], from: .x, severity: warning}\n");
        assert_eq!(short, json!([long("oom-killed", "oom-killed"), long("app-exit", "app-exit")]));
        let renamed = findings("  - {id: a, is: app-exit, from: .x, severity: warning}\n");
        assert_eq!(renamed, json!([long("a", "app-exit")]));
    }

    #[test]
    fn what_the_finding_says_itself_stays() {
        let text = "  - {ids: [a], from: .x, cause: c, objects: '[1]', remedy: {run: r}}\n";
        let wanted = json!([{"id": "a", "for_each": "(.x)[\"a\"]", "cause": "c", "objects": "[1]",
            "remedy": {"run": "r", "text": "{{ item.remedy }}"}}]);
        assert_eq!(findings(text), wanted);
        let other = "  - {id: a, when: $steps.x.failed, cause: c}\n";
        assert_eq!(findings(other)[0]["when"], "$steps.x.failed");
    }

    #[test]
    fn a_cause_that_no_diagnosis_names_is_a_fault_with_the_nearest() {
        let text = "runbook: v1\ntitle: T\nsteps: [{id: a, diagnose: {}}]\nfindings:\n  - {ids: [oom-kiled], from: \
            $steps.a.output.causes}\n";
        let error =
            format!("{:?}", Catalogue::new(&[]).load_text("x", text.to_owned()).unwrap_err());
        assert!(error.contains("unknown cause `oom-kiled`"), "{error}");
        assert!(error.contains("did you mean `oom-killed`?"), "{error}");
    }

    #[test]
    fn the_rest_is_every_id_that_no_other_finding_takes_over() {
        let text = "  - {ids: [oom-killed], from: .x}\n  - {id: b, is: app-exit, from: .x}\n  - \
            {ids: '*', from: .x}\n";
        let all = findings(text);
        let ids: Vec<&str> =
            all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), diagnosis::ids().count());
        assert_eq!(ids[..2], ["oom-killed", "b"]);
        assert!(!ids[2..].contains(&"oom-killed") && !ids[2..].contains(&"app-exit"));
    }

    #[test]
    fn of_the_rest_only_a_fault_is_critical_by_default_and_what_is_harmless_never_is() {
        let severity = |said: &str, id: &str| {
            let all = findings(&format!("  - {{ids: '*', from: .x{said}}}\n"));
            let all = all.as_array().unwrap();
            all.iter().find(|one| one["id"] == id).unwrap()["severity"].clone()
        };
        for (said, fault, setting, harmless) in [
            ("", Value::Null, json!("warning"), json!("warning")),
            (", severity: critical", json!("critical"), json!("critical"), json!("warning")),
            (", severity: info", json!("info"), json!("info"), json!("info")),
        ] {
            assert_eq!(severity(said, "app-exit"), fault, "{said}");
            assert_eq!(severity(said, "scaled-to-zero"), setting, "{said}");
            assert_eq!(severity(said, "recovered"), harmless, "{said}");
        }
        let named = findings("  - {ids: [recovered], from: .x}\n");
        assert_eq!(named[0]["severity"], Value::Null, "who names an id decides");
    }
}
