//! Decodes objects in protobuf, the format in which kubectl creates them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::object;

const MESSAGES: &str = include_str!("messages.txt");
/// What objects in this form begin with.
const MAGIC: &[u8] = b"k8s\0";
/// How far messages are followed into each other.
const DEEPEST: usize = 32;

/// One field of a message.
#[derive(Debug)]
struct Field {
    name: &'static str,
    /// Its type, without what says how often it is there.
    kind: &'static str,
    times: Times,
}

/// How often a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Always; what is empty is not written.
    Once,
    Optional,
    List,
    Map,
    /// Always, and its own fields take its place.
    Inline,
}

type Messages = BTreeMap<&'static str, BTreeMap<u64, Field>>;

fn messages() -> &'static Messages {
    static READ: OnceLock<Messages> = OnceLock::new();
    READ.get_or_init(|| {
        let mut messages = Messages::new();
        let mut current = "";
        for line in MESSAGES.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.split_whitespace();
            match (line.starts_with(' '), parts.next(), parts.next(), parts.next()) {
                (true, Some(number), Some(name), Some(kind)) => {
                    let (times, kind) = match kind.split_at_checked(1) {
                        Some(("?", kind)) => (Times::Optional, kind),
                        Some(("*", kind)) => (Times::List, kind),
                        Some(("%", kind)) => (Times::Map, kind),
                        Some(("~", kind)) => (Times::Inline, kind),
                        _ => (Times::Once, kind),
                    };
                    if let Ok(number) = number.parse() {
                        messages
                            .entry(current)
                            .or_default()
                            .insert(number, Field { name, kind, times });
                    }
                }
                _ => {
                    current = line.trim();
                    messages.entry(current).or_default();
                }
            }
        }
        messages
    })
}

