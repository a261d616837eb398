//! NetworkPolicy evaluation and label selectors. Pure; used by actions and by the sandbox alike.
