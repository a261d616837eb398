//! Errors as the API server answers them: `Status` objects.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::sandbox::kinds::Resource;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(resource: &str, group: &str, name: &str, message: String) -> Self {
        let mut details = json!({"kind": resource});
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        Self { details: Some(details), ..Self::new(403, "Forbidden", message) }
    }

    /// A path that leads nowhere.
    pub(crate) fn no_such_path() -> Self {
        Self { details: Some(json!({})), ..Self::new(404, "NotFound", "the server could not find the requested resource") }
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let mut details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        Self { details: Some(details), ..Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified())) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self { details: Some(json!({})), ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource") }
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/vnd.kubernetes.protobuf";
        Self { details: Some(json!({})), ..Self::new(415, "UnsupportedMediaType", message) }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { details: Some(json!({"causes": [{"message": message}]})), ..Self::new(500, "InternalError", format!("Internal error occurred: {message}")) }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// A version that is still to come.
    pub(crate) fn too_large_version(wanted: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
        Self { details: Some(details), ..Self::new(504, "Timeout", message) }
    }

    pub(crate) fn object(&self) -> Value {
        let mut object = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason});
        if let Some(details) = &self.details {
            object["details"] = details.clone();
        }
        object["code"] = json!(self.code);
        object
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/json")], self.object().to_string()).into_response()
    }
}

/// A JSON answer.
pub(crate) fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
