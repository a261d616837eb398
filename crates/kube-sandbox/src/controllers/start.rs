//! What keeps a container from starting: its image, its environment, its user, its volumes.
//!
//! After `pkg/kubelet/images/image_manager.go`, `kuberuntime_container.go` and
//! `kubelet_pods.go` of the kubelet, and the words of containerd.

use std::collections::BTreeMap;

use base64::Engine;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::events::Told;
use crate::app::Apps;
use crate::object;
use crate::store::Store;
use netpol_evaluator::Labels;

/// The reason of a container that waits for the volumes of its pod.
pub(super) const CREATING: &str = "ContainerCreating";
/// The reason of a container whose image cannot be pulled.
pub(super) const BACK_OFF: &str = "ImagePullBackOff";
/// The reason of a container whose image is not there and must not be pulled.
pub(super) const NEVER_PULL: &str = "ErrImageNeverPull";
/// The reason of a container that cannot be configured.
pub(super) const CONFIG_ERROR: &str = "CreateContainerConfigError";

/// The images that cannot be pulled, and why.
pub(crate) type Images = BTreeMap<String, Because>;

/// Why an image cannot be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Because {
    /// The registry has no such image.
    #[default]
    NotFound,
    /// The registry does not give it to this cluster.
    Denied,
    /// The name of the registry cannot be resolved.
    Unreachable,
}

/// Why a container does not start.
pub(super) struct Waiting {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// Why the image cannot be pulled, if that is it.
    pull: Option<String>,
}

impl Waiting {
    /// It waits for the volumes of its pod.
    pub(super) fn for_volumes() -> Self {
        Self::of(CREATING, String::new())
    }

    pub(super) fn of(reason: &'static str, message: String) -> Self {
        Self { reason, message, pull: None }
    }
}

/// What the kubelet says about the start of a container of `spec.FIELD`; `running`: all of its pod
/// have started.
pub(super) fn start_events(
    container: &Value,
    field: &str,
    outcome: &Result<Labels, Waiting>,
    running: bool,
    now: Timestamp,
) -> Vec<Told> {
    let image = container["image"].as_str().unwrap_or_default();
    let path = format!("spec.{field}{{{}}}", container["name"].as_str().unwrap_or_default());
    let tell = |warning, reason, message: String| Told {
        path: Some(path.clone()),
        warning,
        reason,
        message,
        count: 1,
        first: now,
        last: now,
    };
    let pulled = || {
        let message = format!(
            "Container image \"{image}\" already present on machine and can be accessed by the pod"
        );
        tell(false, "Pulled", message)
    };
    match outcome {
        Ok(_) if running => vec![
            pulled(),
            tell(false, "Created", "Container created".to_owned()),
            tell(false, "Started", "Container started".to_owned()),
        ],
        Ok(_) => Vec::new(),
        Err(waiting) if waiting.reason == CREATING => Vec::new(),
        Err(waiting) if waiting.reason == BACK_OFF => vec![
            tell(false, "Pulling", format!("Pulling image \"{image}\"")),
            tell(
                true,
                "Failed",
                format!(
                    "Failed to pull image \"{image}\": {}",
                    waiting.pull.as_deref().unwrap_or_default()
                ),
            ),
            tell(true, "Failed", "Error: ErrImagePull".to_owned()),
            tell(false, "BackOff", format!("Back-off pulling image \"{image}\"")),
            tell(true, "Failed", "Error: ImagePullBackOff".to_owned()),
        ],
        Err(waiting) if waiting.reason == NEVER_PULL => vec![
            tell(true, NEVER_PULL, waiting.message.clone()),
            tell(true, "Failed", format!("Error: {NEVER_PULL}")),
        ],
        Err(waiting) => vec![pulled(), tell(true, "Failed", format!("Error: {}", waiting.message))],
    }
}

/// The first volume whose Secret or ConfigMap is not there.
pub(super) fn unmountable(pod: &Value, store: &Store) -> Option<String> {
    object::list(&pod["spec"]["volumes"]).iter().find_map(|volume| {
        let (plural, kind, source, name) = match (volume.get("secret"), volume.get("configMap")) {
            (Some(secret), _) => ("secrets", "secret", secret, secret["secretName"].as_str()?),
            (_, Some(map)) => ("configmaps", "configmap", map, map["name"].as_str()?),
            _ => return None,
        };
        let missing =
            source["optional"] != true && store.get(plural, object::namespace(pod), name).is_none();
        missing.then(|| {
            format!(
                "MountVolume.SetUp failed for volume \"{}\" : {kind} \"{name}\" not found",
                volume["name"].as_str().unwrap_or_default()
            )
        })
    })
}

/// The environment with which a container starts, or why it does not.
pub(super) fn start(
    pod: &Value,
    container: &Value,
    store: &Store,
    apps: &Apps,
    images: &Images,
) -> Result<Labels, Waiting> {
    let image = container["image"].as_str().unwrap_or_default();
    let known = apps.image(image);
    if known.is_none() && container["imagePullPolicy"] == "Never" {
        let message =
            format!("Container image \"{image}\" is not present with pull policy of Never");
        return Err(Waiting::of(NEVER_PULL, message));
    }
    if known.is_none() || images.contains_key(image) {
        let pull = unpullable(image, images.get(image).copied());
        let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {pull}");
        return Err(Waiting { pull: Some(pull), ..Waiting::of(BACK_OFF, message) });
    }
    if known.is_some_and(|known| known.root) && must_not_be_root(pod, container) {
        let message = format!(
            "container has runAsNonRoot and image will run as root (pod: \"{}_{}({})\", \
                container: {})",
            object::name(pod),
            object::namespace(pod),
            pod["metadata"]["uid"].as_str().unwrap_or_default(),
            container["name"].as_str().unwrap_or_default()
        );
        return Err(Waiting::of(CONFIG_ERROR, message));
    }
    environment(pod, container, store).map_err(|message| Waiting::of(CONFIG_ERROR, message))
}

