//! The series of a range query, and since when a condition holds in them. Pure.

use crate::action::metrics::number;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The most series that are shown.
const SERIES: usize = 100;

/// A bound that the values are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::action) enum Bound {
    Above(f64),
    Below(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct Asked {
    pub(in crate::action) end: Timestamp,
    pub(in crate::action) step: SignedDuration,
    pub(in crate::action) bound: Option<Bound>,
}

/// The output of a range query, from the `data` of the response.
///
/// # Errors
/// What is wrong with the data.
pub(in crate::action) fn output(data: &Value, asked: Asked) -> Result<Value, String> {
    let series = data["result"].as_array().filter(|_| data["resultType"] == "matrix");
    let series = series.ok_or_else(|| "Prometheus returned no ranges".to_owned())?;
    let mut shown = Vec::new();
    for one in series.iter().take(SERIES) {
        shown.push(of_series(one, asked)?);
    }
    let last = |one: &Value| one["value"].clone();
    let outcome = match &shown[..] {
        [] => "no_data",
        all if all.iter().all(|one| one["value"] == "NaN") => "nan",
        _ => "data",
    };
    let value = match &shown[..] {
        [only] if outcome == "data" => last(only),
        _ => Value::Null,
    };
    // all are written the same way, in UTC: they are ordered as texts
    let began = shown.iter().filter_map(|one| one["began"].as_str()).min();
    Ok(json!({"outcome": outcome, "value": value, "began": began, "result": shown,
        "omitted": series.len().saturating_sub(SERIES)}))
}

fn of_series(one: &Value, asked: Asked) -> Result<Value, String> {
    let mut samples = Vec::new();
    for sample in one["values"].as_array().into_iter().flatten() {
        let read = || {
            let time = time(sample[0].as_f64()?)?;
            Some((time, sample[1].as_str()?.parse::<f64>().ok()?))
        };
        samples.push(read().ok_or_else(|| {
            format!("Prometheus returned a sample that is not a number: {sample}")
        })?);
    }
    let began = asked.bound.and_then(|bound| began(&samples, bound, asked));
    let values: Vec<Value> =
        samples.iter().map(|(time, value)| json!([time.to_string(), number(*value)])).collect();
    let finite = || samples.iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
    let value = samples.last().map(|(_, value)| number(*value));
    Ok(json!({
        "metric": one["metric"], "value": value,
        "min": finite().reduce(f64::min).map(number), "max": finite().reduce(f64::max).map(number),
        "began": began.map(|(since, _)| since.to_string()),
        "throughout": began.is_some_and(|(_, throughout)| throughout),
        "values": values,
    }))
}

/// Since when the condition holds without a break until the end, and whether that is as far back as
/// there are values. Where values are missing, nothing is known: the condition counts from there.
fn began(samples: &[(Timestamp, f64)], bound: Bound, asked: Asked) -> Option<(Timestamp, bool)> {
    let near = |earlier: Timestamp, later: Timestamp| {
        later.duration_since(earlier) <= asked.step + asked.step / 2
    };
    let mut since = None;
    let mut after = asked.end;
    for (index, (time, value)) in samples.iter().enumerate().rev() {
        if !near(*time, after) || !bound.holds(*value) {
            break;
        }
        since = Some((*time, index == 0));
        after = *time;
    }
    since
}

/// Seconds since the epoch, to the millisecond that Prometheus keeps.
pub(in crate::action) fn time(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "jiff checks the range, and a cast out of range gives its end"
    )]
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_714_557_600;

    /// One sample a minute until the end; a dot where there is none.
    fn asked(values: &str, bound: Option<Bound>) -> Value {
        let words: Vec<&str> = values.split_whitespace().collect();
        let samples: Vec<Value> = words
            .iter()
            .enumerate()
            .filter(|(_, word)| **word != ".")
            .map(|(index, word)| json!([T + 60 * i64::try_from(index).unwrap(), word]))
            .collect();
        let last = i64::try_from(words.len()).unwrap() - 1;
        let data = json!({"resultType": "matrix",
            "result": [{"metric": {"a": "b"}, "values": samples}]});
        let end = Timestamp::from_second(T + 60 * last).unwrap();
        output(&data, Asked { end, step: SignedDuration::from_secs(60), bound }).unwrap()
    }

    #[test]
    fn a_condition_began_after_the_last_value_that_broke_it() {
        for (values, bound, began, throughout) in [
            ("1 1 9 9", Bound::Above(5.0), Some("2024-05-01T10:02:00Z"), false),
            ("9 1 9 9", Bound::Above(5.0), Some("2024-05-01T10:02:00Z"), false),
            ("9 9 9 9", Bound::Above(5.0), Some("2024-05-01T10:00:00Z"), true),
            ("9 9 9 1", Bound::Above(5.0), None, false),
            ("9 9 5 9", Bound::Above(5.0), Some("2024-05-01T10:03:00Z"), false),
            ("9 . 9 9", Bound::Above(5.0), Some("2024-05-01T10:02:00Z"), false),
            // nothing is known of the end
            ("9 9 9 . .", Bound::Above(5.0), None, false),
            ("9 NaN 9 9", Bound::Above(5.0), Some("2024-05-01T10:02:00Z"), false),
            ("9 9 0.5 0.1", Bound::Below(1.0), Some("2024-05-01T10:02:00Z"), false),
        ] {
            let found = asked(values, Some(bound));
            assert_eq!(
                (found["began"].as_str(), &found["result"][0]["throughout"]),
                (began, &json!(throughout)),
                "{values}"
            );
        }
        assert_eq!(asked("9 9", None)["began"], Value::Null);
    }

    #[test]
    fn series_are_times_with_values() {
        let found = asked("1 NaN 3", None);
        assert_eq!(
            found["result"][0],
            json!({"metric": {"a": "b"}, "value": 3, "min": 1, "max": 3, "began": null,
                "throughout": false, "values": [["2024-05-01T10:00:00Z", 1],
                ["2024-05-01T10:01:00Z", "NaN"], ["2024-05-01T10:02:00Z", 3]]})
        );
        assert_eq!((&found["outcome"], &found["value"]), (&json!("data"), &json!(3)));
        let none = json!({"resultType": "matrix", "result": []});
        let asked =
            Asked { end: Timestamp::UNIX_EPOCH, step: SignedDuration::from_secs(60), bound: None };
        assert_eq!(output(&none, asked).unwrap()["outcome"], "no_data");
        assert!(output(&json!({"resultType": "vector", "result": []}), asked).is_err());
    }
}
