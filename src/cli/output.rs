//! The result on stdout, everything else on stderr.

use super::{Color, Format, Global};
use crate::diagnostic::{Diagnostic, render};
use crate::engine::Sink;
use crate::event::{Event, Record};
use crate::report::{
    Charset, Detail, FanOut, Heartbeat, Json, JsonLines, Look, Plain, Reporter, Terminal, wrap,
};
use crate::secret::Masker;
use crate::session::Notice;
use crate::state::RunState;
use console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Applies `--color` to everything that writes.
pub(super) fn set_color(color: Color) {
    let choice = match color {
        Color::Auto => return,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    console::set_colors_enabled(color == Color::Always);
    console::set_colors_enabled_stderr(color == Color::Always);
}

/// Whether a stream gets colours.
fn colored(global: &Global, stream: &dyn IsTerminalStream) -> bool {
    match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_tty()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

trait IsTerminalStream {
    fn is_tty(&self) -> bool;
}

impl IsTerminalStream for io::Stdout {
    fn is_tty(&self) -> bool {
        self.is_terminal()
    }
}

impl IsTerminalStream for io::Stderr {
    fn is_tty(&self) -> bool {
        self.is_terminal()
    }
}

/// How results look on stdout.
pub(crate) fn look(global: &Global) -> Look {
    look_on(global, &io::stdout(), &Term::stdout())
}

fn look_on(global: &Global, stream: &dyn IsTerminalStream, term: &Term) -> Look {
    let variable = |name: &str| std::env::var(name).ok();
    let columns = variable("COLUMNS").and_then(|columns| columns.parse::<usize>().ok());
    let width = if stream.is_tty() {
        term.size_checked().map(|(_, columns)| usize::from(columns))
    } else {
        columns
    };
    Look {
        width: width.unwrap_or(80).clamp(40, 160),
        charset: Charset::from_locale(
            variable("LC_ALL").as_deref(),
            variable("LC_CTYPE").as_deref(),
            variable("LANG").as_deref(),
        ),
        color: colored(global, stream),
        detail: match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Normal,
            (false, _) => Detail::Verbose,
        },
    }
}

/// The reporters of a run.
pub(crate) fn reporters(global: &Global, format: Format, bars: &MultiProgress) -> Box<dyn Sink> {
    let mut all = besides(global, format, bars);
    match format {
        Format::Text if io::stdout().is_terminal() => {
            all.add("stdout", Terminal::new(io::stdout(), bars.clone(), look(global)));
        }
        Format::Text => all.add("stdout", Plain::new(io::stdout(), look(global))),
        Format::Json => all.add("stdout", Json::new(io::stdout())),
        Format::Jsonl => all.add("stdout", JsonLines::new(io::stdout())),
    }
    let moves =
        io::stderr().is_terminal() && (format != Format::Text || io::stdout().is_terminal());
    if !moves && !global.quiet {
        let look = look_on(global, &io::stderr(), &Term::stderr());
        all.add("stderr", Heartbeat::new(io::stderr(), look));
    }
    Box::new(Reporters(all))
}

/// The reporters of a run that another process executes or has executed. Only one that goes on
/// has a line that moves.
pub(crate) fn earlier_reporters(
    global: &Global,
    format: Format,
    bars: &MultiProgress,
    moves: bool,
) -> FanOut {
    let mut all = FanOut::new();
    let out = io::stdout();
    match format {
        Format::Text if moves && out.is_terminal() => {
            all.add("stdout", Terminal::new(out, bars.clone(), look(global)));
        }
        Format::Text => all.add("stdout", Plain::new(out, look(global))),
        Format::Json => all.add("stdout", Json::new(out)),
        Format::Jsonl => all.add("stdout", JsonLines::new(out)),
    }
    all
}

/// The reporters of a run whose result is part of a larger one.
pub(crate) fn quiet_reporters(global: &Global, bars: &MultiProgress) -> Box<dyn Sink> {
    Box::new(Reporters(besides(global, Format::Json, bars)))
}

/// What a person sees while stdout is for a program.
fn besides(global: &Global, format: Format, bars: &MultiProgress) -> FanOut {
    let mut all = FanOut::new();
    if format != Format::Text && io::stderr().is_terminal() && !global.quiet {
        all.add(
            "stderr",
            Terminal::new(
                io::stderr(),
                bars.clone(),
                look_on(global, &io::stderr(), &Term::stderr()),
            ),
        );
    }
    all
}

/// Where progress is drawn: on stderr, and nowhere if that is no terminal.
pub(crate) fn bars() -> MultiProgress {
    MultiProgress::with_draw_target(ProgressDrawTarget::stderr())
}

struct Reporters(FanOut);

impl Sink for Reporters {
    fn record(&mut self, record: &Record, state: &RunState) {
        // the fan-out itself never fails: it keeps what its reporters said
        drop(self.0.record(record, state));
        if matches!(record.event, Event::RunFinished(_)) {
            drop(self.0.finish(state));
            for failure in self.0.failures() {
                error(&format!("{failure}: {}", failure.source));
            }
        }
    }

    fn progress(&mut self, path: &str, message: &str) {
        self.0.progress(path, message);
    }

    fn limit(&mut self, path: &str, limit: Duration) {
        self.0.limit(path, limit);
    }
}

/// Writes a result to stdout.
///
/// # Errors
/// When stdout is closed or full.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a result to stdout as its one JSON document.
///
/// # Errors
/// When stdout is closed or full.
pub(crate) fn json(document: &Value) -> io::Result<()> {
    write(&format!("{document:#}\n"))
}

/// Says an error on stderr. A closed stderr is no reason to fail.
pub(crate) fn error(message: &str) {
    let style = anstyle::AnsiColor::Red.on_default().effects(anstyle::Effects::BOLD);
    let text = format!("error: {}", crate::secret::sanitize(message));
    let text = on_terminal(&text, 0);
    let text = text.strip_prefix("error").unwrap_or(&text);
    drop(writeln!(anstream::stderr(), "{style}error{style:#}{text}"));
}

/// A text for stderr: on a terminal, in lines that end between words. Elsewhere it stays one line,
/// as it may be searched.
fn on_terminal(text: &str, indent: usize) -> String {
    let columns = Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    match columns.filter(|_| io::stderr().is_terminal()) {
        Some(columns) => {
            let room = columns.saturating_sub(indent).max(20);
            let fits = |line: &str| console::measure_text_width(line) <= room;
            let parts = |line: &str| {
                if fits(line) { vec![line.to_owned()] } else { wrap(line, room) }
            };
            let lines: Vec<String> = text.lines().flat_map(parts).collect();
            lines.join(&format!("\n{}", " ".repeat(indent)))
        }
        None => text.to_owned(),
    }
}

/// Says on stderr what to do next.
pub(crate) fn hint(message: &str) {
    // a command is copied as a whole
    let is_command = message.contains("runbook ");
    let text = if is_command { message.to_owned() } else { on_terminal(message, 2) };
    drop(writeln!(anstream::stderr(), "  {text}"));
}

/// Says on stderr what is to be known before one relies on a run.
pub(crate) fn notices(notices: &[Notice]) {
    for notice in notices {
        hint(&match notice {
            Notice::Torn { bytes } => {
                format!("The last record is incomplete ({bytes} bytes) and is ignored.")
            }
            Notice::Unchained { count, all } => {
                let which = if *all {
                    "Its records are".to_owned()
                } else {
                    format!("Its first {count} records are")
                };
                format!(
                    "{which} not chained: an earlier version wrote them, so changed, removed or \
                        added records cannot be detected."
                )
            }
            Notice::AllRights { user } => format!(
                "In the sandbox everybody has all rights: --as {user} only changes who is recorded."
            ),
            Notice::SandboxAnew => {
                "The sandbox starts anew: the changes that this run has made are not \
                in it."
                    .to_owned()
            }
            Notice::RunbookChanged { name } => format!(
                "The runbook {name} was modified since the run started: modified steps run again."
            ),
        });
    }
}

/// Faults that are shown; nobody reads more at once.
const MOST_DIAGNOSTICS: usize = 50;

/// Shows what is wrong with runbooks on stderr: so many of a `noun`, `error` or `warning`.
pub(crate) fn diagnostics(global: &Global, diagnostics: &[Diagnostic], noun: &str) {
    let look = look_on(global, &io::stderr(), &Term::stderr());
    let shown = &diagnostics[..diagnostics.len().min(MOST_DIAGNOSTICS)];
    drop(write!(io::stderr(), "{}", render(shown, look.color, look.width)));
    if diagnostics.len() > shown.len() {
        hint(&format!("and {} more {noun}s", diagnostics.len() - shown.len()));
    }
}

/// Begins to log to stderr what the program does, with secrets masked.
pub(crate) fn trace(global: &Global, masker: &Masker, bars: &MultiProgress) {
    let filter = match global.verbose {
        0 | 1 => "off",
        2 => "runbook=info,warn",
        _ => "runbook=debug,hyper_util=info,kube_client=info",
    };
    let filter = EnvFilter::try_from_env("RUNBOOK_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let (masker, bars) = (masker.clone(), bars.clone());
    let writer = move || Masked { masker: masker.clone(), bars: bars.clone() };
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(writer)
            .try_init(),
    );
}

struct Masked {
    masker: Masker,
    bars: MultiProgress,
}

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = self.masker.clean(&text);
        self.bars.suspend(|| io::stderr().write_all(text.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
