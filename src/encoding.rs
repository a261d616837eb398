//! Bytes, and how many they are, as text: each way once.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // writing to a string cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub(crate) fn percent_encode(text: &str) -> String {
    percent_encode_set(text, RESERVED)
}

/// Percent-encodes what is in this set, and everything that is not ASCII.
pub(crate) fn percent_encode_set(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// The bytes of a percent-encoded text; what is no escape stays as it is.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// A number of bytes for a person: `312 B`, `4.1 KiB`, `2.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let unit = (bytes.ilog2() / 10).min(4);
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_text_and_back() {
        assert_eq!(hex(&[0, 0xab, 9]), "00ab09");
        assert_eq!(percent_encode("a-b._~/ü"), "a-b._~%2F%C3%BC");
        for (text, bytes) in [
            ("%2Fa%2", &b"/a%2"[..]),
            ("%zz%", b"%zz%"),
            ("%c3%BC", "ü".as_bytes()),
            ("us%65r:p%40ss%+A%", b"user:p@ss%+A%"),
        ] {
            assert_eq!(percent_decode(text), bytes, "{text}");
        }
    }
}
