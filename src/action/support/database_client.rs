//! The client of a database server, in the container of the server: how it is started, with which
//! password, and what its end means.

use super::fan_out::reading;
use super::kubectl_line;
use crate::action::{Access, Context, Failure};
use crate::cluster::{CommandExit, Executed, builtin};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;

/// The most bytes of a result.
const STREAM: usize = 1024 * 1024;
/// Gives the program the value of an environment variable under another name. It never changes: the
/// names and the program are its arguments, and no shell interprets a value.
const WITH_PASSWORD: &str = "value=$(printenv \"$1\"); case $? in 0) ;; 127) exit 123 ;; *) exit 125 ;; esac; \
    export \"$2=$value\"; shift 2; exec \"$@\"";
/// Gives the program the first line of its standard input in a variable; the rest is the program's.
const WITH_GIVEN_PASSWORD: &str =
    "IFS= read -r value || exit 124; export \"$1=$value\"; shift; exec \"$@\"";
/// Exit codes: there is no `printenv`; the variable is not set; `exec` finds no such program.
const NO_PRINTENV: i32 = 123;
const NOT_SET: i32 = 125;
/// The shell read no password.
const NOT_READ: i32 = 124;
const NOT_FOUND: i32 = 127;

/// A key of a Secret in the namespace of the pods.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) enum Source<'a> {
    /// An environment variable of the container.
    Environment(&'a str),
    /// A Secret. The client gets the value on its standard input.
    Secret(&'a SecretKey),
}

/// Where the client finds its password.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct Password<'a> {
    pub(in crate::action) from: Source<'a>,
    /// The environment variable that the client reads.
    pub(in crate::action) to: &'static str,
}

impl<'a> Password<'a> {
    /// The password that the fields of a verb name.
    pub(in crate::action) fn of(
        variable: Option<&'a str>,
        secret: Option<&'a SecretKey>,
        to: &'static str,
    ) -> Option<Self> {
        let from = variable.map(Source::Environment).or_else(|| secret.map(Source::Secret));
        from.map(|from| Self { from, to })
    }
}

/// The permission to read the Secret of a password.
pub(in crate::action) fn secret_permission(
    secret: Option<&SecretKey>,
    namespace: &str,
) -> Option<Access> {
    let (secret, kind) = (secret?, builtin("Secret")?);
    Some(reading(&kind, "get", namespace, &secret.name))
}

/// A fault in the fields that name a password.
pub(in crate::action) fn password_fault(
    variable: Option<&str>,
    secret: Option<&SecretKey>,
) -> Option<String> {
    let name = variable?;
    if secret.is_some() {
        return Some("use one of `password_env` and `password_secret`".to_owned());
    }
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
    let words: &[&str] = match password {
        None => return client,
        Some(Password { from: Source::Environment(from), to }) => {
            &["sh", "-c", WITH_PASSWORD, "sh", from, to]
        }
        Some(Password { from: Source::Secret(_), to }) => {
            &["sh", "-c", WITH_GIVEN_PASSWORD, "sh", to]
        }
    };
    words.iter().map(|word| (*word).to_owned()).chain(client).collect()
}

/// The command as a person would type it.
pub(in crate::action) fn typed(password: Option<Password<'_>>, client: &[String]) -> String {
    let line = kubectl_line::line(client);
    let script = match password {
        None => return line,
        Some(Password { from: Source::Environment(from), to }) => {
            format!("{to}=\"${from}\" exec {line}")
        }
        Some(Password { from: Source::Secret(_), to }) => {
            format!("IFS= read -r {to}; export {to}; exec {line}")
        }
    };
    kubectl_line::line(&["sh".to_owned(), "-c".to_owned(), script])
}

