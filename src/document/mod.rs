//! YAML text to a typed runbook with positions; checks.
