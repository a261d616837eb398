//! `http`: a request to every pod, to a service, or to a URL.

use super::exec::{Tried, exec_permissions, try_in};
use super::fan::{Item, as_json, each_pod, item, pods_of, quote};
use super::reach::{answered, reach, reach_permissions, summary};
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use crate::event::Effect;
use crate::cluster::pod::default_container;
use bytes::Bytes;
use http::Request;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Sends an HTTP request. On a workload or a selector of pods the output is a list with one item a pod; on one pod, on a service, on a URL and
/// with `pods: one` it is that item: `{pod, status, headers, body, json, elapsed_ms, refused, reason}`. `status` is null where the
/// target refused the connection or did not answer in time; then `reason` says so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What answers: a workload, a pod, a service.
    pub target: Option<Target>,
    /// Port of the pod, or of the service: a number or a name.
    pub port: Option<Port>,
    /// Path and query.
    #[serde(default = "root")]
    pub path: String,
    /// A whole URL instead of target, port and path, for `via: direct` and `via: pod`.
    pub url: Option<String>,
    /// How the request travels.
    #[serde(default)]
    pub via: Via,
    /// With `via: pod`: the pods that send the request.
    pub from: Option<Target>,
    /// Method.
    #[serde(default)]
    pub method: Method,
    /// Headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Body; anything but a string is sent as JSON.
    pub body: Option<Value>,
    /// How long one answer may take.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn root() -> String {
    "/".to_owned()
}

fn five_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(5))
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// The name of a container's or a service's port.
    Name(String),
}

/// How a request travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Through a port-forward inside this program; no local port is opened.
    #[default]
    Forward,
    /// Through the API server's proxy; needs `pods/proxy` or `services/proxy`.
    Proxy,
    /// From inside the pods of `from`, with curl, wget or python3, whichever the image has: their network policies apply.
    Pod,
    /// From this machine.
    Direct,
}

/// Request method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// Most bytes of a body.
pub(super) const LIMIT: usize = 4 << 20;

impl Verb for Http {
    fn effect(&self) -> Effect {
        if matches!(self.method, Method::Get | Method::Head) { Effect::Read } else { Effect::Opaque }
    }

    fn check(&self) -> Result<(), String> {
        match (&self.target, &self.url, self.via) {
            (Some(_), Some(_), _) => Err("either `target` with `port` and `path`, or a whole `url`".to_owned()),
            (None, None, _) => Err("needs a `target` or a `url`".to_owned()),
            (None, Some(_), Via::Forward | Via::Proxy) => Err("a `url` travels `via: direct` or `via: pod`".to_owned()),
            (Some(_), None, Via::Direct) => Err("`via: direct` needs a `url`".to_owned()),
            (_, None, Via::Pod) => Err("`via: pod` needs a `url`".to_owned()),
            (_, _, Via::Pod) if self.from.is_none() => Err("`via: pod` needs `from`: the pods that send the request".to_owned()),
            (_, _, Via::Forward | Via::Proxy | Via::Direct) if self.from.is_some() => Err("`from` is for `via: pod`".to_owned()),
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        if let (Via::Pod, Some(from)) = (self.via, &self.from) {
            return exec_permissions(from, namespace);
        }
        self.target.as_ref().map(|target| reach_permissions(target, self.via, namespace)).unwrap_or_default()
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let mut curl = vec!["curl -sS".to_owned()];
        if self.method != Method::Get {
            curl.push(format!("-X {}", self.method.as_str()));
        }
        curl.extend(self.headers.iter().map(|(name, value)| format!("-H {}", quote(&format!("{name}: {value}")))));
        curl.extend(self.body.as_ref().map(|body| format!("-d {}", quote(&body.as_str().map_or_else(|| body.to_string(), str::to_owned)))));
        match (&self.target, &self.url) {
            (Some(target), _) => {
                let port = self.port.as_ref().map_or_else(|| "PORT".to_owned(), Port::to_string);
                curl.push(quote(&format!("http://localhost:8080{}", self.path)));
                vec![
                    format!("kubectl port-forward -n {} {} 8080:{port} &   # one pod at a time", quote(target.namespace(namespace)), target.kubectl()),
                    curl.join(" "),
                ]
            }
            (None, Some(url)) => {
                curl.push(quote(url));
                let prefix = self.from.as_ref().map(|from| format!("kubectl exec -n {} {} -- ", quote(from.namespace(namespace)), from.kubectl()));
                vec![format!("{}{}", prefix.unwrap_or_default(), curl.join(" "))]
            }
            (None, None) => Vec::new(),
        }
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let mut output = match (&self.target, &self.url) {
            (Some(target), _) => self.to_target(context, target).await?,
            (None, Some(url)) if self.via == Via::Pod => self.sent_by_pods(context, url).await?,
            (None, url) => {
                let request = self.request(url.as_deref().unwrap_or_default())?;
                let answer = crate::cluster::direct_http(request, self.timeout.0.min(context.remaining()), LIMIT).await;
                Output::new(Value::Object(answered(answer)?), "")
            }
        };
        output.summary = summary(&output);
        Ok(output)
    }
}

impl Http {
    async fn to_target(&self, context: &Context, target: &Target) -> Result<Output, Failure> {
        let timeout = self.timeout.0.min(context.remaining());
        let request = self.request(&self.path)?;
        reach(context, target, self.port.as_ref(), self.via, self.pods, &request, timeout).await
    }

    fn request(&self, uri: &str) -> Result<Request<Bytes>, Failure> {
        let mut request = Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = match &self.body {
            None => Bytes::new(),
            Some(Value::String(text)) => Bytes::from(text.clone()),
            Some(value) => {
                request = request.header("content-type", "application/json");
                Bytes::from(value.to_string())
            }
        };
        request.body(body).map_err(|error| Failure::error(format!("not a request: {error}")))
    }

