//! Parses traces from Tempo: OTLP JSON (opentelemetry-proto, trace/v1) and its older spellings.
//! Pure.

use crate::encoding::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A trace.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::action) struct Trace {
    pub(in crate::action) id: String,
    /// Nanoseconds since the epoch.
    pub(in crate::action) start: u64,
    end: u64,
    spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq)]
struct Span {
    id: String,
    parent: String,
    service: String,
    name: String,
    kind: &'static str,
    start: u64,
    end: u64,
    error: bool,
}

/// The ids that a search has found.
///
/// # Errors
/// When it is not the answer to a search.
pub(in crate::action) fn found(answer: &Value) -> Result<Vec<String>, String> {
    match &answer["traces"] {
        Value::Array(traces) => {
            let id = |trace: &Value| {
                trace["traceID"].as_str().or(trace["traceId"].as_str()).map(str::to_owned)
            };
            traces
                .iter()
                .map(|trace| {
                    id(trace).ok_or_else(|| "Tempo returned a trace without an id".to_owned())
                })
                .collect()
        }
        // nothing found is left out
        Value::Null if answer.is_object() => Ok(Vec::new()),
        _ => Err("this is not a Tempo search response".to_owned()),
    }
}

/// Reads one trace.
///
/// # Errors
/// When it has another shape than any known version.
pub(in crate::action) fn trace(id: &str, body: &Value) -> Result<Trace, String> {
    let body = if body["trace"].is_object() { &body["trace"] } else { body };
    let batches = body["batches"]
        .as_array()
        .or(body["resourceSpans"].as_array())
        .ok_or_else(|| format!("trace {id} has no batches of spans"))?;
    let mut spans = Vec::new();
    for batch in batches {
        let service =
            attribute(&batch["resource"]["attributes"], "service.name").unwrap_or_default();
        let scopes = ["scopeSpans", "instrumentationLibrarySpans"]
            .into_iter()
            .find_map(|key| batch[key].as_array());
        for span in scopes
            .into_iter()
            .flatten()
            .flat_map(|scope| scope["spans"].as_array().into_iter().flatten())
        {
            spans.push(
                read(span, &service)
                    .ok_or_else(|| format!("trace {id} has a span without id or times"))?,
            );
        }
    }
    spans.sort_by(|left, right| {
        (left.start, std::cmp::Reverse(left.end), &left.id).cmp(&(
            right.start,
            std::cmp::Reverse(right.end),
            &right.id,
        ))
    });
    let start = spans
        .iter()
        .map(|span| span.start)
        .min()
        .ok_or_else(|| format!("trace {id} has no span"))?;
    let end = spans.iter().map(|span| span.end).max().unwrap_or(start);
    Ok(Trace { id: id.to_owned(), start, end, spans })
}

fn attribute(attributes: &Value, key: &str) -> Option<String> {
    let found = attributes.as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    found["value"]["stringValue"].as_str().map(str::to_owned)
}

fn read(span: &Value, service: &str) -> Option<Span> {
    let kind = match (&span["kind"], span["kind"].as_str()) {
        (_, Some(name)) => name.trim_start_matches("SPAN_KIND_").to_ascii_lowercase(),
        (number, None) => ["", "internal", "server", "client", "producer", "consumer"]
            .get(usize::try_from(number.as_u64().unwrap_or(0)).ok()?)?
            .to_string(),
    };
    let kind = ["server", "client", "producer", "consumer"]
        .into_iter()
        .find(|known| *known == kind)
        .unwrap_or("internal");
    let code = &span["status"]["code"];
    let (start, end) =
        (nanoseconds(&span["startTimeUnixNano"])?, nanoseconds(&span["endTimeUnixNano"])?);
    Some(Span {
        id: hexadecimal(span["spanId"].as_str().or(span["spanID"].as_str())?),
        parent: span["parentSpanId"]
            .as_str()
            .map(hexadecimal)
            .filter(|parent| !parent.bytes().all(|byte| byte == b'0'))
            .unwrap_or_default(),
        service: service.to_owned(),
        name: span["name"].as_str().unwrap_or_default().to_owned(),
        kind,
        start,
        end: end.max(start),
        error: code == "STATUS_CODE_ERROR" || *code == 2,
    })
}

/// 64-bit numbers are strings in the JSON of protobuf.
fn nanoseconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Ids are hexadecimal in OTLP's JSON, and base64 where protobuf's own mapping was used.
fn hexadecimal(id: &str) -> String {
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return id.to_ascii_lowercase();
    }
    match STANDARD.decode(id) {
        Ok(bytes) if bytes.len() == 8 => hex(&bytes),
        _ => id.to_owned(),
    }
}

