//! A small API server for tests.
