//! Names that look random and are the same in every run.

use sha2::{Digest, Sha256};

/// The SHA-256 of a text, as lowercase hexadecimal digits.
pub(crate) fn sha256(text: impl AsRef<[u8]>) -> String {
    use std::fmt::Write;
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // writing to a string cannot fail
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
