//! The owners of an object's fields.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::compare::compare;
use super::set::Fields;
use crate::object;
use crate::server::write::Asked;

/// Who writes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) manager: String,
    /// `Apply` or `Update`.
    pub(crate) operation: &'static str,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
}

impl Author {
    /// The author of an ordinary write.
    pub(crate) fn of(asked: &Asked<'_>) -> Self {
        Self {
            manager: asked.manager.clone(),
            operation: "Update",
            api_version: asked.target.resource.api_version(),
            subresource: asked.target.subresource.clone().unwrap_or_default(),
            time: object::time(asked.now),
        }
    }

    /// The author of what the cluster does by itself, to the status alone or not, and of what was
    /// there from the beginning.
    pub(crate) fn of_world(object: &Value, status: bool, now: Timestamp) -> Self {
        let kind = object["kind"].as_str().unwrap_or_default();
        let manager = match kind {
            "Pod" | "Node" if status => "kubelet",
            _ if status || object["metadata"]["uid"].is_string() => "kube-controller-manager",
            _ => "kubectl-client-side-apply",
        };
        Self {
            manager: manager.to_owned(),
            operation: "Update",
            api_version: object["apiVersion"].as_str().unwrap_or("v1").to_owned(),
            subresource: if status { "status".to_owned() } else { String::new() },
            time: object::time(now),
        }
    }

    /// Says whether an object follows from others, so that nobody writes it but the cluster.
    pub(crate) fn is_derived(object: &Value) -> bool {
        matches!(object["kind"].as_str(), Some("Endpoints" | "EndpointSlice" | "Event" | "Lease"))
            || !object::list(&object["metadata"]["ownerReferences"]).is_empty()
    }

    /// The author of a server-side apply.
    pub(crate) fn applying(asked: &Asked<'_>) -> Self {
        Self { operation: "Apply", ..Self::of(asked) }
    }
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
    pub(crate) fields: Fields,
}

impl Manager {
    pub(crate) fn new(author: &Author, fields: Fields) -> Self {
        Self {
            name: author.manager.clone(),
            operation: author.operation.to_owned(),
            api_version: author.api_version.clone(),
            subresource: author.subresource.clone(),
            time: author.time.clone(),
            fields,
        }
    }

    pub(crate) fn is(&self, author: &Author) -> bool {
        self.name == author.manager
            && self.operation == author.operation
            && self.api_version == author.api_version
            && self.subresource == author.subresource
    }
}

/// Reads `metadata.managedFields`.
pub(crate) fn read(object: &Value) -> Vec<Manager> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let one = |entry: &Value| Manager {
        name: text(entry, "manager"),
        operation: text(entry, "operation"),
        api_version: text(entry, "apiVersion"),
        subresource: text(entry, "subresource"),
        time: text(entry, "time"),
        fields: Fields::read(&entry["fieldsV1"]),
    };
    let entries = object::list(&object["metadata"]["managedFields"]).iter();
    entries
        .filter(|entry| entry.as_object().is_some_and(|entry| !entry.is_empty()))
        .map(one)
        .collect()
}

/// Writes `metadata.managedFields`: who applies comes first, then by time and name. Null without
/// any.
pub(crate) fn write(mut managers: Vec<Manager>) -> Value {
    managers.retain(|manager| !manager.fields.is_empty());
    let order = |manager: &Manager| {
        (
            manager.operation.clone(),
            manager.time.clone(),
            manager.name.clone(),
            manager.subresource.clone(),
        )
    };
    managers.sort_by_key(order);
    if managers.is_empty() {
        return Value::Null;
    }
    let one = |manager: &Manager| {
        let mut entry = json!({
            "manager": manager.name, "operation": manager.operation,
            "apiVersion": manager.api_version, "time": manager.time,
            "fieldsType": "FieldsV1", "fieldsV1": manager.fields.write(),
        });
        if !manager.subresource.is_empty() {
            entry["subresource"] = json!(manager.subresource);
        }
        entry
    };
    managers.iter().map(one).collect()
}

/// Takes fields from all managers but one. Who has lost something has it from now on.
pub(crate) fn take(managers: &mut [Manager], but: Option<&Author>, fields: &Fields) {
    for manager in managers {
        if but.is_none_or(|author| !manager.is(author)) {
            manager.fields.subtract(fields);
        }
    }
}

/// Notes who made an object.
pub(crate) fn created(object: &mut Value, author: &Author) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let fields = compare(&kind, &json!({}), object).changed;
    object["metadata"]["managedFields"] = write(vec![Manager::new(author, fields)]);
}

/// Notes who changed an object.
pub(crate) fn updated(before: &Value, object: &mut Value, author: &Author) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let said = object["metadata"].get("managedFields").cloned();
    // a list that says something counts; an empty one forgets all owners; none at all leaves them
    let mut managers = match &said {
        Some(Value::Array(entries))
            if entries
                .iter()
                .all(|entry| entry.as_object().is_some_and(serde_json::Map::is_empty)) =>
        {
            Vec::new()
        }
        Some(Value::Array(_)) => read(object),
        _ => read(before),
    };
    // an object without owners stays without, until somebody applies it
    if !managers.is_empty() {
        let difference = compare(&kind, before, object);
        take(&mut managers, Some(author), &difference.changed);
        take(&mut managers, None, &difference.removed);
        if !difference.changed.is_empty() {
            match managers.iter_mut().find(|manager| manager.is(author)) {
                Some(manager) => {
                    manager.fields.union(&difference.changed);
                    manager.time.clone_from(&author.time);
                }
                None => managers.push(Manager::new(author, difference.changed)),
            }
        }
    }
    set(object, write(managers));
}

/// Puts the owners into an object.
pub(crate) fn set(object: &mut Value, managers: Value) {
    if let Value::Object(metadata) = &mut object["metadata"] {
        metadata.shift_remove("managedFields");
        if !managers.is_null() {
            metadata.insert("managedFields".to_owned(), managers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn author(manager: &str, operation: &'static str) -> Author {
        Author {
            manager: manager.to_owned(),
            operation,
            api_version: "v1".to_owned(),
            subresource: String::new(),
            time: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn who_changes_a_field_owns_it() {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
            "data": {"a": "1", "b": "1"}});
        created(&mut object, &author("one", "Update"));
        let before = object.clone();
        object["data"] = json!({"a": "2", "c": "1"});
        updated(&before, &mut object, &author("two", "Update"));
        let owners: Vec<(String, Value)> = read(&object)
            .iter()
            .map(|manager| (manager.name.clone(), manager.fields.write()))
            .collect();
        assert_eq!(
            owners,
            [
                ("one".to_owned(), json!({"f:data": {}})),
                ("two".to_owned(), json!({"f:data": {"f:a": {}, "f:c": {}}}))
            ]
        );
    }

    #[test]
    fn owners_can_be_said_and_forgotten() {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
            "data": {"a": "1"}});
        created(&mut object, &author("one", "Update"));
        let before = object.clone();
        for (said, expected) in [
            (json!([]), 0),
            (json!([{}]), 0),
            (json!([{"manager": "z", "operation": "Apply", "fieldsV1": {"f:data": {}}}]), 1),
        ] {
            let mut object = before.clone();
            object["metadata"]["managedFields"] = said.clone();
            updated(&before, &mut object, &author("two", "Update"));
            assert_eq!(read(&object).len(), expected, "{said}");
        }
    }
}
