//! `traces`: queries traces from Grafana Tempo.

use super::http::{Http, HttpMethod, HttpPort, Via};
use super::support::fan_out::item;
use super::support::http_answer::Answer;
use super::support::trace_span;
use super::{Access, Context, Duration, Failure, FailureKind, Output, Pods, Reach, Target, Verb};
use crate::encoding::percent_encode;
use crate::event::Effect;
use futures::{StreamExt, stream};
use indexmap::IndexMap;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of an answer.
const ANSWER: usize = 16 * 1024 * 1024;
/// So many traces are fetched at a time.
const AT_A_TIME: usize = 8;
/// The most traces of one search.
const MOST: usize = 200;

/// Queries traces from Tempo. The output is `{outcome, traces: [{id, start, duration_ms, services,
/// spans: [{id, parent, service, name, kind, offset_ms, duration_ms, error, depth}], orphans}],
/// missing, truncated}`, newest first. `outcome` is `data` or `no_data`; `kind` is `server`,
/// `client`, `producer`, `consumer` or `internal`; `orphans` counts spans whose parent is missing;
/// `missing` counts traces that were found but could not be fetched; `truncated` is true if there
/// may be more traces than `limit`. If Tempo does not respond, the step is an error: the result is
/// unknown.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// TraceQL query: `{ resource.service.name = "web" && name = "GET /" }`.
    pub query: Option<String>,
    /// Hexadecimal id of one trace, instead of `query`.
    pub id: Option<String>,
    /// How far back to search.
    #[serde(default = "quarter")]
    pub window: Duration,
    /// Maximum number of traces.
    #[serde(default = "twenty")]
    pub limit: usize,
    /// Service or pods of Tempo.
    pub target: Option<Target>,
    /// Port of the target.
    pub port: Option<HttpPort>,
    /// URL of a Tempo outside the cluster, instead of `target`.
    pub url: Option<String>,
    /// How the request is sent to `target`.
    #[serde(default)]
    pub via: Via,
    /// Headers, such as `X-Scope-OrgID` or `Authorization`.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Timeout of one response.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

fn quarter() -> Duration {
    Duration(std::time::Duration::from_secs(900))
}

fn twenty() -> usize {
    20
}

impl Verb for Traces {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.target, &self.url, self.via) {
            (None, None, _) => {
                return Err("set `target` (the Tempo Service) or `url`".to_owned());
            }
            (Some(_), Some(_), _) => return Err("use either `target` or `url`".to_owned()),
            (_, None, Via::Pod | Via::Direct) => {
                return Err("a `target` requires `via: forward` or `via: proxy`".to_owned());
            }
            (_, Some(_), Via::Pod | Via::Proxy) => {
                return Err("a `url` is requested from this machine: omit `via`".to_owned());
            }
            _ => {}
        }
        match (&self.query, &self.id) {
            (Some(query), None) if query.trim().is_empty() => {
                Err("the `query` is empty".to_owned())
            }
            (None, Some(id))
                if id.is_empty()
                    || id.len() > 32
                    || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                Err(format!("`{id}` is not a trace id: use up to 32 hexadecimal digits"))
            }
            (Some(_), None) if self.limit == 0 || self.limit > MOST => {
                Err(format!("`limit` must be between 1 and {MOST}"))
            }
            (Some(_), None) | (None, Some(_)) => self.http("/").check(),
            _ => Err("use either `query` or `id`".to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.http("/").permissions(namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let path = match &self.id {
            Some(id) => format!("/api/traces/{id}"),
            None => format!(
                "/api/search?limit={}&q={}",
                self.limit,
                percent_encode(self.query.as_deref().unwrap_or_default())
            ),
        };
        self.http(&path).manual_commands(namespace)
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let (ids, truncated) = match &self.id {
            Some(id) => (vec![id.clone()], false),
            None => {
                let answer = self.ask(context, &self.search(context)).await?.ok_or_else(|| {
                    Failure::error("this Tempo does not support search: HTTP 404")
                })?;
                let ids = trace_span::found(&answer).map_err(Failure::error)?;
                let truncated = ids.len() >= self.limit;
                (ids, truncated)
            }
        };
        let work: Vec<_> = ids
            .iter()
            .map(|id| async move { self.ask(context, &format!("/api/traces/{id}")).await })
            .collect();
        let fetched: Vec<Result<Option<Value>, Failure>> =
            stream::iter(work).buffered(AT_A_TIME).collect().await;
        let (mut traces, mut missing) = (Vec::new(), 0_u64);
        for (id, answer) in ids.iter().zip(fetched) {
            match answer? {
                Some(body) => traces.push(trace_span::trace(id, &body).map_err(Failure::error)?),
                None if self.id.is_some() => {
                    return Err(Failure::error(format!("Tempo has no trace {id}")));
                }
                // between the search and now it was dropped, or is not flushed yet
                None => missing += 1,
            }
        }
        traces.sort_by_key(|trace| std::cmp::Reverse(trace.start));
        if traces.is_empty() && missing > 0 {
            return Err(Failure::new(
                FailureKind::Transient,
                format!("Tempo found {missing} traces but returned none of them"),
            ));
        }
        let outcome = if traces.is_empty() { "no_data" } else { "data" };
        let summary = match traces.len() {
            0 => "no traces".to_owned(),
            1 => "1 trace".to_owned(),
            count => format!("{count} traces"),
        };
        let traces: Vec<Value> = traces.iter().map(trace_span::Trace::json).collect();
        Ok(Output::new(
            json!({"outcome": outcome, "traces": traces, "missing": missing,
                "truncated": truncated}),
            summary,
        ))
    }
}

