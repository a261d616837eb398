//! The placeholders of a line of the table.

use super::programs;
use super::words::KUBECTL;
use crate::document::deserialize::has_template;
use crate::document::node::{Node, NodeKind};
use crate::document::quoting::{quoted, quoted_in_block};
use serde_json::Value;

/// An entry of which a line is made.
pub(super) struct Filler<'a> {
    pub key: &'a str,
    pub value: &'a Node,
    pub source: &'a str,
    /// It stands within `{…}`, where more has to be quoted.
    pub in_flow: bool,
}

impl Filler<'_> {
    /// The line with its placeholders filled; none if one of them cannot be.
    pub(super) fn fill(&self, line: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((name, after)) = after.split_once('>') else { break };
            filled.push_str(before);
            filled.push_str(&self.placeholder(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// The step that does what a line of a shell does.
    pub(super) fn program(&self) -> Option<String> {
        let lines = self.texts()?;
        let line = lines.join(" && ");
        let words: Vec<&str> = line.split_whitespace().collect();
        let first = usize::from(words.first() == Some(&"kubectl"));
        if self.key == "kubectl" || first == 1 {
            let rest = words[first..].join(" ");
            let known = KUBECTL.iter().find(|(begin, _)| {
                rest.strip_prefix(begin).is_some_and(|rest| rest.starts_with(' '))
            });
            if let Some((begin, step)) = known {
                let arguments = Arguments::new(rest[begin.len()..].split_whitespace());
                return arguments.fill(step);
            }
        }
        let prefix = if self.key == "kubectl" && first == 0 { "kubectl " } else { "" };
        Some(format!("command: {{argv: {}}}", argv(&format!("{prefix}{line}"))))
    }

    fn placeholder(&self, name: &str) -> Option<String> {
        match name {
            "key" => Some(self.key.to_owned()),
            "value" => self.written(),
            "quoted" => Some(Value::from(self.written()?).to_string()),
            "text" => Some(Value::from(self.text()?).to_string()),
            "item" => Some(format!("[{}]", self.written()?)),
            "jq" => Some(self.quoted(&self.program_of(self.value)?)),
            "not" => Some(self.quoted(&format!("({}) | not", self.program_of(self.value)?))),
            "and" => {
                let all: Option<Vec<_>> =
                    self.items()?.iter().map(|one| self.program_of(one)).collect();
                let all: Vec<_> = all?.iter().map(|one| format!("({one})")).collect();
                Some(self.quoted(&all.join(" and ")))
            }
            "passed" => {
                let texts = self.texts()?;
                let all: Vec<_> = texts.iter().map(|id| format!("{}.passed", step(id))).collect();
                Some(self.quoted(&all.join(" and ")))
            }
            "passing" => {
                let all: Vec<_> = self.texts()?.iter().map(|id| format!("{id}: passed")).collect();
                Some(format!("{{{}}}", all.join(", ")))
            }
            "words" => Some(argv(&self.texts()?.join(" && "))),
            "object" => Arguments::new(self.text()?.split_whitespace()).fill("<object>"),
            "fields" => {
                let between = if self.in_flow { ", ".to_owned() } else { self.new_line() };
                let object = Arguments::new(self.text()?.split_whitespace()).fill("<object>")?;
                Some(object.replace(", ", &between))
            }
            "let" => self.bindings(),
            "port" => self.text()?.get(..4).map(str::to_owned),
            "duration" => self.duration(),
            "entries" => self.entries(),
            "condition" => self.condition(),
            "remedy" => {
                let text = self.text()?;
                let words = text.contains(char::is_whitespace) || text.contains("://");
                let quoted = Value::from(text);
                Some(if words { format!("{{text: {quoted}}}") } else { self.written()? })
            }
            _ => None,
        }
    }

    /// The value as it is written, if that is one line.
    fn written(&self) -> Option<String> {
        let text = self.source.get(self.value.span.clone())?.trim_end();
        (!text.contains('\n') && !text.is_empty()).then(|| text.to_owned())
    }

    fn text(&self) -> Option<&str> {
        match &self.value.kind {
            NodeKind::Scalar { text, value } if !value.is_null() => Some(text.trim()),
            _ => None,
        }
    }

    /// The text, or those of a list.
    fn texts(&self) -> Option<Vec<String>> {
        let lines = |text: &str| text.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        match &self.value.kind {
            NodeKind::Scalar { .. } => self.text().map(lines),
            NodeKind::List(items) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            NodeKind::Map(_) => None,
        }
    }

    fn items(&self) -> Option<&[Node]> {
        match &self.value.kind {
            NodeKind::List(items) => Some(items),
            _ => None,
        }
    }

    /// A node as a program: what others write in a condition is written as jq.
    fn program_of(&self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Scalar { text, value } if !value.is_null() => {
                Some(programs::condition(text).map_or_else(|| text.trim().to_owned(), |(jq, _)| jq))
            }
            NodeKind::List(_) => {
                let written = self.source.get(node.span.clone())?.trim_end();
                (!written.contains('\n')).then(|| written.to_owned())
            }
            _ => None,
        }
    }

    /// A program in quotes, where YAML needs them. A list stays one.
    fn quoted(&self, program: &str) -> String {
        if self.items().is_some() && program.starts_with('[') {
            program.to_owned()
        } else if self.in_flow {
            quoted(program)
        } else {
            quoted_in_block(program)
        }
    }

    /// A duration with its unit: seconds, if none is said.
    fn duration(&self) -> Option<String> {
        if let Some(entries) = self.value.entries() {
            let [one] = entries else { return None };
            let unit = match one.key.as_str() {
                "seconds" | "second" | "s" => "s",
                "minutes" | "minute" | "m" => "m",
                "hours" | "hour" | "h" => "h",
                _ => return None,
            };
            return Some(format!("{}{unit}", one.node.as_text()?));
        }
        let text = self.text()?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        Some(if digits { format!("{text}s") } else { text.to_owned() })
    }

    /// The entries of a mapping as a list of mappings.
    fn entries(&self) -> Option<String> {
        let entry = |entry: &crate::document::node::Entry| {
            Some(format!("{{key: {}, value: {}}}", entry.key, entry.node.as_text()?))
        };
        let all: Option<Vec<_>> = self.value.entries()?.iter().map(entry).collect();
        Some(format!("[{}]", all?.join(", ")))
    }

    /// A line break, and the indentation of the line in which the value begins.
    fn new_line(&self) -> String {
        let before = self.source.get(..self.value.span.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        format!("\n{:indent$}", "")
    }

    /// Names for values: a text that is no template is one in jq, too.
    fn bindings(&self) -> Option<String> {
        let binding = |entry: &crate::document::node::Entry| {
            let NodeKind::Scalar { text, value } = &entry.node.kind else { return None };
            let program = match value {
                Value::String(text) if has_template(text) => programs::condition(text)?.0,
                Value::String(text) => Value::from(text.as_str()).to_string(),
                _ => text.clone(),
            };
            Some(format!("{}: {}", entry.key, quoted(&program)))
        };
        let all: Option<Vec<_>> = self.value.entries()?.iter().map(binding).collect();
        Some(format!("{{{}}}", all?.join(", ")))
    }

    /// What `kubectl wait --for` waits for: `condition=Ready`, `condition=Ready=false`,
    /// `jsonpath={.status.phase}=Running`.
    fn condition(&self) -> Option<String> {
        let text = self.text()?;
        if let Some(path) = text.strip_prefix("jsonpath=") {
            let (path, value) = path.rsplit_once('=').filter(|(path, _)| path.contains('}'))?;
            let path = path.trim_matches(['\'', '{', '}']);
            return Some(format!("'{path} == {}'", Value::from(value.trim_matches('\''))));
        }
        let condition = text.strip_prefix("condition=").unwrap_or(text);
        let (name, status) = condition.split_once('=').unwrap_or((condition, "True"));
        let status = match status.to_ascii_lowercase().as_str() {
            "true" => "True",
            "false" => "False",
            "unknown" => "Unknown",
            _ => return None,
        };
        name.chars().all(char::is_alphanumeric).then(|| {
            format!("'any(.status.conditions[]?; .type == \"{name}\" and .status == \"{status}\")'")
        })
    }
}

/// The id of a step with this title.
pub(super) fn step_slug(title: &str) -> Option<String> {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let spaced: String = title.chars().map(letter).collect();
    let slug = spaced.split_whitespace().take(4).collect::<Vec<_>>().join("-");
    (!slug.is_empty()).then_some(slug)
}

/// A step in a program.
fn step(id: &str) -> String {
    let is_word = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word { format!("$steps.{id}") } else { format!("$steps[\"{id}\"]") }
}

/// A line of a shell as a list of words; what only a shell understands is left to one.
pub(super) fn argv(line: &str) -> String {
    let shell = line.contains(['|', '>', '<', ';', '&', '$', '*', '`', '"', '\'', '(']);
    if shell && !line.contains("{{") {
        return format!("[sh, -c, {}]", Value::from(line));
    }
    let quoted = |word: &str| {
        let plain = word.chars().all(|c| c.is_alphanumeric() || "-_./=@:+".contains(c))
            && !word.ends_with(':')
            && !word.chars().all(|c| c.is_ascii_digit() || c == '.');
        if plain { word.to_owned() } else { Value::from(word).to_string() }
    };
    let words: Vec<_> = line.split_whitespace().map(quoted).collect();
    format!("[{}]", words.join(", "))
}

/// The words after a command of kubectl.
struct Arguments<'a> {
    plain: Vec<&'a str>,
    selector: Option<&'a str>,
    namespace: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    fn new(words: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self { plain: Vec::new(), selector: None, namespace: None };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            match word {
                "-n" | "--namespace" => all.namespace = words.next(),
                "-l" | "--selector" => all.selector = words.next(),
                "-o" | "--output" | "-c" | "--tail" | "--since" => drop(words.next()),
                _ if word.starts_with('-') => {}
                _ => all.plain.push(word),
            }
        }
        all
    }

    fn fill(&self, line: &str) -> Option<String> {
        let filled = line
            .replace("<object>", &self.object()?)
            .replace("<target>", &self.target())
            .replace("<1>", self.plain.first().copied().unwrap_or("NAME"));
        Some(filled)
    }

    /// `kind: pods, selector: app=web`
    fn object(&self) -> Option<String> {
        let first = self.plain.first()?;
        let (kind, name) = first.split_once('/').map_or_else(
            || (*first, self.plain.get(1).copied()),
            |(kind, name)| (kind, Some(name)),
        );
        let quoted = |text: &str| {
            if text.contains([',', '{', '}', '[', ']', ' ']) {
                Value::from(text).to_string()
            } else {
                text.to_owned()
            }
        };
        let fields = [("name", name), ("selector", self.selector), ("namespace", self.namespace)];
        let fields = fields.iter().filter_map(|(key, value)| Some((key, (*value)?)));
        let fields = fields.map(|(key, value)| format!(", {key}: {}", quoted(value)));
        Some(format!("kind: {}{}", quoted(kind), fields.collect::<String>()))
    }

    /// `deployment/web`
    fn target(&self) -> String {
        match self.plain.as_slice() {
            [one, ..] if one.contains('/') => (*one).to_owned(),
            [kind, name, ..] => format!("{kind}/{name}"),
            [name] => format!("pod/{name}"),
            [] => "deployment/NAME".to_owned(),
        }
    }
}

impl Node {
    /// The text of a scalar of any type.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }
}
