//! The simulated cluster behind a real HTTP server, and its scenarios. Knows nothing of what stands above it.
