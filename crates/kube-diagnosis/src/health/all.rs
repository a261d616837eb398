//! What follows from all that a status says.

use super::{CONDITION, Doubt, Fact, NOT_READY, Part, Said, Sign};

/// All that a status says.
pub(super) struct All {
    pub(super) conditions: Vec<Said>,
    pub(super) fields: Vec<Said>,
    pub(super) errors: Vec<Said>,
}

impl All {
    /// What is about the whole object.
    fn about_whole(&self) -> impl Iterator<Item = &Said> {
        let words = self.fields.iter().filter(|said| said.is_whole);
        verdicts(&self.conditions).into_iter().chain(words)
    }

    fn is_accused(&self) -> bool {
        verdicts(&self.conditions).iter().any(|said| said.is(Sign::Bad))
    }

    fn is_ready(&self) -> bool {
        let is_open = |said: &&Said| said.is(Sign::Open) || matches!(said.hint, Part | Doubt);
        !self.is_accused()
            && !verdicts(&self.conditions).iter().any(is_open)
            && self.about_whole().any(|said| said.is(Sign::Good))
    }

    /// Why it is not known whether the object works; empty if it is.
    pub(super) fn unknown(&self) -> Vec<String> {
        let is_ready = self.is_ready();
        let has_verdict = verdicts(&self.conditions).iter().any(|said| said.id == NOT_READY);
        let beside = || self.conditions.iter().chain(&self.fields);
        let doubts = || beside().filter(|said| said.hint == Doubt);
        let is_open = |said: &&Said| said.is(Sign::Open);
        let errors = || {
            let is_open = |said: &&Said| said.is(Sign::Open) || said.hint == Part && !is_ready;
            self.errors.iter().filter(is_open)
        };
        // a word of its own beside Ready says nothing
        let of_whole = |said: &&Said| {
            let is_open = is_open(said) || said.hint == Part && !is_ready;
            is_open && (!has_verdict || said.id == NOT_READY)
        };
        let is_open_at_all = self.about_whole().any(|said| of_whole(&said))
            || doubts().next().is_some()
            || errors().next().is_some();
        let is_said = |said: &Said| said.is(Sign::Good) || said.is(Sign::Paused);
        let speaks = self.about_whole().chain(&self.conditions).any(is_said);
        if speaks && !is_open_at_all {
            return Vec::new();
        }
        let parts = beside().filter(|said| said.hint == Part && !is_ready);
        let open = self.about_whole().filter(is_open).chain(doubts()).chain(parts).chain(errors());
        let told: Vec<String> = open.map(|said| format!("{} is {}", said.at, said.says)).collect();
        if told.is_empty() {
            return vec!["nothing in its status says whether it is ready".to_owned()];
        }
        told
    }

    pub(super) fn facts(self) -> Vec<Fact> {
        let (is_ready, is_accused) = (self.is_ready(), self.is_accused());
        let all = self.conditions.into_iter().chain(self.fields).chain(self.errors);
        all.map(|said| said.fact(is_ready, is_accused)).collect()
    }
}

/// The conditions about the whole object; without any, those that count in their place.
fn verdicts(conditions: &[Said]) -> Vec<&Said> {
    let of = |id: &'static str| conditions.iter().filter(move |said| said.id == id);
    let verdicts: Vec<&Said> = of(NOT_READY).collect();
    if !verdicts.is_empty() {
        return verdicts;
    }
    let counts = |said: &&Said| said.is(Sign::Good) || said.is(Sign::Open) || said.hint == Part;
    of(CONDITION).filter(counts).collect()
}
