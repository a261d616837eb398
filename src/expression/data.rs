//! Values that are kept: a copy is a reference, and what is large is text.

use std::io::{self, Write};
use std::sync::Arc;

use jaq_json::Val;
use serde_json::{Map, Value, json};

use super::bindings::Bindings;
use super::error::EvalError;
use super::need::{INPUT, NeedsByName, UsedParts};
use super::sharing::Sharing;
use super::value::to_val;

/// The output of a step, as it is held while a run needs it.
///
/// A [`Value`] takes ten times the memory of its text: what is large is held as text, part by part,
/// and is read where it is looked at.
#[derive(Clone, Debug)]
pub enum Data {
    /// A value as it is.
    Value(Arc<Value>),
    /// A value as its JSON.
    Text(Arc<[u8]>),
    /// A list of such.
    List(Arc<[Data]>),
    /// An object of such.
    Object(Arc<[(String, Data)]>),
    /// What nobody refers to is not kept. Whoever looks at it all the same finds an item that could
    /// not be read, and never null.
    Dropped,
}

impl Default for Data {
    fn default() -> Self {
        Self::from(Value::Null)
    }
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        Self::Value(Arc::new(value))
    }
}

impl From<Arc<Value>> for Data {
    fn from(value: Arc<Value>) -> Self {
        Self::Value(value)
    }
}

/// What is not kept was looked at.
const DROPPED: &str = "the output of the step was not kept (this is a bug in runbook)";

impl Data {
    /// A value that will be one of many: as text.
    pub fn text(value: &Value) -> Self {
        // a value always has its JSON
        serde_json::to_vec(value)
            .map_or_else(|_| Self::from(value.clone()), |text| Self::Text(text.into()))
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Data>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// An object.
    pub fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Data)>) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Value(value) if value.is_null())
    }

    /// Why a part of it could not be read, as [`unread`](super::unread) says of a value.
    pub fn unread(&self) -> Option<String> {
        /// How it is written that a part could not be read.
        const MARK: &[u8] = b"\"unread\":true";
        match self {
            Self::Value(value) => super::unread(value),
            Self::Text(text) if text.windows(MARK.len()).any(|part| part == MARK) => {
                super::unread(&serde_json::from_slice(text).ok()?)
            }
            Self::Text(_) | Self::Dropped => None,
            Self::List(items) => items.iter().find_map(Self::unread),
            Self::Object(fields) => fields.iter().find_map(|(_, value)| value.unread()),
        }
    }

    /// Whether some of it is text.
    fn is_large(&self) -> bool {
        match self {
            Self::Value(_) | Self::Dropped => false,
            Self::Text(_) => true,
            Self::List(items) => items.iter().any(Self::is_large),
            Self::Object(fields) => fields.iter().any(|(_, value)| value.is_large()),
        }
    }

    /// A copy as a value, of any size.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => (**value).clone(),
            Self::Text(text) => serde_json::from_slice(text)
                .unwrap_or_else(|error| Value::String(error.to_string())),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
            Self::Dropped => dropped(),
        }
    }

    /// Bytes that are held, about. For tests and decisions, not for accounts.
    pub fn size(&self) -> usize {
        fn of(value: &Value) -> usize {
            let inner = match value {
                Value::Null | Value::Bool(_) | Value::Number(_) => 0,
                Value::String(text) => text.len(),
                Value::Array(items) => items.iter().map(of).sum(),
                Value::Object(fields) => {
                    fields.iter().map(|(key, value)| key.len() + of(value)).sum()
                }
            };
            size_of::<Value>() + inner
        }
        match self {
            Self::Value(value) => of(value),
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Object(fields) => {
                fields.iter().map(|(key, value)| key.len() + value.size()).sum()
            }
            Self::Dropped => 0,
        }
    }

    /// Writes the JSON, of which each part has gone through `clean` before; no more than one part
    /// is held as a value.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write, clean: &dyn Fn(&Value) -> Value) -> io::Result<()> {
        match self {
            Self::Value(value) => Ok(serde_json::to_writer(out, &clean(value))?),
            Self::Text(text) => {
                Ok(serde_json::to_writer(out, &clean(&serde_json::from_slice(text)?))?)
            }
            Self::List(items) => {
                out.write_all(b"[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_all(b",")?;
                    }
                    item.write(out, clean)?;
                }
                out.write_all(b"]")
            }
            Self::Object(fields) => {
                out.write_all(b"{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.write_all(b",")?;
                    }
                    serde_json::to_writer(&mut *out, &clean(&Value::String(key.clone())))?;
                    out.write_all(b":")?;
                    value.write(out, clean)?;
                }
                out.write_all(b"}")
            }
            Self::Dropped => Err(io::Error::other(DROPPED)),
        }
    }
}

