//! A Prometheus: it answers queries on the metrics that it scrapes from pods.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Watch;
use super::context::{AppContext, Request};
use super::http::{Response, respond as ask};
use super::promql::{self, Labels, Sample, Source};
use crate::snapshot::{Reach, Resolution};
use netpol_evaluator::Protocol;

/// The most points of a series that one answer may have.
const MOST_POINTS: i64 = 11_000;

pub(crate) fn respond(context: &AppContext, request: &Request) -> Response {
    if request.method != "GET" && request.method != "HEAD" {
        // a query in the body of a POST is not read
        return Response::text(405, "Method Not Allowed\n");
    }
    match request.path() {
        "/-/ready" => return Response::text(200, "Prometheus Server is Ready.\n"),
        "/-/healthy" => return Response::text(200, "Prometheus Server is Healthy.\n"),
        _ => {}
    }
    let scraper = Scraper::of(context);
    let parameters = request.query();
    let parameter = |name: &str| {
        parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let success = |data: Value| Response::json(200, &json!({"status": "success", "data": data}));
    let path = request.path();
    if let Some(label) =
        path.strip_prefix("/api/v1/label/").and_then(|rest| rest.strip_suffix("/values"))
    {
        let mut values: Vec<String> = scraper
            .at(context.watch.read())
            .iter()
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect();
        values.sort_unstable();
        values.dedup();
        return success(json!(values));
    }
    match path {
        "/api/v1/targets" => success(
            json!({"activeTargets": scraper.targets.iter().map(|target| target.describe(&scraper,
                context.watch.read())).collect::<Vec<_>>(), "droppedTargets": []}),
        ),
        "/api/v1/alerts" => success(json!({"alerts": []})),
        "/api/v1/rules" => success(json!({"groups": []})),
        "/api/v1/status/config" => success(json!({"yaml": scraper.config})),
        "/api/v1/status/buildinfo" => {
            success(json!({"version": "2.42.0", "revision": "", "branch": "HEAD", "buildUser": "",
                "buildDate": "", "goVersion": ""}))
        }
        "/api/v1/query" => match query(
            &scraper,
            parameter("query"),
            parameter("time").map_or(Ok(context.watch.read()), time),
        ) {
            Ok(data) => success(data),
            Err(error) => bad_data(&error),
        },
        "/api/v1/query_range" => match range(&scraper, &parameter) {
            Ok(data) => success(data),
            Err(error) => bad_data(&error),
        },
        "/api/v1/series" => match series(&scraper, &parameters, context.watch.read()) {
            Ok(data) => success(data),
            Err(error) => bad_data(&error),
        },
        _ => Response::text(404, "404 page not found\n"),
    }
}

fn bad_data(error: &str) -> Response {
    Response::json(400, &json!({"status": "error", "errorType": "bad_data", "error": error}))
}

/// A time as the API takes it: RFC 3339, or seconds.
fn time(text: &str) -> Result<Timestamp, String> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
    let time = seconds
        .and_then(|duration| Timestamp::UNIX_EPOCH.checked_add(duration).ok())
        .or_else(|| text.parse().ok());
    time.ok_or_else(|| {
        format!("invalid parameter \"time\": cannot parse \"{text}\" to a valid timestamp")
    })
}

fn parsed(query: Option<&str>) -> Result<promql::Expression, String> {
    let query = query.filter(|query| !query.trim().is_empty()).ok_or(
        "invalid parameter \"query\": unknown position: parse error: no expression found in input",
    )?;
    promql::parse(query).map_err(|error| format!("invalid parameter \"query\": {error}"))
}

fn query(
    scraper: &Scraper<'_>,
    text: Option<&str>,
    at: Result<Timestamp, String>,
) -> Result<Value, String> {
    let (expression, at) = (parsed(text)?, at?);
    Ok(match promql::evaluate(&expression, scraper, at)? {
        promql::Outcome::Scalar(value) => {
            json!({"resultType": "scalar", "result": point(at, value)})
        }
        promql::Outcome::Vector(samples) => {
            let result: Vec<Value> = samples
                .iter()
                .map(|sample| json!({"metric": sample.labels, "value": point(at, sample.value)}))
                .collect();
            json!({"resultType": "vector", "result": result})
        }
    })
}

