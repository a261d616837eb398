//! Names of the objects that a step creates: the same if the step runs again, so that no object is
//! created twice.

use crate::encoding::hex;
use sha2::{Digest, Sha256};

/// The annotation that says which step of which run has made an object.
pub(in crate::action) const MADE_BY: &str = "runbook/run";
/// The longest name: it is used as a label, too.
const NAME: usize = 63;

/// A name for what this step of this run makes; another step or run has another name.
pub(in crate::action) fn unique_name(prefix: &str, run: &str, path: &str) -> String {
    let run: String = run
        .chars()
        .skip(run.chars().count().saturating_sub(8))
        .collect::<String>()
        .to_ascii_lowercase();
    let hash: String = hex(&Sha256::digest(path)[..3]);
    let rest = format!("-{run}-{hash}");
    let prefix: String = prefix.chars().take(NAME.saturating_sub(rest.len())).collect();
    format!("{}{rest}", prefix.trim_end_matches(['-', '.']))
}
