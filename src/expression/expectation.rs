//! The judged condition of a step: one condition, or a quantifier over a list.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jaq_json::Val;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bindings::Bindings;
use super::budget::{Meter, fits_in_text};
use super::data::{Operand, leanly};
use super::error::{Budget, CompileError, EvalError, EvalErrorKind};
use super::evidence;
use super::explain::{self, Explainer, Explanation, plain};
use super::jq::{Jq, Reference, compile, metered, one, supposing, truth};
use super::need::NeedsByName;
use super::strict::unread;
use super::template::{Template, template};
use super::value::{Export, capped, show};
use crate::event::{JudgedItem, Judgement, Truth};

/// A condition over the output of a step.
///
/// Exactly one of `that`, `all`, `any`, `none`, `exactly` and `same` is given. A condition is true
/// or false: null, a number or nothing at all is an error, never a silent "false".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// A jq condition over the whole output: `.items | length > 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub that: Option<String>,
    /// A jq condition that every item of the list fulfils: `.status == 200`. An empty list is an
    /// error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<String>,
    /// A jq condition that at least one item of the list fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<String>,
    /// A jq condition that no item of the list fulfils; none does in an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
    /// The number of items of the list that fulfil the condition `of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exactly: Option<u64>,
    /// A jq expression that has the same value for every item of the list: `.image`. An empty list
    /// is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<String>,
    /// The jq condition that `exactly` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// A jq expression that gives the list to judge: `.items`. Without it the output itself is the
    /// list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// What it means when the expectation is not met, for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A compiled [`Expect`]; clones share it.
#[derive(Clone, Debug)]
pub struct Expectation {
    rule: Rule,
    condition: Jq,
    over: Option<Jq>,
    message: Option<Template>,
    variables: Vec<String>,
    /// `FILE:LINE:COLUMN`
    at: Option<String>,
    needs: Arc<NeedsByName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    That,
    All,
    Any,
    None,
    Exactly(u64),
    Same,
}

/// Compiles an expectation; `variables` are named as for [`compile`].
///
/// # Errors
///
/// The field to blame, and what is wrong with it.
pub fn compile_expectation(
    e: &Expect,
    variables: &[&str],
) -> Result<Expectation, (String, CompileError)> {
    let at = |field: &str, message: String| (field.to_owned(), CompileError::new(message, 0..0));
    let mut given = Vec::new();
    let conditions = [
        ("that", Rule::That, &e.that),
        ("all", Rule::All, &e.all),
        ("any", Rule::Any, &e.any),
        ("none", Rule::None, &e.none),
        ("same", Rule::Same, &e.same),
    ];
    for (field, rule, source) in conditions {
        if let Some(source) = source {
            given.push((field, rule, Some(source)));
        }
    }
    if let Some(count) = e.exactly {
        given.push(("exactly", Rule::Exactly(count), e.of.as_ref()));
    }
    let (field, rule, source) = match given[..] {
        [given] => given,
        [] => {
            let message =
                "an expectation requires one of `that`, `all`, `any`, `none`, `exactly` and `same`";
            let field = if e.of.is_some() { "of" } else { "expect" };
            return Err(at(field, message.to_owned()));
        }
        [(first, ..), (second, ..), ..] => {
            let message =
                format!("`{first}` and `{second}` cannot be combined: use two expectations");
            return Err(at(second, message));
        }
    };
    let counts = matches!(rule, Rule::Exactly(_));
    if e.of.is_some() && !counts {
        return Err(at("of", format!("`of` belongs to `exactly`, not to `{field}`")));
    }
    if e.over.is_some() && rule == Rule::That {
        return Err(at(
            "over",
            "`over` belongs to a quantifier such as `all`, not to `that`".to_owned(),
        ));
    }
    let field = if counts { "of" } else { field };
    let source = source.ok_or_else(|| {
        at("exactly", "`exactly` requires `of`: the condition to count".to_owned())
    })?;
    let jq = |field: &str, source: &str| {
        compile(source, variables).map_err(|error| (field.to_owned(), error))
    };
    let condition = jq(field, source)?;
    if condition.is_constant() {
        let error = CompileError::new(
            "constant expectation: it refers to nothing and never changes",
            0..source.len(),
        );
        return Err((
            field.to_owned(),
            error.help("refer to the output with `.` or to a variable"),
        ));
    }
    let over = e.over.as_ref().map(|over| jq("over", over)).transpose()?;
    let message = e.message.as_deref().map(template).transpose();
    let message = message.map_err(|error| ("message".to_owned(), error))?;
    let needs = Arc::new(if rule == Rule::That {
        condition.needs().clone()
    } else {
        condition.needs_of_items(over.as_ref())
    });
    let variables = variables.iter().map(|name| (*name).to_owned()).collect();
    Ok(Expectation { rule, condition, over, message, variables, at: None, needs })
}

