//! What one rendering of a template may make, and the guards that keep to it.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Expression, State, Value, context};

use super::budget::overdue;
use super::error::{EvalError, EvalErrorKind};
use super::memory::{self, MemoryWatch};
use super::rewrite::{GUARD, HOLD, OPERATE};
use super::value::MOST_DEPTH;

/// The time of one rendering.
const DEADLINE: Duration = Duration::from_secs(5);
/// All that one rendering may make, in bytes.
const MOST_MADE: usize = 64 << 20;
/// What one operation may make, in bytes.
const MOST_AT_ONCE: usize = 16 << 20;
/// The most values of a list, with what is in it.
const MOST_NODES: usize = 2_000_000;
/// The most text within a value that is looked at.
const MOST_BYTES: usize = 64 << 20;
/// About what an item of a list takes.
const ITEM: usize = 48;
/// The longest text that is taken apart into characters.
const MOST_CHARACTERS: usize = 256 << 10;
/// The largest count, width or indentation that a filter takes.
const MOST_COUNT: i64 = 100_000;
const MOST_WIDTH: i64 = 1_000;
/// Filters that take a text as a whole.
const OF_TEXT: &str = "abs bool capitalize count d default e escape float format indent int length \
    lines lower pprint replace safe split string title \
    tojson trim upper urlencode";

struct Allowance {
    made: usize,
    end: Instant,
    watch: MemoryWatch,
    over: Option<EvalError>,
}

thread_local! {
    /// That of the rendering on this thread.
    static ALLOWANCE: RefCell<Option<Allowance>> = const { RefCell::new(None) };
}

/// Renders with a fresh allowance; the error that says why it was used up, if it was, else that of
/// the engine.
pub(super) fn within<T>(
    render: impl FnOnce() -> Result<T, Error>,
    failure: impl FnOnce(&Error) -> EvalError,
) -> Result<T, EvalError> {
    let fresh = Allowance {
        made: 0,
        end: Instant::now() + DEADLINE,
        watch: MemoryWatch::new(),
        over: None,
    };
    ALLOWANCE.with_borrow_mut(|allowance| *allowance = Some(fresh));
    let result = render();
    let over = ALLOWANCE
        .with_borrow_mut(|allowance| allowance.take().and_then(|allowance| allowance.over));
    match (over, result) {
        (Some(error), _) => Err(error),
        (None, result) => result.map_err(|error| failure(&error)),
    }
}

/// Accounts for what was made; the error ends the rendering.
fn spend(bytes: usize) -> Result<(), Error> {
    ALLOWANCE.with_borrow_mut(|allowance| {
        let Some(allowance) = allowance else { return Ok(()) };
        allowance.made = allowance.made.saturating_add(bytes);
        allowance.watch.made(bytes);
        let over = if allowance.made > MOST_MADE {
            Some(EvalError::new(
                EvalErrorKind::TooLarge,
                format!("stopped: the output of the template exceeds {} MiB", MOST_MADE >> 20),
            ))
        } else if Instant::now() >= allowance.end {
            Some(overdue(DEADLINE))
        } else if allowance.watch.is_over(memory::OFTEN) {
            Some(EvalError::new(EvalErrorKind::TooLarge, memory::message()))
        } else {
            None
        };
        match over {
            None => Ok(()),
            Some(error) => {
                let message = error.message.clone();
                allowance.over.get_or_insert(error);
                Err(Error::new(ErrorKind::InvalidOperation, message))
            }
        }
    })
}

fn too_large(what: &str) -> Error {
    let message = format!("{what} would be too large");
    let error = EvalError::new(EvalErrorKind::TooLarge, message.clone());
    ALLOWANCE.with_borrow_mut(|allowance| {
        allowance.as_mut().map(|allowance| allowance.over.get_or_insert(error).kind)
    });
    Error::new(ErrorKind::InvalidOperation, message)
}

fn at_once(what: &str, bytes: usize) -> Result<(), Error> {
    if bytes > MOST_AT_ONCE { Err(too_large(what)) } else { Ok(()) }
}

