//! `file`: looks at files of this machine.

use super::support::fan_out::quote;
use super::support::local_file::{About, Looked, READ, expand, look};
use super::support::manifest::parse;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb, Wrong};
use crate::event::Effect;
use crate::secret::Masker;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Looks at files of this machine. The output of `path` is `{path, exists, type, link, size, mode,
/// sha256, parses, documents, error}`; that of `paths` is the list of these, sorted by path. A file
/// that does not exist is not an error: `exists` is false. `type` is `file`, `directory`, `device`,
/// `pipe` or `socket`; of a symbolic link, that of its target, and `link` is the target. `mode` is
/// octal: `"0644"`. With `parse`, `documents` are the documents of the file, and the step fails if
/// the file does not parse, unless an expectation uses `parses`. Only regular files are read:
/// `sha256` is null above 1 GiB, `documents` above 16 MiB, and `error` says why. Values of Secrets in
/// the documents are masked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// A path, relative to the working directory.
    pub path: Option<String>,
    /// List of paths, which may contain `*`, `?` and `**`. A pattern that matches nothing adds
    /// nothing; a path without a pattern is always in the output.
    pub paths: Option<Vec<String>>,
    /// How the content is read.
    #[serde(default)]
    pub parse: Parse,
}

/// How the content of a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// Not at all.
    #[default]
    None,
    /// As YAML documents.
    Yaml,
    /// As one JSON document.
    Json,
}

impl Verb for File {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::File
    }

    fn check(&self) -> Result<(), String> {
        match (&self.path, &self.paths) {
            (Some(path), None) if path.is_empty() => Err("the `path` is empty".to_owned()),
            (Some(path), None) if path.contains('*') => {
                Err("`path` is one file; use `paths` for patterns".to_owned())
            }
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err("use exactly one of `path` and `paths`".to_owned()),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        let paths = self.path.iter().chain(self.paths.iter().flatten());
        // a pattern is for the shell
        let word =
            |path: &String| if path.contains(['*', '?']) { path.clone() } else { quote(path) };
        let words: Vec<String> = paths.map(word).collect();
        vec![format!("ls -l {}", words.join(" "))]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let items = output.as_array().map_or(std::slice::from_ref(output), Vec::as_slice);
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let missing = |item: &&Value| self.parse != Parse::None && item["exists"] == false;
        if let Some(item) = items.iter().find(missing) {
            let reason = format!("{} does not exist", text(item, "path"));
            return Some(Wrong { fields: &["exists", "parses", "documents"], reason });
        }
        let bad = items.iter().find(|item| item["parses"] == false)?;
        let text = |key: &str| text(bad, key);
        Some(Wrong { fields: &["parses"], reason: format!("{}: {}", text("path"), text("error")) })
    }

    fn judges(&self) -> bool {
        self.parse != Parse::None
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let (file, masker) = (self.clone(), context.masker.clone());
        let looked = crate::blocking::blocking(move || file.look(&masker)).await;
        let value = looked
            .map_err(|error| Failure::error(error.to_string()))?
            .map_err(|reason| Failure::new(FailureKind::Error, reason))?;
        let summary = match &value {
            Value::Array(files) => format!("{} files", files.len()),
            one if one["exists"] == true => format!("{} bytes", one["size"]),
            one if one["unread"] == true => "not read".to_owned(),
            _ => "does not exist".to_owned(),
        };
        Ok(Output::new(value, summary))
    }
}

impl File {
    fn look(&self, masker: &Masker) -> Result<Value, String> {
        if let Some(path) = &self.path {
            return Ok(self.one(Path::new(path), masker));
        }
        let paths = expand(self.paths.as_deref().unwrap_or_default())?;
        Ok(paths.iter().map(|path| self.one(path, masker)).collect())
    }

