//! Reporters over events; one file each.
