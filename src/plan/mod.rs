//! Document and parameters to a plan: resolved order, permissions, digest. Pure.
