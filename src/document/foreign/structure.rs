//! Structures of other tools: what is a list here and a mapping there.

use super::fill::step_slug;
use crate::document::lower::is_action;
use crate::document::node::{Entry, Fault, Node, NodeKind};
use crate::document::quoting::quoted;
use serde_json::Value;

/// Operators that others write as keys beside a value.
const OPERATORS: &[(&[&str], &str)] = &[
    (&["equals", "equal", "equal_to", "eq", "is", "toBe", "toEqual", "value"], "=="),
    (&["not_equals", "not_equal", "ne", "is_not"], "!="),
    (&["greater_than", "gt"], ">"),
    (&["less_than", "lt"], "<"),
    (&["at_least", "gte", "ge"], ">="),
    (&["at_most", "lte", "le"], "<="),
];
/// Fields of an expectation.
const EXPECTATION: &[&str] =
    &["that", "all", "any", "none", "exactly", "of", "same", "over", "message"];

/// Steps or findings by their ids become a list of them. A single step is none: `then` may be one.
pub(super) fn list_of(node: &mut Node, what: &str, source: &str) -> Vec<Fault> {
    let NodeKind::Map(entries) = &mut node.kind else { return Vec::new() };
    let is_by_id = |entry: &Entry| entry.node.entries().is_some() && !is_action(&entry.key);
    if entries.is_empty() || !entries.iter().all(is_by_id) {
        return Vec::new();
    }
    let in_flow = source.get(node.span.start..).is_some_and(|text| text.starts_with('{'));
    let (mut faults, mut items) = (Vec::new(), Vec::new());
    for entry in std::mem::take(entries) {
        let message = format!("`{what}` must be a list, not a mapping");
        let label = "the name is the `id` of an item";
        let fault = Fault::new("RB0104", entry.key_span.clone(), message, label);
        faults.push(match item(&entry, source).filter(|_| !in_flow) {
            Some((range, text)) => fault.corrected(range, text),
            None => fault,
        });
        let Entry { key, key_span, node: mut value } = entry;
        if let NodeKind::Map(fields) = &mut value.kind {
            let id = Node::text(key, key_span.clone());
            fields.insert(0, Entry { key: "id".to_owned(), key_span, node: id });
        }
        items.push(value);
    }
    node.kind = NodeKind::List(items);
    faults
}

/// `look:` as the begin of an item of a list: `- id: look`.
fn item(entry: &Entry, source: &str) -> Option<(std::ops::Range<usize>, String)> {
    let (start, value) = (entry.key_span.start, entry.node.span.start);
    if source.get(value..)?.starts_with('{') {
        return Some((start..value + 1, format!("- {{id: {}, ", entry.key)));
    }
    let deeper = column(source, value).checked_sub(column(source, start))?;
    let colon = entry.key_span.end + source.get(entry.key_span.end..)?.find(':')? + 1;
    Some((start..colon, format!("-{}id: {}", " ".repeat(deeper.saturating_sub(1)), entry.key)))
}

/// Parameters as a list become a mapping, and a value alone becomes the default of one.
pub(super) fn params(node: &mut Node, source: &str) -> Vec<Fault> {
    match &mut node.kind {
        NodeKind::List(items) => {
            let named = |item: &Node| item.get("name").and_then(Node::as_str).is_some();
            if !items.iter().all(named) {
                return Vec::new();
            }
            let (mut faults, mut entries) = (Vec::new(), Vec::new());
            for item in std::mem::take(items) {
                let (fault, entry) = param(item, source);
                faults.extend(fault);
                entries.extend(entry);
            }
            node.kind = NodeKind::Map(entries);
            faults
        }
        NodeKind::Map(entries) => {
            entries.iter_mut().filter_map(|entry| value_alone(entry, source)).collect()
        }
        NodeKind::Scalar { .. } => Vec::new(),
    }
}

