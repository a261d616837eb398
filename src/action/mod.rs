//! The verbs of a step: one file each.
