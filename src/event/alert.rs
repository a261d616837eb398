//! The alert that a run answers, as it is recorded.

use super::border::{Border, MapText};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An alert as Alertmanager tells of it, or as somebody typed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its name: the label `alertname`.
    pub name: String,
    /// Whether it fired or was resolved when it was sent.
    pub status: AlertStatus,
    /// Its labels, with `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// When it was resolved; none while it fires.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// Where the rule can be looked at.
    #[serde(default)]
    pub generator_url: Option<String>,
    /// What Alertmanager calls it.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

/// Whether an alert fired or was resolved when it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It fires.
    #[default]
    Firing,
    /// It does not fire any more.
    Resolved,
}

/// What Prometheus says of an alert now. Everything is none where nobody asked or answered: what is
/// unknown has not stopped firing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it fires now.
    pub firing: Option<bool>,
    /// How it stands: only firing ones are sent.
    pub state: Option<AlertState>,
    /// Since when it has been pending or firing.
    pub active_since: Option<Timestamp>,
    /// The value of the expression.
    pub value: Option<f64>,
    /// The rule that makes it fire.
    pub rule: Option<AlertRule>,
    /// Why it is not known whether it fires; none if it is, or if nobody asked.
    pub because: Option<String>,
}

/// How an alert stands in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, but not long enough yet.
    Pending,
    /// It fires.
    Firing,
}

/// The rule of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertRule {
    /// The PromQL expression.
    pub expr: String,
    /// How long it must hold, in seconds; none if that is not known.
    pub for_s: Option<f64>,
    /// The comparison with a number at the end of the expression, if it has one.
    pub threshold: Option<Threshold>,
    /// The group of rules; none if that is not known.
    pub group: Option<String>,
}

/// The comparison that makes an alert fire: `> 0.25`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The operator.
    pub operator: String,
    /// The number.
    pub value: f64,
}

/// The alert that a run answers, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnsweredAlert {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// How it stood when the run began.
    #[serde(flatten)]
    pub standing: Standing,
    /// The labels of other alerts that the same run answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<BTreeMap<String, String>>,
}

impl MapText for Alert {
    fn map_text(self, border: &dyn Border) -> Self {
        let Self {
            name,
            status,
            labels,
            annotations,
            starts_at,
            ends_at,
            generator_url,
            fingerprint,
        } = self;
        Self {
            name: name.map_text(border),
            status,
            labels: labels.map_text(border),
            annotations: annotations.map_text(border),
            starts_at,
            ends_at,
            generator_url: generator_url.map_text(border),
            fingerprint: fingerprint.map_text(border),
        }
    }
}

impl MapText for Standing {
    fn map_text(self, border: &dyn Border) -> Self {
        let Self { firing, state, active_since, value, rule, because } = self;
        let rule = rule.map(|AlertRule { expr, for_s, threshold, group }| AlertRule {
            expr: expr.map_text(border),
            for_s,
            threshold: threshold.map(|Threshold { operator, value }| Threshold {
                operator: operator.map_text(border),
                value,
            }),
            group: group.map_text(border),
        });
        let because = because.map_text(border);
        Self { firing, state, active_since, value, rule, because }
    }
}

impl MapText for AnsweredAlert {
    fn map_text(self, border: &dyn Border) -> Self {
        let Self { alert, standing, also } = self;
        Self {
            alert: alert.map_text(border),
            standing: standing.map_text(border),
            also: also.map_text(border),
        }
    }
}
