//! JUnit XML: what CI systems read. Pure.
//!
//! Valid for both schemas in use, that of Ant (windyroad `JUnit.xsd`) and that of Jenkins
//! (`junit-10.xsd`). A warning, and what a rescue made good, is `<skipped>`: it must not turn a
//! pipeline red, and it did not pass.

use super::conclusion;
use super::test_case::{Ending, TestCase, cases};
use super::text::{one_line, value};
use super::theme::{Charset, Detail, Look};
use crate::secret::sanitize;
use crate::state::RunState;
use jiff::Timestamp;
use std::fmt::Write;

/// The run as one JUnit test suite, a test case for each step; also of a run that has not ended.
pub fn junit(state: &RunState) -> String {
    let cases = cases(state);
    let count = |wanted: &[Ending]| {
        cases.iter().filter(|case| wanted.contains(&case.ending)).count().to_string()
    };
    let sum = cases.iter().fold(0, |sum: u64, case| sum.saturating_add(case.duration_ms));
    let summary = state.summary();
    let runbook = or(&summary.runbook, "runbook");
    let host = state
        .resumes()
        .last()
        .map(|resumed| &resumed.host)
        .or_else(|| state.header().map(|header| &header.host));
    let started = state
        .started_at()
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S")
        .to_string();

    let mut xml = Xml::new();
    xml.open("testsuites", &[]);
    xml.open(
        "testsuite",
        &[
            ("name", &runbook),
            ("package", runbook.rsplit_once('/').map_or("", |(package, _)| package)),
            ("id", "0"),
            ("timestamp", &started),
            ("hostname", &or(host.map_or("", String::as_str), "localhost")),
            ("tests", &cases.len().to_string()),
            ("failures", &count(&[Ending::Failed])),
            ("errors", &count(&[Ending::Error])),
            ("skipped", &count(&[Ending::Skipped, Ending::Forgiven])),
            ("time", &seconds(summary.duration_ms.unwrap_or(sum))),
        ],
    );
    xml.open("properties", &[]);
    for (name, value) in properties(state) {
        xml.leaf("property", &[("name", &name), ("value", &value)], "");
    }
    xml.close("properties");
    for case in &cases {
        xml.case(case, &runbook);
    }
    xml.leaf("system-out", &[], &output(state, &cases));
    xml.leaf("system-err", &[], "");
    xml.close("testsuite");
    xml.close("testsuites");
    xml.text
}

/// Seconds with three decimals.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// The text on one line, or another one where there is none: the schemas want some names not to be
/// empty.
fn or(text: &str, other: &str) -> String {
    let text = one_line(&legal(text));
    if text.is_empty() { other.to_owned() } else { text }
}

/// Which run it was. What is not known has no property.
fn properties(state: &RunState) -> Vec<(String, String)> {
    let Some(header) = state.header() else { return Vec::new() };
    let target = state.target().cloned().unwrap_or_default();
    let end = state.end_of_run();
    let summary = state.summary();
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let known = [
        ("run", Some(header.run.clone())),
        ("verdict", end.and_then(|end| word(serde_json::json!(end.verdict)))),
        ("exit_code", end.map(|end| end.exit_code.to_string())),
        ("mode", word(serde_json::json!(summary.mode))),
        ("digest", Some(summary.digest)),
        ("version", Some(header.version.clone())),
        ("sandbox", target.sandbox),
        ("context", target.context),
        ("cluster_uid", target.cluster_uid),
        ("namespace", target.namespace),
        ("user", target.user),
    ];
    let params = header
        .params
        .iter()
        .filter(|(_, given)| !given.is_null())
        .map(|(name, given)| (format!("param.{name}"), value(given)));
    known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .chain(params)
        .collect()
}

/// What does not count, and the end of the run's text: verdict, causes, commands, what could not be
/// ruled out.
fn output(state: &RunState, cases: &[TestCase]) -> String {
    let mut text = String::new();
    for case in cases.iter().filter(|case| case.ending == Ending::Forgiven) {
        // writing to a string does not fail
        let _ = writeln!(text, "{} ({})", case.name, case.reason);
        case.details.lines().for_each(|line| text.extend(["  ", line, "\n"]));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let look = Look { width: 120, charset: Charset::Unicode, color: false, detail: Detail::Normal };
    for line in conclusion::lines(state, &look) {
        text.extend([line.render(false).as_str(), "\n"]);
    }
    text
}

/// Text without escape sequences and without the characters that XML 1.0 has no way to write.
fn legal(text: &str) -> String {
    sanitize(text).replace(['\u{fffe}', '\u{ffff}'], "")
}

fn escaped(text: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in legal(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            character => out.push(character),
        }
    }
    out
}

