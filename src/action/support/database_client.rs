//! The client of a database server, in the container of the server: how it is started, with which
//! password, and what its end means.

use super::kubectl_line;
use crate::action::{Context, Failure};
use crate::cluster::{CommandExit, Executed};

/// The most bytes of a result.
const STREAM: usize = 1024 * 1024;
/// Gives the program the value of an environment variable under another name. It never changes: the
/// names and the program are its arguments, and no shell interprets a value.
const WITH_PASSWORD: &str = "value=$(printenv \"$1\"); case $? in 0) ;; 127) exit 123 ;; *) exit 125 ;; esac; \
    export \"$2=$value\"; shift 2; exec \"$@\"";
/// Exit codes: there is no `printenv`; the variable is not set; `exec` finds no such program.
const NO_PRINTENV: i32 = 123;
const NOT_SET: i32 = 125;
const NOT_FOUND: i32 = 127;

/// Where the client finds its password.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct Password<'a> {
    /// The environment variable of the container.
    pub(in crate::action) from: &'a str,
    /// The one that the client reads.
    pub(in crate::action) to: &'static str,
}

/// A fault in the name of an environment variable.
pub(in crate::action) fn variable_fault(name: Option<&str>) -> Option<String> {
    let name = name?;
    let good = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!good).then(|| {
        format!(
            "`password_env` is the name of an environment variable of the container, not `{name}`"
        )
    })
}

/// The command that starts a client with its password.
pub(in crate::action) fn with_password(
    password: Option<Password<'_>>,
    client: Vec<String>,
) -> Vec<String> {
    let Some(Password { from, to }) = password else { return client };
    let words = ["sh", "-c", WITH_PASSWORD, "sh", from, to];
    words.into_iter().map(str::to_owned).chain(client).collect()
}

/// The command as a person would type it.
pub(in crate::action) fn typed(password: Option<Password<'_>>, client: &[String]) -> String {
    let line = kubectl_line::line(client);
    match password {
        Some(Password { from, to }) => {
            let script = format!("{to}=\"${from}\" exec {line}");
            kubectl_line::line(&["sh".to_owned(), "-c".to_owned(), script])
        }
        None => line,
    }
}

/// Runs the first of these clients that the container has, and returns what it printed.
///
/// # Errors
/// Why there is no answer: no client, no password, what the client says is wrong.
pub(in crate::action) async fn ask(
    context: &Context,
    place: (&str, &str, Option<&str>),
    password: Option<Password<'_>>,
    clients: &[Vec<String>],
    input: &str,
) -> Result<String, Failure> {
    let (namespace, pod, container) = place;
    let mut missing = Vec::new();
    for client in clients {
        let argv = with_password(password, client.clone());
        let input = (!input.is_empty()).then(|| input.as_bytes().to_vec());
        let limit = context.remaining();
        let cluster = context.cluster()?;
        let done = cluster.exec(namespace, pod, container, &argv, input, limit, STREAM).await?;
        let program = client.first().map(String::as_str).unwrap_or_default();
        match judge(program, pod, password, done)? {
            Some(text) => return Ok(text),
            None => missing.push(program),
        }
    }
    let container = container.map(|name| format!(" (container {name})")).unwrap_or_default();
    Err(Failure::error(format!(
        "pod {pod}{container} has no {}: name the container of the server",
        missing.join(" and no ")
    )))
}

/// What a client printed; none if there is no such program.
fn judge(
    program: &str,
    pod: &str,
    password: Option<Password<'_>>,
    done: Executed,
) -> Result<Option<String>, Failure> {
    let error = |text: String| Err(Failure::error(text));
    match (done.exit, password) {
        (CommandExit::Code(0), _) if done.truncated => error(format!(
            "the result of {program} in pod {pod} is larger than 1 MiB: select less, or use LIMIT"
        )),
        (CommandExit::Code(0), _) => Ok(Some(String::from_utf8_lossy(&done.stdout).into_owned())),
        (CommandExit::Code(NO_PRINTENV), Some(_)) => {
            error(format!("`password_env` needs printenv in pod {pod}, which it does not have"))
        }
        (CommandExit::Code(NOT_SET), Some(password)) => {
            error(format!("the environment of pod {pod} has no {}", password.from))
        }
        (CommandExit::NotStarted(_), None) | (CommandExit::Code(NOT_FOUND), Some(_)) => Ok(None),
        (CommandExit::NotStarted(why), Some(_)) => {
            error(format!("`password_env` needs sh in pod {pod}: {why}"))
        }
        (CommandExit::Code(code), _) => {
            let text = String::from_utf8_lossy(&done.stderr);
            let says = |line: &&str| line.to_lowercase().contains("error");
            let last = || text.lines().rfind(|line| !line.trim().is_empty());
            let said = text.lines().find(says).or_else(last).unwrap_or("no reason");
            error(format!("{program} in pod {pod} failed with exit code {code}: {}", said.trim()))
        }
        (CommandExit::Unknown(why), _) => {
            error(format!("the result of {program} in pod {pod} is unknown: {why}"))
        }
        (CommandExit::TimedOut, _) => {
            error(format!("{program} in pod {pod} timed out, and may still be running"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_end_of_a_client_means() {
        let password = Some(Password { from: "ROOT_PASSWORD", to: "MYSQL_PWD" });
        let done = |exit, stderr: &str| Executed {
            stdout: b"rows".to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            truncated: false,
            exit,
        };
        let judged =
            |password, exit, stderr: &str| judge("mysql", "a", password, done(exit, stderr));
        assert_eq!(judged(None, CommandExit::Code(0), ""), Ok(Some("rows".to_owned())));
        assert_eq!(judged(None, CommandExit::NotStarted("no".into()), ""), Ok(None));
        assert_eq!(judged(password, CommandExit::Code(127), "sh: mysql: not found"), Ok(None));
        let cases = [
            (password, CommandExit::Code(125), "", "has no ROOT_PASSWORD"),
            (password, CommandExit::Code(123), "", "needs printenv"),
            (password, CommandExit::NotStarted("no sh".into()), "", "needs sh"),
            (
                None,
                CommandExit::Code(1),
                "-----\nEXECUTE x\nERROR 1146 (42S02): no t\nmore",
                "1: ERROR 1146 (42S02): no t",
            ),
            (None, CommandExit::Unknown("cut".into()), "", "unknown: cut"),
            (None, CommandExit::TimedOut, "", "timed out"),
        ];
        for (password, exit, stderr, says) in cases {
            let failure = judged(password, exit, stderr).unwrap_err();
            assert!(failure.message.contains(says), "{}", failure.message);
        }
        let large = Executed { truncated: true, ..done(CommandExit::Code(0), "") };
        assert!(judge("mysql", "a", None, large).unwrap_err().message.contains("LIMIT"));
    }

    #[test]
    fn names_are_arguments_of_a_script_that_never_changes() {
        let password = Some(Password { from: "ROOT_PASSWORD", to: "MYSQL_PWD" });
        let words = with_password(password, vec!["mysql".to_owned(), "--xml".to_owned()]);
        assert_eq!(words[..3], ["sh", "-c", WITH_PASSWORD]);
        assert_eq!(words[3..], ["sh", "ROOT_PASSWORD", "MYSQL_PWD", "mysql", "--xml"]);
        for (name, good) in
            [("A_1", true), ("", false), ("1A", false), ("A-B", false), ("$A", false)]
        {
            assert_eq!(variable_fault(Some(name)).is_none(), good, "{name}");
        }
    }
}
