//! Why a condition is false: the values that it compared, not a bare "false".

use jaq_core::load::parse::{BinaryOp, Pattern};
use jaq_core::load::span;
use jaq_core::ops::Cmp;
use jaq_json::Val;
use serde_json::Value;

use super::bindings::Bindings;
use super::budget::Meter;
use super::jq::Program;
use super::syntax::{self, Term};
use super::value::{Export, show};

/// The values behind a false condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explanation {
    /// What was wanted: the right side of `==`, or a comparison as text.
    pub(super) expected: Value,
    /// What was found.
    pub(super) actual: Value,
    /// Both in one line.
    pub(super) reason: String,
}

/// A condition taken apart.
pub(super) struct Explainer {
    root: ConditionPart,
}

enum ConditionPart {
    /// `left op right`
    Compare(Box<Program>, Cmp, Box<Program>),
    /// The left condition, and what explains it and the right one.
    And(Box<Program>, Box<ConditionPart>, Box<ConditionPart>),
    Or(Box<ConditionPart>, Box<ConditionPart>),
    /// `value | not`
    Not(Box<Program>),
    /// `value | wanted`, with the text of what is wanted
    Value(Box<Program>, String),
    /// Something else.
    Opaque,
}

/// What is piped into the term at hand.
type Prefix<'s> = Vec<(Term<'s>, Option<Pattern<&'s str>>)>;

impl Explainer {
    /// Takes a condition apart that compiled before. Runs on a worker.
    pub(super) fn new(source: &str, variables: &[String]) -> Self {
        let globals: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
        let root = match syntax::parse(source) {
            Ok(term) => Builder { source, globals: &globals }.part(term, &mut Vec::new()),
            Err(_) => ConditionPart::Opaque,
        };
        Self { root }
    }

    /// The values behind a false condition for an input.
    pub(super) fn explain(&self, input: &Val, bindings: &Bindings, meter: &Meter) -> Explanation {
        let run = ExplanationRun { input, bindings, meter };
        run.part(&self.root).unwrap_or_else(|| Explanation {
            expected: Value::Bool(true),
            actual: Value::Bool(false),
            reason: "false, want true".to_owned(),
        })
    }
}

struct Builder<'s, 'g> {
    source: &'s str,
    globals: &'g [String],
}

