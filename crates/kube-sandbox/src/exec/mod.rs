//! The commands that exec finds in containers. There is no shell: a command that needs one is
//! refused with that reason.

mod arguments;
mod backup;
mod curl;
mod database;
mod files;
mod lookup;
mod netcat;
mod target;
mod wget;

use crate::digest::sha256;
use std::sync::Arc;
use std::time::Duration;

use super::app::Watch;
use super::snapshot::{ContainerState, PodState, Snapshot};

/// How long a command that runs into a timeout takes here, at most: runs are to stay fast.
pub(crate) const TIMEOUT_TAKES: Duration = Duration::from_millis(50);

/// A container that is entered.
pub(crate) struct Session {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) pod: usize,
    pub(crate) container: usize,
    pub(crate) watch: Watch,
    /// What the command reads from its standard input.
    pub(crate) stdin: Vec<u8>,
}

impl Session {
    fn pod(&self) -> &PodState {
        &self.snapshot.pods[self.pod]
    }

    fn container(&self) -> &ContainerState {
        &self.pod().containers[self.container]
    }

    fn has(&self, tool: &str) -> bool {
        self.snapshot
            .apps
            .tools(&self.container().image)
            .is_some_and(|tools| tools.iter().any(|known| known == tool))
    }
}

/// How a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) code: u8,
    /// Why it did not start; the rest means nothing then.
    pub(crate) not_started: Option<String>,
    /// What the real program would do is not known.
    pub(crate) not_simulated: bool,
    pub(crate) took: Duration,
}

impl Outcome {
    fn printed(text: impl AsRef<[u8]>) -> Self {
        Self { stdout: text.as_ref().to_vec(), ..Self::default() }
    }

    fn failed(code: u8, text: impl AsRef<[u8]>) -> Self {
        Self { stderr: text.as_ref().to_vec(), code, ..Self::default() }
    }

    fn timed_out(self, after: Option<Duration>) -> Self {
        Self { took: after.unwrap_or(TIMEOUT_TAKES).min(TIMEOUT_TAKES), ..self }
    }
}

