//! `metrics`: reads the Prometheus metrics of every pod.

use super::http::{Http, HttpMethod, HttpPort, Via, summary};
use super::support::fan_out::{Item, item};
use super::support::http_answer::Answer;
use super::{Access, Context, Duration, Failure, Output, Pods, Reach, Target, Verb, Wrong};
use crate::cluster::exposition::{Exposition, Sample, parse};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most bytes of an exposition.
const TEXT: usize = 16 * 1024 * 1024;
/// How long a scrape may take: as long as Prometheus gives it by default.
const SCRAPE: Duration = Duration(std::time::Duration::from_secs(10));

/// Scrapes metrics from pods. The output is a list with one item per pod: `{pod, status, families:
/// {NAME: {type, help, samples: [{name, labels, value}], sum, count}}, invalid_lines, reason}`.
/// `sum` is the sum of the values of the family over all labels, or null if it has no sample; for a
/// histogram or summary, `sum` and `count` are the sums of `NAME_sum` and `NAME_count`. `status` is
/// null if the pod refused the connection; `families` is empty unless the status is 200. Values
/// that are not finite are the strings `NaN`, `+Inf` and `-Inf`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Pods to scrape.
    pub target: Target,
    /// Port of the pod: a number or a name. Defaults to the only declared port, or to the port of
    /// the HTTP probes if there are several.
    pub port: Option<HttpPort>,
    /// Container whose port is used. Defaults to the container in the annotation
    /// `kubectl.kubernetes.io/default-container`, or to the only one that declares a port.
    pub container: Option<String>,
    /// Path.
    #[serde(default = "metrics_path")]
    pub path: String,
    /// How the request is sent.
    #[serde(default)]
    pub via: Via,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

impl Metrics {
    /// The request that it is.
    fn http(&self) -> Http {
        Http {
            target: Some(self.target.clone()),
            port: self.port.clone(),
            container: self.container.clone(),
            path: self.path.clone(),
            url: None,
            via: self.via,
            from: None,
            method: HttpMethod::Get,
            headers: IndexMap::new(),
            effect: None,
            body: None,
            timeout: SCRAPE,
            pods: Some(self.pods).filter(|pods| *pods == Pods::One),
        }
    }
}

impl Verb for Metrics {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match self.via {
            Via::Forward | Via::Proxy => self.http().check(),
            Via::Pod | Via::Direct => {
                Err("metrics support only `via: forward` and `via: proxy`".to_owned())
            }
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.http().permissions(namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        self.http().manual_commands(namespace)
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::support::wrong::request(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let output = self.http().ask(context, TEXT, scraped).await?;
        let summary = summary(&output.value);
        Ok(Output::new(output.value, summary))
    }
}

/// The item of one pod.
fn scraped(answer: Answer) -> Item {
    let nothing = |status: Value, refused: bool, reason: String| {
        let fields = [
            ("status", status),
            ("families", json!({})),
            ("invalid_lines", json!(0)),
            ("refused", json!(refused)),
            ("reason", json!(reason)),
        ];
        Ok(item(fields))
    };
    match answer {
        Answer::Missing { refused, reason, .. } => nothing(Value::Null, refused, reason),
        // half an exposition lacks metrics that the pod does have
        Answer::Given { truncated: true, .. } => {
            Err(Failure::error(format!("the metrics exceed {} MiB", TEXT >> 20)))
        }
        Answer::Given { status: 200, body, .. } => {
            let exposition = parse(&String::from_utf8_lossy(&body));
            Ok(item([
                ("status", json!(200)),
                ("families", Value::Object(families(&exposition))),
                ("invalid_lines", json!(exposition.bad.len())),
                ("refused", json!(false)),
                ("reason", Value::Null),
            ]))
        }
        Answer::Given { status, .. } => {
            nothing(json!(status), false, format!("status {status} instead of 200"))
        }
    }
}

/// The samples by family, families by name.
fn families(exposition: &Exposition) -> Map<String, Value> {
    let mut samples: std::collections::BTreeMap<&str, Vec<&Sample>> =
        exposition.families.keys().map(|name| (name.as_str(), Vec::new())).collect();
    for sample in &exposition.samples {
        samples.entry(family_of(&sample.name, exposition)).or_default().push(sample);
    }
    let family = |(name, samples): (&str, Vec<&Sample>)| {
        let about = exposition.families.get(name).cloned().unwrap_or_default();
        let total = |suffix: &str| {
            let named =
                samples.iter().filter(|sample| sample.name.strip_prefix(name) == Some(suffix));
            named
                .map(|sample| sample.value)
                .reduce(|sum, value| sum + value)
                .map_or(Value::Null, number)
        };
        let mut fields = Map::new();
        fields.insert("type".to_owned(), json!(about.kind));
        fields.insert("help".to_owned(), json!(about.help));
        let shown = samples.iter().map(|sample| {
            json!({"name": sample.name, "labels": sample.labels,
            "value": number(sample.value)})
        });
        fields.insert("samples".to_owned(), shown.collect());
        match about.kind.as_str() {
            "histogram" | "summary" | "gaugehistogram" => {
                fields.insert("sum".to_owned(), total("_sum"));
                fields.insert("count".to_owned(), total("_count"));
            }
            _ => {
                let own = total("");
                // a counter of OpenMetrics is declared without the suffix that its samples have
                fields.insert("sum".to_owned(), if own.is_null() { total("_total") } else { own });
            }
        }
        (name.to_owned(), Value::Object(fields))
    };
    samples.into_iter().map(family).collect()
}

/// The family of a sample: its own name, or what is declared without the suffix.
fn family_of<'a>(name: &'a str, exposition: &Exposition) -> &'a str {
    if exposition.families.contains_key(name) {
        return name;
    }
    let suffixes = [
        ("_bucket", "histogram"),
        ("_sum", "histogram"),
        ("_count", "histogram"),
        ("_sum", "summary"),
        ("_count", "summary"),
        ("_total", "counter"),
        ("_created", "counter"),
        ("_created", "histogram"),
        ("_created", "summary"),
    ];
    let declared = |(suffix, kind): &(&str, &str)| {
        let base = name.strip_suffix(suffix)?;
        exposition.families.get(base).filter(|family| family.kind == *kind).map(|_| base)
    };
    suffixes.iter().find_map(declared).unwrap_or(name)
}

