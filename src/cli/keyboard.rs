//! What a person types at a terminal: whole lines, and secrets that are not shown.

use crate::engine::{Signal, Stop};
use console::Term;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr,
};
use std::io::IsTerminal;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The longest line that is read.
const LONGEST: usize = 4096;
/// How often it is looked whether the run is to stop, in nanoseconds.
const LOOK: i64 = 100_000_000;

/// Whether there is somebody who sees a question and can answer it.
pub(super) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// While this lives, Ctrl-C leaves the program and a tidy screen: what a question has drawn below
/// itself is gone. It is for questions before a run, which has a way of its own to be stopped.
pub(super) struct LeavesTidily {
    runtime: Option<Runtime>,
}

impl LeavesTidily {
    /// Where signals cannot be waited for, Ctrl-C just ends the program.
    pub(super) fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().ok();
        if let Some(runtime) = &runtime {
            runtime.spawn(async {
                let interrupt = signal(SignalKind::interrupt());
                if let Ok(mut interrupt) = interrupt
                    && interrupt.recv().await.is_some()
                {
                    leave();
                }
            });
        }
        Self { runtime }
    }
}

impl Drop for LeavesTidily {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends the program as Ctrl-C does.
pub(super) fn leave() -> ! {
    let term = Term::stderr();
    if std::env::var_os("TERM").is_some_and(|term| term != "dumb") {
        drop(term.clear_to_end_of_screen().and_then(|()| term.show_cursor()));
    }
    drop(term.write_line(""));
    std::process::exit(i32::from(Signal::Interrupt.exit_code()))
}

/// Throws away what was typed before the question was there to be read.
pub(super) fn forget() -> Option<()> {
    tcflush(rustix::stdio::stdin(), QueueSelector::IFlush).ok()
}

/// One whole line. None: the end, or the run is to stop.
pub(super) fn line(stop: &Stop) -> Option<String> {
    // a run that was stopped already asks once more in what must always be done: the next
    // signal ends that, too
    let stop = stop.token(stop.token(false).is_cancelled()).clone();
    let mut line: Vec<u8> = Vec::new();
    while line.last() != Some(&b'\n') {
        line.extend(bytes(&|| stop.is_cancelled())?);
        // more than any answer: it is none
        line.truncate(LONGEST);
        if line.len() == LONGEST {
            break;
        }
    }
    Some(String::from_utf8_lossy(&line).trim().to_owned())
}

/// What is typed next. None: the end, or it is not to be waited for any more.
fn bytes(is_over: &dyn Fn() -> bool) -> Option<Vec<u8>> {
    let stdin = rustix::stdio::stdin();
    loop {
        if is_over() {
            return None;
        }
        let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waits, Some(&Timespec { tv_sec: 0, tv_nsec: LOOK })) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        let mut bytes = [0; LONGEST];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => return None,
            Ok(read) => return Some(bytes[..read].to_vec()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return None,
        }
    }
}

/// The terminal does not show Ctrl-C as `^C`, which would break the line that moves. A process in
/// the background leaves the terminal alone: it would be stopped.
#[derive(Clone)]
pub(super) struct Unmarked {
    before: Option<Termios>,
}

impl Unmarked {
    pub(super) fn new() -> Self {
        let before = is_in_front().then(|| tcgetattr(rustix::stdio::stdin()).ok()).flatten();
        if let Some(before) = &before {
            let mut unmarked = before.clone();
            unmarked.local_modes -= LocalModes::ECHOCTL;
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &unmarked);
        }
        Self { before }
    }

    /// As it was before.
    pub(super) fn restore(&self) {
        if let Some(before) = self.before.as_ref().filter(|_| is_in_front()) {
            // a terminal that is gone needs nothing any more
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Whether the terminal is ours and not that of another job.
fn is_in_front() -> bool {
    tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// How a line that is not shown ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// With Enter.
    Line(String),
    /// With Ctrl-C.
    Interrupted,
    /// With the end of the input.
    End,
}

/// One line that the terminal does not show, as the terminal was before, however it ends: Ctrl-C
/// comes as a key, so that it cannot leave a terminal behind that shows nothing.
pub(super) fn hidden_line() -> Hidden {
    let Some(_restored) = Silent::new() else { return Hidden::End };
    let mut typed = Vec::new();
    loop {
        let Some(bytes) = bytes(&|| false) else { return Hidden::End };
        for byte in bytes {
            if let Some(end) = key(&mut typed, byte) {
                return end;
            }
        }
    }
}

/// A key of a line that the terminal does not edit itself.
fn key(typed: &mut Vec<u8>, byte: u8) -> Option<Hidden> {
    match byte {
        b'\r' | b'\n' => {
            return Some(Hidden::Line(String::from_utf8_lossy(typed).into_owned()));
        }
        0x03 => return Some(Hidden::Interrupted),
        0x04 if typed.is_empty() => return Some(Hidden::End),
        0x15 => typed.clear(),
        0x08 | 0x7f => {
            // a character of several bytes goes as a whole
            while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
        }
        _ if typed.len() < LONGEST => typed.push(byte),
        _ => {}
    }
    None
}

/// A terminal that shows nothing and hands over every key, while this lives.
struct Silent {
    before: Termios,
}

impl Silent {
    fn new() -> Option<Self> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).ok()?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // what was typed before the question is forgotten with it
        tcsetattr(stdin, OptionalActions::Flush, &silent).ok()?;
        Some(Self { before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // a terminal that is gone needs nothing any more
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Option<Hidden> {
        let mut line = Vec::new();
        keys.bytes().find_map(|byte| key(&mut line, byte))
    }

    #[test]
    fn a_hidden_line_is_edited_with_the_keys_of_a_line() {
        let line = |text: &str| Some(Hidden::Line(text.to_owned()));
        assert_eq!(typed("hunter2\n"), line("hunter2"));
        assert_eq!(typed("hunter3\u{7f}2\r"), line("hunter2"));
        assert_eq!(typed("a\u{e9}\u{8}b\n"), line("ab"), "a character has two bytes");
        assert_eq!(typed("wrong\u{15}right\n"), line("right"));
        assert_eq!(typed("\u{7f}\n"), line(""));
        assert_eq!(typed("hun\u{3}"), Some(Hidden::Interrupted));
        assert_eq!((typed("\u{4}"), typed("a\u{4}")), (Some(Hidden::End), None));
    }
}
