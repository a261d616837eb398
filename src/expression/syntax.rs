//! jq programs as syntax trees: walking, guarding and reading them.

use std::ops::Range;

use jaq_core::load::lex::{Lexer, StrPart};
use jaq_core::load::parse::{self, BinaryOp, Pattern};
use jaq_core::load::{Parser, span};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part, Path};

use super::error::CompileError;
use super::jq::{Asks, Connective, Reference, Side};

pub(super) type Term<'s> = parse::Term<&'s str>;

/// The longest program in bytes.
const MOST_SOURCE: usize = 16 << 10;
/// The deepest nesting of brackets.
const MOST_NESTING: usize = 200;

/// Refuses what would be dangerous to parse.
pub(super) fn check_size(source: &str) -> Result<(), CompileError> {
    if source.len() > MOST_SOURCE {
        let message = format!("the expression is longer than {MOST_SOURCE} bytes");
        return Err(CompileError::new(message, 0..source.len()));
    }
    let mut depth = 0_usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_NESTING {
            let message = format!("the expression is nested more than {MOST_NESTING} levels deep");
            return Err(CompileError::new(message, at..at + 1));
        }
    }
    Ok(())
}

/// Parses a program. Runs on a worker: deep nesting needs a large stack.
pub(super) fn parse(source: &str) -> Result<Term<'_>, CompileError> {
    let tokens = Lexer::new(source).lex().map_err(|errors| {
        let Some((expected, rest)) = errors.into_iter().next() else {
            return CompileError::new("cannot parse the expression", 0..source.len());
        };
        let at = span(source, rest).start;
        let end = at + rest.chars().next().map_or(0, char::len_utf8);
        match expected {
            jaq_core::load::lex::Expect::Delim(open) => {
                let open_at = span(source, open);
                CompileError::new(format!("`{open}` is never closed"), open_at)
            }
            jaq_core::load::lex::Expect::Token => {
                let found = &source[at..end];
                let error = CompileError::new(format!("`{found}` is not part of jq"), at..end);
                foreign(source, at).map_or(error.clone(), |help| error.help(help))
            }
            other => CompileError::new(format!("expected a {}", other.as_str()), at..end),
        }
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let Some((expected, found)) = errors.into_iter().next() else {
            return CompileError::new("cannot parse the expression", 0..source.len());
        };
        let expected = match expected {
            parse::Expect::Just("") | parse::Expect::Nothing => {
                "the end of the expression".to_owned()
            }
            parse::Expect::Just(token) => format!("`{token}`"),
            parse::Expect::Term => "an expression".to_owned(),
            other => other.as_str().to_owned(),
        };
        let Some(found) = found else {
            let end = source.len()..source.len();
            return CompileError::new(
                format!("expected {expected}, and the expression ends here"),
                end,
            );
        };
        let range = span(source, found.as_str());
        let error = CompileError::new(
            format!("expected {expected}, found `{}`", found.as_str()),
            range.clone(),
        );
        foreign(source, range.start).map_or(error.clone(), |help| error.help(help))
    })
}

/// The two sides of `and` or `or`; none for any other term.
pub(super) fn split(term: Term<'_>) -> Option<(Connective, Term<'_>, Term<'_>)> {
    match term {
        Term::BinOp(left, BinaryOp::And, right) => Some((Connective::And, *left, *right)),
        Term::BinOp(left, BinaryOp::Or, right) => Some((Connective::Or, *left, *right)),
        _ => None,
    }
}

/// The term at a place within others.
pub(super) fn within<'s>(term: Term<'s>, place: &[Side]) -> Option<Term<'s>> {
    place.iter().try_fold(term, |term, side| {
        let (_, left, right) = split(term)?;
        Some(match side {
            Side::Left => left,
            Side::Right => right,
        })
    })
}

/// What people write who come from other languages.
fn foreign(source: &str, at: usize) -> Option<&'static str> {
    let before = source[..at].trim_end();
    let here = &source[at..];
    Some(match () {
        () if here.starts_with("&&") || here.starts_with('&') => "use `and`",
        () if here.starts_with("||") || before.ends_with('|') && here.starts_with('|') => {
            "use `or`"
        }
        () if here.starts_with('\'') => "strings are written in double quotes",
        () if here.starts_with("===") => "use `==`",
        () if here.starts_with('!') => "negate with `| not`",
        () if before.ends_with('{') && here.starts_with('{') => {
            "this is jq, not a template: write $params.name"
        }
        () if here.starts_with('`') => "remove the backquotes",
        () => return None,
    })
}

