//! The folder of backups: `NAME-TIME.EXT`, and beside each its record `NAME-TIME.EXT.json`.
//!
//! A backup is written to `NAME-TIME.EXT.partial`, which its writer keeps locked. It gets its name
//! when it is complete, verified and on the disk, after its record: whatever bears the name of a
//! backup is one, and has a record. A `.partial` that nobody locks was left by a process that died.

use super::backup_format::BackupFormat;
use crate::action::{Context, Failure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// The version of the record.
const SCHEMA: &str = "runbook.backup/v1";
const PARTIAL: &str = ".partial";
const RECORD: &str = ".json";
/// The disk is told to store what has come each time that it is this much, in bytes.
const SYNC: usize = 16 * 1024 * 1024;
/// A record is no larger.
const MOST_RECORD: u64 = 64 * 1024;

/// What is known of a backup, kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::action) struct BackupRecord {
    pub(in crate::action) schema: String,
    /// Of what it is a backup: all of a name are compared with each other.
    pub(in crate::action) name: String,
    /// Name of the file.
    pub(in crate::action) file: String,
    pub(in crate::action) bytes: u64,
    pub(in crate::action) sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::action) format: Option<BackupFormat>,
    pub(in crate::action) created: Timestamp,
    /// The run that made it.
    pub(in crate::action) run: String,
    /// The cluster: the UID of its namespace `kube-system`, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::action) cluster: Option<String>,
    pub(in crate::action) namespace: String,
    pub(in crate::action) pod: String,
    pub(in crate::action) container: Option<String>,
}

impl BackupRecord {
    pub(in crate::action) fn schema() -> String {
        SCHEMA.to_owned()
    }
}

/// The record beside a file; none if there is none.
///
/// # Errors
/// When it cannot be read.
pub(in crate::action) fn record_of(file: &Path) -> Result<Option<BackupRecord>, String> {
    let path = with_end(file, RECORD);
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(File::open(&path)?, MOST_RECORD), &mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| format!("its record {} is not valid: {error}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("its record {} cannot be read: {error}", path.display())),
    }
}

/// From where a backup is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Origin {
    /// The UID of the namespace `kube-system`; none if it cannot be read.
    pub(in crate::action) cluster: Option<String>,
    pub(in crate::action) namespace: String,
}

impl Origin {
    /// A namespace of the cluster of the run.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub(in crate::action) async fn here(
        context: &Context,
        namespace: &str,
    ) -> Result<Self, Failure> {
        let cluster = context.cluster()?.identify().await?.cluster_uid;
        Ok(Self { cluster, namespace: namespace.to_owned() })
    }
}

impl BackupRecord {
    /// Whether it is from there.
    pub(in crate::action) fn is_of(&self, origin: &Origin) -> bool {
        self.cluster == origin.cluster && self.namespace == origin.namespace
    }
}

/// Backups of one name in a folder, from one place.
#[derive(Clone, Debug)]
pub(in crate::action) struct Store {
    pub(in crate::action) directory: PathBuf,
    pub(in crate::action) name: String,
    pub(in crate::action) extension: String,
    /// Those of other namespaces and clusters are neither compared nor removed.
    pub(in crate::action) origin: Origin,
}

/// What was there before a backup was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Found {
    /// The newest backup.
    pub(in crate::action) last: Option<BackupRecord>,
    /// Files of processes that died, which were removed.
    pub(in crate::action) cleaned: Vec<String>,
}

impl Store {
    /// The name of a backup that is made now.
    pub(in crate::action) fn file_name(&self, now: Timestamp) -> String {
        format!("{}-{}.{}", self.name, now.strftime("%Y%m%dT%H%M%SZ"), self.extension)
    }

    /// Begins a backup: makes the folder, removes what processes that died have left, and opens a
    /// file that is no backup yet.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the backup exists.
    pub(in crate::action) fn begin(&self, now: Timestamp) -> io::Result<(Partial, Found)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let cleaned = self.clean()?;
        let last = self.backups()?.into_iter().next();
        let path = self.directory.join(self.file_name(now));
        if path.exists() {
            let text = format!("{} exists, and is not overwritten", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok((Partial::open(path)?, Found { last, cleaned }))
    }

    /// The records of the complete backups, newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(in crate::action) fn backups(&self) -> io::Result<Vec<BackupRecord>> {
        let whole = |name: &String| {
            let file = self.directory.join(name.strip_suffix(RECORD)?);
            let record = record_of(&file).ok()??;
            let size = file.metadata().ok()?.len();
            // a record that names another file says nothing of this one, nor of that
            let is_own = file.file_name().is_some_and(|name| *name == *record.file);
            let is_one = is_own && record.name == self.name && record.is_of(&self.origin);
            (is_one && record.bytes == size).then_some(record)
        };
        let end = format!(".{}{RECORD}", self.extension);
        let mut all: Vec<_> = self.files(&end)?.iter().filter_map(whole).collect();
        all.sort_by(|a, b| (b.created, &b.file).cmp(&(a.created, &a.file)));
        Ok(all)
    }

