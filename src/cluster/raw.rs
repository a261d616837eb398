//! GETs paths of the API server as they are.

use std::time::Duration;
use tokio::time::Instant;

use serde_json::Value;

use super::client::Cluster;
use super::error::Error;
use super::http::{HttpAnswer, broken, get_as, no_answer, read_answer};

impl Cluster {
    /// What the API server answers to a GET of this path and query, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get_raw(
        &self,
        path: &str,
        timeout: Duration,
        limit: usize,
    ) -> Result<HttpAnswer, Error> {
        let doing = self.doing("get", path);
        let exchange = async {
            let started = Instant::now();
            let response = self.send_raw(&doing, get_as(path, "application/json, */*")).await?;
            read_answer(response, limit, started).await.map_err(|error| broken(path, &error))
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(path, timeout)),
        }
    }

    /// The JSON document at a path, which is called this in errors.
    ///
    /// # Errors
    /// Any failure; an error status is one.
    pub async fn get_document(&self, path: &str, what: &str) -> Result<Value, Error> {
        self.get_json(&self.doing("get", what), path).await
    }
}
