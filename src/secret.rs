//! Masking: one layer between what a run has read and everything it says.
