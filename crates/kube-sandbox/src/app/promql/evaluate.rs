//! From an expression to its value.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Aggregation, Expression, Labels, MatchValue, Node, Outcome, Sample, Selector, Source};

/// Evaluates a query at a time.
pub(crate) fn evaluate(
    expression: &Expression,
    source: &dyn Source,
    at: Timestamp,
) -> Result<Outcome, String> {
    node(&expression.0, source, at)
}

fn vector(of: &Node, source: &dyn Source, at: Timestamp) -> Result<Vec<Sample>, String> {
    match node(of, source, at)? {
        Outcome::Vector(samples) => Ok(samples),
        Outcome::Scalar(_) => {
            Err("parse error: expected type instant vector, got scalar".to_owned())
        }
    }
}

fn select(selector: &Selector, source: &dyn Source, at: Timestamp) -> Vec<Sample> {
    source.at(at).iter().filter(|sample| selector.matches(&sample.labels)).cloned().collect()
}

fn unnamed(mut labels: Labels) -> Labels {
    labels.remove("__name__");
    labels
}

fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

fn node(of: &Node, source: &dyn Source, at: Timestamp) -> Result<Outcome, String> {
    Ok(match of {
        Node::Number(number) => Outcome::Scalar(*number),
        Node::Time => Outcome::Scalar(seconds(at)),
        Node::Selector(selector) => Outcome::Vector(select(selector, source, at)),
        Node::Timestamp(selector) => {
            let samples = select(selector, source, at).into_iter();
            Outcome::Vector(
                samples
                    .map(|sample| Sample {
                        value: seconds(sample.at),
                        labels: unnamed(sample.labels),
                        at,
                    })
                    .collect(),
            )
        }
        Node::Increase { of, window, per_second } => {
            Outcome::Vector(increase(of, *window, *per_second, source, at))
        }
        Node::Absent(of) => {
            let empty = vector(of, source, at)?.is_empty();
            Outcome::Vector(if empty {
                vec![Sample { labels: absent_labels(of), value: 1.0, at }]
            } else {
                Vec::new()
            })
        }
        Node::Vector(of) => match node(of, source, at)? {
            Outcome::Scalar(value) => {
                Outcome::Vector(vec![Sample { labels: Labels::new(), value, at }])
            }
            Outcome::Vector(_) => {
                return Err("parse error: expected type scalar in call to \
                function \"vector\", got instant vector"
                    .to_owned());
            }
        },
        Node::Quantile(quantile, of) => {
            Outcome::Vector(histogram_quantile(*quantile, vector(of, source, at)?, at))
        }
        Node::Aggregate { how, by, without, of } => {
            Outcome::Vector(aggregate(*how, by, *without, vector(of, source, at)?, at))
        }
        Node::Or(left, right) => {
            let mut samples = vector(left, source, at)?;
            let signatures: Vec<Labels> =
                samples.iter().map(|sample| unnamed(sample.labels.clone())).collect();
            samples.extend(
                vector(right, source, at)?
                    .into_iter()
                    .filter(|sample| !signatures.contains(&unnamed(sample.labels.clone()))),
            );
            Outcome::Vector(samples)
        }
        Node::Binary { operator, left, right } => {
            binary(operator, node(left, source, at)?, node(right, source, at)?)?
        }
    })
}

/// The labels that an absent series would have had.
fn absent_labels(of: &Node) -> Labels {
    let Node::Selector(selector) = of else {
        return Labels::new();
    };
    let exact = selector.0.iter().filter(|matcher| !matcher.negated && matcher.label != "__name__");
    exact
        .filter_map(|matcher| {
            if let MatchValue::Exactly(value) = &matcher.value {
                Some((matcher.label.clone(), value.clone()))
            } else {
                None
            }
        })
        .collect()
}

/// The growth of counters over a window, extrapolated to its ends as Prometheus does.
fn increase(
    of: &Selector,
    window: SignedDuration,
    per_second: bool,
    source: &dyn Source,
    at: Timestamp,
) -> Vec<Sample> {
    let begin = at.checked_sub(window).unwrap_or(at);
    let last = select(of, source, at);
    // the first round inside the window
    let mut first_at = source.at(begin).first().map_or(begin, |sample| sample.at);
    while first_at <= begin {
        match first_at.checked_add(source.interval()) {
            Ok(next) => first_at = next,
            Err(_) => return Vec::new(),
        }
    }
    let first = select(of, source, first_at);
    // what began inside the window has its first sample later
    let begun = |labels: &Labels| {
        let (mut low, mut high) = (first_at, at);
        let sample = |at: Timestamp| {
            select(of, source, at).into_iter().find(|sample| sample.labels == *labels)
        };
        while high.duration_since(low) > source.interval() {
            let middle = low.checked_add(high.duration_since(low) / 2).unwrap_or(high);
            if sample(middle).is_none() {
                low = middle;
            } else {
                high = middle;
            }
        }
        sample(high)
    };
    let length = window.as_secs_f64();
    let mut grown = Vec::new();
    for sample in last {
        let Some(start) = first
            .iter()
            .find(|start| start.labels == sample.labels)
            .cloned()
            .or_else(|| begun(&sample.labels))
        else {
            continue;
        };
        let sampled = sample.at.duration_since(start.at).as_secs_f64();
        if sampled <= 0.0 {
            continue;
        }
        let growth =
            if sample.value < start.value { sample.value } else { sample.value - start.value };
        let spacing = source.interval().as_secs_f64();
        let threshold = spacing * 1.1;
        let mut to_start = start.at.duration_since(begin).as_secs_f64();
        let mut to_end = at.duration_since(sample.at).as_secs_f64();
        if growth > 0.0 && start.value >= 0.0 {
            // a counter is not extrapolated below zero
            to_start = to_start.min(sampled * (start.value / growth));
        }
        if to_start >= threshold {
            to_start = spacing / 2.0;
        }
        if to_end >= threshold {
            to_end = spacing / 2.0;
        }
        let extrapolated = growth * (sampled + to_start + to_end) / sampled;
        grown.push(Sample {
            labels: unnamed(sample.labels),
            value: if per_second { extrapolated / length } else { extrapolated },
            at,
        });
    }
    grown
}