/// Whether a container is to run as somebody else than root, and nobody says as whom.
fn must_not_be_root(pod: &Value, container: &Value) -> bool {
    let contexts = [&container["securityContext"], &pod["spec"]["securityContext"]];
    let first = |field: &str| {
        contexts.iter().map(|context| &context[field]).find(|value| !value.is_null()).cloned()
    };
    first("runAsNonRoot") == Some(Value::Bool(true)) && first("runAsUser").is_none()
}

/// Why an image cannot be pulled, in the words of containerd.
fn unpullable(image: &str, because: Option<Because>) -> String {
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", name),
    };
    let full = match (registry, repository.contains('/')) {
        ("docker.io", false) => format!("docker.io/library/{repository}:{tag}"),
        _ => format!("{registry}/{repository}:{tag}"),
    };
    // a name that no registry can have
    let nowhere = registry.ends_with(".invalid").then_some(Because::Unreachable);
    match because.or(nowhere).unwrap_or_default() {
        Because::NotFound => format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed \
                to resolve reference \"{full}\": {full}: not found"
        ),
        Because::Denied => format!(
            "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": \
                pull access denied, repository does not exist or may require authorization: \
                server message: insufficient_scope: authorization failed"
        ),
        Because::Unreachable => format!(
            "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": \
                failed to do request: Head \"https://{registry}/v2/{repository}/manifests/{tag}\": \
                dial tcp: lookup {registry} on 10.255.255.53:53: no such host"
        ),
    }
}

/// A map that an environment is taken from: a ConfigMap or a Secret.
struct Source<'a> {
    kind: &'static str,
    /// As the kubelet names one that is not there.
    missing: &'static str,
    data: Option<&'a Value>,
}

impl<'a> Source<'a> {
    fn secret(store: &'a Store, namespace: &str, name: &str) -> Self {
        let found = store.get("secrets", namespace, name);
        Self { kind: "Secret", missing: "secret", data: found.map(|secret| &secret["data"]) }
    }

    fn map(store: &'a Store, namespace: &str, name: &str) -> Self {
        let found = store.get("configmaps", namespace, name);
        Self { kind: "ConfigMap", missing: "configmap", data: found.map(|map| &map["data"]) }
    }

    fn text(&self, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        if self.kind == "ConfigMap" {
            return text.to_owned();
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The value of a key; nothing where it may be missing and is.
    fn value(&self, namespace: &str, reference: &Value) -> Result<Option<String>, String> {
        let name = reference["name"].as_str().unwrap_or_default();
        let key = reference["key"].as_str().unwrap_or_default();
        let optional = reference["optional"] == true;
        match self.data.map(|data| &data[key]) {
            None if optional => Ok(None),
            None => Err(format!("{} \"{name}\" not found", self.missing)),
            Some(value) if value.is_string() => Ok(Some(self.text(value))),
            Some(_) if optional => Ok(None),
            Some(_) => Err(format!("couldn't find key {key} in {} {namespace}/{name}", self.kind)),
        }
    }

    /// All of it, for `envFrom`.
    fn all(&self, reference: &Value, prefix: &str) -> Result<Labels, String> {
        let Some(data) = self.data else {
            let name = reference["name"].as_str().unwrap_or_default();
            return if reference["optional"] == true {
                Ok(Labels::new())
            } else {
                Err(format!("{} \"{name}\" not found", self.missing))
            };
        };
        let pairs = data.as_object().into_iter().flatten();
        Ok(pairs.map(|(key, value)| (format!("{prefix}{key}"), self.text(value))).collect())
    }
}

/// The variables of a container, or what is missing for them.
pub(super) fn environment(pod: &Value, container: &Value, store: &Store) -> Result<Labels, String> {
    let namespace = object::namespace(pod);
    let mut variables: Labels = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOSTNAME", object::name(pod)),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("HOME", "/root"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let name = |reference: &Value| reference["name"].as_str().unwrap_or_default().to_owned();
    for from in object::list(&container["envFrom"]) {
        let prefix = from["prefix"].as_str().unwrap_or_default();
        let (source, reference) = match from.get("secretRef") {
            Some(secret) => (Source::secret(store, namespace, &name(secret)), secret),
            None => {
                let map = &from["configMapRef"];
                (Source::map(store, namespace, &name(map)), map)
            }
        };
        variables.extend(source.all(reference, prefix)?);
    }
    for variable in object::list(&container["env"]) {
        let Some(own) = variable["name"].as_str() else {
            continue;
        };
        let source = &variable["valueFrom"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let value = if let Some(path) = source["fieldRef"]["fieldPath"].as_str() {
            Some(text(pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)))
        } else if let Some(reference) = source.get("secretKeyRef") {
            Source::secret(store, namespace, &name(reference)).value(namespace, reference)?
        } else if let Some(reference) = source.get("configMapKeyRef") {
            Source::map(store, namespace, &name(reference)).value(namespace, reference)?
        } else {
            Some(text(&variable["value"]))
        };
        variables.extend(value.map(|value| (own.to_owned(), value)));
    }
    Ok(variables)
}
