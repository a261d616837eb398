//! `restore`: streams a verified backup to a command in a container.

use super::exec::program_fault;
use super::support::backup_check::{check, open};
use super::support::backup_format::BackupFormat;
use super::support::byte_rate::rate;
use super::support::database_server::DatabaseServer;
use super::support::kubectl_line;
use super::support::one_pod::{Place, last_line, no_answer, one_pod};
use super::support::psql_transaction::{Fate, Noted, Transaction};
use super::support::restore_stream::{Fed, Streamed, stream};
use super::support::tool::exec_permissions;
use super::support::wrong;
use super::{
    Access, Context, Failure, FailureKind, Output, Pods, Reach, Settled, Target, Verb, Which,
    Wrong, shell_word,
};
use crate::blocking::blocking;
use crate::cluster::CommandExit;
use crate::encoding::size;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// What the server says of a transaction to which no `COMMIT` was sent.
const IN_PART: &str = "the file ended its transaction itself: it is restored in part";

/// Restores a backup: streams a file of this machine to the standard input of a command in a
/// container, in constant memory. The command runs in exactly one pod, without a TTY and without a
/// shell. Before anything is sent, the file is verified as `backup_file` does; while it is sent, its
/// digest is computed again.
///
/// With `transaction: psql`, the command is a `psql` that reads from its standard input, and the
/// restore is one transaction, of which it is known afterwards whether it took place. The verb sends
/// `\set ON_ERROR_STOP on`, `BEGIN`, asks for the identity of the transaction and records it; then
/// the file; when all of it was executed, it records that, and only then sends `COMMIT`. At the first
/// error, and if the file, the connection, the pod or the program ends early, everything is rolled
/// back. (`psql --single-transaction` commits what it has received when its input ends early, and is
/// refused.) However it ends, and after a crash, the server is asked what became of the transaction:
/// it is never sent twice. Needs PostgreSQL 10. A file with `\connect` (`pg_dump --create`) is rolled
/// back; one that ends its transaction itself is restored in part, and a person must decide. Without
/// `transaction`, an interrupted restore is in doubt, too.
///
/// The output is `{pod, container, file, bytes, sha256, seconds, exit_code, stderr, transaction,
/// committed}`. The step fails if the command ends with an exit code other than 0. Example:
/// `restore: {target: deployment/postgres, command: [psql, -X, -q, -d, shop], file:
/// backups/shop-20260101T020000Z.sql, transaction: psql}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Pod to run the command in.
    pub target: Target,
    /// Program and arguments. They are not interpreted by a shell.
    pub command: Vec<String>,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// The file, relative to the working directory.
    pub file: String,
    /// SHA-256 that it must have; defaults to the one in its record.
    pub sha256: Option<String>,
    /// Format; defaults to the one in its record.
    pub format: Option<BackupFormat>,
    /// How the restore is made one transaction.
    pub transaction: Option<TransactionOf>,
}

/// What makes a restore one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionOf {
    /// `psql` of PostgreSQL.
    Psql,
}

