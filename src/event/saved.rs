//! Files that a run keeps beside its journal.

use serde::{Deserialize, Serialize};

/// A file in the folder `saved/` of the run: what a step saved of its output, or an archive of such
/// files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its path below `saved/`, with `/` between folders.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
    /// Bytes that were left out because it would have been too large; 0 if it is whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