fn param(mut item: Node, source: &str) -> (Option<Fault>, Option<Entry>) {
    let NodeKind::Map(fields) = &mut item.kind else { return (None, None) };
    let Some(at) = fields.iter().position(|field| field.key == "name") else { return (None, None) };
    let name = fields.remove(at);
    let Some(key) = name.node.as_str().map(str::to_owned) else { return (None, None) };
    let fault = Fault::new(
        "RB0104",
        name.key_span.clone(),
        "`params` must be a mapping, not a list",
        "parameters are declared by their names",
    );
    let dash = source.get(..item.span.start).and_then(|before| before.rfind('-'));
    let next = fields.first().map(|field| field.key_span.start);
    let is_flow = source.get(item.span.start..).is_some_and(|text| text.starts_with('{'));
    let fault = match (dash, next) {
        (Some(dash), Some(next)) if at == 0 && is_flow => {
            fault.corrected(dash..next, format!("{key}: {{"))
        }
        (Some(dash), Some(_)) if at == 0 => {
            fault.corrected(dash..name.node.span.end, format!("{key}:"))
        }
        (Some(dash), None) => {
            fault.corrected(dash..item.span.end, format!("{key}: {{type: string}}"))
        }
        _ => fault,
    };
    (Some(fault), Some(Entry { key, key_span: name.node.span, node: item }))
}

fn value_alone(entry: &mut Entry, source: &str) -> Option<Fault> {
    let kind = match &entry.node.kind {
        NodeKind::Scalar { value, .. } => match value {
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "int",
            _ => "string",
        },
        NodeKind::List(_) => "list",
        NodeKind::Map(_) => return None,
    };
    let span = entry.node.span.clone();
    let written = source.get(span.clone())?.trim_end();
    let default = if written.is_empty() { String::new() } else { format!(", default: {written}") };
    let message = format!("a parameter must be a mapping, not {}", entry.node.describe());
    let fault = Fault::new("RB0104", span.clone(), message, "a value is the `default`");
    let text = format!("{{type: {kind}{default}}}");
    let value = |key: &str, node: Node| Entry { key: key.to_owned(), key_span: span.clone(), node };
    let kind = value("type", Node::text(kind.to_owned(), span.clone()));
    let mut fields = vec![kind];
    if !written.is_empty() {
        fields.push(value("default", entry.node.clone()));
    }
    entry.node = Node { span: span.clone(), kind: NodeKind::Map(fields) };
    let fault = if written.contains('\n') { fault } else { fault.corrected(span, text) };
    Some(fault)
}

/// What others expect: a field and its value, or a value with an operator beside it.
pub(super) fn expectation(node: &mut Node, source: &str) -> Option<Fault> {
    let entries = node.entries()?;
    if let Some(fault) = compared(entries) {
        let (fault, program, place, operator) = fault;
        let NodeKind::Map(entries) = &mut node.kind else { return None };
        let end = entries[operator].node.span.end;
        let is_adjacent = operator == place + 1;
        let start = entries[place].key_span.start;
        let text = format!("{}: {}", entries[place].key, quoted(&program));
        let span = entries[place].node.span.clone();
        entries[place].node = Node::text(program, span);
        entries.remove(operator);
        return Some(if is_adjacent { fault.corrected(start..end, text) } else { fault });
    }
    let is_field = |entry: &Entry| {
        let name = entry.key.trim_start_matches('.');
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        is_name && !EXPECTATION.contains(&entry.key.as_str()) && entry.node.as_text().is_some()
    };
    if entries.is_empty() || !entries.iter().all(is_field) || entries.iter().any(known_word) {
        return None;
    }
    let one = |entry: &Entry| {
        let path = entry.key.trim_start_matches('.');
        format!(".{path} == {}", entry.node.to_value())
    };
    let program = entries.iter().map(one).collect::<Vec<_>>().join(" and ");
    let message = format!("unknown field `{}` of `expect`", entries[0].key);
    let fault = Fault::new(
        "RB0102",
        entries[0].key_span.clone(),
        message,
        "what must hold is a condition: a jq program over the output",
    );
    let range = node.span.start
        ..node.span.start + source.get(node.span.clone()).unwrap_or_default().trim_end().len();
    let text = quoted(&program);
    *node = Node::text(program, range.clone());
    Some(fault.corrected(range, text))
}

