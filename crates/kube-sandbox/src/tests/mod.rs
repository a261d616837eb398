//! The sandbox as its clients see it: over HTTP, with the real client; on the world that the
//! program carries.

mod api;
mod controllers;
pub(crate) mod plain;
mod planted;
mod recorded;
mod scenarios;
mod schedules;
mod workloads;
mod worlds;
mod writes;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{AttachParams, ListParams, LogParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Options, Sandbox, SandboxError, World, start};

/// The world of this repository.
pub(crate) fn petrosa() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| world("petrosa")).clone()
}

/// A world of the program.
pub(crate) fn world(name: &str) -> World {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds").join(name);
    World::from_files(files(&root, "")).unwrap()
}

/// The files of a folder, by their names within it.
fn files(folder: &Path, within: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            all.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            all.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    all
}

struct Cluster {
    client: Client,
    _sandbox: Sandbox,
}

async fn cluster(scenario: &str) -> Cluster {
    cluster_with(Options { scenario: scenario.to_owned(), ..Options::default() }).await
}

async fn cluster_with(options: Options) -> Cluster {
    connected(start(&petrosa(), options).await.unwrap()).await
}

async fn connected(sandbox: Sandbox) -> Cluster {
    let kubeconfig = Kubeconfig::from_yaml(&sandbox.kubeconfig()).unwrap();
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Cluster { client: Client::try_from(config).unwrap(), _sandbox: sandbox }
}

impl Cluster {
    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    async fn get(&self, path: &str) -> Result<Value, (u16, String)> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client.request_text(request).await {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            Err(kube::Error::Api(status)) => Err((status.code, status.message)),
            Err(other) => panic!("{path}: {other}"),
        }
    }

    async fn names(&self, selector: &str) -> Vec<String> {
        let list = self.pods().list(&ListParams::default().labels(selector)).await.unwrap();
        list.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect()
    }

    async fn bots(&self) -> Vec<String> {
        self.names("app=petrosa-ta-bot").await
    }

    async fn health(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for bot in self.bots().await {
            all.push(
                self.get(&format!("/api/v1/namespaces/petrosa-apps/pods/{bot}:8080/proxy/health"))
                    .await
                    .unwrap(),
            );
        }
        all
    }

    async fn logs(&self) -> String {
        let mut all = String::new();
        for bot in self.bots().await {
            all.push_str(
                &self
                    .pods()
                    .logs(&bot, &LogParams { since_seconds: Some(30), ..LogParams::default() })
                    .await
                    .unwrap(),
            );
        }
        all
    }

    async fn query(&self, query: &str) -> Result<Value, (u16, String)> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query?query={query}"))
            .await
            .map(|answer| answer["data"]["result"].clone())
    }

    /// Standard output, standard error, and the exit code or the error.
    async fn exec(&self, pod: &str, command: &[&str]) -> (String, String, Result<i32, String>) {
        let mut process =
            self.pods().exec(pod, command.iter().copied(), &AttachParams::default()).await.unwrap();
        let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
        let status = process.take_status().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        let (one, other, status) =
            tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err), status);
        one.unwrap();
        other.unwrap();
        let status = status.unwrap();
        let code = if status.status.as_deref() == Some("Success") {
            Ok(0)
        } else {
            let cause = status
                .details
                .and_then(|details| details.causes)
                .unwrap_or_default()
                .into_iter()
                .find(|cause| cause.reason.as_deref() == Some("ExitCode"));
            cause
                .map(|cause| cause.message.unwrap().parse().unwrap())
                .ok_or_else(|| status.message.unwrap())
        };
        (out, err, code)
    }
}

fn field<'a>(all: &'a [Value], pointer: &str) -> Vec<&'a Value> {
    all.iter().map(|one| one.pointer(pointer).unwrap_or(&Value::Null)).collect()
}
