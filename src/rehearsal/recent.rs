//! The worlds in their states that were played in last.

use crate::sandbox::Prepared;
use std::collections::VecDeque;

/// How many are kept: cases of one situation are near each other, and each takes a few MiB.
const MOST: usize = 128;

/// The last ones, by situation; the one that was used last is at the end.
pub(super) struct Recent<T = Prepared>(VecDeque<(String, T)>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Clone> Recent<T> {
    /// The world of a situation, if it is still known.
    pub(super) fn get(&mut self, situation: &str) -> Option<T> {
        let at = self.0.iter().position(|(known, _)| known == situation)?;
        let found = self.0.remove(at)?;
        let world = found.1.clone();
        self.0.push_back(found);
        Some(world)
    }

    /// Keeps the world of a situation; that which was not used for longest is forgotten.
    pub(super) fn keep(&mut self, situation: String, world: T) {
        self.0.push_back((situation, world));
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let mut recent = Recent::default();
        for number in 0..=MOST {
            recent.keep(number.to_string(), number);
            assert_eq!(recent.get("1"), (number > 0).then_some(1));
        }
        assert_eq!((recent.get("0"), recent.get("2")), (None, Some(2)));
    }
}
