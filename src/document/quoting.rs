//! Programs that YAML reads as something else because they are not quoted.

use super::foreign;
use super::node::Fault;
use std::ops::Range;

/// Keys whose values are jq programs.
const PROGRAMS: [&str; 15] = [
    "that", "all", "any", "none", "same", "of", "over", "expect", "when", "not_when", "until",
    "value", "for_each", "content", "objects",
];
/// Whether the value of this key is a program, or a list of them.
pub(super) fn is_program(key: &str) -> bool {
    PROGRAMS.contains(&key)
}

/// Lines before that of a syntax error in which its cause is looked for.
const LINES: usize = 3;

/// The program that makes a text invalid YAML at this byte, if it is one that has to be quoted.
pub(super) fn unquoted(source: &str, at: usize) -> Option<Fault> {
    let at = source.floor_char_boundary(at);
    let end = source[at..].find('\n').map_or(source.len(), |newline| at + newline);
    let mut line_end = end;
    for _ in 0..=LINES {
        let start = source[..line_end].rfind('\n').map_or(0, |newline| newline + 1);
        if let Some((Program { text, in_flow }, found)) = wrong(&source[start..line_end]) {
            let place = if in_flow { " within `{…}` or `[…]`" } else { "" };
            let span = start + text.start..start + text.end;
            let quoted = source[span.clone()].replace('\'', "''");
            let fault = Fault::new(
                "RB0003",
                span.clone(),
                format!("a condition that {found} must be quoted{place}"),
                format!("quote the condition: '{quoted}'"),
            );
            return Some(fault.corrected(span, format!("'{quoted}'")));
        }
        if let Some((list, meant)) = list(&source[start..line_end]) {
            let span = start + list.start..start + list.end;
            let message = "a condition with a comma must be quoted within `[…]`";
            let label = "quote each condition: a comma begins the next one";
            return Some(Fault::new("RB0003", span.clone(), message, label).corrected(span, meant));
        }
        line_end = start.checked_sub(1)?;
    }
    None
}

/// The text that `: ` makes invalid YAML at this byte: `title: Rollback: the way back`.
pub(super) fn unquoted_text(source: &str, at: usize) -> Option<Fault> {
    let (start, line) = line_at(source, at)?;
    let (key, text) = line.split_once(": ")?;
    let is_key = key.trim_start().trim_start_matches("- ").chars().all(is_of_key);
    let text = text.trim();
    if !is_key
        || !text.contains(": ")
        || text.starts_with(['"', '\'', '|', '>', '{', '[', '&', '*'])
    {
        return None;
    }
    let begin = start + line.find(text)?;
    let span = begin..begin + text.len();
    let quoted = serde_json::Value::from(text).to_string();
    let message = "a text that contains `: ` must be quoted";
    let fault = Fault::new("RB0003", span.clone(), message, format!("write {quoted}"));
    Some(fault.corrected(span, quoted))
}

pub(super) fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// `expect: !.x` without quotes is a tag.
pub(super) fn negation(source: &str, span: &Range<usize>) -> Option<Fault> {
    let line = source.get(..span.end)?.rfind('\n').map_or(0, |newline| newline + 1);
    let start = line + source.get(line..span.end)?.rfind(" !")? + 1;
    let end = source.get(start..)?.find('\n').map_or(source.len(), |newline| start + newline);
    let (meant, says) = foreign::condition(source.get(start..end)?)?;
    let message = "a text that begins with `!` is a tag of YAML";
    let fault = Fault::new("RB0003", start..end, message, says);
    Some(fault.corrected(start..end, quoted_in_block(&meant)))
}

/// `msg: {{ x }}` without quotes is a mapping whose key is a mapping.
pub(super) fn template_fault(span: &Range<usize>, source: &str) -> Option<Fault> {
    let before = source.get(..span.start)?;
    let start = before.len() - usize::from(before.ends_with('{'));
    source.get(start..)?.starts_with("{{").then(|| {
        let end = source
            .get(start..)
            .and_then(|rest| rest.find("}}"))
            .map_or(span.end, |offset| start + offset + 2);
        let text = source.get(start..end).unwrap_or_default();
        Fault::new(
            "RB0003",
            start..end,
            "an unquoted template is a YAML mapping",
            format!("quote it: \"{text}\""),
        )
        .corrected(start..end, format!("\"{text}\""))
    })
}

