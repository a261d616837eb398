//! jq expressions: compiled once, evaluated with a budget.

use crate::diagnostic::nearest;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader, span};
use jaq_core::{Compiler, Ctx, Filter, Vars, compile, unwrap_valr};
use jaq_json::Val;
use serde_json::Value;

use super::bindings::Bindings;
use super::budget::{JqContext, JqData, Meter, overdue};
use super::data::{Operand, leanly};
use super::error::{Budget, CompileError, EvalError, EvalErrorKind};
use super::library::Library;
use super::need::{self, NeedsByName};
use super::strict;
use super::syntax::{self, Term};
use super::value::{Export, engine_message, show};
use super::worker::{self, WorkerLost};

/// Parsing and compiling 16 KiB takes milliseconds; this is for a machine under load.
const COMPILE_LIMIT: Duration = Duration::from_secs(20);
/// What an evaluation gets beyond its deadline to notice the deadline itself.
const GRACE: Duration = Duration::from_millis(100);

/// A compiled jq expression; clones share it.
#[derive(Clone)]
pub struct Jq {
    compiled: Arc<Compiled>,
}

struct Compiled {
    source: String,
    program: Program,
    references: Vec<Reference>,
    /// What it looks at.
    needs: NeedsByName,
    /// The keys and texts that are written out in the program.
    keys: Vec<String>,
    /// Whether it compares by order.
    bound: bool,
    constant: bool,
    globals: Vec<String>,
    /// The place of this condition within the source, from the whole inwards.
    place: Vec<Side>,
}

impl Compiled {
    /// A checked condition within a source. Runs on a worker.
    fn of<'s>(
        source: &'s str,
        term: Term<'s>,
        globals: Vec<String>,
        place: Vec<Side>,
    ) -> Result<Self, CompileError> {
        Ok(Self {
            references: syntax::references(source, &term, &globals),
            needs: need::of_program(&term, &globals),
            keys: syntax::keys(&term),
            bound: syntax::has_bound(&term),
            constant: !syntax::depends(&term, &globals),
            program: Program::assemble(source, term, &globals)?,
            source: source.to_owned(),
            globals,
            place,
        })
    }
}

/// One side of `and` or `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// How the parts of a condition are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connective {
    /// `and`: one part that is false decides.
    And,
    /// `or`: one part that is true decides.
    Or,
}

/// A use of a variable in an expression or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The variable, without `$`: `steps`.
    pub root: String,
    /// The first attribute, if it is written out: `leader` in `$steps.leader.output`.
    pub name: Option<String>,
    /// The bytes of the source, from the variable to the end of the attribute.
    pub range: Range<usize>,
    /// What of a step it asks for.
    pub asks: Asks,
}

/// What of a step a reference asks for, as far as it is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// How it ended, not what it has read: `$steps.leader.failed`.
    Outcome,
    /// What it has read, not how that was judged: `$steps.leader.output`.
    Output,
    /// Either, or both.
    Any,
}

impl fmt::Debug for Jq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jq").field(&self.compiled.source).finish()
    }
}

/// Compiles a jq expression.
///
/// `variables` are the names, without `$`, that may be bound when it is evaluated.
///
/// # Errors
///
/// A syntax error, an unknown or refused filter, an unknown variable, a `def`, or a program that is
/// too large.
pub fn compile(source: &str, variables: &[&str]) -> Result<Jq, CompileError> {
    syntax::check_size(source)?;
    let owned = source.to_owned();
    let globals: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
    let compiled = worker::run(COMPILE_LIMIT, move |_| {
        let term = syntax::parse(&owned)?;
        check(&owned, &term)?;
        Compiled::of(&owned, term, globals, Vec::new())
    });
    let compiled = compiled.unwrap_or_else(|lost| {
        let message = format!("cannot compile the expression: {}", reason(lost));
        Err(CompileError::new(message, 0..source.len()))
    })?;
    Ok(Jq { compiled: Arc::new(compiled) })
}

fn reason(lost: WorkerLost) -> &'static str {
    match lost {
        WorkerLost::Deadline => "it timed out",
        WorkerLost::Panicked => "the jq engine failed",
        WorkerLost::Refused => "too many evaluations are running",
    }
}

