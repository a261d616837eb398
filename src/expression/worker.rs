//! Threads with large stacks on which jq is parsed and evaluated.
//!
//! jq recurses natively: a deeply nested program or value overflows an ordinary stack, which would
//! abort the process. A thread of its own also lets the caller give up on an evaluation at its
//! deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Address space of a worker's stack in bytes; only what is touched becomes memory.
const STACK: usize = 256 << 20;
/// The part of [`STACK`] that an evaluation may use; the rest is for what happens between two
/// measurements.
const STACK_ALLOWED: usize = 160 << 20;
/// More workers than this mean that abandoned evaluations pile up.
const MOST_WORKERS: usize = 64;
/// Idle workers kept for the next evaluation.
const MOST_IDLE: usize = 8;

type Deliver = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(StackTop) -> Deliver + Send>;

static IDLE: Mutex<Vec<mpsc::Sender<Job>>> = Mutex::new(Vec::new());
static WORKERS: AtomicUsize = AtomicUsize::new(0);

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerLost {
    /// It did not finish in time and was abandoned.
    Deadline,
    /// It panicked: a defect of the jq engine.
    Panicked,
    /// No worker could be had.
    Refused,
}

/// Where the stack of the current worker begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackTop(usize);

impl StackTop {
    fn here() -> Self {
        let marker = 0_u8;
        Self(std::ptr::from_ref(&marker).addr())
    }

    /// Whether the caller is nested so deeply that going on would endanger the process.
    pub(super) fn is_exhausted(self) -> bool {
        let marker = 0_u8;
        self.0.abs_diff(std::ptr::from_ref(&marker).addr()) > STACK_ALLOWED
    }
}

/// Runs `job` on a worker and waits for its result for at most `limit`.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce(StackTop) -> T + Send + 'static,
) -> Result<T, WorkerLost> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let job: Job = Box::new(move |top| {
        let result = catch_unwind(AssertUnwindSafe(|| job(top)));
        Box::new(move || drop(sender.send(result)))
    });
    hire(job)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result.map_err(|_| WorkerLost::Panicked),
        Err(RecvTimeoutError::Timeout) => Err(WorkerLost::Deadline),
        Err(RecvTimeoutError::Disconnected) => Err(WorkerLost::Panicked),
    }
}

/// Gives the job to an idle worker, or to a new one.
fn hire(mut job: Job) -> Result<(), WorkerLost> {
    loop {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(worker) = idle else { break };
        match worker.send(job) {
            Ok(()) => return Ok(()),
            Err(mpsc::SendError(returned)) => job = returned,
        }
    }
    if WORKERS.fetch_add(1, Ordering::Relaxed) >= MOST_WORKERS {
        WORKERS.fetch_sub(1, Ordering::Relaxed);
        return Err(WorkerLost::Refused);
    }
    let (sender, receiver) = mpsc::channel::<Job>();
    let own = sender.clone();
    let spawned = std::thread::Builder::new()
        .name("expression".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            serve(&own, &receiver);
            WORKERS.fetch_sub(1, Ordering::Relaxed);
        });
    if spawned.is_err() {
        WORKERS.fetch_sub(1, Ordering::Relaxed);
        return Err(WorkerLost::Refused);
    }
    sender.send(job).map_err(|_| WorkerLost::Refused)
}

fn serve(own: &mpsc::Sender<Job>, jobs: &mpsc::Receiver<Job>) {
    let top = StackTop::here();
    while let Ok(job) = jobs.recv() {
        let deliver = job(top);
        // Idle before the result is out: the caller's next evaluation finds this worker.
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = idle.len() < MOST_IDLE;
        if stays {
            idle.push(own.clone());
        }
        drop(idle);
        deliver();
        if !stays {
            return;
        }
    }
}
