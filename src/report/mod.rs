//! What a person or a program sees of a run: reporters over the event stream. They never decide
//! anything.

mod conclusion;
mod details;
mod heartbeat;
mod html;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod names;
mod output;
mod plain;
mod prometheus;
mod reporter;
mod run_diff;
mod sarif;
mod show;
mod standing;
mod step_line;
mod terminal;
mod test_case;
pub mod tested;
mod text;
mod theme;
mod transcript;

pub use heartbeat::{Heartbeat, SILENCE};
pub use html::html;
pub use json::Json;
pub use jsonl::JsonLines;
pub use junit::junit;
pub use markdown::{fenced, inline, markdown};
pub use output::{value as output_of, write_line};
pub use plain::Plain;
pub use prometheus::prometheus;
pub use reporter::{FanOut, Reporter, ReporterFailure};
pub use run_diff::run_diff;
pub use sarif::sarif;
pub use show::Show;
pub use terminal::Terminal;
pub use text::{duration, wrap};
pub use theme::{Charset, Detail, Look};

#[cfg(test)]
mod tests;
