//! An example of every verb: a step of a runbook that `check` accepts.

/// A runbook with a step for every verb, whose id is the verb.
pub const EXAMPLES: &str = include_str!("examples.yaml");

/// The step of a verb, without the indentation of the list.
pub fn example(verb: &str) -> Option<String> {
    let mut steps = EXAMPLES.split("\n  - ").skip(1);
    let step = steps.find(|step| step.lines().next() == Some(&format!("id: {verb}")))?;
    let lines = step.lines().take_while(|line| line.starts_with("    ") || line.starts_with("id:"));
    let lines: Vec<_> = lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    Some(format!("- {}", lines.join("\n  ")))
}
