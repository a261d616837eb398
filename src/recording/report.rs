//! `RECORDED.md`: what the world is, what was replaced, and what is missing.

use super::disguise::Disguise;
use super::objects::Sorted;
use super::{Gap, Seen, kind};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The text.
pub(super) fn report(seen: &Seen, sorted: &Sorted, disguise: &Disguise, gaps: &[Gap]) -> String {
    let mut text = format!("# Recording of {}\n\n", seen.namespaces.join(", "));
    let version = if seen.version.is_empty() { "unknown" } else { &seen.version };
    let _ = writeln!(
        text,
        "Recorded at {}; version of the cluster: {version}.\n",
        seen.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in sorted.manifests.iter().chain(&sorted.states) {
        *counts.entry(kind(object)).or_default() += 1;
    }
    text.push_str("| kind | objects |\n|---|---|\n");
    for (kind, count) in counts {
        let _ = writeln!(text, "| {kind} | {count} |");
    }
    let lines: usize = seen.logs.iter().map(|log| log.lines.len()).sum();
    let _ = writeln!(
        text,
        "\nAnswers of applications: {}. Log lines: {lines}.\n\n## Replaced\n\n{} values of Secrets \
            and settings that look like credentials, by values of the same shape.",
        seen.answers.len(),
        disguise.replaced
    );
    if disguise.public > 0 {
        let _ = writeln!(
            text,
            "\n{} of these values are also part of the name of an object; outside of Secrets they \
                stay.",
            disguise.public
        );
    }
    text.push_str("\n## Not captured\n\n");
    if gaps.is_empty() {
        text.push_str("Nothing that was asked for.\n");
    }
    for Gap { what, why } in gaps {
        let _ = writeln!(text, "- {}: {}", disguise.text(what), disguise.text(why));
    }
    text
}