/// What the jq engine can be given.
pub trait Operand {
    /// The value for the engine.
    ///
    /// # Errors
    /// It is nested too deeply.
    #[doc(hidden)]
    fn enter(&self) -> Result<Entered, EvalError>;

    /// Of a large value that which is looked at; none if there is nothing to be saved.
    #[doc(hidden)]
    fn parts(&self, _: &Looked<'_>) -> Option<Entered> {
        None
    }
}

/// A value of the jq engine.
#[doc(hidden)]
pub struct Entered(pub(super) Val);

/// How much of a value is looked at.
#[doc(hidden)]
pub struct Looked<'a>(pub(super) UsedParts<'a>);

impl Operand for Value {
    fn enter(&self) -> Result<Entered, EvalError> {
        to_val(self).map(Entered)
    }
}

impl Operand for Data {
    fn enter(&self) -> Result<Entered, EvalError> {
        enter(self, UsedParts::Whole, &mut Sharing::default()).map(Entered)
    }

    fn parts(&self, looked: &Looked<'_>) -> Option<Entered> {
        if looked.0 == UsedParts::Whole || !self.is_large() {
            return None;
        }
        enter(self, looked.0, &mut Sharing::default()).ok().map(Entered)
    }
}

/// Evaluates with what is looked at of large values, and with everything where that is not `good`:
/// an error or an explanation shows what it met.
pub(super) fn leanly<T>(
    needs: &NeedsByName,
    input: &(impl Operand + ?Sized),
    bindings: &Bindings,
    work: impl Fn(Val, Bindings) -> Result<T, EvalError>,
    good: impl Fn(&T) -> bool,
) -> Result<T, EvalError> {
    let parts = needs.get(INPUT).and_then(|need| input.parts(&Looked(UsedParts::of(need))));
    let lean = bindings.parts(needs);
    if parts.is_some() || lean.is_some() {
        let input = parts.map_or_else(|| input.enter(), Ok)?;
        let result = work(input.0, lean.unwrap_or_else(|| bindings.clone()));
        if result.as_ref().is_ok_and(good) {
            return result;
        }
    }
    work(input.enter()?.0, bindings.clone())
}

fn enter(data: &Data, seen: UsedParts<'_>, sharing: &mut Sharing) -> Result<Val, EvalError> {
    Ok(match data {
        Data::Value(value) => to_val(value)?,
        Data::Text(text) => sharing.read(text, seen)?,
        Data::List(items) => {
            let seen = match seen {
                UsedParts::Whole => UsedParts::Whole,
                UsedParts::Parts(need) => need.item(),
            };
            Val::Arr(
                items
                    .iter()
                    .map(|item| enter(item, seen, sharing))
                    .collect::<Result<Vec<_>, _>>()?
                    .into(),
            )
        }
        Data::Object(fields) => {
            let mut object = jaq_json::Map::default();
            for (key, value) in fields.iter() {
                let seen = match seen {
                    UsedParts::Whole => Some(UsedParts::Whole),
                    UsedParts::Parts(need) => need.field(key),
                };
                if let Some(seen) = seen {
                    object.insert(Val::from(key.clone()), enter(value, seen, sharing)?);
                }
            }
            Val::obj(object)
        }
        // nothing is known of it, as of a pod that could not be read
        Data::Dropped => to_val(&dropped())?,
    })
}

