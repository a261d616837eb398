//! Kinds that a world defines itself, by a CustomResourceDefinition.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{RESOURCES, Resource};
use crate::object;

/// How many different definitions a process reads: each stays in memory until it ends.
const MOST: usize = 1_000;

/// Every definition that was read, whichever world it is of. A cluster serves those of its own.
static READ: Mutex<Vec<&'static Resource>> = Mutex::new(Vec::new());

const STATUS: &[&str] = &["get", "patch", "update"];

/// The kind that a CustomResourceDefinition defines, in the version that is stored; or why it
/// cannot be simulated.
///
/// # Errors
///
/// Returns what is missing, or which kind of the sandbox has the same name: objects are told apart
/// by the plural names of their kinds alone.
pub(crate) fn define(definition: &Value) -> Result<&'static Resource, String> {
    let spec = &definition["spec"];
    let text = |value: &Value, field: &str| match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("a CustomResourceDefinition has spec.{field}; add it")),
    };
    let group = text(&spec["group"], "group")?;
    let plural = text(&spec["names"]["plural"], "names.plural")?;
    let kind = text(&spec["names"]["kind"], "names.kind")?;
    let namespaced = match spec["scope"].as_str() {
        Some("Namespaced") => true,
        Some("Cluster") => false,
        _ => return Err("spec.scope of a CustomResourceDefinition is Namespaced or Cluster".into()),
    };
    let stored = object::list(&spec["versions"]).iter().find(|one| one["storage"] == true);
    let stored = stored.ok_or("one of spec.versions has `storage: true`; add it")?;
    let version = text(&stored["name"], "versions[].name")?;
    let name = format!("{plural}.{group}");
    if object::name(definition) != name {
        return Err(format!(
            "metadata.name is {name:?}, the plural name and the group; correct it"
        ));
    }
    if let Some(own) = RESOURCES.iter().find(|own| own.plural == plural || own.kind == kind) {
        return Err(format!(
            "{kind} of {group} has a name of {} ({}), which the sandbox cannot tell apart; remove it",
            own.kind,
            own.api_version()
        ));
    }
    let short = object::list(&spec["names"]["shortNames"]).iter().filter_map(Value::as_str);
    let has_status = stored["subresources"]["status"].is_object();
    let new = Definition {
        group,
        version,
        plural,
        kind,
        namespaced,
        short: short.map(str::to_owned).collect(),
        has_status,
    };
    new.keep()
}

/// The kind of an object that some world defines.
pub(crate) fn of(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    read.iter().copied().find(|one| one.kind == kind && one.api_version() == api_version)
}

struct Definition {
    group: String,
    version: String,
    plural: String,
    kind: String,
    namespaced: bool,
    short: Vec<String>,
    has_status: bool,
}

impl Definition {
    fn is(&self, known: &Resource) -> bool {
        known.group == self.group
            && known.version == self.version
            && known.plural == self.plural
            && known.kind == self.kind
            && known.namespaced == self.namespaced
            && known.short == self.short
            && known.has("status") == self.has_status
    }

    /// The kind for as long as the process lives, once for equal definitions.
    fn keep(self) -> Result<&'static Resource, String> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.iter().copied().find(|known| self.is(known)) {
            return Ok(known);
        }
        if read.len() == MOST {
            return Err(format!("the sandbox reads at most {MOST} CustomResourceDefinitions"));
        }
        let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let kind = kept(self.kind);
        let short: Vec<&'static str> = self.short.into_iter().map(kept).collect();
        let status = if self.has_status { vec![("status", kind, STATUS)] } else { Vec::new() };
        let new: &'static Resource = Box::leak(Box::new(Resource {
            group: kept(self.group),
            version: kept(self.version),
            plural: kept(self.plural),
            kind,
            namespaced: self.namespaced,
            short: Vec::leak(short),
            subresources: Vec::leak(status),
            custom: true,
        }));
        read.push(new);
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition() -> Value {
        json!({"kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced",
                "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"]},
                "versions": [{"name": "v1beta1", "served": true, "storage": false},
                    {"name": "v1", "served": true, "storage": true,
                        "subresources": {"status": {}}}]}})
    }

    #[test]
    fn a_definition_is_read_once() {
        let gadget = define(&definition()).unwrap();
        assert_eq!((gadget.api_version().as_str(), gadget.short), ("example.com/v1", &["gd"][..]));
        assert!(gadget.custom && gadget.has("status") && gadget.namespaced);
        assert!(std::ptr::eq(gadget, define(&definition()).unwrap()));
        assert!(std::ptr::eq(gadget, of("example.com/v1", "Gadget").unwrap()));
        assert!(of("example.com/v1beta1", "Gadget").is_none());
    }

    #[test]
    fn what_is_missing_or_taken_is_named() {
        let with = |pointer: &str, value: Value| {
            let mut changed = definition();
            *changed.pointer_mut(pointer).unwrap() = value;
            define(&changed).unwrap_err()
        };
        for (pointer, value, expected) in [
            ("/spec/group", json!(""), "spec.group"),
            ("/spec/scope", json!("All"), "spec.scope"),
            ("/spec/versions/1/storage", json!(false), "storage: true"),
            ("/metadata/name", json!("gadget"), "\"gadgets.example.com\""),
            ("/spec/names/kind", json!("Service"), "Service (v1)"),
        ] {
            assert!(with(pointer, value).contains(expected), "{pointer}");
        }
    }
}