impl Verb for Restore {
    fn effect(&self) -> Effect {
        Effect::Opaque
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn needs_deadline(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        program_fault(&self.command)?;
        if self.file.is_empty() {
            return Err("the `file` is empty".to_owned());
        }
        if let Some(word) = self.command.iter().find(|word| is_single_transaction(word)) {
            return Err(format!(
                "`{word}` commits what psql has received when its input ends early: use \
                    `transaction: psql` instead"
            ));
        }
        if self.transaction.is_none() && goes_on_after_errors(&self.command) {
            return Err("psql goes on after an error, and its exit code is 0: add `transaction: \
                    psql`, or the argument `--set=ON_ERROR_STOP=on`"
                .to_owned());
        }
        Ok(())
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let command = kubectl_line::line(&self.command);
        let container = self.container.as_deref();
        let at = (&self.target, Pods::One);
        let mut lines = kubectl_line::exec(at, namespace, container, " -i", &command);
        let file = shell_word(&self.file);
        if let Some(line) = lines.last_mut() {
            *line = match self.transaction {
                Some(TransactionOf::Psql) => format!(
                    "{{ printf '\\\\set ON_ERROR_STOP on\\nBEGIN;\\n'; cat {file} && echo \
                        'COMMIT;'; }} | {line}"
                ),
                None => format!("{line} < {file}"),
            };
        }
        lines
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        let Target { kind, which, .. } = &self.target;
        let (Which::Name(which) | Which::Selector(which)) = which;
        let namespace = self.target.namespace(namespace);
        vec![format!("{namespace}/{}/{which}", kind.to_ascii_lowercase())]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        wrong::command(output)
    }

    async fn look(&self, context: &Context, note: Option<&str>) -> Settled {
        if self.transaction.is_none() {
            return Settled::CannotTell("its effect cannot be observed".to_owned());
        }
        // it is recorded before the file is sent
        let Some(note) = note else {
            return Settled::NotDone("nothing of the file was sent".to_owned());
        };
        let Some(noted) = Noted::parse(note) else {
            return Settled::CannotTell("the record does not name its transaction".to_owned());
        };
        let (Noted::Begun(transaction) | Noted::Committing(transaction)) = noted;
        let place = match one_pod(context, &self.target, self.container.as_deref()).await {
            Ok(place) => place,
            Err(failure) => return Settled::CannotTell(failure.message),
        };
        match self.server(context).fate(transaction).await {
            Fate::Committed if noted == Noted::Begun(transaction) => {
                Settled::CannotTell(IN_PART.to_owned())
            }
            Fate::Committed => {
                let output = json!({"file": self.file, "pod": place.pod, "exit_code": 0,
                    "transaction": note, "committed": true});
                Settled::Done(Box::new(Output::new(output, "the server says: committed")))
            }
            Fate::RolledBack => Settled::NotDone("the server says: rolled back".to_owned()),
            Fate::InProgress => {
                Settled::CannotTell("the transaction is still in progress: resume later".to_owned())
            }
            Fate::Unknown(why) => Settled::CannotTell(why),
        }
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        // what is computed was not known when the runbook was checked
        self.check().map_err(Failure::error).map_err(not_executed)?;
        let sha256 = self.verified(context).await.map_err(not_executed)?;
        let place = one_pod(context, &self.target, self.container.as_deref())
            .await
            .map_err(not_executed)?;
        let file = open(&context.local_path(&self.file));
        let file = file
            .map_err(|error| Failure::error(format!("cannot open {}: {error}", self.file)))
            .map_err(not_executed)?;
        let begun = Instant::now();
        let server = self.transaction.map(|TransactionOf::Psql| self.server(context));
        let file = (file, sha256.as_str());
        let sent = stream(context, &place, &self.command, file, server).await?;
        self.ended(context, place, sent, begun.elapsed()).await
    }
}

impl Restore {
    fn server<'a>(&'a self, context: &'a Context) -> DatabaseServer<'a> {
        let (target, container) = (&self.target, self.container.as_deref());
        DatabaseServer { context, target, container, command: &self.command }
    }

    /// The digest of the file, which is the backup that it must be.
    async fn verified(&self, context: &Context) -> Result<String, Failure> {
        (context.progress)(&format!("verifying {}", self.file));
        let (path, sha256, format) =
            (context.local_path(&self.file), self.sha256.clone(), self.format);
        let checked = blocking(move || check(&path, sha256.as_deref(), format)).await;
        let checked = checked.map_err(|error| Failure::error(error.to_string()))?;
        match checked.problem {
            None => Ok(checked.sha256),
            Some(problem) => Err(Failure::new(
                FailureKind::Failed,
                format!("nothing was restored: {} {}", self.file, problem.text),
            )),
        }
    }

