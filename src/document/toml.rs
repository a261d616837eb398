//! TOML text to the same positioned tree as YAML, for the file of settings: its mistakes are
//! reported like those of a runbook.

use super::catalogue::{diagnose, diagnose_all};
use super::deserialize::{from_node, has_template};
use super::node::{Entry, Fault, Node, NodeKind};
use crate::diagnostic::{Diagnostic, line_of};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;
use toml_edit::{Document, Item, Key, TableLike};

/// What a TOML file says, with its places.
#[derive(Clone, Debug)]
pub struct Toml<T> {
    /// What it says.
    pub value: T,
    file: String,
    source: Arc<str>,
    root: Node,
}

impl<T: DeserializeOwned> Toml<T> {
    /// Reads a text. `shown` is the same text as people may see it, character by character in the
    /// same place: the excerpts of diagnostics are of it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &str, text: &str, shown: &str) -> Result<Self, Vec<Diagnostic>> {
        let source: Arc<str> = shown.into();
        let wrong = |faults: Vec<Fault>| diagnose_all(file, &source, faults);
        // a message may repeat a value: it is that of the text as it may be seen
        let (_, found) = from_node::<T>(&tree(shown).map_err(|fault| wrong(vec![fault]))?);
        let root = tree(text).map_err(|_| wrong(vec![unreadable()]))?;
        let mut faults = found.faults;
        templates(&root, &mut faults);
        let value = if faults.is_empty() { from_node::<T>(&root).0 } else { None };
        match value {
            Some(value) => Ok(Self { value, file: file.to_owned(), source, root }),
            None if faults.is_empty() => Err(wrong(vec![unreadable()])),
            None => Err(wrong(faults)),
        }
    }
}

impl<T> Toml<T> {
    /// The line of a key, such as `defaults.timeout`, or of an item of its list; none if it is not
    /// there.
    pub fn line(&self, path: &str, item: Option<usize>) -> Option<usize> {
        Some(line_of(&self.source, self.place(path, item)?.start))
    }

    /// Whether the file has this key.
    pub fn has(&self, path: &str) -> bool {
        self.place(path, None).is_some()
    }

    /// An error at a key, or at an item of its list.
    pub fn error(
        &self,
        (path, item): (&str, Option<usize>),
        code: &'static str,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        let span = self.place(path, item).unwrap_or_default();
        diagnose(&self.file, &self.source, Fault::new(code, span, message, label))
    }

    fn place(&self, path: &str, item: Option<usize>) -> Option<Range<usize>> {
        let mut at = &self.root;
        let mut span = None;
        for key in path.split('.') {
            let entry = at.entries()?.iter().find(|entry| entry.key == key)?;
            (at, span) = (&entry.node, Some(entry.key_span.clone()));
        }
        match (item, &at.kind) {
            (Some(item), NodeKind::List(items)) => Some(items.get(item)?.span.clone()),
            _ => span,
        }
    }
}

fn unreadable() -> Fault {
    Fault::new("RB0001", 0..0, "the file cannot be read", "")
}

/// What stands for another value elsewhere stands for itself here.
fn templates(node: &Node, faults: &mut Vec<Fault>) {
    match &node.kind {
        NodeKind::Scalar { text, .. } if has_template(text) => faults.push(Fault::new(
            "RB0104",
            node.span.clone(),
            "a file of settings has no templates",
            "write the value",
        )),
        NodeKind::Scalar { .. } => {}
        NodeKind::List(items) => items.iter().for_each(|item| templates(item, faults)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| templates(&entry.node, faults)),
    }
}

fn tree(text: &str) -> Result<Node, Fault> {
    let document = Document::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Fault::new(
            "RB0001",
            span,
            format!("invalid TOML: {}", error.message().trim()),
            "cannot be read",
        )
    })?;
    Ok(Node { span: 0..text.len(), kind: table(document.as_table()) })
}

