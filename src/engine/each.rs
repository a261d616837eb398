//! A step for each item of a list.

use super::ended::{Ended, Lack, worst};
use super::scope::{Blank, Scope};
use super::{EngineError, Run};
use crate::document::Step;
use crate::event::{Effect, Event, Outcome, Reason, StepFinished, StepStarted, covers};
use crate::expression::{Budget, Data, Jq};
use crate::secret::has_label;
use crate::state::ChangeState;
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a round of an earlier process is skipped.
const NO_LONGER: &str = "its item is no longer in the list";

impl Run {
    /// A step for each item of a list, one after the other.
    pub(super) async fn each(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        list: &Jq,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        let begun = self.begin(scope, step, path)?;
        let items = match self.items(scope, list) {
            Ok(items) => items,
            Err((outcome, reason)) => {
                let reason = format!("cannot evaluate its `for_each`: {reason}");
                let ended = Ended::without_output(outcome, reason);
                return self.end(scope, step, path, begun, ended);
            }
        };
        let (mut outcomes, mut output, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
        let rounds = self.rounds(scope, path, &items);
        self.let_go(path, &rounds)?;
        let mut stopped = false;
        for (item, round) in items.iter().zip(rounds) {
            if self.halted(scope) {
                break;
            }
            let inner = scope.iteration(item.clone());
            if stopped {
                let reason = Reason::NotPassed { step: step.id.clone() };
                let skipped = Ended::without_output(Outcome::Skipped, reason);
                self.end(&inner, step, &round, 0, skipped)?;
                continue;
            }
            let outcome = self.once(&inner, step, &round).await?;
            let result = inner.result(&step.id).map(|result| result.output).unwrap_or_default();
            let word = Value::from(outcome.as_str());
            recorded.push(json!({"item": item, "outcome": word}));
            output.push(Data::object([
                ("item", item.clone().into()),
                ("outcome", word.into()),
                ("output", result),
            ]));
            outcomes.push(outcome);
            stopped = !self.lets_pass(outcome) && !Self::goes_on(scope, step.on_failure);
        }
        let is_whole = outcomes.len() == items.len() && !outcomes.contains(&Outcome::Cancelled);
        let is_cut = !is_whole && self.halted(scope);
        let ended = Ended {
            summary: summary(&outcomes, items.len()),
            outcome: if is_cut { Outcome::Cancelled } else { worst(outcomes) },
            reason: Reason::default(),
            attempts: 1,
            expectations: Vec::new(),
            output: Data::list(output),
            recorded: Some(Value::Array(recorded)),
            lacks: (!is_whole)
                .then(|| Box::new(Lack::Some("it did not come to all of its items".into()))),
        };
        self.end(scope, step, path, begun, ended)
    }

    /// The path of the round of each item. On resume an item has the round that it had, wherever it
    /// stands in the list now: what was done is not done again, nor taken for something else.
    fn rounds(&self, scope: &Scope, path: &str, items: &[Value]) -> Vec<String> {
        let round = |index: usize| format!("{path}[{index}]");
        let mut known: Vec<(usize, String)> = self.recorder.state(|state| {
            (0..)
                .map_while(|index| Some((index, state.step(&round(index))?.item().to_owned())))
                .collect()
        });
        let mut next = known.len();
        let mut of_item = |(position, item): (usize, &Value)| {
            let said = super::step::item(&scope.iteration(item.clone()), &round(0));
            let is_same = |(_, known): &(usize, String)| *known == said;
            // what the record does not say in full can only be told by its place
            let is_cut =
                |known: &str| known.is_empty() || has_label(known) || known.ends_with("...");
            let is_there = |(index, known): &(usize, String)| *index == position && is_cut(known);
            let at = known.iter().position(is_same).or_else(|| known.iter().position(is_there));
            let index = at.map_or(next, |at| known.remove(at).0);
            next = next.max(index + 1);
            round(index)
        };
        items.iter().enumerate().map(&mut of_item).collect()
    }

    /// Ends the rounds of an earlier process whose items the list does not have any more: what was
    /// seen of them says nothing now. A change that was made stays one.
    fn let_go(&self, path: &str, rounds: &[String]) -> Result<(), EngineError> {
        let is_gone = |step: &&StepFinished| {
            let within = |round: &String| covers(round, &step.path);
            let of_loop = step.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('['));
            of_loop && !rounds.iter().any(within)
        };
        let gone: Vec<StepFinished> = self.recorder.state(|state| {
            let has_changed = |step: &StepFinished| {
                let mut changing = state.changing_steps();
                step.effect == Effect::Opaque
                    || changing.any(|(at, changes)| {
                        covers(&step.path, at) && changes.iter().any(ChangeState::is_made)
                    })
            };
            state.ended().filter(is_gone).filter(|step| !has_changed(step)).cloned().collect()
        });
        for step in gone {
            // what is over can only end otherwise once it was begun again
            self.recorder.record(Event::StepStarted(StepStarted {
                path: step.path.clone(),
                id: step.id.clone(),
                title: step.title.clone(),
                action: step.action.clone(),
                effect: step.effect,
                digest: step.digest.clone(),
                item: step.item.clone(),
            }))?;
            let ended = StepFinished {
                outcome: Outcome::Skipped,
                reason: NO_LONGER.to_owned(),
                why: None,
                expectations: Vec::new(),
                summary: String::new(),
                output: Value::Null,
                stored: None,
                ..step
            };
            self.recorder.record(Event::StepFinished(Box::new(ended)))?;
        }
        Ok(())
    }

    fn items(&self, scope: &Scope, list: &Jq) -> Result<Vec<Value>, Blank> {
        if let Some(blank) = scope.blank(list.references()) {
            return Err(blank);
        }
        let bindings = scope.bindings(list.references(), || self.findings_so_far(scope));
        match list.run_one(&Value::Null, &bindings, Budget::default()) {
            Ok(Value::Array(items)) => Ok(items),
            Ok(other) => {
                let reason = format!("{} is not a list", crate::expression::show(&other));
                Err((Outcome::Error, reason.into()))
            }
            Err(error) => Err((Outcome::Error, error.to_string().into())),
        }
    }
}

/// `2 of 3`: how many rounds ended well, of how many items.
fn summary(outcomes: &[Outcome], all: usize) -> String {
    let good = outcomes.iter().filter(|outcome| outcome.is_good()).count();
    if all == 0 { "no items".to_owned() } else { format!("{good} of {all}") }
}
