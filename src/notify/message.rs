//! What is said of the end of a run. Pure.

use super::ChannelKind;
use crate::event::{FindingConcluded, Summary, Verdict, short_id};
use serde_json::{Value, json};

/// Version of the document that a webhook gets.
const SCHEMA: &str = "runbook.notification/v1";
/// The most causes, and next commands, in a text.
const MOST: usize = 5;

/// The body for a channel of this kind.
pub fn message(kind: ChannelKind, summary: &Summary) -> Value {
    let text = text(summary);
    match kind {
        ChannelKind::Slack => json!({"text": escaped(&text)}),
        ChannelKind::Webhook => json!({
            "schema": SCHEMA,
            "text": text,
            "run": summary.run,
            "runbook": summary.runbook,
            "title": summary.title,
            "mode": summary.mode,
            "verdict": summary.verdict,
            "exit_code": summary.exit_code,
            "started": summary.started,
            "ended": summary.ended,
            "target": summary.target,
            "alert": summary.alert,
            "counts": summary.counts,
            "findings": summary.findings,
            "not_ruled_out": summary.not_ruled_out,
            "changes": summary.changes.len(),
            "next": summary.next,
        }),
    }
}

/// Short enough for a chat: verdict and place, causes, next commands.
fn text(summary: &Summary) -> String {
    let verdict = match summary.verdict {
        Some(Verdict::Passed) => "passed",
        Some(Verdict::Failed) => "failed",
        Some(Verdict::Error) => "could not be determined",
        Some(Verdict::Unknown) => "unknown",
        Some(Verdict::Paused) => "paused",
        Some(Verdict::InDoubt) => "in doubt",
        Some(Verdict::Cancelled) => "cancelled",
        None => "not finished",
    };
    let target = &summary.target;
    let cluster = target.sandbox.as_ref().map(|scenario| format!("sandbox {scenario}"));
    let place: Vec<String> = [cluster.or_else(|| target.context.clone()), target.namespace.clone()]
        .into_iter()
        .flatten()
        .collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
    let mut lines = vec![format!("{}: {verdict}{place}", summary.runbook), summary.title.clone()];
    let causes: Vec<String> =
        summary.findings.iter().filter(|finding| !finding.fixed).flat_map(causes_of).collect();
    lines.extend(some(&causes));
    if summary.findings.is_empty() && !summary.not_ruled_out.is_empty() {
        let open = summary.not_ruled_out.iter().map(|open| open.id.as_str()).take(MOST);
        lines.push(format!("Not ruled out: {}", open.collect::<Vec<_>>().join(", ")));
    }
    if !summary.changes.is_empty() {
        lines.push(format!("Changes: {}", summary.changes.len()));
    }
    let next: Vec<String> = summary.next.iter().map(|command| format!("Next: {command}")).collect();
    lines.extend(some(&next));
    lines.push(format!("Record: runbook show {}", short_id(&summary.run)));
    lines.join("\n")
}

/// A line for each item that has the cause.
fn causes_of(finding: &FindingConcluded) -> Vec<String> {
    let items = finding.items();
    items.iter().map(|item| format!("Cause: {}: {}", finding.id, item.cause)).collect()
}

/// The first lines, and how many there are more.
fn some(lines: &[String]) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("… and {more} more"));
    lines.iter().take(MOST).cloned().chain(more).collect()
}

/// `&`, `<` and `>` as Slack takes them in a text, so that nothing in it becomes a link or a
/// mention.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::diagnosis;
    use crate::state::RunState;

    #[test]
    fn a_message_has_verdict_causes_and_next_commands() {
        let summary = RunState::replay(&diagnosis().records).unwrap().summary();
        let text = message(ChannelKind::Slack, &summary)["text"].as_str().unwrap().to_owned();
        insta::assert_snapshot!(text);
        let document = message(ChannelKind::Webhook, &summary);
        assert_eq!(document["verdict"], "failed");
        assert_eq!(document["findings"].as_array().unwrap().len(), summary.findings.len());
        assert!(document.get("steps").is_none());
    }

    #[test]
    fn nothing_in_a_text_mentions_anybody() {
        assert_eq!(escaped("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
    }
}
