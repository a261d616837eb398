//! What a person or a program sees of a run: reporters over the event stream. They never decide anything.

mod case;
mod conclusion;
mod details;
mod json;
mod jsonl;
mod junit;
mod lines;
mod look;
mod markdown;
mod names;
mod output;
mod plain;
mod reporter;
mod script;
mod show;
mod terminal;
mod text;

pub use json::Json;
pub use jsonl::JsonLines;
pub use junit::junit;
pub use look::{Charset, Detail, Look};
pub use markdown::markdown;
pub use output::write_line;
pub use plain::Plain;
pub use reporter::{FanOut, Reporter, ReporterFailure};
pub use show::Show;
pub use terminal::Terminal;
pub use text::duration;

#[cfg(test)]
mod tests;