impl Expectation {
    /// The same, written at this place: `FILE:LINE:COLUMN`.
    #[must_use]
    pub fn written_at(mut self, at: String) -> Self {
        self.at = Some(at);
        self
    }

    /// Every use of a variable in the expectation.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let over = self.over.iter().flat_map(|over| over.references());
        self.condition.references().iter().chain(over)
    }

    /// What it means when it is not met: a template.
    pub fn message(&self) -> Option<&Template> {
        self.message.as_ref()
    }

    /// Whether its condition compares by order.
    pub fn has_bound(&self) -> bool {
        self.condition.has_bound()
    }

    /// Whether one item that is as it should be is enough, whatever the others are.
    pub fn needs_one(&self) -> bool {
        self.rule == Rule::Any
    }

    /// Whether it is about the output as a whole and not about its items.
    pub fn is_about_all(&self) -> bool {
        self.rule == Rule::That
    }

    /// Whether it looks at a field of this name.
    pub fn mentions(&self, key: &str) -> bool {
        self.condition.mentions(key) || self.over.as_ref().is_some_and(|over| over.mentions(key))
    }

    /// How many must meet the condition in words, the list that they are in, and the condition as it
    /// is written; no words: the condition is about the output as a whole.
    pub fn worded(&self) -> (String, Option<&Jq>, &Jq) {
        let words = match self.rule {
            Rule::That => String::new(),
            Rule::All => "every item".to_owned(),
            Rule::Any => "at least one item".to_owned(),
            Rule::None => "no item".to_owned(),
            Rule::Exactly(count) => format!("exactly {count}"),
            Rule::Same => "the same in every item".to_owned(),
        };
        (words, self.over.as_ref(), &self.condition)
    }

    /// The expectation in one line: `all: .status == 200`.
    pub fn describe(&self) -> String {
        let source = self.condition.source().split_whitespace().collect::<Vec<_>>().join(" ");
        let rule = match self.rule {
            Rule::That => return source,
            Rule::All => "all".to_owned(),
            Rule::Any => "any".to_owned(),
            Rule::None => "none".to_owned(),
            Rule::Exactly(count) => format!("exactly {count} of"),
            Rule::Same => "same".to_owned(),
        };
        format!("{rule}: {source}")
    }

    /// Judges the output of a step. The budget is for the whole judgement.
    pub fn judge(
        &self,
        output: &(impl Operand + ?Sized),
        bindings: &Bindings,
        budget: Budget,
    ) -> Judgement {
        let judge = |input: Val, bindings: Bindings| {
            let this = self.clone();
            metered(budget, move |meter| this.judge_within(input, &bindings, meter))
        };
        let judged = leanly(&self.needs, output, bindings, judge, |judgement| {
            judgement.outcome == Truth::True
        });
        let mut judgement = judged.unwrap_or_else(|error| Judgement {
            that: String::new(),
            outcome: Truth::Error,
            expected: self.wanted(),
            actual: Value::Null,
            items: Vec::new(),
            reason: error.message,
            brief: None,
            message: None,
            at: None,
        });
        judgement.that = self.describe();
        judgement.message = self.message.as_ref().map(|message| message.source().to_owned());
        judgement.at = self.at.clone().filter(|_| judgement.outcome != Truth::True);
        judgement
    }

    /// What is wanted, before anything is known about the list.
    fn wanted(&self) -> Value {
        match self.rule {
            Rule::That => Value::Bool(true),
            Rule::Exactly(count) => Value::from(count),
            Rule::None => Value::from(0),
            Rule::All => "all".into(),
            Rule::Any => "at least 1".into(),
            Rule::Same => "one value".into(),
        }
    }

    fn judge_within(
        &self,
        input: Val,
        bindings: &Bindings,
        meter: &Meter,
    ) -> Result<Judgement, EvalError> {
        let run = JudgementRun { expectation: self, bindings, meter, explainer: OnceCell::new() };
        if self.rule == Rule::That {
            return run.that(input);
        }
        let items = run.list(input)?;
        if items.is_empty() && matches!(self.rule, Rule::All | Rule::Same) {
            let reason = "nothing to evaluate: the list is empty";
            return Err(EvalError::new(EvalErrorKind::Runtime, reason));
        }
        if self.rule == Rule::Same { run.same(&items) } else { run.count(&items) }
    }
}

