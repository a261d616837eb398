//! Explains why a credential plugin returned no credentials.

use std::io::ErrorKind;

use kube::client::AuthError;

use super::config::Plugin;
use super::error::{deepest, one_line};

/// The longest sentence that is shown of a plugin.
const LONGEST: usize = 300;

/// Why there are no credentials, and what to do. The plugin's standard output is its credential and
/// its command line may hold one: neither is shown.
pub(super) fn why(error: &AuthError, plugin: Option<&Plugin>) -> String {
    let name = plugin.map_or("the credential plugin", |plugin| plugin.name.as_str());
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let said = spoken(&String::from_utf8_lossy(&out.stderr));
            match (said.words, said.command) {
                (Some(words), Some(command)) => format!("{name}: {words}; run {command}"),
                (Some(words), None) => format!("{name}: {words} ({}); log in again", out.status),
                (None, _) => format!(
                    "{name} ended with {} and gave no reason; run it manually, or log in again",
                    out.status
                ),
            }
        }
        AuthError::AuthExecStart(error) if error.kind() == ErrorKind::NotFound => {
            match plugin.and_then(|plugin| plugin.hint.as_deref()) {
                Some(hint) => format!("{name} was not found: {}", one_line(hint, LONGEST)),
                None => format!(
                    "{name} was not found: install it, or correct the `command` of the user in the \
                        kubeconfig"
                ),
            }
        }
        AuthError::AuthExecStart(error) => {
            format!("cannot start {name}: {}", deepest(error))
        }
        AuthError::AuthExecParse(_) => {
            format!("{name} printed no valid ExecCredential; run it manually to see its output")
        }
        other => format!("{}; log in again", deepest(other)),
    }
}

/// What a plugin's standard error tells a person.
#[derive(Debug, Default, PartialEq, Eq)]
struct Spoken {
    /// The sentence that says what is wrong.
    words: Option<String>,
    /// What it says to type.
    command: Option<String>,
}

/// Plugins wrap the reason in the words of what they called, before and after it.
fn spoken(stderr: &str) -> Spoken {
    const TELLING: [&str; 14] = [
        "error",
        "fail",
        "expired",
        "denied",
        "invalid",
        "unauthorized",
        "not ",
        "no ",
        "unable",
        "cannot",
        "could",
        "please",
        "must",
        "login",
    ];
    let lines: Vec<&str> = stderr
        .lines()
        .map(|line| without_log_head(line.trim()))
        .filter(|line| line.contains(char::is_alphabetic))
        .collect();
    let command = lines
        .iter()
        .find_map(|line| line.strip_prefix("$ "))
        .map(|command| one_line(command, LONGEST));
    let tells = |line: &&&str| {
        let line = line.to_lowercase();
        TELLING.iter().any(|word| line.contains(word))
    };
    // the last line of a traceback is its reason
    let words = match lines.first() {
        Some(first) if first.starts_with("Traceback") => lines.last(),
        _ => lines.iter().find(tells).or(lines.last()),
    };
    Spoken {
        words: words
            .map(|line| one_line(innermost(line), LONGEST))
            .filter(|words| !words.is_empty()),
        command,
    }
}

/// `F1128 03:12:07.000000   12 cred.go:145] text` of Go's log.
fn without_log_head(line: &str) -> &str {
    let mut characters = line.chars();
    let is_head = characters.next().is_some_and(|first| "IWEF".contains(first))
        && characters.take(4).filter(char::is_ascii_digit).count() == 4;
    line.split_once("] ").filter(|_| is_head).map_or(line, |(_, text)| text)
}

/// The reason within `… failed with error: … (err: ERROR: (gcloud.x) reason`.
fn innermost(line: &str) -> &str {
    // not the end of a longer word: NoCredentialsError
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    let after = |sign: &str| line.rfind(sign).filter(|at| begins(*at)).map(|at| at + sign.len());
    let line = ["ERROR: ", "error: ", "Error: "]
        .iter()
        .filter_map(|sign| after(sign))
        .max()
        .map_or(line, |at| &line[at..]);
    let line = match line.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
        Some((source, rest)) if !source.contains(' ') => rest,
        _ => line,
    };
    line.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    fn failed(stderr: &str) -> AuthError {
        let out = Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: b"token".to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        };
        AuthError::AuthExecRun { cmd: "plugin --token abc".to_owned(), out: Box::new(out) }
    }

    fn plugin(hint: Option<&str>) -> Plugin {
        Plugin { name: "gke-gcloud-auth-plugin".to_owned(), hint: hint.map(str::to_owned) }
    }

    #[test]
    fn the_reason_is_found_in_what_plugins_print() {
        let gke = "F1128 03:12:07.000000      12 cred.go:145] print credential failed with error: \
            Failed to retrieve access token:: failure while executing gcloud, with args [config \
            config-helper --format=json]: exit status 1 (err: ERROR: (gcloud.config.config-helper) \
            You do not currently have an active account selected.\nPlease run:\n\n  $ gcloud auth \
            login\n\nto obtain new credentials.\n\nIf you have already logged in with a different \
            account, run:\n\n  $ gcloud config set account ACCOUNT\n\nto select an already \
            authenticated account to use.\n)\n";
        for (stderr, words, command) in [
            (
                gke,
                "You do not currently have an active account selected",
                Some("gcloud auth login"),
            ),
            (
                "\nError loading SSO Token: Token for shop does not exist\n",
                "Error loading SSO Token: Token for shop does not exist",
                None,
            ),
            (
                "error: could not get the token: oauth2: \"invalid_grant\" \"Session not \
                    active\"\n",
                "could not get the token: oauth2: \"invalid_grant\" \"Session not active\"",
                None,
            ),
            (
                "Traceback (most recent call last):\n  File \"x\", line \
                    1\nbotocore.exceptions.NoCredentialsError: Unable to locate credentials\n",
                "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
                None,
            ),
            (
                "Opening the browser\nthe refresh token has expired\n",
                "the refresh token has expired",
                None,
            ),
        ] {
            let found = spoken(stderr);
            assert_eq!(
                (found.words.as_deref(), found.command.as_deref()),
                (Some(words), command),
                "{stderr}"
            );
        }
        assert_eq!(spoken(" )\n"), Spoken::default());
    }

    #[test]
    fn a_plugin_is_named_with_its_words_and_its_hint() {
        let plugin = plugin(Some("Install the plugin first\n"));
        assert_eq!(
            why(&failed("ERROR: (gcloud.x) No account.\n  $ gcloud auth login\n"), Some(&plugin)),
            "gke-gcloud-auth-plugin: No account; run gcloud auth login"
        );
        assert_eq!(
            why(&failed("expired"), Some(&plugin)),
            "gke-gcloud-auth-plugin: expired (exit status: 1); log in again"
        );
        assert!(!why(&failed(""), Some(&plugin)).contains("token"));
        let missing = || AuthError::AuthExecStart(std::io::Error::from(ErrorKind::NotFound));
        assert_eq!(
            why(&missing(), Some(&plugin)),
            "gke-gcloud-auth-plugin was not found: Install the plugin first"
        );
        assert_eq!(
            why(&missing(), None),
            "the credential plugin was not found: install it, or correct the `command` of the user \
                in the kubeconfig"
        );
    }
}