    fn one(&self, path: &Path, masker: &Masker) -> Value {
        let parse = self.parse != Parse::None;
        let about = match look(path, parse) {
            Looked::Missing => return json!({"path": path, "exists": false}),
            Looked::Unread(error) => return json!({"path": path, "error": error, "unread": true}),
            Looked::There(about) => about,
        };
        let mut item = json!({"path": path, "exists": true, "type": about.kind,
            "link": std::fs::read_link(path).ok(), "size": about.size, "mode": about.mode,
            "sha256": about.sha256.as_ref().ok()});
        if let Err(reason) = &about.sha256 {
            item["error"] = json!(reason);
        }
        if parse {
            match self.documents(&about) {
                Ok(documents) => {
                    documents.iter().for_each(|document| masker.learn_object(document));
                    item["parses"] = json!(true);
                    item["documents"] = json!(documents);
                }
                Err(reason) => {
                    item["parses"] = json!(false);
                    item["error"] = json!(reason);
                }
            }
        }
        item
    }

    fn documents(&self, about: &About) -> Result<Vec<Value>, String> {
        let Some(content) = &about.content else {
            return Err(match about.kind {
                "file" => format!("it is larger than {} MiB", READ >> 20),
                kind => format!("it is a {kind}"),
            });
        };
        let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
        match self.parse {
            Parse::None => Ok(Vec::new()),
            Parse::Yaml => parse(text).map_err(|why| format!("invalid YAML: {why}")),
            Parse::Json => serde_json::from_str(text)
                .map(|document| vec![document])
                .map_err(|why| format!("invalid JSON: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::support::real_pods::context;

    fn file(value: Value) -> File {
        let file: File = serde_json::from_value(value).unwrap();
        file.check().unwrap();
        file
    }

    #[tokio::test]
    async fn what_is_there_is_a_fact_and_what_is_not_there_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.yaml");
        std::fs::write(&path, "a: 1\n---\nb: 2\n").unwrap();
        std::os::unix::fs::symlink(&path, place.path().join("b.yaml")).unwrap();
        let context = context(None, "n");
        let look = async |value| file(value).perform(&context).await.unwrap().value;
        let found = look(json!({"path": path, "parse": "yaml"})).await;
        assert_eq!(
            (&found["documents"], &found["type"], &found["size"], &found["link"]),
            (&json!([{"a": 1}, {"b": 2}]), &json!("file"), &json!(14), &json!(null))
        );
        let none = place.path().join("none");
        assert_eq!(look(json!({"path": none})).await, json!({"path": none, "exists": false}));
        let all = look(json!({"paths": [place.path().join("*.yaml"), none]})).await;
        let exists: Vec<&Value> =
            all.as_array().unwrap().iter().map(|item| &item["exists"]).collect();
        assert_eq!(exists, [true, true, false]);
        assert_eq!(all[1]["link"], json!(path));
    }

    #[tokio::test]
    async fn what_does_not_parse_is_wrong() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.yaml");
        std::fs::write(&path, "a: [1\n").unwrap();
        let verb = file(json!({"path": path, "parse": "yaml"}));
        let output = verb.perform(&context(None, "n")).await.unwrap().value;
        let wrong = verb.wrong(&output).unwrap();
        assert!(wrong.reason.contains("a.yaml: invalid YAML"), "{}", wrong.reason);
        let verb = file(json!({"path": "/dev/null", "parse": "json"}));
        let output = verb.perform(&context(None, "n")).await.unwrap().value;
        assert_eq!(verb.wrong(&output).unwrap().reason, "/dev/null: it is a device");
    }

    #[tokio::test]
    async fn secrets_in_documents_are_learnt() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret.yaml");
        std::fs::write(
            &path,
            "kind: Secret\nmetadata: {name: s}\nstringData: {k: blue-horse-staple}\n",
        )
        .unwrap();
        let context = context(None, "n");
        file(json!({"path": path, "parse": "yaml"})).perform(&context).await.unwrap();
        assert_eq!(context.masker.clean("a blue-horse-staple"), "a [secret s/k]");
    }
}
