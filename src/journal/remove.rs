//! Removing a run.

use super::directory::{journal_path, run_dir, runs_dir};
use super::file::{lock, missing};
use super::{Error, Journal};
use std::fs::{self, OpenOptions};
use std::path::Path;

/// How the name of a folder begins that is being removed. No run is called like this.
const REMOVED: &str = ".removed.";

impl Journal {
    /// Removes a run with everything in its folder. Whoever looks meanwhile sees all of it or
    /// nothing.
    ///
    /// # Errors
    /// When there is no such run, a process has it, or the system refuses.
    pub fn remove(state_dir: &Path, run: &str) -> Result<(), Error> {
        let dir = run_dir(state_dir, run)?;
        let path = journal_path(&dir);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|source| missing(source, "open", run, &path))?;
        // nobody takes it up while it goes
        lock(&file, run, &path)?;
        let gone = runs_dir(state_dir).join(format!("{REMOVED}{run}"));
        fs::rename(&dir, &gone)
            .and_then(|()| fs::remove_dir_all(&gone))
            .map_err(|source| Error::from_io("remove", &dir, source))
    }

    /// Removes what is left of runs that a process began to remove before it died.
    pub fn remove_remains(state_dir: &Path) {
        for entry in fs::read_dir(runs_dir(state_dir)).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(REMOVED)) {
                // the next one tries again
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::diagnosis;
    use crate::journal::{Durability, list};

    #[test]
    fn a_run_goes_whole_and_not_while_a_process_has_it() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(state.path(), "r", Durability::Lazy).unwrap();
        diagnosis().records.iter().for_each(|record| journal.append(record).unwrap());
        journal.keep("logs/a.log", b"one").unwrap();
        assert!(matches!(Journal::remove(state.path(), "r"), Err(Error::Locked { .. })));
        drop(journal);
        Journal::remove(state.path(), "r").unwrap();
        assert_eq!(list(state.path()).unwrap(), []);
        assert_eq!(fs::read_dir(runs_dir(state.path())).unwrap().count(), 0);
        assert!(matches!(Journal::remove(state.path(), "r"), Err(Error::NotFound { .. })));
        assert!(matches!(Journal::remove(state.path(), "../x"), Err(Error::BadRunId { .. })));
        fs::create_dir_all(runs_dir(state.path()).join(".removed.x/saved")).unwrap();
        Journal::remove_remains(state.path());
        assert_eq!(fs::read_dir(runs_dir(state.path())).unwrap().count(), 0);
    }
}
