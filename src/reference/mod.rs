//! What the program says of its own words: verbs with their fields and an example, fields, and
//! diagnostic codes. docs/verbs.md is written from it, docs/diagnostics.md is where it reads the
//! codes, and `runbook explain` prints it.

mod cause;
mod code;
mod entry;
mod example;
mod field;
mod schema;

pub use cause::{cause, causes};
pub use code::{code, codes};
pub use entry::{Entry, Field, verb, verbs};
pub use example::{EXAMPLES, example};
pub use field::{Placed, fields};
pub use schema::{Described, schema};
