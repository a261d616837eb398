//! Parts of API objects, as they are read everywhere: what is absent is empty.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The condition of this type of an object's status.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    array(&object["status"]["conditions"]).find(|condition| condition["type"] == kind)
}

/// The items of a list; none if it is not a list.
pub fn array(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text that is not empty.
pub fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A time in RFC 3339.
pub fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A count; 0 if it is absent, as the API omits counters that are 0.
pub fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A number of seconds as a time; none if it is absent.
pub fn seconds(value: &Value) -> Option<SignedDuration> {
    value.as_i64().map(SignedDuration::from_secs)
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// The namespace of an object; empty if it has none.
pub fn namespace(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

/// The object is being deleted.
pub fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The condition of this type, if it has this status.
pub fn stated<'a>(object: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    condition(object, kind).filter(|condition| condition["status"] == status)
}

/// The owner reference that is the object's controller.
pub fn controller(object: &Value) -> Option<&Value> {
    array(&object["metadata"]["ownerReferences"]).find(|owner| owner["controller"] == true)
}

/// Whether a Service or an Ingress has an address, which whoever serves it writes into its status.
pub fn has_address(object: &Value) -> bool {
    array(&object["status"]["loadBalancer"]["ingress"]).next().is_some()
}

/// The names of the keys of a ConfigMap or Secret.
pub fn data_keys(object: &Value) -> impl Iterator<Item = &str> {
    let of = |field: &str| object[field].as_object().into_iter().flatten();
    of("data").chain(of("binaryData")).map(|(key, _)| key.as_str())
}

/// Whether a name is that of a maker with a number behind it: `db-0`, `nightly-29934013`.
pub(crate) fn is_numbered(name: &str, maker: &str) -> bool {
    let number = name.strip_prefix(maker).and_then(|rest| rest.strip_prefix('-'));
    number
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|one| one.is_ascii_digit()))
}

/// Suffixes of quantities with their factors
/// (staging/src/k8s.io/apimachinery/pkg/api/resource/suffix.go).
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// A Kubernetes quantity in its base unit: bytes, cores, pieces.
pub fn quantity(text: &str) -> Option<f64> {
    let trimmed = text.trim();
    let (digits, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((trimmed.strip_suffix(suffix)?, *factor)))
        .unwrap_or((trimmed, 1.0));
    let plain = |byte: u8| byte.is_ascii_digit() || b".+-eE".contains(&byte);
    if !digits.bytes().all(plain) {
        return None;
    }
    let base: f64 = digits.parse().ok()?;
    // division is exact where multiplication by 0.001 is not: 250m is 0.25
    Some(if factor < 1.0 { base / (1.0 / factor).round() } else { base * factor })
}
