//! Questions at a real terminal.

#![cfg(unix)]

use crate::changes::{RUN, Stage};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program at a terminal of its own.
struct Terminal {
    keys: File,
    screen: Arc<Mutex<String>>,
    child: Child,
}

impl Terminal {
    /// Starts the program; `before` is typed before it has begun.
    fn run(stage: &Stage, arguments: &[&str], before: &str) -> Self {
        Self::on(stage, arguments, before, "dumb")
    }

    /// The same on a terminal of this kind.
    fn on(stage: &Stage, arguments: &[&str], before: &str, term: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let end = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let stdio = || Stdio::from(end.try_clone().unwrap());
        let mut keys = File::from(master);
        keys.write_all(before.as_bytes()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_runbook"))
            .args(arguments)
            .env_clear()
            .env("HOME", stage.place.path())
            .env("RUNBOOK_STATE_DIR", stage.place.state())
            .env("RUNBOOK_RUN_ID", RUN)
            .env("TERM", term)
            .env("LC_ALL", "C.UTF-8")
            .env("KUBECONFIG", stage.place.path().join("kubeconfig"))
            .current_dir(stage.place.path())
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut reader, shown) = (keys.try_clone().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // ends with an error when nobody has the terminal open any more
            while let Ok(read) = reader.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { keys, screen, child }
    }

    /// Waits until a text is on the screen for the so many-th time.
    fn shows(&self, text: &str, times: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.screen.lock().unwrap().matches(text).count() < times {
            assert!(Instant::now() < until, "{text}: {}", self.screen.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn interrupt(&self) {
        assert!(
            Command::new("kill")
                .args(["-INT", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The exit code and everything that was on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                self.child.kill().unwrap();
                panic!("it does not end: {}", self.screen.lock().unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let code = self.child.wait().unwrap().code();
        let screen = self.screen.lock().unwrap().clone();
        (code, screen)
    }
}

const ASK: &str = "runbook: v1
title: Ask
namespace: petrosa-apps
steps:
  - id: sure
    confirm: {question: Go on}
  - id: mark
    annotate: {target: deployment/petrosa-ta-bot, annotations: {asked: '1'}}
";

fn stage() -> Stage {
    let stage = Stage::new("healthy", false);
    stage.place.write("ask.yaml", ASK);
    stage
}

const QUESTION: &str = "Go on [y/n]";
const CHANGE: &str = "Make this change? yes / no / all / details / quit:";

#[test]
fn keys_typed_before_a_question_is_shown_do_not_answer_it() {
    let stage = stage();
    let mut terminal = Terminal::run(&stage, &["run", "ask.yaml"], "y\ny\ny\ny\n");
    terminal.shows(QUESTION, 1);
    // half a line waits as well as whole ones; what is typed with the answer is not the answer to
    // the next question
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(terminal.screen.lock().unwrap().matches(CHANGE).count(), 0);
    terminal.types("y\ny\ny\n");
    terminal.shows(CHANGE, 1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stage.writes().len(), 0, "{}", terminal.screen.lock().unwrap());
    terminal.types("n\n");
    let (code, screen) = terminal.end();
    assert_ne!(code, Some(0), "{screen}");
    assert_eq!(stage.writes().len(), 0, "{screen}");
}

#[test]
fn a_whole_line_is_read_and_maybe_is_not_yes() {
    let stage = stage();
    let mut terminal = Terminal::run(&stage, &["run", "ask.yaml"], "");
    terminal.shows(QUESTION, 1);
    terminal.types("y");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(terminal.screen.lock().unwrap().matches(CHANGE).count(), 0, "a key is no line");
    terminal.types("eah\n");
    terminal.shows("Type y, n, or q", 1);
    terminal.shows(QUESTION, 2);
    terminal.types("yes\n");
    terminal.shows(CHANGE, 1);
    for (times, answer) in [(1, "maybe\n"), (2, "\n"), (3, "yy\n")] {
        terminal.types(answer);
        terminal.shows("Type yes, no, all", times);
    }
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(4), 0), "nobody has answered: {screen}");
    assert!(
        screen.contains("No valid answer was given.")
            && screen.contains("runbook approve 00000001 --step mark"),
        "{screen}"
    );
    // who answered is in the record, and is not asked again
    let mut terminal = Terminal::run(&stage, &["resume", RUN], "");
    terminal.shows(CHANGE, 1);
    terminal.types("details\n");
    terminal.shows(CHANGE, 2);
    terminal.types("Y\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(0), 1), "{screen}");
    assert!(
        screen.contains("namespace petrosa-apps · ") && screen.contains("patch deployment/"),
        "where, and in detail what: {screen}"
    );
    let shown: Value =
        serde_json::from_str(&stage.run(&["show", RUN, "--output", "json"]).stdout).unwrap();
    assert_eq!(shown["verdict"], "passed");
    let journal =
        fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl"))
            .unwrap();
    assert!(journal.contains("\"by\":\"sandbox-operator\",\"how\":\"prompt\""), "{journal}");
}

#[test]
fn the_end_of_the_input_is_no_answer() {
    let stage = stage();
    let mut terminal = Terminal::run(&stage, &["run", "ask.yaml"], "");
    terminal.shows(QUESTION, 1);
    terminal.types("\u{4}");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(4), 0), "{screen}");
    assert!(screen.contains("runbook approve 00000001 --step sure"), "{screen}");
}

#[test]
fn ctrl_c_at_a_question_stops_the_run_as_elsewhere() {
    let stage = stage();
    let mut terminal = Terminal::run(&stage, &["run", "ask.yaml"], "");
    terminal.shows(QUESTION, 1);
    terminal.types("ye");
    terminal.interrupt();
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(130), 0), "{screen}");
    assert!(
        screen.contains("Stopping: no further step is started.")
            && screen.contains("runbook resume 00000001"),
        "{screen}"
    );
    let mut terminal = Terminal::run(&stage, &["resume", RUN], "");
    terminal.shows(QUESTION, 1);
    terminal.types("no\n");
    let (code, screen) = terminal.end();
    assert_eq!(
        (code, stage.writes().len()),
        (Some(3), 0),
        "what a person refuses says nothing of the application: {screen}"
    );
}

#[test]
fn a_typed_word_is_the_word_and_nothing_else() {
    let stage = stage();
    stage.place.write(
        "ask.yaml",
        ASK.replace("question: Go on", "question: Go on, typed: it is")
            .replace("  - id: mark\n", "  - id: mark\n    confirm: typed\n"),
    );
    let mut terminal =
        Terminal::run(&stage, &["run", "ask.yaml", "--yes"], "it is\npetrosa-ta-bot\n");
    terminal.shows("Type it is to continue, or press Enter to stop here: ", 1);
    terminal.types("y\n");
    terminal.shows("That is not it is.", 1);
    terminal.types("it is\n");
    terminal.shows("Type petrosa-ta-bot to continue, or press Enter to stop here: ", 1);
    terminal.types("petrosa-ta-bot\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(0), 1), "{screen}");
    let stage = self::stage();
    let mut terminal = Terminal::run(&stage, &["run", "ask.yaml"], "");
    terminal.shows(QUESTION, 1);
    terminal.types("n\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
}

#[test]
fn approve_asks_at_the_terminal_as_whom_the_cluster_sees() {
    let stage = stage();
    assert_eq!(stage.run(&["run", "ask.yaml"]).code, 4);
    for (answer, code, says) in
        [("n\n", 2, "not approved"), ("\u{4}", 2, "no valid"), ("y\n", 0, "approved by bob until")]
    {
        let mut terminal =
            Terminal::run(&stage, &["approve", RUN, "--step", "sure", "--as", "bob"], "y\n");
        terminal.shows("Approve step sure of ask.yaml as bob? [y/n]", 1);
        terminal.types(answer);
        let (found, screen) = terminal.end();
        assert_eq!(found, Some(code), "{screen}");
        assert!(screen.contains(says), "{screen}");
    }
}

const TWICE: &str = "runbook: v1
title: Note it twice
namespace: petrosa-apps
steps:
  - id: look
    get: {kind: Deployment, name: petrosa-ta-bot}
  - id: first
    annotate: {target: deployment/petrosa-ta-bot, annotations: {first: '1'}}
  - id: second
    annotate: {target: deployment/petrosa-ta-bot, annotations: {second: '1'}}
  - id: third
    confirm: typed
    annotate: {target: deployment/petrosa-ta-bot, annotations: {third: '1'}}
";

const WORD: &str = "Type petrosa-ta-bot to continue, or press Enter to stop here:";

#[test]
fn yes_to_all_is_no_yes_to_what_wants_a_word() {
    let stage = Stage::new("healthy", false);
    stage.place.write("twice.yaml", TWICE);
    let mut terminal = Terminal::run(&stage, &["run", "twice.yaml"], "");
    terminal.shows(CHANGE, 1);
    terminal.types("all\n");
    terminal.shows(WORD, 1);
    assert_eq!(stage.writes().len(), 2, "{}", terminal.screen.lock().unwrap());
    terminal.types("\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(3), 2), "{screen}");
    let shown = stage.run(&["show", RUN]).stdout;
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("second approved by sandbox-operator (prompt, yes to all)"), "{shown}");
}

#[test]
fn whoever_quits_at_a_change_finds_it_again() {
    let stage = Stage::new("healthy", false);
    stage.place.write("twice.yaml", TWICE);
    let mut terminal = Terminal::run(&stage, &["run", "twice.yaml"], "");
    terminal.shows(CHANGE, 1);
    terminal.types("quit\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(4), 0), "{screen}");
    assert!(screen.contains("runbook resume 00000001"), "{screen}");
}

#[test]
fn before_every_step_a_person_runs_it_leaves_it_out_or_pauses() {
    let stage = Stage::new("healthy", false);
    const STEP: &str = "Run this step? yes / skip / all / quit:";
    let again = "  - id: again\n    get: {kind: Deployment, name: petrosa-ta-bot}\n  - id: first\n";
    stage.place.write("twice.yaml", TWICE.replace("  - id: first\n", again));
    let mut terminal = Terminal::run(&stage, &["run", "twice.yaml", "--step", "--yes"], "");
    terminal.shows(STEP, 1);
    terminal.types("skip\n");
    terminal.shows(STEP, 2);
    terminal.types("q\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(4), 0), "{screen}");
    // it asks again, and the look that would have stopped the run is still left out: nobody is
    // asked about a change that is not made behind it
    let mut terminal = Terminal::run(&stage, &["resume", RUN, "--yes"], "");
    terminal.shows(STEP, 1);
    terminal.types("yes\n");
    let (code, screen) = terminal.end();
    assert_eq!(screen.matches(STEP).count(), 1, "{screen}");
    assert_eq!((code, stage.writes().len()), (Some(3), 0), "{screen}");
    assert!(screen.contains("step look was skipped"), "{screen}");
}

const SCALE: &str = "runbook: v1
title: Scale it
params:
  replicas: {type: int, min: 0, max: 5, description: How many pods are to run}
  token: {type: string, secret: true, pattern: '[a-z0-9]+'}
steps:
  - id: look
    value: '$params | {replicas, has_token: (.token | length > 3)}'
    expect: .has_token
";

#[test]
fn what_is_missing_is_asked_for_and_a_secret_is_not_shown() {
    let stage = Stage::new("healthy", false);
    stage.place.write("scale.yaml", SCALE);
    let mut terminal = Terminal::run(&stage, &["run", "scale.yaml"], "3\nearly\n");
    terminal.shows("How many pods are to run (whole number from 0 to 5)", 1);
    terminal.shows("replicas: ", 1);
    terminal.types("9\n");
    terminal.shows("9 exceeds the maximum of 5.", 1);
    terminal.types("2\n");
    terminal.shows("token: ", 1);
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("hunter2\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("hunter2"), "{screen}");
    let again = "RUNBOOK_PARAM_TOKEN=TOKEN runbook run scale.yaml --set replicas=2";
    assert!(screen.contains(again), "{screen}");
}

#[test]
fn what_was_answered_is_not_missing_where_a_later_answer_is() {
    let stage = Stage::new("healthy", false);
    stage.place.write("scale.yaml", SCALE);
    let mut terminal = Terminal::run(&stage, &["run", "scale.yaml"], "");
    terminal.shows("replicas: ", 1);
    terminal.types("2\n");
    terminal.shows("token: ", 1);
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\u{4}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(2), "{screen}");
    let again = "RUNBOOK_PARAM_TOKEN=TOKEN runbook run scale.yaml --set replicas=2";
    assert!(screen.contains(again), "{screen}");
    assert!(!screen.contains("parameter `replicas` is missing"), "{screen}");
}

#[test]
fn where_nobody_is_asked_the_command_lacks_only_values() {
    let stage = Stage::new("healthy", false);
    stage.place.write("scale.yaml", SCALE);
    let said = stage.run(&["run", "scale.yaml", "--set", "token=hunter2"]);
    assert_eq!(said.code, 2);
    assert_eq!(
        said.stderr,
        "error: parameter `replicas` is missing (whole number from 0 to 5): How many pods are to \
        run\n  Complete: runbook run scale.yaml --set token=TOKEN --set replicas=REPLICAS\n"
    );
    let said = stage.run(&["run"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("runbook list"), "{}", said.all());
    let said = stage.run(&["run", "scale.yaml", "--step"]);
    assert!(said.code == 2 && said.stderr.contains("there is no terminal"), "{}", said.all());
    // a name that is misspelled keeps its value, and one that may be that of a secret does not
    for (typed, wanted) in [
        ("replica=2", "runbook run scale.yaml --set replicas=2"),
        ("tokn=hunter2", "runbook run scale.yaml --set token=TOKEN --set replicas=REPLICAS"),
    ] {
        let said = stage.run(&["run", "scale.yaml", "--set", typed]);
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
        assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    }
}

#[test]
fn a_runbook_is_picked_by_typing_a_part_of_its_name() {
    let stage = Stage::new("healthy", false);
    stage.place.write("runbooks/mine/zebra.yaml", SCALE);
    let mut terminal = Terminal::on(&stage, &["run", "--color", "never"], "", "xterm");
    terminal.shows("mine/zebra  Scale it", 1);
    terminal.types("zebra");
    terminal.types("\r");
    terminal.shows("mine/zebra needs 2 parameters", 1);
    terminal.types("\u{4}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(2), "{screen}");
    assert!(screen.contains("runbook run mine/zebra --color never --set replicas="), "{screen}");
}

#[test]
fn a_filter_that_nothing_fits_says_so_and_esc_leaves_without_an_error() {
    let stage = Stage::new("healthy", false);
    let mut terminal = Terminal::on(&stage, &["run", "--color", "never"], "", "xterm");
    terminal.shows("Esc to cancel", 1);
    terminal.types("qqzz");
    terminal.shows("(no runbook matches)", 1);
    terminal.types("\u{1b}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(!screen.contains("error:"), "{screen}");
}

#[test]
fn what_a_person_refused_is_not_made_because_a_resume_says_yes() {
    let stage = Stage::new("healthy", false);
    stage.place.write(
        "twice.yaml",
        TWICE.replace("  - id: first\n", "  - id: first\n    on_failure: continue\n"),
    );
    let mut terminal = Terminal::run(&stage, &["run", "twice.yaml"], "");
    terminal.shows(CHANGE, 1);
    terminal.types("no\n");
    terminal.shows(CHANGE, 2);
    terminal.types("quit\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, stage.writes().len()), (Some(4), 0), "{screen}");
    let resumed = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!((resumed.code, stage.writes().len()), (4, 0), "{}", resumed.all());
    assert!(resumed.all().contains("--step first"), "{}", resumed.all());
}
