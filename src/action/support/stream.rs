//! What a program has said, and what its standard output means: JSON, YAML, a table, CSV or lines.

use super::manifest::parse;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The end of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Said {
    pub(in crate::action) exit_code: i32,
    pub(in crate::action) stdout: String,
    pub(in crate::action) stderr: String,
    /// Whether a stream was longer than what is kept of it.
    pub(in crate::action) truncated: bool,
}

/// What stdout consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON value.
    Json,
    /// The list of the YAML documents.
    Yaml,
    /// The list of the rows of a table, as objects by column. Columns begin where the words of the
    /// first line do, as kubectl and docker print them, or are separated by tabs, as helm does.
    Table,
    /// The list of the records, as objects by the names in the first.
    Csv,
    /// The list of the lines.
    Lines,
}

impl Said {
    /// The output of a step. `parsed` is an unread item if stdout has another format or the program
    /// has failed without an answer: nothing can be concluded from it.
    pub(in crate::action) fn output(self, format: Option<Format>) -> Value {
        let mut output = json!({"exit_code": self.exit_code});
        if let Some(format) = format {
            output["parsed"] = self
                .parsed(format)
                .unwrap_or_else(|reason| json!({"unread": true, "error": reason}));
        }
        let Self { stdout, stderr, truncated, .. } = self;
        output["stdout"] = json!(stdout);
        output["stderr"] = json!(stderr);
        output["truncated"] = json!(truncated);
        output
    }

    /// What stdout says. A program that has failed and printed nothing of the kind has not answered.
    fn parsed(&self, format: Format) -> Result<Value, String> {
        let parsed = format.parsed(&self.stdout, self.truncated);
        if self.exit_code == 0 || (parsed.is_ok() && !self.stdout.trim().is_empty()) {
            return parsed;
        }
        let last = [&self.stderr, &self.stdout]
            .into_iter()
            .find_map(|stream| stream.lines().rev().map(str::trim).find(|line| !line.is_empty()));
        let last = last.map(|last| format!(": {last}")).unwrap_or_default();
        Err(format!("exit code {}{last}", self.exit_code))
    }
}

impl Format {
    fn parsed(self, text: &str, truncated: bool) -> Result<Value, String> {
        if truncated {
            return Err("the output was truncated".to_owned());
        }
        let wrong = |what: &str, why: String| format!("stdout is not {what}: {why}");
        match self {
            Self::Json => {
                serde_json::from_str(text).map_err(|error| wrong("JSON", error.to_string()))
            }
            Self::Yaml => parse(text).map(Value::Array).map_err(|why| wrong("YAML", why)),
            Self::Table => table(text).map_err(|why| wrong("a table", why)),
            Self::Csv => csv(text).map_err(|why| wrong("CSV", why)),
            Self::Lines => Ok(text.lines().collect()),
        }
    }
}

/// The rows of a table. No line at all is a table without rows: kubectl prints no header then.
fn table(text: &str) -> Result<Value, String> {
    let mut lines = text.lines().map(str::trim_end).enumerate();
    let Some((_, header)) = lines.by_ref().find(|(_, line)| !line.is_empty()) else {
        return Ok(json!([]));
    };
    let columns = Columns::of(header);
    unique(&columns.names)?;
    let mut rows = Vec::new();
    let mut over = false;
    for (index, line) in lines {
        if line.is_empty() {
            over = true;
            continue;
        }
        if over {
            return Err(format!("line {}: another table follows", index + 1));
        }
        let cells = columns.cells(line).map_err(|why| format!("line {}: {why}", index + 1))?;
        rows.push(row(&columns.names, cells));
    }
    Ok(Value::Array(rows))
}

struct Columns {
    names: Vec<String>,
    /// Where each begins, in characters; empty if tabs separate them.
    starts: Vec<usize>,
}