/// The value of a Secret's key, as the first line of a standard input.
async fn given(context: &Context, namespace: &str, secret: &SecretKey) -> Result<Vec<u8>, Failure> {
    let SecretKey { name, key } = secret;
    let Some(kind) = builtin("Secret") else { return Err(Failure::error("secrets are unknown")) };
    let object = context.cluster()?.get_whole(&kind, Some(namespace), name).await?;
    let value = object["data"][key].as_str().and_then(|value| STANDARD.decode(value).ok());
    let Some(mut value) = value else {
        return Err(Failure::error(format!("secret {name} has no key {key}")));
    };
    context.masker.learn(&String::from_utf8_lossy(&value), &format!("{name}/{key}"));
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        let text = format!("secret {name}: the value of {key} has more than one line");
        return Err(Failure::error(text));
    }
    value.push(b'\n');
    Ok(value)
}

/// What a client had to say.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::action) enum Said {
    /// What it printed.
    Printed(String),
    /// What it says is wrong, alone and in a sentence.
    Refused(String, String),
}

impl Said {
    /// What it printed; if errors are answers, what it says is wrong instead.
    pub(in crate::action) fn printed(
        self,
        errors: bool,
    ) -> Result<Result<String, String>, Failure> {
        match self {
            Self::Printed(text) => Ok(Ok(text)),
            Self::Refused(said, _) if errors => Ok(Err(said)),
            Self::Refused(_, sentence) => Err(Failure::error(sentence)),
        }
    }
}

/// Runs the first of these clients that the container has, and returns what it has to say.
///
/// # Errors
/// Why there is no answer: no client, no password.
pub(in crate::action) async fn ask(
    context: &Context,
    place: (&str, &str, Option<&str>),
    password: Option<Password<'_>>,
    clients: &[Vec<String>],
    input: &str,
) -> Result<Said, Failure> {
    let (namespace, pod, container) = place;
    let mut missing = Vec::new();
    let secret = match password.map(|password| password.from) {
        Some(Source::Secret(secret)) => given(context, namespace, secret).await?,
        Some(Source::Environment(_)) | None => Vec::new(),
    };
    for client in clients {
        let argv = with_password(password, client.clone());
        let input = [&secret, input.as_bytes()].concat();
        let input = (!input.is_empty()).then_some(input);
        let limit = context.remaining();
        let cluster = context.cluster()?;
        let done = cluster.exec(namespace, pod, container, &argv, input, limit, STREAM).await?;
        let program = client.first().map(String::as_str).unwrap_or_default();
        match judge(program, pod, password, done)? {
            Some(said) => return Ok(said),
            None => missing.push(program),
        }
    }
    let container = container.map(|name| format!(" (container {name})")).unwrap_or_default();
    Err(Failure::error(format!(
        "pod {pod}{container} has no {}: name the container of the server",
        missing.join(" and no ")
    )))
}