/// The line around a byte, with the byte at which it begins.
fn line_at(source: &str, at: usize) -> Option<(usize, &str)> {
    let at = source.floor_char_boundary(at);
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some((start, source[start..].lines().next()?))
}

/// A list of conditions of which one has a comma, and the same with quotes.
fn list(line: &str) -> Option<(Range<usize>, String)> {
    let key = PROGRAMS.iter().find_map(|key| {
        let at = line.find(&format!("{key}: ["))?;
        let is_key = line[..at].chars().next_back().is_none_or(|c| " {,-".contains(c));
        is_key.then_some(at + key.len() + 2)
    })?;
    let inner = key + 1..key + 1 + flow_end(&line[key + 1..]);
    let (mut items, mut rest) = (Vec::new(), &line[inner.clone()]);
    loop {
        let end = flow_end(rest);
        items.push(rest[..end].trim());
        match rest.get(end + 1..) {
            Some(more) if rest[end..].starts_with(',') => rest = more,
            _ => break,
        }
    }
    let has_comma = items.iter().any(|item| item.contains(',') && !item.starts_with(['\'', '"']));
    let meant: Vec<_> = items.into_iter().map(quoted).collect();
    has_comma.then(|| (key..inner.end + 1, format!("[{}]", meant.join(", "))))
}

/// A program in quotes, where YAML needs them within `{…}`.
pub(super) fn quoted(program: &str) -> String {
    if program.contains(['[', ']', '{', '}', ',']) {
        format!("'{}'", program.replace('\'', "''"))
    } else {
        quoted_in_block(program)
    }
}

/// A text with templates in quotes, where YAML needs them at this byte of the text.
pub(super) fn quoted_template(text: &str, source: &str, at: usize) -> String {
    let line = source.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let is_plain = !text.starts_with(['"', '\'', '|', '>']);
    if is_plain && (is_open(line) || text.starts_with('{')) {
        serde_json::Value::from(text).to_string()
    } else {
        text.to_owned()
    }
}

/// A program in quotes, where YAML needs them in a line of its own.
pub(super) fn quoted_in_block(program: &str) -> String {
    let special = program.contains(": ")
        || program.contains(" #")
        || program.contains('\n')
        || program.starts_with(['"', '\'', '!', '&', '*', '{', '[', '%', '@', '`', '|', '>']);
    if special { format!("'{}'", program.replace('\'', "''")) } else { program.to_owned() }
}

/// Whether a key is no name but the rest of a program that a comma has cut.
pub(super) fn is_rest_of_program(key: &str) -> bool {
    key.starts_with(['.', '$', '"', '(']) || key.contains(['(', ')', '|', '=', '<', '>', '"'])
}

/// What is said of such a key.
pub(super) const CUT: &str =
    "quote the condition before it: within `{…}`, a comma begins the next field";

/// A program in a line.
struct Program {
    text: Range<usize>,
    in_flow: bool,
}

/// The first program of a line that YAML cannot read, and why; what is within `{…}` before the
/// rest, because it is closer to the mistake.
fn wrong(line: &str) -> Option<(Program, &'static str)> {
    let mut starts: Vec<(usize, usize)> = PROGRAMS
        .iter()
        .flat_map(|key| line.match_indices(key).map(|(at, _)| (at, key.len() + 2)))
        .filter(|(at, length)| line[at + length - 2..].starts_with(": "))
        .filter(|(at, _)| line[..*at].chars().next_back().is_none_or(|c| " {,[".contains(c)))
        .collect();
    starts.sort_unstable();
    let found = |(at, length): (usize, usize)| {
        let (in_flow, value) = (is_open(&line[..at]), at + length);
        let rest = &line[value..];
        let text = &rest[..if in_flow { flow_end(rest) } else { rest.len() }];
        let begin = value + text.len() - text.trim_start().len();
        let program = Program { text: begin..begin + text.trim().len(), in_flow };
        let why = culprit(text.trim(), in_flow)?;
        Some((program, why))
    };
    let mut all: Vec<_> = starts.into_iter().filter_map(found).collect();
    all.sort_by_key(|(program, _)| !program.in_flow);
    all.into_iter().next()
}

