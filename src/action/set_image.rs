//! `set_image`: sets the images of the containers of a workload.

use super::rollback::tag;
use super::support::change::{Change, Guard, Intent};
use super::support::fan_out::quote;
use super::support::workload;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Sets the images of containers, including init containers, of a Deployment, StatefulSet,
/// DaemonSet, ReplicaSet or CronJob. Changes nothing unless every container exists. The output has
/// `images: {container: {before, after}}`. To wait for the pods, use `then: {rollout: …}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetImage {
    /// Workload: `deployment/NAME`.
    pub target: Target,
    /// Image of each container, by container name. An image without a tag or digest, or with the
    /// tag `latest`, is refused.
    pub images: IndexMap<String, String>,
}

impl Verb for SetImage {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if self.images.is_empty() {
            return Err("`images` is empty: use `CONTAINER: IMAGE`".to_owned());
        }
        if let Some((container, image)) = self
            .images
            .iter()
            .find(|(_, image)| image.is_empty() || image.contains(char::is_whitespace))
        {
            return Err(format!(
                "`{image}` of container {container} is not a valid image: use REGISTRY/NAME:TAG"
            ));
        }
        workload::check_target("set_image", &self.target, workload::TEMPLATED)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let images: Vec<String> = self
            .images
            .iter()
            .map(|(container, image)| quote(&format!("{container}={image}")))
            .collect();
        vec![format!(
            "kubectl set image {} -n {} {}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace)),
            images.join(" ")
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let mut wanted = found.object.clone();
        let template = wanted.pointer_mut(workload::template_of(&found.resource.kind));
        let changed = template.map_or_else(
            || Err("it has no pod template".to_owned()),
            |template| replace(template, &self.images),
        );
        let changed = changed.map_err(|reason| {
            Failure::new(FailureKind::Failed, format!("{}: {reason}", self.target))
        })?;
        let summary: Vec<String> = changed
            .iter()
            .filter(|(_, old, new)| old != new)
            .map(|(container, old, new)| {
                format!("{container}: {} → {}", version(old), version(new))
            })
            .collect();
        let mut guards = workload::template_guards(&found.object);
        guards.extend(
            self.images.iter().find_map(|(container, image)| without_version(container, image)),
        );
        let mut intent = Intent::of(
            Change::between(&found.resource, &found.object, &wanted, summary.join(", ")),
            guards,
        );
        let images: Map<String, Value> = changed
            .into_iter()
            .map(|(container, before, after)| {
                (container, json!({"before": before, "after": after}))
            })
            .collect();
        intent.output.insert("images".to_owned(), Value::Object(images));
        Ok(Some(intent))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

/// Sets the images in a pod template. Gives each named container with its image before and after.
fn replace(
    template: &mut Value,
    images: &IndexMap<String, String>,
) -> Result<Vec<(String, String, String)>, String> {
    let there: Vec<String> = workload::containers(template)
        .map(|container| workload::name_of(container).to_owned())
        .collect();
    if let Some(missing) = images.keys().find(|name| !there.contains(name)) {
        return Err(format!("container {missing} does not exist; available: {}", there.join(", ")));
    }
    let mut changed = Vec::new();
    for container in workload::containers(template) {
        let Some((name, image)) = images.get_key_value(workload::name_of(container)) else {
            continue;
        };
        let before = container["image"].as_str().unwrap_or_default().to_owned();
        container["image"] = json!(image);
        changed.push((name.clone(), before, image.clone()));
    }
    Ok(changed)
}

/// What distinguishes two images of one program: the tag, or the start of the digest, or all of it.
fn version(image: &str) -> &str {
    match (tag(image), image.split_once('@')) {
        (Some(tag), _) => tag,
        (None, Some((_, digest))) => digest.get(..19).unwrap_or(digest),
        (None, None) => image,
    }
}

/// What an image without a version runs is decided by chance, and a rollback to it changes nothing.
fn without_version(container: &str, image: &str) -> Option<Guard> {
    let fixed =
        image.contains('@') || tag(image).is_some_and(|tag| !tag.is_empty() && tag != "latest");
    (!fixed).then(|| Guard {
        id: "image-without-version",
        reason: format!(
            "the image {image} of container {container} has no version: the version that runs \
                would depend on when it is pulled"
        ),
        way: "use a tag other than latest, or a digest".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_must_exist_before_any_is_changed() {
        let before = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}],
            "initContainers": [{"name": "i", "image": "y:1"}]}});
        let images = |of: &[(&str, &str)]| {
            of.iter()
                .map(|(name, image)| ((*name).to_owned(), (*image).to_owned()))
                .collect::<IndexMap<_, _>>()
        };
        let mut template = before.clone();
        assert_eq!(
            replace(&mut template, &images(&[("a", "x:2"), ("b", "z:1")])).unwrap_err(),
            "container b does not exist; available: a, i"
        );
        assert_eq!(template, before);
        let changed = replace(&mut template, &images(&[("i", "y:2")])).unwrap();
        assert_eq!(changed, [("i".to_owned(), "y:1".to_owned(), "y:2".to_owned())]);
        assert_eq!(
            template,
            json!({"spec": {"containers": [{"name": "a", "image": "x:1"}],
                "initContainers": [{"name": "i", "image": "y:2"}]}})
        );
    }

    #[test]
    fn versions() {
        for (image, short, stopped) in [
            ("r/x:v1.2", "v1.2", false),
            ("host:5000/x", "host:5000/x", true),
            ("x:latest", "latest", true),
            ("x:", "", true),
            ("x@sha256:0123456789abcdef", "sha256:0123456789ab", false),
            ("x:v1@sha256:01", "v1", false),
        ] {
            assert_eq!(
                (version(image), without_version("c", image).is_some()),
                (short, stopped),
                "{image}"
            );
        }
    }
}
