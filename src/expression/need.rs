//! Which parts of its input and variables a program can look at, so that the others need not be
//! read. Pure.
//!
//! The answer may name more than is looked at, never less: what is not understood here needs
//! everything that it is given.

use std::collections::BTreeMap;

use jaq_core::load::parse::BinaryOp;
use jaq_core::path::{Part, Path};

use super::strict::TELLS;
use super::syntax::{Term, constant, visit};

/// The parts of one value that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Everything in it.
    pub(super) whole: bool,
    /// The names of its fields.
    pub(super) names: bool,
    /// These parts of every item or field.
    pub(super) each: Option<Box<Need>>,
    /// These parts of some fields.
    pub(super) fields: BTreeMap<String, Need>,
}

/// The needs of a program: of its input under the name `.`, of variables under theirs, with `$`. A
/// variable that is not there is not used.
pub(super) type NeedsByName = BTreeMap<String, Need>;

/// The input, among the variables.
pub(super) const INPUT: &str = ".";

/// Nothing but what kind of value it is, and whether it could be read.
static NOTHING: Need = Need { whole: false, names: false, each: None, fields: BTreeMap::new() };

#[derive(Clone, Debug, PartialEq)]
enum PathStep {
    Field(String),
    Each,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
enum ValueOrigin {
    /// From these places.
    Places(Vec<(String, Vec<PathStep>)>),
    /// A new list of such values.
    List(Box<ValueOrigin>),
    /// New, or from what is needed whole in any case.
    Made,
}

impl Need {
    fn at(&mut self, path: &[PathStep]) -> &mut Need {
        path.iter().fold(self, |need, step| match step {
            PathStep::Field(name) => need.fields.entry(name.clone()).or_default(),
            PathStep::Each => need.each.get_or_insert_default(),
        })
    }

    /// The need of a field; none if it is not looked at.
    pub(super) fn field(&self, name: &str) -> Option<UsedParts<'_>> {
        match (self.whole, self.fields.get(name), self.each.as_deref()) {
            (true, _, _) | (false, Some(_), Some(_)) => Some(UsedParts::Whole),
            (false, Some(need), None) | (false, None, Some(need)) => Some(UsedParts::of(need)),
            (false, None, None) if TELLS.contains(&name) => Some(UsedParts::Whole),
            (false, None, None) if self.names => Some(UsedParts::Parts(&NOTHING)),
            (false, None, None) => None,
        }
    }

    /// The need of an item.
    pub(super) fn item(&self) -> UsedParts<'_> {
        if self.whole {
            UsedParts::Whole
        } else {
            UsedParts::of(self.each.as_deref().unwrap_or(&NOTHING))
        }
    }
}

/// How much of a value is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum UsedParts<'a> {
    /// All of it.
    Whole,
    /// Parts.
    Parts(&'a Need),
}

impl<'a> UsedParts<'a> {
    pub(super) fn of(need: &'a Need) -> Self {
        if need.whole { Self::Whole } else { Self::Parts(need) }
    }
}

/// The needs of a program.
pub(super) fn of_program(term: &Term<'_>, globals: &[String]) -> NeedsByName {
    let mut walk = NeedWalk { needs: NeedsByName::new(), globals };
    let input = walk.place(INPUT);
    let result = walk.go(term, input);
    walk.whole(&result);
    walk.needs
}

/// The needs of a condition over every item of a list.
pub(super) fn of_items(
    over: Option<&Term<'_>>,
    condition: &Term<'_>,
    globals: &[String],
) -> NeedsByName {
    let mut walk = NeedWalk { needs: NeedsByName::new(), globals };
    let input = walk.place(INPUT);
    let list = over.map_or(input.clone(), |over| walk.go(over, input));
    let item = walk.each(list);
    let result = walk.go(condition, item);
    walk.whole(&result);
    walk.needs
}

struct NeedWalk<'g> {
    needs: NeedsByName,
    globals: &'g [String],
}

