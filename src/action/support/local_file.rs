//! Files of this machine: which a pattern names, and what is known of one. Reading is bounded: a
//! device, a pipe or a huge file neither blocks nor fills the memory.

use crate::encoding::hex;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The most files that patterns may name.
const FILES: usize = 1000;
/// How deep `**` goes.
const DEPTH: usize = 16;
/// The largest file that is hashed.
const HASHED: u64 = 1024 * 1024 * 1024;
/// The largest file whose content is read.
pub(in crate::action) const READ: u64 = 16 * 1024 * 1024;

/// What is known of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Looked {
    /// Nothing is there, or the symbolic link leads nowhere.
    Missing,
    /// Something is there.
    There(About),
    /// It could not be looked at.
    Unread(String),
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct About {
    /// `file`, `directory`, `device`, `pipe` or `socket`; that of the target of a symbolic link.
    pub(in crate::action) kind: &'static str,
    pub(in crate::action) size: u64,
    /// The permissions, in octal: `0644`.
    pub(in crate::action) mode: String,
    /// Of a regular file; otherwise, or if it is too large, why there is none.
    pub(in crate::action) sha256: Result<String, String>,
    /// Its content, if it was asked for and it is no larger than [`READ`].
    pub(in crate::action) content: Option<Vec<u8>>,
}

/// Looks at a path, following symbolic links.
pub(in crate::action) fn look(path: &Path, with_content: bool) -> Looked {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Looked::Missing,
        Err(error) => return Looked::Unread(error.to_string()),
    };
    if !about.is_file() {
        let kind = kind(&about);
        return Looked::There(of(&about, kind, Err(format!("it is a {kind}")), None));
    }
    // it may have become something else that blocks whoever opens it
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let read = opened.and_then(|file| contents(file, with_content));
    match read {
        Ok((about, sha256, content)) => Looked::There(of(&about, "file", sha256, content)),
        Err(error) => Looked::Unread(error.to_string()),
    }
}

type Contents = (Metadata, Result<String, String>, Option<Vec<u8>>);

fn contents(file: File, with_content: bool) -> std::io::Result<Contents> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(std::io::Error::other("it was replaced while it was read"));
    }
    let mut hash = Sha256::new();
    let mut content = with_content.then(Vec::new);
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    // the size of a file in /proc says nothing about what is in it
    let mut file = file.take(HASHED + 1);
    while let count @ 1.. = file.read(&mut buffer)? {
        length += count as u64;
        hash.update(&buffer[..count]);
        if length > READ {
            content = None;
        }
        content.iter_mut().for_each(|content| content.extend_from_slice(&buffer[..count]));
    }
    let sha256 = match length > HASHED {
        true => Err(format!("it is larger than {} GiB", HASHED >> 30)),
        false => Ok(hex(&hash.finalize())),
    };
    Ok((about, sha256, content))
}

fn of(
    about: &Metadata,
    kind: &'static str,
    sha256: Result<String, String>,
    content: Option<Vec<u8>>,
) -> About {
    let mode = format!("{:04o}", about.mode() & 0o7777);
    About { kind, size: about.len(), mode, sha256, content }
}

fn kind(about: &Metadata) -> &'static str {
    let kind = about.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () if kind.is_file() => "file",
        () => "device",
    }
}