    /// Removes the oldest backups, until this many are left; never the one that was just made,
    /// whatever the clock says. The names of those that were removed.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(in crate::action) fn keep(&self, keep: usize, made: &str) -> io::Result<Vec<String>> {
        let mut removed = Vec::new();
        let mut others = self.backups()?;
        others.retain(|record| record.file != made);
        for record in others.into_iter().skip(keep.max(1) - 1) {
            let file = self.directory.join(&record.file);
            // without its name it is no backup any more
            std::fs::remove_file(&file)?;
            std::fs::remove_file(with_end(&file, RECORD))?;
            removed.push(record.file);
        }
        Ok(removed)
    }

    /// Removes what processes that died have left. The names of the files.
    fn clean(&self) -> io::Result<Vec<String>> {
        let mut cleaned = Vec::new();
        for name in self.files(PARTIAL)? {
            let path = self.directory.join(&name);
            let is_left = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_left && std::fs::remove_file(&path).is_ok() {
                cleaned.push(name);
            }
        }
        Ok(cleaned)
    }

    /// The files of this name with this end, in order.
    fn files(&self, end: &str) -> io::Result<Vec<String>> {
        let begin = format!("{}-", self.name);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // another name may begin with this one: the time has no more than 16 characters
            let middle = name.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(end));
            if middle.is_some_and(|middle| is_time(middle.split('.').next().unwrap_or_default())) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// `20261129T114231Z`
