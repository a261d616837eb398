//! The rule of the folders: dependencies point down the table of docs/architecture.md.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From top to bottom. A folder may use what stands below it.
const ORDER: &[&str] = &[
    "cli",
    "report",
    "session",
    "engine",
    "state",
    "journal",
    "plan",
    "document",
    "construct",
    "action",
    "cluster",
    "sandbox",
    "network",
    "expression",
    "event",
    "api",
    "secret",
    "failpoint",
    "diagnostic",
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The first names after `crate::` in a file, those of a braced list included.
fn used(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(inner) => inner
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .collect::<Vec<_>>(),
            None => vec![rest],
        };
        for item in list {
            let name: String =
                item.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            names.push(name);
        }
    }
    names
}

#[test]
fn arrows_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rank: BTreeMap<&str, usize> =
        ORDER.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 50, "the source is not where this test looks for it");
    let mut upward = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&source).unwrap();
        let room = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        let Some(own) = rank.get(room.as_str()) else {
            assert!(matches!(room.as_str(), "lib" | "main"), "{room} is not in the table");
            continue;
        };
        for name in used(&fs::read_to_string(&path).unwrap()) {
            if rank.get(name.as_str()).is_some_and(|other| other < own) {
                upward.push(format!("{}: {room} uses {name}", inside.display()));
            }
        }
    }
    assert!(upward.is_empty(), "arrows that point up:\n{}", upward.join("\n"));
}

#[test]
fn kube_is_known_in_one_room_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let allowed = |path: &Path| {
        path.starts_with(source.join("cluster")) || path.to_string_lossy().contains("test")
    };
    let strangers: Vec<_> = files
        .iter()
        .filter(|path| !allowed(path))
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines()
                .any(|line| line.trim_start().starts_with("use kube") || line.contains(" kube::"))
        })
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}
