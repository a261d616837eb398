//! Errors as the API server answers them: `Status` objects.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::kinds::Resource;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub(crate) struct FieldError {
    reason: &'static str,
    field: String,
    message: String,
}

impl FieldError {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {value}: {detail}"),
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {detail}"),
        }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value}"),
        }
    }

    pub(crate) fn absent(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueNotFound",
            field: field.into(),
            message: format!("Not found: {value}"),
        }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
        let message =
            format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }
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
        Self {
            details: Some(json!({})),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let mut details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        Self {
            details: Some(details),
            ..Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified()))
        }
    }

    pub(crate) fn namespace_not_found(name: &str) -> Self {
        Self {
            details: Some(json!({"name": name, "kind": "namespaces"})),
            ..Self::new(404, "NotFound", format!("namespaces \"{name}\" not found"))
        }
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self {
            details: Self::not_found(resource, name).details,
            ..Self::new(409, "AlreadyExists", message)
        }
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, reason: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {reason}",
            resource.qualified()
        );
        Self {
            details: Self::not_found(resource, name).details,
            ..Self::new(409, "Conflict", message)
        }
    }

    /// An object that was changed by somebody else in the meantime.
    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try \
                again",
        )
    }

    /// Fields of a server-side apply that others own: a message, and a cause for each field.
    pub(crate) fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        Self { details: Some(json!({"causes": causes})), ..Self::new(409, "Conflict", message) }
    }

    /// What a patch asks for cannot be done on this object.
    pub(crate) fn unprocessable(message: &str) -> Self {
        let details =
            json!({"causes": [{"reason": "UnexpectedServerResponse", "message": message}]});
        Self {
            details: Some(details),
            ..Self::new(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            )
        }
    }

    /// Fields that are wrong. The group is empty for the core.
    pub(crate) fn invalid(kind: &str, group: &str, name: &str, mistakes: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let all = if let [one] = texts.as_slice() {
            one.clone()
        } else {
            format!("[{}]", texts.join(", "))
        };
        let causes: Vec<Value> = mistakes
            .iter()
            .map(|mistake| {
                json!({"reason": mistake.reason,
            "message": mistake.message, "field": mistake.field})
            })
            .collect();
        let mut details = json!({});
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        details["kind"] = json!(kind);
        details["causes"] = json!(causes);
        Self {
            details: Some(details),
            ..Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {all}"))
        }
    }

    /// A disruption that a budget does not allow.
    pub(crate) fn disruption_budget(message: &str) -> Self {
        let details = json!({"causes": [{"reason": "DisruptionBudget", "message": message}]});
        Self {
            details: Some(details),
            ..Self::new(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
            )
        }
    }

    /// The server has too much to do.
    pub(crate) fn too_many_requests() -> Self {
        let details = json!({"retryAfterSeconds": 1});
        Self {
            details: Some(details),
            ..Self::new(429, "TooManyRequests", "too many requests, please try again later")
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )
        }
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::unsupported_media_types("application/json, application/vnd.kubernetes.protobuf")
    }

    /// A body in none of these forms.
    pub(crate) fn unsupported_media_types(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
                {accepted}"
        );
        Self { details: Some(json!({})), ..Self::new(415, "UnsupportedMediaType", message) }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            details: Some(json!({"causes": [{"message": message}]})),
            ..Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// A version that is still to come.
    pub(crate) fn too_large_version(wanted: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let details = json!({"causes": [{"reason": "ResourceVersionTooLarge",
            "message": "Too large resource version"}], "retryAfterSeconds": 1});
        Self { details: Some(details), ..Self::new(504, "Timeout", message) }
    }

    pub(crate) fn object(&self) -> Value {
        let mut object = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": self.message, "reason": self.reason});
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
        (status, [(header::CONTENT_TYPE, "application/json")], self.object().to_string())
            .into_response()
    }
}

/// A JSON answer.
pub(crate) fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
