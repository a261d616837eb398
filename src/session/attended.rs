//! Who watches a run, answers for it and can stop it.

use crate::action::{Approval, Consented, Prompt, Question};
use crate::engine::{Sink, Stop};
use crate::event::Record;
use crate::state::RunState;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Who attends a run. By itself nobody does: it is written to its journal, and a question that
/// needs a person pauses it.
pub struct Attended {
    /// Who sees each event, when it has been written.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Who is asked.
    pub prompt: Arc<dyn Prompt>,
    /// How the run is asked to stop, also while it connects.
    pub stop: Stop,
    /// How this was called, for the records.
    pub called: Vec<String>,
}

impl Default for Attended {
    fn default() -> Self {
        Self { sinks: Vec::new(), prompt: Arc::new(Nobody), stop: Stop::new(), called: Vec::new() }
    }
}

impl Attended {
    /// Nobody but this sink.
    pub fn by(sink: impl Sink + 'static) -> Self {
        Self { sinks: vec![Box::new(sink)], ..Self::default() }
    }
}

/// Nobody is there to be asked.
pub struct Nobody;

impl Prompt for Nobody {
    fn ask(&self, _: &Question) -> Option<bool> {
        None
    }

    fn approve(&self, _: &Approval) -> Option<Consented> {
        None
    }
}

/// A sink whose events come out at the other end; the last one when the run is over. A receiver
/// that goes away does not disturb the run.
pub fn channel() -> (impl Sink + 'static, UnboundedReceiver<Record>) {
    let (sender, receiver) = unbounded_channel();
    (Sender(sender), receiver)
}

struct Sender(UnboundedSender<Record>);

impl Sink for Sender {
    fn record(&mut self, record: &Record, _: &RunState) {
        // nobody listens any more: the journal has it
        self.0.send(record.clone()).ok();
    }

    fn progress(&mut self, _: &str, _: &str) {}
}
