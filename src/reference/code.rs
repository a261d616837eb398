//! Diagnostic codes, as docs/diagnostics.md explains them.

/// The page.
const PAGE: &str = include_str!("../../docs/diagnostics.md");

/// Every code with its text, in the order of the page.
pub fn codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n### ").skip(1).map(|section| {
        let (code, text) = section.split_once('\n').unwrap_or((section, ""));
        (code, text.split("\n## ").next().unwrap_or_default().trim())
    })
}

/// What a code means.
pub fn code(code: &str) -> Option<String> {
    codes().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| text.to_owned())
}
