//! What expressions can ask the network.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::json;

use super::context::{AppContext, Request};
use super::memory::Memory;
use crate::snapshot::{Reach, Resolution};
use netpol_evaluator::Protocol;

pub(crate) fn register(environment: &mut Environment<'static>) {
    environment.add_function("tcp", |state: &State<'_, '_>, address: String| {
        answer(state, |this| outcome(this, connect(this, &address).map(|_| ())))
    });
    environment.add_function("mysql_login", |state: &State<'_, '_>, uri: Option<String>| {
        answer(state, |this| outcome(this, mysql(this, uri.as_deref().unwrap_or_default())))
    });
    environment.add_function("nats_connect", |state: &State<'_, '_>, url: Option<String>| {
        answer(state, |this| outcome(this, nats(this, url.as_deref().unwrap_or_default())))
    });
    environment.add_function("http_get", |state: &State<'_, '_>, url: String| {
        answer(state, |this| http_get(this, &url))
    });
    environment.add_function("lease_holder", |state: &State<'_, '_>, name: String| {
        answer(state, |this| {
            json!(
                this.snapshot
                    .holders
                    .get(&(this.state().network.namespace.clone(), name))
                    .cloned()
                    .unwrap_or_default()
            )
        })
    });
    remembering(environment);
    environment.add_function("values_of", |state: &State<'_, '_>, app: String, value: String| {
        answer(state, |this| values_of(this, &app, &value))
    });
    environment.add_function(
        "time",
        |state: &State<'_, '_>, format: String, seconds: Option<i64>| {
            answer(state, |this| {
                let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
                let at = at.unwrap_or_else(|| this.watch.read());
                // a format that strftime does not know is written as it is
                let written = jiff::fmt::strtime::format(&format, at);
                json!(written.unwrap_or(format))
            })
        },
    );
    environment.add_function("words", |text: Option<String>| -> Vec<String> {
        text.unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    });
    environment.add_function("version_at_least", |version: Option<String>, least: String| {
        version_numbers(&version.unwrap_or_default()) >= version_numbers(&least)
    });
}

/// What processes keep, by themselves and together.
fn remembering(environment: &mut Environment<'static>) {
    fn own(this: &Arc<AppContext>) -> (&Memory, &str, &str) {
        let pod = &this.state().network;
        (&this.snapshot.memory, &pod.namespace, &pod.name)
    }
    environment.add_function("happened", |state: &State<'_, '_>, name: String| {
        answer(state, |this| {
            let (memory, namespace, pod) = own(this);
            json!(memory.happened(namespace, pod, &name, this.watch.read()))
        })
    });
    environment.add_function("count", |state: &State<'_, '_>, name: String| {
        answer(state, |this| {
            let (memory, namespace, pod) = own(this);
            memory.count(namespace, pod, &name, this.watch.read());
            json!(null)
        })
    });
    environment.add_function("recall", |state: &State<'_, '_>, name: String| {
        answer(state, |this| {
            let (memory, namespace, pod) = own(this);
            memory.recall(namespace, pod, &name).unwrap_or_default()
        })
    });
    environment.add_function("remember", |state: &State<'_, '_>, name: String, value: Value| {
        answer(state, |this| {
            let (memory, namespace, pod) = own(this);
            memory.remember(namespace, pod, &name, json!(value));
            json!(null)
        })
    });
    environment.add_function("stored", |state: &State<'_, '_>, name: String| {
        answer(state, |this| {
            let (memory, namespace, _) = own(this);
            memory.stored(namespace, &name).unwrap_or_else(|| json!({}))
        })
    });
    environment.add_function("store", |state: &State<'_, '_>, name: String, value: Value| {
        answer(state, |this| {
            let (memory, namespace, _) = own(this);
            memory.store(namespace, &name, json!(value));
            json!(null)
        })
    });
    environment.add_function("merged", |one: Value, other: Value| {
        let mut map = json!(one).as_object().cloned().unwrap_or_default();
        map.extend(json!(other).as_object().cloned().unwrap_or_default());
        Value::from(Serde(map))
    });
    environment.add_function("without", |map: Value, key: String| {
        let mut map = json!(map).as_object().cloned().unwrap_or_default();
        map.shift_remove(&key);
        Value::from(Serde(map))
    });
    environment.add_function("containers", |state: &State<'_, '_>, value: String| {
        answer(state, |this| containers(this, &value))
    });
}