/// What is to be told of an input that is to blame.
struct ReasonedItem {
    expected: Value,
    actual: Value,
    reason: String,
    because: Option<String>,
}

/// The longest text of an input in which reasons are looked for, in bytes.
const MOST_TOLD: usize = 4 << 20;
/// Items whose reasons are looked for: a person reads no more.
const MOST_REASONS: usize = 50;

/// One judgement under way.
struct JudgementRun<'r> {
    expectation: &'r Expectation,
    bindings: &'r Bindings,
    meter: &'r Meter,
    explainer: OnceCell<Explainer>,
}

/// What is known of one item: its value, or why it has none.
type Determined<T> = Result<T, String>;

impl JudgementRun<'_> {
    fn judgement(&self, outcome: Truth, actual: Value, reason: String) -> Judgement {
        Judgement {
            that: String::new(),
            outcome,
            expected: self.expectation.wanted(),
            actual,
            items: Vec::new(),
            reason,
            brief: None,
            message: None,
            at: None,
        }
    }

    /// The one value of the condition for an input; the end of the budget ends the judgement.
    fn value(&self, jq: &Jq, input: Val) -> Result<Value, EvalError> {
        let outputs = jq.program().outputs(input, self.bindings, self.meter)?;
        let mut export = Export::default();
        let outputs: Result<Vec<Value>, _> = outputs.iter().map(|val| export.value(val)).collect();
        one(jq.source(), outputs?)
    }

    fn explain(&self, input: &Val) -> explain::Explanation {
        let explainer = self.explainer.get_or_init(|| {
            Explainer::new(self.expectation.condition.source(), &self.expectation.variables)
        });
        explainer.explain(input, self.bindings, self.meter)
    }

    /// The values behind a false condition, and the reason that the input itself has for them.
    fn told(&self, input: &Val) -> ReasonedItem {
        let Explanation { expected, actual, mut reason } = self.explain(input);
        // as a value it takes ten times of its text
        let item = if fits_in_text(input, MOST_TOLD) {
            Export::default().value(input).unwrap_or_default()
        } else {
            Value::Null
        };
        if let Some(rest) = reason.strip_prefix("null").filter(|_| actual.is_null()) {
            reason = format!("{}{rest}", evidence::instead_of_null(&item).unwrap_or("null"));
        }
        let because = evidence::because(&item, self.expectation.condition.source())
            .filter(|because| !reason.contains(because.as_str()));
        let Some(because) = because else {
            return ReasonedItem { expected, actual: capped(actual), reason, because: None };
        };
        // of a list or an object it is the part that decides
        let is_whole = actual.is_array() || actual.is_object();
        let reason = if is_whole { because.clone() } else { format!("{reason}: {because}") };
        let actual = if is_whole && capped(actual.clone()) != actual {
            Value::String(because.clone())
        } else {
            actual
        };
        ReasonedItem { expected, actual, reason, because: Some(because) }
    }

    fn that(&self, input: Val) -> Result<Judgement, EvalError> {
        let jq = &self.expectation.condition;
        let holds = || truth(jq.source(), &self.value(jq, input.clone())?);
        let natural = holds()?;
        if supposing(self.meter, 1, natural, &holds)? {
            return Ok(self.judgement(Truth::True, Value::Bool(true), "holds".to_owned()));
        }
        let told = self.told(&input);
        let mut judgement = self.judgement(Truth::False, told.actual, told.reason);
        judgement.expected = told.expected;
        Ok(judgement)
    }

    /// The list to judge.
    fn list(&self, input: Val) -> Result<Vec<Val>, EvalError> {
        let (source, list) = match &self.expectation.over {
            None => (".", input),
            Some(over) => {
                let mut outputs = over.program().outputs(input, self.bindings, self.meter)?;
                match (outputs.pop(), outputs.is_empty()) {
                    (Some(list), true) => (over.source(), list),
                    (last, _) => {
                        let count = outputs.len() + usize::from(last.is_some());
                        let source = over.source();
                        let message = format!(
                            "`over` returned {count} values instead of one list: use \
                                `[{source}]`"
                        );
                        return Err(EvalError::new(EvalErrorKind::NotOne, message));
                    }
                }
            }
        };
        match list {
            Val::Arr(items) => Ok(items.to_vec()),
            other => {
                let what = show(&Export::default().value(&other)?);
                let hint = if self.expectation.over.is_some() {
                    ""
                } else {
                    ": select the list with `over`"
                };
                let message = format!("`{source}` is {what}, not a list{hint}");
                Err(EvalError::new(EvalErrorKind::Runtime, message))
            }
        }
    }

    /// What an expression says of every item. An item that is itself an error is one here, too.
    fn each<T>(
        &self,
        items: &[Val],
        read: impl Fn(&Jq, &Value) -> Result<T, EvalError>,
    ) -> Result<Vec<Determined<T>>, EvalError> {
        let jq = &self.expectation.condition;
        let mut known = Vec::with_capacity(items.len());
        for item in items {
            if let Some(why) = unread(item) {
                known.push(Err(why));
                continue;
            }
            let result = self.value(jq, item.clone()).and_then(|value| read(jq, &value));
            if let Some(over) = self.meter.tripped() {
                return Err(over);
            }
            known.push(result.map_err(|error| error.message));
        }
        Ok(known)
    }

    /// What the condition says of every item. Where a comparison has nothing to compare in any
    /// item, it decides nothing.
    fn conditions(&self, items: &[Val]) -> Result<Vec<Determined<bool>>, EvalError> {
        let known = self.each(items, |jq, value| truth(jq.source(), value))?;
        if self.meter.never_there().is_empty() {
            return Ok(known);
        }
        let jq = &self.expectation.condition;
        let pairs = items.iter().zip(known);
        Ok(pairs
            .map(|(item, known)| {
                let natural = known?;
                let holds = || truth(jq.source(), &self.value(jq, item.clone())?);
                supposing(self.meter, items.len(), natural, &holds).map_err(|error| error.message)
            })
            .collect())
    }

    /// `all`, `any`, `none`, `exactly`, in three-valued logic: what an unknown item cannot change
    /// is known.
    fn count(&self, items: &[Val]) -> Result<Judgement, EvalError> {
        let known = self.conditions(items)?;
        let total = items.len();
        let holds = known.iter().filter(|known| **known == Ok(true)).count();
        let fails = known.iter().filter(|known| **known == Ok(false)).count();
        let unknown = total - holds - fails;
        let certain = |certain: bool, outcome| (certain || unknown == 0).then_some(outcome);
        let (outcome, want) = match self.expectation.rule {
            Rule::All if fails > 0 => (Some(Truth::False), "all".to_owned()),
            Rule::All => (certain(false, Truth::True), "all".to_owned()),
            Rule::Any if holds > 0 => (Some(Truth::True), "at least 1".to_owned()),
            Rule::Any => (certain(false, Truth::False), "at least 1".to_owned()),
            Rule::None if holds > 0 => (Some(Truth::False), "none".to_owned()),
            Rule::None => (certain(false, Truth::True), "none".to_owned()),
            Rule::Exactly(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let impossible = holds > count || holds + unknown < count;
                let outcome = if impossible || holds != count { Truth::False } else { Truth::True };
                (certain(impossible, outcome), count.to_string())
            }
            Rule::That | Rule::Same => (None, String::new()),
        };
        let outcome = outcome.unwrap_or(Truth::Error);
        let mut judgement =
            self.judgement(outcome, Value::from(holds), format!("{holds} of {total}"));
        if outcome != Truth::True {
            judgement.items = self.blamed(items, &known, outcome);
            let details = self.details(items, &known, outcome);
            let counted = format!("{holds} of {total}, want {want}");
            (judgement.reason, judgement.brief) = match outcome {
                Truth::Error => (details, None),
                _ if details.is_empty() => (counted, None),
                _ => (format!("{counted}: {details}"), Some(counted)),
            };
        }
        if self.expectation.rule == Rule::All {
            judgement.expected = Value::from(total);
        }
        Ok(judgement)
    }

    /// Whether an item belongs into the list of those to blame.
    fn is_blamed(&self, known: &Determined<bool>, outcome: Truth) -> bool {
        match (outcome, self.expectation.rule, known) {
            (Truth::Error, _, known) => known.is_err(),
            (_, Rule::All, known) => *known != Ok(true),
            (_, Rule::None, known) => *known != Ok(false),
            (_, Rule::That | Rule::Any | Rule::Exactly(_) | Rule::Same, _) => true,
        }
    }

    fn blamed(&self, items: &[Val], known: &[Determined<bool>], outcome: Truth) -> Vec<JudgedItem> {
        let pairs = items.iter().zip(known).enumerate();
        pairs
            .filter(|(_, (_, known))| self.is_blamed(known, outcome))
            .enumerate()
            .map(|(place, (index, (item, known)))| match known {
                Err(why) => JudgedItem {
                    name: item_name(item, index),
                    value: Value::String(format!("error: {why}")),
                    because: None,
                },
                Ok(_) if place < MOST_REASONS => {
                    let told = self.told(item);
                    JudgedItem {
                        name: item_name(item, index),
                        value: told.actual,
                        because: told.because,
                    }
                }
                Ok(_) => JudgedItem {
                    name: item_name(item, index),
                    value: capped(self.explain(item).actual),
                    because: None,
                },
            })
            .collect()
    }

    /// The first few items to blame, in words.
    fn details(&self, items: &[Val], known: &[Determined<bool>], outcome: Truth) -> String {
        let several = |known: &Determined<bool>| match (outcome, self.expectation.rule) {
            (Truth::False, Rule::Exactly(_) | Rule::Any) => known.is_err(),
            _ => self.is_blamed(known, outcome),
        };
        let all: Vec<_> =
            items.iter().zip(known).enumerate().filter(|(_, (_, known))| several(known)).collect();
        // what is the same but for the names that it quotes is said once
        let mut words: Vec<(String, String, usize)> = Vec::new();
        for (index, (item, known)) in all.iter().take(MOST_REASONS) {
            let name = item_name(item, *index);
            let text = match known {
                Err(why) => format!("{name}: {why}"),
                Ok(true) => self
                    .told(item)
                    .because
                    .map_or_else(|| name.clone(), |because| format!("{name}: {because}")),
                Ok(false) => format!("{name}: {}", self.told(item).reason),
            };
            let core = evidence::core(&text);
            match words.iter_mut().find(|(known, ..)| *known == core) {
                Some((.., count)) => *count += 1,
                None => words.push((core, text, 1)),
            }
        }
        let said: usize = words.iter().take(3).map(|(.., count)| count).sum();
        let mut words: Vec<String> = words
            .into_iter()
            .take(3)
            .map(
                |(_, text, count)| if count > 1 { format!("{text} ({count} times)") } else { text },
            )
            .collect();
        if all.len() > said {
            words.push(format!("and {} more", all.len() - said));
        }
        words.join("; ")
    }

    /// `same`: one value for all items. Two known values decide it, whatever the others are.
    fn same(&self, items: &[Val]) -> Result<Judgement, EvalError> {
        let known = self.each(items, |jq, value| match value {
            Value::Null => {
                let message =
                    format!("`{}` is null: the path does not exist or has no value", jq.source());
                Err(EvalError::new(EvalErrorKind::Runtime, message))
            }
            value => Ok(value.clone()),
        })?;
        let mut groups: BTreeMap<String, (Value, Vec<usize>)> = BTreeMap::new();
        for (index, known) in known.iter().enumerate() {
            if let Ok(value) = known {
                let group =
                    groups.entry(value.to_string()).or_insert_with(|| (value.clone(), Vec::new()));
                group.1.push(index);
            }
        }
        let mut groups: Vec<(Value, Vec<usize>)> = groups.into_values().collect();
        // The most common value first; of equally common ones, that of the first item.
        groups.sort_by_key(|(_, members)| {
            (std::cmp::Reverse(members.len()), members.first().copied())
        });
        let name = |index: usize| item_name(&items[index], index);
        let common = groups.first().map(|(value, _)| value.clone());
        if groups.len() > 1 {
            let values: Vec<Value> = groups.iter().map(|(value, _)| value.clone()).collect();
            let words: Vec<String> = groups
                .iter()
                .take(4)
                .map(|(value, members)| match members[..] {
                    [only] => format!("{} ({})", plain(value), name(only)),
                    _ => format!("{} ({} of {})", plain(value), members.len(), items.len()),
                })
                .collect();
            let more = if groups.len() > 4 { ", …" } else { "" };
            let counted = format!("{} different values", groups.len());
            let reason = format!("{counted}: {}{more}", words.join(", "));
            let mut judgement = self.judgement(Truth::False, capped(Value::Array(values)), reason);
            judgement.brief = Some(counted);
            judgement.expected = capped(common.unwrap_or_default());
            let mut others: Vec<(usize, &Value)> = groups
                .iter()
                .skip(1)
                .flat_map(|(value, members)| members.iter().map(move |index| (*index, value)))
                .collect();
            others.sort_by_key(|(index, _)| *index);
            judgement.items = others
                .into_iter()
                .map(|(index, value)| JudgedItem {
                    name: name(index),
                    value: capped(value.clone()),
                    because: None,
                })
                .collect();
            return Ok(judgement);
        }
        let errors: Vec<JudgedItem> = known
            .iter()
            .enumerate()
            .filter_map(|(index, known)| known.as_ref().err().map(|why| (index, why)))
            .map(|(index, why)| JudgedItem {
                name: name(index),
                value: Value::String(format!("error: {why}")),
                because: None,
            })
            .collect();
        let actual = capped(common.unwrap_or_default());
        if let Some(first) = known.iter().enumerate().find_map(|(index, known)| {
            known.as_ref().err().map(|why| format!("{}: {why}", name(index)))
        }) {
            let mut judgement = self.judgement(Truth::Error, actual, first);
            judgement.items = errors;
            return Ok(judgement);
        }
        let reason = format!("{} for all {}", plain(&actual), items.len());
        Ok(self.judgement(Truth::True, actual, reason))
    }
}

fn field<'v>(val: &'v Val, key: &'static str) -> Option<&'v Val> {
    match val {
        Val::Obj(fields) => fields.get(&Val::utf8_str(key)),
        _ => None,
    }
}

fn string(val: Option<&Val>) -> Option<String> {
    match val {
        Some(Val::TStr(text)) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// What an item is called.
fn item_name(item: &Val, index: usize) -> String {
    const NAMING: [&str; 14] = [
        "pod",
        "name",
        "object",
        "type",
        "host",
        "port",
        "service",
        "node",
        "container",
        "key",
        "id",
        "reason",
        "url",
        "path",
    ];
    let mut outline = serde_json::Map::new();
    for key in NAMING {
        // an item may be large: only what names it is taken out of it
        if let Some(value @ (Val::TStr(_) | Val::Num(_))) = field(item, key) {
            outline.insert(key.to_owned(), Export::default().value(value).unwrap_or_default());
        }
    }
    if let Some(name) = field(item, "metadata").and_then(|metadata| string(field(metadata, "name")))
    {
        outline.insert("metadata".to_owned(), serde_json::json!({"name": name}));
    }
    evidence::name(&Value::Object(outline), index)
}