macro_rules! walker {
    ($name:ident, $iter:ident, $deref:ident $(, $mutable:tt)?) => {
        /// The terms directly within a term.
        pub(super) fn $name<'t, 's>(term: &'t $($mutable)? Term<'s>) -> Vec<&'t $($mutable)? Term<'s>> {
            fn pattern<'t, 's>(
                pat: &'t $($mutable)? Pattern<&'s str>,
                out: &mut Vec<&'t $($mutable)? Term<'s>>,
            ) {
                match pat {
                    Pattern::Var(_) => {}
                    Pattern::Arr(items) => items.$iter().for_each(|item| pattern(item, out)),
                    Pattern::Obj(entries) => {
                        for (key, value) in entries.$iter() {
                            out.push(key);
                            pattern(value, out);
                        }
                    }
                }
            }
            let mut out = Vec::new();
            match term {
                Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
                Term::Str(_, parts) => {
                    for part in parts.$iter() {
                        if let StrPart::Term(inner) = part {
                            out.push(inner);
                        }
                    }
                }
                Term::Arr(inner) => out.extend(inner.$deref()),
                Term::Obj(entries) => {
                    for (key, value) in entries.$iter() {
                        out.push(key);
                        if let Some(value) = value {
                            out.push(value);
                        }
                    }
                }
                Term::Neg(inner) | Term::Label(_, inner) => out.push(inner),
                Term::BinOp(left, op, right) => {
                    out.push(left);
                    if let BinaryOp::Pipe(Some(pat)) = op {
                        pattern(pat, &mut out);
                    }
                    out.push(right);
                }
                Term::Fold(_, source, pat, args) => {
                    out.push(source);
                    pattern(pat, &mut out);
                    out.extend(args.$iter());
                }
                Term::TryCatch(body, handler) => {
                    out.push(body);
                    out.extend(handler.$deref());
                }
                Term::IfThenElse(branches, otherwise) => {
                    for (condition, then) in branches.$iter() {
                        out.push(condition);
                        out.push(then);
                    }
                    out.extend(otherwise.$deref());
                }
                Term::Def(defs, inner) => {
                    out.extend(defs.$iter().map(|def| & $($mutable)? def.body));
                    out.push(inner);
                }
                Term::Call(_, args) => out.extend(args.$iter()),
                Term::Path(inner, Path(parts)) => {
                    out.push(inner);
                    for (part, _) in parts.$iter() {
                        match part {
                            Part::Index(index) => out.push(index),
                            Part::Range(from, to) => out.extend(from.$iter().chain(to.$iter())),
                        }
                    }
                }
            }
            out
        }
    };
}

walker!(children, iter, as_deref);
walker!(children_mut, iter_mut, as_deref_mut, mut);

/// Calls `visit` for the term and everything within.
pub(super) fn visit<'t, 's>(term: &'t Term<'s>, visitor: &mut dyn FnMut(&'t Term<'s>)) {
    visitor(term);
    for child in children(term) {
        visit(child, visitor);
    }
}

/// The filters that a term calls, with their number of arguments.
pub(super) fn calls<'s>(term: &Term<'s>) -> Vec<(&'s str, usize)> {
    let mut out = Vec::new();
    visit(term, &mut |term| match term {
        Term::Call(name, args) => out.push((*name, args.len())),
        Term::Str(Some(format), _) => out.push((*format, 0)),
        _ => {}
    });
    out
}

pub(super) fn pipe<'s>(
    left: Term<'s>,
    pattern: Option<Pattern<&'s str>>,
    right: Term<'s>,
) -> Term<'s> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(pattern), Box::new(right))
}

fn call<'s>(name: &'s str, args: Vec<Term<'s>>) -> Term<'s> {
    Term::Call(name, args)
}

/// `_tick as $_tick | body`: counts a step; transparent also for paths and updates.
fn ticking<'s>(body: Term<'s>) -> Term<'s> {
    pipe(call("_tick", Vec::new()), Some(Pattern::Var("$_tick")), body)
}

/// `body | _pulse`: looks at what was made, where it cannot be a path.
fn pulsing<'s>(body: Term<'s>) -> Term<'s> {
    pipe(body, None, call("_pulse", Vec::new()))
}