    /// What the end of the command means.
    async fn ended(
        &self,
        context: &Context,
        place: Place,
        sent: Streamed,
        elapsed: Duration,
    ) -> Result<Output, Failure> {
        let program = self.command.first().map(String::as_str).unwrap_or_default();
        let Streamed { exit, stderr, bytes, fed } = sent;
        let output = |transaction: Option<Transaction>| {
            let code = if let CommandExit::Code(code) = exit { Some(code) } else { None };
            let value = json!({
                "pod": place.pod, "container": place.container, "file": self.file,
                "bytes": bytes, "seconds": elapsed.as_secs(), "exit_code": code,
                "stderr": String::from_utf8_lossy(&stderr),
                "transaction": transaction.map(|one| one.to_string()),
                "committed": transaction.map(|_| true),
            });
            Output::new(value, rate(bytes, elapsed))
        };
        let said = last_line(&stderr).map(|line| format!(": {line}")).unwrap_or_default();
        let why = format!("{}{said}", no_answer(program, &place, exit.clone()));
        let transaction = match (fed, &exit) {
            (Fed::All, CommandExit::Code(_)) => return Ok(output(None)),
            (Fed::Committing(one), CommandExit::Code(0)) => return Ok(output(Some(one))),
            (Fed::Committing(one), _) => one,
            (Fed::Stopped { why: stopped, begun: Some(begun) }, _) => {
                let why = stopped.unwrap_or(why);
                return Err(without_commit(self.server(context).fate(begun).await, &why, bytes));
            }
            // nothing of the file was sent
            (Fed::Stopped { why: stopped, .. }, _) if self.transaction.is_some() => {
                return Err(not_executed(failed(stopped.unwrap_or(why))));
            }
            (_, CommandExit::NotStarted(_)) => return Err(not_executed(failed(why))),
            // it has refused the rest
            (Fed::Stopped { why: None, .. }, CommandExit::Code(1..)) => return Ok(output(None)),
            (Fed::Stopped { why: stopped, .. }, _) => {
                let why = stopped.unwrap_or(why);
                return Err(Failure::error(format!("{why}; it may be restored in part")));
            }
            (Fed::All, _) => return Err(Failure::error(why)),
        };
        match self.server(context).fate(transaction).await {
            Fate::Committed => Ok(output(Some(transaction))),
            fate => Err(without_commit(fate, &why, bytes)),
        }
    }
}

/// Whether psql takes a word for `--single-transaction`: also shortened, and among other options of
/// one letter (<https://www.postgresql.org/docs/current/app-psql.html>).
fn is_single_transaction(word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        return long.starts_with("single-t") && "single-transaction".starts_with(long);
    }
    let Some(letters) = word.strip_prefix('-') else { return false };
    // what stands behind a letter that takes a value is its value
    letters.chars().take_while(|letter| !"cdfFhLoOpPRTUv".contains(*letter)).any(|one| one == '1')
}

/// What it means that no `COMMIT` of ours took place: nothing, unless the file has one.
fn without_commit(fate: Fate, why: &str, bytes: u64) -> Failure {
    let text = match fate {
        Fate::RolledBack => return rolled_back(why, bytes),
        Fate::Committed => IN_PART.to_owned(),
        Fate::InProgress => "the transaction is still in progress".to_owned(),
        Fate::Unknown(unknown) => unknown,
    };
    Failure::error(format!("{why}; {text}"))
}

/// The database is as it was.
fn rolled_back(why: &str, bytes: u64) -> Failure {
    let text = "it was rolled back, and the database is unchanged";
    not_executed(failed(format!("{why} (after {}); {text}", size(bytes))))
}

/// Whether a command without a transaction hides its errors
/// (<https://www.postgresql.org/docs/current/app-psql.html>, `ON_ERROR_STOP`).
fn goes_on_after_errors(command: &[String]) -> bool {
    let is_psql = command.first().is_some_and(|word| word.rsplit('/').next() == Some("psql"));
    is_psql && !command.iter().any(|word| word.contains("ON_ERROR_STOP"))
}

fn failed(message: String) -> Failure {
    Failure::new(FailureKind::Failed, message)
}

fn not_executed(failure: Failure) -> Failure {
    Failure { not_executed: true, ..failure }
}

#[cfg(test)]
mod tests {
    use super::is_single_transaction;

    #[test]
    fn every_way_to_ask_for_a_single_transaction_is_known() {
        for word in ["-1", "-Xq1", "-q1X", "--single-transaction", "--single-t", "--single-trans"] {
            assert!(is_single_transaction(word), "{word}");
        }
        for word in ["-X", "-p15432", "-Xp1", "-d1", "--single-line", "--single-step", "1", "-"] {
            assert!(!is_single_transaction(word), "{word}");
        }
    }
}
