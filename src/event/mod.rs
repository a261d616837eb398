//! The one owned, versioned event stream: what the engine emits, the journal stores and reporters read.