fn aggregate(
    how: Aggregation,
    by: &[String],
    without: bool,
    samples: Vec<Sample>,
    at: Timestamp,
) -> Vec<Sample> {
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for sample in samples {
        let labels = if without {
            unnamed(sample.labels).into_iter().filter(|(label, _)| !by.contains(label)).collect()
        } else {
            sample.labels.into_iter().filter(|(label, _)| by.contains(label)).collect()
        };
        groups.entry(labels).or_default().push(sample.value);
    }
    let combined = groups.into_iter().map(|(labels, values)| {
        let sum: f64 = values.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let count = values.len() as f64;
        let value = match how {
            Aggregation::Sum => sum,
            Aggregation::Count => count,
            Aggregation::Avg => sum / count,
            Aggregation::Min => values.into_iter().fold(f64::INFINITY, f64::min),
            Aggregation::Max => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        };
        Sample { labels, value, at }
    });
    combined.collect()
}

fn histogram_quantile(quantile: f64, samples: Vec<Sample>, at: Timestamp) -> Vec<Sample> {
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        let mut labels = unnamed(sample.labels);
        let bound = labels.remove("le").map(|bound| {
            if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) }
        });
        if let Some(bound) = bound.filter(|bound| !bound.is_nan()) {
            groups.entry(labels).or_default().push((bound, sample.value));
        }
    }
    let quantiles = groups.into_iter().map(|(labels, mut buckets)| {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let total = buckets.last().map_or(0.0, |bucket| bucket.1);
        let rank = quantile * total;
        let place = buckets.iter().position(|bucket| bucket.1 >= rank).unwrap_or(0);
        let value = match buckets.get(place) {
            Some(_) if total == 0.0 => f64::NAN,
            Some((bound, _)) if bound.is_infinite() => {
                buckets.get(place.wrapping_sub(1)).map_or(f64::NAN, |bucket| bucket.0)
            }
            Some((bound, count)) => {
                let (lower, below) = place
                    .checked_sub(1)
                    .and_then(|before| buckets.get(before))
                    .copied()
                    .unwrap_or((0.0, 0.0));
                lower + (bound - lower) * (rank - below) / (count - below)
            }
            None => f64::NAN,
        };
        Sample { labels, value, at }
    });
    quantiles.collect()
}

fn binary(operator: &str, left: Outcome, right: Outcome) -> Result<Outcome, String> {
    let compare = |left: f64, right: f64| match operator {
        "==" => Some(left == right),
        "!=" => Some(left != right),
        ">" => Some(left > right),
        "<" => Some(left < right),
        ">=" => Some(left >= right),
        "<=" => Some(left <= right),
        _ => None,
    };
    let compute = |left: f64, right: f64| match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        _ => left / right,
    };
    let each = |samples: Vec<Sample>, number: f64, swapped: bool| {
        let combined = samples.into_iter().filter_map(|sample| {
            let (left, right) =
                if swapped { (number, sample.value) } else { (sample.value, number) };
            match compare(left, right) {
                Some(holds) => holds.then_some(sample),
                None => Some(Sample {
                    value: compute(left, right),
                    labels: unnamed(sample.labels),
                    at: sample.at,
                }),
            }
        });
        Outcome::Vector(combined.collect())
    };
    match (left, right) {
        (Outcome::Scalar(left), Outcome::Scalar(right)) => match compare(left, right) {
            Some(_) => {
                Err("parse error: comparisons between scalars must use BOOL modifier".to_owned())
            }
            None => Ok(Outcome::Scalar(compute(left, right))),
        },
        (Outcome::Vector(samples), Outcome::Scalar(number)) => Ok(each(samples, number, false)),
        (Outcome::Scalar(number), Outcome::Vector(samples)) => Ok(each(samples, number, true)),
        (Outcome::Vector(left), Outcome::Vector(right)) => {
            let right: BTreeMap<Labels, f64> =
                right.into_iter().map(|sample| (unnamed(sample.labels), sample.value)).collect();
            // one to one, by all labels; what has no partner is left out
            let pairs = left.into_iter().filter_map(|sample| {
                let partner = *right.get(&unnamed(sample.labels.clone()))?;
                match compare(sample.value, partner) {
                    Some(holds) => holds.then_some(sample),
                    None => Some(Sample {
                        value: compute(sample.value, partner),
                        labels: unnamed(sample.labels),
                        at: sample.at,
                    }),
                }
            });
            Ok(Outcome::Vector(pairs.collect()))
        }
    }
}
