//! The part of PromQL that runbooks use. What is beyond it is an error that says so.

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

/// A duration as Prometheus writes it: `5m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => {
                total = total.checked_add(SignedDuration::from_millis(number))?;
                0
            }
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        total = total.checked_add(SignedDuration::from_secs(number.checked_mul(seconds)?))?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(f64),
    Text(String),
    Window(String),
    Sign(&'static str),
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [&str; 20] = ["==", "!=", ">=", "<=", "=~", "!~", "(", ")", "{", "}", ",", "=", ">", "<", "+", "-", "*", "/", "%", "^"];
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '"' || first == '\'' {
            let end = rest[1..].find(first).ok_or("parse error: unterminated quoted string")?;
            found.push(Token::Text(rest[1..=end].replace("\\\\", "\\")));
            end + 2
        } else if first == '[' {
            let end = rest.find(']').ok_or("parse error: unclosed left bracket")?;
            found.push(Token::Window(rest[1..end].to_owned()));
            end + 1
        } else if first.is_ascii_digit() || first == '.' {
            let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.' && character != 'e').unwrap_or(rest.len());
            found.push(Token::Number(rest[..end].parse().map_err(|_| format!("parse error: bad number or duration syntax: {:?}", &rest[..end]))?));
            end
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_' && character != ':').unwrap_or(rest.len());
            found.push(Token::Word(rest[..end].to_owned()));
            end
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            sign.len()
        } else {
            return Err(format!("parse error: unexpected character: {first:?}"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

/// Reads a query.
pub(crate) fn parse(query: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(query)?, position: 0, depth: 0 };
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(Expression(node)),
        Some(token) => Err(beyond(&format!("{token:?}"))),
    }
}

fn beyond(what: &str) -> String {
    format!("the sandbox cannot evaluate {what} in this query")
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: u8,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn next(&mut self) -> Option<Token> {
        self.position += 1;
        self.tokens.get(self.position - 1).cloned()
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let there = self.peek() == Some(&Token::Sign(sign));
        self.position += usize::from(there);
        there
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("parse error: expected {sign:?}, found {:?}", self.peek())) }
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut node = self.comparison()?;
        while self.peek() == Some(&Token::Word("or".to_owned())) {
            self.position += 1;
            node = Node::Or(Box::new(node), Box::new(self.comparison()?));
        }
        Ok(node)
    }

    fn binary(&mut self, operators: &[&'static str], operand: fn(&mut Self) -> Result<Node, String>) -> Result<Node, String> {
        let mut left = operand(self)?;
        while let Some(operator) = operators.iter().find(|operator| self.peek() == Some(&Token::Sign(operator))) {
            self.position += 1;
            left = Node::Binary { operator, left: Box::new(left), right: Box::new(operand(self)?) };
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, String> {
        self.binary(&["==", "!=", ">=", "<=", ">", "<"], Self::sum)
    }

    fn sum(&mut self) -> Result<Node, String> {
        self.binary(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Node, String> {
        self.binary(&["*", "/"], Self::primary)
    }

    fn primary(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(beyond("so many levels"));
        }
        let node = match self.next() {
            Some(Token::Number(number)) => Node::Number(number),
            Some(Token::Sign("-")) => match self.next() {
                Some(Token::Number(number)) => Node::Number(-number),
                _ => return Err(beyond("a negated expression")),
            },
            Some(Token::Sign("(")) => {
                let node = self.alternatives()?;
                self.expect(")")?;
                node
            }
            Some(Token::Sign("{")) => Node::Selector(self.selector(None)?),
            Some(Token::Word(word)) => self.named(&word)?,
            other => return Err(format!("parse error: unexpected {other:?}")),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn named(&mut self, word: &str) -> Result<Node, String> {
        let aggregation = match word {
            "sum" => Some(Aggregation::Sum),
            "count" => Some(Aggregation::Count),
            "min" => Some(Aggregation::Min),
            "max" => Some(Aggregation::Max),
            "avg" => Some(Aggregation::Avg),
            _ => None,
        };
        if let Some(how) = aggregation {
            let mut grouping = self.grouping()?;
            self.expect("(")?;
            let of = Box::new(self.alternatives()?);
            self.expect(")")?;
            if grouping.is_none() {
                grouping = self.grouping()?;
            }
            let (by, without) = grouping.unwrap_or_default();
            return Ok(Node::Aggregate { how, by, without, of });
        }
        if self.peek() != Some(&Token::Sign("(")) {
            if matches!(self.tokens.get(self.position), Some(Token::Window(_))) {
                return Err(beyond("a range selector outside rate and increase"));
            }
            return Ok(Node::Selector(self.selector(Some(word))?));
        }
        self.expect("(")?;
        let node = match word {
            "time" => Node::Time,
            "timestamp" => Node::Timestamp(self.instant()?),
            "absent" => Node::Absent(Box::new(self.alternatives()?)),
            "vector" => Node::Vector(Box::new(self.alternatives()?)),
            "histogram_quantile" => {
                let Some(Token::Number(quantile)) = self.next() else { return Err("parse error: expected a number".to_owned()) };
                self.expect(",")?;
                Node::Quantile(quantile, Box::new(self.alternatives()?))
            }
            "increase" | "rate" => {
                let of = self.instant()?;
                let window = match self.next() {
                    Some(Token::Window(text)) => duration(&text).filter(|window| window.is_positive()).ok_or_else(|| format!("parse error: not a valid duration string: {text:?}"))?,
                    _ => return Err(format!("parse error: expected type range vector in call to function \"{word}\", got instant vector")),
                };
                Node::Increase { of, window, per_second: word == "rate" }
            }
            _ => return Err(beyond(&format!("the function {word}"))),
        };
        self.expect(")")?;
        Ok(node)
    }

    fn grouping(&mut self) -> Result<Option<(Vec<String>, bool)>, String> {
        let without = match self.peek() {
            Some(Token::Word(word)) if word == "by" => false,
            Some(Token::Word(word)) if word == "without" => true,
            _ => return Ok(None),
        };
        self.position += 1;
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.next() {
                Some(Token::Word(label)) => labels.push(label),
                other => return Err(format!("parse error: unexpected {other:?} in grouping")),
            }
            self.take(",");
        }
        Ok(Some((labels, without)))
    }

    fn instant(&mut self) -> Result<Selector, String> {
        match self.next() {
            Some(Token::Word(name)) => self.selector(Some(&name)),
            Some(Token::Sign("{")) => self.selector(None),
            _ => Err(beyond("anything but a selector here")),
        }
    }

    /// The rest of a selector: of a name, or of what follows a brace.
    fn selector(&mut self, name: Option<&str>) -> Result<Selector, String> {
        let exactly = |label: &str, value: &str| Matcher { label: label.to_owned(), value: MatchValue::Exactly(value.to_owned()), negated: false };
        let mut matchers: Vec<Matcher> = name.map(|name| exactly("__name__", name)).into_iter().collect();
        if name.is_some() && !self.take("{") {
            return Ok(Selector(matchers));
        }
        while !self.take("}") {
            let (Some(Token::Word(label)), Some(Token::Sign(sign)), Some(Token::Text(value))) = (self.next(), self.next(), self.next()) else {
                return Err("parse error: unexpected token in label matching".to_owned());
            };
            let pattern = || Regex::new(&format!("^(?:{value})$")).map(MatchValue::Pattern).map_err(|error| format!("parse error: {error}"));
            let (value, negated) = match sign {
                "=" => (MatchValue::Exactly(value.clone()), false),
                "!=" => (MatchValue::Exactly(value.clone()), true),
                "=~" => (pattern()?, false),
                "!~" => (pattern()?, true),
                _ => return Err(format!("parse error: unexpected {sign:?} in label matching")),
            };
            matchers.push(Matcher { label, value, negated });
            self.take(",");
        }
        if matchers.is_empty() {
            return Err("parse error: vector selector must contain at least one non-empty matcher".to_owned());
        }
        Ok(Selector(matchers))
    }
}

/// Evaluates a query at a time.
pub(crate) fn evaluate(expression: &Expression, source: &dyn Source, at: Timestamp) -> Result<Outcome, String> {
    node(&expression.0, source, at)
}

fn vector(of: &Node, source: &dyn Source, at: Timestamp) -> Result<Vec<Sample>, String> {
    match node(of, source, at)? {
        Outcome::Vector(samples) => Ok(samples),
        Outcome::Scalar(_) => Err("parse error: expected type instant vector, got scalar".to_owned()),
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
            Outcome::Vector(samples.map(|sample| Sample { value: seconds(sample.at), labels: unnamed(sample.labels), at }).collect())
        }
        Node::Increase { of, window, per_second } => Outcome::Vector(increase(of, *window, *per_second, source, at)),
        Node::Absent(of) => {
            let empty = vector(of, source, at)?.is_empty();
            Outcome::Vector(if empty { vec![Sample { labels: absent_labels(of), value: 1.0, at }] } else { Vec::new() })
        }
        Node::Vector(of) => match node(of, source, at)? {
            Outcome::Scalar(value) => Outcome::Vector(vec![Sample { labels: Labels::new(), value, at }]),
            Outcome::Vector(_) => return Err("parse error: expected type scalar in call to function \"vector\", got instant vector".to_owned()),
        },
        Node::Quantile(quantile, of) => Outcome::Vector(histogram_quantile(*quantile, vector(of, source, at)?, at)),
        Node::Aggregate { how, by, without, of } => Outcome::Vector(aggregate(*how, by, *without, vector(of, source, at)?, at)),
        Node::Or(left, right) => {
            let mut samples = vector(left, source, at)?;
            let signatures: Vec<Labels> = samples.iter().map(|sample| unnamed(sample.labels.clone())).collect();
            samples.extend(vector(right, source, at)?.into_iter().filter(|sample| !signatures.contains(&unnamed(sample.labels.clone()))));
            Outcome::Vector(samples)
        }
        Node::Binary { operator, left, right } => binary(operator, node(left, source, at)?, node(right, source, at)?)?,
    })
}

/// The labels that an absent series would have had.
fn absent_labels(of: &Node) -> Labels {
    let Node::Selector(selector) = of else { return Labels::new() };
    let exact = selector.0.iter().filter(|matcher| !matcher.negated && matcher.label != "__name__");
    exact.filter_map(|matcher| if let MatchValue::Exactly(value) = &matcher.value { Some((matcher.label.clone(), value.clone())) } else { None }).collect()
}

/// The growth of counters over a window, extrapolated to its ends as Prometheus does.
fn increase(of: &Selector, window: SignedDuration, per_second: bool, source: &dyn Source, at: Timestamp) -> Vec<Sample> {
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
    // what began inside the window has its first sample later
    let (mut first, mut low, mut high) = (select(of, source, first_at), first_at, at);
    if first.is_empty() && !last.is_empty() {
        while high.duration_since(low) > source.interval() {
            let middle = low.checked_add(high.duration_since(low) / 2).unwrap_or(high);
            if select(of, source, middle).is_empty() { low = middle } else { high = middle }
        }
        first = select(of, source, high);
    }
    let length = window.as_secs_f64();
    let mut grown = Vec::new();
    for sample in last {
        let Some(start) = first.iter().find(|start| start.labels == sample.labels) else { continue };
        let sampled = sample.at.duration_since(start.at).as_secs_f64();
        if sampled <= 0.0 {
            continue;
        }
        let growth = if sample.value < start.value { sample.value } else { sample.value - start.value };
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
        grown.push(Sample { labels: unnamed(sample.labels), value: if per_second { extrapolated / length } else { extrapolated }, at });
    }
    grown
}

fn aggregate(how: Aggregation, by: &[String], without: bool, samples: Vec<Sample>, at: Timestamp) -> Vec<Sample> {
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
        let bound = labels.remove("le").map(|bound| if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) });
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
            Some((bound, _)) if bound.is_infinite() => buckets.get(place.wrapping_sub(1)).map_or(f64::NAN, |bucket| bucket.0),
            Some((bound, count)) => {
                let (lower, below) = place.checked_sub(1).and_then(|before| buckets.get(before)).copied().unwrap_or((0.0, 0.0));
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
            let (left, right) = if swapped { (number, sample.value) } else { (sample.value, number) };
            match compare(left, right) {
                Some(holds) => holds.then_some(sample),
                None => Some(Sample { value: compute(left, right), labels: unnamed(sample.labels), at: sample.at }),
            }
        });
        Outcome::Vector(combined.collect())
    };
    match (left, right) {
        (Outcome::Scalar(left), Outcome::Scalar(right)) => match compare(left, right) {
            Some(_) => Err("parse error: comparisons between scalars must use BOOL modifier".to_owned()),
            None => Ok(Outcome::Scalar(compute(left, right))),
        },
        (Outcome::Vector(samples), Outcome::Scalar(number)) => Ok(each(samples, number, false)),
        (Outcome::Scalar(number), Outcome::Vector(samples)) => Ok(each(samples, number, true)),
        (Outcome::Vector(_), Outcome::Vector(_)) => Err(beyond("an operation between two vectors")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two series that grow by one, and by two, every five seconds since 1970.
    struct Counters;

    impl Source for Counters {
        fn at(&self, at: Timestamp) -> Arc<Vec<Sample>> {
            let round = at.as_second().div_euclid(5);
            let labels = |pod: &str| Labels::from([("__name__".to_owned(), "c_total".to_owned()), ("pod".to_owned(), pod.to_owned())]);
            let at = Timestamp::from_second(round * 5).unwrap();
            Arc::new(vec![Sample { labels: labels("a"), value: round as f64, at }, Sample { labels: labels("b"), value: round as f64 * 2.0, at }])
        }

        fn interval(&self) -> SignedDuration {
            SignedDuration::from_secs(5)
        }
    }

    fn ask(query: &str) -> Result<Vec<f64>, String> {
        let at = Timestamp::from_second(1_000_003).unwrap();
        match evaluate(&parse(query)?, &Counters, at)? {
            Outcome::Scalar(value) => Ok(vec![value]),
            Outcome::Vector(samples) => Ok(samples.into_iter().map(|sample| sample.value).collect()),
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
        ] {
            let values = ask(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            let close = values.len() == expected.len() && values.iter().zip(&expected).all(|(one, other)| (one - other).abs() < 0.5 * f64::max(1e-6, (other * 1e-3).abs()));
            assert!(close, "{query}: {values:?}");
        }
    }

    #[test]
    fn what_is_beyond_is_refused() {
        for query in ["c_total[5m]", "topk(1, c_total)", "c_total and c_total", "c_total / c_total", "sum(", "c_total{pod=}", "rate(c_total)", "c_total offset 5m", "1 > 2", "}"] {
            assert!(ask(query).is_err(), "{query}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, expected) in [("5m", Some(300)), ("1h30m", Some(5400)), ("90s", Some(90)), ("2d", Some(172_800)), ("", None), ("5", None), ("5x", None)] {
            assert_eq!(duration(text).map(|duration| duration.as_secs()), expected, "{text}");
        }
    }
}