/// The size of a value with all that is in it; what is shared counts wherever it is.
#[derive(Default)]
pub(super) struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Weight {
    /// None if it is larger than any value may be.
    fn of(value: &Value) -> Option<Self> {
        let mut weight = Self::default();
        weight.walk(value, 0).then_some(weight)
    }

    fn walk(&mut self, value: &Value, depth: usize) -> bool {
        self.nodes += 1;
        self.depth = self.depth.max(depth);
        if depth > MOST_DEPTH || self.nodes > MOST_NODES || self.bytes > MOST_BYTES {
            return false;
        }
        match value.kind() {
            ValueKind::String | ValueKind::Bytes => {
                self.bytes += value.as_bytes().map_or(0, <[u8]>::len);
                true
            }
            ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
                Ok(mut items) => items.all(|item| self.walk(&item, depth + 1)),
                Err(_) => true,
            },
            ValueKind::Map => match value.try_iter() {
                Ok(mut keys) => keys.all(|key| {
                    self.walk(&key, depth + 1)
                        && value.get_item(&key).is_ok_and(|item| self.walk(&item, depth + 1))
                }),
                Err(_) => true,
            },
            _ => {
                self.bytes += 8;
                true
            }
        }
    }

    /// About what it is as text.
    fn text(&self) -> usize {
        self.bytes.saturating_add(4 * self.nodes)
    }
}

fn weigh(what: &str, value: &Value) -> Result<Weight, Error> {
    Weight::of(value).ok_or_else(|| too_large(what))
}

/// Refuses what cannot be walked; the value itself otherwise.
pub(super) fn walkable(value: Value) -> Result<Value, Error> {
    weigh("the value", &value).map(|_| value)
}

/// Text that is about to be written.
pub(super) fn written(value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => spend(text.len()),
        None => spend(weigh("the text", value)?.text()),
    }
}

/// Puts the guards into an environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(HOLD, |value: Value| hold(value, false));
    environment.add_filter(OPERATE, operate);
    environment.add_filter(GUARD, guard);
}

/// Accounts for a new value, of which the parts were there already.
fn hold(value: Value, fresh_texts: bool) -> Result<Value, Error> {
    let weight = weigh("the value", &value)?;
    let bytes = match value.kind() {
        ValueKind::String | ValueKind::Bytes => weight.bytes,
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let nested =
                |item: Value| if item.as_str().is_some() { 0 } else { item.len().unwrap_or(0) };
            let nested: usize = value.try_iter().map_or(0, |items| items.map(nested).sum());
            ITEM * (value.len().unwrap_or(weight.nodes) + nested)
                + if fresh_texts { weight.bytes } else { 0 }
        }
        _ => ITEM,
    };
    spend(bytes)?;
    Ok(value)
}

/// `+`, `*` and `~`.
fn operate(left: Value, name: &str, right: Value) -> Result<Value, Error> {
    let (a, b) = (weigh("the left side", &left)?, weigh("the right side", &right)?);
    let size =
        |weight: &Weight, value: &Value| value.as_str().map_or(weight.nodes * ITEM, str::len);
    match name {
        "*" => {
            let times = [&left, &right]
                .into_iter()
                .find_map(|side| side.as_usize().filter(|_| side.is_number()))
                .unwrap_or(1);
            let other = if left.is_number() { size(&b, &right) } else { size(&a, &left) };
            if !(left.is_number() && right.is_number()) {
                at_once("the product", other.saturating_mul(times))?;
            }
        }
        "+" => at_once("the sum", size(&a, &left) + size(&b, &right))?,
        _ => at_once("the text", a.text() + b.text())?,
    }
    hold(plain(name).eval(context! { left, right })?, false)
}

/// An operation of the engine as it is.
fn plain(name: &str) -> &'static Expression<'static, 'static> {
    static PLAIN: OnceLock<[Expression<'static, 'static>; 3]> = OnceLock::new();
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    let [add, multiply, join] = PLAIN.get_or_init(|| {
        let environment = ENVIRONMENT.get_or_init(|| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
            environment
        });
        ["left + right", "left * right", "left ~ right"].map(|source| {
            match environment.compile_expression(source) {
                Ok(expression) => expression,
                Err(error) => unreachable!("{source}: {error}"),
            }
        })
    });
    match name {
        "+" => add,
        "*" => multiply,
        _ => join,
    }
}

