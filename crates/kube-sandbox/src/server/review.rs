//! Access reviews: who the user is, and what the user may do.

use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::Server;
use super::protobuf;
use super::status::{Status, json_response};

/// The largest review that is read.
const LARGEST: usize = 64 * 1024;

pub(crate) async fn answer(
    server: &Server,
    kind: &str,
    request: Request,
) -> Result<Response, Status> {
    if request.method() != Method::POST {
        return Err(Status::method_not_allowed());
    }
    let impersonated = request
        .headers()
        .get("impersonate-user")
        .and_then(|user| user.to_str().ok())
        .map(str::to_owned);
    let mut review = read(kind, request).await?;
    if let Some(user) = &impersonated
        && denied(server, "impersonate", "", "users", "")
    {
        let message = format!(
            "users \"{user}\" is forbidden: User \"{}\" cannot impersonate resource \"users\" in \
                API group \"\" at the cluster scope",
            server.user
        );
        return Err(Status::forbidden("users", "", user, message));
    }
    review["status"] = match kind {
        "SelfSubjectReview" => who(server, impersonated.as_deref()),
        "SelfSubjectAccessReview" => access(server, &review["spec"]["resourceAttributes"]),
        _ => rules(server),
    };
    let mut response = json_response(&review);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// The review in the body of a request.
async fn read(kind: &str, request: Request) -> Result<Value, Status> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = axum::body::to_bytes(request.into_body(), LARGEST)
        .await
        .map_err(|error| Status::bad_request(error.to_string()))?;
    let unreadable = |reason: &str| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {reason}"
        ))
    };
    let review: Value = match content_type.as_ref().map(http::HeaderValue::as_bytes) {
        Some(b"application/vnd.kubernetes.protobuf") => {
            protobuf::review(kind, &body).ok_or_else(|| unreadable("the message cannot be read"))?
        }
        Some(other) if !other.starts_with(b"application/json") => {
            return Err(Status::unsupported_media_type());
        }
        _ => serde_json::from_slice(&body).map_err(|error| unreadable(&error.to_string()))?,
    };
    if review.is_object() { Ok(review) } else { Err(unreadable("it is not an object")) }
}

fn denied(server: &Server, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
    server.world().denials.iter().any(|denial| denial.forbids(verb, group, resource, namespace))
}

/// Who the user is.
fn who(server: &Server, impersonated: Option<&str>) -> Value {
    match impersonated {
        // as a real server: of the user who is impersonated no group is known but that of all who
        // are somebody
        Some(user) => json!({"userInfo": {"username": user, "groups": ["system:authenticated"]}}),
        None => json!({"userInfo": {"username": &*server.user,
            "groups": ["sandbox:operators", "system:authenticated"]}}),
    }
}

/// Whether the user may do one thing.
fn access(server: &Server, attributes: &Value) -> Value {
    let text = |field: &str| attributes[field].as_str().unwrap_or_default();
    let resource = if text("subresource").is_empty() {
        text("resource").to_owned()
    } else {
        format!("{}/{}", text("resource"), text("subresource"))
    };
    if denied(server, text("verb"), text("group"), &resource, text("namespace")) {
        json!({"allowed": false})
    } else {
        json!({"allowed": true, "reason": "allowed by the sandbox"})
    }
}

/// What the user may do, as rules; these only allow, so that they are incomplete if something is
/// denied.
fn rules(server: &Server) -> Value {
    let rule = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    let restricted = !server.world().denials.is_empty();
    json!({"resourceRules": [rule],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": restricted})
}
