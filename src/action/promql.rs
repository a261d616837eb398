//! `promql`: queries Prometheus.

use super::http::{Http, HttpPort, Via};
use super::metrics::number;
use super::support::fan_out::item;
use super::support::http_answer::Answer;
use super::support::prometheus::{self, ANSWER};
use super::{Access, Context, Duration, Failure, Output, Reach, Target, Verb};
use crate::encoding::percent_encode;
use crate::event::Effect;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Queries Prometheus. The output is `{outcome, value, result: [{metric, value, time, age_s}]}`.
/// `outcome` is `data`, `no_data` (no series) or `nan` (no series with a number). `value` is the
/// value of the only series, or null, also if that is NaN. In `result`, values that are not finite
/// are the strings `NaN`, `+Inf` and `-Inf`. If Prometheus does not respond, the step is an error:
/// the result is unknown.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promql {
    /// PromQL query.
    pub query: String,
    /// Service or pods of Prometheus.
    pub target: Option<Target>,
    /// Port of the target.
    pub port: Option<HttpPort>,
    /// URL of a Prometheus outside the cluster, instead of `target`.
    pub url: Option<String>,
    /// How the request is sent to `target`.
    #[serde(default)]
    pub via: Via,
    /// Timeout of the response.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

impl Promql {
    /// The request that it is.
    fn http(&self) -> Http {
        let asked = format!("/api/v1/query?query={}", percent_encode(&self.query));
        let (target, port, url) = (self.target.as_ref(), self.port.as_ref(), self.url.as_deref());
        prometheus::get(target, port, url, self.via, self.timeout, &asked)
    }
}

impl Verb for Promql {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.target, &self.url, self.via) {
            _ if self.query.trim().is_empty() => Err("the `query` is empty".to_owned()),
            (None, None, _) => Err("set `target` (the Prometheus Service) or `url`".to_owned()),
            (Some(_), Some(_), _) => Err("use either `target` or `url`".to_owned()),
            (_, None, Via::Pod | Via::Direct) => {
                Err("a `target` requires `via: forward` or `via: proxy`".to_owned())
            }
            (_, Some(_), Via::Pod | Via::Proxy) => {
                Err("a `url` is requested from this machine: omit `via`".to_owned())
            }
            _ => self.http().check(),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.http().permissions(namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        self.http().manual_commands(namespace)
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let now = context.now;
        let asked = self
            .http()
            .ask(context, ANSWER, |answer| Ok(item([("answer", judge(answer, now)?)])))
            .await;
        let mut output = asked.map_err(prometheus::silent)?;
        let value = output.value["answer"].take();
        let summary = summary(&value);
        Ok(Output::new(value, summary))
    }
}

/// What Prometheus said, as the output.
fn judge(answer: Answer, now: Timestamp) -> Result<Value, Failure> {
    output(&prometheus::data(answer)?, now).map_err(Failure::error)
}

fn output(data: &Value, now: Timestamp) -> Result<Value, String> {
    let unknown = |what: &str| format!("Prometheus returned {what}");
    let result = &data["result"];
    let samples: Vec<(Value, &Value)> = match data["resultType"].as_str() {
        Some("vector") => {
            let series = result.as_array().ok_or_else(|| unknown("a vector that is not a list"))?;
            series.iter().map(|one| (one["metric"].clone(), &one["value"])).collect()
        }
        Some("scalar") => vec![(json!({}), result)],
        Some("matrix") => {
            return Err(unknown(
                "ranges: reduce them to one value per series, such as with last_over_time or rate",
            ));
        }
        other => {
            return Err(unknown(&format!(
                "a {} instead of numbers",
                other.unwrap_or("a result without a type")
            )));
        }
    };
    let mut numbers = Vec::with_capacity(samples.len());
    let mut shown = Vec::with_capacity(samples.len());
    for (metric, sample) in samples {
        let wrong = || unknown(&format!("a sample that is not a number: {sample}"));
        let seconds = sample[0].as_f64().ok_or_else(wrong)?;
        let value: f64 = sample[1].as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        let time = time(seconds).ok_or_else(wrong)?;
        let age = now.duration_since(time).as_millis();
        numbers.push(value);
        #[expect(
            clippy::cast_precision_loss,
            reason = "an age in milliseconds is far below the exact range"
        )]
        shown.push(json!({"metric": metric, "value": number(value), "time": time.to_string(),
            "age_s": number(age as f64 / 1000.0)}));
    }
    let outcome = match &numbers[..] {
        [] => "no_data",
        all if all.iter().all(|value| value.is_nan()) => "nan",
        _ => "data",
    };
    let value = match numbers[..] {
        [only] if !only.is_nan() => number(only),
        _ => Value::Null,
    };
    Ok(json!({"outcome": outcome, "value": value, "result": shown}))
}

/// Seconds since the epoch, to the millisecond that Prometheus keeps.
fn time(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "jiff checks the range, and a cast out of range gives its end"
    )]
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

