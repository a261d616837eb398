//! `tls`: performs a TLS handshake and shows what the server presents.

use super::http::HttpPort;
use super::support::certificate;
use super::support::fan_out::{Item, each_pod, item, pods_of, quote};
use super::support::http_answer::is_declared;
use super::support::port;
use super::support::settled::Question;
use super::{Access, Context, Duration, Failure, Output, Pods, Reach, Target, Verb, Which, Wrong};
use crate::cluster::{Error, ErrorKind, TlsAnswer, Trust, builtin, direct_tls};
use crate::diagnosis::pod::is_ready;
use crate::event::Effect;
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Performs a TLS handshake with pods, through a port-forward, or with a host, from this machine,
/// and shows what the server presents. For a `target`, the output is a list with one item per pod;
/// for a `host`, or with `pods: one`, it is that item: `{pod, port, server_name, connected,
/// handshake, version, subject, issuer, names, not_before, not_after, expires_in_s, chain:
/// [{subject, issuer, not_after}], verified, why_not, reason}`. The handshake accepts any
/// certificate, and nothing is sent after it. `verified` says whether a client would trust the
/// certificate for `server_name`, and `why_not` why it would not; null if the server presented none.
/// A handshake that fails is an answer: `handshake` is false, and `reason` says why. Example: `tls:
/// {target: service/ingress-nginx-controller, port: 443, server_name: shop.example.com}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Pods, workload or Service to connect to.
    pub target: Option<Target>,
    /// Host to connect to from this machine, instead of `target`; must be in the `hosts` of the
    /// runbook.
    pub host: Option<String>,
    /// Port, by number or name. Of a host, defaults to 443.
    pub port: Option<HttpPort>,
    /// Name for which the server is asked (SNI) and its certificate is verified. Defaults to the
    /// host; for a Service to `NAME.NAMESPACE.svc`.
    pub server_name: Option<String>,
    /// Certificate authorities in PEM by which the certificate is verified. Defaults to those that
    /// this machine trusts.
    pub ca: Option<String>,
    /// Timeout of the handshake.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn five_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(5))
}

/// What each handshake needs.
struct Handshake {
    name: ServerName<'static>,
    shown: String,
    trust: Trust,
    now: jiff::Timestamp,
}

impl Verb for Tls {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        match &self.host {
            Some(host) => Reach::Url(self.url(host)),
            None => Reach::Cluster,
        }
    }

    fn check(&self) -> Result<(), String> {
        match (&self.target, &self.host, &self.port) {
            (None, None, _) => return Err("set `target` or `host`".to_owned()),
            (Some(_), Some(_), _) => return Err("use either `target` or `host`".to_owned()),
            (None, Some(host), Some(HttpPort::Name(port))) => {
                return Err(format!("`port: {port}` of the host {host} must be a number"));
            }
            (None, Some(host), _) if !is_host(host) => {
                return Err(format!("`host: {host}` is not a host name"));
            }
            (Some(target), None, _) => {
                target.pods().map_err(|failure| failure.message)?;
            }
            (None, Some(_), _) => {}
        }
        self.named("namespace").map(drop)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(target) = &self.target else { return Vec::new() };
        let mut all = target.pod_permissions(namespace);
        all.push(Access {
            verb: "create".to_owned(),
            resource: "pods".to_owned(),
            subresource: "portforward".to_owned(),
            namespace: target.namespace(namespace).to_owned(),
            ..Access::default()
        });
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let name = match self.named(namespace) {
            Ok((name, _)) => format!(" -servername {}", quote(&name)),
            Err(_) => String::new(),
        };
        let connect =
            |to: &str| format!("openssl s_client -connect {to}{name} -showcerts </dev/null");
        match (&self.target, &self.host) {
            (Some(target), _) => {
                let port =
                    self.port.as_ref().map_or_else(|| "PORT".to_owned(), HttpPort::to_string);
                let number = match &self.port {
                    Some(HttpPort::Number(number)) => number.to_string(),
                    _ => "8443".to_owned(),
                };
                let place = quote(target.namespace(namespace));
                let what = match &target.which {
                    Which::Name(_) => target.kubectl(),
                    Which::Selector(_) => "pod/POD".to_owned(),
                };
                vec![
                    format!("kubectl port-forward -n {place} {what} {number}:{port} &"),
                    connect(&format!("localhost:{number}")),
                ]
            }
            (None, Some(host)) => vec![connect(&quote(&format!("{host}:{}", self.number())))],
            (None, None) => Vec::new(),
        }
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let items = match output.as_array() {
            Some(items) => items.iter().collect(),
            None => vec![output],
        };
        let bad =
            items.into_iter().find(|item| item["verified"] != true && item["error"].is_null())?;
        let reason = bad["reason"].as_str().or(bad["why_not"].as_str()).unwrap_or("not verified");
        Some(Wrong {
            fields: &[
                "connected",
                "handshake",
                "verified",
                "why_not",
                "reason",
                "not_after",
                "names",
                "expires_in_s",
            ],
            reason: reason.to_owned(),
        })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let (shown, name) = self.named(&context.namespace).map_err(Failure::error)?;
        let trust = Trust::new(self.ca.as_deref()).map_err(Failure::error)?;
        let question = Handshake { name, shown, trust, now: context.now };
        match (&self.target, &self.host) {
            (Some(target), _) => self.ask_pods(context, target, &question).await,
            (None, Some(host)) => self.ask_host(context, host, &question).await,
            (None, None) => Err(Failure::error("set `target` or `host`")),
        }
    }
}