fn table(table: &dyn TableLike) -> NodeKind {
    let entry = |(name, item): (&str, &Item)| Entry {
        key: name.to_owned(),
        key_span: table.key(name).and_then(Key::span).unwrap_or_default(),
        node: node(item),
    };
    NodeKind::Map(table.iter().map(entry).collect())
}

fn node(item: &Item) -> Node {
    let span = item.span().unwrap_or_default();
    let kind = match item {
        Item::None => NodeKind::Scalar { text: String::new(), value: Value::Null },
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => NodeKind::List(
            tables
                .iter()
                .map(|inner| Node { span: inner.span().unwrap_or_default(), kind: table(inner) })
                .collect(),
        ),
        Item::Value(inner) => value(inner),
    };
    Node { span, kind }
}

fn value(inner: &toml_edit::Value) -> NodeKind {
    use toml_edit::Value as Toml;
    let scalar = |value: Value, text: String| NodeKind::Scalar { text, value };
    match inner {
        Toml::String(text) => scalar(Value::from(text.value().as_str()), text.value().clone()),
        Toml::Integer(number) => scalar(Value::from(*number.value()), number.value().to_string()),
        Toml::Float(number) => scalar(Value::from(*number.value()), number.value().to_string()),
        Toml::Boolean(is) => scalar(Value::from(*is.value()), is.value().to_string()),
        Toml::Datetime(time) => {
            scalar(Value::from(time.value().to_string()), time.value().to_string())
        }
        Toml::Array(items) => NodeKind::List(
            items
                .iter()
                .map(|item| Node { span: item.span().unwrap_or_default(), kind: value(item) })
                .collect(),
        ),
        Toml::InlineTable(inner) => table(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default, rename = "probe.toml")]
    struct Probe {
        names: Vec<String>,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        port: Option<u16>,
    }

    fn read(text: &str) -> Result<Toml<Probe>, Vec<String>> {
        Toml::<Probe>::read("probe.toml", text, text).map_err(|faults| {
            let said = |one: &Diagnostic| format!("{:?} {}", one.place(), one.message);
            faults.iter().map(said).collect()
        })
    }

    #[test]
    fn a_key_and_an_item_have_a_line() {
        let toml = read("names = [\n  'a',\n  'b',\n]\n[inner]\nport = 80\n").unwrap();
        assert_eq!(toml.value.names, ["a", "b"]);
        assert_eq!(toml.value.inner.port, Some(80));
        assert_eq!(toml.line("names", None), Some(1));
        assert_eq!(toml.line("names", Some(1)), Some(3));
        assert_eq!(toml.line("inner.port", None), Some(6));
        assert_eq!(toml.line("inner.host", None), None);
        assert!(toml.has("inner") && !toml.has("outer"));
        assert_eq!(read("").unwrap().value, Probe::default());
        assert_eq!(read("inner.port = 1").unwrap().line("inner.port", None), Some(1));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, wanted) in [
            ("[inner]\nprot = 1", "Some((2, 1)) unknown field `prot` of `inner`"),
            ("naems = []", "Some((1, 1)) unknown field `naems` of `probe.toml`"),
            ("names = ['a', 1]", "Some((1, 15)) expected a string, found a number `1`"),
            ("[inner]\nport = 'x'", "Some((2, 8)) expected a number, found a string `x`"),
            ("[inner]\nport = '{{ x }}'", "Some((2, 8)) a file of settings has no templates"),
            ("names = [", "Some((1, 10)) invalid TOML: unclosed array, expected `]`"),
            ("names = 1\nnames = 2", "Some((2, 1)) invalid TOML: duplicate key"),
        ] {
            let found = read(text).unwrap_err();
            assert_eq!(found, [wanted], "{text}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_must_not_be_seen() {
        let text = "names = 'S3CR3T'";
        let found = Toml::<Probe>::read("x", text, &text.replace("S3CR3T", "******")).unwrap_err();
        assert!(!format!("{found:?}").contains("S3CR3T"), "{found:?}");
    }
}
