//! Who owns which field: `metadata.managedFields`, and server-side apply, which builds on it.

mod apply;
mod compare;
mod managers;
mod set;

pub(crate) use apply::{Applied, apply};
pub(crate) use managers::{Author, created, updated};
