//! The line of a log that is said to be why a container ended. Each case of the files in `reasons/`
//! begins with `## NAME`, and `=> ` is in front of the line that is wanted.

use crate::build::*;

const FILES: &[&str] = &[
    include_str!("reasons/compiled.txt"),
    include_str!("reasons/jvm-and-net.txt"),
    include_str!("reasons/scripts.txt"),
    include_str!("reasons/python.txt"),
    include_str!("reasons/node.txt"),
    include_str!("reasons/servers.txt"),
    include_str!("reasons/levels.txt"),
    include_str!("reasons/tools.txt"),
    include_str!("reasons/none.txt"),
    include_str!("reasons/retries.txt"),
    include_str!("reasons/fatal.txt"),
];
const MARK: &str = "=> ";

/// The cases of a file: name, log, and the line that is wanted.
fn cases(file: &str) -> Vec<(String, String, String)> {
    let case = |text: &str| {
        let (name, log) = text.split_once('\n').unwrap();
        let mut marked = log.lines().filter_map(|line| line.strip_prefix(MARK));
        let wanted = marked.next().unwrap_or_else(|| panic!("{name}: no line is marked")).trim();
        assert_eq!(marked.next(), None, "{name}: more than one line is marked");
        let plain = log.lines().map(|line| line.strip_prefix(MARK).unwrap_or(line));
        (name.to_owned(), plain.collect::<Vec<_>>().join("\n"), wanted.to_owned())
    };
    file.split("## ").filter(|text| !text.is_empty()).map(case).collect()
}

/// What is said of a container that ends with this log.
fn said(log: &str) -> String {
    let mut snapshot: kube_diagnosis::Snapshot =
        web_with(ill_pod("web-a", crashing("Error", 1))).into_iter().collect();
    snapshot.add_last_words("web-a", "main", log);
    kube_diagnosis::diagnose(&snapshot, now()).causes.remove(0).detail
}

#[test]
fn the_line_that_says_why_is_told() {
    let all: Vec<_> = FILES.iter().flat_map(|file| cases(file)).collect();
    assert!(all.len() >= 150, "{} cases", all.len());
    let is = |wanted: &str, said: &str| {
        // terraform and others draw a box around what they say
        let bare = wanted.trim_start_matches(['│', '|', ' ']);
        let bare = bare.split_whitespace().collect::<Vec<_>>().join(" ");
        said == format!("main: exit code 1, 6 restarts: {bare} (pod web-a)")
    };
    let wrong: Vec<String> = all
        .iter()
        .map(|(name, log, wanted)| (name, wanted, said(log)))
        .filter(|(_, wanted, said)| !is(wanted, said))
        .map(|(name, wanted, said)| format!("{name}\n  wanted: {wanted}\n  is:     {said}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