/// Refuses definitions and filters that do not exist here.
fn check(source: &str, term: &Term<'_>) -> Result<(), CompileError> {
    let library = Library::get();
    let mut error: Option<CompileError> = None;
    syntax::visit(term, &mut |term| {
        let found = match term {
            Term::Def(defs, _) => defs.first().map(|def| {
                let message =
                    format!("`def {}` is not allowed: a recursion could run forever", def.name);
                CompileError::new(message, span(source, def.name))
                    .help("write the filter inline where it is used")
            }),
            Term::Call(name, args) => unknown(source, library, name, args.len()),
            Term::Str(Some(format), _) => unknown(source, library, format, 0),
            _ => None,
        };
        // The first one in the text, whatever the order of the walk.
        if let Some(found) = found
            && error.as_ref().is_none_or(|error| found.range.start < error.range.start)
        {
            error = Some(found);
        }
    });
    error.map_or(Ok(()), Err)
}

fn unknown(source: &str, library: &Library, name: &str, arity: usize) -> Option<CompileError> {
    let (message, help) = library.refuse(name, arity)?;
    let error = CompileError::new(message, span(source, name));
    Some(match help {
        Some(help) => error.help(help),
        None => error,
    })
}

/// A program of the jq engine and the variables that it uses, in order.
pub(super) struct Program {
    filter: Filter<JqData>,
    variables: Vec<String>,
}

impl Program {
    /// Compiles a checked syntax tree. `globals` are written with `$`.
    pub(super) fn assemble<'s>(
        source: &'s str,
        term: Term<'s>,
        globals: &[String],
    ) -> Result<Self, CompileError> {
        let mut term = term;
        strict::strict(&mut term, source);
        syntax::guard(&mut term);
        let mut used: Vec<&str> = Vec::new();
        syntax::visit(&term, &mut |term| {
            if let Term::Var(name) = term
                && let Some(global) = globals.iter().find(|global| global == name)
                && !used.contains(&global.as_str())
            {
                used.push(global);
            }
        });
        let (mut defs, natives) = Library::get().select(&syntax::calls(&term));
        let main = Def { name: "_main", args: Vec::new(), body: term };
        let arena = Arena::default();
        let file = File { code: "_main", path: () };
        let defs: Vec<Def<&str>> = defs.drain(..).chain([main]).collect();
        let engine =
            || CompileError::new("the jq engine does not accept this expression", 0..source.len());
        let modules = Loader::new(defs).load(&arena, file).map_err(|_| engine())?;
        let compiler =
            Compiler::default().with_funs(natives).with_global_vars(used.iter().copied());
        let filter = compiler.compile(modules).map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
            first.map_or_else(engine, |(name, kind)| undefined(source, name, &kind, globals))
        })?;
        let variables = used.into_iter().map(|name| name[1..].to_owned()).collect();
        Ok(Self { filter, variables })
    }

    /// All outputs. Runs on a worker.
    pub(super) fn outputs(
        &self,
        input: Val,
        bindings: &Bindings,
        meter: &Meter,
    ) -> Result<Vec<Val>, EvalError> {
        let vars: Result<Vec<Val>, EvalError> = self
            .variables
            .iter()
            .map(|name| {
                let unbound =
                    || EvalError::new(EvalErrorKind::Runtime, format!("${name} has no value here"));
                bindings.val(name).unwrap_or_else(|| Err(unbound()))
            })
            .collect();
        let running = JqContext { lut: &self.filter.lut, meter };
        let ctx = Ctx::<JqData>::new(running, Vars::new(vars?));
        let outputs: Result<Vec<Val>, _> =
            self.filter.id.run((ctx, input)).map(unwrap_valr).collect();
        match (meter.tripped(), outputs) {
            // Whatever came out, also if the program caught the error.
            (Some(error), _) => Err(error),
            (None, Ok(outputs)) => Ok(outputs),
            (None, Err(error)) => {
                Err(EvalError::new(EvalErrorKind::Runtime, engine_message(error)))
            }
        }
    }
}