/// A number as JSON; what JSON has no number for as the text that Prometheus writes.
pub(super) fn number(value: f64) -> Value {
    // whole numbers up to here are exact
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        let whole = value as i64;
        json!(whole)
    } else {
        json!(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn given(status: u16, body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Answer::Given {
            status,
            headers: std::collections::BTreeMap::new(),
            body,
            truncated: false,
            elapsed: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn families_gather_their_samples() {
        let text = "# HELP signals_total Signals.\n# TYPE signals_total \
            counter\nsignals_total{a=\"1\"} 2\nsignals_total{a=\"2\"} 3.5\n\
            # TYPE lag histogram\nlag_bucket{le=\"+Inf\"} 4\nlag_sum 1.5\nlag_count 4\nlag_created \
            7\n\
            # TYPE open counter\nopen_total 6\n# TYPE empty gauge\nloose_count 1\nodd \
            NaN\nbroken\n";
        let item = scraped(given(200, text)).unwrap();
        let families = &item["families"];
        assert_eq!(item["invalid_lines"], 1);
        assert_eq!(
            families["signals_total"],
            json!({"type": "counter", "help": "Signals.", "sum": 5.5, "samples": [
                {"name": "signals_total", "labels": {"a": "1"}, "value": 2},
                {"name": "signals_total", "labels": {"a": "2"}, "value": 3.5}]})
        );
        assert_eq!((&families["lag"]["sum"], &families["lag"]["count"]), (&json!(1.5), &json!(4)));
        assert_eq!(families["lag"]["samples"].as_array().map(Vec::len), Some(4));
        let names: Vec<_> = families.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["empty", "lag", "loose_count", "odd", "open", "signals_total"]);
        let sums =
            ["empty", "loose_count", "odd", "open"].map(|name| families[name]["sum"].clone());
        assert_eq!(sums, [Value::Null, json!(1), json!("NaN"), json!(6)]);
    }

    #[test]
    fn anything_but_200_has_no_families_and_a_reason() {
        let refused = Answer::Missing {
            refused: true,
            reason: "nothing listens".to_owned(),
            elapsed: std::time::Duration::ZERO,
        };
        for (answer, status, reason) in [
            (given(503, "up 1"), json!(503), "status 503 instead of 200"),
            (refused, Value::Null, "nothing listens"),
        ] {
            let item = scraped(answer).unwrap();
            assert_eq!(
                (&item["status"], &item["families"], &item["reason"]),
                (&status, &json!({}), &json!(reason))
            );
        }
    }

    #[test]
    fn numbers() {
        for (value, wanted) in [
            (1.0, json!(1)),
            (0.5, json!(0.5)),
            (1e300, json!(1e300)),
            (f64::INFINITY, json!("+Inf")),
            (f64::NEG_INFINITY, json!("-Inf")),
            (f64::NAN, json!("NaN")),
        ] {
            assert_eq!(number(value), wanted);
        }
    }
}