fn iterates<T>(path: &Path<T>) -> bool {
    path.0.iter().any(|(part, _)| matches!(part, Part::Range(None, None)))
}

/// Makes every loop of a program count its steps, and every operation that could ask for unlimited
/// memory at once look first.
pub(super) fn guard(term: &mut Term<'_>) {
    for child in children_mut(term) {
        guard(child);
    }
    match term {
        Term::Recurse => *term = pipe(Term::Recurse, None, ticking(Term::Id)),
        Term::Path(_, path) if iterates(path) => {
            *term = pipe(std::mem::take(term), None, ticking(Term::Id));
        }
        Term::Fold(_, _, _, args) => {
            if let Some(update) = args.get_mut(1) {
                *update = pipe(std::mem::take(update), None, ticking(Term::Id));
            }
        }
        Term::Def(defs, _) => {
            for def in defs {
                def.body = ticking(std::mem::take(&mut def.body));
            }
        }
        Term::Str(_, parts) => {
            let terms = parts.iter().filter(|part| matches!(part, StrPart::Term(_))).count();
            for part in parts {
                if let StrPart::Term(inner) = part {
                    // the parts together are one text
                    let share = match terms {
                        0..=4 => "_fits",
                        5..=16 => "_fits_16",
                        _ => "_fits_512",
                    };
                    *inner = pipe(std::mem::take(inner), None, call(share, Vec::new()));
                }
            }
            if terms > 0 {
                *term = pulsing(std::mem::take(term));
            }
        }
        Term::Arr(Some(inner)) => **inner = pulsing(std::mem::take(inner)),
        Term::BinOp(_, BinaryOp::Update, right) => **right = pulsing(std::mem::take(right)),
        Term::BinOp(left, BinaryOp::Math(op), right) => {
            *term = pulsing(match op {
                Math::Mul => call("_mul", vec![std::mem::take(left), std::mem::take(right)]),
                Math::Div => call("_div", vec![std::mem::take(left), std::mem::take(right)]),
                Math::Add | Math::Sub | Math::Rem => std::mem::take(term),
            });
        }
        Term::BinOp(left, BinaryOp::UpdateMath(op), right) => {
            let operand = Pattern::Var("$_operand");
            let result = match op {
                Math::Mul => call("_mul", vec![Term::Id, Term::Var("$_operand")]),
                Math::Div => call("_div", vec![Term::Id, Term::Var("$_operand")]),
                Math::Add | Math::Sub | Math::Rem => Term::BinOp(
                    Box::new(Term::Id),
                    BinaryOp::Math(*op),
                    Box::new(Term::Var("$_operand")),
                ),
            };
            let update = Term::BinOp(
                Box::new(std::mem::take(left)),
                BinaryOp::Update,
                Box::new(pulsing(result)),
            );
            *term = pipe(std::mem::take(right), Some(operand), update);
        }
        Term::Call("age", args) if args.is_empty() => {
            let now = (Part::Index(Term::Str(None, vec![StrPart::Str("now")])), Opt::Essential);
            let now = Term::Path(Box::new(Term::Var("$run")), Path(vec![now]));
            *term = call("_age", vec![now]);
        }
        _ => {}
    }
}

/// The text of a string without interpolation.
pub(super) fn constant<'s>(term: &Term<'s>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts[..] {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn first_key<'s>(path: &Path<Term<'s>>) -> Option<&'s str> {
    match path.0.first() {
        Some((Part::Index(index), _)) => constant(index),
        _ => None,
    }
}

/// The first key that is read from what is piped into the term.
fn leading_key<'s>(term: &Term<'s>) -> Option<&'s str> {
    match term {
        Term::BinOp(left, _, _) => leading_key(left),
        Term::Path(inner, path) => match **inner {
            Term::Id => first_key(path),
            _ => leading_key(inner),
        },
        _ => None,
    }
}

/// Every use of a variable of `globals` (with `$`), in the order of the source.
pub(super) fn references(source: &str, term: &Term<'_>, globals: &[String]) -> Vec<Reference> {
    let mut out = Vec::new();
    collect(source, term, globals, &mut out);
    out.sort_by_key(|reference| (reference.range.start, reference.range.end));
    out
}