impl Trace {
    /// The trace for jq.
    pub(in crate::action) fn json(&self) -> Value {
        let by_id: BTreeMap<&str, &Span> =
            self.spans.iter().map(|span| (span.id.as_str(), span)).collect();
        let services: BTreeSet<&str> =
            self.spans.iter().map(|span| span.service.as_str()).collect();
        let orphans = self
            .spans
            .iter()
            .filter(|span| !span.parent.is_empty() && !by_id.contains_key(span.parent.as_str()))
            .count();
        let spans: Vec<Value> = self
            .spans
            .iter()
            .map(|span| {
                let parent = Some(&span.parent).filter(|parent| !parent.is_empty());
                json!({"id": span.id, "parent": parent, "service": span.service, "name": span.name,
                    "kind": span.kind,
                    "offset_ms": milliseconds(span.start - self.start),
                    "duration_ms": milliseconds(span.end - span.start), "error": span.error,
                    "depth": depth(span, &by_id)})
            })
            .collect();
        let start = i64::try_from(self.start / 1_000_000)
            .ok()
            .and_then(|start| Timestamp::from_millisecond(start).ok())
            .map(|start| start.to_string());
        json!({"id": self.id, "start": start, "duration_ms": milliseconds(self.end - self.start),
            "services": services, "spans": spans, "orphans": orphans})
    }
}

/// How many spans are above it; a circle, which no tracer makes, ends.
fn depth(span: &Span, by_id: &BTreeMap<&str, &Span>) -> usize {
    let mut above = 0;
    let mut at = span;
    while let Some(parent) = by_id.get(at.parent.as_str()).filter(|_| above < by_id.len()) {
        above += 1;
        at = parent;
    }
    above
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a duration in nanoseconds is far below the exact range"
)]
fn milliseconds(nanoseconds: u64) -> f64 {
    (nanoseconds as f64 / 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: &str, start: u64, end: u64) -> Value {
        json!({"spanId": id, "parentSpanId": parent, "name": format!("n{id}"),
            "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": end.to_string()})
    }

    fn batch(service: &str, scope: &str, spans: Value) -> Value {
        json!({"resource": {"attributes": [{"key": "service.name",
            "value": {"stringValue": service}}]}, scope: [{"spans": spans}]})
    }

    #[test]
    fn the_shapes_of_the_versions() {
        let one = || span("00000000000000a1", "", 1_000_000_000, 1_200_000_000);
        let plain =
            trace("t", &json!({"batches": [batch("web", "scopeSpans", json!([one()]))]})).unwrap();
        for body in [
            json!({"resourceSpans": [batch("web", "scopeSpans", json!([one()]))]}),
            json!({"trace": {"resourceSpans": [batch("web", "scopeSpans", json!([one()]))]}}),
            json!({"batches": [batch("web", "instrumentationLibrarySpans", json!([one()]))]}),
            json!({"batches": [batch("web", "scopeSpans",
                json!([{"spanId": "AAAAAAAAAKE=", "parentSpanId": "AAAAAAAAAAA=",
                    "name": "n00000000000000a1", "kind": 2,
                "startTimeUnixNano": 1_000_000_000_u64, "endTimeUnixNano": 1_200_000_000_u64}]))]}),
        ] {
            assert_eq!(trace("t", &body).unwrap(), plain, "{body}");
        }
        let json = plain.json();
        assert_eq!(
            (&json["duration_ms"], &json["start"], &json["spans"][0]["kind"], &json["orphans"]),
            (&json!(200.0), &json!("1970-01-01T00:00:01Z"), &json!("server"), &json!(0))
        );
    }

    #[test]
    fn parents_depths_and_orphans() {
        let spans = json!([
            span("000000000000000c", "000000000000000b", 20, 30),
            span("000000000000000a", "", 0, 100),
            span("000000000000000b", "000000000000000a", 10, 50),
            span("000000000000000d", "ffffffffffffffff", 60, 70)
        ]);
        let json =
            trace("t", &json!({"batches": [batch("a", "scopeSpans", spans)]})).unwrap().json();
        let told: Vec<(String, u64)> = json["spans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| {
                (span["name"].as_str().unwrap().to_owned(), span["depth"].as_u64().unwrap())
            })
            .collect();
        let wanted = [
            ("n000000000000000a", 0),
            ("n000000000000000b", 1),
            ("n000000000000000c", 2),
            ("n000000000000000d", 0),
        ];
        assert_eq!(told, wanted.map(|(name, depth)| (name.to_owned(), depth)));
        assert_eq!(json["orphans"], 1);
        // a circle ends
        let spans = json!([
            span("000000000000000a", "000000000000000b", 0, 1),
            span("000000000000000b", "000000000000000a", 0, 1)
        ]);
        assert!(
            trace("t", &json!({"batches": [batch("a", "scopeSpans", spans)]}))
                .is_ok_and(|trace| trace.json()["orphans"] == 0)
        );
    }

    #[test]
    fn what_is_no_trace() {
        for body in [
            json!({}),
            json!({"batches": []}),
            json!({"batches": [batch("a", "scopeSpans", json!([{"name": "x"}]))]}),
            json!([1]),
        ] {
            assert!(trace("t", &body).is_err(), "{body}");
        }
        assert_eq!(
            found(&json!({"traces": [{"traceID": "1f"}], "metrics": {}})),
            Ok(vec!["1f".to_owned()])
        );
        assert_eq!(found(&json!({"metrics": {}})), Ok(vec![]));
        assert!(found(&json!([])).is_err() && found(&json!({"traces": [{}]})).is_err());
    }
}
