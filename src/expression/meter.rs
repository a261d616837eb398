//! The running cost of one evaluation, as the jq engine sees it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};
use jaq_json::Val;

use super::error::{Budget, EvalError, EvalErrorKind};
use super::worker::StackTop;

/// Every so many steps the clock and the shape of the value at hand are looked at.
const SAMPLE: u64 = 256;
/// The deepest value within an evaluation; it is freed and compared recursively.
const MOST_DEPTH: usize = 1000;
/// The most nodes of one value within an evaluation.
const MOST_NODES: usize = 8_000_000;
/// The longest text within an evaluation, in bytes.
pub(super) const MOST_TEXT: usize = 64 << 20;
/// The longest list within an evaluation.
const MOST_ITEMS: usize = 8_000_000;

/// The data type of our jq programs: values are [`Val`], and native filters see the [`Meter`].
#[derive(Debug)]
pub(super) struct Kind;

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Running<'a>;
}

#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) lut: &'a Lut<Kind>,
    pub(super) meter: &'a Meter,
}

impl<'a> HasLut<'a, Kind> for Running<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

/// Counts the steps of one evaluation and says when it is over.
pub(super) struct Meter {
    fuel: Cell<u64>,
    budget: Budget,
    end: Option<Instant>,
    top: StackTop,
    /// Why the evaluation is over. Remembered, because a program may catch the error that says so.
    tripped: RefCell<Option<EvalError>>,
    /// How often a comparison was made, and how often a side of it was not there; by the text of that side.
    compared: RefCell<BTreeMap<String, (u64, u64)>>,
    /// What comparisons give of which a side was never there.
    supposed: Cell<Option<bool>>,
}

impl Meter {
    pub(super) fn new(budget: Budget, top: StackTop) -> Self {
        Self {
            fuel: Cell::new(budget.fuel),
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

    /// The result of a comparison. It is remembered whether a side was there; while something is supposed, a comparison of which a side
    /// was never there gives that.
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
        self.compared.borrow().iter().filter(|(_, (seen, missing))| seen == missing).map(|(about, _)| about.clone()).collect()
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
            let message = format!("stopped after {} steps: does a loop never end?", self.budget.fuel);
            self.trip(EvalErrorKind::OutOfFuel, message);
            return false;
        };
        self.fuel.set(left);
        if self.top.is_exhausted() {
            let message = "the recursion is nested too deeply".to_owned();
            self.trip(EvalErrorKind::TooLarge, message);
            return false;
        }
        let large = match val {
            Val::TStr(text) | Val::BStr(text) => text.len() > MOST_TEXT,
            Val::Arr(items) => items.len() > MOST_ITEMS,
            Val::Obj(_) | Val::Null | Val::Bool(_) | Val::Num(_) => false,
        };
        if large || (left.is_multiple_of(SAMPLE) && !self.sample(val)) {
            self.too_large();
        }
        self.tripped.borrow().is_none()
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
pub(super) fn fits(val: &Val) -> bool {
    let mut nodes = 0;
    walk(val, 0, &mut nodes)
}

fn walk(val: &Val, depth: usize, nodes: &mut usize) -> bool {
    *nodes += 1;
    if depth > MOST_DEPTH || *nodes > MOST_NODES {
        return false;
    }
    match val {
        Val::Arr(items) => items.iter().all(|item| walk(item, depth + 1, nodes)),
        Val::Obj(fields) => fields.values().all(|item| walk(item, depth + 1, nodes)),
        Val::Null | Val::Bool(_) | Val::Num(_) | Val::TStr(_) | Val::BStr(_) => true,
    }
}

pub(super) fn overdue(deadline: Duration) -> EvalError {
    let message = format!("stopped after {deadline:?}: the expression takes too long");
    EvalError::new(EvalErrorKind::Deadline, message)
}
