//! Short names of pods: what tells them apart among those seen.

use std::collections::{BTreeMap, BTreeSet};

/// The names seen in a run.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// For each suffix, the pods that have it.
    pods: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    /// Remembers a name, so that a later short one is not taken for it.
    pub(super) fn learn(&mut self, name: &str) {
        for part in parts(name) {
            if let Some(suffix) = suffix(part) {
                self.pods.entry(suffix.to_owned()).or_default().insert(part.to_owned());
            }
        }
    }

    /// `spgqs` for `pod/petrosa-ta-bot-7d9f8b6c5d-spgqs`, as long as no other pod seen ends so.
    /// What is not a pod with a generated name stays whole.
    pub(super) fn short(&self, name: &str) -> String {
        if !name.starts_with("pod/") {
            return name.to_owned();
        }
        let known_by = |suffix: &str| self.pods.get(suffix).map_or(0, BTreeSet::len);
        let short = |part| suffix(part).filter(|suffix| known_by(suffix) <= 1).unwrap_or(part);
        parts(name).map(short).collect::<Vec<_>>().join("/")
    }
}

/// The parts of `pod/NAME` or `pod/NAMESPACE/NAME`; none of anything else.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.strip_prefix("pod/").into_iter().flat_map(|rest| rest.split('/'))
}

/// The end of a name that a controller generated: five letters or digits without vowels.
fn suffix(name: &str) -> Option<&str> {
    let (_, end) = name.rsplit_once('-')?;
    let generated = |byte: u8| {
        byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"aeiou".contains(&byte))
    };
    (end.len() == 5 && end.bytes().all(generated)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn what_tells_pods_apart() {
        let mut names = Names::default();
        for name in [
            "pod/a-7d9f8b6c5d-spgqs",
            "pod/a-7d9f8b6c5d-x2lkd",
            "pod/b-5c-bbbbb",
            "pod/c-77-bbbbb",
            "pod/mysql-0",
        ] {
            names.learn(name);
        }
        let table = [
            ("pod/a-7d9f8b6c5d-spgqs", "spgqs"),
            ("pod/petrosa-apps/a-7d9f8b6c5d-x2lkd", "petrosa-apps/x2lkd"),
            ("pod/b-5c-bbbbb", "b-5c-bbbbb"),
            ("pod/mysql-0", "mysql-0"),
            ("pod/web-proxy", "web-proxy"),
            ("pod/never-seen-zzzzz", "zzzzz"),
            ("deployment/a-7d9f8b6c5d-spgqs", "deployment/a-7d9f8b6c5d-spgqs"),
            ("", ""),
        ];
        for (name, expected) in table {
            assert_eq!(names.short(name), expected, "{name}");
        }
    }
}
