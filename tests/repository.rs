//! What no compiler checks: test files that nobody declares, codes without documentation, the width
//! of YAML.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files under a folder with one of the extensions, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files beside a `main.rs` that it does not declare as modules.
fn forgotten(main: &Path) -> Vec<String> {
    let text = fs::read_to_string(main).unwrap();
    let declared: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    fs::read_dir(main.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "main" && !declared.contains(name.as_str()))
        .collect()
}

#[test]
fn every_test_file_is_compiled() {
    let is_main =
        |path: &PathBuf| path.ends_with("main.rs") && path.iter().any(|part| part == "tests");
    let all = [files(&root().join("tests"), "rs"), files(&root().join("crates"), "rs")].concat();
    let mains = all.into_iter().filter(is_main);
    let mut checked = 0;
    for main in mains {
        let missing = forgotten(&main);
        assert!(missing.is_empty(), "{} does not declare {missing:?}", main.display());
        checked += 1;
    }
    assert!(checked > 1, "no tests/*/main.rs was found");
}

/// Codes such as `RB0102` in string literals, except in tests.
fn codes_of_the_source() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let pattern = regex::Regex::new("\"(RB[0-9]{4})\"").unwrap();
    for path in files(&root().join("src"), "rs") {
        let is_test =
            path.iter().any(|part| part == "tests") || path.file_stem().unwrap() == "tests";
        if is_test {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        codes.extend(pattern.captures_iter(program).map(|found| found[1].to_owned()));
    }
    codes
}

#[test]
fn every_diagnostic_code_is_documented() {
    let page = fs::read_to_string(root().join("docs/diagnostics.md")).unwrap();
    let documented: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    assert_eq!(documented, codes_of_the_source());
}

#[test]
fn lines_of_runbooks_have_at_most_120_columns() {
    let mut wide = Vec::new();
    for path in files(&root().join("runbooks"), "yaml") {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.chars().count() > 120 {
                wide.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}
