//! The async driver: loop, deadlines, cancellation, signals.