/// Runs a command.
pub(crate) fn run(session: &Session, command: &[String]) -> Outcome {
    let Some((program, arguments)) = command.split_first() else {
        return Outcome::default();
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let tool = program
        .strip_prefix("/usr/bin/")
        .or_else(|| program.strip_prefix("/bin/"))
        .unwrap_or(program);
    if !session.has(tool) {
        let why = if program.contains('/') {
            format!("stat {program}: no such file or directory")
        } else {
            format!("exec: \"{program}\": executable file not found in $PATH")
        };
        let why = if program.contains('/') { format!("exec: \"{program}\": {why}") } else { why };
        let reason = format!(
            "error executing command in container: failed to exec in container: failed to start \
                exec \"{}\": OCI runtime exec failed: exec failed: unable to start container \
                process: {why}: unknown",
            exec_id(session, command)
        );
        return Outcome { not_started: Some(reason), ..Outcome::default() };
    }
    perform(session, tool, &arguments)
}

/// Runs a command whose result is to be true; none if it is not simulated.
pub(crate) fn simulated(session: &Session, command: &[String]) -> Option<Outcome> {
    let outcome = run(session, command);
    (outcome.not_started.is_none() && !outcome.not_simulated).then_some(outcome)
}

/// What a command says while it still reads.
pub(crate) enum Meanwhile {
    /// Nothing more.
    Waits,
    /// This, to what it has read so far.
    Says(Vec<u8>),
    /// It reads no more.
    Ends,
}

/// What a command says to what it has read so far. `said` is how often it has said something.
pub(crate) fn meanwhile(session: &Session, command: &[String], said: usize) -> Meanwhile {
    let reads = command.iter().any(|word| word == "psql") && backup::is_restore(&session.stdin);
    if reads { backup::meanwhile(session, said) } else { Meanwhile::Waits }
}

/// The identity that the runtime gives the attempt.
fn exec_id(session: &Session, command: &[String]) -> String {
    let text = format!("{}/{}", session.pod().network.name, command.join(" "));
    sha256(text)
}

fn perform(session: &Session, tool: &str, arguments: &[&str]) -> Outcome {
    match tool {
        "sh" | "bash" => shell(session, tool, arguments),
        "psql" if backup::is_restore(&session.stdin) => backup::restore(session, arguments),
        "psql" if backup::is_question(&session.stdin) => backup::outcome(session, arguments),
        "mariadb" | "mysql" | "psql" => database::sql(session, tool, arguments, None),
        "pg_isready" => database::pg_isready(session, arguments),
        "redis-cli" if arguments.contains(&"--rdb") => backup::rdb(session, arguments),
        "redis-cli" => database::redis(session, arguments, None),
        "pg_dump" | "pg_dumpall" | "mysqldump" | "mariadb-dump" => {
            backup::dump(session, tool, arguments)
        }
        "curl" => curl::run(session, arguments),
        "wget" => wget::run(session, arguments),
        "nc" => netcat::run(session, arguments),
        "getent" => lookup::getent(session, arguments),
        "nslookup" => lookup::nslookup(session, arguments),
        "dig" => lookup::dig(session, arguments),
        "cat" => files::cat(session, arguments),
        "ls" => files::ls(session, arguments),
        "test" => files::test(session, arguments),
        "env" => {
            let lines: String = session
                .container()
                .env
                .iter()
                .map(|(key, value)| format!("{key}={value}\n"))
                .collect();
            if arguments.is_empty() {
                Outcome::printed(lines)
            } else {
                not_simulated(tool, arguments)
            }
        }
        "printenv" => match arguments {
            [] => perform(session, "env", &[]),
            names => {
                let values: Vec<Option<&String>> =
                    names.iter().map(|name| session.container().env.get(*name)).collect();
                let text: String =
                    values.iter().flatten().map(|value| format!("{value}\n")).collect();
                Outcome {
                    code: u8::from(values.iter().any(Option::is_none)),
                    ..Outcome::printed(text)
                }
            }
        },
        "hostname" => match arguments {
            [] => Outcome::printed(format!("{}\n", session.pod().network.name)),
            ["-i" | "-I"] => Outcome::printed(
                session.pod().network.ip.map(|ip| format!("{ip}\n")).unwrap_or_default(),
            ),
            _ => not_simulated(tool, arguments),
        },
        "date" => date(session, arguments),
        "echo" => Outcome::printed(format!("{}\n", arguments.join(" "))),
        "true" => Outcome::default(),
        "false" => Outcome { code: 1, ..Outcome::default() },
        _ => not_simulated(tool, arguments),
    }
}

fn date(session: &Session, arguments: &[&str]) -> Outcome {
    let format = match arguments {
        [] | ["-u"] => "%a %b %e %H:%M:%S UTC %Y",
        ["-u", format] | [format] | [format, "-u"] if format.starts_with('+') => &format[1..],
        _ => return not_simulated("date", arguments),
    };
    match jiff::fmt::strtime::format(format, session.watch.read()) {
        Ok(text) => Outcome::printed(format!("{text}\n")),
        Err(_) => not_simulated("date", arguments),
    }
}

/// A script that is one plain command runs as that command.
fn shell(session: &Session, tool: &str, arguments: &[&str]) -> Outcome {
    if let Some(outcome) = database::with_password(session, arguments) {
        return outcome;
    }
    let ["-c", script] = arguments else {
        return not_simulated(tool, arguments);
    };
    let plain = script
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || " -_./:@,+".contains(character));
    let words: Vec<&str> = script.split_whitespace().collect();
    match words.as_slice() {
        ["command", "-v", name] if plain => {
            if session.has(name) {
                Outcome::printed(format!("/usr/bin/{name}\n"))
            } else {
                Outcome { code: 127, ..Outcome::default() }
            }
        }
        [name, rest @ ..] if plain && session.has(name) => perform(session, name, rest),
        [name, ..] if plain => Outcome::failed(127, format!("{tool}: 1: {name}: not found\n")),
        _ => not_simulated(tool, arguments),
    }
}

/// The refusal of what the real program could do and the sandbox cannot: never an invented result.
fn not_simulated(tool: &str, arguments: &[&str]) -> Outcome {
    let said = format!("{tool}: the sandbox does not simulate `{tool} {}`\n", arguments.join(" "));
    Outcome { not_simulated: true, ..Outcome::failed(127, said) }
}
