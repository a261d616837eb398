//! The answers of the processes of one version of the network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::context::Request;
use super::http::Response;

/// How many bytes of answers are kept, as far as their bodies go.
const MOST_BYTES: usize = 8 << 20;
/// How many answers are kept.
const MOST: usize = 4096;

/// A request, to whom, when, and how deep in a chain of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) pod: usize,
    pub(super) port: u16,
    pub(super) request: Request,
    pub(super) at: Timestamp,
    pub(super) depth: u8,
}

/// What was answered: the same is answered again, as long as no process remembers anything new.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How often the processes had remembered something.
    turns: u64,
    bytes: usize,
    answers: HashMap<Question, Option<Arc<Response>>>,
}

impl Answers {
    /// The answer to a question, from `work` if it is not known. `turns` says how often the
    /// processes have remembered something by now.
    pub(super) fn find(
        &self,
        question: Question,
        turns: impl Fn() -> u64,
        work: impl FnOnce() -> Option<Response>,
    ) -> Option<Arc<Response>> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = turns();
        if let Some(answer) = known().since(before).answers.get(&question) {
            return answer.clone();
        }
        let answer = work().map(Arc::new);
        // an answer that had consequences is to have them again
        if turns() == before {
            known().since(before).keep(question, answer.clone());
        }
        answer
    }
}

impl Known {
    /// What still holds.
    fn since(&mut self, turns: u64) -> &mut Self {
        if self.turns != turns {
            *self = Self { turns, ..Self::default() };
        }
        self
    }

    fn keep(&mut self, question: Question, answer: Option<Arc<Response>>) {
        let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
        if self.answers.len() >= MOST || self.bytes + bytes > MOST_BYTES {
            *self = Self { turns: self.turns, ..Self::default() };
        }
        self.bytes += bytes;
        self.answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_answer_holds_until_a_process_remembers_something() {
        let (answers, turns, asked) = (Answers::default(), Cell::new(0), Cell::new(0));
        let ask = |path: &str, remembers: u64| {
            let (request, at) = (Request::get(path), Timestamp::UNIX_EPOCH);
            let question = Question { pod: 0, port: 80, request, at, depth: 0 };
            answers.find(
                question,
                || turns.get(),
                || {
                    asked.set(asked.get() + 1);
                    turns.set(turns.get() + remembers);
                    Some(Response::text(200, path))
                },
            );
            asked.get()
        };
        assert_eq!((ask("/a", 0), ask("/a", 0), ask("/b", 0)), (1, 1, 2));
        turns.set(1);
        assert_eq!((ask("/a", 0), ask("/a", 0)), (3, 3), "something was remembered");
        assert_eq!((ask("/c", 1), ask("/c", 1)), (4, 5), "each time it remembers something");
    }
}
