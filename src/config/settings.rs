//! Both files as one: what is set, and where.

use super::file::ConfigFile;
use super::find::Found;
use super::read::{Whose, read_file};
use crate::diagnostic::Diagnostic;
use crate::document::Toml;
use crate::notify::{Channel, Occasion};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whether it is in the file of the user; in that of the project if not.
    pub of_user: bool,
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
}

/// `FILE:LINE`
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub source: Source,
}

/// What both files say. Nothing of the command line and the environment is in it, which are
/// stronger, and nothing that is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Directories with runbooks, strongest first: those of the user before those of the project,
    /// which nobody has named.
    pub catalogues: Vec<Given<PathBuf>>,
    /// Built-in runbooks that are offered; all if none.
    pub builtin: Option<Given<Vec<String>>>,
    /// Directory for the records of runs.
    pub state_dir: Option<Given<PathBuf>>,
    /// The pager, empty for none.
    pub pager: Option<Given<String>>,
    /// Namespace of runbooks that do not name one.
    pub namespace: Option<Given<String>>,
    /// Time limit of a run.
    pub timeout: Option<Given<Duration>>,
    /// The Prometheus, as it is typed.
    pub prometheus: Option<Given<String>>,
    /// Its namespace.
    pub prometheus_namespace: Option<Given<String>>,
    /// Patterns of contexts that are protected, of both files.
    pub protected: Vec<Given<String>>,
    /// Where messages go.
    pub channels: Vec<Given<Channel>>,
    /// When they are sent.
    pub notify_on: Option<Given<Occasion>>,
    /// How many of the newest runs are kept.
    pub keep: Option<Given<usize>>,
    /// The age up to which runs are kept.
    pub older_than: Option<Given<Duration>>,
}

/// Reads both files; what is not there says nothing.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(project: &Found, user: Option<&Path>) -> Result<Settings, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let mut read = |path: Option<&Path>, whose| {
        let path = path.filter(|path| path.symlink_metadata().is_ok())?;
        match read_file(path, whose, user) {
            Ok(toml) => {
                Some(OneFile { of_user: whose == Whose::User, path: path.to_owned(), toml })
            }
            Err(faults) => {
                wrong.extend(faults);
                None
            }
        }
    };
    let same = |path: &&Path| {
        let real = |path: &Path| path.canonicalize().ok();
        user.is_none_or(|user| real(user).is_none() || real(user) != real(path))
    };
    // the user's own directory is no project
    let files = [read(project.file().filter(same), Whose::Project), read(user, Whose::User)];
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let [project, user] = files;
    Ok(merged(project.as_ref(), user.as_ref()))
}

/// One file, as it was read.
struct OneFile {
    of_user: bool,
    path: PathBuf,
    toml: Toml<ConfigFile>,
}

impl OneFile {
    fn given<T>(&self, key: &str, item: Option<usize>, value: T) -> Given<T> {
        let line = self.toml.line(key, item).unwrap_or(1);
        let source = Source { of_user: self.of_user, file: self.path.clone(), line };
        Given { value, source }
    }

    /// A path of the file, as it is meant.
    fn path(&self, text: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(text)
    }

    fn list<T>(
        &self,
        key: &str,
        of: impl Fn(&ConfigFile) -> &Vec<String>,
        value: impl Fn(&str) -> Option<T>,
    ) -> Vec<Given<T>> {
        let items = of(&self.toml.value).iter().enumerate();
        items.filter_map(|(at, text)| Some(self.given(key, Some(at), value(text)?))).collect()
    }
}

/// What both say: the project's word before the user's, except where only the user has one.
fn merged(project: Option<&OneFile>, user: Option<&OneFile>) -> Settings {
    fn first<T>(
        files: [Option<&OneFile>; 2],
        key: &str,
        of: impl Fn(&ConfigFile) -> Option<T>,
    ) -> Option<Given<T>> {
        files
            .into_iter()
            .flatten()
            .find_map(|file| of(&file.toml.value).map(|value| file.given(key, None, value)))
    }
    let both = [project, user];
    let only_user = [None, user];
    let named_first = || [user, project].into_iter().flatten();
    Settings {
        catalogues: named_first()
            .flat_map(|file| {
                file.list("catalogues", |of| &of.catalogues, |text| Some(file.path(text)))
            })
            .collect(),
        builtin: first(both, "builtin", |of| of.builtin.clone()),
        state_dir: user.and_then(|file| {
            let text = file.toml.value.state_dir.as_deref()?;
            Some(file.given("state_dir", None, file.path(text)))
        }),
        pager: first(only_user, "pager", |of| of.pager.clone()),
        namespace: first(both, "defaults.namespace", |of| of.defaults.namespace.clone()),
        timeout: first(both, "defaults.timeout", |of| of.defaults.timeout.map(|limit| limit.0)),
        prometheus: first(only_user, "defaults.prometheus", |of| of.defaults.prometheus.clone()),
        prometheus_namespace: first(only_user, "defaults.prometheus_namespace", |of| {
            of.defaults.prometheus_namespace.clone()
        }),
        // one more protected context does no harm, and none of the user's goes
        protected: named_first()
            .flat_map(|file| {
                file.list(
                    "contexts.protected",
                    |of| &of.contexts.protected,
                    |text| Some(text.to_owned()),
                )
            })
            .collect(),
        channels: user
            .map(|file| {
                file.list("notify.channels", |of| &of.notify.channels, |text| text.parse().ok())
            })
            .unwrap_or_default(),
        notify_on: first(only_user, "notify.on", |of| of.notify.on),
        keep: first(only_user, "retention.keep", |of| of.retention.keep),
        older_than: first(only_user, "retention.older_than", |of| {
            of.retention.older_than.map(|age| age.0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_project_comes_before_the_user_and_takes_nothing_away() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(
            at("project.toml"),
            "catalogues = ['ops']\n[defaults]\nnamespace = 'shop'\n[contexts]\nprotected = \
                ['stage']\n",
        )
        .unwrap();
        fs::write(
            at("user.toml"),
            "catalogues = ['mine', '/abs']\nbuiltin = ['kubernetes/']\n[defaults]\nnamespace = \
                'default'\ntimeout = '30m'\n[contexts]\nprotected = ['prod-*']\n[notify]\nchannels \
                = ['slack=https://hooks.example.com/x']\non = 'not-passed'\n",
        )
        .unwrap();
        let project = Found::File(at("project.toml"));
        let settings = load(&project, Some(&at("user.toml"))).unwrap();
        let catalogues: Vec<_> = settings.catalogues.iter().map(|one| one.value.clone()).collect();
        assert_eq!(catalogues, [at("mine"), "/abs".into(), at("ops")]);
        let namespace = settings.namespace.clone().unwrap();
        assert_eq!((namespace.value.as_str(), namespace.source.line), ("shop", 3));
        assert!(!namespace.source.of_user);
        assert_eq!(settings.timeout.unwrap().value, Duration::from_secs(1800));
        let protected: Vec<_> = settings.protected.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(protected, ["prod-*", "stage"]);
        assert_eq!(settings.channels[0].value.to_string(), "slack at hooks.example.com");
        assert_eq!(settings.notify_on.map(|on| on.value), Some(Occasion::NotPassed));
        // a file is read once, and what is not there says nothing
        let own = load(&Found::File(at("user.toml")), Some(&at("user.toml"))).unwrap();
        assert_eq!(own.channels.len(), 1);
        assert_eq!(load(&Found::None, Some(&at("none.toml"))), Ok(Settings::default()));
    }
}
