//! Filters for operators: versions, quantities, durations, ages, nearness.

use std::cmp::Ordering;

use jaq_core::Error;
use jaq_json::{Map, Num, Val};

use super::value::shown;
use crate::diagnosis::object;

type Result<T, E = String> = std::result::Result<T, E>;
type ValR = std::result::Result<Val, Error<Val>>;

/// The text of a string value.
pub(super) fn text(val: &Val) -> Result<&str> {
    match val {
        Val::TStr(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| format!("{} is not valid UTF-8", shown(val)))
        }
        other => Err(format!("{} is not a string", shown(other))),
    }
}

/// The value of a number.
fn float(val: &Val) -> Result<f64> {
    match val {
        Val::Num(Num::Int(i)) => Ok(*i as f64),
        Val::Num(Num::Float(f)) => Ok(*f),
        Val::Num(n) => n.to_string().parse().map_err(|_| format!("{n} is not a number")),
        other => Err(format!("{} is not a number", shown(other))),
    }
}

/// An integer where there is no fraction.
fn number(f: f64) -> Val {
    if f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0 {
        Val::from(f as isize)
    } else {
        Val::from(f)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Version<'t> {
    core: Vec<u64>,
    pre: Vec<&'t str>,
    build: &'t str,
}

/// Lenient: a leading `v`, one to four numbers, an optional `-pre.release` and `+build`.
fn version(text: &str) -> Result<Version<'_>> {
    let wrong = || format!("\"{text}\" is not a version like v1.2.3");
    let bare = text.trim();
    let bare = bare.strip_prefix(['v', 'V']).unwrap_or(bare);
    let (bare, build) = bare.split_once('+').unwrap_or((bare, ""));
    let (core, pre) = match bare.split_once('-') {
        Some((core, pre)) => (core, pre.split('.').collect()),
        None => (bare, Vec::new()),
    };
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let core: Option<Vec<u64>> = core.split('.').map(number).collect();
    let core = core.filter(|core| core.len() <= 4).ok_or_else(wrong)?;
    if pre.iter().any(|part| part.is_empty()) {
        return Err(wrong());
    }
    Ok(Version { core, pre, build })
}

fn order(left: &Version<'_>, right: &Version<'_>) -> Ordering {
    let width = left.core.len().max(right.core.len());
    let part = |version: &Version<'_>, i: usize| version.core.get(i).copied().unwrap_or(0);
    let core = (0..width)
        .map(|i| part(left, i).cmp(&part(right, i)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal);
    core.then_with(|| match (left.pre.is_empty(), right.pre.is_empty()) {
        (true, true) => Ordering::Equal,
        // A release comes after its pre-releases.
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let pairs = left.pre.iter().zip(&right.pre).map(|(l, r)| identifiers(l, r));
            let first = pairs.into_iter().find(|order| order.is_ne());
            first.unwrap_or(left.pre.len().cmp(&right.pre.len()))
        }
    })
}

fn identifiers(left: &str, right: &str) -> Ordering {
    match (left.parse::<u64>(), right.parse::<u64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// `semver`: a version as an object.
pub(super) fn semver(text: &str) -> Result<Val> {
    let version = version(text)?;
    let part = |i: usize| Val::Num(Num::from_integral(version.core.get(i).copied().unwrap_or(0)));
    let fields = [
        ("major", part(0)),
        ("minor", part(1)),
        ("patch", part(2)),
        ("pre", Val::from(version.pre.join("."))),
        ("build", Val::from(version.build.to_owned())),
    ];
    let fields: Map = fields.into_iter().map(|(key, val)| (Val::utf8_str(key), val)).collect();
    Ok(Val::obj(fields))
}

/// `semver_cmp(a; b)`: -1, 0 or 1.
pub(super) fn semver_cmp(left: &Val, right: &Val) -> ValR {
    let compare = || Ok::<_, String>(order(&version(text(left)?)?, &version(text(right)?)?));
    compare().map(|order| Val::from(order as isize)).map_err(Error::str)
}

/// `quantity`: "512Mi" to bytes, "250m" to 0.25; a number is itself.
pub(super) fn quantity(val: &Val) -> ValR {
    if matches!(val, Val::Num(_)) {
        return Ok(val.clone());
    }
    text(val).and_then(parse_quantity).map(number).map_err(Error::str)
}

/// A Kubernetes quantity in its base unit (bytes, cores, pieces).
fn parse_quantity(text: &str) -> Result<f64> {
    object::quantity(text).ok_or_else(|| format!("\"{text}\" is not a quantity like 512Mi or 250m"))
}

/// `duration`: "1h30m" to seconds; a number is itself.
pub(super) fn duration(val: &Val) -> ValR {
    if matches!(val, Val::Num(_)) {
        return Ok(val.clone());
    }
    text(val).and_then(parse_duration).map(number).map_err(Error::str)
}

/// Seconds of "1h30m", "500ms", "2d", "1.5h".
fn parse_duration(text: &str) -> Result<f64> {
    let wrong = || format!("\"{text}\" is not a duration like 90s or 1h30m");
    let units = [("ns", 1e9), ("us", 1e6), ("µs", 1e6), ("ms", 1e3)];
    let whole = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];
    let trimmed = text.trim();
    let (sign, mut rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, trimmed),
    };
    if rest == "0" {
        return Ok(0.0);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let amount: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..end];
        rest = &rest[end..];
        let part = units.iter().find(|(name, _)| *name == unit).map(|(_, per)| amount / per);
        let long = whole.iter().find(|(name, _)| *name == unit).map(|(_, each)| amount * each);
        seconds += part.or(long).ok_or_else(wrong)?;
    }
    Ok(sign * seconds)
}

/// `age`: the seconds between an RFC 3339 time and `$run.now`.
pub(super) fn age(val: &Val, now: &Val) -> ValR {
    let time = |text: &str| {
        text.parse::<jiff::Timestamp>()
            .map_err(|_| format!("\"{text}\" is not a time like 2026-01-31T12:00:00Z"))
    };
    let seconds = || {
        let then = time(text(val)?)?;
        let now =
            text(now).map_err(|why| format!("age needs the time of the run in $run.now: {why}"))?;
        Ok::<_, String>(time(now)?.duration_since(then).as_secs_f64())
    };
    seconds().map(number).map_err(Error::str)
}

/// `near(other; tolerance)`: whether two numbers differ by no more than an amount, or by "5%" of
/// the other.
pub(super) fn near(val: &Val, other: &Val, tolerance: &Val) -> ValR {
    let compare = || {
        let other = float(other)?;
        let allowed = match tolerance {
            Val::TStr(_) => {
                let written = text(tolerance)?;
                let percent = written.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
                let percent = percent
                    .ok_or_else(|| format!("\"{written}\" is not a tolerance like 5 or \"5%\""))?;
                other.abs() * percent / 100.0
            }
            number => float(number)?,
        };
        Ok::<_, String>((float(val)? - other).abs() <= allowed)
    };
    compare().map(Val::from).map_err(Error::str)
}
