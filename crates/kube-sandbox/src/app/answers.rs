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

/// What was answered, and whether somebody looked at the time for it.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) response: Option<Arc<Response>>,
    pub(super) timed: bool,
}

/// What was answered: the same is answered again, as long as no process remembers anything new.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How often the processes had remembered something.
    turns: u64,
    bytes: usize,
    answers: HashMap<Question, Answer>,
    /// The status of requests to a port of a pod, where that is the same at any time.
    statuses: HashMap<(usize, u16, Request), Option<u16>>,
}

impl Answers {
    /// The answer to a question, from `work` if it is not known. `turns` says how often the
    /// processes have remembered something by now.
    pub(super) fn find(
        &self,
        question: Question,
        turns: impl Fn() -> u64,
        work: impl FnOnce() -> Answer,
    ) -> Answer {
        let before = turns();
        if let Some(answer) = self.known(before, |known| known.answers.get(&question).cloned()) {
            return answer;
        }
        let answer = work();
        // an answer that had consequences is to have them again
        if turns() == before {
            self.known(before, |known| known.keep(question, answer.clone()));
        }
        answer
    }

    /// The status that was kept of a request.
    pub(super) fn status(&self, asked: &(usize, u16, Request), turns: u64) -> Option<Option<u16>> {
        self.known(turns, |known| known.statuses.get(asked).copied())
    }

    /// Keeps a status that is the same at any time, until a process remembers something.
    pub(super) fn keep_status(
        &self,
        asked: (usize, u16, Request),
        turns: u64,
        status: Option<u16>,
    ) {
        self.known(turns, |known| known.statuses.insert(asked, status));
    }

    /// What still holds.
    fn known<T>(&self, turns: u64, work: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.turns != turns {
            *known = Known { turns, ..Known::default() };
        }
        work(&mut known)
    }
}

impl Known {
    fn keep(&mut self, question: Question, answer: Answer) {
        let bytes = answer.response.as_ref().map_or(0, |response| response.body.len());
        if self.answers.len() >= MOST || self.bytes + bytes > MOST_BYTES {
            self.answers.clear();
            self.bytes = 0;
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
                    let response = Some(Arc::new(Response::text(200, path)));
                    Answer { response, timed: false }
                },
            );
            asked.get()
        };
        assert_eq!((ask("/a", 0), ask("/a", 0), ask("/b", 0)), (1, 1, 2));
        turns.set(1);
        assert_eq!((ask("/a", 0), ask("/a", 0)), (3, 3), "something was remembered");
        assert_eq!((ask("/c", 1), ask("/c", 1)), (4, 5), "each time it remembers something");
    }

    #[test]
    fn a_status_holds_until_a_process_remembers_something() {
        let (answers, asked) = (Answers::default(), (0, 80, Request::get("/a")));
        answers.keep_status(asked.clone(), 3, Some(200));
        assert_eq!(answers.status(&asked, 3), Some(Some(200)));
        assert_eq!(answers.status(&asked, 4), None);
    }
}
