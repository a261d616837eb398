//! The files that a catalogue or a document names: regular, bounded, each once.

use super::node::MAX_BYTES;
use super::suite::SUITE;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// How deep folders are searched.
const MAX_DEPTH: usize = 8;
/// How many files and folders of a catalogue are looked at.
const MAX_FILES: usize = 20_000;

/// What is read, and how much of it at most.
#[derive(Clone, Copy, Debug)]
pub struct FileKind {
    what: &'static str,
    limit: usize,
}

impl FileKind {
    /// A runbook.
    pub const RUNBOOK: Self = Self { what: "a runbook", limit: MAX_BYTES };
    /// A file of parameters.
    pub const PARAMS: Self = Self { what: "a file of parameters", limit: MAX_BYTES };
    /// A file of settings.
    pub const SETTINGS: Self = Self { what: "a file of settings", limit: MAX_BYTES };
    /// A file of a world of the sandbox.
    pub const WORLD: Self = Self { what: "a file of a world", limit: MAX_BYTES };
}

/// The text of a regular file, up to its limit. Pipes, devices and folders are refused before they
/// are opened: they could hang or never end.
///
/// # Errors
/// Why it cannot be read, for a person.
pub fn read(path: &Path, reading: FileKind) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("is a folder, not {}", reading.what));
    }
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let too_large = |bytes: u64| {
        format!("has {bytes} bytes, more than the {} that {} may have", reading.limit, reading.what)
    };
    if metadata.len() > reading.limit as u64 {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // what has no size beforehand, as in /proc, is read up to the limit, too
    File::open(path)
        .and_then(|file| file.take(reading.limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() > reading.limit {
        return Err(too_large(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("is not UTF-8: invalid byte at offset {}", error.utf8_error().valid_up_to())
    })
}

/// The YAML files below a folder that are runbooks, in order. A folder is visited once, however many links lead to
/// it.
pub fn collect(folder: &Path) -> Vec<PathBuf> {
    let mut search = Search { visited: HashSet::new(), left: MAX_FILES, files: Vec::new() };
    search.folder(folder, 0);
    search.files.retain(|path| is_yaml(path));
    search.files
}

/// As [`collect`], with the rehearsal files and everything else that is there.
pub fn collect_all(folder: &Path) -> Vec<PathBuf> {
    let mut search = Search { visited: HashSet::new(), left: MAX_FILES, files: Vec::new() };
    search.folder(folder, 0);
    search.files
}

struct Search {
    visited: HashSet<PathBuf>,
    left: usize,
    files: Vec<PathBuf>,
}

impl Search {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let Ok(real) = fs::canonicalize(folder) else { return };
        if depth > MAX_DEPTH || !self.visited.insert(real) {
            return;
        }
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut paths: Vec<_> = entries
            .take(self.left)
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .collect();
        self.left -= paths.len();
        paths.sort();
        for path in paths {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                self.folder(&path, depth + 1);
            } else if metadata.is_file() {
                self.files.push(path);
            }
        }
    }
}

/// Whether a file is YAML by its name, and no rehearsal file.
pub(super) fn is_yaml(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let of_suite = name.ends_with(SUITE) || name.ends_with(".test.yml");
    !of_suite && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_regular_file_is_passed_over_and_each_folder_is_visited_once() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        fs::write(at("inner/one.yaml"), "a: 1").unwrap();
        symlink("/dev/zero", at("zero.yaml")).unwrap();
        symlink(at("nowhere"), at("gone.yaml")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("pipe.yaml")).status().unwrap();
        assert!(pipe.success());
        for name in ["a", "b", "c", "d", "e", "f"] {
            symlink(".", at(name)).unwrap();
        }
        assert_eq!(collect(root.path()), [at("inner/one.yaml")]);
        for (name, wanted) in [
            ("zero.yaml", "is not a regular file"),
            ("pipe.yaml", "is not a regular file"),
            ("inner", "is a folder"),
        ] {
            let error = read(&at(name), FileKind::RUNBOOK).unwrap_err();
            assert!(error.contains(wanted), "{name}: {error}");
        }
        assert_eq!(read(&at("inner/one.yaml"), FileKind::RUNBOOK).as_deref(), Ok("a: 1"));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("large.yaml");
        fs::write(&path, "x".repeat(MAX_BYTES + 1)).unwrap();
        assert!(
            read(&path, FileKind::PARAMS)
                .unwrap_err()
                .contains("more than the 1048576 that a file of parameters may have")
        );
    }
}
