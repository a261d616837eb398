//! What jq answers where nobody can know: an order between null and a number, the length of
//! nothing, `all` of an empty list, a field of something that could not be read. In the programs of
//! runbooks these are errors, so that unknown never passes and never accuses.
//!
//! The programs are rewritten before they are compiled; the standard library keeps the rules of jq.
//! An **unread item** is an object with `unread: true`, as a fan-out makes it of a pod that did not
//! answer. A field of it is the item itself, whatever default stands behind it; where a comparison
//! or a connective meets it, it becomes an error of the condition.

use std::cmp::Ordering;

use jaq_core::box_iter::box_once;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::BinaryOp;
use jaq_core::load::span;
use jaq_core::native::{Filter, bome, v};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part, Path};
use jaq_core::{Error, RunPtr};
use jaq_json::{Num, Val};

use super::budget::JqData;
use super::syntax::{Term, children_mut, pipe};
use super::value::shown;

/// What an unread item still says: who it is, and why it could not be read.
pub(super) const TELLS: [&str; 7] =
    ["pod", "container", "previous", "error", "unread", "name", "item"];
/// Filters that would make an answer of an unread item.
const SCALAR: [&str; 9] =
    ["not", "has", "keys", "keys_unsorted", "to_entries", "tostring", "tojson", "type", "values"];
/// Filters that would lose an unread item of a list, or give it a place in an order.
const LISTS: [&str; 13] = [
    "min",
    "max",
    "min_by",
    "max_by",
    "sort",
    "sort_by",
    "unique",
    "unique_by",
    "group_by",
    "contains",
    "inside",
    "index",
    "isempty",
];
/// Filters that would take the fields of an unread item for values.
const ITERATES: [&str; 14] = [
    "add",
    "first",
    "flatten",
    "from_entries",
    "join",
    "last",
    "map",
    "map_values",
    "nth",
    "paths",
    "recurse",
    "reverse",
    "walk",
    "with_entries",
];
/// Variables of which null is a value like any other: an optional parameter that was not given.
const GIVEN: [&str; 3] = ["$params", "$run", "$findings"];

/// Rewrites the program of a runbook.
pub(super) fn strict<'s>(term: &mut Term<'s>, source: &'s str) {
    rewrite(term, source, true);
}

fn call<'s>(name: &'s str, args: Vec<Term<'s>>) -> Term<'s> {
    Term::Call(name, args)
}

fn text(text: &str) -> Term<'_> {
    Term::Str(None, vec![StrPart::Str(text)])
}

/// `spine`: the value of the term is that of the whole condition, but for connectives.
fn rewrite<'s>(term: &mut Term<'s>, source: &'s str, spine: bool) {
    let below = descends(term);
    for (index, child) in children_mut(term).into_iter().enumerate() {
        rewrite(child, source, spine && below.contains(&index));
    }
    match term {
        Term::BinOp(left, BinaryOp::Cmp(op), right) => {
            if let Some(name) = compares(*op, left, right, spine) {
                let place = about(left, source).or_else(|| about(right, source)).unwrap_or(source);
                let sides = must_be_there(left, right);
                *term = call(
                    name,
                    vec![std::mem::take(left), std::mem::take(right), text(place), text(sides)],
                );
            }
        }
        Term::BinOp(left, BinaryOp::And, right) => {
            *term = call("_and", vec![std::mem::take(left), std::mem::take(right)]);
        }
        Term::BinOp(left, BinaryOp::Or, right) => {
            *term = call("_or", vec![std::mem::take(left), std::mem::take(right)]);
        }
        Term::IfThenElse(branches, _) => {
            for (condition, _) in branches {
                *condition = known(std::mem::take(condition));
            }
        }
        Term::Call(name, args) => match (*name, args.len()) {
            ("all", 0..=2) => *name = "_all",
            ("any", 0..=2) => *name = "_any",
            ("select", 1) => *name = "_select",
            ("length", 0) => *name = "_length",
            (name, _) if SCALAR.contains(&name) => {
                *term = pipe(call("_known", Vec::new()), None, std::mem::take(term));
            }
            // with a generator as its argument, it does not look at what comes in
            ("first" | "last" | "add", 1) | ("nth", 2) => {}
            (name, _) if ITERATES.contains(&name) => {
                *term = pipe(call("_known", Vec::new()), None, std::mem::take(term));
            }
            (name, _) if LISTS.contains(&name) => {
                for key in args.iter_mut() {
                    *key = known(std::mem::take(key));
                }
                *term = pipe(call("_whole", Vec::new()), None, std::mem::take(term));
            }
            _ => {}
        },
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(inner) = part {
                    *inner = known(std::mem::take(inner));
                }
            }
        }
        Term::Obj(entries) => {
            for (key, value) in entries.iter_mut().filter(|(_, value)| value.is_none()) {
                // `{json}` is `{json: .json}`
                if let Some(field) = constant(key) {
                    *value = Some(read(Term::Id, vec![(Part::Index(text(field)), Opt::Essential)]));
                }
            }
        }
        Term::Recurse => *term = call("recurse", vec![items()]),
        Term::Path(inner, Path(parts)) => {
            *term = read(std::mem::take(&mut **inner), std::mem::take(parts));
        }
        _ => {}
    }
}