/// Whether a `{` or `[` is open at the end of a text.
fn is_open(before: &str) -> bool {
    let count = |wanted: [char; 2]| before.chars().filter(|c| wanted.contains(c)).count();
    count(['{', '[']) > count(['}', ']'])
}

/// Where a program within `{…}` ends: at a comma or bracket that does not belong to it.
fn flow_end(text: &str) -> usize {
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ']' | '}' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// What in a plain text means something to YAML.
fn culprit(text: &str, in_flow: bool) -> Option<&'static str> {
    let first = text.chars().next()?;
    if matches!(first, '\'' | '|' | '>') {
        return None;
    }
    if first == '"' {
        let closed = text[1..].find('"').is_some_and(|end| !text[end + 2..].trim().is_empty());
        return closed.then_some("begins with `\"`");
    }
    let contains = [("[", "contains `[`"), ("{", "contains `{`")];
    let flow = contains.into_iter().chain([(" #", "contains ` #`")]).filter(|_| in_flow);
    let always = [(": ", "contains `: `")];
    let begins = match first {
        // a list or mapping that is one
        '[' | '{' if flow_end(&text[1..]) + 2 >= text.len() => return None,
        '[' => Some("begins with `[`"),
        '{' => Some("begins with `{`"),
        '&' | '*' | '!' | '%' | '@' | '`' => Some("begins with a special character"),
        _ => None,
    };
    let found = flow.chain(always).find(|(part, _)| text.contains(part)).map(|(_, words)| words);
    begins.or(found)
}

#[cfg(test)]
mod tests {
    use crate::document::node::parse;

    #[test]
    fn an_unquoted_condition_says_how_to_quote_it() {
        let table = [
            ("expect: [{that: .items[0].x == 1}]", "contains `[`", "'.items[0].x == 1'"),
            ("a: {when: any(.items[]; .x), b: 1}", "contains `[`", "'any(.items[]; .x)'"),
            ("expect: [{that: '.y'}, {that: .x[0]}]", "contains `[`", "'.x[0]'"),
            ("when: .a == \"b: c\"", "contains `: `", "'.a == \"b: c\"'"),
            ("- expect: {all: '.x', over: .items[] | [.]}", "contains `[`", "'.items[] | [.]'"),
            ("when: [.a, .b] | all", "begins with `[`", "'[.a, .b] | all'"),
            ("when: \"x\" == .a", "begins with `\"`", "'\"x\" == .a'"),
            ("when: \"it's\" == .a", "begins with `\"`", "'\"it''s\" == .a'"),
            ("expect: [{that: .x == {a: 1}}]", "contains `{`", "'.x == {a: 1}'"),
        ];
        for (text, what, quoted) in table {
            for (before, after) in [("", "\n"), ("title: T\n", "\nlast: 1\n")] {
                let faults = parse(&format!("{before}{text}{after}")).unwrap_err();
                let fault = faults.last().unwrap();
                assert_eq!(fault.code, "RB0003", "{text}: {faults:?}");
                assert!(fault.message.contains(what), "{text}: {}", fault.message);
                assert_eq!(fault.label, format!("quote the condition: {quoted}"), "{text}");
            }
        }
    }

    #[test]
    fn a_text_with_a_colon_says_what_is_meant() {
        let corrected = |text: &str| {
            let faults = parse(text).unwrap_err();
            let meant = faults.last().unwrap().correction.clone().unwrap();
            let mut text = text.to_owned();
            text.replace_range(meant.range, &meant.text);
            text
        };
        assert_eq!(corrected("a: 1\ntitle: Back: now\n"), "a: 1\ntitle: \"Back: now\"\n");
    }

    #[test]
    fn other_mistakes_stay_what_they_are() {
        for text in ["a: [", "a{b: c: d", "when: '.x'\n  b: 1", "when: .x\nb: [1", "a: {b"] {
            let faults = parse(text).unwrap_err();
            assert_eq!(faults.last().unwrap().code, "RB0001", "{text}: {faults:?}");
        }
    }
}
