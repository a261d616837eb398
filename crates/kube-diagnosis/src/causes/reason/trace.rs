//! Where in a log a reason stands: below the begin of a trace or above its frames, in the section of
//! a report, above a usage text.

use super::level::Level;
use super::line::Line;
use super::words::SECTIONS;

/// How many lines above the frames of a trace its exception may begin.
const MESSAGE: usize = 10;
/// How many lines above a usage text the message may begin that it belongs to.
const BEFORE_USAGE: usize = 5;

/// What is said where a line, with those around it, is a place of a reason.
pub(super) fn said_at<'a, 'b>(
    lines: &'b [Line<'a>],
    at: usize,
    usage: Option<usize>,
) -> Option<&'b Line<'a>> {
    if usage == Some(at) {
        return Some(&lines[above_usage(lines, at)]);
    }
    place(lines, at).map(|found| &lines[below_heading(lines, found)])
}

/// Where the reason stands of which a line is the end, or a part.
fn place(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let line = &lines[at];
    if line.is_traceback() {
        return below_traceback(lines, at);
    }
    // Elixir indents why a process has ended below the one that was linked to it
    let is_own = line.indent == 0 || line.is_exit();
    let is_error = line.level >= Some(Level::Error) || is_own && line.is_thrown();
    if line.is_panic() || is_error && !line.is_noise() {
        return Some(at);
    }
    if line.is_goroutine() {
        return lines[..at].iter().rposition(Line::is_panic);
    }
    if line.is_frame() { above_frames(lines, at) } else { None }
}

/// The exception of Python. Of several that follow from each other the last is told, as it is what
/// the author of the program says to who runs it, and mostly repeats the one before: `error parsing
/// value for field "cors"` after `Expecting value: line 1 column 1`. Where it says only that
/// something has failed it is an end, and the one before is told.
fn below_traceback(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let below = lines[at + 1..]
        .iter()
        .position(|line| line.indent <= lines[at].indent && !line.is_noise())?;
    Some(at + 1 + below)
}

/// The exception of the frames of which this is one. Of those of Java and .NET that follow from
/// each other it is the last: what the others wrap.
fn above_frames(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let begin = lines[..at].iter().rposition(|line| !line.is_frame())?;
    let named = (begin.saturating_sub(MESSAGE - 1)..=begin)
        .rev()
        .take_while(|at| !lines[*at].is_frame())
        .find(|at| lines[*at].is_thrown() || lines[*at].is_panic());
    Some(named.unwrap_or(begin))
}

/// What a line introduces that ends with a colon: `thread 'main' panicked at src/main.rs:10:5:`.
fn below_heading(lines: &[Line<'_>], at: usize) -> usize {
    let below = lines.get(at + 1).filter(|line| !line.is_noise() && line.level.is_none());
    if lines[at].plain.ends_with(':') && below.is_some() { at + 1 } else { at }
}

/// What a program says before it says how to call it; the usage itself if it says nothing.
fn above_usage(lines: &[Line<'_>], usage: usize) -> usize {
    let begin = usage.saturating_sub(BEFORE_USAGE);
    let mut telling = (begin..usage).rev().filter(|at| lines[*at].tells());
    telling.next().unwrap_or(begin)
}

/// What a report says is wrong before it says what to do, unless an error follows.
pub(super) fn section<'a, 'b>(lines: &'b [Line<'a>]) -> Option<&'b Line<'a>> {
    SECTIONS.iter().find_map(|(wrong, advice)| {
        let at = lines.iter().rposition(|line| line.plain == *wrong)?;
        let below = lines[at..].iter().position(|line| line.plain == *advice)?;
        let after = &lines[at + below..];
        let is_last = !after.iter().any(|line| line.level >= Some(Level::Error));
        lines.get(at + 1).filter(|_| is_last && below > 1)
    })
}