/// The children, by place, whose value is that of the term.
fn descends(term: &Term<'_>) -> Vec<usize> {
    match term {
        Term::BinOp(_, BinaryOp::And | BinaryOp::Or, _) => vec![0, 1],
        // the left side of a pipe only where its truth value is what goes on: `A | not`
        Term::BinOp(_, BinaryOp::Pipe(None), right) if matches!(**right, Term::Call("not", _)) => {
            vec![0, 1]
        }
        Term::BinOp(_, BinaryOp::Pipe(None), _) => vec![1],
        _ => Vec::new(),
    }
}

/// An error where a truth value is wanted and the item could not be read.
fn known(term: Term<'_>) -> Term<'_> {
    pipe(term, None, call("_known", Vec::new()))
}

/// The filter that compares in place of an operator, if it must be another one.
fn compares(op: Cmp, left: &Term<'_>, right: &Term<'_>, spine: bool) -> Option<&'static str> {
    let null = |term: &Term<'_>| matches!(term, Term::Call("null", args) if args.is_empty());
    Some(match op {
        Cmp::Lt => "_lt",
        Cmp::Le => "_le",
        Cmp::Gt => "_gt",
        Cmp::Ge => "_ge",
        Cmp::Eq | Cmp::Ne if null(left) || null(right) => return None,
        // that nothing differs from a value is no statement, wherever it stands; that nothing
        // equals it is one in a selection
        Cmp::Ne => "_ne",
        Cmp::Eq if spine => "_eq",
        Cmp::Eq => "_same",
    })
}

/// Which sides must be there: `l`, `r`, both, none. A literal and what was given to the run need
/// not.
fn must_be_there(left: &Term<'_>, right: &Term<'_>) -> &'static str {
    match (looks(left), looks(right)) {
        (true, true) => "lr",
        (true, false) => "l",
        (false, true) => "r",
        (false, false) => "",
    }
}

/// Whether a term looks at the world: at the output, an item, an earlier step.
fn looks(term: &Term<'_>) -> bool {
    match term {
        Term::Id | Term::Recurse => true,
        Term::Var(name) => !GIVEN.contains(name),
        Term::BinOp(left, BinaryOp::Pipe(None), _) => looks(left),
        Term::Path(inner, _) => looks(inner),
        Term::Num(_) | Term::Str(..) => false,
        Term::Call(name, args) => match *name {
            "true" | "false" | "null" => false,
            _ => args.is_empty() || args.iter().any(looks),
        },
        _ => super::syntax::children(term).into_iter().any(looks),
    }
}