impl<'s> Builder<'s, '_> {
    /// The program `prefix | term`.
    fn program(&self, prefix: &Prefix<'s>, term: Term<'s>) -> Option<Box<Program>> {
        let whole = prefix
            .iter()
            .rev()
            .fold(term, |rest, (left, pattern)| syntax::pipe(left.clone(), pattern.clone(), rest));
        Program::assemble(self.source, whole, self.globals).ok().map(Box::new)
    }

    fn part(&self, term: Term<'s>, prefix: &mut Prefix<'s>) -> ConditionPart {
        self.known(term, prefix).unwrap_or(ConditionPart::Opaque)
    }

    fn known(&self, term: Term<'s>, prefix: &mut Prefix<'s>) -> Option<ConditionPart> {
        Some(match term {
            Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
                prefix.push((*left, pattern));
                let part = self.part(*right, prefix);
                prefix.pop();
                part
            }
            Term::BinOp(left, BinaryOp::And, right) => {
                let condition = self.program(prefix, (*left).clone())?;
                let left = self.part(*left, prefix);
                ConditionPart::And(condition, Box::new(left), Box::new(self.part(*right, prefix)))
            }
            Term::BinOp(left, BinaryOp::Or, right) => {
                let left = self.part(*left, prefix);
                ConditionPart::Or(Box::new(left), Box::new(self.part(*right, prefix)))
            }
            Term::BinOp(left, BinaryOp::Cmp(op), right) => {
                let (left, right) = versions(*left, *right);
                ConditionPart::Compare(
                    self.program(prefix, left)?,
                    op,
                    self.program(prefix, right)?,
                )
            }
            Term::Call("not", _) if !prefix.is_empty() => {
                ConditionPart::Not(self.program(prefix, Term::Id)?)
            }
            Term::Call(..) => {
                let wanted = self.text(&term);
                ConditionPart::Value(self.program(prefix, Term::Id)?, wanted)
            }
            // `.a.ready`: the value is what it says.
            _ => return None,
        })
    }

    /// The text of a term that ends a condition.
    fn text(&self, term: &Term<'s>) -> String {
        let start = match term {
            Term::Call(name, _) => span(self.source, name).start,
            _ => 0,
        };
        let mut depth = 0_usize;
        let rest = &self.source[start..];
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.char_indices().find(|(at, c)| {
            if quoted {
                quoted = escaped || *c != '"';
                escaped = !escaped && *c == '\\';
                return false;
            }
            match c {
                '"' => quoted = true,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => return true,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            let here = &rest[*at..];
            depth == 0 && (here.starts_with(" and ") || here.starts_with(" or "))
        });
        let text = end.map_or(rest, |(end, _)| &rest[..end]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// `semver_cmp(a; b) >= 0` compares a with b.
fn versions<'s>(left: Term<'s>, right: Term<'s>) -> (Term<'s>, Term<'s>) {
    match (left, right) {
        (Term::Call("semver_cmp", mut args), Term::Num("0")) if args.len() == 2 => {
            let right = args.pop().unwrap_or_default();
            (args.pop().unwrap_or_default(), right)
        }
        other => other,
    }
}

struct ExplanationRun<'r> {
    input: &'r Val,
    bindings: &'r Bindings,
    meter: &'r Meter,
}

impl ExplanationRun<'_> {
    /// The one value of a program, if it has one.
    fn value(&self, program: &Program) -> Option<Value> {
        let outputs = program.outputs(self.input.clone(), self.bindings, self.meter).ok()?;
        match &outputs[..] {
            [only] => Export::default().value(only).ok(),
            _ => None,
        }
    }

    fn part(&self, part: &ConditionPart) -> Option<Explanation> {
        match part {
            ConditionPart::Compare(left, op, right) => {
                let (actual, right) = (self.value(left)?, self.value(right)?);
                let (sign, wanted) = (sign(*op), plain(&right));
                let reason = match op {
                    Cmp::Eq => format!("{}, want {wanted}", plain(&actual)),
                    _ => format!("{}, want {sign} {wanted}", plain(&actual)),
                };
                let expected = match op {
                    Cmp::Eq => right,
                    _ => Value::String(format!("{sign} {wanted}")),
                };
                Some(Explanation { expected, actual, reason })
            }
            ConditionPart::And(condition, left, right) => match self.value(condition)? {
                Value::Bool(false) => self.part(left),
                _ => self.part(right),
            },
            ConditionPart::Or(left, right) => {
                let (left, right) = (self.part(left)?, self.part(right)?);
                let wanted = format!("{} or {}", plain(&left.expected), plain(&right.expected));
                let (actual, found) = if left.actual == right.actual {
                    (left.actual.clone(), plain(&left.actual))
                } else {
                    let found = format!("{} and {}", plain(&left.actual), plain(&right.actual));
                    (Value::Array(vec![left.actual, right.actual]), found)
                };
                let reason = format!("{found}, want {wanted}");
                Some(Explanation { expected: Value::String(wanted), actual, reason })
            }
            ConditionPart::Not(program) => {
                let actual = self.value(program)?;
                let reason = format!("{}, want false", plain(&actual));
                Some(Explanation { expected: Value::Bool(false), actual, reason })
            }
            ConditionPart::Value(program, wanted) => {
                let actual = self.value(program)?;
                let reason = format!("{}, want {wanted}", plain(&actual));
                Some(Explanation { expected: Value::String(wanted.clone()), actual, reason })
            }
            ConditionPart::Opaque => None,
        }
    }
}

fn sign(op: Cmp) -> &'static str {
    match op {
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Gt => ">",
        Cmp::Ge => ">=",
        Cmp::Eq => "==",
        Cmp::Ne => "!=",
    }
}

/// An object of the API by its kind and name: `deployment/web`.
fn named(value: &Value) -> Option<String> {
    let (kind, name) = (value["kind"].as_str()?, value["metadata"]["name"].as_str()?);
    value["apiVersion"].is_string().then(|| format!("{}/{name}", kind.to_ascii_lowercase()))
}

/// A value in a sentence: words without quotes, objects of the API by name, the rest as cut JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && text.len() <= 80 && !text.contains(['\n', '"', ',']) =>
        {
            text.clone()
        }
        other => named(other).unwrap_or_else(|| show(other)),
    }
}
