//! What is written in a condition or a template elsewhere, and how it is written here.
//!
//! The rows are applied one after the other to what is outside of the strings of a program; what
//! comes out is proposed only if it can be compiled.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A path, a variable or a call without spaces.
const PATH: &str = r"([\w.$\[\]?]*[\w\]?])";
/// A string that has been put aside.
const STRING: &str = "(\u{1}[0-9]+\u{1})";
/// Names of other tools for the parameters.
const INPUTS: &str = r"(?:inputs|vars|parameters|values|Values|env|workflow\.parameters)";

/// What is found, what stands there instead, and what is said of it.
type Row = (Regex, &'static str, &'static str);

fn row(found: &str, instead: &'static str, says: &'static str) -> Option<Row> {
    let found = found.replace("<path>", PATH).replace("<string>", STRING);
    Regex::new(&found.replace("<inputs>", INPUTS)).ok().map(|found| (found, instead, says))
}

/// Rows of conditions.
static CONDITIONS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let template = "a condition is jq and no template: a parameter is `$params.NAME`";
    [
        row(r"\$?\{\{-?\s*(.*?)\s*-?\}\}", "$1", template),
        row(r"\s*&&\s*", " and ", "`&&` is `and`"),
        row(r"\s*\|\|\s*", " or ", "`||` is `or`"),
        row(r"===", "==", "`==` compares"),
        row(r"!==", "!=", "`!=` compares"),
        row(r"<path>\s*!~\s*<string>", "($1 | test($2) | not)", "a regular expression is `test`"),
        row(r"<path>\s*=~\s*<string>", "($1 | test($2))", "a regular expression is `test`"),
        row(
            r"<path>\s+(?:matches|like)\s+<string>",
            "($1 | test($2))",
            "a regular expression is `test`",
        ),
        row(r"(^|[^=!<>|+*/%?\s-])\s*=\s*([^=~\s])", "$1 == $2", "`=` assigns: `==` compares"),
        row(r"(^|[^\w.$])<inputs>\.([A-Za-z_])", "$1$$params.$2", "a parameter is `$params.NAME`"),
        row(r"(^|[^\w.$])(params|steps|item|run|alert)\b", "$1$$$2", "variables begin with `$`"),
        row(
            r"<path>\s+is\s+(?:not\s+defined|undefined|none|null|absent)\b",
            "$1 == null",
            "a field that is not there is null",
        ),
        row(
            r"<path>\s+(?:is\s+defined|is\s+not\s+(?:none|null|None)|exists)\b",
            "$1 != null",
            "a field that is not there is null",
        ),
        row(r"<path>\s+not\s+in\s+\[([^\]]*)\]", "($1 | IN($2) | not)", "one of several is `IN`"),
        row(r"<path>\s+in\s+\[([^\]]*)\]", "($1 | IN($2))", "one of several is `IN`"),
        row(r"\b(?:None|nil|undefined)\b", "null", "nothing is `null`"),
        row(r"\bTrue\b", "true", "true is `true`"),
        row(r"\bFalse\b", "false", "false is `false`"),
        row(r"\s-?eq\s", " == ", "`==` compares"),
        row(r"\s-ne\s|\sne\s", " != ", "`!=` compares"),
        row(r"\s-gt\s", " > ", "`>` compares"),
        row(r"\s-lt\s", " < ", "`<` compares"),
        row(r"\s-ge\s", " >= ", "`>=` compares"),
        row(r"\s-le\s", " <= ", "`<=` compares"),
        row(
            r"\b(?:success|succeeded)\(\)",
            "$$steps.ID.passed",
            "the end of a step is `$steps.ID.passed` or `.failed`",
        ),
        row(
            r"\b(?:failure|failed)\(\)",
            "$$steps.ID.failed",
            "the end of a step is `$steps.ID.passed` or `.failed`",
        ),
        row(
            r"\b(?:len|size|count|length)\(<path>\)",
            "($1 | length)",
            "the number of items is `| length`",
        ),
        row(
            r"<path>\.(?:length|size\(\)|len\(\))(\s|\)|$)",
            "($1 | length)$2",
            "the number of items is `| length`",
        ),
        row(
            r"\bcontains\(<path>,\s*<string>\)",
            "($1 | contains($2))",
            "a function comes after `|`",
        ),
        row(
            r"\bstartsWith\(<path>,\s*<string>\)",
            "($1 | startswith($2))",
            "a function comes after `|`",
        ),
        row(
            r"\bendsWith\(<path>,\s*<string>\)",
            "($1 | endswith($2))",
            "a function comes after `|`",
        ),
        row(
            r"<path>\s+(startswith|endswith|contains)\s+<string>",
            "($1 | $2($3))",
            "a function comes after `|`",
        ),
        row(r"(^|and |or |\()\s*not\s+<path>", "$1($2 | not)", "`not` comes after `|`"),
        row(r"(^|[\s(])!\s*([.$][\w.$\[\]?]*)", "$1($2 | not)", "`not` comes after `|`"),
        row(
            r"(==|!=)\s*([A-Za-z][\w-]*)(\s*$|\s*\)|\s+and\b|\s+or\b)",
            "$1 \"$2\"$3",
            "a text is in double quotes",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// A program as it was probably meant, and what is said of the first thing in it that is not jq;
/// none if nothing in it is known.
pub(in crate::document) fn condition(text: &str) -> Option<(String, &'static str)> {
    let (mut says, mut strings) = (None, Vec::new());
    let mut program = aside(text.trim(), &mut strings, &mut says);
    for (found, instead, words) in CONDITIONS.iter() {
        let next = found.replace_all(&program, *instead).into_owned();
        // `== true` is no text
        let next = next.replace("\"true\"", "true").replace("\"false\"", "false");
        let next = next.replace("\"null\"", "null");
        if next != program {
            says.get_or_insert(*words);
            program = next;
        }
    }
    let program = back(&program, &strings);
    let whole = program.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
    let whole = whole.filter(|inner| !inner.contains(['(', ')'])).unwrap_or(&program);
    says.filter(|_| whole != text.trim()).map(|says| (whole.to_owned(), says))
}

/// The program with its strings put aside, in double quotes and without templates.
fn aside(text: &str, strings: &mut Vec<String>, says: &mut Option<&'static str>) -> String {
    let mut rest = text;
    let mut program = String::new();
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = &rest[at..=at];
        program.push_str(&rest[..at]);
        let Some(end) = rest[at + 1..].find(quote).map(|end| at + 1 + end) else { break };
        let inner = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if quote == "'" {
            says.get_or_insert("strings are in double quotes");
        }
        match templates(inner) {
            Some(variable) => {
                says.get_or_insert(
                    "a condition is jq and no template: a parameter is `$params.NAME`",
                );
                program.push_str(&variable);
            }
            None => {
                program.extend(["\u{1}", &strings.len().to_string(), "\u{1}"]);
                strings.push(inner.to_owned());
            }
        }
    }
    program + rest
}

/// A string with templates as a program: the variable alone, or inserted.
fn templates(inner: &str) -> Option<String> {
    static TEMPLATE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\$?\{\{\s*([\w.]+)\s*\}\}").ok());
    let template = TEMPLATE.as_ref()?;
    let found = template.captures(inner)?;
    let variable = |found: &Captures<'_>| format!("${}", &found[1]);
    if found[0].len() == inner.len() {
        return Some(variable(&found));
    }
    let inserted =
        template.replace_all(inner, |found: &Captures<'_>| format!("\\({})", variable(found)));
    Some(format!("\"{inserted}\""))
}

fn back(program: &str, strings: &[String]) -> String {
    let mut text = program.to_owned();
    for (index, string) in strings.iter().enumerate() {
        text = text.replace(&format!("\u{1}{index}\u{1}"), &format!("\"{string}\""));
    }
    text
}

/// Why a program that can be compiled is never a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum Never {
    /// `.a = 1`
    Assigns,
    /// `not .a`
    Negates,
}

/// Why this program is never a condition, if it is none.
pub(in crate::document) fn never_a_condition(text: &str) -> Option<Never> {
    static ASSIGNS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"^[.$][\w.$\[\]?]*\s*=\s*(?:"[^"]*"|[\w.$-]+)$"#).ok());
    static NEGATES: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^not\s*\.[A-Za-z_]").ok());
    let is = |found: &LazyLock<Option<Regex>>| {
        found.as_ref().is_some_and(|found| found.is_match(text.trim()))
    };
    let assigns = is(&ASSIGNS).then_some(Never::Assigns);
    assigns.or_else(|| is(&NEGATES).then_some(Never::Negates))
}

/// Whether a program reads `.length`, which elsewhere is the number of items.
pub(in crate::document) fn is_length(text: &str) -> bool {
    text.match_indices(".length").any(|(at, found)| {
        !text[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

/// Rows of texts with templates.
static TEMPLATES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let name = "a parameter is `{{ params.NAME }}`";
    [
        row(r"\$\{\{", "{{", "a template is `{{ … }}`, without `$`"),
        row(
            r"\{\{-?\s*\.(params|steps|item|run|alert)\b",
            "{{ $1",
            "names have no dot before them",
        ),
        row(
            r"\{\{-?\s*\$(params|steps|item|run|alert)\b",
            "{{ $1",
            "names have no `$` in a template",
        ),
        row(r"\{\{-?\s*(?:workflow|inputs|tasks)\.parameters\.", "{{ params.", name),
        row(r"\{\{-?\s*\.?<inputs>\.", "{{ params.", name),
        row(r"\$\(((?:params|steps|item|run|alert)\.[\w.]+)\)", "{{ $1 }}", name),
        row(r"\$\{((?:params|steps|item|run|alert)\.[\w.]+)\}", "{{ $1 }}", name),
        row(
            r"\\\(\$((?:params|steps|item|run|alert)[\w.]*)\)",
            "{{ $1 }}",
            "a value is inserted with `{{ … }}`",
        ),
        row(
            r"\$((?:params|steps|item|run|alert)\.[\w.]*\w)",
            "{{ $1 }}",
            "a value is inserted with `{{ … }}`",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// A text whose templates are as they were probably meant, and what is said of the first that is
/// not; none if all are.
pub(in crate::document) fn template(text: &str) -> Option<(String, &'static str)> {
    let (mut meant, mut says) = (text.to_owned(), None);
    for (found, instead, words) in TEMPLATES.iter() {
        let next = found.replace_all(&meant, *instead).into_owned();
        if next != meant {
            says.get_or_insert(*words);
            meant = next;
        }
    }
    says.map(|says| (meant, says))
}
