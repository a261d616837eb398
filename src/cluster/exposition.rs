//! Parses the Prometheus text exposition format. Pure.
//!
//! Lines that cannot be parsed are reported: a metric that silently disappears looks like one that
//! never existed.

use std::collections::BTreeMap;

/// One measured value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, with its suffix: `http_requests_total`, `latency_bucket`.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value; may be infinite or not a number.
    pub value: f64,
    /// Milliseconds since the epoch, where the line has a time.
    pub timestamp: Option<i64>,
}

/// What is said about the samples of one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `summary`, `untyped`, …; empty when there is no TYPE line.
    pub kind: String,
    /// The HELP text; empty when there is none.
    pub help: String,
}

/// A line that is not of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The line number, from 1.
    pub line: usize,
    /// The line, cut after 200 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A whole exposition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    /// The samples in the order of the text.
    pub samples: Vec<Sample>,
    /// The families by name.
    pub families: BTreeMap<String, Family>,
    /// The lines that could not be read.
    pub bad: Vec<BadLine>,
}

/// Reads an exposition; never fails as a whole.
pub fn parse(text: &str) -> Exposition {
    let mut exposition = Exposition::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            describe(comment, &mut exposition.families);
            continue;
        }
        match sample(line) {
            Ok(sample) => exposition.samples.push(sample),
            Err(reason) => exposition.bad.push(BadLine {
                line: index + 1,
                text: line.chars().take(200).collect(),
                reason: reason.to_owned(),
            }),
        }
    }
    exposition
}

fn describe(comment: &str, families: &mut BTreeMap<String, Family>) {
    let mut words = comment.trim_start().splitn(3, [' ', '\t']);
    let (Some(what), Some(name)) = (words.next(), words.next()) else { return };
    let rest = words.next().unwrap_or_default().trim();
    match what {
        "TYPE" => rest.clone_into(&mut families.entry(name.to_owned()).or_default().kind),
        "HELP" => families.entry(name.to_owned()).or_default().help = unescape(rest),
        _ => {}
    }
}

fn sample(line: &str) -> Result<Sample, &'static str> {
    let end = line.find(|letter: char| !is_name(letter)).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("does not start with a metric name");
    }
    let mut labels = BTreeMap::new();
    rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = read_labels(inner, &mut labels)?;
    }
    // An exemplar of OpenMetrics follows a "#".
    let rest = rest.split_once(" #").map_or(rest, |(before, _)| before);
    let mut words = rest.split_whitespace();
    let value = words.next().ok_or("has no value")?;
    let value = number(value).ok_or("its value is not a number")?;
    let timestamp = match words.next() {
        None => None,
        Some(word) => Some(milliseconds(word).ok_or("its timestamp is not a number")?),
    };
    if words.next().is_some() {
        return Err("has more than a value and a timestamp");
    }
    Ok(Sample { name: name.to_owned(), labels, value, timestamp })
}

/// Reads `a="b",c="d"}` and returns what follows.
fn read_labels<'a>(
    text: &'a str,
    labels: &mut BTreeMap<String, String>,
) -> Result<&'a str, &'static str> {
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let end = rest.find(|letter: char| !is_name(letter)).ok_or("its labels are not closed")?;
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Err("a label has no name");
        }
        let after = after.trim_start().strip_prefix('=').ok_or("a label has no value")?;
        let after = after.trim_start().strip_prefix('"').ok_or("a label value is not quoted")?;
        let end = closing_quote(after).ok_or("a label value is not closed")?;
        if labels.insert(name.to_owned(), unescape(&after[..end])).is_some() {
            return Err("a label occurs twice");
        }
        rest = after[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return Err("labels are not separated by commas"),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => plain.push('\n'),
            Some(quoted @ ('\\' | '"')) => plain.push(quoted),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

fn number(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "+inf" | "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

/// Whole milliseconds, or the fractional seconds of OpenMetrics.
fn milliseconds(text: &str) -> Option<i64> {
    if let Ok(milliseconds) = text.parse() {
        return Some(milliseconds);
    }
    let seconds: f64 = text.parse().ok()?;
    let milliseconds = (seconds * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (milliseconds.abs() < 9.0e15).then_some(milliseconds as i64)
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Sample {
        let exposition = parse(line);
        assert_eq!(exposition.bad, [], "{line}");
        exposition.samples.into_iter().next().unwrap()
    }

    #[test]
    fn reads_samples() {
        type Labels = &'static [(&'static str, &'static str)];
        let cases: [(&str, &str, Labels, f64, Option<i64>); 9] = [
            ("up 1", "up", &[], 1.0, None),
            ("up{} 1 1700000000000", "up", &[], 1.0, Some(1_700_000_000_000)),
            ("up 1 1700000000.5", "up", &[], 1.0, Some(1_700_000_000_500)),
            (
                "a:b_total{x=\"1\",y=\"2\",} 1.5e3",
                "a:b_total",
                &[("x", "1"), ("y", "2")],
                1500.0,
                None,
            ),
            (r#"m { p = "a,b}=\"q\"\\\n" } -2"#, "m", &[("p", "a,b}=\"q\"\\\n")], -2.0, None),
            (
                "h_bucket{le=\"+Inf\"} 3 # {trace_id=\"x\"} 0.5",
                "h_bucket",
                &[("le", "+Inf")],
                3.0,
                None,
            ),
            ("m{x=\"a # b\"} 3", "m", &[("x", "a # b")], 3.0, None),
            ("m +Inf", "m", &[], f64::INFINITY, None),
            ("m -Inf", "m", &[], f64::NEG_INFINITY, None),
        ];
        for (line, name, labels, value, timestamp) in cases {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(
                one(line),
                Sample { name: name.to_owned(), labels, value, timestamp },
                "{line}"
            );
        }
        assert!(one("m NaN").value.is_nan());
    }

    #[test]
    fn reports_bad_lines_and_goes_on() {
        let exposition = parse(
            "# HELP up Is it\\nup?\n# TYPE up gauge\n# EOF\n{x=\"1\"} 2\nup\nup x\nup{a=\"b} \
                1\nup{a=b} 1\nup{a=\"1\",a=\"2\"} 1\nup 1 2 3\n9up 1\nup 7\n",
        );
        let lines: Vec<usize> = exposition.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(exposition.samples.len(), 1);
        assert_eq!(
            exposition.families["up"],
            Family { kind: "gauge".into(), help: "Is it\nup?".into() }
        );
    }
}
