//! What is outside of the cluster in a rehearsal, in which no program is started and no host asked.

use super::http_answer::Answer;
use super::stream::Said;
use crate::action::Failure;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What programs of this machine and other hosts respond with in a rehearsal.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "outside")]
pub struct OutsideResponses {
    /// Programs; the first whose words begin the command line responds.
    #[serde(default)]
    pub programs: Vec<ProgramResponse>,
    /// Requests of `http` with `via: direct`; the first whose URL begins that of the request
    /// responds.
    #[serde(default)]
    pub requests: Vec<RequestResponse>,
    /// Files of this machine that `restore` and `backup_file` find, by path: a text, or JSON.
    #[serde(default)]
    pub files: BTreeMap<String, Value>,
}

/// What a program does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "program")]
pub struct ProgramResponse {
    /// The first words of its command line.
    pub argv: Vec<String>,
    /// Its exit code.
    #[serde(default)]
    pub exit_code: i32,
    /// What it writes to stdout: a text, or JSON.
    #[serde(default)]
    pub stdout: Value,
    /// What it writes to stderr.
    #[serde(default)]
    pub stderr: String,
    /// How often it responds so; always if none.
    pub times: Option<usize>,
    /// Whether it is not installed.
    #[serde(default)]
    pub missing: bool,
}

/// What a host responds with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "request")]
pub struct RequestResponse {
    /// The beginning of the URL.
    pub url: String,
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body: a text, or JSON.
    #[serde(default)]
    pub body: Value,
    /// How often it responds so; always if none.
    pub times: Option<usize>,
}

impl OutsideResponses {
    /// These, and what others respond with where none of these fits.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.programs.extend(others.programs.iter().cloned());
        self.requests.extend(others.requests.iter().cloned());
        for (path, content) in &others.files {
            self.files.entry(path.clone()).or_insert_with(|| content.clone());
        }
        self
    }
}

fn ok() -> u16 {
    200
}

/// The same with what has been used up.
#[derive(Debug)]
pub struct Outside {
    programs: Vec<(ProgramResponse, AtomicUsize)>,
    requests: Vec<(RequestResponse, AtomicUsize)>,
    /// What stands for the file system of this machine.
    folder: PathBuf,
}

/// A path as one below a folder, out of which none leads.
fn below(folder: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    folder.join(parts.collect::<PathBuf>())
}

/// Whether it responds once more.
fn is_left(times: Option<usize>, used: &AtomicUsize) -> bool {
    times.is_none_or(|times| used.fetch_add(1, Ordering::SeqCst) < times)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

impl Outside {
    /// These responses, and a folder that stands for the file system of this machine.
    pub fn new(responses: OutsideResponses, folder: PathBuf) -> Self {
        let OutsideResponses { programs, requests, files: _ } = responses;
        let programs = programs.into_iter().map(|one| (one, AtomicUsize::new(0)));
        let requests = requests.into_iter().map(|one| (one, AtomicUsize::new(0)));
        Self { programs: programs.collect(), requests: requests.collect(), folder }
    }

    /// Puts files where a run of the case finds them.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn put(files: &BTreeMap<String, Value>, folder: &Path) -> std::io::Result<()> {
        for (path, content) in files {
            let place = below(folder, Path::new(path));
            std::fs::create_dir_all(place.parent().unwrap_or(folder))?;
            std::fs::write(place, text(content))?;
        }
        Ok(())
    }

    /// Where a file of this machine is.
    pub(in crate::action) fn place(&self, path: &Path) -> PathBuf {
        below(&self.folder, path)
    }

    /// Whether the case says that a program is not installed.
    pub(super) fn lacks(&self, program: &str) -> bool {
        self.programs
            .iter()
            .find(|(one, _)| one.argv.first().is_some_and(|word| word == program))
            .is_some_and(|(one, _)| one.missing)
    }

    /// What a program says.
    pub(in crate::action) fn says(&self, words: &[String]) -> Result<Said, Failure> {
        let fits = |(one, used): &&(ProgramResponse, AtomicUsize)| {
            words.starts_with(&one.argv) && is_left(one.times, used)
        };
        let not_started = |text: String| Failure { not_executed: true, ..Failure::error(text) };
        let Some((response, _)) = self.programs.iter().find(fits) else {
            let line = super::kubectl_line::line(words.to_vec());
            return Err(not_started(format!(
                "a rehearsal starts no program, and the case does not say what `{line}` does: add \
                    it to `outside.programs`"
            )));
        };
        let ProgramResponse { argv, exit_code, stdout, stderr, missing, .. } = response;
        if *missing {
            let program = argv.first().map(String::as_str).unwrap_or_default();
            return Err(not_started(format!("cannot start `{program}`: it is not installed")));
        }
        Ok(Said {
            exit_code: *exit_code,
            stdout: text(stdout),
            stderr: stderr.clone(),
            truncated: false,
        })
    }

    /// What a host responds with.
    pub(in crate::action) fn request(&self, url: &str) -> Result<Answer, Failure> {
        let fits = |(one, used): &&(RequestResponse, AtomicUsize)| {
            url.starts_with(&one.url) && is_left(one.times, used)
        };
        let Some((response, _)) = self.requests.iter().find(fits) else {
            return Err(Failure::error(format!(
                "a rehearsal sends no request outside of the cluster, and the case does not say \
                    what {url} responds: add it to `outside.requests`"
            )));
        };
        Ok(Answer::Given {
            status: response.status,
            headers: BTreeMap::new(),
            body: Bytes::from(text(&response.body)),
            truncated: false,
            elapsed: Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_that_fits_responds_as_often_as_it_is_said() {
        let declared: OutsideResponses = serde_json::from_value(json!({
            "programs": [
                {"argv": ["gh", "run"], "stdout": {"status": "queued"}, "times": 1},
                {"argv": ["gh"], "exit_code": 4, "stderr": "no"},
                {"argv": ["jq"], "missing": true}],
            "requests": [{"url": "https://ci.example/", "status": 503}],
        }))
        .unwrap();
        let outside = Outside::new(declared, PathBuf::from("/folder"));
        for path in ["/a/../../b", "a/./b", "../a/b"] {
            assert!(outside.place(Path::new(path)).starts_with("/folder"), "{path}");
        }
        assert_eq!(outside.place(Path::new("/a/b")), Path::new("/folder/a/b"));
        let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        let says = |line: &str| outside.says(&words(line));
        assert_eq!(says("gh run list").unwrap().stdout, r#"{"status":"queued"}"#);
        assert_eq!(says("gh run list").unwrap().exit_code, 4);
        assert!(says("helm list").unwrap_err().not_executed);
        assert!(says("jq .").unwrap_err().message.contains("not installed"));
        assert!(outside.lacks("jq") && !outside.lacks("gh") && !outside.lacks("helm"));
        let answer = outside.request("https://ci.example/runs").unwrap();
        assert!(matches!(answer, Answer::Given { status: 503, .. }));
        assert!(outside.request("https://other.example/").is_err());
    }
}