fn dropped() -> Value {
    json!({"unread": true, "error": DROPPED})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Truth;
    use crate::expression::{Budget, Expect, compile, compile_expectation};

    fn pod(name: &str, phase: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"app": "x"}},
            "spec": {"n": [1, 2.5, {"deep": null}]}, "status": {"phase": phase,
            "ips": [{"ip": name}]}})
    }

    /// The same list as a value and as text, part by part and as a whole.
    fn forms(items: &[Value]) -> [Data; 3] {
        let whole = json!({"items": items});
        [
            Data::from(whole.clone()),
            Data::object([("items", Data::list(items.iter().map(Data::text)))]),
            Data::text(&whole),
        ]
    }

    #[test]
    fn programs_say_the_same_of_every_form() {
        let unread = json!({"pod": "c", "error": "refused", "unread": true});
        let lists = [
            vec![],
            vec![pod("a", "Running"), pod("b", "Pending")],
            vec![pod("a", "Running"), unread],
            vec![json!(1), json!("x"), Value::Null],
        ];
        let programs = [
            ".items | length",
            ".items | length > 0",
            ".items | all(.status.phase == \"Running\")",
            "[.items[] | select(.status.phase != \"Running\")] | length",
            "[.items[] | select(.status.phase != \"Running\")]",
            ".items | map(.metadata.name)",
            "[.items[].status.ips[0].ip]",
            ".items[0].spec | keys",
            ".items | map(.spec.n | length)",
            ".items | group_by(.status.phase) | map(length)",
            ".items[0] | length",
            ".items[0].metadata.labels[]",
            ".items.x",
            ".items[].missing // \"none\"",
            "$steps.p.output.items | length",
            "[$steps.p.output.items[] | .metadata.name]",
            "$steps.p.failed",
            "$steps.p | keys",
            ".",
        ];
        for (items, program) in
            lists.iter().flat_map(|items| programs.iter().map(move |program| (items, program)))
        {
            let jq = compile(program, &["steps"]).unwrap();
            let said = forms(items).map(|data| {
                let steps = Data::object([(
                    "p",
                    Data::object([("failed", Value::Bool(false).into()), ("output", data.clone())]),
                )]);
                jq.run(&data, &Bindings::new().with("steps", steps), Budget::default())
                    .map_err(|error| error.message)
            });
            assert_eq!(said[0], said[1], "{program} of {items:?}");
            assert_eq!(said[0], said[2], "{program} of {items:?}");
        }
    }

    #[test]
    fn judgements_are_the_same_of_every_form() {
        let lists = [
            vec![],
            vec![pod("a", "Running"), pod("b", "Running")],
            vec![pod("a", "Running"), pod("b", "Pending")],
            vec![json!({"pod": "c", "error": "refused", "unread": true}), pod("a", "Running")],
        ];
        let over = |rule: &str| {
            let mut expect = Expect { over: Some(".items".into()), ..Expect::default() };
            match rule {
                "all" => expect.all = Some(".status.phase == \"Running\"".into()),
                "none" => expect.none = Some(".status.phase == \"Pending\"".into()),
                _ => expect.same = Some(".metadata.labels".into()),
            }
            expect
        };
        let that = |text: &str| Expect { that: Some(text.into()), ..Expect::default() };
        for expect in [
            over("all"),
            over("none"),
            over("same"),
            that(".items | length == 2"),
            that(".items | all(.metadata.labels.app == \"x\")"),
        ] {
            let compiled = compile_expectation(&expect, &[]).unwrap();
            for items in &lists {
                let judged = forms(items)
                    .map(|data| compiled.judge(&data, &Bindings::new(), Budget::default()));
                assert_eq!(judged[0], judged[1], "{expect:?} of {items:?}");
                assert_eq!(judged[0], judged[2], "{expect:?} of {items:?}");
            }
        }
    }

    #[test]
    fn what_is_not_looked_at_is_not_read() {
        let items: Vec<Value> =
            (0..100).map(|index| json!({"name": index, "long": "x".repeat(10_000)})).collect();
        let needs = crate::expression::need::of_program(
            &crate::expression::syntax::parse("[.items[].name]").unwrap(),
            &[],
        );
        for data in &forms(&items)[1..] {
            let Entered(val) = data.parts(&Looked(UsedParts::of(&needs[INPUT]))).unwrap();
            assert!(val.to_string().len() < 3000);
        }
    }

    #[test]
    fn what_was_dropped_is_unknown_and_never_null() {
        let step = Data::object([("failed", Value::Bool(true).into()), ("output", Data::Dropped)]);
        let bindings = Bindings::new().with("steps", Data::object([("a", step)]));
        let ask = |text: &str| {
            compile(text, &["steps"]).unwrap().condition(&Value::Null, &bindings, Budget::default())
        };
        assert_eq!(ask("$steps.a.failed"), Ok(true));
        assert_ne!(ask("$steps.a.output == null"), Ok(true));
        let expect = compile_expectation(
            &Expect { that: Some("$steps.a.output.x == 1".into()), ..Expect::default() },
            &["steps"],
        )
        .unwrap();
        assert_eq!(expect.judge(&Value::Null, &bindings, Budget::default()).outcome, Truth::Error);
        assert!(Data::Dropped.write(&mut Vec::new(), &Value::clone).is_err());
    }

    #[test]
    fn parts_are_cleaned_and_written_one_by_one() {
        let masked = |value: &Value| {
            serde_json::from_str(&value.to_string().replace("secret", "***")).unwrap()
        };
        let items = [json!({"a": "secret"}), json!({"secret": 1})];
        for data in forms(&items) {
            let mut text = Vec::new();
            data.write(&mut text, &masked).unwrap();
            assert_eq!(
                String::from_utf8(text).unwrap(),
                "{\"items\":[{\"a\":\"***\"},{\"***\":1}]}"
            );
            assert_eq!(data.to_value(), json!({"items": items}));
        }
    }
}
