//! The exit codes, and the errors that end a command.

use super::{Global, advice, output};
use crate::cluster;
use crate::diagnostic::{Diagnostic, to_json};
use crate::document::CatalogueError;
use crate::engine::EngineError;
use crate::journal;
use crate::plan::ParamError;
use crate::sandbox::WorldError;
use crate::session::{NotApproved, Refusal, SessionError};
use serde_json::{Value, json};
use std::io;
use std::process::{ExitCode, Termination};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything that counts holds.
    Passed,
    /// 1: an expectation is false.
    Failed,
    /// 2: usage, an invalid runbook or parameters.
    Usage,
    /// 3: it could not be judged.
    NotJudged,
    /// The code of a run: the above, or 4 paused, 5 in doubt, 129, 130 and 143 interrupted.
    Run(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotJudged => 3,
            Self::Run(code) => code,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Params {
        errors: Vec<ParamError>,
        /// What was typed, with what is missing.
        command: Option<String>,
    },
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("no runbook name was given")]
    Unnamed,
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    NotJudged(String),
    #[error("{0}")]
    NotDue(String),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<WorldError> for CommandError {
    fn from(error: WorldError) -> Self {
        match error {
            // shown like those of every other document
            WorldError::Invalid(diagnostics) => CatalogueError::Invalid { diagnostics }.into(),
            other => Self::Usage(other.to_string()),
        }
    }
}

impl From<SessionError> for CommandError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Catalogue(error) => Self::Catalogue(error),
            SessionError::Params(errors) => Self::Params { errors, command: None },
            SessionError::Cluster(error) => Self::Cluster(error),
            SessionError::Journal(error) => Self::Journal(error),
            SessionError::Engine(error) => Self::Engine(error),
            SessionError::File(error) => Self::Output(error),
            // nobody knows yet who this is: nothing was done wrong
            SessionError::Refused(error @ Refusal::Approval(NotApproved::NoUser)) => {
                Self::NotJudged(advice::refusal(&error))
            }
            SessionError::Refused(error @ Refusal::NotDue { .. }) => {
                Self::NotDue(advice::refusal(&error))
            }
            SessionError::Refused(error) => Self::Usage(advice::refusal(&error)),
            SessionError::Sandbox(error) => error.into(),
            error @ (SessionError::Defect(_) | SessionError::Stopped(_)) => {
                Self::NotJudged(error.to_string())
            }
        }
    }
}

/// What is said of an error.
struct Told<'a> {
    exit: Exit,
    lines: Vec<String>,
    hints: Vec<String>,
    diagnostics: &'a [Diagnostic],
}

impl CommandError {
    /// Says what is wrong on stderr, as a document on stdout if that is wanted, and gives the exit
    /// code.
    pub(super) fn report(&self, global: &Global, document: bool) -> Exit {
        let Some(told) = self.told() else { return Exit::Passed };
        output::diagnostics(global, told.diagnostics, "error");
        told.lines.iter().for_each(|line| output::error(line));
        told.hints.iter().for_each(|hint| output::hint(hint));
        if document {
            let diagnostics = told.diagnostics.iter().map(to_json).collect();
            error_document(told.exit, &told.lines, &told.hints, diagnostics);
        }
        told.exit
    }

    /// What is said; nothing where nobody listens any more.
    fn told(&self) -> Option<Told<'_>> {
        let mut told = Told {
            exit: Exit::NotJudged,
            lines: vec![chain(self)],
            hints: Vec::new(),
            diagnostics: &[],
        };
        match self {
            Self::Catalogue(CatalogueError::Invalid { diagnostics }) => {
                (told.exit, told.diagnostics) = (Exit::Usage, diagnostics);
                told.lines.clear();
            }
            Self::Catalogue(CatalogueError::Unknown { .. }) => {
                told.exit = Exit::Usage;
                told.hints.push("To list all runbooks: runbook list".to_owned());
            }
            Self::Unnamed => {
                told.exit = Exit::Usage;
                told.hints.push("To run one: runbook run NAME".to_owned());
                told.hints.push("To list all runbooks: runbook list".to_owned());
            }
            Self::Cluster(error) if error.kind == cluster::ErrorKind::NoKubeconfig => {
                told.hints.push(
                    "Select a cluster with --kubeconfig or --context, or run without one: \
                        --sandbox"
                        .to_owned(),
                );
            }
            Self::Params { errors, command } => {
                told.exit = Exit::Usage;
                told.lines = errors.iter().map(ToString::to_string).collect();
                told.hints.extend(command.iter().map(|command| format!("Complete: {command}")));
            }
            Self::Journal(journal::Error::Ambiguous { text, matches, more }) => {
                told.exit = Exit::Usage;
                told.lines = vec![format!(
                    "`{text}` matches {} runs; use more characters of the id",
                    matches.len() + more
                )];
                told.hints = candidates(matches, *more);
            }
            Self::Usage(_)
            | Self::Journal(
                journal::Error::NotFound { .. }
                | journal::Error::NoneOf { .. }
                | journal::Error::BadRunId { .. },
            ) => told.exit = Exit::Usage,
            // it is still paused
            Self::NotDue(_) => told.exit = Exit::Run(4),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return None,
            Self::Cluster(_)
            | Self::Journal(_)
            | Self::Engine(_)
            | Self::NotJudged(_)
            | Self::Output(_) => {}
        }
        Some(told)
    }
}

/// The runs that a few characters can mean, one a line.
fn candidates(matches: &[journal::RunInfo], more: usize) -> Vec<String> {
    let line = |info: &journal::RunInfo| {
        let header = info.header.as_ref();
        let started = header.map(|header| header.started.strftime("%Y-%m-%d %H:%M:%SZ"));
        let started = started.map(|time| time.to_string()).unwrap_or_default();
        let runbook = header.map(|header| header.runbook.as_str()).unwrap_or_default();
        format!("{}  {started}  {runbook}", info.run)
    };
    let rest = (more > 0).then(|| format!("and {more} more"));
    matches.iter().map(line).chain(rest).collect()
}

/// What a program reads in the place of a result.
pub(super) fn error_document(
    exit: Exit,
    errors: &[String],
    hints: &[String],
    diagnostics: Vec<Value>,
) {
    let document = json!({"schema": "runbook.error/v1", "exit_code": exit.code(),
        "errors": errors, "hints": hints, "diagnostics": diagnostics});
    // the exit code says the same
    drop(output::write(&format!("{document}\n")));
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// The faults of a catalogue error, if it has any.
pub(super) fn faults(error: &CatalogueError) -> &[Diagnostic] {
    match error {
        CatalogueError::Invalid { diagnostics } => diagnostics,
        CatalogueError::Unknown { .. } => &[],
    }
}

/// The worst of several exit codes: stopped, in doubt, failed, paused, not judged, not understood.
pub(super) fn worst(codes: &[u8]) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        2 => 1,
        3 => 2,
        4 => 3,
        1 => 4,
        5 => 5,
        _ => 6,
    };
    codes.iter().copied().max_by_key(|code| rank(*code)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::worst;

    #[test]
    fn the_worst_code_wins() {
        for (codes, wanted) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 2], 2),
            (&[2, 3, 0], 3),
            (&[3, 4], 4),
            (&[4, 1, 3], 1),
            (&[1, 5], 5),
            (&[5, 130, 1], 130),
        ] {
            assert_eq!(worst(codes), wanted, "{codes:?}");
        }
    }
}
