//! A step as its line: symbol, id, title, result, duration. Pure.

use super::text::{duration, one_line, width, wrap};
use super::theme::{DIM, Detail, Line, Look, OutcomeMark, PLAIN, STRONG};
use crate::event::{Mode, Outcome, Reason, StepFinished};

/// Columns left free at the right.
const MARGIN: usize = 2;
/// Columns of a duration with the space before it.
const DURATION: usize = 10;
/// A narrower terminal has no room for columns.
pub(super) const NARROW: usize = 60;
/// The fewest columns that a title is cut to, for the sake of what is right of it.
const TITLE: usize = 16;

/// Where the columns of a run's lines begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    id: usize,
    title: usize,
    /// Where lines below a step's line begin.
    pub(super) below: usize,
}

impl Columns {
    /// The columns for steps with these paths.
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>, look: &Look) -> Self {
        let wide =
            paths.map(|path| width(name(path)) + 2 * depth(path)).max().unwrap_or(0).clamp(8, 18);
        let id = 2 + look.symbol_width() + 1;
        let title = id + wide + 2;
        Self { id, title, below: if look.width < NARROW { id + 2 } else { title + 2 } }
    }
}

/// The last part of a path: what the step is called within its group.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path with the items of loops in the place of their numbers, where they are known.
pub(super) fn with_items<'a>(path: &str, item: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut shown = String::new();
    let mut at = 0;
    for (end, _) in path.match_indices(']') {
        let known = item(&path[..=end]).filter(|item| !item.is_empty());
        if let (Some(item), Some(open)) = (known, path[at..end].rfind('[')) {
            shown.push_str(&path[at..=at + open]);
            shown.push_str(item);
            at = end;
        }
    }
    shown.push_str(&path[at..]);
    shown
}

/// What the round of a loop, or any other step, is called within its group.
fn called(step: &StepFinished) -> String {
    let name = name(&step.path);
    match name.rsplit_once('[').filter(|_| !step.item.is_empty()) {
        Some((base, _)) if step.title.contains(&step.item) => base.to_owned(),
        Some((base, _)) => format!("{base}[{}]", one_line(&step.item)),
        None => name.to_owned(),
    }
}

/// The path of the group around a step; empty at the top.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// How many groups are around a step.
pub(super) fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// The line above the steps of the group at `path`, which is shown like this.
pub(super) fn heading(
    (path, shown): (&str, &str),
    title: &str,
    columns: &Columns,
    look: &Look,
) -> Line {
    let line = Line::new(columns.id + 2 * depth(path)).push(STRONG, shown);
    if title.is_empty() {
        return line;
    }
    let column = columns.title.max(line.width() + 2);
    line.pad_to(column)
        .text(look.truncate(&one_line(title), look.width.saturating_sub(column + MARGIN)))
}

/// The result in a few words, as it stands at the end of the line.
pub(super) fn note(step: &StepFinished) -> String {
    if !step.summary.is_empty() {
        return one_line(&step.summary);
    }
    let word = match step.outcome {
        Outcome::Passed => return String::new(),
        Outcome::Failed => "failed",
        Outcome::Error => "undetermined",
        Outcome::Recovered => "recovered",
        Outcome::TimedOut => "timed out",
        Outcome::Cancelled => "cancelled",
        Outcome::Unknown => return because("unknown", &step.reason),
        Outcome::Skipped => {
            let words = because("skipped", &step.reason);
            let is_condition = matches!(step.why, Some(Reason::OnlyWhen { .. }));
            return if is_condition { brief(words) } else { words };
        }
    };
    word.to_owned()
}

/// A condition is cut where it would fill lines: that it did not hold is what matters.
fn brief(reason: String) -> String {
    const MOST: usize = 56;
    if reason.chars().count() <= MOST {
        reason
    } else {
        format!("{}...", reason.chars().take(MOST - 3).collect::<String>().trim_end())
    }
}

fn because(word: &str, reason: &str) -> String {
    let reason = one_line(reason);
    match reason.as_str() {
        "" => word.to_owned(),
        _ if reason.starts_with(word) => reason,
        _ => format!("{word}: {reason}"),
    }
}