fn constant<'s>(term: &Term<'s>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts[..] {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The part of the source that a side of a comparison is written in, from its first key or variable
/// to its last.
fn about<'s>(term: &Term<'s>, source: &'s str) -> Option<&'s str> {
    let inside = |name: &str| source.as_bytes().as_ptr_range().contains(&name.as_ptr());
    let (mut from, mut to) = (usize::MAX, 0);
    super::syntax::visit(term, &mut |term| {
        let name = match term {
            Term::Var(name) => Some(*name),
            other => constant(other),
        };
        if let Some(name) = name.filter(|name| !name.is_empty() && inside(name)) {
            let range = span(source, name);
            let dot = usize::from(source[..range.start].ends_with('.'));
            (from, to) = (from.min(range.start - dot), to.max(range.end));
        }
    });
    let rest = source.get(to..).unwrap_or_default();
    let closed = if rest.starts_with("\"]") { to + 2 } else { to };
    source.get(from..closed)
}

/// A path of which each step looks whether it stands on an unread item.
fn read<'s>(inner: Term<'s>, parts: Vec<(Part<Term<'s>>, Opt)>) -> Term<'s> {
    let free = match inner {
        Term::Var(name) if GIVEN.contains(&name) => usize::MAX,
        // the step, and its output
        Term::Var("$steps") => 2,
        _ => 0,
    };
    let mut path = inner;
    for (index, part) in parts.into_iter().enumerate() {
        let as_is = match &part.0 {
            Part::Index(key) => match constant(key) {
                Some(key) => TELLS.contains(&key),
                None => !stands_alone(key),
            },
            Part::Range(from, to) => ![from, to].into_iter().flatten().all(stands_alone),
        };
        path = if as_is || index < free {
            Term::Path(Box::new(path), Path(vec![part]))
        } else {
            pipe(path, None, reading(part))
        };
    }
    path
}

/// Whether a term has the same value wherever it is evaluated; others look at what comes into the
/// whole path, and cannot be moved behind a part of it.
fn stands_alone(term: &Term<'_>) -> bool {
    matches!(term, Term::Var(_) | Term::Num(_)) || constant(term).is_some()
}

/// The items of what comes in, if it has any; none of an unread item.
fn items<'s>() -> Term<'s> {
    let all = Path(vec![(Part::Range(None, None), Opt::Optional)]);
    let items = Term::Path(Box::new(Term::Id), all);
    Term::IfThenElse(
        vec![(call("_unread", Vec::new()), call("empty", Vec::new()))],
        Some(Box::new(items)),
    )
}

/// The field of what comes in, or its items; of an unread item the item itself. Transparent for paths and
/// updates.
fn reading(part: (Part<Term<'_>>, Opt)) -> Term<'_> {
    let field = Term::Path(Box::new(Term::Id), Path(vec![part]));
    Term::IfThenElse(vec![(call("_unread", Vec::new()), Term::Id)], Some(Box::new(field)))
}

/// The filters that rewritten programs call.
pub(super) fn natives() -> [Filter<RunPtr<JqData>>; 11] {
    [
        ("_unread", v(0), |cv| box_once(Ok(Val::Bool(is_unread(&cv.1))))),
        ("_known", v(0), |cv| {
            bome(if is_unread(&cv.1) { Err(Error::new(cv.1)) } else { Ok(cv.1) })
        }),
        ("_whole", v(0), |cv| {
            let unread = unread_in(&cv.1).cloned();
            bome(unread.map_or(Ok(cv.1), |item| Err(Error::new(item))))
        }),
        ("_counted", v(0), |cv| {
            bome(match &cv.1 {
                Val::Null => Err(Error::str(
                    "null has no length: the path does not exist or has no value; if it is optional, use `(… // \
                        [])`",
                )),
                _ => Ok(cv.1),
            })
        }),
        ("_lt", v(4), |cv| ordered(cv, "<", Ordering::is_lt)),
        ("_le", v(4), |cv| ordered(cv, "<=", Ordering::is_le)),
        ("_gt", v(4), |cv| ordered(cv, ">", Ordering::is_gt)),
        ("_ge", v(4), |cv| ordered(cv, ">=", Ordering::is_ge)),
        ("_eq", v(4), |cv| compared(cv, true, true)),
        ("_ne", v(4), |cv| compared(cv, false, true)),
        ("_same", v(4), |cv| compared(cv, true, false)),
    ]
}

type Call<'a> = jaq_core::Cv<'a, JqData>;

/// The arguments of a comparison: left, right, what it is about, which sides must be there.
fn arguments(cv: &mut Call<'_>) -> (Val, Val, String, String) {
    let mut string = || match cv.0.pop_var() {
        Val::TStr(text) | Val::BStr(text) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let (sides, about) = (string(), string());
    let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
    (left, right, about, sides)
}

fn ordered<'a>(
    mut cv: Call<'a>,
    sign: &str,
    holds: fn(Ordering) -> bool,
) -> jaq_core::ValXs<'a, Val> {
    let (left, right, about, _) = arguments(&mut cv);
    if let Some(item) = unread_in(&left).or_else(|| unread_in(&right)) {
        return bome(Err(Error::new(item.clone())));
    }
    bome(order(&left, &right).map(|order| Val::Bool(holds(order))).ok_or_else(|| {
        let (left_kind, right_kind) = (kind(&left), kind(&right));
        Error::str(format!(
            "cannot compare {} {sign} {}: {left_kind} and {right_kind} have no order (`{about}`)",
            shown(&left),
            shown(&right)
        ))
    }))
}

/// The order of two values of one type; none between types, and none of what is not there or not a
/// number.
fn order(left: &Val, right: &Val) -> Option<Ordering> {
    let is_nan = |num: &Num| matches!(num, Num::Float(float) if float.is_nan());
    match (left, right) {
        (Val::Num(a), Val::Num(b)) if is_nan(a) || is_nan(b) => None,
        (Val::Num(_), Val::Num(_))
        | (Val::Bool(_), Val::Bool(_))
        | (Val::TStr(_) | Val::BStr(_), Val::TStr(_) | Val::BStr(_)) => Some(left.cmp(right)),
        (Val::Arr(a), Val::Arr(b)) => {
            for (a, b) in a.iter().zip(b.iter()) {
                match order(a, b)? {
                    Ordering::Equal => {}
                    decided => return Some(decided),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        _ => None,
    }
}

fn kind(val: &Val) -> &'static str {
    match val {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Num(Num::Float(float)) if float.is_nan() => "NaN",
        Val::Num(_) => "a number",
        Val::TStr(_) | Val::BStr(_) => "a string",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    }
}

/// Equality. `counts`: whether it is remembered that a side was not there.
fn compared<'a>(mut cv: Call<'a>, equal: bool, counts: bool) -> jaq_core::ValXs<'a, Val> {
    let (left, right, about, sides) = arguments(&mut cv);
    if let Some(item) = unread_in(&left).or_else(|| unread_in(&right)) {
        return bome(Err(Error::new(item.clone())));
    }
    let natural = (left == right) == equal;
    if !counts {
        return box_once(Ok(Val::Bool(natural)));
    }
    let absent = |side: char, own: &Val, other_side: char, other: &Val| {
        // what is compared with a null that was given is compared with null on purpose
        *own == Val::Null
            && sides.contains(side)
            && (*other != Val::Null || sides.contains(other_side))
    };
    let missing = absent('l', &left, 'r', &right) || absent('r', &right, 'l', &left);
    box_once(Ok(Val::Bool(cv.0.data().meter.compared(&about, missing, natural))))
}

/// Whether a value is an item of which nothing is known but who it is and why: `{pod, error,
/// unread: true}`.
fn is_unread(val: &Val) -> bool {
    let marked = matches!(val,
        Val::Obj(fields) if fields.get(&Val::utf8_str("unread")) == Some(&Val::Bool(true)));
    marked && field(val, "pod").is_some() && field(val, "error").is_some()
}

/// The value itself, or an item of the list that it is, if that could not be read.
fn unread_in(val: &Val) -> Option<&Val> {
    match val {
        Val::Obj(_) => is_unread(val).then_some(val),
        Val::Arr(items) => items.iter().find(|item| is_unread(item)),
        _ => None,
    }
}

fn field(val: &Val, key: &'static str) -> Option<String> {
    let Val::Obj(fields) = val else { return None };
    match fields.get(&Val::utf8_str(key)) {
        Some(Val::TStr(text) | Val::BStr(text)) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// Why an unread item could not be read; none for any other value.
pub(super) fn unread(val: &Val) -> Option<String> {
    is_unread(val).then(|| field(val, "error").unwrap_or_else(|| "it could not be read".to_owned()))
}

/// The same with the name of the item: `pod/NAME could not be read: …`.
pub(super) fn unread_named(val: &Val) -> Option<String> {
    let why = unread(val)?;
    Some(
        field(val, "pod")
            .map_or_else(|| why.clone(), |pod| format!("pod/{pod} could not be read: {why}")),
    )
}