fn is_time(text: &str) -> bool {
    text.len() == 16
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A file that is no backup yet. It is removed when it is dropped.
#[derive(Debug)]
pub(in crate::action) struct Partial {
    file: File,
    /// What it becomes.
    path: PathBuf,
    partial: PathBuf,
    /// Bytes that nobody has told the disk to store yet.
    unsynced: usize,
    /// Stores what came, while more comes: at the end little is left to wait for.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Partial {
    fn open(path: PathBuf) -> io::Result<Self> {
        let partial = with_end(&path, PARTIAL);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        let opened = Self { file, path, partial, unsynced: 0, syncing: None };
        // a file system without locks has none to look for either
        drop(opened.file.try_lock());
        // another process may have taken it for left behind before it was locked
        if opened.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("another run removed it: run again"));
        }
        Ok(opened)
    }

    pub(in crate::action) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        self.unsynced += data.len();
        if self.unsynced >= SYNC && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.synced()?;
            let file = self.file.try_clone()?;
            self.syncing = Some(std::thread::spawn(move || file.sync_data()));
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Waits for what the disk was told to store. The system tells each error only once.
    fn synced(&mut self) -> io::Result<()> {
        let done = self.syncing.take().map(JoinHandle::join);
        done.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
    }

    /// Makes a backup of it: from here on it has its name.
    ///
    /// # Errors
    /// When it is not on the disk, or the backup exists.
    pub(in crate::action) fn publish(mut self, record: &BackupRecord) -> io::Result<()> {
        self.synced()?;
        self.file.sync_all()?;
        let (text, final_record) =
            (with_end(&self.path, ".json.partial"), with_end(&self.path, RECORD));
        let written = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&text)?;
            drop(file.try_lock());
            serde_json::to_writer_pretty(&mut file, record)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&text, &final_record)?;
            self.name_it()
        };
        written().inspect_err(|_| {
            drop(std::fs::remove_file(&text));
            if !self.path.exists() {
                drop(std::fs::remove_file(&final_record));
            }
        })?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Gives it its name, unless something has it.
    fn name_it(&self) -> io::Result<()> {
        match std::fs::hard_link(&self.partial, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // a file system without links
            Err(_) if !self.path.exists() => std::fs::rename(&self.partial, &self.path),
            other => other,
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // it is gone where it got its name by being renamed
        drop(std::fs::remove_file(&self.partial));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_796_000_000 + second).unwrap()
    }

    fn record(store: &Store, second: i64, bytes: u64) -> BackupRecord {
        BackupRecord {
            schema: BackupRecord::schema(),
            name: store.name.clone(),
            file: store.file_name(at(second)),
            bytes,
            sha256: "0".repeat(64),
            format: Some(BackupFormat::PgDump),
            created: at(second),
            run: "01RUN".to_owned(),
            cluster: store.origin.cluster.clone(),
            namespace: store.origin.namespace.clone(),
            pod: "p".to_owned(),
            container: None,
        }
    }

    fn listed(store: &Store) -> Vec<String> {
        let entries = std::fs::read_dir(&store.directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_complete_has_the_name_of_a_backup() {
        let place = tempfile::tempdir().unwrap();
        let store = Store {
            directory: place.path().join("a/b"),
            name: "db".to_owned(),
            extension: "sql".to_owned(),
            origin: Origin::default(),
        };
        let name = store.file_name(at(0));
        assert_eq!(name, "db-20261130T005320Z.sql");
        let (mut partial, found) = store.begin(at(0)).unwrap();
        assert_eq!(found, Found::default());
        partial.write(b"abc").unwrap();
        assert_eq!(listed(&store), [format!("{name}.partial")]);
        // a second run at the same time does not take it for left behind
        assert_eq!(store.begin(at(1)).unwrap().1.cleaned, [""; 0]);
        partial.publish(&record(&store, 0, 3)).unwrap();
        assert_eq!(listed(&store), [name.clone(), format!("{name}.json")]);
        let mode = std::fs::metadata(store.directory.join(&name)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(store.begin(at(0)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // one that is given up leaves nothing
        drop(store.begin(at(2)).unwrap());
        assert_eq!(listed(&store).len(), 2);
        // what a process that died has left is no backup, and is removed
        let left = store.directory.join(format!("{}.partial", store.file_name(at(3))));
        std::fs::write(&left, "half").unwrap();
        let (_, found) = store.begin(at(4)).unwrap();
        assert_eq!(found.last, Some(record(&store, 0, 3)));
        assert_eq!(found.cleaned, [left.file_name().unwrap().to_str().unwrap()]);
        assert_eq!(record_of(&store.directory.join(&name)).unwrap(), found.last);
    }

    #[test]
    fn the_oldest_are_removed_and_others_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let store = |name: &str| Store {
            directory: place.path().to_owned(),
            name: name.to_owned(),
            extension: "sql".to_owned(),
            origin: Origin::default(),
        };
        for (name, second) in [("db", 0), ("db", 1), ("db", 2), ("db-copy", 0)] {
            let store = store(name);
            let (mut partial, _) = store.begin(at(second)).unwrap();
            partial.write(b"abc").unwrap();
            partial.publish(&record(&store, second, 3)).unwrap();
        }
        let db = store("db");
        // a file that was changed since is no backup, and neither is a file without a record
        std::fs::write(place.path().join(db.file_name(at(3))), "by hand").unwrap();
        std::fs::write(place.path().join(db.file_name(at(1))), "cut").unwrap();
        std::fs::remove_file(place.path().join(db.file_name(at(1)))).unwrap();
        std::fs::write(place.path().join(db.file_name(at(1))), "x").unwrap();
        // a record that names a file elsewhere removes none
        let other = place.path().join("precious.sql");
        std::fs::write(&other, "abc").unwrap();
        let lies = BackupRecord { file: "precious.sql".to_owned(), ..record(&db, 4, 3) };
        std::fs::write(place.path().join(db.file_name(at(4))), "abc").unwrap();
        let lies = serde_json::to_string(&lies).unwrap();
        std::fs::write(place.path().join(db.file_name(at(4)) + RECORD), lies).unwrap();
        assert_eq!(db.keep(1, &db.file_name(at(2))).unwrap(), [db.file_name(at(0))]);
        assert_eq!(db.keep(0, &db.file_name(at(2))).unwrap(), [""; 0], "the last one stays");
        assert!(other.exists());
        let newest = |store: &Store| store.backups().unwrap().remove(0).file;
        assert_eq!(newest(&db), db.file_name(at(2)));
        assert_eq!(newest(&store("db-copy")), store("db-copy").file_name(at(0)));
        assert!(place.path().join(db.file_name(at(3))).exists());
    }
}
