//! Quantities of resources, as the API writes them.

/// The number that a quantity stands for: cores, bytes, things.
pub(crate) fn number(quantity: &str) -> Option<f64> {
    let split = quantity.find(|character: char| character.is_ascii_alphabetic());
    let (number, unit) = quantity.split_at(split.unwrap_or(quantity.len()));
    let times = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * times)
}

/// The shortest way to write a number of cores or bytes.
#[expect(clippy::cast_possible_truncation, reason = "quantities are far below 2^53")]
pub(crate) fn text(number: f64) -> String {
    if number.fract().abs() > 1e-9 {
        return format!("{}m", (number * 1000.0).round() as i64);
    }
    let mut whole = number.round() as i64;
    for unit in ["", "Ki", "Mi", "Gi", "Ti"] {
        if whole == 0 || whole % 1024 != 0 || unit == "Ti" {
            return format!("{whole}{unit}");
        }
        whole /= 1024;
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written() {
        for (quantity, expected) in [
            ("24Mi", Some(25_165_824.0)),
            ("1k", Some(1000.0)),
            ("250m", Some(0.25)),
            ("3", Some(3.0)),
            ("x", None),
        ] {
            assert_eq!(number(quantity), expected, "{quantity}");
        }
        for (number, expected) in
            [(0.25, "250m"), (3.0, "3"), (25_165_824.0, "24Mi"), (0.0, "0"), (1.5, "1500m")]
        {
            assert_eq!(text(number), expected);
        }
    }
}
