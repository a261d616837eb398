//! The line of a log that says why a program ended. What stands last often does not: the frames of
//! a trace, the version of a runtime, the end of a usage text, where to read more, and that another
//! program has ended.
//!
//! Of what a program says, in this order:
//!
//! 1. what is wrong in the last line but for such a tail, or the error above it that is nearest: a
//!    line of that level, what was thrown, a panic; of what is no last word itself, and stands below
//!    a last word of the program, that;
//! 2. words of what is wrong, close to the end;
//! 3. what it warns of or reports, if it ends with that or goes on after the error by its own words;
//! 4. the last line.

mod end;
mod frame;
mod level;
mod line;
mod served;
#[cfg(test)]
mod tests;
mod trace;
mod waived;
mod words;

use level::Level;
use line::Line;
use served::is_of_other_request;
use trace::{said_at, section};

/// How many lines from the end on are looked at: a trace of Java has about as many.
const LINES: usize = 60;
/// How close to the end words of what is wrong are about the end.
const CLOSE: usize = 10;
/// In how many lines from the end on a complaint comes again.
const AGAIN: usize = 20;
/// How many lines of a log are evidence.
const EVIDENCE: usize = 5;

/// The line that says why, of a log that has any. One by which the program goes on is not why it
/// ended, unless nothing else is.
pub(super) fn reason(log: &str) -> Option<&str> {
    let filled = log.lines().rev().filter(|line| !line.trim().is_empty());
    let mut lines: Vec<Line<'_>> = filled.take(LINES).map(Line::new).collect();
    lines.reverse();
    let lines = &lines[..];
    let last = lines.last()?;
    let found = section(lines)
        .or_else(|| stated(lines, Line::is_reason).map(|line| fatal(lines, line)))
        .or_else(|| close(lines))
        .or_else(|| resigned(lines))
        .or_else(|| plain(lines));
    Some(found.unwrap_or(last).raw)
}

/// Whether a line says itself that something is wrong.
pub(super) fn mentions(line: &str) -> bool {
    Line::new(line).mentions()
}

/// Whether the log of a container that runs says what is wrong now: its reason is the last that it
/// says, but for requests that have failed since and for its end, or comes again and again. Whom the
/// program turns away is not what is wrong with it, nor what is wrong with a request, unless it is one
/// of its probes, which ask for these paths.
pub(super) fn complains(log: &str, paths: &[&str]) -> bool {
    let lines = || log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let complaint = reason(log).map(Line::new);
    let is_own = |line: &Line<'_>| !line.is_of_peer() && !is_of_other_request(&line.plain, paths);
    complaint.filter(|line| line.mentions() && is_own(line)).is_some_and(|line| {
        let shape = without_digits(line.raw);
        is_last(log, line.raw)
            || lines().take(AGAIN).filter(|other| without_digits(other) == shape).count() > 1
    })
}

/// Whether a line is the last that a program says of itself, but for when it tries again. That it
/// serves a request is such a thing, too.
fn is_last(log: &str, wanted: &str) -> bool {
    let works = |line: &Line<'_>| line.access.is_some_and(|status| status < 400);
    let tries = |line: &Line<'_>| line.level < Some(Level::Warning) && line.is_tried_again();
    let is_tail =
        |line: &Line<'_>| !works(line) && (line.is_noise() || line.is_end() || tries(line));
    let mut lines = log.lines().rev().map(Line::new);
    let last = lines.find(|line| line.raw == wanted || !is_tail(line));
    last.is_some_and(|last| last.raw == wanted)
}

/// The shape of a line, which its times and numbers do not change.
pub(super) fn without_digits(line: &str) -> String {
    line.chars().filter(|one| !one.is_ascii_digit()).collect()
}

/// What of a log is shown as evidence: its end, with the line that says why before it.
pub(super) fn excerpt(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    if lines.len() <= EVIDENCE {
        return log.to_owned();
    }
    let end = &lines[lines.len() - EVIDENCE..];
    let reason = reason(log).filter(|reason| !end.iter().any(|line| line.trim().ends_with(reason)));
    let shown: Vec<&str> = reason.into_iter().chain(end.iter().copied()).collect();
    shown.join("\n")
}