impl Traces {
    fn search(&self, context: &Context) -> String {
        let end = context.now.as_second().saturating_add(1);
        let window =
            SignedDuration::try_from(self.window.0).map_or(i64::MAX, |window| window.as_secs());
        let query = percent_encode(self.query.as_deref().unwrap_or_default());
        format!(
            "/api/search?limit={}&start={}&end={end}&q={query}",
            self.limit,
            end.saturating_sub(window).max(0)
        )
    }

    fn http(&self, path: &str) -> Http {
        let url = self.url.as_ref().map(|url| format!("{}{path}", url.trim_end_matches('/')));
        let mut headers = self.headers.clone();
        // without it, newer versions may answer in protobuf
        headers.entry("Accept".to_owned()).or_insert_with(|| "application/json".to_owned());
        Http {
            target: self.target.clone(),
            port: self.port.clone(),
            container: None,
            path: if url.is_some() { "/".to_owned() } else { path.to_owned() },
            via: if url.is_some() { Via::Direct } else { self.via },
            url,
            from: None,
            method: HttpMethod::Get,
            headers,
            effect: None,
            body: None,
            timeout: self.timeout,
            pods: Some(Pods::One),
        }
    }

    /// The JSON at a path; none for 404.
    async fn ask(&self, context: &Context, path: &str) -> Result<Option<Value>, Failure> {
        match self
            .http(path)
            .ask(context, ANSWER, |answer| Ok(item([("answer", judge(answer)?)])))
            .await
        {
            Ok(mut output) => {
                Ok(Some(output.value["answer"].take()).filter(|answer| !answer.is_null()))
            }
            // a Tempo without pods says nothing about what it would have answered
            Err(Failure { kind: FailureKind::Failed, message, .. }) => Err(Failure::error(message)),
            Err(failure) => Err(failure),
        }
    }
}

/// What Tempo said; null for 404.
fn judge(answer: Answer) -> Result<Value, Failure> {
    let (status, body) = match answer {
        Answer::Missing { reason, .. } => {
            return Err(Failure::new(
                FailureKind::Transient,
                format!("Tempo did not respond: {reason}"),
            ));
        }
        Answer::Given { truncated: true, .. } => {
            return Err(Failure::error(format!(
                "the Tempo response exceeds {} MiB: query fewer traces",
                ANSWER >> 20
            )));
        }
        Answer::Given { status, body, .. } => (status, body),
    };
    let start = || String::from_utf8_lossy(&body).trim().chars().take(200).collect::<String>();
    match status {
        200 => serde_json::from_slice(&body)
            .map_err(|_| Failure::error(format!("this is not a Tempo response: {}", start()))),
        404 => Ok(Value::Null),
        401 | 403 => Err(Failure::error(format!(
            "Tempo requires authentication (HTTP {status}): set `headers`"
        ))),
        // too busy, or a part of it still starts
        429 | 500.. => Err(Failure::new(
            FailureKind::Transient,
            format!("Tempo is unavailable: HTTP {status}: {}", start()),
        )),
        _ => Err(Failure::error(format!("Tempo rejected the request: HTTP {status}: {}", start()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn faults() {
        let check = |value: Value| serde_json::from_value::<Traces>(value).unwrap().check();
        for (value, good) in [
            (json!({"query": "{}", "target": "service/tempo", "port": 3200}), true),
            (json!({"id": "622abcdd8c1803c8c17edf79fdb1bb1", "url": "http://tempo:3200"}), true),
            (json!({"id": "no", "url": "http://tempo:3200"}), false),
            (json!({"query": "{}"}), false),
            (json!({"query": "{}", "id": "1", "target": "service/tempo"}), false),
            (json!({"target": "service/tempo"}), false),
            (json!({"query": "{}", "target": "service/tempo", "limit": 0}), false),
            (json!({"query": "{}", "target": "service/tempo", "via": "pod"}), false),
        ] {
            assert_eq!(check(value.clone()).is_ok(), good, "{value}");
        }
    }

    #[test]
    fn what_is_no_answer_is_never_no_traces() {
        let given = |status: u16, body: &str| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            judge(Answer::Given {
                status,
                headers: std::collections::BTreeMap::new(),
                body,
                truncated: false,
                elapsed: std::time::Duration::ZERO,
            })
        };
        assert_eq!(given(200, "{}").unwrap(), json!({}));
        assert_eq!(given(404, "trace not found").unwrap(), Value::Null);
        for (status, body, kind) in [
            (200, "<html>", FailureKind::Error),
            (401, "", FailureKind::Error),
            (400, "bad query", FailureKind::Error),
            (503, "starting", FailureKind::Transient),
        ] {
            assert_eq!(given(status, body).unwrap_err().kind, kind, "{status}");
        }
    }
}
