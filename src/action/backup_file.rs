//! `backup_file`: verifies a backup on this machine.

use super::backup::wrong;
use super::support::backup_check::{Checked, check};
use super::support::backup_format::BackupFormat;
use super::support::backup_store::Origin;
use super::{Access, Context, Failure, Output, Reach, Verb, Wrong, shell_word};
use crate::blocking::blocking;
use crate::encoding::size;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Verifies a backup on this machine, as `restore` does before it begins: its SHA-256 is the one in
/// its record (the file `….json` that `backup` writes beside it) or `sha256`, and its content begins
/// and ends as its format does. With `of`, it must be a backup of that namespace of the cluster of the
/// run: its record says so. The output is `{file, exists, bytes, sha256, format, created, name,
/// cluster, namespace, pod, result, reason}`. `result` is `valid`, or `missing`, `unread`,
/// `no_record`, `digest`, `wrong_format`, `truncated` or `elsewhere`; the step then fails, and `reason`
/// says more. Example: `backup_file: {file: backups/shop-20260101T020000Z.sql, of: shop}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// The file, relative to the working directory.
    pub file: String,
    /// SHA-256 that it must have; defaults to the one in its record.
    pub sha256: Option<String>,
    /// Format; defaults to the one in its record.
    pub format: Option<BackupFormat>,
    /// Namespace of the cluster of the run that it must be a backup of; any by default. A file
    /// without a record is taken for what its `sha256` says.
    pub of: Option<String>,
}

impl Verb for BackupFile {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        if self.of.is_some() { Reach::Cluster } else { Reach::File }
    }

    fn needs_deadline(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        if self.file.is_empty() { Err("the `file` is empty".to_owned()) } else { Ok(()) }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("sha256sum {} # and compare", shell_word(&self.file))]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        wrong(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        self.check().map_err(Failure::error)?;
        let (path, sha256, format) =
            (context.local_path(&self.file), self.sha256.clone(), self.format);
        let checked = blocking(move || check(&path, sha256.as_deref(), format)).await;
        let mut checked = checked.map_err(|error| Failure::error(error.to_string()))?;
        if let Some(namespace) = &self.of {
            checked.must_be_of(&Origin::here(context, namespace).await?);
        }
        let summary = match checked.problem {
            Some(_) => String::new(),
            None => format!("{}, SHA-256 {}", size(checked.bytes), checked.sha256),
        };
        Ok(Output::new(value(&self.file, &checked), summary))
    }
}

/// What was found, as an output.
fn value(file: &str, checked: &Checked) -> Value {
    let (record, problem) = (checked.record.as_ref(), checked.problem.as_ref());
    json!({
        "file": file,
        "exists": checked.exists,
        "bytes": checked.bytes,
        "sha256": (!checked.sha256.is_empty()).then_some(&checked.sha256),
        "format": checked.format,
        "created": record.map(|record| record.created.to_string()),
        "name": record.map(|record| &record.name),
        "cluster": record.and_then(|record| record.cluster.as_ref()),
        "namespace": record.map(|record| &record.namespace),
        "pod": record.map(|record| &record.pod),
        "result": problem.map_or("valid", |problem| problem.id),
        "reason": problem.map(|problem| format!("{file} {}", problem.text)),
    })
}
