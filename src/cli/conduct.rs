//! A session on a terminal: notices, trust, signals, reporters, and the exit code.

use super::after::AfterArguments;
use super::exit::{CommandError, Exit};
use super::keyboard;
use super::prompt::TerminalPrompt;
use super::{Format, Global, output};
use crate::action::{Prompt, Question};
use crate::engine::{Signal, Sink, Stop};
use crate::session::{Attended, Session, SessionError, Untrusted};
use crate::state::RunState;
use indicatif::MultiProgress;
use std::sync::Arc;

/// Runs a session to its end before the person at this terminal.
pub(super) fn conduct(
    global: &Global,
    session: Session,
    format: Format,
    after: &AfterArguments,
) -> Result<Exit, CommandError> {
    let shown = |bars: &MultiProgress| output::reporters(global, format, bars);
    conducted(global, session, shown, after).map(|(exit, _)| exit)
}

/// The same, shown in this way. The state of the run comes with its end, if it was begun.
pub(super) fn conducted(
    global: &Global,
    mut session: Session,
    shown: impl FnOnce(&MultiProgress) -> Box<dyn Sink>,
    after: &AfterArguments,
) -> Result<(Exit, Option<RunState>), CommandError> {
    output::notices(session.notices());
    for open in session.untrusted().to_vec() {
        if !asked(&open)? {
            break;
        }
        session.trust(&open)?;
    }
    after.learn(global, session.masker());
    let run = session.id().to_owned();
    let bars = output::bars();
    output::trace(global, session.masker(), &bars);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Output)?;
    let unmarked = keyboard::Unmarked::new();
    let result = runtime.block_on(async {
        let stop = Stop::new();
        let listener = tokio::spawn(listen(stop.clone(), bars.clone(), unmarked.clone()));
        let attended = Attended {
            sinks: vec![shown(&bars)],
            prompt: Arc::new(TerminalPrompt { bars, stop: stop.clone() }),
            stop,
            called: std::iter::once("runbook".to_owned()).chain(std::env::args().skip(1)).collect(),
        };
        let result = session.run(attended).await;
        listener.abort();
        if let Ok(end) = &result {
            after.notify(global, &end.state).await;
        }
        result
    });
    unmarked.restore();
    // what still waits for a cluster that does not answer must not keep the process
    runtime.shutdown_background();
    // what came of a run is reported, whatever it is; what was not begun is no run
    let begun = matches!(result, Ok(_) | Err(SessionError::Engine(_)));
    let written = !begun || after.reports(global, &run);
    let (code, state) = match result {
        Err(SessionError::Stopped(signal)) => (signal.exit_code(), None),
        other => {
            let end = other?;
            (end.exit_code(), Some(end.state))
        }
    };
    // a report that is missing must not look like a run that is well, and must not hide what the
    // run says
    Ok((if code == 0 && !written { Exit::NotJudged } else { Exit::Run(code) }, state))
}

/// Asks a person whether a runbook is trusted. Whether there is one who says so; the error is that
/// of a no.
fn asked(untrusted: &Untrusted) -> Result<bool, CommandError> {
    let Untrusted { name, file, runs, .. } = untrusted;
    let first = runs.first().map(String::as_str).unwrap_or_default();
    let more = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
    let what = format!(
        "{file} overrides the built-in runbook {name} and runs on this machine: {first}{more}"
    );
    output::hint(&crate::secret::sanitize(&what));
    let prompt = TerminalPrompt { bars: output::bars(), stop: Stop::new() };
    let text = format!("Trust {file} as it is now (sha256:{})?", untrusted.short());
    match prompt.ask(&Question { text, ..Question::default() }) {
        Some(false) => Err(CommandError::Usage(format!("{file} is not trusted: nothing was run"))),
        answer => Ok(answer == Some(true)),
    }
}

/// Waits for signals and passes them on; the third ends the process.
async fn listen(stop: Stop, bars: indicatif::MultiProgress, unmarked: keyboard::Unmarked) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    // under nohup it stays ignored
    let mut hangup = if ignores_hangup() { None } else { signal(SignalKind::hangup()).ok() };
    loop {
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = async { match &mut hangup { Some(hangup) => hangup.recv().await,
                None => std::future::pending().await } } => Signal::Hangup,
        };
        match stop.take(signal) {
            1 => bars.suspend(|| {
                output::hint(
                    "Stopping: no further step is started. Press Ctrl-C again to stop \
                    now.",
                );
            }),
            2 => bars.suspend(|| output::hint("Stopping now.")),
            _ => {
                unmarked.restore();
                std::process::exit(i32::from(signal.exit_code()));
            }
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as nohup does. Where that cannot be told,
/// it is not.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}
