//! The running cost of one evaluation, as the jq engine sees it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};
use jaq_json::Val;

use super::error::{Budget, EvalError, EvalErrorKind};
use super::memory::{self, MemoryWatch};
use super::worker::StackTop;

/// Every so many steps the clock and the shape of the value at hand are looked at.
const SAMPLE: u64 = 256;
/// The deepest value within an evaluation; it is freed and compared recursively.
const MOST_DEPTH: usize = 1000;
/// The most nodes of one value within an evaluation.
const MOST_NODES: usize = 8_000_000;
/// The longest text within an evaluation, in bytes; also what one operation may make.
pub(super) const MOST_TEXT: usize = 32 << 20;
/// The longest list within an evaluation.
const MOST_ITEMS: usize = 4_000_000;
/// The size of a value in bytes from which on the memory is looked at at once.
const LARGE: usize = 1 << 20;

/// What a step may keep in the engine, in bytes.
const STEP: usize = 100;
/// About what an entry of an object takes, in bytes.
const ENTRY: usize = 64;

/// The data type of our jq programs: values are [`Val`], and native filters see the [`Meter`].
#[derive(Debug)]
pub(super) struct JqData;

impl DataT for JqData {
    type V<'a> = Val;
    type Data<'a> = JqContext<'a>;
}

#[derive(Clone, Copy)]
pub(super) struct JqContext<'a> {
    pub(super) lut: &'a Lut<JqData>,
    pub(super) meter: &'a Meter,
}

impl<'a> HasLut<'a, JqData> for JqContext<'a> {
    fn lut(&self) -> &'a Lut<JqData> {
        self.lut
    }
}

/// Counts the steps of one evaluation and says when it is over.
pub(super) struct Meter {
    fuel: Cell<u64>,
    /// Steps and values made.
    pulses: Cell<u64>,
    memory: MemoryWatch,
    budget: Budget,
    end: Option<Instant>,
    top: StackTop,
    /// Why the evaluation is over. Remembered, because a program may catch the error that says so.
    tripped: RefCell<Option<EvalError>>,
    /// How often a comparison was made, and how often a side of it was not there; by the text of
    /// that side.
    compared: RefCell<BTreeMap<String, (u64, u64)>>,
    /// What comparisons give of which a side was never there.
    supposed: Cell<Option<bool>>,
}

impl Meter {
    pub(super) fn new(budget: Budget, top: StackTop) -> Self {
        Self {
            fuel: Cell::new(budget.fuel),
            pulses: Cell::new(0),
            memory: MemoryWatch::new(),
            budget,
            end: Instant::now().checked_add(budget.deadline),
            top,
            tripped: RefCell::default(),
            compared: RefCell::default(),
            supposed: Cell::new(None),
        }
    }

    /// The error that ended this evaluation, if one did.
    pub(super) fn tripped(&self) -> Option<EvalError> {
        self.tripped.borrow().clone()
    }

    /// The result of a comparison. It is remembered whether a side was there; while something is
    /// supposed, a comparison of which a side was never there gives that.
    pub(super) fn compared(&self, about: &str, missing: bool, natural: bool) -> bool {
        let mut compared = self.compared.borrow_mut();
        let (seen, absent) = compared.entry(about.to_owned()).or_default();
        let never = *seen == *absent;
        *seen += 1;
        *absent += u64::from(missing);
        match self.supposed.get() {
            Some(supposed) if missing && never => supposed,
            _ => natural,
        }
    }

    /// The comparisons of which a side was never there.
    pub(super) fn never_there(&self) -> Vec<String> {
        self.compared
            .borrow()
            .iter()
            .filter(|(_, (seen, missing))| seen == missing)
            .map(|(about, _)| about.clone())
            .collect()
    }

    /// Runs `work` as if the comparisons of which a side was never there gave `result`.
    pub(super) fn suppose<T>(&self, result: bool, work: impl FnOnce() -> T) -> T {
        self.supposed.set(Some(result));
        let done = work();
        self.supposed.set(None);
        done
    }