fn range<'a>(
    scraper: &Scraper<'_>,
    parameter: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, String> {
    let expression = parsed(parameter("query"))?;
    let bound = |name: &str| {
        parameter(name)
            .ok_or_else(|| {
                format!("invalid parameter \"{name}\": cannot parse \"\" to a valid timestamp")
            })
            .and_then(time)
    };
    let (start, end) = (bound("start")?, bound("end")?);
    let step = parameter("step").unwrap_or_default();
    let step = promql::duration(step)
        .or_else(|| SignedDuration::try_from_secs_f64(step.parse().ok()?).ok())
        .filter(|step| step.is_positive());
    let step = step.ok_or(
        "invalid parameter \"step\": zero or negative query resolution step \
        widths are not accepted. Try a positive integer",
    )?;
    if end < start {
        return Err(
            "invalid parameter \"end\": end timestamp must not be before start time".to_owned()
        );
    }
    let points = i64::try_from(end.duration_since(start).as_millis() / step.as_millis().max(1))
        .unwrap_or(i64::MAX);
    if points > MOST_POINTS {
        return Err("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing \
            the query resolution (?step=XX)"
            .to_owned());
    }
    let mut series: BTreeMap<Labels, Vec<Value>> = BTreeMap::new();
    let mut at = start;
    for _ in 0..=points {
        let samples = match promql::evaluate(&expression, scraper, at)? {
            promql::Outcome::Scalar(value) => vec![Sample { labels: Labels::new(), value, at }],
            promql::Outcome::Vector(samples) => samples,
        };
        for sample in samples {
            series.entry(sample.labels).or_default().push(point(at, sample.value));
        }
        at = at.checked_add(step).map_err(|error| error.to_string())?;
    }
    Ok(json!({"resultType": "matrix",
            "result": series.into_iter().map(|(metric, values)| json!({"metric": metric,
            "values": values})).collect::<Vec<_>>()}))
}

fn series(
    scraper: &Scraper<'_>,
    parameters: &[(String, String)],
    at: Timestamp,
) -> Result<Value, String> {
    let mut found: Vec<Labels> = Vec::new();
    let selectors: Vec<&String> =
        parameters.iter().filter(|(key, _)| key == "match[]").map(|(_, value)| value).collect();
    if selectors.is_empty() {
        return Err("no match[] parameter provided".to_owned());
    }
    for selector in selectors {
        let expression = promql::parse(selector)
            .map_err(|error| format!("invalid parameter \"match[]\": {error}"))?;
        if let promql::Outcome::Vector(samples) = promql::evaluate(&expression, scraper, at)? {
            found.extend(samples.into_iter().map(|sample| sample.labels));
        }
    }
    found.sort();
    found.dedup();
    Ok(json!(found))
}

/// A point as the API writes it: seconds, and the value as text.
fn point(at: Timestamp, value: f64) -> Value {
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    let seconds = at.as_millisecond() as f64 / 1000.0;
    json!([seconds, text])
}

struct Target {
    job: String,
    address: std::net::IpAddr,
    port: u16,
}

/// What the process scrapes.
struct Scraper<'a> {
    context: &'a AppContext,
    config: String,
    interval: SignedDuration,
    targets: Vec<Target>,
    /// What each round brought, so that one query asks each process once.
    rounds: Mutex<BTreeMap<Timestamp, Arc<Vec<Sample>>>>,
}

impl<'a> Scraper<'a> {
    fn of(context: &'a AppContext) -> Self {
        let (snapshot, pod) = (&context.snapshot, context.state());
        let namespace = &pod.network.namespace;
        let config = pod
            .mounts
            .iter()
            .find_map(|mount| {
                snapshot
                    .config
                    .get(&(namespace.clone(), mount.clone()))?
                    .get("prometheus.yml")
                    .cloned()
            })
            .unwrap_or_default();
        let parsed: Value = serde_saphyr::from_str(&config).unwrap_or_default();
        let interval = parsed["global"]["scrape_interval"]
            .as_str()
            .and_then(promql::duration)
            .unwrap_or(SignedDuration::from_secs(60));
        let mut targets = Vec::new();
        for job in crate::object::list(&parsed["scrape_configs"]) {
            let name = job["job_name"].as_str().unwrap_or_default();
            let mut add = |host: &str, port: u16| {
                // a name that cannot be resolved brings no target
                if let Resolution::Addresses(addresses) = snapshot.resolve(context.pod, host) {
                    targets.extend(addresses.into_iter().map(|address| Target {
                        job: name.to_owned(),
                        address,
                        port,
                    }));
                }
            };
            for discovery in crate::object::list(&job["dns_sd_configs"]) {
                let port = crate::snapshot::number(&discovery["port"]).unwrap_or(80);
                for host in
                    crate::object::list(&discovery["names"]).iter().filter_map(Value::as_str)
                {
                    add(host, port);
                }
            }
            for address in crate::object::list(&job["static_configs"])
                .iter()
                .flat_map(|group| crate::object::list(&group["targets"]))
                .filter_map(Value::as_str)
            {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
                add(host, port.parse().unwrap_or(80));
            }
        }
        targets.sort_by(|one, other| {
            (&one.job, one.address, one.port).cmp(&(&other.job, other.address, other.port))
        });
        Self { context, config, interval, targets, rounds: Mutex::default() }
    }

    /// The last round at or before a time; none before the first.
    fn round_at(&self, at: Timestamp) -> Option<Timestamp> {
        let started = self.context.state().started;
        let passed = at.duration_since(started).as_millis();
        let round = passed.div_euclid(self.interval.as_millis().max(1));
        let offset = self.interval.checked_mul(i32::try_from(round).ok()?)?;
        (passed >= 0).then(|| started.checked_add(offset).ok()).flatten()
    }

