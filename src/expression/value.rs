//! Conversion between JSON values and the values of the jq engine, and how a value is shown in a
//! message.

use std::fmt;
use std::io;

use jaq_json::{Map, Num, Rc, Val};
use serde_json::Value;

use super::budget::Meter;
use super::error::{EvalError, EvalErrorKind};
use super::memory;
use super::strict::unread_named;

/// The deepest nesting that goes into or out of an evaluation.
pub(super) const MOST_DEPTH: usize = 512;
/// The most values (scalars, lists, objects) that come out of one evaluation.
const MOST_NODES: usize = 4_000_000;
/// The most bytes of text that come out of one evaluation.
const MOST_BYTES: usize = 64 << 20;
/// Every so many values that come out the memory is looked at.
const LOOKED_AT: usize = 4096;
/// Values longer than this many bytes of JSON are cut in messages.
const SHOWN: usize = 160;
/// Values longer than this many bytes of JSON are cut in judgements.
const KEPT: usize = 2048;

pub(super) fn too_deep() -> EvalError {
    let message = format!("a value is nested more than {MOST_DEPTH} levels deep");
    EvalError::new(EvalErrorKind::TooLarge, message)
}

fn too_large() -> EvalError {
    let message =
        format!("the result is larger than {MOST_NODES} values or {MOST_BYTES} bytes of text");
    EvalError::new(EvalErrorKind::TooLarge, message)
}

/// JSON to jq.
pub(super) fn to_val(value: &Value) -> Result<Val, EvalError> {
    enter(value, 0)
}

fn enter(value: &Value, depth: usize) -> Result<Val, EvalError> {
    if depth > MOST_DEPTH {
        return Err(too_deep());
    }
    Ok(match value {
        Value::Null => Val::Null,
        Value::Bool(b) => Val::Bool(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Val::Num(Num::from_integral(i)),
            (None, Some(u)) => Val::Num(Num::from_integral(u)),
            (None, None) => Val::Num(Num::Float(n.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(s) => Val::from(s.clone()),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| enter(item, depth + 1)).collect();
            Val::Arr(Rc::new(items?))
        }
        Value::Object(fields) => {
            let fields: Result<Map, _> = fields
                .iter()
                .map(|(key, value)| Ok((Val::from(key.clone()), enter(value, depth + 1)?)))
                .collect();
            Val::obj(fields?)
        }
    })
}

/// jq to JSON, for all outputs of one evaluation together.
#[derive(Default)]
pub(super) struct Export<'m> {
    nodes: usize,
    bytes: usize,
    meter: Option<&'m Meter>,
}

impl<'m> Export<'m> {
    /// What comes out of an evaluation is part of its budget.
    pub(super) fn metered(meter: &'m Meter) -> Self {
        Self { meter: Some(meter), ..Self::default() }
    }

    pub(super) fn value(&mut self, val: &Val) -> Result<Value, EvalError> {
        self.leave(val, 0)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<String, EvalError> {
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            return Err(too_large());
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn leave(&mut self, val: &Val, depth: usize) -> Result<Value, EvalError> {
        self.nodes += 1;
        if depth > MOST_DEPTH {
            return Err(too_deep());
        }
        if self.nodes > MOST_NODES {
            return Err(too_large());
        }
        if let Some(meter) = self.meter.filter(|_| self.nodes.is_multiple_of(LOOKED_AT)) {
            meter.look(memory::OFTEN);
            meter.tripped().map_or(Ok(()), Err)?;
        }
        Ok(match val {
            Val::Null => Value::Null,
            Val::Bool(b) => Value::Bool(*b),
            Val::Num(n) => number(n),
            Val::TStr(s) | Val::BStr(s) => Value::String(self.text(s)?),
            Val::Arr(items) => {
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| self.leave(item, depth + 1)).collect();
                Value::Array(items?)
            }
            Val::Obj(fields) => {
                let mut object = serde_json::Map::with_capacity(fields.len().min(MOST_NODES));
                for (key, value) in fields.iter() {
                    let (Val::TStr(key) | Val::BStr(key)) = key else {
                        let message = format!("the object key {} is not a string", shown(key));
                        return Err(EvalError::new(EvalErrorKind::Runtime, message));
                    };
                    object.insert(self.text(key)?, self.leave(value, depth + 1)?);
                }
                Value::Object(object)
            }
        })
    }
}

/// Integers stay integers; a float without a fraction becomes one, as jq prints it.
fn number(n: &Num) -> Value {
    let float = match n {
        Num::Int(i) => return Value::from(*i as i64),
        Num::Float(f) => *f,
        Num::BigInt(_) | Num::Dec(_) => {
            let text = n.to_string();
            if let Ok(u) = text.parse::<u64>() {
                return Value::from(u);
            }
            text.parse().unwrap_or(f64::NAN)
        }
    };
    if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
        return Value::from(float as i64);
    }
    if float.is_nan() {
        return Value::Null;
    }
    Value::from(float.clamp(f64::MIN, f64::MAX))
}