/// The paths that patterns name, sorted. A path without `*`, `?` and `**` names itself, whether it
/// is there or not.
///
/// # Errors
/// When there are too many, or a directory cannot be read.
pub(in crate::action) fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut all = Vec::new();
    for pattern in patterns {
        if pattern.contains(['*', '?']) {
            let (root, parts) = match pattern.strip_prefix('/') {
                Some(rest) => (PathBuf::from("/"), rest),
                None => (PathBuf::new(), pattern.as_str()),
            };
            let parts: Vec<&str> = parts.split('/').filter(|part| !part.is_empty()).collect();
            matching(&root, &parts, DEPTH, &mut all)
                .map_err(|reason| format!("{pattern}: {reason}"))?;
        } else {
            all.push(PathBuf::from(pattern));
        }
        if all.len() > FILES {
            return Err(format!("{pattern} matches more than {FILES} files"));
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn matching(
    folder: &Path,
    parts: &[&str],
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(folder.to_owned());
        return Ok(());
    };
    if !part.contains(['*', '?']) {
        let next = folder.join(part);
        return if next.exists() { matching(&next, rest, depth, found) } else { Ok(()) };
    }
    let deep = *part == "**";
    if deep {
        matching(folder, rest, depth, found)?;
    }
    for (name, is_folder) in entries(folder)? {
        if found.len() > FILES {
            return Ok(());
        }
        let next = folder.join(&name);
        if deep {
            if is_folder && depth > 0 && !name.starts_with('.') {
                matching(&next, parts, depth - 1, found)?;
            }
        } else if fits(&name, part) && (rest.is_empty() || next.is_dir()) {
            matching(&next, rest, depth, found)?;
        }
    }
    Ok(())
}

/// The names in a directory, and whether each is a directory and no link to one.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unreadable =
        |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        names.extend(entry.file_name().into_string().ok().map(|name| (name, is_folder)));
    }
    Ok(names)
}

/// Whether a name fits a pattern of `*` and `?`. Hidden files have to be named as such.
fn fits(name: &str, pattern: &str) -> bool {
    fn rest(name: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', after)) => (0..=name.len()).any(|skipped| rest(&name[skipped..], after)),
            Some((wanted, after)) => name.split_first().is_some_and(|(first, more)| {
                (*wanted == '?' || wanted == first) && rest(more, after)
            }),
        }
    }
    let (letters, wanted): (Vec<char>, Vec<char>) =
        (name.chars().collect(), pattern.chars().collect());
    (!name.starts_with('.') || pattern.starts_with('.')) && rest(&letters, &wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        std::fs::create_dir_all(root.join("k8s/deep/er")).unwrap();
        for file in ["k8s/a.yaml", "k8s/b.yml", "k8s/.hidden.yaml", "k8s/deep/er/c.yaml"] {
            std::fs::write(root.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("k8s/deep/loop")).unwrap();
        let named = |pattern: &str| -> Vec<String> {
            let found = expand(&[root.join(pattern).display().to_string()]).unwrap();
            let short = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
            found.iter().map(short).collect()
        };
        assert_eq!(named("k8s/*.yaml"), ["k8s/a.yaml"]);
        assert_eq!(named("k8s/?.y*ml"), ["k8s/a.yaml", "k8s/b.yml"]);
        assert_eq!(named("**/*.yaml"), ["k8s/a.yaml", "k8s/deep/er/c.yaml"]);
        assert_eq!(named("k8s/*/er/c.yaml"), ["k8s/deep/er/c.yaml"]);
        assert_eq!(named("k8s/none.yaml"), ["k8s/none.yaml"], "a path names itself");
        assert!(named("none/*.yaml").is_empty());
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_not_read() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a");
        std::fs::write(&file, "abc").unwrap();
        let Looked::There(about) = look(&file, true) else { panic!("it is there") };
        assert_eq!(
            (about.kind, about.size, about.content.as_deref()),
            ("file", 3, Some(b"abc".as_slice()))
        );
        assert!(about.sha256.unwrap().starts_with("ba7816bf"));
        let kind = |path: &Path| match look(path, true) {
            Looked::There(About { kind, sha256: Err(_), content: None, .. }) => kind,
            other => panic!("{other:?}"),
        };
        assert_eq!((kind(place.path()), kind(Path::new("/dev/zero"))), ("directory", "device"));
        let pipe = place.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(kind(&pipe), "pipe");
        let link = place.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(look(&link, false), Looked::Missing);
        let large = place.path().join("large");
        File::create(&large).unwrap().set_len(READ + 1).unwrap();
        let Looked::There(about) = look(&large, true) else { panic!("it is there") };
        assert_eq!((about.content, about.sha256.is_ok()), (None, true));
    }
}
