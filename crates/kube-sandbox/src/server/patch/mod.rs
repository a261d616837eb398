//! The three kinds of patches that say what to change. Pure: from an object and a patch to an
//! object.

mod json;
mod merge;
mod strategic;

pub(crate) use json::apply as json_patch;
pub(crate) use merge::apply as merge_patch;
pub(crate) use strategic::apply as strategic_merge_patch;

/// Why a patch was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    /// It is no patch at all.
    #[error("{0}")]
    Malformed(String),
    /// It does not fit the object.
    #[error("{0}")]
    Unfit(String),
}
