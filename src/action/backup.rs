//! `backup`: streams what a command in a container prints to a verified file of this machine.

use super::exec::program_fault;
use super::support::backup_format::{BackupFormat, Expected, Problem};
use super::support::backup_store::{BackupRecord, Found, Origin, Partial, Store};
use super::support::backup_stream::{Writing, stream};
use super::support::byte_rate::{per_second, rate};
use super::support::kubectl_line;
use super::support::one_pod::{Place, last_line, no_answer, one_pod};
use super::support::tool::exec_permissions;
use super::{Access, Context, Failure, Output, Pods, Reach, Target, Verb, Wrong, shell_word};
use crate::blocking::blocking;
use crate::cluster::{CommandExit, Streamed};
use crate::encoding::size;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The result of a backup that was made.
const MADE: &str = "made";

/// Makes a backup: streams what a command in a container prints to a file of this machine, in
/// constant memory. The command runs in exactly one pod, without a TTY and without a shell; secrets
/// stay in the environment of the container, from which `pg_dump` (`PGUSER`, `PGPASSWORD`) and
/// `redis-cli` (`REDISCLI_AUTH`) take them.
///
/// The file is `DIRECTORY/NAME-TIME.EXT` (mode 0600; the time is that of the step, in UTC). Beside
/// it is its record, `….json`, with which `restore` verifies it. Until it is complete, it is
/// `….partial`; it gets its name when the command has ended with exit code 0, the stream has ended
/// with a status, the content begins and ends as `format`, `begins` and `ends` say (of `rdb`, the
/// checksum is computed), its size is at least `min_bytes` and `min_ratio` of that of the last
/// backup of that name and of the same namespace of the same cluster in the directory, and everything is on the disk. Otherwise no file is left,
/// and the step fails; a backup that exists is never overwritten. What a killed run leaves
/// (`….partial`), the next one removes and lists in `cleaned`.
///
/// The output is `{pod, container, file, bytes, sha256, seconds, bytes_per_second, exit_code,
/// stderr, result, reason, last, removed, not_removed, cleaned}`. `result` is `made`, or
/// `command_failed`, `truncated`, `wrong_format`, `too_small`, `shrunk`, `disk_full` or
/// `not_writable`; `file` is then null, and `reason` says more. A stream that ends without a status is an error. The
/// effect is `read`: nothing in the cluster changes, and the file is new. A dry run does not execute
/// it. Example: `backup: {target: deployment/postgres, command: [pg_dump, --clean, --if-exists,
/// shop], directory: backups, name: shop, format: pg_dump}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Pod to run the command in.
    pub target: Target,
    /// Program and arguments. They are not interpreted by a shell.
    pub command: Vec<String>,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// Directory of the backups, relative to the working directory; it is created (mode 0700).
    pub directory: String,
    /// Of what it is a backup: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// What the command prints.
    pub format: Option<BackupFormat>,
    /// Text with which a complete backup begins.
    pub begins: Option<String>,
    /// Text with which a complete backup ends, aside from white space.
    pub ends: Option<String>,
    /// End of the file name; defaults to that of the format (`sql`, `dump`, `rdb`).
    pub extension: Option<String>,
    /// The least size, in bytes.
    #[serde(default)]
    pub min_bytes: u64,
    /// The least size, as a part of that of the last backup: `0.5`.
    pub min_ratio: Option<f64>,
    /// How many backups of this name, namespace and cluster are kept; all by default. Older ones are
    /// removed after a new one was made, and listed in `removed`.
    pub keep: Option<usize>,
}

impl Verb for Backup {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn is_promised(&self) -> bool {
        true
    }

    fn leaves_file(&self) -> bool {
        true
    }

