//! Markdown: for a pull request, a ticket, or the summary page of a CI job. Pure.

use super::conclusion::{by_reason, some, unsaid, weight};
use super::test_case::{Ending, TestCase, cases};
use super::text::{duration, file, one_line, params, part};
use super::theme::{Charset, OutcomeMark};
use crate::event::{FindingConcluded, Saved};
use crate::secret::sanitize;
use crate::state::RunState;
use std::fmt::Write;

/// The run as a page of Markdown (GitHub's kind); also of a run that has not ended.
pub fn markdown(state: &RunState) -> String {
    let mut page = String::new();
    // writing to a string does not fail
    let _ = head(&mut page, state)
        .and_then(|()| steps(&mut page, &cases(state)))
        .and_then(|()| causes(&mut page, state))
        .and_then(|()| commands(&mut page, state))
        .and_then(|()| files(&mut page, state));
    page
}

fn head(page: &mut String, state: &RunState) -> std::fmt::Result {
    let summary = state.summary();
    let (mark, verdict) = match summary.verdict {
        Some(verdict) => (OutcomeMark::of_verdict(verdict), verdict.words()),
        None => (OutcomeMark::Open, state.words_without_end()),
    };
    writeln!(
        page,
        "# {} {}: {verdict}\n\n{}\n",
        mark.symbol(Charset::Unicode),
        inline(&summary.runbook),
        inline(&summary.title)
    )?;
    let took = summary.duration_ms.map(|ms| format!(", took {}", duration(ms))).unwrap_or_default();
    let rows = [
        ("run", summary.run),
        ("part", summary.part.as_ref().and_then(part).unwrap_or_default()),
        ("where", summary.target.place()),
        ("started", format!("{}{took}", summary.started)),
        ("parameters", params(&summary.params)),
    ];
    writeln!(page, "| | |\n|---|---|")?;
    for (label, text) in rows.into_iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(page, "| {label} | {} |", inline(&text))?;
    }
    Ok(())
}

fn steps(page: &mut String, cases: &[TestCase]) -> std::fmt::Result {
    if cases.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n| | step | result | time |\n|---|---|---|---:|")?;
    for case in cases {
        let took =
            if case.ending == Ending::Skipped { String::new() } else { duration(case.duration_ms) };
        writeln!(
            page,
            "| {} | {} | {} | {took} |",
            mark(case.ending).symbol(Charset::Unicode),
            inline(&case.name),
            inline(&case.reason)
        )?;
    }
    for case in cases.iter().filter(|case| !case.details.is_empty()) {
        writeln!(
            page,
            "\n### {} {}\n\n{}",
            mark(case.ending).symbol(Charset::Unicode),
            inline(&case.name),
            fenced("text", &case.details)
        )?;
    }
    Ok(())
}

fn mark(ending: Ending) -> OutcomeMark {
    match ending {
        Ending::Passed => OutcomeMark::Good,
        Ending::Failed => OutcomeMark::Bad,
        Ending::Error => OutcomeMark::Open,
        Ending::Skipped => OutcomeMark::NotDone,
        Ending::Forgiven => OutcomeMark::Attention,
    }
}

fn causes(page: &mut String, state: &RunState) -> std::fmt::Result {
    if !state.findings().is_empty() {
        writeln!(page, "\n## Causes\n")?;
    }
    for finding in state.findings() {
        let fixed = if finding.fixed { " (fixed by this run)" } else { weight(finding) };
        for item in finding.items() {
            writeln!(page, "- **{}**: {}{fixed}", inline(&finding.id), inline(&item.cause))?;
            let objects = unsaid(&item);
            if !objects.is_empty() {
                writeln!(page, "  - Where: {}", inline(&some(objects.iter().map(String::as_str))))?;
            }
            if let Some(text) = item.remedy.as_ref().and_then(|remedy| remedy.text.as_ref()) {
                writeln!(page, "  - Do: {}", inline(text))?;
            }
        }
        for proof in &finding.not_fixed {
            let reason = inline(&proof.reason);
            let words = proof.outcome.words();
            writeln!(page, "  - Proof {words}: {}: {reason}", inline(&proof.step))?;
        }
    }
    if !state.not_ruled_out().is_empty() {
        writeln!(page, "\n## Not ruled out\n")?;
    }
    for (because, ids) in by_reason(state.not_ruled_out()) {
        writeln!(page, "- **{}**: {}", inline(&some(ids.into_iter())), inline(because))?;
    }
    Ok(())
}

fn commands(page: &mut String, state: &RunState) -> std::fmt::Result {
    let mut commands = state.summary().next;
    let items = state.findings().iter().flat_map(FindingConcluded::items);
    for command in items.filter_map(|item| item.command) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if commands.is_empty() {
        Ok(())
    } else {
        writeln!(page, "\n## Next\n\n{}", fenced("sh", &(commands.join("\n") + "\n")))
    }
}

fn files(page: &mut String, state: &RunState) -> std::fmt::Result {
    let saved: Vec<&Saved> = state.ended().flat_map(|step| &step.saved).collect();
    if !saved.is_empty() {
        writeln!(page, "\n## Saved files\n")?;
    }
    saved.into_iter().try_for_each(|saved| writeln!(page, "- {}", inline(&file(saved))))
}

/// Text that means nothing to Markdown, on one line.
pub fn inline(text: &str) -> String {
    let mut out = String::new();
    for character in one_line(&sanitize(text)).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '!' | '$' => {
                out.extend(['\\', character]);
            }
            '&' => out.push_str("&amp;"),
            // not a mention of whoever has this name
            '@' => out.push_str("&#64;"),
            character => out.push(character),
        }
    }
    out
}

/// A block that no line of the text can end.
pub fn fenced(language: &str, text: &str) -> String {
    let text = sanitize(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::diagnosis;

    #[test]
    fn a_diagnosis_and_a_run_that_was_cut_off() {
        let story = diagnosis();
        insta::assert_snapshot!(
            "markdown_diagnosis",
            markdown(&RunState::replay(&story.records).unwrap())
        );
        insta::assert_snapshot!(
            "markdown_cut_off",
            markdown(&RunState::replay(&story.records[..4]).unwrap())
        );
        assert!(markdown(&RunState::new()).starts_with("# ? : not finished"));
    }

    #[test]
    fn texts_stay_texts() {
        let table = [
            ("a|b", "a\\|b"),
            ("<img src=x> &amp;", "\\<img src=x\\> &amp;amp;"),
            ("ta_bot *now* `x`", "ta\\_bot \\*now\\* \\`x\\`"),
            ("two\nlines @all", "two lines &#64;all"),
            ("\u{1b}[31mred", "red"),
        ];
        for (text, wanted) in table {
            assert_eq!(inline(text), wanted);
        }
        assert_eq!(fenced("sh", "a\n````\nb\n"), "`````sh\na\n````\nb\n`````");
    }
}