fn collect(source: &str, term: &Term<'_>, globals: &[String], out: &mut Vec<Reference>) {
    let mut found = |variable: &str, key: Option<&str>| {
        if globals.iter().any(|global| global == variable) {
            let range = reach(source, variable, key);
            let asks = asks(&source[range.end..]);
            out.push(Reference {
                root: variable[1..].to_owned(),
                name: key.map(str::to_owned),
                range,
                asks,
            });
        }
    };
    let skipped = match term {
        Term::Var(variable) => {
            found(variable, None);
            None
        }
        Term::Path(inner, path) => match **inner {
            Term::Var(variable) => {
                found(variable, first_key(path));
                Some(&**inner)
            }
            _ => None,
        },
        Term::BinOp(left, BinaryOp::Pipe(None), right) => match **left {
            Term::Var(variable) => {
                found(variable, leading_key(right));
                Some(&**left)
            }
            _ => None,
        },
        _ => None,
    };
    for child in children(term) {
        if !skipped.is_some_and(|skipped| std::ptr::eq(skipped, child)) {
            collect(source, child, globals, out);
        }
    }
}

/// What of a step the text behind a reference to it asks for.
pub(super) fn asks(rest: &str) -> Asks {
    let field = rest.strip_prefix('.').unwrap_or_default();
    let end = field.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(field.len());
    match &field[..end] {
        "failed" | "passed" | "outcome" | "reason" => Asks::Outcome,
        "output" => Asks::Output,
        _ => Asks::Any,
    }
}

/// Whether a program compares by order.
pub(super) fn has_bound(term: &Term<'_>) -> bool {
    let mut found = false;
    visit(term, &mut |term| {
        found |=
            matches!(term, Term::BinOp(_, BinaryOp::Cmp(Cmp::Lt | Cmp::Le | Cmp::Gt | Cmp::Ge), _));
    });
    found
}

/// The keys and texts that are written out in a program.
pub(super) fn keys(term: &Term<'_>) -> Vec<String> {
    let mut keys = Vec::new();
    visit(term, &mut |term| keys.extend(constant(term).map(str::to_owned)));
    keys
}

/// From the variable to the end of its key: `$steps.leader`, `$steps["leader"]`.
fn reach(source: &str, variable: &str, key: Option<&str>) -> Range<usize> {
    let mut range = span(source, variable);
    if let Some(key) = key {
        range.end = span(source, key).end;
        let rest = &source[range.end..];
        if rest.starts_with('"') {
            range.end += if rest.starts_with("\"]") { 2 } else { 1 };
        }
    }
    range
}

/// Filters whose output does not depend on their input, only on their arguments.
const INPUTLESS: [&str; 8] =
    ["true", "false", "null", "empty", "nan", "infinite", "range", "semver_cmp"];

/// Whether the outputs can depend on the input or on a variable of `globals` (with `$`).
pub(super) fn depends(term: &Term<'_>, globals: &[String]) -> bool {
    let any = |terms: Vec<&Term<'_>>| terms.into_iter().any(|term| depends(term, globals));
    match term {
        Term::Id | Term::Recurse | Term::Def(..) | Term::IfThenElse(_, None) => true,
        Term::Var(variable) => globals.iter().any(|global| global == variable),
        Term::Call(name, _) if !INPUTLESS.contains(name) => true,
        Term::Obj(entries) => entries.iter().any(|(key, value)| match value {
            Some(value) => depends(key, globals) || depends(value, globals),
            None => !matches!(key, Term::Var(_)) || depends(key, globals),
        }),
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            depends(left, globals) || mentions(right, globals)
        }
        Term::Fold(_, source, _, args) => {
            depends(source, globals)
                || args.first().is_none_or(|init| depends(init, globals))
                || args.iter().skip(1).any(|arg| mentions(arg, globals))
        }
        Term::Num(_)
        | Term::Str(..)
        | Term::Arr(_)
        | Term::Neg(_)
        | Term::BinOp(..)
        | Term::Label(..)
        | Term::Break(_)
        | Term::TryCatch(..)
        | Term::IfThenElse(..)
        | Term::Call(..)
        | Term::Path(..) => any(children(term)),
    }
}

fn mentions(term: &Term<'_>, globals: &[String]) -> bool {
    let mut found = false;
    visit(term, &mut |term| {
        found |= match term {
            Term::Var(variable) => globals.iter().any(|global| global == variable),
            Term::Call("age", _) => true,
            _ => false,
        };
    });
    found
}