impl NeedWalk<'_> {
    fn place(&mut self, root: &str) -> ValueOrigin {
        self.needs.entry(root.to_owned()).or_default();
        ValueOrigin::Places(vec![(root.to_owned(), Vec::new())])
    }

    fn at(&mut self, root: &str, path: &[PathStep]) -> &mut Need {
        self.needs.entry(root.to_owned()).or_default().at(path)
    }

    /// The value is used as a whole.
    fn whole(&mut self, origin: &ValueOrigin) {
        match origin {
            ValueOrigin::Places(places) => {
                places.iter().for_each(|(root, path)| self.at(root, path).whole = true);
            }
            ValueOrigin::List(item) => self.whole(item),
            ValueOrigin::Made => {}
        }
    }

    fn follow(&mut self, origin: ValueOrigin, step: &PathStep) -> ValueOrigin {
        match (origin, step) {
            (ValueOrigin::Places(mut places), _) => {
                for (root, path) in &mut places {
                    path.push(step.clone());
                    self.at(root, path);
                }
                ValueOrigin::Places(places)
            }
            (ValueOrigin::List(item), PathStep::Each) => *item,
            // a field of a list is an error: whatever it says, it may say it of the whole
            (ValueOrigin::List(item), PathStep::Field(_)) => {
                self.whole(&item);
                ValueOrigin::Made
            }
            (ValueOrigin::Made, _) => ValueOrigin::Made,
        }
    }

    fn each(&mut self, origin: ValueOrigin) -> ValueOrigin {
        self.follow(origin, &PathStep::Each)
    }

    fn either(&mut self, left: ValueOrigin, right: ValueOrigin) -> ValueOrigin {
        match (left, right) {
            (ValueOrigin::Places(mut left), ValueOrigin::Places(right)) => {
                left.extend(right);
                ValueOrigin::Places(left)
            }
            (ValueOrigin::Made, other) | (other, ValueOrigin::Made) => other,
            (ValueOrigin::List(left), ValueOrigin::List(right)) => {
                ValueOrigin::List(Box::new(self.either(*left, *right)))
            }
            (left, right) => {
                self.whole(&left);
                self.whole(&right);
                ValueOrigin::Made
            }
        }
    }

    /// What is computed from values that are used as a whole.
    fn computed(&mut self, origins: impl IntoIterator<Item = ValueOrigin>) -> ValueOrigin {
        origins.into_iter().for_each(|origin| self.whole(&origin));
        ValueOrigin::Made
    }

    /// The value of a term for an input. Whatever is not one of these few forms needs everything.
    fn go(&mut self, term: &Term<'_>, input: ValueOrigin) -> ValueOrigin {
        match term {
            Term::Id => input,
            Term::Num(_) => ValueOrigin::Made,
            Term::Str(None, _) if constant(term).is_some() => ValueOrigin::Made,
            Term::Var(name) if self.globals.iter().any(|global| global == name) => self.place(name),
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                let left = self.go(left, input);
                self.go(right, left)
            }
            Term::BinOp(left, BinaryOp::Comma | BinaryOp::Alt, right) => {
                let (left, right) = (self.go(left, input.clone()), self.go(right, input));
                self.either(left, right)
            }
            Term::BinOp(
                left,
                BinaryOp::And | BinaryOp::Or | BinaryOp::Math(_) | BinaryOp::Cmp(_),
                right,
            ) => {
                let both = [self.go(left, input.clone()), self.go(right, input)];
                self.computed(both)
            }
            Term::Arr(Some(inner)) => {
                let item = self.go(inner, input);
                ValueOrigin::List(Box::new(item))
            }
            Term::Path(inner, Path(parts)) => {
                let mut value = self.go(inner, input.clone());
                for (part, _) in parts {
                    value = match part {
                        Part::Range(None, None) => self.each(value),
                        Part::Index(index) => match (constant(index), index) {
                            (Some(name), _) => {
                                self.follow(value, &PathStep::Field(name.to_owned()))
                            }
                            (None, Term::Num(_)) => self.each(value),
                            (None, _) => return self.everything(term, input),
                        },
                        Part::Range(_, _) => return self.everything(term, input),
                    };
                }
                value
            }
            Term::Call(name, args) => self.call(name, args, term, input),
            _ => self.everything(term, input),
        }
    }

    fn call(
        &mut self,
        name: &str,
        args: &[Term<'_>],
        term: &Term<'_>,
        input: ValueOrigin,
    ) -> ValueOrigin {
        match (name, args) {
            ("true" | "false" | "null" | "empty", []) => ValueOrigin::Made,
            ("length", []) => {
                if let ValueOrigin::Places(places) = &input {
                    places.iter().for_each(|(root, path)| self.at(root, path).names = true);
                }
                ValueOrigin::Made
            }
            ("not", []) => self.computed([input]),
            ("any" | "all", []) => {
                let item = self.each(input);
                self.computed([item])
            }
            ("any" | "all", [condition]) => {
                let item = self.each(input);
                let result = self.go(condition, item);
                self.computed([result])
            }
            ("select", [condition]) => {
                let result = self.go(condition, input.clone());
                self.computed([result]);
                input
            }
            ("map", [each]) => {
                let item = self.each(input);
                let item = self.go(each, item);
                ValueOrigin::List(Box::new(item))
            }
            _ => self.everything(term, input),
        }
    }

    fn everything(&mut self, term: &Term<'_>, input: ValueOrigin) -> ValueOrigin {
        visit(term, &mut |term| {
            if let Term::Var(name) = term
                && self.globals.iter().any(|global| global == name)
            {
                self.at(name, &[]).whole = true;
            }
        });
        self.computed([input])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::syntax::parse;

    fn needs(source: &str) -> String {
        fn show(need: &Need) -> String {
            if need.whole {
                return "*".to_owned();
            }
            let fields = need.fields.iter().map(|(name, need)| format!("{name}:{}", show(need)));
            let each = need.each.iter().map(|need| format!("[]:{}", show(need)));
            let names = need.names.then(|| "#".to_owned());
            format!("{{{}}}", fields.chain(each).chain(names).collect::<Vec<_>>().join(" "))
        }
        let term = parse(source).unwrap();
        let found = of_program(&term, &["$steps".to_owned(), "$params".to_owned()]);
        found
            .iter()
            .map(|(root, need)| format!("{root}{}", show(need)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn only_what_is_looked_at_is_needed() {
        let table = [
            (".items | length > 0", ".{items:{#}}"),
            (
                "(.items | length == 3) and (.items | all(.status.phase == \"Running\"))",
                ".{items:{[]:{status:{phase:*}} #}}",
            ),
            (".items | all(.status.phase == \"Running\")", ".{items:{[]:{status:{phase:*}}}}"),
            (
                "[.items[] | select(.status.phase != \"Running\")] | length == 0",
                ".{items:{[]:{status:{phase:*}}}}",
            ),
            (".items | map(.spec.nodeName) | length", ".{items:{[]:{spec:{nodeName:{}}}}}"),
            ("[.items[].metadata.name]", ".{items:{[]:{metadata:{name:*}}}}"),
            (
                "$steps.pods.output.items | length == $params.count",
                "$params{count:*} $steps{pods:{output:{items:{#}}}} .{}",
            ),
            (
                "$steps.a.failed and ($steps.b.output | length > 1)",
                "$steps{a:{failed:*} b:{output:{#}}} .{}",
            ),
            (".items[0].metadata.name // \"none\"", ".{items:{[]:{metadata:{name:*}}}}"),
            (".a, .b", ".{a:* b:*}"),
            (".", ".*"),
            ("keys", ".*"),
            (".items | group_by(.x) | length", ".{items:*}"),
            (".[$params.x]", "$params* .*"),
            (".items as $i | $i | length", ".*"),
            ("reduce .items[] as $x (0; . + $x.n)", ".*"),
            (".a | \"\\($steps.b)\"", "$steps* .{a:*}"),
            (".. | numbers", ".*"),
            (".items[1:] | length", ".*"),
            ("if .a then .b else .c end", ".*"),
            ("try .a.b catch $steps", "$steps* .*"),
            ("[.items[]] | .name", ".{items:{[]:*}}"),
        ];
        for (source, expected) in table {
            assert_eq!(needs(source), expected, "{source}");
        }
    }
}