/// Every container that runs, with a value of its app.
fn containers(this: &AppContext, value: &str) -> serde_json::Value {
    let mut found = Vec::new();
    for (pod, state) in
        this.snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        for place in 0..state.containers.len() {
            if let Some(context) =
                AppContext::new(&this.snapshot, pod, place, &this.watch, this.depth + 1)
                    .map(Arc::new)
            {
                let network = &state.network;
                found.push(json!({
                    "namespace": network.namespace, "pod": network.name,
                    "container": state.containers[place].name, "cpu_limit": context.cpu_limit(),
                    "uptime": context.uptime(), "value": context.value(value),
                }));
            }
        }
    }
    json!(found)
}

fn answer<T: Serialize>(
    state: &State<'_, '_>,
    work: impl FnOnce(&Arc<AppContext>) -> T,
) -> Result<Value, Error> {
    let this = state.lookup("this").and_then(|this| this.downcast_object::<AppContext>());
    let this = this.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            "the network can only be asked by a running process",
        )
    })?;
    Ok(Value::from(Serde(work(&this))))
}

fn version_numbers(version: &str) -> Vec<u64> {
    // what follows the numbers, -rc.1 or +build, tells no feature
    let numbers = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    numbers.split('.').map_while(|part| part.parse().ok()).collect()
}

/// The outcome of a connection as the apps report it.
fn outcome(this: &Arc<AppContext>, result: Result<(), String>) -> Value {
    Value::from_object(Connected { this: Arc::clone(this), error: result.err() })
}

/// A connection that was tried. Its latency is made up when somebody asks for it.
#[derive(Debug)]
struct Connected {
    this: Arc<AppContext>,
    error: Option<String>,
}

impl Connected {
    /// A plausible latency that is the same in every run, and moves a little as time does.
    fn latency(&self) -> f64 {
        let second = self.this.watch.read().as_second();
        let drift = f64::from(u32::try_from(second.rem_euclid(7)).unwrap_or(0)) * 0.013;
        let name = self.this.state().network.name.bytes();
        let base = f64::from(u32::from(name.fold(0_u8, u8::wrapping_add)) % 40) * 0.01;
        ((0.4 + base + drift) * 1000.0).round() / 1000.0
    }
}

impl Object for Connected {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "ok" => Some(Value::from(self.error.is_none())),
            "error" => Some(self.error.clone().map_or_else(|| Value::from(()), Value::from)),
            "latency_ms" if self.error.is_none() => Some(Value::from(self.latency())),
            "latency_ms" => Some(Value::from(())),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["ok", "error", "latency_ms"])
    }
}

/// Connects to `host:port`; the error is what a Go program would print.
fn connect(this: &AppContext, address: &str) -> Result<(IpAddr, Reach), String> {
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| format!("dial tcp: address {address}: missing port in address"))?;
    let port: u16 =
        port.parse().map_err(|_| format!("dial tcp: address {address}: invalid port"))?;
    let addresses = match this.snapshot.resolve(this.pod, host) {
        Resolution::Addresses(addresses) => addresses,
        Resolution::NoSuchHost => {
            return Err(format!("dial tcp: lookup {host} on 10.96.0.10:53: no such host"));
        }
        Resolution::NoAnswer => return Err(format!("dial tcp: lookup {host}: i/o timeout")),
    };
    let Some(ip) = addresses.first().copied() else {
        return Err(format!("dial tcp: lookup {host}: no such host"));
    };
    match this.snapshot.reach(this.pod, ip, port, Protocol::Tcp) {
        reach @ (Reach::Pod { .. } | Reach::ApiServer) => Ok((ip, reach)),
        Reach::Refused => Err(format!("dial tcp {ip}:{port}: connect: connection refused")),
        Reach::TimedOut => Err(format!("dial tcp {ip}:{port}: i/o timeout")),
    }
}

