//! The pure fold over events: what is done, what is next.
