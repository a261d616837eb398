//! Executes operations runbooks: checked, resumable procedures for Kubernetes.
//!
//! The program is one caller of this library. Another one, such as a web page, needs what stands
//! here at the top: a [`Workspace`], a run to [`start`], [`rehearse`], [`resume`] or [`undo`], and
//! somebody who attends it ([`Attended`]). See [`session`], and `examples/embed.rs`.

pub mod action;
pub mod alert;
pub mod api;
mod blocking;
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod config;
pub mod construct;
pub mod diagnostic;
pub mod docs;
pub mod document;
mod encoding;
pub mod engine;
pub mod event;
pub mod expression;
mod failpoint;
pub mod history;
pub mod journal;
pub mod notify;
pub mod plan;
pub mod recording;
pub mod reference;
pub mod rehearsal;
pub mod report;
pub mod sandbox;
pub mod secret;
pub mod session;
pub mod state;

pub use kube_diagnosis as diagnosis;
pub use netpol_evaluator as network;
pub use session::{
    Approval, Attended, Conduct, End, Resume, Session, SessionError, Start, Status, Undo,
    Workspace, channel, pending, rehearse, resume, start, status, undo,
};
