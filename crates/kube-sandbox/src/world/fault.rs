//! A mistake in a file of a world, and its position.

use std::fmt;

/// A place in a file of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the directory of the world.
    pub file: String,
    /// Line and column, both from 1; none for the whole file.
    pub position: Option<(usize, usize)>,
}

/// A mistake in a file of a world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct WorldFault {
    /// The position.
    pub place: Place,
    /// What is wrong, and what to change.
    pub reason: String,
}

impl Place {
    /// The whole file.
    pub(crate) fn file(file: &str) -> Self {
        Self { file: file.to_owned(), position: None }
    }

    pub(crate) fn at(file: &str, location: serde_saphyr::Location) -> Self {
        let number = |number: u64| usize::try_from(number).ok().filter(|number| *number > 0);
        let position = number(location.line()).zip(number(location.column()));
        Self { file: file.to_owned(), position }
    }

    pub(crate) fn fault(&self, reason: impl Into<String>) -> WorldFault {
        WorldFault { place: self.clone(), reason: reason.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(formatter, "{}:{line}:{column}", self.file),
            None => formatter.write_str(&self.file),
        }
    }
}

/// What keeps a file from being read.
pub(crate) fn unreadable(file: &str, error: &serde_saphyr::Error) -> WorldFault {
    let place =
        error.location().map_or_else(|| Place::file(file), |location| Place::at(file, location));
    // the place is said once, in front
    let reason = error.without_snippet().to_string();
    let reason = reason.lines().next().unwrap_or_default();
    let reason = reason.rsplit_once(" at line ").map_or(reason, |(reason, _)| reason);
    place.fault(reason.trim_end_matches(':'))
}