/// A step's line. What does not fit beside the title stands below it; only the title is ever cut.
pub(super) fn step(step: &StepFinished, mode: Mode, columns: &Columns, look: &Look) -> Vec<Line> {
    let mark = OutcomeMark::of_step(step, mode);
    let indent = 2 * depth(&step.path);
    let name_style = if mark == OutcomeMark::Bad { STRONG } else { PLAIN };
    let line = Line::new(2 + indent)
        .push(mark.style(), mark.symbol(look.charset))
        .pad_to(columns.id + indent)
        .push(name_style, called(step));
    let start = columns.title.max(line.width() + 2);
    let line = line.pad_to(start);

    let title = one_line(&step.title);
    let note = note(step);
    let timed = step.attempts > 0
        && (step.outcome.is_good()
            || step.outcome == Outcome::TimedOut
            || look.detail == Detail::Verbose);
    let took = if timed { duration(step.duration_ms) } else { String::new() };
    let edge = look.width.saturating_sub(MARGIN);
    let inner = edge.saturating_sub(DURATION);
    let fits = |edge: usize, title: usize| start + title + 2 + width(&note) <= edge;
    let least = width(&title).min(TITLE);
    let full = width(&title);

    let (edge, took) = match () {
        () if !took.is_empty() && fits(inner, least) => (inner, took),
        () if took.is_empty() && fits(inner, full) => (inner, took),
        () if fits(edge, least) => (edge, String::new()),
        () => {
            let mut lines = vec![line.text(look.truncate(&title, edge.saturating_sub(start)))];
            let room = edge.saturating_sub(columns.below).max(TITLE);
            lines.extend(
                wrap(&note, room)
                    .into_iter()
                    .map(|text| Line::new(columns.below).push(mark_note(mark), text)),
            );
            return lines;
        }
    };
    let room = edge.saturating_sub(start + if note.is_empty() { 0 } else { width(&note) + 2 });
    let line = line.text(look.truncate(&title, room));
    let line = line.pad_to(edge.saturating_sub(width(&note))).push(mark_note(mark), note);
    let line = if took.is_empty() {
        line
    } else {
        line.pad_to(edge + DURATION - width(&took).min(DURATION)).push(DIM, took)
    };
    vec![line]
}

fn mark_note(mark: OutcomeMark) -> anstyle::Style {
    match mark {
        OutcomeMark::Good | OutcomeMark::Preview => PLAIN,
        OutcomeMark::Bad | OutcomeMark::Open | OutcomeMark::NotDone | OutcomeMark::Attention => {
            mark.style()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::finished;

    #[test]
    fn a_loop_is_told_by_its_items() {
        let items = |path: &str| match path {
            "a/loop[0]" => Some("shop"),
            "a/loop[0]/in[1]" => Some("x[2]"),
            _ => None,
        };
        assert_eq!(with_items("a/loop[0]", items), "a/loop[shop]");
        assert_eq!(with_items("a/loop[0]/in[1]/look", items), "a/loop[shop]/in[x[2]]/look");
        assert_eq!(with_items("a/loop[1]/look", items), "a/loop[1]/look");
        let round = StepFinished {
            item: "shop".to_owned(),
            ..finished("a/loop[0]", "", Outcome::Passed, "")
        };
        assert_eq!(called(&round), "loop[shop]");
        let titled = StepFinished { title: "Look at shop".to_owned(), ..round };
        assert_eq!(called(&titled), "loop", "the title says which");
        assert_eq!(called(&finished("a/loop[0]", "", Outcome::Passed, "")), "loop[0]");
    }

    #[test]
    fn a_long_condition_is_cut_and_other_words_are_not() {
        let condition = "any($steps.pods.output.items[]; .status.phase != \"Running\")".to_owned();
        let left_out = Reason::OnlyWhen { condition };
        let by_hand = Reason::SkippedBy { by: "ada".to_owned(), text: left_out.to_string() };
        let skipped = |reason: &Reason| StepFinished {
            reason: reason.to_string(),
            why: Some(reason.clone()),
            ..finished("a", "", Outcome::Skipped, "")
        };
        let cut = "skipped: only when any($steps.pods.output.items[]; .s...";
        assert_eq!(note(&skipped(&left_out)), cut);
        assert_eq!(note(&skipped(&by_hand)), by_hand.to_string());
    }
}