    fn needs_deadline(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        program_fault(&self.command)?;
        plain_name("name", &self.name)?;
        plain_name("extension", self.extension())?;
        if self.extension().split('.').any(|part| ["partial", "json"].contains(&part)) {
            return Err("`extension` is that of what is no backup yet, or of a record".to_owned());
        }
        if self.directory.is_empty() {
            return Err("the `directory` is empty".to_owned());
        }
        if self.format.is_none() && self.ends.is_none() {
            return Err("say how a complete backup is recognized: with `format` or `ends`".into());
        }
        if self.min_ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            return Err("`min_ratio` is a part of the last backup: between 0 and 1".to_owned());
        }
        match self.keep {
            Some(0) => Err("`keep` is 0: the new backup is always kept".to_owned()),
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let command = kubectl_line::line(&self.command);
        let at = (&self.target, Pods::One);
        let container = self.container.as_deref();
        let mut lines = kubectl_line::exec(at, namespace, container, "", &command);
        let file = format!("{}/{}.{}", self.directory, self.name, self.extension());
        let (partial, file) = (shell_word(&format!("{file}.partial")), shell_word(&file));
        if let Some(line) = lines.last_mut() {
            *line = format!("umask 077; {line} > {partial} && tail -n 5 {partial}");
        }
        lines.push(format!("mv -n {partial} {file} # if it is complete"));
        lines
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        wrong(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        // what is computed was not known when the runbook was checked
        self.check().map_err(Failure::error)?;
        let place = one_pod(context, &self.target, self.container.as_deref()).await?;
        let origin = Origin::here(context, &place.namespace).await?;
        let store = self.store(context, origin);
        let (opening, now) = (store.clone(), context.now);
        let opened = blocking(move || opening.begin(now)).await;
        let (partial, found) = match opened.map_err(|error| Failure::error(error.to_string()))? {
            Ok(opened) => opened,
            Err(error) => {
                let made = Made { place, found: Found::default(), ..Made::default() };
                return Ok(self.failed(made, disk(&self.directory, &error)));
            }
        };
        self.streamed(context, &store, place, (partial, found)).await
    }
}

/// What came of it.
#[derive(Default)]
struct Made {
    place: Place,
    found: Found,
    bytes: u64,
    elapsed: Duration,
    exit_code: Option<i32>,
    stderr: String,
}

impl Backup {
    fn extension(&self) -> &str {
        let own = self.extension.as_deref();
        own.or_else(|| self.format.map(BackupFormat::extension)).unwrap_or("backup")
    }

    fn expected(&self) -> Expected {
        let (begins, ends) = (self.begins.clone(), self.ends.clone());
        Expected { format: self.format, begins, ends }
    }

    fn store(&self, context: &Context, origin: Origin) -> Store {
        Store {
            origin,
            directory: context.local_path(&self.directory),
            name: self.name.clone(),
            extension: self.extension().to_owned(),
        }
    }

    /// Runs the command and keeps what it prints, if that is a backup.
    async fn streamed(
        &self,
        context: &Context,
        store: &Store,
        place: Place,
        (partial, found): (Partial, Found),
    ) -> Result<Output, Failure> {
        let begun = Instant::now();
        let expected = self.expected();
        let (writing, written, done) =
            stream(context, &place, &self.command, partial, &expected).await?;
        let mut made = Made {
            place,
            found,
            bytes: writing.bytes(),
            elapsed: begun.elapsed(),
            ..Made::default()
        };
        if let Err(error) = written {
            return Ok(self.failed(made, disk(&self.directory, &error)));
        }
        let done = done?;
        if let Some(problem) = self.ended(&mut made, done)? {
            return Ok(self.failed(made, problem));
        }
        let last = made.found.last.as_ref().map(|last| last.bytes);
        let problem = writing.problem(&expected);
        if let Some(problem) = problem.or_else(|| self.size_problem(made.bytes, last)) {
            return Ok(self.failed(made, problem));
        }
        self.published(context, store, made, writing).await
    }

    /// What the end of the command says is wrong.
    fn ended(&self, made: &mut Made, done: Streamed) -> Result<Option<Problem>, Failure> {
        let program = self.command.first().map(String::as_str).unwrap_or_default();
        let said = last_line(&done.stderr).map(|line| format!(": {line}")).unwrap_or_default();
        made.stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        match done.exit {
            CommandExit::Code(code) => {
                made.exit_code = Some(code);
                let failed = || format!("`{program}` ended with exit code {code}{said}");
                Ok((code != 0).then(|| Problem::new("command_failed", failed())))
            }
            exit @ CommandExit::NotStarted(_) => {
                Ok(Some(Problem::new("command_failed", no_answer(program, &made.place, exit))))
            }
            exit => Err(Failure::error(format!(
                "{}; {} had arrived, and no backup was made",
                no_answer(program, &made.place, exit),
                size(made.bytes)
            ))),
        }
    }