impl Tls {
    /// The name for which the server is asked, as text and as rustls takes it.
    fn named(&self, namespace: &str) -> Result<(String, ServerName<'static>), String> {
        let by_target = self.target.as_ref().map(|target| match &target.which {
            Which::Name(name) if is_service(target) => {
                format!("{name}.{}.svc", target.namespace(namespace))
            }
            Which::Name(_) | Which::Selector(_) => "localhost".to_owned(),
        });
        let name = self.server_name.clone().or_else(|| self.host.clone()).or(by_target);
        let name = name.unwrap_or_default();
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        match ServerName::try_from(bare) {
            Ok(parsed) => Ok((name, parsed)),
            Err(_) => Err(format!("`{name}` is not a server name")),
        }
    }

    fn number(&self) -> u16 {
        match self.port {
            Some(HttpPort::Number(number)) => number,
            Some(HttpPort::Name(_)) | None => 443,
        }
    }

    fn url(&self, host: &str) -> String {
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        format!("https://{host}:{}/", self.number())
    }

    /// From this machine.
    async fn ask_host(
        &self,
        context: &Context,
        host: &str,
        question: &Handshake,
    ) -> Result<Output, Failure> {
        let url = self.url(host);
        is_declared(&url, &context.hosts).map_err(Failure::error)?;
        if context.outside.is_some() {
            return Err(Failure::error(format!(
                "a rehearsal performs no handshake outside of the cluster: {host} was not asked"
            )));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let timeout = self.timeout.0.min(context.remaining());
        let answer =
            direct_tls((bare, self.number()), &question.name, &question.trust, timeout).await;
        let mut item = shown(judge(answer)?, question);
        item["port"] = self.number().into();
        let summary = summary(&item);
        Ok(Output::new(item, summary))
    }

    /// Through port-forwards.
    async fn ask_pods(
        &self,
        context: &Context,
        target: &Target,
        question: &Handshake,
    ) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let place = target.namespace(&context.namespace);
        let entry = match (&target.which, builtin("Service")) {
            (Which::Name(name), Some(kind)) if is_service(target) => {
                let service = cluster.get(&kind, Some(place), name).await?;
                let entry = port::of_service(&service, self.port.as_ref());
                Some(entry.map_err(Failure::error)?.clone())
            }
            _ => None,
        };
        let mut pods = pods_of(context, target, self.pods).await?;
        // a Service leads to its ready pods
        if entry.is_some() && pods.iter().any(is_ready) {
            pods.retain(is_ready);
        }
        let one = self.pods == Pods::One || target.is_one_pod();
        let fan_out = Question { context, target, reads: true, one };
        let entry = &entry;
        let timeout = self.timeout.0.min(context.remaining());
        let mut output = each_pod(fan_out, &pods, |name, pod| async move {
            let port = match entry {
                Some(entry) => port::behind(entry, &pod),
                None => port::of_pod(&pod, self.port.as_ref(), None),
            };
            let port = port.map_err(Failure::error)?;
            let at = (place, name.as_str(), port);
            let answer = cluster.forward_tls(at, &question.name, &question.trust, timeout).await;
            let mut fields = shown(judge(answer)?, question);
            fields["port"] = port.into();
            Item::Ok(fields.as_object().cloned().unwrap_or_default())
        })
        .await?;
        output.summary = match output.value.as_array() {
            Some(items) => {
                let good = items.iter().filter(|item| item["verified"] == true).count();
                format!("{good} of {} verified", items.len())
            }
            None => summary(&output.value),
        };
        Ok(output)
    }
}

/// Whether a text can be nothing but a name or an address.
fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

fn is_service(target: &Target) -> bool {
    builtin(&target.kind).is_some_and(|kind| kind.kind == "Service")
}

