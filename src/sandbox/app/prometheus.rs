//! stub
use super::context::{AppContext, Request};
use super::http::Response;
pub(crate) fn respond(_c: &AppContext, _r: &Request) -> Response { Response::text(503, "") }
