//! Decodes access reviews in protobuf, the format in which kubectl sends them.

use serde_json::{Value, json};

/// What objects in this form begin with.
const MAGIC: &[u8] = b"k8s\0";

/// Reads a review; none when it is not one.
pub(crate) fn review(kind: &str, body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let group =
        if kind == "SelfSubjectReview" { "authentication.k8s.io" } else { "authorization.k8s.io" };
    let mut review = json!({"kind": kind, "apiVersion": format!("{group}/v1"), "metadata": {}});
    let object = fields(member(&envelope, 2).unwrap_or_default())?;
    let Some(spec) = member(&object, 2) else {
        return Some(review);
    };
    let spec = fields(spec)?;
    match kind {
        "SelfSubjectAccessReview" => {
            let names =
                ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
            if let Some(attributes) = member(&spec, 1) {
                review["spec"]["resourceAttributes"] = texts(attributes, &names)?;
            }
            if let Some(attributes) = member(&spec, 2) {
                review["spec"]["nonResourceAttributes"] = texts(attributes, &["path", "verb"])?;
            }
        }
        "SelfSubjectRulesReview" => {
            review["spec"]["namespace"] = json!(std::str::from_utf8(member(&spec, 1)?).ok()?);
        }
        _ => {}
    }
    Some(review)
}

/// The fields of a message whose members 1, 2, … are texts of these names.
fn texts(message: &[u8], names: &[&str]) -> Option<Value> {
    let mut object = json!({});
    let fields = fields(message)?;
    for (number, name) in (1..).zip(names) {
        if let Some(text) = member(&fields, number).filter(|text| !text.is_empty()) {
            object[*name] = json!(std::str::from_utf8(text).ok()?);
        }
    }
    Some(object)
}

fn member<'a>(fields: &[(u64, &'a [u8])], number: u64) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.0 == number).map(|field| field.1)
}

/// The members of a message that have a length; numbers are passed over.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (member, rest) = bytes.split_at_checked(length)?;
                found.push((tag >> 3, member));
                bytes = rest;
            }
            _ => return None,
        }
    }
    Some(found)
}

pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(members: &[(u8, &[u8])]) -> Vec<u8> {
        members
            .iter()
            .flat_map(|(number, bytes)| {
                [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], *bytes].concat()
            })
            .collect()
    }

    #[test]
    fn reviews_are_read() {
        let attributes = message(&[(1, b"apps"), (2, b"get"), (5, b"pods"), (6, b"exec")]);
        let object = message(&[(1, b""), (2, &message(&[(1, &attributes)]))]);
        let body = [MAGIC, &message(&[(1, b"x"), (2, &object)])].concat();
        let expected =
            json!({"namespace": "apps", "verb": "get", "resource": "pods", "subresource": "exec"});
        assert_eq!(
            review("SelfSubjectAccessReview", &body).unwrap()["spec"]["resourceAttributes"],
            expected
        );
        for cut in 4..body.len() {
            // what is cut short is refused or incomplete, and never a panic
            let _ = review("SelfSubjectAccessReview", &body[..cut]);
        }
        assert_eq!(review("SelfSubjectAccessReview", b"{}"), None);
    }
}
