//! Tests as JUnit XML: a test suite for each runbook, a test case for each case.

use super::{Tested, milliseconds, name, reasons};
use crate::rehearsal::CaseResult;
use crate::report::junit::{Xml, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// The document.
pub fn junit(tested: &Tested<'_>) -> String {
    let mut suites: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    for result in tested.results {
        suites.entry(&result.runbook).or_default().push(result);
    }
    let mut xml = Xml::new();
    xml.open("testsuites", &[]);
    for (number, (runbook, results)) in suites.iter().enumerate() {
        suite(&mut xml, number, runbook, results);
    }
    xml.close("testsuites");
    xml.into_text()
}

fn suite(xml: &mut Xml, number: usize, runbook: &str, results: &[&CaseResult]) {
    let count = |wanted: fn(&CaseResult) -> bool| {
        results.iter().filter(|result| wanted(result)).count().to_string()
    };
    let took: Duration = results.iter().map(|result| result.took).sum();
    xml.open(
        "testsuite",
        &[
            ("name", runbook),
            ("package", runbook.rsplit_once('/').map_or("", |(package, _)| package)),
            ("id", &number.to_string()),
            ("timestamp", "1970-01-01T00:00:00"),
            ("hostname", "localhost"),
            ("tests", &results.len().to_string()),
            ("failures", &count(|result| result.played.is_ok() && !result.holds())),
            ("errors", &count(|result| result.played.is_err())),
            ("skipped", "0"),
            ("time", &of(took)),
        ],
    );
    xml.leaf("properties", &[], "");
    for result in results {
        case(xml, runbook, result);
    }
    xml.leaf("system-out", &[], "");
    xml.leaf("system-err", &[], "");
    xml.close("testsuite");
}

fn case(xml: &mut Xml, runbook: &str, result: &CaseResult) {
    let (name, time) = (name(result), of(result.took));
    let attributes = [("classname", runbook), ("name", name.as_str()), ("time", time.as_str())];
    if result.holds() {
        return xml.leaf("testcase", &attributes, "");
    }
    let (element, kind) =
        if result.played.is_err() { ("error", "not played") } else { ("failure", "difference") };
    let reasons = reasons(result);
    let place = format!("{}:{}\n{}", result.file, result.line, reasons.join("\n"));
    let message = reasons.first().map(String::as_str).unwrap_or_default();
    xml.open("testcase", &attributes);
    xml.leaf(element, &[("type", kind), ("message", message)], &place);
    xml.close("testcase");
}

fn of(took: Duration) -> String {
    seconds(milliseconds(took))
}
