//! Tests as one JSON document.

use super::{Tested, milliseconds};
use crate::rehearsal::{CaseResult, Played, StageKind};
use serde_json::{Value, json};

/// The document: `runbook.test/v1`.
pub fn json(tested: &Tested<'_>) -> Value {
    let cases: Vec<Value> = tested.results.iter().map(case).collect();
    let failed = tested.failed().count();
    let mut document = json!({
        "schema": "runbook.test/v1",
        "summary": {
            "cases": tested.results.len(),
            "passed": tested.results.len() - failed,
            "failed": failed,
        },
        "cases": cases,
    });
    if !tested.coverage.is_empty() {
        document["coverage"] = tested.coverage.iter().map(|coverage| json!(coverage)).collect();
    }
    if !tested.mutation.is_empty() {
        document["mutation"] = tested.mutation.iter().map(|mutation| json!(mutation)).collect();
    }
    if !tested.matrix.is_empty() {
        document["matrix"] = tested.matrix.iter().map(|row| json!(row)).collect();
    }
    document
}

fn case(result: &CaseResult) -> Value {
    let mut case = json!({
        "runbook": result.runbook,
        "case": result.case,
        "file": result.file,
        "line": result.line,
        "passed": result.holds(),
        "duration_ms": milliseconds(result.took),
    });
    if !result.variations.is_empty() {
        case["variations"] = json!(result.variations);
    }
    match &result.played {
        Err(error) => case["error"] = json!(error.to_string()),
        Ok(played) => {
            case["differences"] = result.differences.iter().map(|one| json!(one)).collect();
            case["stages"] = stages(played);
        }
    }
    case
}

fn stages(played: &Played) -> Value {
    let stage = |stage: &crate::rehearsal::Stage| {
        let kind: StageKind = stage.kind;
        json!({
            "stage": kind.as_str(),
            "verdict": stage.verdict,
            "findings": stage.findings,
            "changes": stage.changes,
            "digest": stage.digest,
        })
    };
    played.stages.iter().map(stage).collect()
}