fn undefined(
    source: &str,
    name: &str,
    kind: &compile::Undefined,
    globals: &[String],
) -> CompileError {
    // Names that the guard put in (`$run` for `age`) are not in the source.
    let inside = source.as_bytes().as_ptr_range().contains(&name.as_ptr());
    let range = if inside { span(source, name) } else { 0..source.len() };
    match kind {
        compile::Undefined::Var => {
            let error = CompileError::new(format!("unknown variable `{name}`"), range);
            let near = nearest(name, globals.iter().map(String::as_str));
            match near {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None if name == "$ENV" => {
                    error.help("expressions cannot read the environment: declare a parameter")
                }
                None if globals.is_empty() => error,
                None => error.help(format!("there are {}", globals.join(", "))),
            }
        }
        other => CompileError::new(format!("there is no {} `{name}`", other.as_str()), range),
    }
}

/// Runs `work` with a meter on a worker, within the budget.
pub(super) fn metered<T: Send + 'static>(
    budget: Budget,
    work: impl FnOnce(&Meter) -> Result<T, EvalError> + Send + 'static,
) -> Result<T, EvalError> {
    let limit = budget.deadline.saturating_add(GRACE);
    worker::run(limit, move |top| work(&Meter::new(budget, top))).unwrap_or_else(|lost| {
        Err(match lost {
            WorkerLost::Deadline => overdue(budget.deadline),
            WorkerLost::Panicked | WorkerLost::Refused => {
                EvalError::new(EvalErrorKind::Runtime, format!("not evaluated: {}", reason(lost)))
            }
        })
    })
}

impl Jq {
    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// The two parts of a condition that is `A and B` or `A or B`, each as a condition of its own;
    /// none for any other expression. Compiled when asked: only a condition of which a part cannot
    /// be judged needs them.
    pub fn parts(&self) -> Option<(Connective, [Jq; 2])> {
        let whole = self.compiled.clone();
        let parts = worker::run(COMPILE_LIMIT, move |_| {
            let term = syntax::parse(&whole.source).ok()?;
            let (connective, left, right) = syntax::split(syntax::within(term, &whole.place)?)?;
            let part = |term: Term<'_>, side: Side| {
                let place = whole.place.iter().copied().chain([side]).collect();
                let part = Compiled::of(&whole.source, term, whole.globals.clone(), place);
                part.ok().map(|part| Jq { compiled: Arc::new(part) })
            };
            Some((connective, [part(left, Side::Left)?, part(right, Side::Right)?]))
        });
        parts.ok().flatten()
    }

    /// Every use of a variable that is bound from outside, in the order of the source.
    pub fn references(&self) -> &[Reference] {
        &self.compiled.references
    }

    /// Whether the program compares by order: `<`, `<=`, `>`, `>=`.
    pub fn has_bound(&self) -> bool {
        self.compiled.bound
    }

    /// Whether the program has this key or text in it: whether it looks at a field of its input.
    pub fn mentions(&self, key: &str) -> bool {
        self.compiled.keys.iter().any(|known| known == key)
    }

    /// Whether neither the input nor a variable can change the result: `true`, `1 == 1`.
    pub fn is_constant(&self) -> bool {
        self.compiled.constant
    }

    /// What is looked at when this is asked of every item of a list; nothing is known if that
    /// cannot be told.
    pub(super) fn needs_of_items(&self, over: Option<&Jq>) -> NeedsByName {
        let (condition, over) = (self.compiled.clone(), over.map(|over| over.compiled.clone()));
        let needs = worker::run(COMPILE_LIMIT, move |_| {
            let over = over.as_ref().map(|over| syntax::parse(&over.source)).transpose().ok()?;
            let term = syntax::parse(&condition.source).ok()?;
            Some(need::of_items(over.as_ref(), &term, &condition.globals))
        });
        needs.ok().flatten().unwrap_or_default()
    }

    pub(super) fn needs(&self) -> &NeedsByName {
        &self.compiled.needs
    }

    pub(super) fn program(&self) -> &Program {
        &self.compiled.program
    }

    /// All outputs for an input.
    ///
    /// # Errors
    ///
    /// The expression fails, exceeds the budget, or its result is too large.
    pub fn run(
        &self,
        input: &(impl Operand + ?Sized),
        bindings: &Bindings,
        budget: Budget,
    ) -> Result<Vec<Value>, EvalError> {
        let run = |input: Val, bindings: Bindings| {
            let jq = self.clone();
            metered(budget, move |meter| {
                let outputs = jq.program().outputs(input, &bindings, meter)?;
                let mut export = Export::metered(meter);
                outputs.iter().map(|output| export.value(output)).collect()
            })
        };
        leanly(&self.compiled.needs, input, bindings, run, |_| true)
    }

    /// The one output for an input.
    ///
    /// # Errors
    ///
    /// As [`Self::run`], and when there is no output or more than one.
    pub fn run_one(
        &self,
        input: &(impl Operand + ?Sized),
        bindings: &Bindings,
        budget: Budget,
    ) -> Result<Value, EvalError> {
        let outputs = self.run(input, bindings, budget)?;
        one(self.source(), outputs)
    }

    /// Whether the condition holds for an input.
    ///
    /// # Errors
    ///
    /// As [`Self::run_one`], and when the output is neither true nor false.
    pub fn condition(
        &self,
        input: &(impl Operand + ?Sized),
        bindings: &Bindings,
        budget: Budget,
    ) -> Result<bool, EvalError> {
        let judge = |input: Val, bindings: Bindings| {
            let jq = self.clone();
            metered(budget, move |meter| {
                let holds = || {
                    let outputs = jq.program().outputs(input.clone(), &bindings, meter)?;
                    let mut export = Export::default();
                    let outputs: Result<Vec<Value>, _> =
                        outputs.iter().map(|output| export.value(output)).collect();
                    truth(jq.source(), &one(jq.source(), outputs?)?)
                };
                let natural = holds()?;
                supposing(meter, 1, natural, &holds)
            })
        };
        leanly(&self.compiled.needs, input, bindings, judge, |_| true)
    }
}

