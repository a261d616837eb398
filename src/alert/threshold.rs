//! The threshold of a PromQL expression: its comparison with a number.

use crate::event::Threshold;

/// The comparisons, the longer before what they begin with.
const COMPARISONS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];
/// What joins conditions: an expression of several has no one threshold.
const JOINTS: [&str; 3] = ["and", "or", "unless"];

/// The comparison with a number at the end of an expression, if it is all that is compared.
pub(super) fn threshold(expr: &str) -> Option<Threshold> {
    let expr = without_parentheses(expr.trim());
    let bytes = expr.as_bytes();
    let mut found = None;
    let mut at = 0;
    let mut depth = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'' | b'`') => at = end_of_string(bytes, at, quote),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            first if first.is_ascii_alphabetic() || first == b'_' => {
                let word = word_at(expr, at);
                if JOINTS.contains(&word.to_ascii_lowercase().as_str()) {
                    return None;
                }
                at += word.len() - 1;
            }
            _ => {
                let rest = expr.get(at..).unwrap_or_default();
                if let Some(operator) = COMPARISONS.iter().find(|one| rest.starts_with(**one)) {
                    if found.is_some() {
                        return None;
                    }
                    at += operator.len() - 1;
                    found = Some((*operator, at + 1));
                }
            }
        }
        at += 1;
    }
    let (operator, behind) = found?;
    let right = expr.get(behind..)?.trim();
    let right = right.strip_prefix("bool").filter(|rest| rest.starts_with(' ')).unwrap_or(right);
    Some(Threshold { operator: operator.to_owned(), value: number(right.trim())? })
}

fn word_at(expr: &str, at: usize) -> &str {
    let rest = &expr[at..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    &rest[..end.unwrap_or(rest.len())]
}

/// The place of the quote that ends a string, or the end of the text.
fn end_of_string(bytes: &[u8], begin: usize, quote: u8) -> usize {
    let mut at = begin + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
    }
    at
}

/// The text without parentheses around all of it.
fn without_parentheses(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && at + 1 < text.len() {
            return text;
        }
    }
    match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inner) => without_parentheses(inner.trim()),
        None => text,
    }
}

/// A number, or a product of numbers as rules write shares: `(25 / 100)`.
fn number(text: &str) -> Option<f64> {
    let text = without_parentheses(text);
    let mut value = 1.0;
    let mut divides = false;
    for part in text.split_inclusive(['*', '/']) {
        let last = part.chars().last();
        let factor: f64 = part.trim_end_matches(['*', '/']).trim().parse().ok()?;
        value = if divides { value / factor } else { value * factor };
        divides = last == Some('/');
    }
    Some(value).filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_with_a_number_is_a_threshold() {
        let table = [
            ("up == 0", "== 0"),
            ("max_over_time(kube_x{reason=\"a>b\"}[5m]) >= 1", ">= 1"),
            (
                "sum(increase(a[5m])) by (pod)\n / sum(increase(b[5m])) by (pod)\n > (25 / 100)",
                "> 0.25",
            ),
            ("time() - max(x) > 43200", "> 43200"),
            ("(a - b > 0)", "> 0"),
            ("100 * (count by (job) (up == 0) / count by (job) (up)) > 10", "> 10"),
            ("rate(x[1h]) > bool 0.5", "> 0.5"),
            ("x > -1.5e3", "> -1500"),
            ("x > (14.40*0.01000)", "> 0.144"),
            // none, or not one
            ("vector(1)", ""),
            ("spec > available", ""),
            ("(a > 1) and (b == 0)", ""),
            ("a > 1 and b", ""),
            ("a > 1 unless on (x) b", ""),
            ("a > 1 > 2", ""),
            ("a) > 1", ""),
            ("a{x=\"", ""),
            ("a > 1 / 0", ""),
            ("ä > \"", ""),
            ("", ""),
        ];
        for (expr, wanted) in table {
            let found = threshold(expr).map(|Threshold { operator, value }| {
                format!("{operator} {}", (value * 1e6).round() / 1e6)
            });
            assert_eq!(found.unwrap_or_default(), wanted, "{expr}");
        }
    }
}
