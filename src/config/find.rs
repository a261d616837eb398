//! Where the files are.

use super::FILE_NAME;
use etcetera::{BaseStrategy, choose_base_strategy};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What marks the root of a repository.
const REPOSITORIES: [&str; 3] = [".git", ".hg", ".jj"];

/// What a search for the file of the project came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// This file.
    File(PathBuf),
    /// This file, which belongs to somebody else than the user, the system and whoever owns the
    /// working directory, or is a link to elsewhere: it is not read.
    Foreign(PathBuf),
    /// None.
    #[default]
    None,
}

impl Found {
    /// The file that is read.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Foreign(_) | Self::None => None,
        }
    }
}

/// The file of the project: the first one from the working directory upwards, up to the root of the
/// repository or to the home directory. What is above belongs to no project of this directory, and
/// above the home directory to somebody else.
pub fn project_file(working: &Path, home: Option<&Path>) -> Found {
    let owner = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.uid());
    let mine = [Some(0), Some(rustix::process::geteuid().as_raw()), owner(working)];
    for (at, folder) in working.ancestors().enumerate() {
        let file = folder.join(FILE_NAME);
        // also one that leads nowhere: that it cannot be read is said
        if file.symlink_metadata().is_ok() {
            // in the working directory it is shown as one would type it
            let shown = if at == 0 { PathBuf::from(FILE_NAME) } else { file.clone() };
            let is_mine = mine.contains(&owner(&file)) && stays(&file, folder);
            return if is_mine { Found::File(shown) } else { Found::Foreign(shown) };
        }
        let is_root = REPOSITORIES.iter().any(|mark| folder.join(mark).exists());
        if is_root || home == Some(folder) {
            break;
        }
    }
    Found::None
}

/// Whether a file is in its directory, and no link to another: what is wrong with it is quoted, and a
/// checkout must not quote files from elsewhere.
fn stays(file: &Path, folder: &Path) -> bool {
    let real = (file.canonicalize().ok(), folder.canonicalize().ok());
    matches!(real, (Some(file), Some(folder)) if file.starts_with(&folder))
}

/// The file of the user, whether it is there or not: `$XDG_CONFIG_HOME/runbook/runbook.toml`,
/// usually `~/.config/runbook/runbook.toml`. None without a home directory.
pub fn user_file() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.config_dir().join("runbook").join(FILE_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_at_the_repository_or_at_home() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("home/repository/inner/deep")).unwrap();
        fs::create_dir_all(at("home/plain/inner")).unwrap();
        let home = at("home");
        let found = |folder: &str| project_file(&at(folder), Some(&home));
        fs::write(at("runbook.toml"), "").unwrap();
        assert_eq!(found("home/plain/inner"), Found::None);
        fs::write(at("home/runbook.toml"), "").unwrap();
        assert_eq!(found("home/plain/inner"), Found::File(at("home/runbook.toml")));
        fs::create_dir(at("home/repository/.git")).unwrap();
        assert_eq!(found("home/repository/inner/deep"), Found::None);
        fs::write(at("home/repository/runbook.toml"), "").unwrap();
        let own = Found::File(at("home/repository/runbook.toml"));
        assert_eq!(found("home/repository/inner/deep"), own);
        // the first one counts
        fs::write(at("home/repository/inner/runbook.toml"), "").unwrap();
        let nearer = Found::File(at("home/repository/inner/runbook.toml"));
        assert_eq!(found("home/repository/inner/deep"), nearer);
        assert_eq!(found("home/repository/inner"), Found::File("runbook.toml".into()));
    }

    #[test]
    fn what_somebody_else_put_above_is_not_read() {
        use std::os::unix::fs::chown;
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        let file = root.path().join(FILE_NAME);
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "").unwrap();
        // only the system can give files away
        if chown(&file, Some(12345), None).is_err() {
            return;
        }
        assert_eq!(project_file(&inner, None), Found::Foreign(file));
        // a checkout of another user is his as a whole
        chown(&inner, Some(12345), None).unwrap();
        assert!(project_file(&inner, None).file().is_some());
    }
}
