//! Network policies: the conformance cases of Kubernetes, random worlds against a second evaluator
//! and a real cluster, and what is said of them.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod conformance;
mod enforcement;
mod explanations;
mod fixes;
mod graphs;
mod kubectl;
mod lints;
mod naive;
mod paths;
mod random;
mod real_cluster;
mod services;
mod support;
mod worlds;
