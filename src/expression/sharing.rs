//! Values of the jq engine of which equal parts are held once.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use jaq_json::{Map, Num, Rc, Val};
use serde_json::Value;

use super::error::EvalError;
use super::value::{MOST_DEPTH, to_val, too_deep};

/// The longest text that is looked for: what is longer is rarely said twice.
const SHORT: usize = 64;

/// Makes values of which equal parts are shared: the labels, containers and tolerations of a thousand pods of one Deployment are held once.
#[derive(Default)]
pub(super) struct Sharing {
    parts: HashSet<Part>,
}

/// A text, or a list or object whose own parts are shared already: equal ones of these are the same ones.
struct Part(Val);

/// Equal in every byte that would be written: `1` is not `1.0` here.
fn same(left: &Val, right: &Val) -> bool {
    match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        (Val::Num(Num::Int(left)), Val::Num(Num::Int(right))) => left == right,
        (Val::Num(Num::Float(left)), Val::Num(Num::Float(right))) => left.to_bits() == right.to_bits(),
        (Val::TStr(left), Val::TStr(right)) => left == right,
        (Val::Arr(left), Val::Arr(right)) => Rc::ptr_eq(left, right),
        (Val::Obj(left), Val::Obj(right)) => Rc::ptr_eq(left, right),
        _ => false,
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Val::Arr(left), Val::Arr(right)) => left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| same(left, right)),
            // in this order: it is that in which an object is written
            (Val::Obj(left), Val::Obj(right)) => {
                left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| same(left.0, right.0) && same(left.1, right.1))
            }
            (left, right) => same(left, right),
        }
    }
}

impl Eq for Part {}

impl Hash for Part {
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
    /// The value for the engine.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub(super) fn take(&mut self, value: Value) -> Result<Val, EvalError> {
        self.enter(value, 0)
    }

    fn part(&mut self, val: Val) -> Val {
        let part = Part(val);
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

    fn enter(&mut self, value: Value, depth: usize) -> Result<Val, EvalError> {
        if depth > MOST_DEPTH {
            return Err(too_deep());
        }
        Ok(match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.into_iter().map(|item| self.enter(item, depth + 1)).collect();
                self.part(Val::Arr(Rc::new(items?)))
            }
            Value::Object(fields) => {
                let fields: Result<Map, _> = fields.into_iter().map(|(key, value)| Ok((self.text(key), self.enter(value, depth + 1)?))).collect();
                self.part(Val::obj(fields?))
            }
            scalar => to_val(&scalar)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::value::Export;
    use serde_json::json;

    #[test]
    fn equal_parts_are_one_and_nothing_else_is() {
        let mut sharing = Sharing::default();
        let pod = |name: &str, labels: Value| json!({"name": name, "labels": labels, "list": [1, 1.5, null, true, "x"]});
        let pods = json!([
            pod("a", json!({"app": "x", "tier": 1})),
            pod("b", json!({"app": "x", "tier": 1})),
            pod("c", json!({"tier": 1, "app": "x"})),
            pod("d", json!({"app": "x", "tier": "1"})),
            pod("e", json!({"app": "x", "tier": 1.25})),
        ]);
        let taken = sharing.take(pods.clone()).unwrap();
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