/// What a condition says that has given `natural`: that, unless a comparison in it had nothing to
/// compare, for none of `items` items, and decides.
pub(super) fn supposing(
    meter: &Meter,
    items: usize,
    natural: bool,
    holds: &dyn Fn() -> Result<bool, EvalError>,
) -> Result<bool, EvalError> {
    let mut missing = meter.never_there();
    while !missing.is_empty() {
        let (one, other) = (meter.suppose(true, holds), meter.suppose(false, holds));
        if one.is_ok() && one == other {
            return one;
        }
        // what was skipped before may be there
        let still = meter.never_there();
        if still.len() == missing.len() {
            let missing: Vec<String> = missing.iter().map(|about| format!("`{about}`")).collect();
            let (missing, place) =
                (missing.join(", "), if items > 1 { " for every item" } else { "" });
            let message = format!(
                "{missing} is null{place}: the path does not exist or has no value; if it is optional, use `(… // \
                    DEFAULT)`"
            );
            return Err(EvalError::new(EvalErrorKind::Runtime, message));
        }
        missing = still;
    }
    Ok(natural)
}

/// An expression in a message, cut to one line of moderate length.
fn quoted(source: &str) -> String {
    let line = source.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("`{}…`", &line[..end]),
        None => format!("`{line}`"),
    }
}

/// The only one of the outputs.
pub(super) fn one(source: &str, mut outputs: Vec<Value>) -> Result<Value, EvalError> {
    if outputs.len() == 1
        && let Some(output) = outputs.pop()
    {
        return Ok(output);
    }
    let message = if outputs.is_empty() {
        format!("{} returned no value instead of one: nothing was selected", quoted(source))
    } else {
        let some: Vec<String> = outputs.iter().take(5).map(show).collect();
        let more = if outputs.len() > 5 { ", …" } else { "" };
        let (count, some) = (outputs.len(), some.join(", "));
        format!("{} returned {count} values instead of one: {some}{more}", quoted(source))
    };
    Err(EvalError::new(EvalErrorKind::NotOne, message))
}

/// The output as a truth value.
pub(super) fn truth(source: &str, output: &Value) -> Result<bool, EvalError> {
    let hint = match output {
        Value::Bool(truth) => return Ok(*truth),
        Value::Null => "the path does not exist or has no value",
        Value::Number(_) | Value::String(_) => "compare it, as in `… == 1`",
        Value::Array(_) | Value::Object(_) => "compare a part of it, or use `all(…)` or `any(…)`",
    };
    let message = format!("{} is {}, not true or false: {hint}", quoted(source), show(output));
    Err(EvalError::new(EvalErrorKind::NotBoolean, message))
}