/// Elements one below the other.
pub(super) struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), depth: 0 }
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.extend(["<", name]);
        for (name, value) in attributes {
            self.text.extend([" ", name, "=\"", &escaped(value, true), "\""]);
        }
    }

    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.depth += 1;
    }

    pub(super) fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.extend(["</", name, ">\n"]);
    }

    pub(super) fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.tag(name, attributes);
        if text.is_empty() {
            self.text.push_str("/>\n");
        } else {
            self.text.extend([">", &escaped(text, false), "</", name, ">\n"]);
        }
    }

    fn case(&mut self, case: &TestCase, class: &str) {
        let time = seconds(case.duration_ms);
        let attributes =
            [("classname", class), ("name", case.name.as_str()), ("time", time.as_str())];
        let element = match case.ending {
            Ending::Passed => return self.leaf("testcase", &attributes, ""),
            Ending::Skipped | Ending::Forgiven => "skipped",
            Ending::Failed => "failure",
            Ending::Error => "error",
        };
        self.open("testcase", &attributes);
        match case.ending {
            Ending::Skipped | Ending::Forgiven => {
                self.leaf(element, &[("message", &case.reason)], "");
            }
            Ending::Passed | Ending::Failed | Ending::Error => {
                let text = if case.details.is_empty() { &case.reason } else { &case.details };
                self.leaf(element, &[("type", case.kind), ("message", &case.reason)], text);
            }
        }
        self.close("testcase");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, diagnosis, finished, judged, run_next};
    use crate::event::{Judgement, Mode, Outcome, Severity, StepFinished, Truth, Verdict};
    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn rendered(story: &Story) -> String {
        junit(&RunState::replay(&story.records).unwrap())
    }

    #[derive(Debug, Default)]
    struct Element {
        name: String,
        attributes: BTreeMap<String, String>,
        children: Vec<Element>,
        text: String,
    }

    impl Element {
        fn names(&self) -> Vec<&str> {
            self.children.iter().map(|child| child.name.as_str()).collect()
        }

        fn count(&self, name: &str) -> usize {
            self.children.iter().filter(|child| child.name == name).count()
                + self.children.iter().map(|child| child.count(name)).sum::<usize>()
        }
    }

    fn unescaped(text: &str) -> String {
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#10;", "\n")
            .replace("&#9;", "\t");
        text.replace("&amp;", "&")
    }

    /// Reads XML as strictly as a parser does, as far as reports use it.
    fn parse(text: &str) -> Element {
        let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
        assert!(
            text.chars().all(|c| matches!(c,
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)),
            "illegal in XML 1.0"
        );
        let tag = Regex::new(r#"<(/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(/?)>"#).unwrap();
        let attribute = Regex::new(r#" ([a-z]+)="([^"]*)""#).unwrap();
        let reference = Regex::new("&(?:amp|lt|gt|quot|#10|#9);").unwrap();
        assert!(
            !reference.replace_all(text, "").contains('&'),
            "an ampersand that is not escaped: {text}"
        );
        let (mut open, mut at) = (vec![Element::default()], 0);
        for found in tag.captures_iter(text) {
            let whole = found.get(0).unwrap();
            let between = &text[at..whole.start()];
            assert!(!between.contains(['<', '>']), "{between}");
            open.last_mut().unwrap().text.push_str(&unescaped(between));
            at = whole.end();
            if found[1].is_empty() {
                let attributes = attribute
                    .captures_iter(&found[3])
                    .map(|pair| (pair[1].to_owned(), unescaped(&pair[2])))
                    .collect();
                open.push(Element { name: found[2].to_owned(), attributes, ..Element::default() });
            }
            if !found[1].is_empty() || !found[4].is_empty() {
                let closed = open.pop().unwrap();
                assert_eq!(closed.name, found[2]);
                open.last_mut().unwrap().children.push(closed);
            }
        }
        assert_eq!((open.len(), text[at..].trim()), (1, ""));
        let mut document = open.pop().unwrap();
        assert_eq!(document.children.len(), 1);
        document.children.remove(0)
    }

    /// The rules that the two schemas have in common, and that the numbers are right.
    fn valid(text: &str) -> Element {
        let root = parse(text);
        assert_eq!(
            (root.name.as_str(), root.attributes.len(), root.names()),
            ("testsuites", 0, vec!["testsuite"])
        );
        let suite = &root.children[0];
        let names: Vec<&str> = suite.attributes.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "errors",
                "failures",
                "hostname",
                "id",
                "name",
                "package",
                "skipped",
                "tests",
                "time",
                "timestamp"
            ]
        );
        assert!(
            Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")
                .unwrap()
                .is_match(&suite.attributes["timestamp"])
        );
        assert!(
            !suite.attributes["name"].trim().is_empty()
                && !suite.attributes["hostname"].trim().is_empty()
        );
        let (cases, count) = (suite.count("testcase"), |name: &str| suite.count(name).to_string());
        let order: Vec<&str> = ["properties"]
            .into_iter()
            .chain(std::iter::repeat_n("testcase", cases))
            .chain(["system-out", "system-err"])
            .collect();
        assert_eq!(suite.names(), order);
        assert!(
            suite.children[0]
                .children
                .iter()
                .all(|property| !property.attributes["name"].trim().is_empty()
                    && property.attributes.contains_key("value"))
        );
        assert_eq!(suite.attributes["tests"], cases.to_string());
        for (attribute, element) in
            [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
        {
            assert_eq!(suite.attributes[attribute], count(element), "{attribute}");
        }
        let time = Regex::new(r"^\d+\.\d{3}$").unwrap();
        assert!(time.is_match(&suite.attributes["time"]));
        for case in suite.children.iter().filter(|child| child.name == "testcase") {
            assert_eq!(case.attributes.keys().collect::<Vec<_>>(), ["classname", "name", "time"]);
            assert!(time.is_match(&case.attributes["time"]));
            assert!(case.children.len() <= 1);
            for child in &case.children {
                assert!(child.children.is_empty());
                assert!(child.attributes.contains_key("message"));
                assert!(
                    child.name == "skipped"
                        || matches!(child.name.as_str(), "failure" | "error")
                            && child.attributes.contains_key("type")
                );
            }
        }
        root
    }

    #[test]
    fn a_diagnosis() {
        let text = rendered(&diagnosis());
        valid(&text);
        insta::assert_snapshot!("junit_diagnosis", text);
    }

    #[test]
    fn a_run_that_was_cut_off_anywhere_is_valid_and_red() {
        let story = diagnosis();
        for length in 1..=story.records.len() {
            let root = valid(&junit(&RunState::replay(&story.records[..length]).unwrap()));
            let suite = &root.children[0];
            assert!(suite.count("error") + suite.count("failure") > 0, "{length}");
        }
        valid(&junit(&RunState::new()));
    }

    #[test]
    fn a_warning_is_not_red_and_is_told() {
        let mut story = Story::new(Mode::Run, &[]);
        let disk = finished("disk", "The disk has room", Outcome::Failed, "91 %, want 80 %");
        story.done(StepFinished { severity: Severity::Warning, ..disk }).finish(
            Verdict::Passed,
            0,
            &[],
        );
        let root = valid(&rendered(&story));
        let suite = &root.children[0];
        assert_eq!(
            (suite.count("failure"), suite.count("error"), suite.count("skipped")),
            (0, 0, 1)
        );
        let output = suite.children.iter().find(|child| child.name == "system-out").unwrap();
        assert!(
            output.text.contains("disk: The disk has room (warning: 91 %, want 80 %)"),
            "{}",
            output.text
        );
    }

    #[test]
    fn texts_are_escaped_and_what_xml_cannot_hold_is_left_out() {
        let table = [
            (
                "a < b && c > \"d\"",
                "a &lt; b &amp;&amp; c &gt; \"d\"",
                "a &lt; b &amp;&amp; c &gt; &quot;d&quot;",
            ),
            ("\u{1b}[31mred\u{1b}[0m", "red", "red"),
            ("a\u{0}\u{8}\u{b}\u{fffe}\u{ffff}b", "ab", "ab"),
            ("]]>", "]]&gt;", "]]&gt;"),
            ("a\n\tb\r", "a\n\tb", "a&#10;&#9;b"),
            ("日本 ✔ 😀", "日本 ✔ 😀", "日本 ✔ 😀"),
        ];
        for (text, element, attribute) in table {
            assert_eq!(
                (escaped(text, false), escaped(text, true)),
                (element.to_owned(), attribute.to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn times_have_three_decimals() {
        for (ms, text) in [(0, "0.000"), (42, "0.042"), (1250, "1.250"), (3_600_000, "3600.000")] {
            assert_eq!(seconds(ms), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_makes_a_valid_document(texts in prop::collection::vec(any::<String>(), 6),
            outcome in 0..8usize) {
            let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Error, Outcome::Unknown,
                Outcome::Skipped, Outcome::Recovered, Outcome::TimedOut, Outcome::Cancelled];
            let mut story = Story::new(Mode::Run, &[(&texts[0], &texts[1])]);
            let judgement = Judgement {
                message: Some(texts[3].clone()),
                reason: texts[2].clone(),
                ..judged(&texts[4], Truth::False, json!(texts[2]), json!(texts[1]),
                    &[(&texts[5], json!({texts[3].as_str(): texts[4]}))])
            };
            let step = StepFinished { reason: texts[5].clone(), expectations: vec![judgement],
                attempts: 2, ..finished(&texts[0], &texts[1], outcomes[outcome], &texts[2]) };
            story.done(step).finding(&texts[0], &texts[1], &texts[2]).open(&texts[3], &texts[4]);
            story.finish(Verdict::Failed, 1, &[run_next(&texts[2])]);
            valid(&rendered(&story));
        }
    }
}
