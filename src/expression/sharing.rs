//! Values of the jq engine of which equal parts are held once.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use jaq_json::{Map, Num, Rc, Val};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::error::{EvalError, EvalErrorKind};
use super::need::UsedParts;
use super::value::{MOST_DEPTH, to_val, too_deep};

/// The longest text that is looked for: what is longer is rarely said twice.
const SHORT: usize = 64;

/// Makes values of which equal parts are shared: the labels, containers and tolerations of a
/// thousand pods of one Deployment are held once.
#[derive(Default)]
pub(super) struct Sharing {
    parts: HashSet<SharedPart>,
}

/// A text, or a list or object whose own parts are shared already: equal ones of these are the same
/// ones.
struct SharedPart(Val);

/// Equal in every byte that would be written: `1` is not `1.0` here.
fn same(left: &Val, right: &Val) -> bool {
    match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        (Val::Num(Num::Int(left)), Val::Num(Num::Int(right))) => left == right,
        (Val::Num(Num::Float(left)), Val::Num(Num::Float(right))) => {
            left.to_bits() == right.to_bits()
        }
        (Val::TStr(left), Val::TStr(right)) => left == right,
        (Val::Arr(left), Val::Arr(right)) => Rc::ptr_eq(left, right),
        (Val::Obj(left), Val::Obj(right)) => Rc::ptr_eq(left, right),
        _ => false,
    }
}

impl PartialEq for SharedPart {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Val::Arr(left), Val::Arr(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right.iter()).all(|(left, right)| same(left, right))
            }
            // in this order: it is that in which an object is written
            (Val::Obj(left), Val::Obj(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right.iter())
                        .all(|(left, right)| same(left.0, right.0) && same(left.1, right.1))
            }
            (left, right) => same(left, right),
        }
    }
}

impl Eq for SharedPart {}

impl Hash for SharedPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut one = |val: &Val| match val {
            Val::TStr(text) => text.hash(state),
            Val::Arr(list) => Rc::as_ptr(list).hash(state),
            Val::Obj(object) => Rc::as_ptr(object).hash(state),
            Val::Bool(bool) => bool.hash(state),
            Val::Num(Num::Int(int)) => int.hash(state),
            _ => 0_u8.hash(state),
        };
        match &self.0 {
            Val::Arr(list) => list.iter().for_each(one),
            Val::Obj(object) => object.iter().for_each(|(key, value)| {
                one(key);
                one(value);
            }),
            text => one(text),
        }
    }
}

impl Sharing {
    /// The value of a JSON text, or of it what is looked at.
    ///
    /// # Errors
    /// It is nested too deeply, or is no JSON.
    pub(super) fn read(&mut self, text: &[u8], seen: UsedParts<'_>) -> Result<Val, EvalError> {
        let mut json = serde_json::Deserializer::from_slice(text);
        let val = ValueReader { sharing: self, seen, depth: 0 }.deserialize(&mut json);
        val.map_err(|error| EvalError::new(EvalErrorKind::Runtime, error.to_string()))
    }

    fn part(&mut self, val: Val) -> Val {
        let part = SharedPart(val);
        if let Some(known) = self.parts.get(&part) {
            return known.0.clone();
        }
        let val = part.0.clone();
        self.parts.insert(part);
        val
    }

    fn text(&mut self, text: String) -> Val {
        if text.len() > SHORT { Val::from(text) } else { self.part(Val::from(text)) }
    }
}

/// Reads a value into the engine: without what is not looked at, and without a [`Value`] in
/// between.
struct ValueReader<'a> {
    sharing: &'a mut Sharing,
    seen: UsedParts<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Val;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Val, D::Error> {
        if self.depth > MOST_DEPTH {
            return Err(D::Error::custom(too_deep().message));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Val, E> {
        Ok(Val::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Val, E> {
        Ok(Val::Bool(bool))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Val, E> {
        scalar(&Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Val, E> {
        scalar(&Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Val, E> {
        scalar(&Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Val, E> {
        Ok(self.sharing.text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Val, A::Error> {
        let mut list = Vec::new();
        let seen = match self.seen {
            UsedParts::Whole => UsedParts::Whole,
            UsedParts::Parts(need) => need.item(),
        };
        while let Some(item) = items.next_element_seed(ValueReader {
            sharing: self.sharing,
            seen,
            depth: self.depth + 1,
        })? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(self.sharing.part(Val::Arr(Rc::new(list))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Val, A::Error> {
        let mut object = Map::default();
        while let Some(key) = fields.next_key::<String>()? {
            let seen = match self.seen {
                UsedParts::Whole => Some(UsedParts::Whole),
                UsedParts::Parts(need) => need.field(&key),
            };
            match seen {
                None => drop(fields.next_value::<IgnoredAny>()?),
                Some(seen) => {
                    let value = fields.next_value_seed(ValueReader {
                        sharing: self.sharing,
                        seen,
                        depth: self.depth + 1,
                    })?;
                    object.insert(self.sharing.text(key), value);
                }
            }
        }
        object.shrink_to_fit();
        Ok(self.sharing.part(Val::obj(object)))
    }
}

fn scalar<E: Error>(value: &Value) -> Result<Val, E> {
    to_val(value).map_err(|error| E::custom(error.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::value::Export;
    use serde_json::json;

    #[test]
    fn equal_parts_are_one_and_nothing_else_is() {
        let mut sharing = Sharing::default();
        let pod = |name: &str, labels: Value| {
            json!({"name": name, "labels": labels, "list": [1,
            1.5, null, true, "x"]})
        };
        let pods = json!([
            pod("a", json!({"app": "x", "tier": 1})),
            pod("b", json!({"app": "x", "tier": 1})),
            pod("c", json!({"tier": 1, "app": "x"})),
            pod("d", json!({"app": "x", "tier": "1"})),
            pod("e", json!({"app": "x", "tier": 1.25})),
        ]);
        let taken = sharing.read(pods.to_string().as_bytes(), UsedParts::Whole).unwrap();
        assert_eq!(Export::default().value(&taken).unwrap().to_string(), pods.to_string());
        let Val::Arr(items) = &taken else { panic!() };
        let part = |index: usize, key: &'static str| match &items[index] {
            Val::Obj(fields) => match &fields[&Val::utf8_str(key)] {
                Val::Obj(part) => Rc::as_ptr(part).cast::<u8>(),
                Val::Arr(part) => Rc::as_ptr(part).cast::<u8>(),
                _ => panic!(),
            },
            _ => panic!(),
        };
        assert_eq!(part(0, "labels"), part(1, "labels"));
        assert!((2..5).all(|other| part(0, "labels") != part(other, "labels")));
        assert!((1..5).all(|other| part(0, "list") == part(other, "list")));
    }
}
