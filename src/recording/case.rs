//! The case of a rehearsal file that plays a recorded world.

use super::RECORDED;
use std::fmt::Write;

/// The case: its name, its world, and what is expected, if that is known: verdict and findings.
pub fn case_of(name: &str, world: &str, expected: Option<(&str, &[String])>) -> String {
    let mut text = format!("  - case: {name}\n    world: {world}\n    scenario: {RECORDED}\n");
    if let Some((verdict, findings)) = expected {
        let findings = if findings.is_empty() {
            String::new()
        } else {
            format!(", findings: [{}]", findings.join(", "))
        };
        let _ = writeln!(text, "    expect: {{verdict: {verdict}{findings}}}");
    }
    text
}

/// A rehearsal file with one more case; none if it has one of this name, or is written otherwise.
pub fn with_case(file: Option<&str>, name: &str, case: &str) -> Option<String> {
    let Some(file) = file else { return Some(format!("rehearsal: v1\ncases:\n{case}")) };
    let last = file.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    // the list of cases is the last part of the file
    let open = file.lines().any(|line| line == "cases:") && last.starts_with([' ', '-']);
    let known = file.lines().any(|line| line.trim() == format!("- case: {name}"));
    (open && !known).then(|| format!("{}\n{case}", file.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_added_once() {
        let case =
            case_of("last night", "incident-42", Some(("failed", &["nats-down".to_owned()])));
        let file = with_case(None, "last night", &case).unwrap();
        assert!(file.ends_with("    expect: {verdict: failed, findings: [nats-down]}\n"), "{file}");
        assert_eq!(with_case(Some(&file), "last night", &case), None);
        let more = with_case(Some(&file), "other", &case_of("other", "incident-43", None)).unwrap();
        assert!(more.starts_with(&file) && more.ends_with("scenario: recorded\n"), "{more}");
    }
}
