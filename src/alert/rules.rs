//! What Prometheus says of its rules and the alerts that they make (`/api/v1/rules`), and what
//! follows for an alert.

use super::threshold::threshold;
use crate::encoding::percent_decode;
use crate::event::{Alert, AlertRule, AlertState, Standing};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The alerting rules of a Prometheus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// An alerting rule and the alerts that it makes now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// Name of the alert.
    pub alert: String,
    /// The rule as it is shown.
    pub rule: AlertRule,
    /// Why it could not be evaluated; none if it was.
    pub error: Option<String>,
    /// Names of the labels that the rule itself sets.
    sets: BTreeSet<String>,
    active: Vec<Active>,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, PartialEq)]
struct Active {
    labels: BTreeMap<String, String>,
    state: AlertState,
    since: Option<Timestamp>,
    value: Option<f64>,
}

impl Rules {
    /// Reads the `data` of the answer of `/api/v1/rules`.
    ///
    /// # Errors
    /// What is not as Prometheus writes it.
    pub fn read(data: &Value) -> Result<Self, String> {
        let groups = data["groups"].as_array().ok_or("the answer has no groups of rules")?;
        let mut rules = Vec::new();
        for group in groups {
            let name = group["name"].as_str().unwrap_or_default();
            for rule in group["rules"].as_array().into_iter().flatten() {
                if rule["type"] == "alerting" {
                    rules.push(Rule::read(rule, name)?);
                }
            }
        }
        Ok(Self { rules })
    }

    /// The names of the alerts, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        self.rules.iter().map(|rule| rule.alert.as_str()).collect()
    }

    /// How an alert stands. That it does not fire any more is said only where its rule was found
    /// and evaluated.
    pub fn standing(&self, alert: &Alert) -> Standing {
        let own: Vec<&Rule> = self.rules.iter().filter(|rule| rule.alert == alert.name).collect();
        let active = |rule: &'_ Rule| {
            rule.active
                .iter()
                .filter(|active| active.is(alert, &rule.sets))
                .max_by_key(|active| active.state)
                .cloned()
        };
        let found = own
            .iter()
            .filter_map(|rule| Some((*rule, active(rule)?)))
            .max_by_key(|(_, active)| active.state);
        if let Some((rule, active)) = found {
            return Standing {
                firing: Some(active.state == AlertState::Firing),
                state: Some(active.state),
                active_since: active.since,
                value: active.value,
                rule: Some(rule.rule.clone()),
                because: None,
            };
        }
        // several rules of one name are told apart by what they make only
        let rule = match own.as_slice() {
            [only] => Some(only.rule.clone()),
            _ => None,
        };
        let unknown = match own.iter().find_map(|rule| rule.error.as_ref()) {
            Some(error) => Some(format!("Prometheus cannot evaluate the rule: {error}")),
            None if own.is_empty() => {
                Some(format!("this Prometheus has no rule for {}", alert.name))
            }
            None => None,
        };
        match unknown {
            Some(because) => Standing { rule, because: Some(because), ..Standing::default() },
            None => Standing {
                firing: Some(false),
                state: Some(AlertState::Inactive),
                rule,
                ..Standing::default()
            },
        }
    }
}

impl Rule {
    fn read(rule: &Value, group: &str) -> Result<Self, String> {
        let (Some(alert), Some(expr)) = (rule["name"].as_str(), rule["query"].as_str()) else {
            return Err("the answer has a rule without a name or a query".to_owned());
        };
        let error = match rule["health"].as_str() {
            Some("ok") => None,
            other => {
                let words = rule["lastError"].as_str().filter(|words| !words.is_empty());
                Some(words.or(other).unwrap_or("its health is unknown").to_owned())
            }
        };
        let active = rule["alerts"].as_array().into_iter().flatten();
        Ok(Self {
            alert: alert.to_owned(),
            rule: AlertRule {
                expr: expr.to_owned(),
                for_s: rule["duration"].as_f64(),
                threshold: threshold(expr),
                group: Some(group.to_owned()),
            },
            error,
            sets: texts(&rule["labels"]).into_keys().collect(),
            active: active.map(Active::read).collect::<Result<_, _>>()?,
        })
    }
}

