//! stub
use serde_json::Value;
use std::borrow::Cow;
/// s
#[derive(Clone, Debug, Default)]
pub struct Masker {}
impl Masker {
    /// s
    pub fn learn(&self, _: &str, _: &str) {}
    /// s
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> { Cow::Borrowed(text) }
    /// s
    pub fn mask_value(&self, _: &mut Value) {}
}
/// s
pub fn sanitize(text: &str) -> Cow<'_, str> { Cow::Borrowed(text) }
