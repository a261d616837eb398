//! The alerts that clusters of all kinds have, and which of them have a runbook.

use super::choose::{Handled, runbooks_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Alerts with one set of causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Family {
    /// What they are about.
    pub area: String,
    /// Their names; none if every user writes an own one.
    pub names: Vec<String>,
    /// What happens, where there is no name that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether they are among those that matter from day to day.
    pub common: bool,
    /// Whether the causes can be told apart without the API of a cloud: `yes`, `partly` or `no`.
    pub decidable: String,
    /// What a full answer looks at besides objects, events, logs and queries for one moment.
    pub needs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCatalogue {
    needs: BTreeMap<String, String>,
    areas: Vec<WrittenArea>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenArea {
    area: String,
    families: Vec<WrittenFamily>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFamily {
    #[serde(default)]
    names: Vec<String>,
    about: Option<String>,
    #[serde(default)]
    common: bool,
    #[serde(default = "yes")]
    decidable: String,
    #[serde(default)]
    needs: Vec<String>,
}

fn yes() -> String {
    "yes".to_owned()
}

static FAMILIES: LazyLock<Vec<Family>> = LazyLock::new(|| {
    // that it can be read is tested
    read(include_str!("catalogue.yaml")).unwrap_or_default()
});

/// The families, in the order of their areas.
pub fn families() -> &'static [Family] {
    &FAMILIES
}

fn read(text: &str) -> Result<Vec<Family>, String> {
    let WrittenCatalogue { needs: words, areas } =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut families = Vec::new();
    for WrittenArea { area, families: written } in areas {
        for WrittenFamily { names, about, common, decidable, needs } in written {
            let word = |need: &String| {
                words.get(need).cloned().ok_or_else(|| format!("{names:?}: no words for {need}"))
            };
            let needs = needs.iter().map(word).collect::<Result<_, _>>()?;
            families.push(Family { area: area.clone(), names, about, common, decidable, needs });
        }
    }
    Ok(families)
}

/// Which alerts have a runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The families, in order.
    pub families: Vec<FamilyCoverage>,
}

/// Which alerts of a family have a runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FamilyCoverage {
    /// The family.
    #[serde(flatten)]
    pub family: Family,
    /// The runbooks of each name that has some.
    pub runbooks: BTreeMap<String, Vec<String>>,
    /// The names that have none.
    pub missing: Vec<String>,
}

impl FamilyCoverage {
    /// Whether every name has a runbook.
    pub fn is_covered(&self) -> bool {
        self.missing.is_empty() && !self.runbooks.is_empty()
    }
}

impl Coverage {
    /// Of all families, by these runbooks.
    pub fn of(handled: &[Handled]) -> Self {
        let covered = |family: &Family| {
            let (mut runbooks, mut missing) = (BTreeMap::new(), Vec::new());
            for name in &family.names {
                match runbooks_of(name, handled) {
                    none if none.is_empty() => missing.push(name.clone()),
                    found => {
                        let found = found.into_iter().map(str::to_owned).collect();
                        runbooks.insert(name.clone(), found);
                    }
                }
            }
            FamilyCoverage { family: family.clone(), runbooks, missing }
        };
        Self { families: families().iter().map(covered).collect() }
    }

    /// How many families are covered, and how many there are, of all or of the common ones.
    pub fn count(&self, only_common: bool) -> (usize, usize) {
        let counted = || self.families.iter().filter(|one| one.family.common || !only_common);
        (counted().filter(|one| one.is_covered()).count(), counted().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_catalogue_can_be_read_and_names_each_alert_once() {
        let families = read(include_str!("catalogue.yaml")).unwrap();
        let names: Vec<&String> = families.iter().flat_map(|family| &family.names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!((families.len(), names.len()), (139, 326));
        assert_eq!(families.iter().filter(|family| family.common).count(), 40);
        for family in &families {
            assert!(["yes", "partly", "no"].contains(&family.decidable.as_str()), "{family:?}");
            assert!(family.about.is_some() || !family.names.is_empty(), "{family:?}");
            assert!(!family.common || !family.names.is_empty(), "{family:?}");
        }
    }

    #[test]
    fn a_family_is_covered_when_each_of_its_names_is() {
        let handled = |alert: &str| Handled {
            alert: alert.to_owned(),
            runbook: "x".to_owned(),
            built_in: true,
        };
        let all = ["KubePodCrashLooping", "KubeQuotaExceeded"].map(handled);
        let coverage = Coverage::of(&all);
        assert_eq!((coverage.count(false), coverage.count(true)), ((1, 139), (1, 40)));
        let quota = coverage
            .families
            .iter()
            .find(|one| one.family.names.iter().any(|name| name == "KubeQuotaExceeded"))
            .unwrap();
        assert_eq!(quota.missing, ["KubeQuotaAlmostFull", "KubeQuotaFullyUsed"]);
        assert!(!quota.is_covered());
    }
}
