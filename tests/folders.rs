//! The rule of the rooms: which room may use which, one entry for each arrow that there is.
//!
//! What stands in `crates/` is a package of its own, and Cargo sees to it that it uses nothing of
//! the program.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom, each with those that it uses. One that is missing here is an arrow
/// that must not be; one that no file needs any more goes.
const EDGES: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "session",
            "rehearsal",
            "report",
            "history",
            "recording",
            "engine",
            "sandbox",
            "plan",
            "document",
            "action",
            "journal",
            "cluster",
            "state",
            "secret",
            "event",
            "diagnostic",
            "network",
            "alert",
            "notify",
            "config",
            "reference",
            "docs",
        ],
    ),
    (
        "docs",
        &[
            "report",
            "document",
            "construct",
            "action",
            "secret",
            "expression",
            "event",
            "encoding",
            "reference",
            "diagnosis",
        ],
    ),
    ("reference", &["config", "document", "construct", "action", "sandbox", "diagnosis"]),
    (
        "rehearsal",
        &[
            "session",
            "engine",
            "sandbox",
            "document",
            "action",
            "journal",
            "cluster",
            "compare",
            "state",
            "expression",
            "event",
            "encoding",
        ],
    ),
    (
        "session",
        &[
            "alert",
            "diagnostic",
            "recording",
            "engine",
            "sandbox",
            "plan",
            "document",
            "action",
            "journal",
            "compare",
            "cluster",
            "state",
            "secret",
            "event",
            "encoding",
        ],
    ),
    ("config", &["plan", "notify", "document", "action", "diagnostic"]),
    ("notify", &["cluster", "state", "event"]),
    ("history", &["journal", "state", "event"]),
    ("alert", &["plan", "document", "event", "encoding", "diagnostic"]),
    (
        "report",
        &[
            "rehearsal",
            "history",
            "compare",
            "state",
            "secret",
            "expression",
            "event",
            "encoding",
            "diagnostic",
            "network",
        ],
    ),
    (
        "engine",
        &[
            "plan",
            "document",
            "construct",
            "action",
            "journal",
            "compare",
            "state",
            "secret",
            "expression",
            "api",
            "failpoint",
            "event",
            "diagnostic",
            "blocking",
            "diagnosis",
            "encoding",
        ],
    ),
    ("sandbox", &["document", "diagnostic"]),
    ("recording", &["secret", "encoding"]),
    (
        "plan",
        &[
            "document",
            "construct",
            "action",
            "cluster",
            "secret",
            "expression",
            "event",
            "encoding",
            "diagnostic",
        ],
    ),
    (
        "document",
        &["construct", "action", "secret", "expression", "event", "diagnostic", "diagnosis"],
    ),
    ("construct", &["action", "diagnosis"]),
    (
        "action",
        &[
            "compare",
            "cluster",
            "secret",
            "expression",
            "api",
            "event",
            "encoding",
            "blocking",
            "network",
            "diagnosis",
        ],
    ),
    ("journal", &["expression", "failpoint", "event", "encoding"]),
    ("cluster", &["api", "encoding", "diagnosis"]),
    ("state", &["event"]),
    ("compare", &["event"]),
    ("secret", &["encoding"]),
    ("expression", &["event", "diagnostic", "diagnosis"]),
    ("api", &["encoding"]),
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

/// The arrows of the source, each with the first file that needs it.
fn arrows() -> BTreeMap<(String, String), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 50, "the source is not where this test looks for it");
    let room = |path: &Path| {
        let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    };
    let rooms: BTreeSet<String> =
        files.iter().map(|path| room(path.strip_prefix(&source).unwrap())).collect();
    let mut arrows = BTreeMap::new();
    for path in &files {
        let inside = path.strip_prefix(&source).unwrap();
        let own = room(inside);
        if own == "lib" || own == "main" {
            continue;
        }
        for other in used(&fs::read_to_string(path).unwrap()) {
            let is_room =
                rooms.contains(&other) || ["network", "diagnosis"].contains(&other.as_str());
            if other != own && is_room {
                arrows.entry((own.clone(), other)).or_insert(inside.display().to_string());
            }
        }
    }
    arrows
}

#[test]
fn every_arrow_is_allowed_and_every_allowed_arrow_is_there() {
    let arrows = arrows();
    let allowed: BTreeSet<(String, String)> = EDGES
        .iter()
        .flat_map(|(room, used)| used.iter().map(|other| ((*room).into(), (*other).into())))
        .collect();
    let new: Vec<String> = arrows
        .iter()
        .filter(|(arrow, _)| !allowed.contains(*arrow))
        .map(|((room, other), file)| format!("{room} uses {other}, in {file}"))
        .collect();
    let gone: Vec<String> = allowed
        .iter()
        .filter(|arrow| !arrows.contains_key(*arrow))
        .map(|(room, other)| format!("{room} no longer uses {other}: take it out of EDGES"))
        .collect();
    assert!(new.is_empty() && gone.is_empty(), "{}", [new, gone].concat().join("\n"));
}

#[test]
fn no_two_rooms_use_each_other() {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(room, used)| (*room, used.iter().copied().collect())).collect();
    // what uses nothing that is left stands at the bottom, and is taken away
    loop {
        let bottom: BTreeSet<&str> = left
            .iter()
            .filter(|(_, used)| !used.iter().any(|other| left.contains_key(other)))
            .map(|(room, _)| *room)
            .collect();
        if bottom.is_empty() {
            break;
        }
        left.retain(|room, _| !bottom.contains(room));
    }
    assert!(left.is_empty(), "these use each other in a circle: {left:?}");
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
                .any(|line| line.trim_start().starts_with("use kube::") || line.contains(" kube::"))
        })
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}
