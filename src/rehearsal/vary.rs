//! The same cases in worlds that are legally different: what a runbook says must not depend on what
//! means nothing.

use super::runner::Task;
use crate::document::{Case, Suite};
use crate::sandbox::{VARIATIONS, Variation, VariationKind};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Every case with every kind of variation alone, and with so many pairs of kinds. The same `seed`
/// gives the same worlds.
pub fn varied<'a>(suite: &'a Suite, case: &'a Case, pairs: usize, seed: u64) -> Vec<Task<'a>> {
    let kinds: Vec<&'static VariationKind> =
        VARIATIONS.iter().filter(|kind| case.vary.allows(kind.name)).collect();
    let mut tasks: Vec<Task<'a>> =
        kinds.iter().map(|kind| task(suite, case, vec![Variation { kind, seed }])).collect();
    if kinds.len() > 1 {
        let begin = spread(case.name.as_bytes(), seed);
        for pair in 0..pairs {
            let seed = begin.wrapping_add(pair as u64);
            let first = at(seed.wrapping_mul(7), kinds.len());
            let second = (first + 1 + at(seed.wrapping_mul(13), kinds.len() - 1)) % kinds.len();
            let variations =
                [first, second].map(|place| Variation { kind: kinds[place], seed }).to_vec();
            tasks.push(task(suite, case, variations));
        }
    }
    tasks
}

/// So many of the tasks, in their order. The same `seed` gives the same ones.
pub fn sampled(tasks: Vec<Task<'_>>, most: usize, seed: u64) -> Vec<Task<'_>> {
    let name = |task: &Task<'_>| {
        let variations: String = task.variations.iter().map(ToString::to_string).collect();
        format!("{} {} {variations}", task.suite.runbook, task.case.name)
    };
    let mut ranks: Vec<(u64, usize)> = tasks
        .iter()
        .enumerate()
        .map(|(place, task)| (spread(name(task).as_bytes(), seed), place))
        .collect();
    ranks.sort_unstable();
    let chosen: BTreeSet<usize> = ranks.into_iter().take(most).map(|(_, place)| place).collect();
    let chosen = tasks.into_iter().enumerate().filter(|(place, _)| chosen.contains(place));
    chosen.map(|(_, task)| task).collect()
}

/// A case in a varied world, with the parameters that tell the runbook of what was moved.
fn task<'a>(suite: &'a Suite, case: &'a Case, variations: Vec<Variation>) -> Task<'a> {
    let params: Vec<_> = variations
        .iter()
        .filter_map(|variation| case.vary.params.get(variation.kind.name))
        .flatten()
        .collect();
    let mut case = Cow::Borrowed(case);
    if !params.is_empty() {
        let own = &mut case.to_mut().params;
        own.extend(params.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Task { suite, case, variations }
}

/// A number that differs from name to name (FNV-1a).
fn spread(name: &[u8], seed: u64) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    name.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, step) % 1_000_000
}

fn at(number: u64, length: usize) -> usize {
    usize::try_from(number % length.max(1) as u64).unwrap_or_default()
}