/// Accepts text up to a limit, then refuses, which stops the formatting of a huge value early.
struct Limited {
    text: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Limited {
    fn new(limit: usize) -> Self {
        Self { text: Vec::new(), limit, cut: false }
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        let room = self.limit.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
        !self.cut
    }

    fn finish(self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if self.cut { format!("{text}…") } else { text.to_owned() }
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.push(bytes) { Ok(bytes.len()) } else { Err(io::Error::other("cut")) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

fn json(value: &Value, limit: usize) -> (String, bool) {
    let mut writer = Limited::new(limit);
    // The only possible error is the cut, which the writer remembers.
    let _ = serde_json::to_writer(&mut writer, value);
    let cut = writer.cut;
    (writer.finish(), cut)
}

/// Why a part of a value could not be read: the first unread item in it, `{error, unread: true}` and
/// perhaps `pod`, in words.
pub fn unread(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(unread),
        Value::Object(fields) => {
            match (&fields.get("unread"), fields.get("pod"), fields.get("error")) {
                (Some(Value::Bool(true)), Some(Value::String(pod)), Some(Value::String(why))) => {
                    Some(format!("pod/{pod} could not be read: {why}"))
                }
                (Some(Value::Bool(true)), None, Some(Value::String(why))) => Some(why.clone()),
                _ => fields.values().find_map(unread),
            }
        }
        _ => None,
    }
}

/// The value as one line of JSON, cut after 160 bytes.
pub fn show(value: &Value) -> String {
    json(value, SHOWN).0
}

/// The text of an engine value or error, cut after 160 bytes of each.
pub(super) fn shown(value: &impl fmt::Display) -> String {
    let mut writer = Limited::new(2 * SHOWN);
    let _ = fmt::write(&mut writer, format_args!("{value}"));
    writer.finish()
}

/// The value itself if it is small, else the beginning of its JSON as a string with its length.
pub fn capped(value: Value) -> Value {
    if !json(&value, KEPT).1 {
        return value;
    }
    let start = json(&value, KEPT / 4).0;
    Value::String(match &value {
        Value::Array(items) => format!("{start} ({} items)", items.len()),
        Value::Object(fields) => format!("{start} ({} fields)", fields.len()),
        _ => start,
    })
}

/// The message of an engine error: `error("text")` gives its text; embedded values are cut.
pub(super) fn engine_message(error: jaq_core::Error<Val>) -> String {
    let mut writer = Limited::new(1 << 20);
    let _ = fmt::write(&mut writer, format_args!("{error}"));
    let cut = writer.cut;
    let text = writer.finish();
    // not before its size is known: the error may hold a large value
    if !cut
        && text.starts_with('{')
        && let Some(why) = unread_named(&error.into_val())
    {
        return why;
    }
    let text = serde_json::from_str::<String>(&text).unwrap_or(text);
    let chars: Vec<char> = text.chars().collect();
    let (head, tail) = (2 * SHOWN, if cut { 0 } else { 80 });
    if chars.len() <= head + tail {
        return text;
    }
    let head: String = chars[..head].iter().collect();
    let tail: String = chars[chars.len() - tail..].iter().collect();
    format!("{head}…{tail}")
}