    /// The request from inside each pod, with whatever client the image has.
    async fn sent_by_pods(&self, context: &Context, url: &str) -> Result<Output, Failure> {
        let Some(from) = &self.from else { return Err(Failure::error("no pods to send from")) };
        let pods = pods_of(context, from, self.pods).await?;
        let namespace = from.namespace(&context.namespace);
        let one = self.pods == Pods::One || from.is_one_pod();
        each_pod(&pods, one, |name, pod| async move {
            let container = default_container(&pod);
            for client in [Client::Curl, Client::Wget, Client::Python] {
                let Some(command) = self.command(client, url) else { continue };
                let begun = std::time::Instant::now();
                if let Tried::Done(done) = try_in(context, namespace, &name, container.as_deref(), &command).await? {
                    return client.item(done.code, &done.stdout, &done.stderr, begun.elapsed());
                }
            }
            Err(Failure::error(format!("the image of pod/{name} has no HTTP client: tried curl, wget and python3")))
        })
        .await
    }

    fn command(&self, client: Client, url: &str) -> Option<Vec<String>> {
        let seconds = self.timeout.0.as_secs_f64().max(1.0).ceil().to_string();
        let body = self.body.as_ref().map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
        let mut words: Vec<String> = Vec::new();
        let mut add = |list: &[&str]| words.extend(list.iter().map(|word| (*word).to_owned()));
        match client {
            Client::Curl => {
                add(&["curl", "-sS", "-m", &seconds, "-X", self.method.as_str(), "-w", "\n%{http_code}"]);
                for (name, value) in &self.headers {
                    add(&["-H", &format!("{name}: {value}")]);
                }
                if let Some(body) = &body {
                    add(&["--data-binary", body]);
                }
            }
            // plain wget can only ask
            Client::Wget if self.method != Method::Get || body.is_some() => return None,
            Client::Wget => {
                add(&["wget", "-q", "-O", "-", "-T", &seconds]);
                for (name, value) in &self.headers {
                    add(&["--header", &format!("{name}: {value}")]);
                }
            }
            Client::Python => {
                let headers = serde_json::to_string(&self.headers).unwrap_or_default();
                add(&["python3", "-c", PYTHON, self.method.as_str(), &seconds, &headers, body.as_deref().unwrap_or_default()]);
            }
        }
        add(&[url]);
        Some(words)
    }
}

/// The same answer as curl's: body, a line with the status; exit codes as curl's.
const PYTHON: &str = "import sys,json,socket,urllib.request,urllib.error
method,seconds,headers,body,url=sys.argv[1:]
r=urllib.request.Request(url,method=method,headers=json.loads(headers),data=body.encode() or None)
try: a=urllib.request.urlopen(r,timeout=float(seconds))
except urllib.error.HTTPError as e: a=e
except Exception as e:
 w=getattr(e,'reason',e)
 print(w,file=sys.stderr)
 sys.exit(6 if isinstance(w,socket.gaierror) else 7 if isinstance(w,ConnectionRefusedError) else 28 if isinstance(w,(socket.timeout,TimeoutError)) else 56)
sys.stdout.write(a.read().decode('utf-8','replace')+'\\n'+str(a.getcode() if hasattr(a,'getcode') else a.code))";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Curl,
    Wget,
    Python,
}

impl Client {
    /// What a client's end says about the target.
    fn item(self, code: i32, stdout: &str, stderr: &str, elapsed: std::time::Duration) -> Item {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let answer = |status: Option<u16>, body: &str, refused: bool, reason: &str| {
            Ok(item([
                ("status", status.into()),
                ("headers", json!({})),
                ("body", body.into()),
                ("json", as_json(body)),
                ("elapsed_ms", elapsed_ms.into()),
                ("refused", refused.into()),
                ("reason", if reason.is_empty() { Value::Null } else { reason.trim().into() }),
            ]))
        };
        match self {
            Self::Wget => {
                let text = stderr.to_lowercase();
                let status = text.split("error ").nth(1).or_else(|| text.split("http/1.1 ").nth(1)).and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
                match (code, status) {
                    (0, _) => answer(Some(200), stdout, false, ""),
                    (_, Some(status)) => answer(Some(status), stdout, false, stderr),
                    _ => answer(None, "", text.contains("refused"), stderr),
                }
            }
            Self::Curl | Self::Python => {
                let (body, status) = stdout.rsplit_once('\n').unwrap_or(("", stdout));
                match (code, status.trim().parse::<u16>()) {
                    (0, Ok(status)) if status > 0 => answer(Some(status), body, false, ""),
                    (6, _) => answer(None, "", false, &format!("the name does not resolve: {stderr}")),
                    (7, _) => answer(None, "", true, &format!("the connection was refused: {stderr}")),
                    (28, _) => answer(None, "", false, &format!("no answer in time: {stderr}")),
                    (35 | 52 | 55 | 56 | 60, _) => answer(None, "", false, stderr),
                    _ => Err(Failure::error(format!("the HTTP client ended with {code}: {}", stderr.trim()))),
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Port;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a port: a number from 1 to 65535, or a name")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Port, E> {
                u16::try_from(number).ok().filter(|number| *number > 0).map(Port::Number).ok_or_else(|| E::custom(format!("{number} is not a port: it is between 1 and 65535")))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Port, E> {
                Err(E::custom(format!("{number} is not a port: it is between 1 and 65535")))
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Port, E> {
                if name.is_empty() { Err(E::custom("an empty port name")) } else { Ok(name.parse().map_or_else(|_| Port::Name(name.to_owned()), Port::Number)) }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Method {
    /// As in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
