//! Errors with a place in a file, a reason and a suggestion.