/// Whether the table has a word for the key of an expectation.
fn known_word(entry: &Entry) -> bool {
    super::find(super::Place::Expectation, entry, &[]).is_some()
}

/// A condition and an operator beside it: what is said, the program, and their places.
fn compared(entries: &[Entry]) -> Option<(Fault, String, usize, usize)> {
    let place = entries.iter().position(|entry| ["that", "all", "any"].contains(&&*entry.key))?;
    let (operator, sign) = entries.iter().enumerate().find_map(|(at, entry)| {
        let known = OPERATORS.iter().find(|(keys, _)| keys.contains(&entry.key.as_str()))?;
        Some((at, known.1))
    })?;
    let value = entries[operator].node.as_text().map(|_| entries[operator].node.to_value())?;
    let program = format!("{} {sign} {value}", entries[place].node.as_text()?);
    let message = format!("unknown field `{}` of `expect`", entries[operator].key);
    let label = "the condition compares by itself";
    let fault = Fault::new("RB0102", entries[operator].key_span.clone(), message, label);
    Some((fault, program, place, operator))
}

/// Changes of a scenario whose content is within the reference to the object.
pub(super) fn patches(node: &mut Node, source: &str) -> Vec<Fault> {
    let NodeKind::List(items) = &node.kind else { return Vec::new() };
    items.iter().filter_map(|item| patch(item, source)).collect()
}

fn patch(item: &Node, source: &str) -> Option<Fault> {
    let change = item.entries()?.iter().find(|entry| entry.key == "patch")?;
    let fields = change.node.entries()?;
    let is_name = |entry: &&Entry| ["kind", "namespace", "name"].contains(&entry.key.as_str());
    let last = fields.iter().rfind(is_name)?;
    let extra = fields.iter().find(|entry| !is_name(entry))?;
    let message = format!("unknown field `{}` of `patch`", extra.key);
    let label = "what is different is in `with`, beside the name of the object";
    let fault = Fault::new("RB0601", extra.key_span.clone(), message, label);
    if item.get("with").is_some() || extra.key_span.start < last.node.span.end {
        return Some(fault);
    }
    let is_flow = source.get(item.span.start..).is_some_and(|text| text.starts_with('{'));
    let end = change.node.span.end;
    let content = source.get(extra.key_span.start..end)?.trim_end_matches('}');
    let closing = content.matches('{').count() - content.matches('}').count().min(1);
    let content = format!("{content}{}", "}".repeat(closing));
    let between = if is_flow {
        ", ".to_owned()
    } else {
        format!("\n{}", " ".repeat(column(source, change.key_span.start)))
    };
    let text = format!("}}{between}with: {{{content}}}");
    Some(fault.corrected(last.node.span.end..end, text))
}

/// A step without an id gets one of its title or verb.
pub(super) fn without_id(entries: &mut Vec<Entry>, source: &str) -> Option<Fault> {
    let title = entries.iter().find(|entry| entry.key == "title");
    let title = title.and_then(|entry| entry.node.as_str());
    let verb = || entries.iter().find(|entry| is_action(&entry.key)).map(|entry| &*entry.key);
    let id = step_slug(title.or_else(verb)?)?;
    let first = entries.first()?.key_span.clone();
    let before = source.get(..first.start)?.trim_end_matches(' ');
    let between = if before.ends_with('{') {
        ", ".to_owned()
    } else {
        format!("\n{}", " ".repeat(column(source, first.start)))
    };
    let fault = Fault::new("RB0104", first.clone(), "missing field `id`", "requires `id`")
        .corrected(first.start..first.start, format!("id: {id}{between}"));
    let node = Node::text(id, first.clone());
    entries.insert(0, Entry { key: "id".to_owned(), key_span: first, node });
    Some(fault)
}

/// The column of a byte, from 0.
fn column(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count()
}
