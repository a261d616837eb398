//! Reads container logs, up to a limit.

use std::time::Duration;

use http::Request;
use kube::client::Body;

use super::answer;
use super::client::{Cluster, collect};
use super::error::{Error, ErrorKind};
use super::http::query;
use crate::api::resource::builtin;
use crate::diagnosis::pod::default_container;

/// Which part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; the pod's default container when none.
    pub container: Option<String>,
    /// The log of the container before its last restart.
    pub previous: bool,
    /// Only lines at most this old; rounded up to whole seconds.
    pub since: Option<Duration>,
    /// Only this many lines from the end.
    pub tail: Option<i64>,
    /// The most bytes to read, from the start of the selected part.
    pub limit_bytes: u64,
    /// Whether each line starts with its time (RFC 3339).
    pub timestamps: bool,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            container: None,
            previous: false,
            since: None,
            tail: None,
            limit_bytes: 16 * 1024 * 1024,
            timestamps: false,
        }
    }
}

/// A log as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogText {
    /// Whole lines; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Whether the cap cut it: what came later is missing.
    pub truncated: bool,
}

impl Cluster {
    /// Reads a log.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the server's text when there is no log to read: the container
    /// waits to start, or there is no previous one.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<LogText, Error> {
        match self.read_log(namespace, pod, options.container.as_deref(), options).await {
            Err(error) if needs_container(&error) && options.container.is_none() => {
                let container = self.choose_container(namespace, pod).await?;
                self.read_log(namespace, pod, Some(&container), options).await
            }
            other => other,
        }
    }

    async fn read_log(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        options: &LogOptions,
    ) -> Result<LogText, Error> {
        let doing = self.doing("read", format!("the logs of pod {pod} in namespace {namespace}"));
        let mut parameters = Vec::new();
        if let Some(container) = container {
            parameters.push(("container", container.to_owned()));
        }
        if options.previous {
            parameters.push(("previous", "true".to_owned()));
        }
        if let Some(since) = options.since {
            let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
            parameters.push(("sinceSeconds", seconds.max(1).to_string()));
        }
        if let Some(tail) = options.tail {
            parameters.push(("tailLines", tail.to_string()));
        }
        if options.timestamps {
            parameters.push(("timestamps", "true".to_owned()));
        }
        // One byte more than wanted tells a log that fits from one that was cut.
        parameters.push(("limitBytes", options.limit_bytes.saturating_add(1).to_string()));
        let path = format!("{}/log{}", pod_path(namespace, pod)?, query(&parameters));
        let limit = usize::try_from(options.limit_bytes).unwrap_or(usize::MAX);
        let exchange = async {
            let response = self.send(&doing, Request::get(path).body(Body::empty())).await?;
            collect(&doing, response.into_body(), limit).await
        };
        let (bytes, whole) = match tokio::time::timeout(self.request_timeout(), exchange).await {
            Ok(result) => result?,
            Err(_) => return Err(doing.timed_out(self.request_timeout())),
        };
        let kept = if whole {
            &bytes[..]
        } else {
            // Half a line could be taken for a whole one.
            let end =
                bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
            &bytes[..end]
        };
        Ok(LogText { text: String::from_utf8_lossy(kept).into_owned(), truncated: !whole })
    }

    /// The container that kubectl would take for this pod.
    pub(super) async fn choose_container(
        &self,
        namespace: &str,
        pod: &str,
    ) -> Result<String, Error> {
        let path = pod_path(namespace, pod)?;
        let doing = self.doing("get", format!("pod {pod} in namespace {namespace}"));
        let object = self.get_json(&doing, &path).await?;
        let object = match builtin("Pod") {
            Some(pods) => answer::object(&doing, &pods, namespace, pod, object)?,
            None => object,
        };
        default_container(&object).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!("pod {pod:?} in namespace {namespace:?} has no containers"),
            )
        })
    }
}

/// The path of a pod.
pub(super) fn pod_path(namespace: &str, pod: &str) -> Result<String, Error> {
    match builtin("Pod") {
        Some(pods) => pods.object(namespace, pod),
        None => Err(Error::new(ErrorKind::Unsupported, "no built-in kind \"Pod\"")),
    }
}

/// The server chooses only where there is no choice.
pub(super) fn needs_container(error: &Error) -> bool {
    error.kind == ErrorKind::Invalid && error.message.contains("a container name must be specified")
}
