//! Checks against a real cluster.