/// Reads an object; none when it is not one of a known kind.
pub(crate) fn object(body: &[u8]) -> Option<Value> {
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), Vec::new());
    for (number, item) in items(body.strip_prefix(MAGIC)?)? {
        match (number, item) {
            (1, Item::Bytes(bytes)) => {
                for (number, item) in items(bytes)? {
                    match (number, item) {
                        (1, Item::Bytes(bytes)) => version = text(bytes)?,
                        (2, Item::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Item::Bytes(bytes)) => raw = bytes.to_vec(),
            _ => {}
        }
    }
    let mut object = json!({"apiVersion": version, "kind": kind});
    if let (Value::Object(object), Value::Object(fields)) =
        (&mut object, message(&kind, &raw, DEEPEST)?)
    {
        object.extend(fields);
    }
    Some(object)
}

fn message(kind: &str, bytes: &[u8], depth: usize) -> Option<Value> {
    let known = messages().get(kind)?;
    let mut fields = Map::new();
    for (number, item) in items(bytes)? {
        let Some(field) = known.get(&number) else {
            continue;
        };
        match field.times {
            Times::Inline => {
                if let Value::Object(inner) = value(field.kind, &item, depth.checked_sub(1)?)? {
                    fields.extend(inner);
                }
            }
            Times::Map => {
                let Item::Bytes(entry) = item else {
                    return None;
                };
                let (mut key, mut content) = (String::new(), Value::Null);
                for (number, item) in items(entry)? {
                    match (number, &item) {
                        (1, Item::Bytes(bytes)) => key = text(bytes)?,
                        (2, _) => content = value(field.kind, &item, depth.checked_sub(1)?)?,
                        _ => {}
                    }
                }
                let map = fields.entry(field.name).or_insert_with(|| json!({}));
                map[key] = content;
            }
            Times::List => {
                let one = value(field.kind, &item, depth.checked_sub(1)?)?;
                if let Some(list) =
                    fields.entry(field.name).or_insert_with(|| json!([])).as_array_mut()
                {
                    list.push(one);
                }
            }
            Times::Once | Times::Optional => {
                let one = value(field.kind, &item, depth.checked_sub(1)?)?;
                if !one.is_null() && (field.times == Times::Optional || !is_empty(&one)) {
                    fields.insert(field.name.to_owned(), one);
                }
            }
        }
    }
    Some(Value::Object(fields))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn value(kind: &str, item: &Item<'_>, depth: usize) -> Option<Value> {
    Some(match (kind, item) {
        ("int", Item::Number(number)) => json!(number.cast_signed()),
        ("bool", Item::Number(number)) => json!(*number != 0),
        ("string", Item::Bytes(bytes)) => json!(text(bytes)?),
        ("bytes", Item::Bytes(bytes)) => json!(STANDARD.encode(bytes)),
        ("Quantity", Item::Bytes(bytes)) => {
            first(bytes, 1)?.map_or(Value::Null, |text| json!(text))
        }
        ("IntOrString", Item::Bytes(bytes)) => {
            let number = |wanted: u64| -> Option<u64> {
                let all = items(bytes)?;
                Some(
                    all.iter()
                        .find_map(|(number, item)| {
                            if let (true, Item::Number(value)) = (*number == wanted, item) {
                                Some(*value)
                            } else {
                                None
                            }
                        })
                        .unwrap_or(0),
                )
            };
            if number(1)? == 0 {
                json!(number(2)?.cast_signed())
            } else {
                first(bytes, 3)?.map_or(Value::Null, |text| json!(text))
            }
        }
        ("Time" | "MicroTime", Item::Bytes(bytes)) => time(kind, bytes)?,
        ("FieldsV1" | "Raw", Item::Bytes(bytes)) => first(bytes, 1)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null),
        (kind, Item::Bytes(bytes)) => message(kind, bytes, depth)?,
        (_, Item::Number(_)) => return None,
    })
}

fn time(kind: &str, bytes: &[u8]) -> Option<Value> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    for (number, item) in items(bytes)? {
        match (number, item) {
            (1, Item::Number(value)) => seconds = value.cast_signed(),
            (2, Item::Number(value)) => nanoseconds = i32::try_from(value.cast_signed()).ok()?,
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    let at = Timestamp::new(seconds, nanoseconds).ok()?;
    Some(json!(if kind == "Time" { object::time(at) } else { object::micro_time(at) }))
}

/// The text in a field of a message.
fn first(bytes: &[u8], wanted: u64) -> Option<Option<String>> {
    for (number, item) in items(bytes)? {
        if let (true, Item::Bytes(bytes)) = (number == wanted, item) {
            return Some(Some(text(bytes)?));
        }
    }
    Some(None)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// What a field holds on the wire.
#[derive(Debug)]
enum Item<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn items(mut bytes: &[u8]) -> Option<Vec<(u64, Item<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = super::protobuf::varint(&mut bytes)?;
        let item = match tag & 7 {
            0 => Item::Number(super::protobuf::varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(super::protobuf::varint(&mut bytes)?).ok()?;
                let (item, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Item::Bytes(item)
            }
            _ => return None,
        };
        found.push((tag >> 3, item));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::RESOURCES;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let tag = u16::from(number) << 3 | 2;
        let tag = if tag < 128 {
            vec![tag.to_le_bytes()[0]]
        } else {
            vec![(tag & 0x7f).to_le_bytes()[0] | 0x80, (tag >> 7).to_le_bytes()[0]]
        };
        [&tag[..], &[u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn enveloped(kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, b"v1"), bytes(2, kind.as_bytes())].concat();
        [MAGIC, &bytes(1, &meta), &bytes(2, raw)].concat()
    }

    #[test]
    fn every_stored_kind_and_every_type_is_known() {
        // clients write definitions as JSON or YAML: their schemas have no form as messages
        for resource in RESOURCES.iter().filter(|kind| kind.plural != crate::kinds::CUSTOM) {
            assert!(messages().contains_key(resource.kind), "{}", resource.kind);
        }
        let simple = [
            "string",
            "int",
            "bool",
            "bytes",
            "Quantity",
            "IntOrString",
            "Time",
            "MicroTime",
            "FieldsV1",
            "Raw",
        ];
        for field in messages().values().flat_map(BTreeMap::values) {
            assert!(
                simple.contains(&field.kind) || messages().contains_key(field.kind),
                "{field:?}"
            );
        }
    }

    #[test]
    fn objects_are_read() {
        let metadata = [
            bytes(1, b"x"),
            bytes(2, b""),
            bytes(11, &[bytes(1, b"k"), bytes(2, b"v")].concat()),
            bytes(8, b""),
        ]
        .concat();
        let volume = [bytes(1, b"v"), bytes(2, &bytes(19, &bytes(1, &bytes(1, b"map"))))].concat();
        let container = [
            bytes(1, b"c"),
            bytes(8, &bytes(1, &[bytes(1, b"cpu"), bytes(2, &bytes(1, b"1"))].concat())),
        ]
        .concat();
        let pod = [
            bytes(1, &metadata),
            bytes(2, &[bytes(1, &volume), bytes(2, &container), vec![4 << 3, 30]].concat()),
        ]
        .concat();
        let body = enveloped("Pod", &pod);
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": {"k": "v"}},
            "spec": {"volumes": [{"name": "v", "configMap": {"name": "map"}}],
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}],
            "terminationGracePeriodSeconds": 30},
        });
        assert_eq!(object(&body), Some(expected));
        for cut in 0..body.len() {
            // what is cut short is refused or incomplete, and never a panic
            let _ = object(&body[..cut]);
        }
        assert_eq!(object(&enveloped("Nosuch", b"")), None);
    }
}