impl Columns {
    /// A single space is part of a name: `CONTAINER ID`.
    fn of(header: &str) -> Self {
        if header.contains('\t') {
            let names = header.split('\t').map(|name| name.trim().to_owned()).collect();
            return Self { names, starts: Vec::new() };
        }
        let characters: Vec<char> = header.chars().collect();
        let blank = |index: usize| characters.get(index).is_none_or(|char| *char == ' ');
        let begins = |index: &usize| {
            let index = *index;
            let after_gap = index == 0 || blank(index - 1) && (index == 1 || blank(index - 2));
            !blank(index) && after_gap
        };
        let starts: Vec<usize> = (0..characters.len()).filter(begins).collect();
        let ends = starts.iter().skip(1).copied().chain([characters.len()]);
        let name = |(start, end): (usize, usize)| {
            characters[start..end].iter().collect::<String>().trim().to_owned()
        };
        Self { names: starts.iter().copied().zip(ends).map(name).collect(), starts }
    }

    fn cells(&self, line: &str) -> Result<Vec<String>, String> {
        if self.starts.is_empty() {
            let cells: Vec<String> = line.split('\t').map(|cell| cell.trim().to_owned()).collect();
            // empty cells at the end are cut off
            return match cells.len() <= self.names.len() {
                true => Ok(cells),
                false => Err(format!("{} cells in {} columns", cells.len(), self.names.len())),
            };
        }
        let characters: Vec<char> = line.chars().collect();
        let ends = self.starts.iter().skip(1).copied().chain([usize::MAX]);
        let mut cells = Vec::new();
        for ((start, end), name) in self.starts.iter().copied().zip(ends).zip(&self.names) {
            let runs_over = start > 0 && start < characters.len() && characters[start - 1] != ' ';
            if runs_over
                || (start == self.starts[0] && characters[..start].iter().any(|c| *c != ' '))
            {
                return Err(format!("no column begins where {name} does"));
            }
            let end = end.min(characters.len());
            let cell = characters.get(start..end).unwrap_or_default();
            cells.push(cell.iter().collect::<String>().trim().to_owned());
        }
        Ok(cells)
    }
}

/// The records of CSV (RFC 4180), with the names of the first.
pub(super) fn csv(text: &str) -> Result<Value, String> {
    let mut records = records(text)?.into_iter();
    let Some((_, names)) = records.next() else { return Ok(json!([])) };
    unique(&names)?;
    let record = |(line, cells): (usize, Vec<String>)| match cells.len() == names.len() {
        true => Ok(row(&names, cells)),
        false => Err(format!("line {line}: {} fields, not {}", cells.len(), names.len())),
    };
    records.map(record).collect::<Result<_, _>>().map(Value::Array)
}

/// Each record with the line on which it begins; empty lines are none.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let (mut line, mut begun, mut quoted, mut was_quoted) = (1, 1, false, false);
    let mut characters = text.chars().peekable();
    while let Some(char) = characters.next() {
        line += usize::from(char == '\n');
        match char {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            _ if quoted => field.push(char),
            ',' => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                if !(record.is_empty() && field.is_empty() && !was_quoted) {
                    record.push(std::mem::take(&mut field));
                    records.push((begun, std::mem::take(&mut record)));
                }
                (was_quoted, begun) = (false, line);
            }
            _ if was_quoted => return Err(format!("line {line}: text after a quoted field")),
            _ => field.push(char),
        }
    }
    if quoted {
        return Err(format!("line {begun}: a quote is not closed"));
    }
    if !(record.is_empty() && field.is_empty() && !was_quoted) {
        record.push(field);
        records.push((begun, record));
    }
    Ok(records)
}

fn row(names: &[String], cells: Vec<String>) -> Value {
    let cells = cells.into_iter().map(Value::String).chain(std::iter::repeat(json!("")));
    Value::Object(names.iter().cloned().zip(cells).collect::<Map<_, _>>())
}

