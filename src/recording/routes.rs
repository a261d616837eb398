//! What applications answered, as routes of the sandbox.

use super::Answer;
use super::disguise::Disguise;
use crate::encoding::percent_decode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a route answers, and to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    port: Option<u16>,
    route: String,
    /// The conditions on the query.
    query: Vec<String>,
}

/// The routes of one program. An answer that differs between pods is given by each of them; a pod
/// that was not asked, such as one that is made later, answers as the first one did.
pub(super) fn routes(answers: &[&Answer], disguise: &Disguise) -> Vec<Value> {
    let mut asked: BTreeMap<Asked, Vec<(&str, Value)>> = BTreeMap::new();
    for answer in answers {
        let (key, given) = (question(answer, disguise), given(answer, disguise));
        let known = asked.entry(key).or_default();
        match known.iter_mut().find(|(pod, _)| *pod == answer.pod) {
            // what was answered last
            Some(known) => known.1 = given,
            None => known.push((&answer.pod, given)),
        }
    }
    // one with a query is more specific than one without
    let mut asked: Vec<_> = asked.into_iter().collect();
    asked.sort_by_key(|(key, _)| std::cmp::Reverse(key.query.len()));
    asked.into_iter().flat_map(|(key, given)| of_question(&key, given)).collect()
}

fn of_question(key: &Asked, given: Vec<(&str, Value)>) -> Vec<Value> {
    let usual = usual(&given);
    let mut routes = Vec::new();
    for (pod, answer) in given.into_iter().filter(|(_, answer)| Some(answer) != usual.as_ref()) {
        routes.push(route(key, Some(pod), answer));
    }
    routes.extend(usual.map(|answer| route(key, None, answer)));
    routes
}

/// The answer that most pods gave; the first one of equals.
fn usual(given: &[(&str, Value)]) -> Option<Value> {
    let count = |answer: &Value| given.iter().filter(|(_, other)| other == answer).count();
    let most = given.iter().map(|(_, answer)| count(answer)).max()?;
    given.iter().map(|(_, answer)| answer).find(|answer| count(answer) == most).cloned()
}

fn route(key: &Asked, pod: Option<&str>, answer: Value) -> Value {
    let mut route = json!({});
    if let Some(port) = key.port {
        route["port"] = json!(port);
    }
    route["route"] = json!(key.route);
    let of_pod = pod.map(|pod| format!("pod.name == {}", literal(pod)));
    let conditions: Vec<String> = key.query.iter().cloned().chain(of_pod).collect();
    if !conditions.is_empty() {
        route["when"] = json!(conditions.join(" and "));
    }
    for (field, value) in answer.as_object().into_iter().flatten() {
        route[field] = value.clone();
    }
    route
}

fn question(answer: &Answer, disguise: &Disguise) -> Asked {
    let (path, query) = answer.path.split_once('?').unwrap_or((&answer.path, ""));
    let conditions = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = disguise.text(&decoded(value));
        format!("request.query[{}] == {}", literal(&decoded(key)), literal(&value))
    });
    Asked {
        port: answer.port,
        // a brace would be a parameter
        route: format!("{} {}", answer.method, disguise.text(path).replace('{', "%7B")),
        query: conditions.collect(),
    }
}

/// A part of a query as it is meant.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_decode(&text.replace('+', " "))).into_owned()
}

fn given(answer: &Answer, disguise: &Disguise) -> Value {
    let mut given = json!({});
    if answer.status != 200 {
        given["status"] = json!(answer.status);
    }
    if !answer.content_type.is_empty() {
        given["type"] = json!(answer.content_type);
    }
    given["text"] = json!(template(&current(&disguise.text(&answer.body))));
    given
}

/// A string of the expressions of a world.
pub(super) fn literal(text: &str) -> String {
    json!(text).to_string()
}

/// A part of a template: text, or an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Expression(&'static str),
}

/// The results of Prometheus are as old as the question, whenever it is asked.
fn current(body: &str) -> Vec<Part<'_>> {
    const VALUE: &str = "\"value\":[";
    let mut parts = Vec::new();
    let mut rest = body;
    let prometheus = body.contains("\"status\":\"success\"") && body.contains("\"resultType\"");
    while let Some(at) = rest.find(VALUE).filter(|_| prometheus) {
        let (head, tail) = rest.split_at(at + VALUE.len());
        let end = tail.find(',').unwrap_or(0);
        parts.push(Part::Text(head));
        parts.push(Part::Expression("started + uptime"));
        rest = &tail[end..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// The template of these parts.
pub(super) fn template(parts: &[Part<'_>]) -> String {
    let part = |part: &Part<'_>| match part {
        Part::Expression(expression) => format!("{{{{ {expression} }}}}"),
        Part::Text(text) if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) => {
            format!("{{{{ {} }}}}", literal(text))
        }
        Part::Text(text) => (*text).to_owned(),
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pod: &str, path: &str, body: &str) -> Answer {
        Answer {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            port: Some(80),
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            content_type: String::new(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn pods_that_differ_answer_for_themselves() {
        let all = [answer("a", "/", "1"), answer("b", "/", "2"), answer("c", "/", "1")];
        let routes = routes(&all.iter().collect::<Vec<_>>(), &Disguise::default());
        assert_eq!(
            routes,
            [
                json!({"port": 80, "route": "GET /", "when": "pod.name == \"b\"", "text": "2"}),
                json!({"port": 80, "route": "GET /", "text": "1"}),
            ]
        );
    }

    #[test]
    fn a_query_is_a_condition_and_results_are_current() {
        let body = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\
            \"result\":[{\"value\":[1.5,\"3\"]}]}}";
        let all = [answer("a", "/api/v1/query?query=up%7Bx%3D%221%22%7D", body)];
        let routes = routes(&all.iter().collect::<Vec<_>>(), &Disguise::default());
        assert_eq!(routes[0]["when"], "request.query[\"query\"] == \"up{x=\\\"1\\\"}\"");
        let text = routes[0]["text"].as_str().unwrap();
        assert!(text.ends_with("\"value\":[{{ started + uptime }},\"3\"]}]}}"), "{text}");
    }

    #[test]
    fn braces_of_an_answer_are_no_template() {
        assert_eq!(template(&[Part::Text("a {{ b }}")]), "{{ \"a {{ b }}\" }}");
    }
}