/// What is wrong in the last line that is no tail, or in the nearest place above where a reason
/// stands.
fn stated<'a, 'b>(lines: &'b [Line<'a>], good: impl Fn(&Line<'a>) -> bool) -> Option<&'b Line<'a>> {
    let is_tail =
        |line: &Line<'_>| line.is_noise() || line.is_end() || line.level == Some(Level::Low);
    let usage = lines.iter().rposition(Line::is_usage);
    let at = lines.iter().rposition(|line| !is_tail(line));
    // the options of a usage text are indented, and their words are no reason; what is indented
    // below an exception, or stands in its box, is said of it
    let is_part = |at: usize| {
        let above = usage.is_some() || is_thrown_above(&lines[..at]);
        lines[at].boxed || above && lines[at].indent > 0
    };
    let end = at.filter(|at| lines[*at].tells() && !is_part(*at));
    let end = end.map(|at| said_at(lines, at, usage).unwrap_or(&lines[at]));
    let above = (0..lines.len()).rev().filter_map(|at| said_at(lines, at, usage));
    end.into_iter().chain(above).find(|line| good(line))
}

/// The last words of a program, if it said them before this line, which says less: another of its
/// threads, or who started it, has gone on for a moment.
fn fatal<'a, 'b>(lines: &'b [Line<'a>], found: &'b Line<'a>) -> &'b Line<'a> {
    let at = lines.iter().position(|line| std::ptr::eq(line, found)).unwrap_or_default();
    // a line without a level may be a part of what is above it
    let is_apart = |from: usize| lines[from + 1..=at].iter().any(|line| line.level.is_some());
    let is_over = |from: usize| lines[from..at].iter().any(Line::is_goroutine);
    let is_before = |from: &usize| {
        let line = &lines[*from];
        let is_other = is_apart(*from) || line.is_panic() && is_over(*from);
        line.is_last_word() && line.is_reason() && is_other
    };
    let before = (0..at).rev().find(is_before).filter(|_| !found.is_last_word());
    before.and_then(|from| said_at(lines, from, None)).unwrap_or(found)
}

/// Whether the lines end with an exception of Python, or with what belongs to one.
fn is_thrown_above(lines: &[Line<'_>]) -> bool {
    lines.iter().rev().take_while(|line| line.level.is_none()).any(Line::is_traceback)
}

/// Words of what is wrong in a line without a level, close to the end.
fn close<'a, 'b>(lines: &'b [Line<'a>]) -> Option<&'b Line<'a>> {
    let mut near = lines.iter().rev().filter(|line| !line.is_noise()).take(CLOSE);
    near.find(|line| line.tells() && line.is_reason())
}

/// Where the only errors are such as the program goes on after, or say no more than that it ends:
/// what it tries again, as it does not go on without that; what it mentions at a lower level; or else
/// those errors.
fn resigned<'a, 'b>(lines: &'b [Line<'a>]) -> Option<&'b Line<'a>> {
    if let Some(tried) = stated(lines, |line| line.is_tried_again() && !line.is_end()) {
        return Some(tried);
    }
    let any = || stated(lines, |line| !line.is_waived()).or_else(|| stated(lines, |_| true));
    any().map(|error| mentioned(lines).unwrap_or(error))
}

/// What is wrong by its words, whatever the level. The program may have ended for it.
fn mentioned<'a, 'b>(lines: &'b [Line<'a>]) -> Option<&'b Line<'a>> {
    lines.iter().rev().find(|line| line.mentions() && line.is_reason())
}

/// The last line, of those that say anything and have no low level if there are such.
fn plain<'a, 'b>(lines: &'b [Line<'a>]) -> Option<&'b Line<'a>> {
    // npm repeats the code of what it starts, and says what is wrong if it cannot start it
    let of_npm = || lines.iter().rev().find(|line| line.npm().is_some_and(|npm| npm.mentions()));
    let heard = || lines.iter().rev().filter(|line| !line.is_noise());
    let own = || heard().filter(|line| !line.is_farewell() && !line.is_fine());
    let end = own().next();
    let low = end.filter(|line| line.level.is_some()).and_then(|_| mentioned(lines));
    let high = || end.filter(|line| line.level.is_none());
    let other = || own().find(|line| line.level != Some(Level::Low));
    let said = low.or_else(high).or_else(other).or_else(|| heard().next());
    said.filter(|line| line.mentions()).or_else(of_npm).or(said)
}
