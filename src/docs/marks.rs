//! Numbers and lists that only a run knows, in a command that a person types. They cannot be left as
//! the template that they are written as: something else of the right type takes the place, and is
//! found again in the command.

use serde_json::{Value, json};

/// The first number that takes the place of another; each has one of its own. All are valid ports.
const FIRST: u64 = 40_961;
/// What takes the place of a map.
const ENTRY: (&str, &str) = ("<name>", "<value>");

/// Arguments with a mark wherever one fits.
pub(super) struct Marked<T> {
    /// What is read of them.
    pub(super) read: Option<T>,
    pub(super) marks: Marks,
}

/// Each mark, and the template that it stands for.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(u64, String)>);

impl<T> Marked<T> {
    /// Tries each template of the arguments as a number, then as a map; what `read` does not take
    /// stays a template.
    pub(super) fn of(mut arguments: Value, read: impl Fn(&Value) -> Option<T>) -> Self {
        let mut marks = Marks::default();
        for place in templates(&arguments, String::new()) {
            let Some(template) = arguments.pointer(&place).cloned() else { continue };
            let number = FIRST + marks.0.len() as u64;
            for mark in [json!(number), json!({ENTRY.0: ENTRY.1})] {
                if let Some(at) = arguments.pointer_mut(&place) {
                    *at = mark.clone();
                }
                if read(&arguments).is_some() {
                    if mark.is_number() {
                        marks.0.push((number, template.as_str().unwrap_or_default().to_owned()));
                    }
                    break;
                }
                if let Some(at) = arguments.pointer_mut(&place) {
                    *at = template.clone();
                }
            }
        }
        Self { read: read(&arguments), marks }
    }
}

impl Marks {
    /// The commands with the template in the place of each mark, quoted.
    pub(super) fn told(&self, mut commands: Vec<String>) -> Vec<String> {
        for command in &mut commands {
            for (mark, template) in &self.0 {
                let is_path = !template.contains(['|', '(', '[', '%']);
                *command =
                    replaced(command, &mark.to_string(), if is_path { template } else { NUMBER });
            }
        }
        commands
    }
}

/// What stands for a number that is computed.
const NUMBER: &str = "<number>";

/// The command with another text, within quotes, in the place of a mark.
fn replaced(command: &str, mark: &str, text: &str) -> String {
    let mut out = String::new();
    for (at, part) in command.split(mark).enumerate() {
        if at > 0 {
            let quote = if is_quoted(&out) { "" } else { "'" };
            out.extend([quote, text, quote]);
        }
        out.push_str(part);
    }
    out
}

/// Whether a single quote is open at the end of this.
fn is_quoted(command: &str) -> bool {
    let (mut open, mut escaped) = (false, false);
    for char in command.chars() {
        match char {
            '\'' if !escaped => open = !open,
            '\\' if !open && !escaped => {
                escaped = true;
                continue;
            }
            _ => {}
        }
        escaped = false;
    }
    open
}

/// Where the arguments are a template as a whole, as JSON pointers.
fn templates(value: &Value, place: String) -> Vec<String> {
    match value {
        Value::String(text) if text.trim_start().starts_with("{{") => vec![place],
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(at, item)| templates(item, format!("{place}/{at}"))).collect()
        }
        Value::Object(fields) => {
            let token = |key: &str| key.replace('~', "~0").replace('/', "~1");
            let fields = fields.iter();
            fields
                .flat_map(|(key, field)| templates(field, format!("{place}/{}", token(key))))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_already_is_not_quoted_again() {
        for (command, wanted) in [
            ("scale --replicas=7", "scale --replicas='<n>'"),
            (r#"patch -p '{"replicas":7}'"#, r#"patch -p '{"replicas":<n>}'"#),
            (r"echo 'it'\''s 7' 7", r"echo 'it'\''s <n>' '<n>'"),
        ] {
            assert_eq!(replaced(command, "7", "<n>"), wanted);
        }
    }

    #[test]
    fn a_number_that_is_not_known_is_told_as_what_it_is() {
        let arguments = json!({"target": "{{ params.target }}", "replicas": "{{ item.replicas }}",
            "images": "{{ images }}", "least": "{{ a | length }}"});
        let read = |value: &Value| {
            let fits = value["target"].is_string()
                && (value["replicas"].is_number() || value["replicas"].is_string())
                && (value["images"].is_object() || value["images"].is_string())
                && !value["least"].is_object();
            fits.then(|| format!("{} {} {}", value["replicas"], value["least"], value["images"]))
        };
        let marked = Marked::of(arguments, read);
        let commands = marked.marks.told(vec![marked.read.unwrap()]);
        let wanted = r#"'{{ item.replicas }}' '<number>' {"<name>":"<value>"}"#;
        assert_eq!(commands, [wanted]);
    }
}
