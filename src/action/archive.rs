//! `archive`: packs what the run has saved.

use super::{Access, Context, Failure, Output, Reach, Verb};
use crate::event::Effect;
use flate2::Compression;
use flate2::write::GzEncoder;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::io;

/// The page of the run in an archive.
const INDEX: &str = "index.html";

/// The ending of the name of an archive.
const PACKED: &str = ".tar.gz";

/// Why a step cannot save a file of this name: an archive could not hold it.
pub(crate) fn kept_for_archives(file: &str) -> Option<&'static str> {
    if file == INDEX {
        Some("archives hold the page of the run under this name; choose another name")
    } else if file.ends_with(PACKED) {
        Some("this is the name of an archive, which `archive` makes; choose another name")
    } else {
        None
    }
}

/// Packs the files that the run has saved so far (`save`), and a page of the run so far
/// (`index.html`), into one archive (`.tar.gz`), which is saved as well. The output is `{file,
/// bytes, sha256, files: [{file, bytes, sha256, left_out}]}`. Archives are not packed into each
/// other. Nothing leaves this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Name of the archive; ends in `.tar.gz`.
    pub file: String,
}

impl Verb for Archive {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Run
    }

    fn check(&self) -> Result<(), String> {
        match self.file.strip_suffix(PACKED) {
            Some(name) if !name.is_empty() => Ok(()),
            _ => Err(format!("`{}` does not end in `.tar.gz`", self.file)),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("tar -czf {} *", super::shell_word(&self.file))]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let mut files = context.shelf.files();
        files.retain(|saved| !saved.file.ends_with(PACKED));
        (context.progress)(&format!("{} files", files.len()));
        let packed = self.packed(context, &files);
        let packed = packed.map_err(|error| Failure::error(format!("cannot pack: {error}")))?;
        let saved =
            context.shelf.keep(&context.path, &self.file, &packed).map_err(Failure::error)?;
        let summary = format!("{} files, {} bytes", files.len() + 1, saved.bytes);
        Ok(Output::new(
            json!({"file": saved.file, "bytes": saved.bytes, "sha256": saved.sha256, "files": files}),
            summary,
        ))
    }
}

impl Archive {
    fn packed(&self, context: &Context, files: &[crate::event::Saved]) -> io::Result<Vec<u8>> {
        let folder = self.file.trim_end_matches(PACKED).rsplit('/').next().unwrap_or_default();
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            // the same files make the same archive
            header.set_mtime(u64::try_from(context.now.as_second()).unwrap_or(0));
            archive.append_data(&mut header, format!("{folder}/{name}"), content)
        };
        let page = context.shelf.page();
        if !page.is_empty() {
            add(INDEX, page.as_bytes())?;
        }
        for saved in files {
            add(&saved.file, &context.shelf.read(&saved.file)?)?;
        }
        archive.into_inner()?.finish()
    }
}
