//! How text looks: width, characters, colours, and how much of it.

use super::text;
use crate::event::{Effect, Mode, Outcome, Severity, StepFinished, Verdict};
use anstyle::{AnsiColor, Effects, Style};
use std::fmt::Write as _;

/// Which symbols the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// `✔ ✘ ? – ~ !`
    Unicode,
    /// `ok FAIL ?? -- ~~ !!`
    Ascii,
}

impl Charset {
    /// The charset of a locale, from the values of `LC_ALL`, `LC_CTYPE` and `LANG`: the first that
    /// is set decides.
    pub fn from_locale(lc_all: Option<&str>, lc_ctype: Option<&str>, lang: Option<&str>) -> Self {
        let locale = [lc_all, lc_ctype, lang].into_iter().flatten().find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What is not well, and the conclusion.
    Quiet,
    /// A line a step; more where something is wrong.
    Normal,
    /// Also expectations that hold, attempts and abbreviated outputs.
    Verbose,
}

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Symbols.
    pub charset: Charset,
    /// Whether escape sequences for colour are written.
    pub color: bool,
    /// How much is shown.
    pub detail: Detail,
}

impl Look {
    pub(super) fn separator(&self) -> &'static str {
        match self.charset {
            Charset::Unicode => " · ",
            Charset::Ascii => " - ",
        }
    }

    pub(super) fn ellipsis(&self) -> &'static str {
        match self.charset {
            Charset::Unicode => "…",
            Charset::Ascii => "...",
        }
    }

    /// Columns of a symbol.
    pub(super) fn symbol_width(&self) -> usize {
        match self.charset {
            Charset::Unicode => 1,
            Charset::Ascii => 4,
        }
    }

    pub(super) fn truncate(&self, text: &str, width: usize) -> String {
        text::truncate(text, width, self.ellipsis())
    }
}

/// The symbol at the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutcomeMark {
    Good,
    Bad,
    Open,
    NotDone,
    Preview,
    Attention,
}

impl OutcomeMark {
    pub(super) fn of_step(step: &StepFinished, mode: Mode) -> Self {
        match step.outcome {
            Outcome::Passed | Outcome::Recovered
                if mode == Mode::DryRun && step.effect == Effect::Write =>
            {
                Self::Preview
            }
            Outcome::Passed | Outcome::Recovered => Self::Good,
            Outcome::Failed | Outcome::TimedOut if step.severity < Severity::Critical => {
                Self::Attention
            }
            Outcome::Failed | Outcome::TimedOut => Self::Bad,
            Outcome::Error | Outcome::Unknown => Self::Open,
            Outcome::Skipped | Outcome::Cancelled => Self::NotDone,
        }
    }

    pub(super) fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed | Verdict::Partial => Self::Good,
            Verdict::Failed => Self::Bad,
            Verdict::Error | Verdict::Unknown | Verdict::Previewed => Self::Open,
            Verdict::Paused | Verdict::InDoubt => Self::Attention,
            Verdict::Cancelled | Verdict::TimedOut => Self::NotDone,
        }
    }

    pub(super) fn symbol(self, charset: Charset) -> &'static str {
        match (charset, self) {
            (Charset::Unicode, Self::Good) => "✔",
            (Charset::Unicode, Self::Bad) => "✘",
            (Charset::Unicode, Self::Open) => "?",
            (Charset::Unicode, Self::NotDone) => "–",
            (Charset::Unicode, Self::Preview) => "~",
            (Charset::Unicode, Self::Attention) => "!",
            (Charset::Ascii, Self::Good) => "ok",
            (Charset::Ascii, Self::Bad) => "FAIL",
            (Charset::Ascii, Self::Open) => "??",
            (Charset::Ascii, Self::NotDone) => "--",
            (Charset::Ascii, Self::Preview) => "~~",
            (Charset::Ascii, Self::Attention) => "!!",
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Good => GOOD,
            Self::Bad => BAD,
            Self::Open | Self::Attention => WARN,
            Self::NotDone => DIM,
            Self::Preview => CHANGE,
        }
    }
}

pub(super) const PLAIN: Style = Style::new();
pub(super) const STRONG: Style = Style::new().effects(Effects::BOLD);
pub(super) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
pub(super) const CHANGE: Style = AnsiColor::Cyan.on_default();
pub(super) const REMOVED: Style = AnsiColor::Red.on_default();

/// A line of styled text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    spans: Vec<(Style, String)>,
    width: usize,
}

impl Line {
    pub(super) fn empty() -> Self {
        Self::default()
    }

    pub(super) fn new(indent: usize) -> Self {
        Self::empty().pad_to(indent)
    }

    pub(super) fn push(mut self, style: Style, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.width += text::width(&text);
            self.spans.push((style, text));
        }
        self
    }

    pub(super) fn text(self, text: impl Into<String>) -> Self {
        self.push(PLAIN, text)
    }

    /// Adds spaces up to a column.
    pub(super) fn pad_to(self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width);
        self.push(PLAIN, " ".repeat(missing))
    }

    /// Adds parts with a separator before each, on as many lines as they need.
    pub(super) fn flow(self, parts: impl IntoIterator<Item = String>, look: &Look) -> Vec<Self> {
        let mut lines = vec![self];
        for part in parts {
            let last = lines.pop().unwrap_or_default();
            if last.width + text::width(look.separator()) + text::width(&part) <= look.width {
                lines.push(last.text(look.separator()).text(part));
            } else {
                lines.extend([last, Self::new(2).text(part)]);
            }
        }
        lines
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn is_blank(&self) -> bool {
        self.spans.iter().all(|(_, text)| text.trim().is_empty())
    }

    /// The line without its newline and without spaces at its end.
    pub(super) fn render(&self, color: bool) -> String {
        let last = self.spans.iter().rposition(|(_, text)| !text.trim_end().is_empty());
        let mut out = String::new();
        for (index, (style, text)) in
            self.spans.iter().enumerate().take(last.map_or(0, |last| last + 1))
        {
            let text = if Some(index) == last { text.trim_end() } else { text };
            // Writing to a string does not fail.
            let _ = if color && !style.is_plain() {
                write!(out, "{style}{text}{style:#}")
            } else {
                write!(out, "{text}")
            };
        }
        out
    }
}
