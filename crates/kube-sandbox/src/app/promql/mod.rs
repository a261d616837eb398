//! The part of PromQL that runbooks use. What is beyond it is an error that says so.

mod evaluate;
mod parse;

pub(crate) use evaluate::evaluate;
pub(crate) use parse::{duration, parse};

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

pub(crate) type Labels = BTreeMap<String, String>;

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// With the metric's name as `__name__`.
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) at: Timestamp,
}

/// Where samples come from.
pub(crate) trait Source {
    /// The newest samples at a time.
    fn at(&self, at: Timestamp) -> Arc<Vec<Sample>>;
    /// How far samples of a series are apart.
    fn interval(&self) -> SignedDuration;
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Scalar(f64),
    Vector(Vec<Sample>),
}

#[derive(Debug)]
pub(crate) struct Expression(Node);

#[derive(Debug)]
enum Node {
    Number(f64),
    Time,
    Selector(Selector),
    Timestamp(Selector),
    Increase { of: Selector, window: SignedDuration, per_second: bool },
    Absent(Box<Node>),
    Vector(Box<Node>),
    Quantile(f64, Box<Node>),
    Aggregate { how: Aggregation, by: Vec<String>, without: bool, of: Box<Node> },
    Binary { operator: &'static str, left: Box<Node>, right: Box<Node> },
    Or(Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy)]
enum Aggregation {
    Sum,
    Count,
    Min,
    Max,
    Avg,
}

#[derive(Debug)]
struct Selector(Vec<Matcher>);

#[derive(Debug)]
struct Matcher {
    label: String,
    value: MatchValue,
    negated: bool,
}

#[derive(Debug)]
enum MatchValue {
    Exactly(String),
    Pattern(Regex),
}

impl Selector {
    fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| {
            // an absent label is an empty one
            let value = labels.get(&matcher.label).map(String::as_str).unwrap_or_default();
            let fits = match &matcher.value {
                MatchValue::Exactly(wanted) => value == wanted,
                MatchValue::Pattern(pattern) => pattern.is_match(value),
            };
            fits != matcher.negated
        })
    }
}

fn beyond(what: &str) -> String {
    format!("the sandbox cannot evaluate {what} in this query")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two series that grow by one, and by two, every five seconds since 1970.
    struct Counters;

    impl Source for Counters {
        fn at(&self, at: Timestamp) -> Arc<Vec<Sample>> {
            let round = at.as_second().div_euclid(5);
            let labels = |pod: &str| {
                Labels::from([
                    ("__name__".to_owned(), "c_total".to_owned()),
                    ("pod".to_owned(), pod.to_owned()),
                ])
            };
            let at = Timestamp::from_second(round * 5).unwrap();
            Arc::new(vec![
                Sample { labels: labels("a"), value: round as f64, at },
                Sample { labels: labels("b"), value: round as f64 * 2.0, at },
            ])
        }

        fn interval(&self) -> SignedDuration {
            SignedDuration::from_secs(5)
        }
    }

    fn ask(query: &str) -> Result<Vec<f64>, String> {
        let at = Timestamp::from_second(1_000_003).unwrap();
        match evaluate(&parse(query)?, &Counters, at)? {
            Outcome::Scalar(value) => Ok(vec![value]),
            Outcome::Vector(samples) => {
                Ok(samples.into_iter().map(|sample| sample.value).collect())
            }
        }
    }

    #[test]
    fn queries_are_evaluated() {
        for (query, expected) in [
            ("c_total", vec![200_000.0, 400_000.0]),
            ("c_total{pod=\"a\"}", vec![200_000.0]),
            ("c_total{pod!=\"a\"}", vec![400_000.0]),
            ("c_total{pod=~\"b|c\"}", vec![400_000.0]),
            ("{__name__=\"c_total\",pod!~\"a.*\"}", vec![400_000.0]),
            ("nosuch", vec![]),
            ("ALERTS{alertname=\"X\"}", vec![]),
            ("sum(c_total)", vec![600_000.0]),
            ("sum by (pod) (c_total)", vec![200_000.0, 400_000.0]),
            ("max(c_total) by (pod) > 300000", vec![400_000.0]),
            ("count(c_total)", vec![2.0]),
            ("min(c_total) == 0", vec![]),
            ("sum(increase(c_total[1m]))", vec![36.0]),
            ("rate(c_total{pod=\"a\"}[1m])", vec![0.2]),
            ("time() - timestamp(c_total{pod=\"a\"})", vec![3.0]),
            ("sum(nosuch) or vector(0)", vec![0.0]),
            ("absent(nosuch)", vec![1.0]),
            ("2 * (3 + 4)", vec![14.0]),
            ("c_total / sum by (pod) (c_total)", vec![1.0, 1.0]),
            ("c_total / sum(c_total)", vec![]),
            ("c_total{pod=\"a\"} == c_total", vec![200_000.0]),
        ] {
            let values = ask(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            let close = values.len() == expected.len()
                && values.iter().zip(&expected).all(|(one, other)| {
                    (one - other).abs() < 0.5 * f64::max(1e-6, (other * 1e-3).abs())
                });
            assert!(close, "{query}: {values:?}");
        }
    }

    #[test]
    fn what_is_beyond_is_refused() {
        for query in [
            "c_total[5m]",
            "topk(1, c_total)",
            "c_total and c_total",
            "sum(",
            "c_total{pod=}",
            "rate(c_total)",
            "c_total offset 5m",
            "1 > 2",
            "}",
        ] {
            assert!(ask(query).is_err(), "{query}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("2d", Some(172_800)),
            ("", None),
            ("5", None),
            ("5x", None),
        ] {
            assert_eq!(duration(text).map(|duration| duration.as_secs()), expected, "{text}");
        }
    }
}