impl Active {
    fn read(value: &Value) -> Result<Self, String> {
        let state = match value["state"].as_str() {
            Some("firing") => AlertState::Firing,
            Some("pending") => AlertState::Pending,
            Some("inactive") => AlertState::Inactive,
            other => {
                let other = other.unwrap_or("no state");
                return Err(format!("the answer has an alert with {other}"));
            }
        };
        Ok(Self {
            labels: texts(&value["labels"]),
            state,
            since: value["activeAt"].as_str().and_then(|text| text.parse().ok()),
            value: value["value"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .filter(|value: &f64| value.is_finite()),
        })
    }

    /// Whether this is that alert: no label has another value. Between the two, labels may be added
    /// (external ones), removed, or not have been typed; those that the rule sets may be rewritten.
    fn is(&self, alert: &Alert, set: &BTreeSet<String>) -> bool {
        self.labels
            .iter()
            .filter(|(name, _)| !set.contains(*name))
            .all(|(name, value)| alert.labels.get(name).is_none_or(|other| other == value))
    }
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The rule as far as the link of an alert tells it: its expression.
pub fn rule_in_url(url: &str) -> Option<AlertRule> {
    let (_, query) = url.split_once('?')?;
    let written = query.split('&').find_map(|pair| pair.strip_prefix("g0.expr="))?;
    let expr = String::from_utf8(percent_decode(&written.replace('+', " "))).ok()?;
    let rule = AlertRule { threshold: threshold(&expr), expr, ..AlertRule::default() };
    Some(rule).filter(|rule| !rule.expr.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::typed;
    use serde_json::json;

    fn rule(name: &str, health: &str, labels: Value, alerts: Value) -> Value {
        json!({"type": "alerting", "name": name, "query": "x > 3", "duration": 900,
            "health": health, "lastError": if health == "ok" { "" } else { "no such function" },
            "labels": labels, "alerts": alerts})
    }

    fn active(labels: Value, state: &str) -> Value {
        json!({"labels": labels, "state": state, "activeAt": "2026-11-28T22:00:00.5Z",
            "value": "4e+00"})
    }

    fn rules() -> Rules {
        let pod = |pod: &str, state: &str| {
            active(json!({"alertname": "A", "pod": pod, "severity": "warning"}), state)
        };
        let severity = json!({"severity": "warning"});
        Rules::read(&json!({"groups": [{"name": "g", "rules": [
            rule("A", "ok", severity.clone(), json!([pod("x", "firing"), pod("y", "pending")])),
            rule("Bad", "err", json!({}), json!([])),
            rule("Unevaluated", "unknown", json!({}), json!([])),
            rule("Twice", "ok", json!({"severity": "warning"}), json!([])),
            rule("Twice", "ok", json!({"severity": "critical"}), json!([])),
            {"type": "recording", "name": "a:b", "query": "x"}]}]}))
        .unwrap()
    }

    #[test]
    fn an_alert_fires_is_pending_is_gone_or_is_unknown() {
        let table = [
            ("A", "pod=x", "true firing"),
            ("A", "pod=x cluster=eu", "true firing"),
            // rewritten on the way
            ("A", "pod=x severity=page", "true firing"),
            ("A", "pod=y", "false pending"),
            ("A", "pod=z", "false inactive"),
            ("A", "", "true firing"),
            ("Twice", "severity=critical", "false inactive"),
            ("Bad", "", "? Prometheus cannot evaluate the rule: no such function"),
            ("Unevaluated", "", "? Prometheus cannot evaluate the rule: no such function"),
            ("None", "", "? this Prometheus has no rule for None"),
        ];
        for (name, labels, wanted) in table {
            let labels: Vec<String> = labels.split_whitespace().map(str::to_owned).collect();
            let standing = rules().standing(&typed(name, &labels).unwrap());
            let said = match (standing.firing, standing.state, standing.because) {
                (Some(firing), Some(state), None) => {
                    format!("{firing} {}", json!(state).as_str().unwrap())
                }
                (None, None, Some(because)) => format!("? {because}"),
                other => panic!("{other:?}"),
            };
            assert_eq!(said, wanted, "{name} {labels:?}");
        }
    }

    #[test]
    fn the_rule_is_told_with_its_threshold() {
        let standing = rules().standing(&typed("A", &["pod=x".to_owned()]).unwrap());
        assert_eq!(
            json!(standing),
            json!({"firing": true, "state": "firing", "active_since": "2026-11-28T22:00:00.5Z",
                "value": 4.0, "because": null, "rule": {"expr": "x > 3", "for_s": 900.0,
                "threshold": {"operator": ">", "value": 3.0}, "group": "g"}})
        );
        assert!(rules().standing(&typed("Twice", &[]).unwrap()).rule.is_none());
        assert_eq!(rules().names().len(), 4);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for wrong in [
            json!(null),
            json!({"groups": 7}),
            json!({"groups": [{"rules": [{"type": "alerting"}]}]}),
            json!({"groups": [{"rules": [rule("A", "ok", json!({}), json!([{"state": "odd"}]))]}]}),
        ] {
            assert!(Rules::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_link_of_an_alert_has_its_expression() {
        let url = "http://p:9090/graph?g0.expr=max_over_time%28x%7Ba%3D%22b%22%7D%5B1m%5D%29+%3E%3D+1&g0.tab=1";
        assert_eq!(rule_in_url(url).unwrap().expr, "max_over_time(x{a=\"b\"}[1m]) >= 1");
        for url in ["http://p/graph", "http://p/graph?g0.expr=&g0.tab=1", "x?g0.expr=%ff"] {
            assert_eq!(rule_in_url(url), None);
        }
    }
}
