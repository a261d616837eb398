//! A write request and its options.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::body;
use crate::server::request::{Query, ResourceRequest};
use crate::server::status::{FieldError, Status};

/// How strictly unknown fields are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    /// They are dropped, with or without a warning.
    Lenient,
    /// They are refused.
    Strict,
}

/// Everything about a write, the object that is there already apart.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a ResourceRequest,
    pub(crate) query: &'a Query,
    pub(crate) verb: &'static str,
    /// Who owns the fields that are written.
    pub(crate) manager: String,
    pub(crate) validation: Validation,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) dry_run: bool,
    pub(crate) now: Timestamp,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(
        target: &'a ResourceRequest,
        query: &'a Query,
        method: &Method,
        headers: &HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Self {
        let text = |name: header::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let agent = text(header::USER_AGENT).split('/').next().unwrap_or_default();
        let content_type =
            text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned();
        let mut asked = Self {
            target,
            query,
            verb: target.verb(method, query),
            manager: query
                .get("fieldManager")
                .unwrap_or(if agent.is_empty() { "unknown" } else { agent })
                .to_owned(),
            validation: if query.get("fieldValidation") == Some("Strict") {
                Validation::Strict
            } else {
                Validation::Lenient
            },
            content_type,
            body,
            dry_run: false,
            now,
        };
        asked.dry_run = !query.all("dryRun").all(str::is_empty)
            || asked.options().is_ok_and(|options| !dry_run(&options).is_empty());
        asked
    }

    /// The name in the path.
    pub(crate) fn name(&self) -> &'a str {
        self.target.name.as_deref().unwrap_or_default()
    }

    /// The `DeleteOptions` of a deletion or an eviction; null for other writes, or when there are
    /// none.
    pub(crate) fn options(&self) -> Result<Value, Status> {
        let eviction = self.target.subresource.as_deref() == Some("eviction");
        if self.body.is_empty() || !(eviction || matches!(self.verb, "delete" | "deletecollection"))
        {
            return Ok(Value::Null);
        }
        let body = body::object(&self.content_type, &self.body)?;
        Ok(if eviction { body["deleteOptions"].clone() } else { body })
    }

    /// Refuses parameters that a server does not understand. A dry run that is misspelt must not
    /// become a write.
    pub(crate) fn check(&self) -> Result<(), Status> {
        let kind = match self.verb {
            "create" => "CreateOptions",
            "update" => "UpdateOptions",
            "patch" => "PatchOptions",
            _ => "DeleteOptions",
        };
        let refuse = |mistake| Err(Status::invalid(kind, "meta.k8s.io", "", &[mistake]));
        let options = self.options()?;
        let asked = self
            .query
            .all("dryRun")
            .filter(|value| !value.is_empty())
            .map(|value| json!(value))
            .chain(dry_run(&options));
        if let Some(other) = asked.into_iter().find(|value| value != "All") {
            return refuse(FieldError::unsupported("dryRun", &other, &["All"]));
        }
        if let Some(other) = self
            .query
            .get("fieldValidation")
            .filter(|value| !matches!(*value, "Ignore" | "Warn" | "Strict"))
        {
            return refuse(FieldError::unsupported(
                "fieldValidation",
                &json!(other),
                &["Ignore", "Strict", "Warn"],
            ));
        }
        if self.manager.len() > 128 {
            return refuse(FieldError::invalid(
                "fieldManager",
                &json!(self.manager),
                "may not be more than 128 bytes",
            ));
        }
        let applies = self.content_type == super::patch::APPLY;
        if applies && self.query.get("fieldManager").is_none() {
            return refuse(FieldError::required("fieldManager", "is required for apply patch"));
        }
        if self.verb == "patch" && !applies && self.query.get("force").is_some() {
            return refuse(FieldError::forbidden(
                "force",
                "may not be specified for non-apply patch",
            ));
        }
        Ok(())
    }
}

fn dry_run(options: &Value) -> Vec<Value> {
    options["dryRun"].as_array().cloned().unwrap_or_default()
}
