//! What an object is in the middle of, beside which it need not be ready: it is at work, or somebody has
//! stopped it.

use super::conditions::{course_of, listed};
use super::entry::Entry;
use super::word::{is_failing, is_paused, is_stopped, is_under_way};
use super::{SUSPENDED, Said, Sign, Sure};
use crate::object::{is_deleting, text};
use serde_json::Value;

/// Fields that say that somebody has stopped the object.
pub(super) const STOPS: [&str; 4] = ["paused", "suspended", "stopped", "hibernated"];
/// Fields of a spec that do, with what they say: Flux, Jobs and KubeRay have `suspend`, Percona `pause`,
/// Cluster API and Argo Rollouts `paused`, K8ssandra `stopped`.
const SPEC_STOPS: [(&str, &str); 5] = [
    ("suspend", "Suspended"),
    ("suspended", "Suspended"),
    ("pause", "Paused"),
    ("paused", "Paused"),
    ("stopped", "Stopped"),
];

/// What an object is in the middle of.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "an object may be in the middle of several of these"
)]
pub(super) struct Course {
    /// Somebody has told its controller to leave it.
    pub(super) is_paused: bool,
    /// Somebody has stopped it, so that what it runs is gone.
    pub(super) is_stopped: bool,
    /// Somebody has ended what it was to do.
    pub(super) is_cancelled: bool,
    /// Its controller is at work, or waits for something.
    pub(super) is_working: bool,
}

/// The field of its spec by which somebody has stopped an object, and what that says.
fn stop_of(object: &Value) -> Option<(&'static str, &'static str)> {
    SPEC_STOPS.into_iter().find(|(field, _)| object["spec"][*field] == true)
}

/// That somebody has told the controller to leave the object as it is, or to stop it.
pub(super) fn stop(object: &Value) -> Option<Said> {
    let (field, _) = stop_of(object)?;
    let (at, says) = (format!("spec.{field}"), "true".to_owned());
    Some(Said { id: SUSPENDED, at, says, hint: Sure(Sign::Paused), is_whole: true })
}

impl Course {
    /// What the words and conditions of the whole object say, and its spec.
    pub(super) fn of(entries: &[Entry<'_>], object: &Value) -> Self {
        let spec = stop_of(object).map_or("", |(_, says)| says);
        let top = || entries.iter().filter(|entry| entry.depth == 1 && !entry.is_last());
        let words = top().filter(|entry| entry.key.word).filter_map(|entry| entry.value.as_str());
        let flags = top().filter(|entry| STOPS.contains(&&*entry.at) && *entry.value == true);
        let lists = top().filter(|entry| entry.key.list);
        // the sync of an Application of Argo CD
        let is_synced = object["status"]["operationState"]["phase"] == "Running";
        let is_working = is_synced || is_deleting(object);
        // of a Workflow of Argo Workflows, whose phase is Failed then
        let is_cancelled = ["Stop", "Terminate"].contains(&text(&object["spec"]["shutdown"]));
        words
            .map(Self::of_word)
            .chain(flags.map(|entry| Self::of_pause(&entry.at)))
            .chain(lists.map(|entry| course_of(&listed(entry.value))))
            .fold(Self { is_working, is_cancelled, ..Self::of_pause(spec) }, Self::or)
    }

    fn of_word(word: &str) -> Self {
        let is_working = is_under_way(word) && !is_failing(word);
        Self { is_working, ..Self::of_pause(word) }
    }

    /// What a word says of a pause.
    pub(super) fn of_pause(word: &str) -> Self {
        let (is_paused, is_stopped) = (is_paused(word), is_stopped(word));
        Self { is_paused, is_stopped, ..Self::default() }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            is_paused: self.is_paused || other.is_paused,
            is_stopped: self.is_stopped || other.is_stopped,
            is_cancelled: self.is_cancelled || other.is_cancelled,
            is_working: self.is_working || other.is_working,
        }
    }
}