/// Runs a filter within its bounds.
fn guard(
    state: &mut State<'_, '_>,
    value: Value,
    name: String,
    rest: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let mut given = vec![value];
    given.extend(rest.into_values());
    look(&name, &given)?;
    // `map('upper')` calls a filter for each item
    if name == "map" && given.len() > 1 && given[1].as_str().is_some() {
        given.insert(1, Value::from(GUARD));
    }
    let result = state.apply_filter(&name, &given)?;
    hold(result, matches!(name.as_str(), "split" | "lines"))
}

/// Looks at what a filter would make of what it is given.
fn look(name: &str, given: &[Value]) -> Result<(), Error> {
    let value = &given[0];
    let number = |at: usize, key: &str| argument(given, at, key).and_then(|value| value.as_i64());
    let weight = weigh("the value", value)?;
    if weight.bytes > MOST_CHARACTERS
        && value.as_str().is_some()
        && !OF_TEXT.split_whitespace().any(|known| known == name)
    {
        return Err(too_large("the list of characters"));
    }
    let text = |at: usize| given.get(at).and_then(Value::as_str).unwrap_or_default();
    let result = match name {
        "batch" | "slice" => {
            if number(1, "count").is_some_and(|count| count > MOST_COUNT) {
                return Err(too_large("the list"));
            }
            0
        }
        "indent" => {
            weight.bytes
                + number(1, "width").unwrap_or(4).unsigned_abs() as usize
                    * (text(0).matches('\n').count() + 1)
        }
        "tojson" => {
            let indent = number(1, "indent").unwrap_or(2).unsigned_abs() as usize;
            6 * weight.text() + indent.saturating_mul(weight.depth + 1).saturating_mul(weight.nodes)
        }
        "format" => return look_at_format(text(0), &given[1..]),
        "join" => {
            weight.text()
                + argument(given, 1, "d")
                    .and_then(|joiner| joiner.as_str().map(str::len))
                    .unwrap_or(0)
                    .saturating_mul(weight.nodes)
        }
        "replace" => {
            let (from, to) = (text(1), text(2));
            let times =
                if from.is_empty() { weight.bytes + 1 } else { text(0).matches(from).count() };
            weight.bytes.saturating_add(times.saturating_mul(to.len()))
        }
        "split" => {
            let separator = text(1);
            let parts = if separator.is_empty() {
                text(0).split_whitespace().count()
            } else {
                text(0).matches(separator).count()
            };
            weight.bytes + ITEM * parts
        }
        "lines" => weight.bytes + ITEM * text(0).matches('\n').count(),
        "capitalize" | "e" | "escape" | "lower" | "pprint" | "safe" | "string" | "title"
        | "trim" | "upper" | "urlencode" => 6 * weight.text(),
        _ => 0,
    };
    at_once("the result", result)
}

/// An argument by position, or by name.
fn argument(given: &[Value], at: usize, key: &str) -> Option<Value> {
    let named = given
        .last()
        .filter(|last| last.is_kwargs())
        .and_then(|last| last.get_attr(key).ok())
        .filter(|value| !value.is_undefined());
    named.or_else(|| given.get(at).filter(|value| !value.is_kwargs()).cloned())
}

fn look_at_format(format: &str, given: &[Value]) -> Result<(), Error> {
    let mut digits = 0_i64;
    for byte in format.bytes() {
        digits = if byte.is_ascii_digit() {
            digits.saturating_mul(10).saturating_add(i64::from(byte - b'0'))
        } else {
            0
        };
        if digits > MOST_WIDTH && format.contains('%') {
            return Err(too_large("the width"));
        }
    }
    if format.contains('*') {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "`*` is not available in formats: write the width out",
        ));
    }
    let mut most = MOST_WIDTH as usize;
    for value in given {
        most = most.max(weigh("the value", value)?.text());
    }
    at_once("the text", format.len() + format.matches('%').count().saturating_mul(most))
}
