//! `set_image`: other images for containers.

use super::change::{Change, Guard, Intent};
use super::fan::quote;
use super::{Access, Context, Failure, FailureKind, Target, Verb, workload};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Gives containers of a Deployment, StatefulSet, DaemonSet, ReplicaSet or CronJob other images. Every named container must be there,
/// before anything is changed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetImage {
    /// The workload: `deployment/NAME`.
    pub target: Target,
    /// Image by container; init containers count too.
    pub images: BTreeMap<String, String>,
}

impl Verb for SetImage {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("set_image", &self.target, workload::TEMPLATED)?;
        if self.images.is_empty() { Err("`images` names no container".to_owned()) } else { Ok(()) }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let pairs: Vec<_> = self.images.iter().map(|(container, image)| quote(&format!("{container}={image}"))).collect();
        vec![format!("kubectl set image {} -n {} {}", self.target.kubectl(), quote(self.target.namespace(namespace)), pairs.join(" "))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let mut wanted = found.object.clone();
        let Some(template) = wanted.pointer_mut(workload::template_of(&found.resource.kind)) else {
            return Err(Failure::error(format!("{} has no pod template", self.target)));
        };
        let told = set(template, &self.images).map_err(|reason| Failure::new(FailureKind::Failed, format!("{}: {reason}", self.target)))?;
        let mut guards = workload::template_guards(&found.object);
        guards.extend(self.images.values().find_map(|image| unversioned(image)));
        Ok(Some(Intent::of(Change::between(&found.resource, &found.object, &wanted, told), guards)))
    }
}

/// Sets the images of a template; what changes, in words.
fn set(template: &mut Value, images: &BTreeMap<String, String>) -> Result<String, String> {
    let mut told = Vec::new();
    let mut known = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in template["spec"][list].as_array_mut().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            if let Some(image) = images.get(&name) {
                let before = container["image"].as_str().unwrap_or_default();
                told.push(format!("{name}: {} → {}", short(before), short(image)));
                container["image"] = json!(image);
            }
            known.push(name);
        }
    }
    match images.keys().find(|name| !known.contains(name)) {
        Some(unknown) => Err(format!("there is no container {unknown}; there are {}", known.join(", "))),
        None => Ok(told.join(", ")),
    }
}

/// The tag of an image, or all of it.
fn short(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once([':', '@']).map_or(image, |(_, version)| version)
}

fn unversioned(image: &str) -> Option<Guard> {
    let last = image.rsplit('/').next().unwrap_or(image);
    let version = last.split_once([':', '@']).map(|(_, version)| version);
    (version.is_none() || version == Some("latest")).then(|| Guard {
        id: "image-without-version",
        reason: format!("image {image} names no version: what would run is not known, and cannot be gone back to"),
        way: "name a tag or a digest".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_named_containers_must_be_there_before_any_is_changed() {
        let template = json!({"spec": {"initContainers": [{"name": "i", "image": "r/i:1"}], "containers": [{"name": "c", "image": "r/c:1"}]}});
        let images = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned())).collect();
        let mut changed = template.clone();
        assert_eq!(set(&mut changed, &images(&[("c", "r/c:2"), ("i", "r/i:2")])).unwrap(), "i: 1 → 2, c: 1 → 2");
        assert_eq!((&changed["spec"]["containers"][0]["image"], &changed["spec"]["initContainers"][0]["image"]), (&json!("r/c:2"), &json!("r/i:2")));
        assert_eq!(set(&mut template.clone(), &images(&[("x", "r/c:2")])).unwrap_err(), "there is no container x; there are i, c");
    }

    #[test]
    fn an_image_without_a_version_is_stopped() {
        for (image, stopped) in [("x", true), ("x:latest", true), ("host:5000/x", true), ("x:1.2", false), ("host:5000/x@sha256:aa", false)] {
            assert_eq!(unversioned(image).is_some(), stopped, "{image}");
        }
    }
}
