//! Diagnostics as SARIF 2.1.0, which code scanning of GitHub and GitLab and editors read.

use super::{Diagnostic, DiagnosticSeverity, place_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// One run with these results. `describe` says what a code means.
pub fn sarif(diagnostics: &[Diagnostic], describe: &dyn Fn(&str) -> Option<String>) -> Value {
    let mut rules = BTreeMap::new();
    for one in diagnostics {
        rules.entry(one.code).or_insert_with(|| rule(one.code, describe(one.code)));
    }
    let results: Vec<_> = diagnostics.iter().map(result).collect();
    let mut log = sarif_log(SarifTool { rules: rules.into_values().collect(), results });
    log["runs"][0]["columnKind"] = "unicodeCodePoints".into();
    log
}

/// What a document of SARIF says: what can be wrong, and what is.
pub struct SarifTool {
    /// A `reportingDescriptor` for each rule.
    pub rules: Vec<Value>,
    /// The results.
    pub results: Vec<Value>,
}

/// A document with one run of this program.
pub fn sarif_log(tool: SarifTool) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "runbook",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": tool.rules,
            }},
            "results": tool.results,
        }],
    })
}

fn rule(code: &str, says: Option<String>) -> Value {
    let mut rule = json!({"id": code});
    if let Some(says) = says {
        rule["fullDescription"] = json!({"text": says});
    }
    rule
}

fn result(one: &Diagnostic) -> Value {
    let level = match one.severity {
        DiagnosticSeverity::Error => "error",
        DiagnosticSeverity::Warning => "warning",
    };
    let label = one.labels.first().map(|label| label.text.as_str()).filter(|text| !text.is_empty());
    let text =
        label.map_or_else(|| one.message.clone(), |label| format!("{}: {label}", one.message));
    let mut result = json!({"ruleId": one.code, "level": level, "message": {"text": text}});
    let Some(file) = &one.file else { return result };
    let file = json!({"uri": uri(&file.display().to_string())});
    let mut place = json!({"artifactLocation": file});
    if let Some(label) = one.labels.first() {
        place["region"] = region(&one.source, &label.range);
    }
    result["locations"] = json!([{"physicalLocation": place}]);
    if let Some(correction) = &one.correction {
        let replacement = json!({
            "deletedRegion": region(&one.source, &correction.range),
            "insertedContent": {"text": correction.text},
        });
        let change = json!({"artifactLocation": file, "replacements": [replacement]});
        result["fixes"] = json!([{"description": {"text": "as it was probably meant"}, "artifactChanges": [change]}]);
    }
    result
}

/// A range with lines and columns from 1; the end is the column after the last one.
fn region(source: &str, range: &Range<usize>) -> Value {
    let (line, column) = place_of(source, range.start);
    let (end_line, end_column) = place_of(source, range.end.max(range.start));
    json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column})
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let encode = |c: char| {
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).bytes();
        bytes.map(|byte| format!("%{byte:02X}")).collect::<String>()
    };
    path.chars().map(|c| if plain(c) { c.to_string() } else { encode(c) }).collect()
}