fn summary(output: &Value) -> String {
    match (output["outcome"].as_str(), output["result"].as_array().map(Vec::len)) {
        (Some("no_data"), _) => "no data".to_owned(),
        (Some("nan"), _) => "NaN".to_owned(),
        // the sum of many rates is off in the last place
        (_, Some(1)) => match output["value"].as_f64() {
            Some(value) => number((value * 1e6).round() / 1e6).to_string(),
            None => output["value"].to_string().trim_matches('"').to_owned(),
        },
        (_, series) => format!("{} series", series.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::FailureKind;
    use bytes::Bytes;

    const NOW: &str = "2024-05-01T10:00:10Z";
    const T: i64 = 1_714_557_600;

    fn ask(status: u16, body: &str) -> Result<Value, Failure> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = Answer::Given {
            status,
            headers: std::collections::BTreeMap::new(),
            body,
            truncated: false,
            elapsed: std::time::Duration::ZERO,
        };
        judge(answer, NOW.parse().unwrap())
    }

    fn vector(values: &[&str]) -> String {
        let series: Vec<Value> = values
            .iter()
            .enumerate()
            .map(|(i, value)| json!({"metric": {"i": i.to_string()}, "value": [T, value]}))
            .collect();
        json!({"status": "success", "data": {"resultType": "vector", "result": series}}).to_string()
    }

    #[test]
    fn answers() {
        let cases: [(&[&str], &str, Value, &str); 6] = [
            (&[], "no_data", Value::Null, "no data"),
            (&["3.5"], "data", json!(3.5), "3.5"),
            (&["NaN"], "nan", Value::Null, "NaN"),
            (&["+Inf"], "data", json!("+Inf"), "+Inf"),
            (&["1", "NaN"], "data", Value::Null, "2 series"),
            (&["NaN", "NaN"], "nan", Value::Null, "NaN"),
        ];
        for (values, outcome, value, short) in cases {
            let output = ask(200, &vector(values)).unwrap();
            assert_eq!(
                (&output["outcome"], &output["value"], summary(&output).as_str()),
                (&json!(outcome), &value, short),
                "{values:?}"
            );
        }
        let output = ask(200, &vector(&["NaN"])).unwrap();
        assert_eq!(
            output["result"],
            json!([{"metric": {"i": "0"}, "value": "NaN", "time": "2024-05-01T10:00:00Z",
                "age_s": 10}])
        );
        let scalar = json!({"status": "success", "data": {"resultType": "scalar",
            "result": [1_714_557_600.25, "1"]}});
        let output = ask(200, &scalar.to_string()).unwrap();
        assert_eq!((&output["value"], &output["result"][0]["age_s"]), (&json!(1), &json!(9.75)));
    }

    #[test]
    fn what_is_no_answer_is_never_no_data() {
        let matrix = json!({"status": "success", "data": {"resultType": "matrix", "result": []}})
            .to_string();
        let bad =
            json!({"status": "error", "errorType": "bad_data", "error": "parse error"}).to_string();
        let cases = [
            (
                400,
                bad.as_str(),
                FailureKind::Error,
                "Prometheus rejected the query: bad_data: parse error",
            ),
            (
                503,
                "starting",
                FailureKind::Transient,
                "this is not a Prometheus response: HTTP 503: starting",
            ),
            (
                200,
                "{}",
                FailureKind::Error,
                "this is not a Prometheus response: HTTP 200, with status null",
            ),
            (
                200,
                &matrix,
                FailureKind::Error,
                "Prometheus returned ranges: reduce them to one value per series, such as with \
                    last_over_time or rate",
            ),
            (
                200,
                &vector(&["x"]),
                FailureKind::Error,
                "Prometheus returned a sample that is not a number: [1714557600,\"x\"]",
            ),
        ];
        for (status, body, kind, message) in cases {
            assert_eq!(ask(status, body).unwrap_err(), Failure::new(kind, message), "{body}");
        }
        let silent = Answer::Missing {
            refused: true,
            reason: "nothing listens".to_owned(),
            elapsed: std::time::Duration::ZERO,
        };
        assert_eq!(
            judge(silent, NOW.parse().unwrap()).unwrap_err().message,
            "Prometheus did not respond: nothing listens"
        );
    }

    #[test]
    fn faults_and_lines_by_hand() {
        let promql = |value: Value| serde_json::from_value::<Promql>(value).unwrap();
        let service = json!({"query": "up == 0", "target": {"kind": "service", "name": "prometheus",
            "namespace": "monitoring"}, "port": 9090});
        assert_eq!(
            promql(service).manual_commands("n"),
            [
                "kubectl port-forward -n monitoring service/prometheus 9090:9090 &",
                "curl -sS -m 10 -i 'http://localhost:9090/api/v1/query?query=up%20%3D%3D%200'"
            ]
        );
        let cases = [
            (json!({"query": "up", "url": "http://p:9090/"}), true),
            (json!({"query": "up", "target": "service/p"}), true),
            (json!({"query": " ", "target": "service/p"}), false),
            (json!({"query": "up"}), false),
            (json!({"query": "up", "target": "service/p", "url": "http://p"}), false),
            (json!({"query": "up", "target": "service/p", "via": "pod"}), false),
            (json!({"query": "up", "url": "p:9090"}), false),
        ];
        for (value, good) in cases {
            assert_eq!(promql(value.clone()).check().is_ok(), good, "{value}");
        }
    }
}