fn unique(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("column {} has no name", index + 1));
        }
        if names[..index].contains(name) {
            return Err(format!("two columns are named {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(format: Format, text: &str) -> Result<Value, String> {
        format.parsed(text, false)
    }

    #[test]
    fn tables_are_read_by_the_columns_of_their_header() {
        let kubectl = "NAME      READY   STATUS    RESTARTS      AGE\n\
            web-1     1/1     Running   2 (3h ago)    5d\n\
            web-2     0/1     Pending   0             \n";
        assert_eq!(
            parsed(Format::Table, kubectl).unwrap(),
            json!([
                {"NAME": "web-1", "READY": "1/1", "STATUS": "Running", "RESTARTS": "2 (3h ago)",
                    "AGE": "5d"},
                {"NAME": "web-2", "READY": "0/1", "STATUS": "Pending", "RESTARTS": "0", "AGE": ""}
            ])
        );
        let docker = "CONTAINER ID   IMAGE     NAMES\nabc            nginx     wéb\n";
        assert_eq!(
            parsed(Format::Table, docker).unwrap(),
            json!([{"CONTAINER ID": "abc", "IMAGE": "nginx", "NAMES": "wéb"}])
        );
        let helm = "NAME\tNAMESPACE\tREVISION\nweb \tshop     \t3       \n";
        assert_eq!(
            parsed(Format::Table, helm).unwrap(),
            json!([{"NAME": "web", "NAMESPACE": "shop", "REVISION": "3"}])
        );
        assert_eq!(parsed(Format::Table, "\n").unwrap(), json!([]));
        for (text, why) in [
            ("A   B\nlonger than it\n", "line 2: no column begins where B does"),
            ("  PID   NAME\n 1234   x\n", "line 2: no column begins where PID does"),
            ("A   B\n1   2\n\nC   D\n3   4\n", "line 4: another table follows"),
            ("A   A\n", "two columns are named A"),
        ] {
            assert_eq!(
                parsed(Format::Table, text).unwrap_err(),
                format!("stdout is not a table: {why}")
            );
        }
    }

    #[test]
    fn csv_is_read_with_its_quotes() {
        assert_eq!(
            parsed(Format::Csv, "a,b\r\n1,\"x, \"\"y\"\"\nz\"\n\n2,\n").unwrap(),
            json!([{"a": "1", "b": "x, \"y\"\nz"}, {"a": "2", "b": ""}])
        );
        for text in ["a,b\n1\n", "a\n\"1\n", "a,a\n", "a\n\"1\"x\n"] {
            assert!(parsed(Format::Csv, text).is_err(), "{text}");
        }
    }

    #[test]
    fn yaml_and_lines_are_lists() {
        assert_eq!(parsed(Format::Yaml, "a: 1\n---\nb: 2\n").unwrap(), json!([{"a": 1}, {"b": 2}]));
        assert_eq!(parsed(Format::Lines, "a\nb\n").unwrap(), json!(["a", "b"]));
        assert_eq!(parsed(Format::Lines, "").unwrap(), json!([]));
    }

    #[test]
    fn what_has_another_format_is_not_read() {
        let said = |exit_code, stdout: &str, truncated| Said {
            exit_code,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            truncated,
        };
        let parsed = |said: Said| said.output(Some(Format::Json))["parsed"].clone();
        assert_eq!(parsed(said(0, "{\"a\": 1}", false)), json!({"a": 1}));
        assert_eq!(parsed(said(8, "[1]", false)), json!([1]), "an exit code is no other format");
        assert_eq!(parsed(said(1, "no such PR", false))["error"], "exit code 1: no such PR");
        let failed = Said { stderr: "log in\n".to_owned(), ..said(4, "", false) };
        assert_eq!(failed.output(Some(Format::Lines))["parsed"]["error"], "exit code 4: log in");
        assert_eq!(parsed(said(0, "no", false))["unread"], json!(true));
        assert_eq!(parsed(said(0, "[1]", true))["error"], json!("the output was truncated"));
        assert!(said(0, "[1]", false).output(None).get("parsed").is_none());
    }
}
