//! `changes`: what changed in a namespace before a time.

use super::support::fan_out::{quote, reading};
use super::support::past::{METADATA, PastChange, WHOLE, Window, changes};
use super::support::snapshot;
use super::{Access, Context, Duration, Failure, Output, Reach, Target, Verb};
use crate::cluster::{Form, builtin};
use crate::diagnosis::Snapshot;
use crate::event::Effect;
use futures::future::join_all;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most changes that are listed.
const MOST: usize = 100;
/// The kinds without which there is no answer.
const NEEDED: [&str; 3] = ["Pod", "ReplicaSet", "Deployment"];

/// Lists what changed in the namespace within a time, newest first: new revisions of workloads with
/// their images and the diff of their templates, restarts, scalings, Helm releases, objects that
/// were created, and the last write of each field manager. The output is `{from, until, items:
/// [{time, object, target, what, by, relation, rank, detail, fields, images, diff, revision,
/// managed_by}], omitted, not_looked_at: [{kind, reason}]}`. `what` is `created`, `updated`,
/// `revision`, `restarted`, `scaled`, `cordoned` or `helm_release`; `by` is the field manager.
/// `relation` says what the object is to the target: `target`, `owner`, `reference` (its pods refer
/// to it), `related` (it selects, scales or routes to them), `node`, `namespace` or `cluster`. `rank`
/// 1 is the nearest in time and relation. Of Secrets and ConfigMaps only the names of keys are read.
/// Objects that were deleted leave no trace, and neither does a write that the same manager has
/// repeated since.
/// Example: `changes: {target: deployment/web, since: 2h}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Object to rank by: `deployment/NAME`, `pod/NAME`. Defaults to the whole namespace.
    pub target: Option<Target>,
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// How far back from `before`.
    #[serde(default = "one_hour")]
    pub since: Duration,
    /// Time until which (RFC 3339), such as the start of an alert. Defaults to now.
    pub before: Option<String>,
}

fn one_hour() -> Duration {
    Duration(std::time::Duration::from_secs(3600))
}

impl Verb for Changes {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    /// What it cannot do without. What else may not be read is not looked at, and said.
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.place(namespace);
        NEEDED
            .into_iter()
            .filter_map(builtin)
            .map(|kind| reading(&kind, "list", place, ""))
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        if let Some(target) = &self.target {
            target.one_object()?;
        }
        self.until(Timestamp::UNIX_EPOCH).map(drop)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.place(namespace));
        let target = self.target.as_ref().map(Target::kubectl);
        let history = target
            .filter(|_| self.rolled())
            .map(|target| format!("kubectl rollout history -n {place} {target}"));
        let all = "deployments,statefulsets,daemonsets,configmaps,replicasets,jobs";
        history
            .into_iter()
            .chain([
                format!(
                    "kubectl get -n {place} {all} --sort-by=.metadata.creationTimestamp \
                        --show-managed-fields -o yaml"
                ),
                format!("kubectl events -n {place}"),
            ])
            .collect()
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let until = self.until(context.now).map_err(Failure::error)?;
        let from = until
            .checked_sub(self.since.0)
            .map_err(|_| Failure::error(format!("`since: {}` is too long", self.since)))?;
        let place = self.place(&context.namespace);
        let (snapshot, unread) = read(context, place).await?;
        let target = self.target.as_ref().map(|target| target.object(place));
        if let Some(target) = &target {
            snapshot::exists(context, &snapshot, target).await?;
        }
        let found = changes(&snapshot, target.as_ref(), Window { from, until });
        let mut summary = match found.len() {
            0 => "no changes".to_owned(),
            1 => "1 change".to_owned(),
            many => format!("{many} changes"),
        };
        if !unread.is_empty() {
            summary = format!("{summary}, {} kinds not looked at", unread.len());
        }
        let items: Vec<Value> =
            found.iter().take(MOST).map(|(rank, change)| item(*rank, change)).collect();
        let output = json!({"from": from.to_string(), "until": until.to_string(),
            "omitted": found.len().saturating_sub(MOST), "items": items,
            "not_looked_at": unread});
        Ok(Output::new(output, summary))
    }
}

impl Changes {
    fn place<'a>(&'a self, namespace: &'a str) -> &'a str {
        let of_target = self.target.as_ref().and_then(|target| target.namespace.as_deref());
        of_target.or(self.namespace.as_deref()).unwrap_or(namespace)
    }

    fn rolled(&self) -> bool {
        let kind = self.target.as_ref().and_then(|target| builtin(&target.kind));
        kind.is_some_and(|kind| {
            matches!(kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
        })
    }

    /// The end of the time.
    fn until(&self, now: Timestamp) -> Result<Timestamp, String> {
        match &self.before {
            None => Ok(now),
            Some(text) => text.trim().parse().map_err(|_| {
                format!(
                    "`before: {text}` is not a time: use RFC 3339, such as 2024-05-01T10:00:00Z"
                )
            }),
        }
    }
}

/// All that changes are looked for in, and the kinds that could not be read.
async fn read(context: &Context, namespace: &str) -> Result<(Snapshot, Vec<Value>), Failure> {
    let cluster = context.cluster()?;
    let wanted: Vec<(&str, Form, Option<&str>)> = WHOLE
        .iter()
        .map(|kind| (*kind, Form::Written, Some(namespace)))
        .chain(METADATA.iter().map(|kind| (*kind, Form::Metadata, Some(namespace))))
        .chain([("Event", Form::Plain, Some(namespace)), ("Node", Form::Metadata, None)])
        .collect();
    let lists = wanted.iter().map(|(kind, form, place)| async move {
        match builtin(kind) {
            Some(resource) => cluster.list_form(&resource, *form, *place).await,
            None => Ok(Vec::new()),
        }
    });
    let mut snapshot = Snapshot::default();
    let mut unread = Vec::new();
    for ((kind, ..), read) in wanted.iter().zip(join_all(lists).await) {
        match read {
            Err(error) if NEEDED.contains(kind) => return Err(error.into()),
            read => snapshot::add(&mut snapshot, kind, read),
        }
        if let Some(why) = snapshot.why_unread(kind) {
            unread.push(json!({"kind": kind, "reason": why}));
        }
    }
    Ok((snapshot, unread))
}

fn item(rank: usize, change: &PastChange) -> Value {
    let mut item = json!({
        "time": change.time.to_string(), "object": change.object,
        "target": change.object.to_string(), "what": change.what, "by": change.by,
        "relation": change.nearness, "rank": rank, "detail": change.detail,
        "fields": null, "images": [], "diff": [], "revision": null, "managed_by": null,
    });
    for (key, value) in &change.more {
        item[key] = value.clone();
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_lines_by_hand() {
        let verb = |value: Value| serde_json::from_value::<Changes>(value).unwrap();
        for (value, good) in [
            (json!({}), true),
            (json!({"target": "deployment/web", "before": "2024-05-01T10:00:00Z"}), true),
            (json!({"before": "yesterday"}), false),
            (json!({"target": {"kind": "Pod", "selector": "a=b"}}), false),
        ] {
            assert_eq!(verb(value.clone()).check().is_ok(), good, "{value}");
        }
        assert_eq!(
            verb(json!({"target": "deploy/web"})).manual_commands("shop")[0],
            "kubectl rollout history -n shop deploy/web"
        );
    }
}
