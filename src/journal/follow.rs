//! Reading a journal while another process writes it.

use super::Error;
use super::directory::{journal_path, run_dir};
use super::file::{locate, missing};
use super::scan::{Scan, go_on};
use crate::event::Record;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A journal that is read as it grows. Each record is read and checked once.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    scan: Scan,
}

impl Follow {
    /// Begins to read the journal of a run.
    ///
    /// # Errors
    /// When there is no such run, or its journal cannot be opened.
    pub fn open(state_dir: &Path, run: &str) -> Result<Self, Error> {
        let dir = run_dir(state_dir, run)?;
        let path = journal_path(&dir);
        let file = File::open(&path).map_err(|source| missing(source, "open", run, &path))?;
        Ok(Self { dir, path, file, scan: Scan::default() })
    }

    /// The whole records that were written since the last call; none is no end.
    ///
    /// # Errors
    /// When the journal cannot be read, is damaged, or of another version.
    pub fn more(&mut self) -> Result<Vec<Record>, Error> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.scan.whole as u64))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|source| Error::from_io("read", &self.path, source))?;
        // the rest is a record that is being written
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        go_on(&mut self.scan, bytes.get(..whole).unwrap_or_default(), &self.path)?;
        let mut records = std::mem::take(&mut self.scan.records);
        locate(&mut records, &self.dir)?;
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::diagnosis;
    use crate::journal::{Durability, Journal};
    use std::fs::OpenOptions;
    use std::io::Write;

    #[test]
    fn each_record_comes_once_and_a_part_of_one_does_not() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(state.path(), "r", Durability::Lazy).unwrap();
        let mut follow = Follow::open(state.path(), "r").unwrap();
        assert_eq!(follow.more().unwrap(), []);
        let records = diagnosis().records;
        let (first, rest) = records.split_at(3);
        first.iter().for_each(|record| journal.append(record).unwrap());
        assert_eq!(follow.more().unwrap(), first);
        assert_eq!(follow.more().unwrap(), []);
        let path = journal.directory().join("journal.jsonl");
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"seq\":4,").unwrap();
        assert_eq!(follow.more().unwrap(), []);
        drop(journal);
        let (_, mut journal) = Journal::reopen(state.path(), "r", Durability::Lazy).unwrap();
        rest.iter().for_each(|record| journal.append(record).unwrap());
        assert_eq!(follow.more().unwrap(), rest);
        torn.write_all(b"what is no record\n").unwrap();
        assert!(matches!(follow.more(), Err(Error::Corrupt { .. })));
        assert!(matches!(Follow::open(state.path(), "x"), Err(Error::NotFound { .. })));
    }
}
