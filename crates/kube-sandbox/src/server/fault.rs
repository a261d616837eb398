//! Faults on purpose, to see what a client makes of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header;

use crate::scenario::ApiFault;

use super::request::ResourceRequest;
use super::status::Status;

/// An injected fault: the response to one write, regardless of its result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// The number of the write, from 1. Dry runs and Leases do not count.
    pub write: usize,
    /// The HTTP status of the response; none: the connection is closed without a response.
    pub status: Option<u16>,
    /// Whether the write is carried out nevertheless.
    pub done: bool,
    /// Whether all later connections are closed without a response.
    pub silent: bool,
    /// The write is carried out nevertheless, but this long after the response.
    pub late: Option<Duration>,
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    all: Vec<Fault>,
    writes: AtomicUsize,
    silent: AtomicBool,
    /// Those of the scenario, with the number of requests that they have met.
    api: Vec<(ApiFault, AtomicUsize)>,
}

/// Marks an answer that is never sent: the connection is cut instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

impl Faults {
    pub(crate) fn new(all: Vec<Fault>, api: Vec<ApiFault>) -> Self {
        let api = api.into_iter().map(|fault| (fault, AtomicUsize::new(0))).collect();
        Self { all, api, ..Self::default() }
    }

    /// The fault of the scenario that a request meets.
    pub(crate) fn met(&self, verb: &str, target: &ResourceRequest) -> Option<&ApiFault> {
        if self.api.is_empty() {
            return None;
        }
        let (resource, namespace) = (target.permission(), target.namespace_name());
        let open = |(fault, met): &&(ApiFault, AtomicUsize)| {
            fault.meets(verb, &resource, namespace)
                && fault.times.is_none_or(|times| met.fetch_add(1, Ordering::SeqCst) < times)
        };
        self.api.iter().find(open).map(|(fault, _)| fault)
    }

    /// Counts a write and gives its fault.
    pub(crate) fn next(&self, target: &ResourceRequest) -> Option<&Fault> {
        if self.all.is_empty() || target.resource.plural == "leases" {
            return None;
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = self.all.iter().find(|fault| fault.write == number)?;
        if fault.silent {
            self.silent.store(true, Ordering::SeqCst);
        }
        Some(fault)
    }

    /// Whether nothing is answered any more.
    pub(crate) fn silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }
}

/// The answer with a status of an error.
pub(crate) fn refusal(status: u16) -> Response {
    Fault { status: Some(status), ..Fault::default() }.answer()
}

impl Fault {
    /// The answer.
    pub(crate) fn answer(&self) -> Response {
        match self.status {
            Some(403) => {
                Status::forbidden("", "", "", "forbidden on purpose".to_owned()).into_response()
            }
            Some(429) => {
                ([(header::RETRY_AFTER, "1")], Status::too_many_requests()).into_response()
            }
            Some(503) => Status::unavailable("the sandbox was asked to fail here").into_response(),
            Some(500) => Status::internal("the sandbox was asked to fail here").into_response(),
            Some(code) => (
                http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR),
                "the sandbox was asked to fail here",
            )
                .into_response(),
            None => cut(),
        }
    }
}

/// No answer at all.
pub(crate) fn cut() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Cut);
    response
}
