//! What a request to the API server asks for.

use http::Method;

use crate::http::{path_part, query_pairs};
use crate::kinds::{self, Resource};

/// A path of the API, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/api/v1/namespaces/N/pods/P/log`
    Resource(ResourceRequest),
    /// `/apis/authorization.k8s.io/v1/selfsubjectaccessreviews`
    Review(&'static str),
    /// Everything else.
    Other,
}

/// A request for objects of a stored kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceRequest {
    pub(crate) resource: &'static Resource,
    /// None: all namespaces, or a kind without any.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// What follows the subresource, without its first slash.
    pub(crate) rest: String,
}

/// The parameters of the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(text: &str) -> Self {
        Self(query_pairs(text))
    }

    /// The first value of a parameter, unless it is empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let first = self.0.iter().find(|(own, _)| own == key)?;
        Some(first.1.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.all(key).next(), Some("true" | "1" | ""))
    }

    /// A number, if the parameter is one.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }
}

impl Target {
    /// What a path is of, in a cluster that has these kinds besides those that are always there.
    pub(crate) fn of(custom: &[&'static Resource], path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Self::Other,
        };
        if let ([plural], "v1") = (rest, version)
            && let Some(review) = kinds::REVIEWS
                .iter()
                .find(|review| review.group == group && review.plural == *plural)
        {
            return Self::Review(review.kind);
        }
        let found = |namespace: Option<&str>, plural: &str, rest: &[&str]| {
            let resource = kinds::by_path(custom, group, version, plural)?;
            let (name, subresource, rest) = match rest {
                [] | [""] => (None, None, String::new()),
                [name] | [name, ""] => (Some(*name), None, String::new()),
                [name, subresource, rest @ ..] => (Some(*name), Some(*subresource), rest.join("/")),
            };
            let owned = |text: Option<&str>| text.map(path_part);
            Some(Self::Resource(ResourceRequest {
                resource,
                namespace: owned(namespace),
                name: owned(name),
                subresource: owned(subresource),
                rest,
            }))
        };
        let target = match rest {
            ["namespaces", namespace, plural, rest @ ..]
                if kinds::by_path(custom, group, version, plural)
                    .is_some_and(|resource| resource.namespaced) =>
            {
                found(Some(namespace), plural, rest)
            }
            [plural, rest @ ..] => match kinds::by_path(custom, group, version, plural) {
                // an unknown kind in a namespace is not a part of the namespace
                Some(resource)
                    if resource.plural == "namespaces"
                        && !matches!(rest, [] | [_] | [_, "" | "status" | "finalize"]) =>
                {
                    None
                }
                // a namespaced object is only found under its namespace
                Some(resource) if resource.namespaced && !rest.is_empty() => None,
                _ => found(None, plural, rest),
            },
            [] => None,
        };
        target.unwrap_or(Self::Other)
    }
}

impl ResourceRequest {
    pub(crate) fn namespace_name(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The resource with its subresource, as permissions name it.
    pub(crate) fn permission(&self) -> String {
        self.subresource.as_ref().map_or_else(
            || self.resource.plural.to_owned(),
            |subresource| format!("{}/{subresource}", self.resource.plural),
        )
    }

    /// The verb of a request as permissions name it.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match *method {
            Method::GET | Method::HEAD if self.name.is_some() => "get",
            Method::GET | Method::HEAD if query.flag("watch") => "watch",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if self.name.is_some() => "delete",
            Method::DELETE => "deletecollection",
            _ => "get",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        for (path, expected) in [
            ("/api/v1/pods", Some((None, "pods", None, None, ""))),
            ("/api/v1/namespaces", Some((None, "namespaces", None, None, ""))),
            ("/api/v1/namespaces/a", Some((None, "namespaces", Some("a"), None, ""))),
            ("/api/v1/namespaces/a/pods/p", Some((Some("a"), "pods", Some("p"), None, ""))),
            (
                "/api/v1/namespaces/a/pods/p:80/proxy/x/y",
                Some((Some("a"), "pods", Some("p:80"), Some("proxy"), "x/y")),
            ),
            (
                "/api/v1/namespaces/a/pods/p%3A80/proxy/",
                Some((Some("a"), "pods", Some("p:80"), Some("proxy"), "")),
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/d/status",
                Some((Some("a"), "deployments", Some("d"), Some("status"), "")),
            ),
            ("/api/v1/nodes/n", Some((None, "nodes", Some("n"), None, ""))),
            ("/api/v1/pods/p", None),
            ("/apis/apps/v1beta1/deployments", None),
            ("/api/v1/namespaces/a/gadgets", None),
            ("/metrics", None),
        ] {
            let Target::Resource(request) = Target::of(&[], path) else {
                assert!(expected.is_none(), "{path}");
                continue;
            };
            let parts = (
                request.namespace.as_deref(),
                request.resource.plural,
                request.name.as_deref(),
                request.subresource.as_deref(),
                request.rest.as_str(),
            );
            assert_eq!(Some(parts), expected, "{path}");
        }
    }
}
