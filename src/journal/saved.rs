//! The files that a run keeps: `saved/` beside the journal.

#[cfg(test)]
use super::Durability;
use super::directory::{self, private, sync_dir};
use super::{Error, Journal};
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// Name of the folder in that of the run.
const SAVED: &str = "saved";
/// The longest name of a file or folder, in bytes: what file systems take.
const NAME: usize = 255;
/// The most folders above a file.
const DEPTH: usize = 8;

/// What is wrong with the path of a file, which must lie below `saved/` on every system.
///
/// # Errors
/// What is wrong, for a person.
pub fn check_saved_path(file: &str) -> Result<(), String> {
    let parts: Vec<&str> = file.split('/').collect();
    let plain = |part: &&str| {
        let mut components = Path::new(part).components();
        let is_name = matches!(components.next(), Some(Component::Normal(_)));
        is_name && components.next().is_none() && part.len() <= NAME
    };
    let wrong = if file.is_empty() {
        "is empty"
    } else if file.chars().any(|c| c.is_control() || c == '\\') {
        "contains a control character or a backslash"
    } else if !parts.iter().all(plain) {
        "must be relative, without `.`, `..` and empty names"
    } else if parts.len() > DEPTH {
        "has too many folders"
    } else {
        return Ok(());
    };
    Err(format!("the path of a saved file {wrong}: `{file}`"))
}

/// The folder of the files that a run has saved. It exists only if there is one.
///
/// # Errors
/// When the id is none of a run.
pub fn saved_dir(state_dir: &Path, run: &str) -> Result<PathBuf, Error> {
    Ok(directory::run_dir(state_dir, run)?.join(SAVED))
}

impl Journal {
    /// The folder of the saved files. It exists only if there is one.
    pub fn saved_dir(&self) -> PathBuf {
        self.directory().join(SAVED)
    }

    /// Writes a file below `saved/`, whose path was checked: whole or not at all, and durable when
    /// this returns. One of this name is replaced.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and others of the system.
    pub fn keep(&self, file: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.saved_dir().join(file);
        let folder = path.parent().unwrap_or(&path);
        directory::make_dirs(folder)?;
        let temporary = folder.join(".new");
        let written = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(content).and_then(|()| self.durability().file(&file))
            })
            .and_then(|()| fs::rename(&temporary, &path));
        if let Err(source) = written {
            // nothing half-written stays; what is wrong is said already
            fs::remove_file(&temporary).ok();
            return Err(Error::from_io("write", &path, source));
        }
        let folders = folder.ancestors().take_while(|above| above.starts_with(self.directory()));
        folders.take(DEPTH + 1).try_for_each(|above| sync_dir(above, self.durability()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_folder() {
        for good in ["a", "logs/web-1.log", "a b/ü.txt", ".hidden", "a/..b"] {
            assert_eq!(check_saved_path(good), Ok(()), "{good}");
        }
        let long = "x".repeat(256);
        let deep = "a/".repeat(8) + "b";
        let names = ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", ".", "a\\b", "a\nb"];
        for bad in names.into_iter().chain([long.as_str(), deep.as_str()]) {
            assert!(check_saved_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_private_and_replaced_whole() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::create(state.path(), "r", Durability::Lazy).unwrap();
        journal.keep("logs/a.log", b"one").unwrap();
        journal.keep("logs/a.log", b"two").unwrap();
        let path = journal.saved_dir().join("logs/a.log");
        assert_eq!(fs::read(&path).unwrap(), b"two");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(
                fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        assert!(journal.keep("logs", b"x").is_err(), "a folder is not replaced");
        let left: Vec<_> = fs::read_dir(journal.saved_dir()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
