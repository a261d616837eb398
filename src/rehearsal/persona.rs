//! Who answers in a case.

use crate::action::{Approval, Consented, Prompt, Question};
use crate::document::{Answer, Approve, Case};
use indexmap::IndexMap;

/// A person who says what the case says.
pub(super) struct Persona {
    answers: IndexMap<String, Answer>,
    approve: Approve,
}

impl Persona {
    pub(super) fn of(case: &Case) -> Self {
        Self { answers: case.answers.clone(), approve: case.approve.clone() }
    }
}

impl Prompt for Persona {
    fn ask(&self, question: &Question) -> Option<bool> {
        let typed = question.typed.as_ref();
        Some(match self.answers.get(&question.step)? {
            Answer::Plain(answer) => *answer && typed.is_none(),
            Answer::Word(word) => typed.is_none_or(|typed| typed == word),
        })
    }

    fn approve(&self, approval: &Approval) -> Option<Consented> {
        let approved = match &self.approve {
            Approve::All(all) => *all,
            Approve::Steps(steps) => steps.contains(&approval.step),
        };
        // without an approval the run waits for one
        approved.then_some(Consented::Yes)
    }
}
