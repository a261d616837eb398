//! The route of an HTTP request: source and destination. Pure.

use crate::action::http::{Http, Via, service_name};
use crate::action::{Pods, Target};

/// Which end sends a request and which end answers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::action) enum Route<'a> {
    /// From this machine to a URL.
    Direct {
        /// The URL.
        url: &'a str,
    },
    /// From pods.
    FromPods {
        /// The pods that send it.
        from: &'a Target,
        /// What answers.
        to: RequestDestination<'a>,
    },
    /// Through the API server to a Service; there is one response.
    ToService {
        /// The Service.
        target: &'a Target,
        /// Its name.
        name: &'a str,
    },
    /// Through the API server to each ready pod of a Service.
    ToPodsOfService {
        /// The Service.
        target: &'a Target,
    },
    /// Through the API server to each pod of a workload or selector, or to one pod.
    ToPods {
        /// The pods.
        target: &'a Target,
    },
}

/// What a request from a pod is sent to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::action) enum RequestDestination<'a> {
    /// A URL, as it is.
    Url(&'a str),
    /// A Service or a pod, by the name or address that other pods use.
    Target(&'a Target),
}

impl Http {
    /// The route of this request; none if its arguments contradict each other.
    pub(in crate::action) fn route(&self) -> Option<Route<'_>> {
        match (self.via, &self.target, &self.url, &self.from) {
            (Via::Direct, _, Some(url), _) => Some(Route::Direct { url }),
            (Via::Pod, _, Some(url), Some(from)) => {
                Some(Route::FromPods { from, to: RequestDestination::Url(url) })
            }
            (Via::Pod, Some(target), None, Some(from)) => {
                Some(Route::FromPods { from, to: RequestDestination::Target(target) })
            }
            (Via::Forward | Via::Proxy, Some(target), _, _) => {
                Some(match (service_name(target), self.pods) {
                    (Some(_), Some(Pods::All)) => Route::ToPodsOfService { target },
                    (Some(name), _) => Route::ToService { target, name },
                    (None, _) => Route::ToPods { target },
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_route_follows_from_the_arguments() {
        let short = |value: Value| {
            let http: Http = serde_json::from_value(value).unwrap();
            match http.route() {
                None => "none",
                Some(Route::Direct { .. }) => "direct",
                Some(Route::FromPods { to: RequestDestination::Url(_), .. }) => {
                    "from pods to a URL"
                }
                Some(Route::FromPods { to: RequestDestination::Target(_), .. }) => {
                    "from pods to a target"
                }
                Some(Route::ToService { name, .. }) => {
                    assert_eq!(name, "s");
                    "to the Service"
                }
                Some(Route::ToPodsOfService { .. }) => "to the pods of the Service",
                Some(Route::ToPods { .. }) => "to pods",
            }
        };
        for (value, wanted) in [
            (json!({"url": "http://x/", "via": "direct"}), "direct"),
            (json!({"url": "http://x/", "via": "pod", "from": "pod/p"}), "from pods to a URL"),
            (
                json!({"target": "service/s", "via": "pod", "from": "pod/p"}),
                "from pods to a target",
            ),
            (json!({"target": "service/s"}), "to the Service"),
            (json!({"target": "service/s", "via": "proxy", "pods": "one"}), "to the Service"),
            (json!({"target": "service/s", "pods": "all"}), "to the pods of the Service"),
            (json!({"target": "deployment/d", "via": "proxy", "pods": "all"}), "to pods"),
            (json!({"target": "pod/p"}), "to pods"),
            (json!({"via": "pod", "from": "pod/p"}), "none"),
            (json!({"url": "http://x/", "via": "pod"}), "none"),
            (json!({"url": "http://x/"}), "none"),
            (json!({"target": "pod/p", "via": "direct"}), "none"),
            (json!({}), "none"),
        ] {
            assert_eq!(short(value.clone()), wanted, "{value}");
        }
    }
}