    pub(super) fn trip(&self, kind: EvalErrorKind, message: String) {
        self.tripped.borrow_mut().get_or_insert_with(|| EvalError::new(kind, message));
    }

    /// Counts one step with `val` at hand; false when the evaluation is over.
    pub(super) fn tick(&self, val: &Val) -> bool {
        if self.tripped.borrow().is_some() {
            return false;
        }
        let Some(left) = self.fuel.get().checked_sub(1) else {
            let message =
                format!("stopped after {} steps: possible endless loop", self.budget.fuel);
            self.trip(EvalErrorKind::OutOfFuel, message);
            return false;
        };
        self.fuel.set(left);
        self.pulse(val)
    }

    /// Looks at a value that was just made or that an iteration stands at; false when the
    /// evaluation is over. Costs no fuel.
    pub(super) fn pulse(&self, val: &Val) -> bool {
        if self.tripped.borrow().is_some() {
            return false;
        }
        if self.top.is_exhausted() {
            self.trip(EvalErrorKind::TooLarge, "the recursion is too deep".to_owned());
            return false;
        }
        let (size, is_large) = match val {
            Val::TStr(text) | Val::BStr(text) => (text.len(), text.len() > MOST_TEXT),
            Val::Arr(items) => (items.len() * size_of::<Val>(), items.len() > MOST_ITEMS),
            Val::Obj(fields) => (fields.len() * ENTRY, false),
            Val::Null | Val::Bool(_) | Val::Num(_) => (0, false),
        };
        self.memory.made(size + STEP);
        let pulses = self.pulses.get() + 1;
        self.pulses.set(pulses);
        let sampled = pulses.is_multiple_of(SAMPLE);
        if is_large || (sampled && !self.sample(val)) {
            self.too_large();
        }
        if size >= LARGE || sampled {
            self.look(if size >= LARGE { memory::AT_ONCE } else { memory::OFTEN });
        }
        self.tripped.borrow().is_none()
    }

    /// Looks at the memory of the process, at most once in `interval`.
    pub(super) fn look(&self, interval: Duration) {
        if self.memory.is_over(interval) {
            self.trip(EvalErrorKind::TooLarge, memory::message());
        }
    }

    pub(super) fn too_large(&self) {
        let message = "a value grew too large or too deep".to_owned();
        self.trip(EvalErrorKind::TooLarge, message);
    }

    fn sample(&self, val: &Val) -> bool {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            let error = overdue(self.budget.deadline);
            self.trip(error.kind, error.message);
        }
        fits(val)
    }
}

/// Whether the value is small enough to be walked by code that does not count.
fn fits(val: &Val) -> bool {
    let mut left = Left { nodes: MOST_NODES, bytes: usize::MAX };
    left.walk(val, 0)
}

/// Whether the value is small enough to be written as text of that many bytes. What is shared
/// counts wherever it is.
pub(super) fn fits_in_text(val: &Val, bytes: usize) -> bool {
    let mut left = Left { nodes: MOST_NODES, bytes };
    left.walk(val, 0)
}

/// What a walk may still see.
struct Left {
    nodes: usize,
    bytes: usize,
}

impl Left {
    fn take(&mut self, bytes: usize) -> bool {
        match (self.nodes.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                (self.nodes, self.bytes) = (nodes, bytes);
                true
            }
            _ => false,
        }
    }

    fn walk(&mut self, val: &Val, depth: usize) -> bool {
        if depth > MOST_DEPTH {
            return false;
        }
        match val {
            Val::Arr(items) => self.take(2) && items.iter().all(|item| self.walk(item, depth + 1)),
            Val::Obj(fields) => {
                self.take(2)
                    && fields
                        .iter()
                        .all(|(key, item)| self.walk(key, depth + 1) && self.walk(item, depth + 1))
            }
            Val::TStr(text) | Val::BStr(text) => self.take(text.len() + 3),
            Val::Null | Val::Bool(_) | Val::Num(_) => self.take(5),
        }
    }
}

pub(super) fn overdue(deadline: Duration) -> EvalError {
    let message = format!("stopped after {deadline:?}: the expression timed out");
    EvalError::new(EvalErrorKind::Deadline, message)
}
