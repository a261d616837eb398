//! Executes operations runbooks: checked, resumable procedures for Kubernetes.

pub mod action;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod construct;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod event;
pub mod expression;
mod failpoint;
pub mod journal;
pub mod network;
pub mod plan;
pub mod report;
pub mod sandbox;
pub mod secret;
pub mod state;
