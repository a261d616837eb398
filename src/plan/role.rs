//! Permissions as RBAC objects, ready to be applied.

use super::Open;
use crate::action::Access;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A Role and RoleBinding for each namespace, and a ClusterRole and ClusterRoleBinding for what is
/// cluster-wide, as YAML. What cannot be named before the run is a comment, with the step that
/// needs it.
pub fn role(
    runbook: &str,
    permissions: &[Access],
    open: &BTreeSet<(String, Open)>,
    user: Option<&str>,
) -> String {
    let name = format!("runbook-{}", runbook.replace(['/', '_'], "-"));
    let comments: String =
        open.iter().map(|(step, open)| format!("# step {step}: {open}\n")).collect();
    let documents: Vec<String> = rules_by_namespace(permissions)
        .into_iter()
        .map(|(namespace, rules)| role_and_binding(&name, namespace, rules, user.unwrap_or("USER")))
        .collect();
    comments + &documents.join("---\n")
}

/// What a rule is about: API group, resource and object name; or a path that is no resource.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum About<'a> {
    Resource(&'a str, String, &'a str),
    Path(&'a str),
}

/// The verbs by what they are about.
type Rules<'a> = BTreeMap<About<'a>, BTreeSet<&'a str>>;

fn rules_by_namespace(permissions: &[Access]) -> BTreeMap<&str, Rules<'_>> {
    let mut places: BTreeMap<&str, Rules<'_>> = BTreeMap::new();
    for access in permissions {
        let resource = if access.subresource.is_empty() {
            access.resource.clone()
        } else {
            format!("{}/{}", access.resource, access.subresource)
        };
        // a name restricts neither list nor create
        let object =
            if matches!(access.verb.as_str(), "list" | "watch" | "create" | "deletecollection") {
                ""
            } else {
                access.name.as_str()
            };
        let about = if access.path.is_empty() {
            About::Resource(&access.group, resource, object)
        } else {
            About::Path(&access.path)
        };
        places.entry(&access.namespace).or_default().entry(about).or_default().insert(&access.verb);
    }
    places
}

fn role_and_binding(name: &str, namespace: &str, rules: Rules<'_>, user: &str) -> String {
    let (kind, place) = if namespace.is_empty() {
        ("ClusterRole", String::new())
    } else {
        ("Role", format!(", namespace: {namespace}"))
    };
    let mut document = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: \
            {name}{place}}}\nrules:\n"
    );
    for (about, verbs) in rules {
        let what = match about {
            About::Path(path) => format!("nonResourceURLs: [{path:?}]"),
            About::Resource(group, resource, "") => {
                format!("apiGroups: [\"{group}\"], resources: [{resource}]")
            }
            About::Resource(group, resource, object) => format!(
                "apiGroups: [\"{group}\"], resources: [{resource}], resourceNames: [{object}]"
            ),
        };
        let verbs: Vec<&str> = verbs.into_iter().collect();
        // writing to a String cannot fail
        let _ = writeln!(document, "- {{{what}, verbs: [{}]}}", verbs.join(", "));
    }
    let _ = write!(
        document,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata: {{name: \
            {name}{place}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: \
            {name}}}\nsubjects:\n{}\n",
        subject_of(user)
    );
    document
}

/// A service account is its own kind of subject.
fn subject_of(user: &str) -> String {
    match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((namespace, name)) => {
            format!("- {{kind: ServiceAccount, name: {name}, namespace: {namespace}}}")
        }
        None => format!("- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: {user:?}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(
        verb: &str,
        group: &str,
        resource: &str,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> Access {
        Access {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            path: String::new(),
        }
    }

    #[test]
    fn a_role_for_each_namespace_with_verbs_together() {
        let permissions = [
            access("get", "apps", "deployments", "", "shop", "web"),
            access("patch", "apps", "deployments", "", "shop", "web"),
            access("list", "", "pods", "", "shop", "ignored"),
            access("create", "", "pods", "exec", "shop", ""),
            access("patch", "", "nodes", "", "", "n1"),
            Access { verb: "get".to_owned(), path: "/readyz".to_owned(), ..Access::default() },
        ];
        let text = role(
            "ta-bot/rollback",
            &permissions,
            &BTreeSet::new(),
            Some("system:serviceaccount:ci:robot"),
        );
        assert!(
            text.contains(
                "- {apiGroups: [\"apps\"], resources: [deployments], resourceNames: \
            [web], verbs: [get, patch]}"
            ),
            "{text}"
        );
        assert!(text.contains("- {apiGroups: [\"\"], resources: [pods], verbs: [list]}"), "{text}");
        assert!(
            text.contains("- {apiGroups: [\"\"], resources: [pods/exec], verbs: [create]}"),
            "{text}"
        );
        assert!(text.contains("- {nonResourceURLs: [\"/readyz\"], verbs: [get]}"), "{text}");
        assert!(
            text.contains("kind: ClusterRole\nmetadata: {name: runbook-ta-bot-rollback}"),
            "{text}"
        );
        assert!(
            text.contains("metadata: {name: runbook-ta-bot-rollback, namespace: shop}"),
            "{text}"
        );
        assert!(text.contains("- {kind: ServiceAccount, name: robot, namespace: ci}"), "{text}");
        for document in text.split("---\n") {
            let parsed: serde_json::Value = serde_saphyr::from_str(document).unwrap();
            assert_eq!(parsed["apiVersion"], "rbac.authorization.k8s.io/v1");
        }
        assert_eq!(role("x", &[], &BTreeSet::new(), None), "");
    }
}
