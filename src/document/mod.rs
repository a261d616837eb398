//! YAML text to a typed runbook with positions; checks.

mod body;
mod built;
mod calls;
mod canonical;
mod catalogue;
mod check;
mod deferred;
mod deserialize;
mod files;
mod foreign;
mod from_diagnosis;
mod head;
mod lint;
mod lower;
mod malformed;
mod mutant;
mod node;
mod param;
mod quoting;
mod referred;
mod runbook;
mod scalar;
mod sketch;
mod source;
mod suite;
mod toml;
mod upgrade;

pub use body::{Body, Group, Written};
pub use catalogue::{Catalogue, CatalogueEntry, CatalogueError, Root, is_or_has};
pub use deferred::Deferred;
pub use files::{FileKind, collect, collect_all, read};
pub use foreign::foreign_words;
pub use head::RunbookHead;
pub use mutant::{Judged, Mutant, mutants};
pub use param::{Param, ParamType};
pub use referred::Referred;
pub use runbook::{
    AlertMapping, Finding, Interface, Let, OnFailure, Origin, Poll, Rehearsal, Retry, Runbook,
    Save, Step, VARIABLES,
};
pub use sketch::{Sketch, is_computed};
pub use source::{CoveredRow, DocumentCoverage, SourceDocument};
pub use suite::{Answer, Approve, Case, Condition, Expected, Place, SUITE, Situation, Suite, Vary};
pub use toml::Toml;
pub use upgrade::formatted;

/// The structures of runbooks and rehearsal files, by name; short forms are not in them.
pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)> {
    let mut all = lower::schemas(generator);
    all.extend(suite::schemas(generator));
    all
}