/// What a server did, or that it refused the connection or stayed silent. Not being able to ask is
/// no answer.
fn judge(answer: Result<TlsAnswer, Error>) -> Result<Result<TlsAnswer, String>, Failure> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match error.kind {
            ErrorKind::ConnectionRefused => Ok(Err(error.message)),
            // with a Status it is the API server that ran out of time
            ErrorKind::Timeout if error.status.is_none() => Ok(Err(error.message)),
            _ => Err(error.into()),
        },
    }
}

/// The fields of an item.
fn shown(answer: Result<TlsAnswer, String>, question: &Handshake) -> Value {
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => {
            let mut fields = nothing(question);
            fields["reason"] = reason.into();
            return fields;
        }
    };
    let mut fields = nothing(question);
    fields["connected"] = true.into();
    fields["handshake"] = answer.failed.is_none().into();
    fields["version"] = json!(answer.version);
    fields["reason"] = json!(answer.failed);
    if !answer.chain.is_empty() {
        let said = certificate::of_chain(&answer.chain);
        for key in ["subject", "issuer", "names", "not_before", "not_after", "chain"] {
            fields[key] = said[key].clone();
        }
        fields["expires_in_s"] = json!(certificate::expires_in(&said, question.now));
    }
    if let Some(verified) = answer.verified {
        fields["verified"] = verified.is_ok().into();
        fields["why_not"] = json!(verified.err());
    }
    fields
}

/// The fields of a connection at which nothing was seen.
fn nothing(question: &Handshake) -> Value {
    Value::Object(item([
        ("port", Value::Null),
        ("server_name", json!(question.shown)),
        ("connected", json!(false)),
        ("handshake", json!(false)),
        ("version", Value::Null),
        ("subject", Value::Null),
        ("issuer", Value::Null),
        ("names", json!([])),
        ("not_before", Value::Null),
        ("not_after", Value::Null),
        ("expires_in_s", Value::Null),
        ("chain", json!([])),
        ("verified", Value::Null),
        ("why_not", Value::Null),
        ("reason", Value::Null),
    ]))
}

fn summary(item: &Value) -> String {
    match (item["verified"].as_bool(), item["handshake"].as_bool()) {
        (Some(true), _) => "verified".to_owned(),
        (Some(false), _) => "not verified".to_owned(),
        (None, _) => "no handshake".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(value: Value) -> Tls {
        serde_json::from_value(value).unwrap()
    }

    fn question() -> Handshake {
        let (shown, name) = tls(json!({"host": "shop.example"})).named("n").unwrap();
        let now = "2020-12-31T00:00:00Z".parse().unwrap();
        let authority = include_str!("../../tests/cli/fixtures/authority.pem");
        Handshake { name, shown, trust: Trust::new(Some(authority)).unwrap(), now }
    }

    #[test]
    fn what_a_server_presents_is_an_answer_whether_it_is_trusted_or_not() {
        let der = include_bytes!("../../tests/cli/fixtures/expired.der").to_vec();
        let answer = TlsAnswer {
            failed: None,
            version: Some("TLS 1.3".to_owned()),
            chain: vec![der],
            verified: Some(Err("certificate expired".to_owned())),
        };
        let item = shown(Ok(answer), &question());
        assert_eq!(
            (&item["names"], &item["not_after"], &item["expires_in_s"], &item["verified"]),
            (&json!(["127.0.0.1"]), &json!("2021-01-01T00:00:00Z"), &json!(86_400), &json!(false))
        );
        let verb = tls(json!({"host": "shop.example"}));
        assert_eq!(verb.wrong(&item).unwrap().reason, "certificate expired");
        let silent = shown(Err("nothing listens".to_owned()), &question());
        assert_eq!((&silent["connected"], &silent["verified"]), (&json!(false), &Value::Null));
        assert_eq!(verb.wrong(&silent).unwrap().reason, "nothing listens");
    }

    #[test]
    fn faults_names_and_lines_by_hand() {
        for (value, good) in [
            (json!({"target": "service/web", "port": 443}), true),
            (json!({"host": "shop.example"}), true),
            (json!({}), false),
            (json!({"host": "a", "target": "pod/b"}), false),
            (json!({"host": "https://shop.example"}), false),
            (json!({"host": "a", "port": "https"}), false),
            (json!({"target": "pod/b", "server_name": "not a name"}), false),
        ] {
            assert_eq!(tls(value.clone()).check().is_ok(), good, "{value}");
        }
        let service = tls(json!({"target": "service/web", "port": 443}));
        assert_eq!(
            service.manual_commands("shop"),
            [
                "kubectl port-forward -n shop service/web 443:443 &",
                "openssl s_client -connect localhost:443 -servername web.shop.svc -showcerts \
                    </dev/null"
            ]
        );
        let host = tls(json!({"host": "::1", "port": 8443}));
        assert_eq!(host.url("::1"), "https://[::1]:8443/");
    }
}
