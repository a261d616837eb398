//! `promql`: queries Prometheus.

use super::http::{Http, HttpPort, Via};
use super::metrics::number;
use super::support::fan_out::item;
use super::support::http_answer::Answer;
use super::support::prometheus::{self, ANSWER};
use super::support::promql_range::{self, Bound, time};
use super::{Access, Context, Duration, Failure, Output, Reach, Target, Verb};
use crate::encoding::percent_encode;
use crate::event::Effect;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Queries Prometheus. The output is `{outcome, value, result: [{metric, value, time, age_s}]}`.
/// `outcome` is `data`, `no_data` (no series) or `nan` (no series with a number). `value` is the
/// value of the only series, or null, also if that is NaN. In `result`, values that are not finite
/// are the strings `NaN`, `+Inf` and `-Inf`. If Prometheus does not respond, the step is an error:
/// the result is unknown. With `range`, the output is the series of the time until now: `{outcome,
/// value, began, result: [{metric, value, min, max, began, throughout, values: [[time, value], …]}],
/// omitted}`. `value` is the last one. `began` is the time since when the values have been `above` or
/// `below` a number without a break, or null if they are not now; `throughout` says whether that is
/// the whole range, so that it began earlier. Example: `promql: {query: 'rate(errors_total[5m])',
/// target: service/prometheus, range: 6h, above: 0.1}`.
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
    /// Length of the time for which series are queried, until now.
    pub range: Option<Duration>,
    /// With `range`: distance of the values. Defaults to a sixtieth of the range, at least 15s.
    pub step: Option<Duration>,
    /// With `range`: condition for `began`.
    pub above: Option<f64>,
    /// With `range`: condition for `began`.
    pub below: Option<f64>,
}

/// The most values of a series.
const VALUES: u64 = 1000;

fn ten_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

impl Promql {
    /// The request that it is.
    fn http(&self, now: Option<Timestamp>) -> Http {
        let query = percent_encode(&self.query);
        let asked = match self.range {
            None => format!("/api/v1/query?query={query}"),
            Some(range) => {
                let start = now.and_then(|now| now.checked_sub(range.0).ok());
                let time = |time: Option<Timestamp>, otherwise: &str| {
                    time.map_or_else(|| otherwise.to_owned(), |time| time.as_second().to_string())
                };
                format!(
                    "/api/v1/query_range?query={query}&start={}&end={}&step={}",
                    time(start, "START"),
                    time(now, "END"),
                    self.seconds()
                )
            }
        };
        let (target, port, url) = (self.target.as_ref(), self.port.as_ref(), self.url.as_deref());
        prometheus::get(target, port, url, self.via, self.timeout, &asked)
    }
}

impl Promql {
    /// The distance of the values of a range.
    fn seconds(&self) -> u64 {
        let range = self.range.map_or(0, |range| range.0.as_secs());
        self.step.map_or_else(|| (range / 60).max(15), |step| step.0.as_secs().max(1))
    }

    fn bound(&self) -> Option<Bound> {
        self.above.map(Bound::Above).or(self.below.map(Bound::Below))
    }

    fn judge_range(&self, answer: Answer, now: Timestamp) -> Result<Value, Failure> {
        let seconds = i64::try_from(self.seconds()).unwrap_or(i64::MAX);
        let step = SignedDuration::from_secs(seconds);
        let asked = promql_range::Asked { end: now, step, bound: self.bound() };
        promql_range::output(&prometheus::data(answer)?, asked).map_err(Failure::error)
    }

    /// A fault in what says how a range is queried.
    fn check_range(&self) -> Result<(), String> {
        let Some(range) = self.range else {
            let alone = self.step.is_some() || self.bound().is_some();
            return if alone {
                Err("`step`, `above` and `below` require `range`".to_owned())
            } else {
                Ok(())
            };
        };
        if self.above.is_some() && self.below.is_some() {
            return Err("use either `above` or `below`".to_owned());
        }
        let values = range.0.as_secs() / self.seconds();
        if values > VALUES {
            return Err(format!(
                "`range: {range}` has {values} values per series, and the most are {VALUES}: use a \
                    longer `step`"
            ));
        }
        Ok(())
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
            _ => self.check_range().and_then(|()| self.http(None).check()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.http(None).permissions(namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        self.http(None).manual_commands(namespace)
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let now = context.now;
        let read = |answer| match self.range {
            None => judge(answer, now),
            Some(_) => self.judge_range(answer, now),
        };
        let asked = self
            .http(Some(now))
            .ask(context, ANSWER, |answer| Ok(item([("answer", read(answer)?)])))
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
        let range = json!({"query": "up", "url": "http://p:9090", "range": "1h"});
        assert_eq!(
            promql(range).manual_commands("n"),
            [
                "curl -sS -m 10 -i 'http://p:9090/api/v1/query_range?query=up&start=START&end=END&step=60'"
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
            (json!({"query": "up", "target": "service/p", "range": "1h", "below": 1}), true),
            (json!({"query": "up", "target": "service/p", "below": 1}), false),
            (json!({"query": "up", "target": "service/p", "range": "1d", "step": "1s"}), false),
        ];
        for (value, good) in cases {
            assert_eq!(promql(value.clone()).check().is_ok(), good, "{value}");
        }
    }
}
