//! Runs a runbook on the simulated cluster and prints what it found: `cargo run --example embed`.

use runbook::event::Event;
use runbook::{Attended, SessionError, Start, Workspace, channel, rehearse};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = std::env::temp_dir().join("runbook-embed");
    for line in diagnose(&records, "ta-bot/no-signals", "tabot-no-leader").await? {
        println!("{line}");
    }
    Ok(())
}

/// What a runbook finds in a scenario, line by line. Its record is kept in the folder.
pub(crate) async fn diagnose(
    records: &Path,
    runbook: &str,
    scenario: &str,
) -> Result<Vec<String>, SessionError> {
    let mut options = Start::of(runbook);
    options.conduct.cluster.sandbox = Some(scenario.to_owned());
    let session = rehearse(&Workspace::new(records), options)?;
    let (sink, mut events) = channel();
    let run = tokio::spawn(session.run(Attended::by(sink)));
    let (mut lines, mut steps) = (Vec::new(), 0);
    while let Some(record) = events.recv().await {
        match record.event {
            Event::StepFinished(_) => steps += 1,
            Event::FindingConcluded(finding) => lines.push(finding.cause),
            _ => {}
        }
    }
    let end = run.await.expect("a run does not panic")?;
    lines.push(format!("{:?} after {steps} steps, run {}", end.verdict(), end.run));
    Ok(lines)
}