/// What a client had to say; none if there is no such program.
fn judge(
    program: &str,
    pod: &str,
    password: Option<Password<'_>>,
    done: Executed,
) -> Result<Option<Said>, Failure> {
    let error = |text: String| Err(Failure::error(text));
    match (done.exit, password) {
        (CommandExit::Code(0), _) if done.truncated => error(format!(
            "the result of {program} in pod {pod} is larger than 1 MiB: select less, or use LIMIT"
        )),
        (CommandExit::Code(0), _) => {
            Ok(Some(Said::Printed(String::from_utf8_lossy(&done.stdout).into_owned())))
        }
        (CommandExit::Code(NO_PRINTENV), Some(_)) => {
            error(format!("`password_env` needs printenv in pod {pod}, which it does not have"))
        }
        (CommandExit::Code(NOT_SET), Some(Password { from: Source::Environment(name), .. })) => {
            error(format!("the environment of pod {pod} has no {name}"))
        }
        (CommandExit::Code(NOT_READ), Some(Password { from: Source::Secret(_), .. })) => {
            error(format!("the shell of pod {pod} did not read the password"))
        }
        (CommandExit::NotStarted(_), None) | (CommandExit::Code(NOT_FOUND), Some(_)) => Ok(None),
        (CommandExit::NotStarted(why), Some(_)) => {
            error(format!("a password needs sh in pod {pod}: {why}"))
        }
        (CommandExit::Code(code), _) => {
            let text = String::from_utf8_lossy(&done.stderr);
            let says = |line: &&str| line.to_lowercase().contains("error");
            let last = || text.lines().rfind(|line| !line.trim().is_empty());
            let said = text.lines().find(says).or_else(last).unwrap_or("no reason");
            let said = said.trim();
            let sentence = format!("{program} in pod {pod} failed with exit code {code}: {said}");
            Ok(Some(Said::Refused(said.to_owned(), sentence)))
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
        let password = Password::of(Some("ROOT_PASSWORD"), None, "MYSQL_PWD");
        let done = |exit, stderr: &str| Executed {
            stdout: b"rows".to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            truncated: false,
            exit,
        };
        let judged =
            |password, exit, stderr: &str| judge("mysql", "a", password, done(exit, stderr));
        assert_eq!(
            judged(None, CommandExit::Code(0), ""),
            Ok(Some(Said::Printed("rows".to_owned())))
        );
        assert_eq!(judged(None, CommandExit::NotStarted("no".into()), ""), Ok(None));
        assert_eq!(judged(password, CommandExit::Code(127), "sh: mysql: not found"), Ok(None));
        let cases = [
            (password, CommandExit::Code(125), "", "has no ROOT_PASSWORD"),
            (password, CommandExit::Code(123), "", "needs printenv"),
            (password, CommandExit::NotStarted("no sh".into()), "", "needs sh"),
            (None, CommandExit::Unknown("cut".into()), "", "unknown: cut"),
            (None, CommandExit::TimedOut, "", "timed out"),
        ];
        for (password, exit, stderr, says) in cases {
            let failure = judged(password, exit, stderr).unwrap_err();
            assert!(failure.message.contains(says), "{}", failure.message);
        }
        let stderr = "-----\nEXECUTE x\nERROR 1146 (42S02): no t\nmore";
        let said = judged(None, CommandExit::Code(1), stderr).unwrap().unwrap();
        let failure = said.printed(false).unwrap_err();
        assert!(failure.message.ends_with("exit code 1: ERROR 1146 (42S02): no t"));
        let said = judged(None, CommandExit::Code(1), stderr).unwrap().unwrap();
        assert_eq!(said.printed(true), Ok(Err("ERROR 1146 (42S02): no t".to_owned())));
        let large = Executed { truncated: true, ..done(CommandExit::Code(0), "") };
        assert!(judge("mysql", "a", None, large).unwrap_err().message.contains("LIMIT"));
    }

    #[test]
    fn names_are_arguments_of_a_script_that_never_changes() {
        let password = Password::of(Some("ROOT_PASSWORD"), None, "MYSQL_PWD");
        let words = with_password(password, vec!["mysql".to_owned(), "--xml".to_owned()]);
        assert_eq!(words[..3], ["sh", "-c", WITH_PASSWORD]);
        assert_eq!(words[3..], ["sh", "ROOT_PASSWORD", "MYSQL_PWD", "mysql", "--xml"]);
        for (name, good) in
            [("A_1", true), ("", false), ("1A", false), ("A-B", false), ("$A", false)]
        {
            assert_eq!(password_fault(Some(name), None).is_none(), good, "{name}");
        }
        let secret = SecretKey { name: "a".to_owned(), key: "b".to_owned() };
        assert!(password_fault(Some("A"), Some(&secret)).is_some());
        let password = Password::of(None, Some(&secret), "PGPASSWORD");
        let words = with_password(password, vec!["psql".to_owned()]);
        assert_eq!(words, ["sh", "-c", WITH_GIVEN_PASSWORD, "sh", "PGPASSWORD", "psql"]);
        assert_eq!(
            typed(password, &["psql".to_owned()]),
            "sh -c 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql'"
        );
    }
}
