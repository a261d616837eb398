//! Conditions (jq) and text templates: compiled once, evaluated with a budget. Pure.