    fn scrape(&self, at: Timestamp) -> Arc<Vec<Sample>> {
        if let Some(known) = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).get(&at) {
            return Arc::clone(known);
        }
        let mut samples = Vec::new();
        for target in self.targets.iter().filter(|target| target.existed(self, at)) {
            let labels = target.labels();
            let sample = |name: &str, value: f64| {
                let mut labels = labels.clone();
                labels.insert("__name__".to_owned(), name.to_owned());
                Sample { labels, value, at }
            };
            match target.read(self, at) {
                Ok(text) => {
                    let before = samples.len();
                    samples.extend(text.lines().filter_map(exposition).map(|(mut own, value)| {
                        own.extend(labels.clone());
                        Sample { labels: own, value, at }
                    }));
                    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                    samples.push(sample("scrape_samples_scraped", (samples.len() - before) as f64));
                    samples.push(sample("up", 1.0));
                }
                Err(_) => samples.push(sample("up", 0.0)),
            }
        }
        let samples = Arc::new(samples);
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).insert(at, Arc::clone(&samples));
        samples
    }
}

impl Source for Scraper<'_> {
    fn at(&self, at: Timestamp) -> Arc<Vec<Sample>> {
        self.round_at(at).map(|round| self.scrape(round)).unwrap_or_default()
    }

    fn interval(&self) -> SignedDuration {
        self.interval
    }
}

impl Target {
    fn labels(&self) -> Labels {
        [
            ("instance".to_owned(), format!("{}:{}", self.address, self.port)),
            ("job".to_owned(), self.job.clone()),
        ]
        .into()
    }

    /// Says whether there was anything at the address at that time.
    fn existed(&self, scraper: &Scraper<'_>, at: Timestamp) -> bool {
        let pod =
            scraper.context.snapshot.pods.iter().find(|pod| pod.network.ip == Some(self.address));
        pod.is_none_or(|pod| pod.started <= at)
    }

    /// What the target says of its metrics, or why Prometheus could not read it.
    fn read(&self, scraper: &Scraper<'_>, at: Timestamp) -> Result<String, String> {
        let (context, url) =
            (scraper.context, format!("http://{}:{}/metrics", self.address, self.port));
        match context.snapshot.reach(context.pod, self.address, self.port, Protocol::Tcp) {
            Reach::Pod { pod, port } => match ask(
                &context.snapshot,
                pod,
                port,
                &Request::get("/metrics"),
                &Watch::at(at),
                context.depth + 1,
            ) {
                Some(response) if response.status == 200 => {
                    Ok(String::from_utf8_lossy(&response.body).into_owned())
                }
                Some(response) => {
                    let reason = http::StatusCode::from_u16(response.status)
                        .ok()
                        .and_then(|status| status.canonical_reason())
                        .unwrap_or_default();
                    Err(format!("server returned HTTP status {} {reason}", response.status))
                }
                None => Err(format!("Get \"{url}\": EOF")),
            },
            Reach::ApiServer | Reach::Refused => Err(format!(
                "Get \"{url}\": dial tcp {}:{}: connect: connection refused",
                self.address, self.port
            )),
            Reach::TimedOut => Err(format!("Get \"{url}\": context deadline exceeded")),
        }
    }

    fn describe(&self, scraper: &Scraper<'_>, at: Timestamp) -> Value {
        let round = scraper.round_at(at).unwrap_or(at);
        let read = self.read(scraper, round);
        let address = format!("{}:{}", self.address, self.port);
        json!({
            "discoveredLabels": {"__address__": address, "__metrics_path__": "/metrics",
            "__scheme__": "http", "job": self.job},
            "labels": self.labels(), "scrapePool": self.job,
            "scrapeUrl": format!("http://{address}/metrics"),
            "globalUrl": format!("http://{address}/metrics"),
            "lastError": read.as_ref().err().cloned().unwrap_or_default(),
            "lastScrape": round.to_string(), "lastScrapeDuration": 0.0021,
            "health": if read.is_ok() { "up" } else { "down" },
            "scrapeInterval": format!("{}s", scraper.interval.as_secs()), "scrapeTimeout": "3s",
        })
    }
}

/// One line of the text format: the labels, with the name among them, and the value.
fn exposition(line: &str) -> Option<(Labels, f64)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let (name, rest) = head.split_once('{').unwrap_or((head, ""));
    let mut labels: Labels = [("__name__".to_owned(), name.trim().to_owned())].into();
    for pair in rest.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once("=\"")?;
        labels.insert(key.trim().to_owned(), value.trim_end_matches('"').to_owned());
    }
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().ok()? };
    Some((labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_read() {
        let (labels, value) = exposition("a_total{x=\"1\",y=\"b c\"} 2.5").unwrap();
        assert_eq!(
            (labels["__name__"].as_str(), labels["x"].as_str(), labels["y"].as_str(), value),
            ("a_total", "1", "b c", 2.5)
        );
        assert_eq!(exposition("up 1").unwrap().1, 1.0);
        assert!(exposition("# TYPE up gauge").is_none());
    }
}
