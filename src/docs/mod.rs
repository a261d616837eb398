//! A runbook as a page for people: what it is for, what each step does and expects, what a person
//! would type instead, which causes it can name. Made of the document alone, without a run and
//! without a cluster, so that the pages help where the program cannot. Pure.

mod chart;
mod html;
mod index;
mod link;
mod markdown;
mod marks;
mod placeholder;
mod sheet;
mod step;
mod undone;

pub use html::html;
pub use index::{html_index, markdown_index};
pub use link::Links;
pub use markdown::markdown;
pub use sheet::Sheet;

#[cfg(test)]
mod tests;