    fn size_problem(&self, bytes: u64, last: Option<u64>) -> Option<Problem> {
        if bytes < self.min_bytes {
            let text = format!("has {bytes} bytes, fewer than {}", self.min_bytes);
            return Some(Problem::new("too_small", text));
        }
        let (last, ratio) = (last?, self.min_ratio?);
        #[expect(clippy::cast_precision_loss, reason = "a comparison of sizes needs no last digit")]
        let shrunk = (bytes as f64) < last as f64 * ratio;
        let text =
            || format!("has {bytes} bytes, less than {ratio} of the last one ({last} bytes)");
        shrunk.then(|| Problem::new("shrunk", text()))
    }

    /// Gives the file its name, and removes what is older than is kept.
    async fn published(
        &self,
        context: &Context,
        store: &Store,
        made: Made,
        writing: Writing,
    ) -> Result<Output, Failure> {
        (context.progress)(&format!("{}, to the disk", size(made.bytes)));
        let (partial, sha256) = writing.finish();
        let record = BackupRecord {
            schema: BackupRecord::schema(),
            name: self.name.clone(),
            file: store.file_name(context.now),
            bytes: made.bytes,
            sha256,
            format: self.format,
            created: context.now,
            run: context.run.to_string(),
            cluster: store.origin.cluster.clone(),
            namespace: store.origin.namespace.clone(),
            pod: made.place.pod.clone(),
            container: made.place.container.clone(),
        };
        let (store, kept, keep) = (store.clone(), record.clone(), self.keep);
        let published = blocking(move || {
            partial
                .publish(&kept)
                .map(|()| keep.map(|keep| store.keep(keep, &kept.file)).transpose())
        })
        .await;
        match published.map_err(|error| Failure::error(error.to_string()))? {
            Ok(removed) => Ok(self.made(&made, &record, removed.map(Option::unwrap_or_default))),
            Err(error) => Ok(self.failed(made, disk(&self.directory, &error))),
        }
    }

    fn made(&self, made: &Made, record: &BackupRecord, removed: io::Result<Vec<String>>) -> Output {
        let file = PathBuf::from(&self.directory).join(&record.file).display().to_string();
        let mut summary = format!("{file}: {}", rate(made.bytes, made.elapsed));
        let mut value = made.value();
        value["file"] = json!(file);
        value["sha256"] = json!(record.sha256);
        match removed {
            Ok(removed) => value["removed"] = json!(removed),
            // the backup is made all the same
            Err(error) => {
                summary = format!("{summary}; older ones were not removed: {error}");
                value["not_removed"] = json!(error.to_string());
            }
        }
        Output::new(value, summary)
    }

    fn failed(&self, made: Made, problem: Problem) -> Output {
        let text = format!("no backup was made: {}", problem.text);
        let mut value = made.value();
        value["result"] = json!(problem.id);
        value["reason"] = json!(text);
        Output::new(value, "")
    }
}

impl Made {
    fn value(&self) -> Value {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let last = self.found.last.as_ref();
        json!({
            "pod": self.place.pod,
            "container": self.place.container,
            "file": null,
            "bytes": self.bytes,
            "sha256": null,
            "seconds": millis / 1000,
            "bytes_per_second": per_second(self.bytes, millis),
            "exit_code": self.exit_code,
            "stderr": self.stderr,
            "result": MADE,
            "reason": null,
            "last": last.map(|last| json!({"file": last.file, "bytes": last.bytes})),
            "removed": [],
            "not_removed": null,
            "cleaned": self.found.cleaned,
        })
    }
}

/// A disk that does not take it.
fn disk(directory: &str, error: &io::Error) -> Problem {
    let id = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        _ => "not_writable",
    };
    Problem::new(id, format!("cannot write to {directory}: {error}"))
}

/// The problem of a backup, if it has one.
pub(super) fn wrong(output: &Value) -> Option<Wrong> {
    let reason = output["reason"].as_str()?.to_owned();
    Some(Wrong { fields: &["result"], reason })
}

/// A part of a file name.
fn plain_name(what: &str, name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!(
            "`{what}` is a part of a file name, of letters, digits and `._-`: not `{name}`"
        ));
    }
    Ok(())
}
