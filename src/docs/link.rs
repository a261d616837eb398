//! Links between the pages of one folder.

use crate::encoding::percent_encode;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The pages that stand beside each other. A page that stands alone links to none.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// The path of the page below the folder, without its ending, by the name of the runbook.
    pages: BTreeMap<String, String>,
    ending: String,
}

impl Links {
    /// Pages of these runbooks, with this ending: `md`, `html`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, ending: &str) -> Self {
        let pages = names.into_iter().map(|name| (name.to_owned(), place(name))).collect();
        Self { pages, ending: ending.to_owned() }
    }

    /// The file of a runbook's page below the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        let page = self.pages.get(name).cloned().unwrap_or_else(|| place(name));
        PathBuf::from(format!("{page}.{}", self.ending))
    }

    /// The way from the page of one runbook to that of another; none if it has no page here.
    pub(super) fn between(&self, from: &str, to: &str) -> Option<String> {
        let (from, to) = (self.pages.get(from)?, self.pages.get(to)?);
        let up = "../".repeat(from.matches('/').count());
        Some(format!("{up}{}", self.address(to)))
    }

    /// The way from the index to the page of a runbook.
    pub(super) fn of_index(&self, to: &str) -> String {
        self.address(self.pages.get(to).map_or(to, String::as_str))
    }

    fn address(&self, page: &str) -> String {
        let parts: Vec<String> = page.split('/').map(percent_encode).collect();
        format!("{}.{}", parts.join("/"), self.ending)
    }
}

/// Where the page of a runbook stands: its name; of a file that was named by its path, that of the
/// file. It never leaves the folder.
fn place(name: &str) -> String {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let path = match path.file_stem() {
        Some(stem) if is_file => PathBuf::from(stem),
        _ => path.to_owned(),
    };
    let normal = path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    normal.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_find_each_other_and_stay_in_their_folder() {
        let names = ["ta-bot/smoke", "nats/health", "../../x.yaml", "top", "a b/ü"];
        let links = Links::new(names, "md");
        let between = |from, to| links.between(from, to).unwrap();
        assert_eq!(between("ta-bot/smoke", "nats/health"), "../nats/health.md");
        assert_eq!(between("top", "nats/health"), "nats/health.md");
        assert_eq!(between("ta-bot/smoke", "../../x.yaml"), "../x.md");
        assert_eq!(between("top", "a b/ü"), "a%20b/%C3%BC.md");
        assert_eq!(links.between("top", "absent"), None);
        assert_eq!(links.file("../../x.yaml"), Path::new("x.md"));
        assert_eq!(Links::new(["/etc/../a"], "md").file("/etc/../a"), Path::new("etc/a.md"));
    }
}
