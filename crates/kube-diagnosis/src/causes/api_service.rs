//! API groups that another server serves and that do not answer.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{stated, text};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

pub(super) const KINDS: &[Kind] =
    &[Kind("api-service-unavailable", "is not available", &["APIService"])];

/// How long it may be away: its pods are replaced now and then.
const AWAY: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    view.of("APIService").iter().filter_map(|service| unavailable(view, service)).collect()
}

fn unavailable(view: &View<'_>, service: &Value) -> Option<Cause> {
    let state = stated(service, "Available", "False")?;
    let since = &state["lastTransitionTime"];
    if since.is_string() && !view.older(since, AWAY) {
        return None;
    }
    let to = &service["spec"]["service"];
    let hint = format!(
        "check service/{} in namespace {} and its pods",
        text(&to["name"]),
        text(&to["namespace"])
    );
    let (reason, message) = (text(&state["reason"]), text(&state["message"]));
    Some(
        Cause::new("api-service-unavailable", Object::of(service), reason, message)
            .seen([Evidence::condition(service, state)])
            .hint(hint),
    )
}