/// The parts of `scheme://user:password@host:port/…` that matter to a client.
struct Uri<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    host: &'a str,
}

fn uri(text: &str) -> Option<Uri<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split('/').next()?;
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    (!host.is_empty()).then_some(Uri { scheme, user, password, host })
}

fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") }
}

fn mysql(this: &AppContext, text: &str) -> Result<(), String> {
    let uri =
        uri(text).filter(|uri| uri.scheme.starts_with("mysql")).ok_or("malformed mysql-uri")?;
    let (_, reach) = connect(this, &with_port(uri.host, 3306))?;
    let Reach::Pod { pod, port } = reach else {
        return Err("driver: bad connection".to_owned());
    };
    let container = this
        .snapshot
        .listener(pod, port, Protocol::Tcp)
        .map(|container| &this.snapshot.pods[pod].containers[container]);
    let Some(app) = container
        .and_then(|container| container.app)
        .map(|app| this.snapshot.apps.app(app))
        .filter(|app| !app.users.is_empty())
    else {
        return Err("driver: bad connection".to_owned());
    };
    if app.users.get(uri.user).is_some_and(|password| password == uri.password) {
        return Ok(());
    }
    let from = this.state().network.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let using = if uri.password.is_empty() { "NO" } else { "YES" };
    Err(format!(
        "Error 1045 (28000): Access denied for user '{}'@'{from}' (using password: {using})",
        uri.user
    ))
}

fn nats(this: &AppContext, text: &str) -> Result<(), String> {
    let uri = uri(text).ok_or_else(|| format!("parse \"{text}\": invalid URL"))?;
    match connect(this, &with_port(uri.host, 4222)) {
        Ok(_) => Ok(()),
        // the client library reports refused connections as the lack of servers
        Err(error) if error.ends_with("connection refused") => {
            Err("nats: no servers available for connection".to_owned())
        }
        Err(error) => Err(error),
    }
}

fn http_get(this: &AppContext, url: &str) -> Value {
    let failed = |reason: &str| {
        let error = format!("Get \"{url}\": {reason}");
        Value::from(Serde(json!({"ok": false, "error": error, "status": 0, "json": null})))
    };
    let Some(parsed) = uri(url).filter(|uri| uri.scheme == "http") else {
        return failed("unsupported protocol scheme");
    };
    let target =
        url.splitn(4, '/').nth(3).map_or_else(|| "/".to_owned(), |rest| format!("/{rest}"));
    match connect(this, &with_port(parsed.host, 80)) {
        Ok((_, Reach::Pod { pod, port })) => {
            let response = super::respond(
                &this.snapshot,
                pod,
                port,
                &Request::get(target),
                &this.watch,
                this.depth + 1,
            );
            match response {
                Some(response) => {
                    let none = Value::from(());
                    minijinja::context! {
                        ok => true, error => none, status => response.status,
                        json => response.parsed(),
                    }
                }
                None => failed("EOF"),
            }
        }
        Ok(_) => failed("EOF"),
        Err(error) if error.ends_with("i/o timeout") => {
            failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        }
        Err(error) => failed(&error),
    }
}

fn values_of(this: &AppContext, app: &str, value: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for (pod, state) in
        this.snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        for (place, container) in state.containers.iter().enumerate() {
            if container.app.is_some_and(|index| this.snapshot.apps.app(index).name == app)
                && let Some(context) =
                    AppContext::new(&this.snapshot, pod, place, &this.watch, this.depth + 1)
            {
                values.push(Arc::new(context).value(value));
            }
        }
    }
    values.retain(|value| !value.is_none());
    values
}

#[cfg(test)]
mod tests {
    use super::version_numbers;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let at_least = |version: &str| version_numbers(version) >= version_numbers("1.0.68");
        for version in ["1.0.68", "v1.0.69", "1.10.0", "1.0.101-rc.1", "1.0.100+build.7"] {
            assert!(at_least(version), "{version}");
        }
        for version in ["", "1.0.9", "0.9.70", "1.0"] {
            assert!(!at_least(version), "{version}");
        }
    }
}
