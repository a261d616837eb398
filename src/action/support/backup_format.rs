//! How a complete backup begins and ends, decided while it streams past, in constant memory.

use super::rdb_checksum::Checksum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As much of the beginning and of the end is kept.
const EDGE: usize = 4096;
/// The mark of Redis: 20 bytes in hexadecimal.
const END_MARK: usize = 40;

/// What a backup consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupFormat {
    /// SQL of `pg_dump`.
    PgDump,
    /// SQL of `pg_dumpall`.
    PgDumpall,
    /// The custom format of `pg_dump -Fc`, which has no trailer.
    PgDumpCustom,
    /// SQL of `mysqldump` or `mariadb-dump`.
    Mysqldump,
    /// The file of Redis (`redis-cli --rdb -`): its checksum is verified.
    Rdb,
}

impl BackupFormat {
    /// The end of the name of a file.
    pub(in crate::action) fn extension(self) -> &'static str {
        match self {
            Self::PgDump | Self::PgDumpall | Self::Mysqldump => "sql",
            Self::PgDumpCustom => "dump",
            Self::Rdb => "rdb",
        }
    }

    /// The most bytes that may follow a complete backup and are no part of it: `redis-cli --rdb -`
    /// leaves the mark with which the server ends the transfer.
    pub(in crate::action) fn end_mark(self) -> usize {
        if self == Self::Rdb { END_MARK } else { 0 }
    }
}

/// Whether this is the mark with which Redis ends a transfer without a length.
pub(in crate::action) fn is_end_mark(bytes: &[u8]) -> bool {
    bytes.len() == END_MARK && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// What is expected of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Expected {
    pub(in crate::action) format: Option<BackupFormat>,
    pub(in crate::action) begins: Option<String>,
    pub(in crate::action) ends: Option<String>,
}

/// What keeps a stream from being a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::action) struct Problem {
    /// Which kind, for findings.
    pub(in crate::action) id: &'static str,
    /// What is wrong, for a person.
    pub(in crate::action) text: String,
}

impl Problem {
    pub(in crate::action) fn new(id: &'static str, text: impl Into<String>) -> Self {
        Self { id, text: text.into() }
    }
}

/// The beginning and the end of a stream, and the checksum of one that has one.
pub(in crate::action) struct Edges {
    head: Vec<u8>,
    tail: Vec<u8>,
    bytes: u64,
    checksum: Option<Checksum>,
}

impl Edges {
    /// Of a stream of which this is expected.
    pub(in crate::action) fn new(expected: &Expected) -> Self {
        let checksum = (expected.format == Some(BackupFormat::Rdb)).then(Checksum::default);
        Self { head: Vec::new(), tail: Vec::new(), bytes: 0, checksum }
    }

    /// More of the stream.
    pub(in crate::action) fn push(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        let room = EDGE - self.head.len();
        self.head.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() >= EDGE {
            self.tail.clear();
            self.tail.extend_from_slice(&data[data.len() - EDGE..]);
        } else {
            self.tail.extend_from_slice(data);
            let over = self.tail.len().saturating_sub(EDGE);
            self.tail.drain(..over);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.push(data);
        }
    }

    pub(in crate::action) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is wrong with the whole stream; none if it begins and ends as a complete one does.
    pub(in crate::action) fn problem(&self, expected: &Expected) -> Option<Problem> {
        if self.bytes == 0 {
            return Some(Problem::new("truncated", "there is nothing in it"));
        }
        if let Some(text) = &expected.begins
            && !self.head.starts_with(text.as_bytes())
        {
            return Some(Problem::new("wrong_format", format!("does not begin with {text:?}")));
        }
        if let Some(text) = &expected.ends
            && !trimmed(&self.tail).ends_with(trimmed(text.as_bytes()))
        {
            return Some(Problem::new("truncated", format!("does not end with {text:?}")));
        }
        self.format_problem(expected.format?)
    }

    fn format_problem(&self, format: BackupFormat) -> Option<Problem> {
        let (what, begins): (_, &[&str]) = match format {
            BackupFormat::PgDump => ("a dump of pg_dump", &["--\n-- PostgreSQL database dump\n"]),
            BackupFormat::PgDumpall => {
                ("a dump of pg_dumpall", &["--\n-- PostgreSQL database cluster dump\n"])
            }
            BackupFormat::PgDumpCustom => ("a dump of pg_dump -Fc", &["PGDMP"]),
            BackupFormat::Mysqldump => (
                "a dump of mysqldump",
                &["-- MySQL dump ", "-- MariaDB dump ", "/*M!999999\\- enable the sandbox mode */"],
            ),
            BackupFormat::Rdb => ("a file of Redis", &["REDIS0"]),
        };
        if !begins.iter().any(|text| self.head.starts_with(text.as_bytes())) {
            let shown = String::from_utf8_lossy(&self.head[..self.head.len().min(40)]);
            let text = format!("is not {what}: it begins with {shown:?}");
            return Some(Problem::new("wrong_format", text));
        }
        let trailer = match format {
            BackupFormat::PgDump => "-- PostgreSQL database dump complete",
            BackupFormat::PgDumpall => "-- PostgreSQL database cluster dump complete",
            BackupFormat::Mysqldump => "-- Dump completed",
            BackupFormat::PgDumpCustom => return None,
            BackupFormat::Rdb => {
                return self
                    .checksum
                    .as_ref()
                    .and_then(Checksum::problem)
                    .map(|text| Problem::new("truncated", text));
            }
        };
        if ends_with_comment(&self.tail, trailer) {
            return None;
        }
        let text = format!("is incomplete: it does not end with {trailer:?}");
        Some(Problem::new("truncated", text))
    }
}

/// Whether the last thing that is said is this comment. Empty lines and comments may follow, and
/// `\unrestrict KEY`, with which pg_dump 15.14, 16.10, 17.6 and later end.
fn ends_with_comment(tail: &[u8], trailer: &str) -> bool {
    let text = String::from_utf8_lossy(tail);
    for line in text.lines().rev().map(str::trim_end) {
        if line.starts_with(trailer) {
            return true;
        }
        if !(line.is_empty() || line == "--" || line.starts_with("\\unrestrict ")) {
            return false;
        }
    }
    false
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict k\n";
    const TRAILER: &str = "\n--\n-- PostgreSQL database dump complete\n--\n\n";

    fn judged(expected: &Expected, parts: &[&[u8]]) -> Option<&'static str> {
        let mut edges = Edges::new(expected);
        parts.iter().for_each(|part| edges.push(part));
        edges.problem(expected).map(|problem| problem.id)
    }

    fn format(format: BackupFormat) -> Expected {
        Expected { format: Some(format), ..Expected::default() }
    }

    #[test]
    fn a_dump_is_complete_with_its_last_comment() {
        let dump = format(BackupFormat::PgDump);
        let whole = |tail: &str| format!("{HEAD}COPY t FROM stdin;\n1\n\\.\n{tail}");
        for (text, problem) in [
            (whole(TRAILER), None),
            (whole(&format!("{TRAILER}\\unrestrict k\n\n")), None),
            (whole("-- PostgreSQL database dump complete\r\n"), None),
            (whole(""), Some("truncated")),
            (whole("\n--\n-- PostgreSQL database dump compl"), Some("truncated")),
            (whole(&format!("{TRAILER}DROP TABLE t;\n")), Some("truncated")),
            // the comment is in the data
            (whole(&format!("{TRAILER}2\tx\n")), Some("truncated")),
            (String::new(), Some("truncated")),
            (format!("pg_dump: error\n{TRAILER}"), Some("wrong_format")),
        ] {
            assert_eq!(judged(&dump, &[text.as_bytes()]), problem, "{text}");
            // however it is cut into pieces
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
            assert_eq!(judged(&dump, &bytes), problem, "{text}");
        }
        let long = [whole(&"x".repeat(100_000)), TRAILER.to_owned()];
        assert_eq!(judged(&dump, &[long[0].as_bytes(), long[1].as_bytes()]), None);
    }

    #[test]
    fn other_formats_and_what_the_step_says() {
        let all = format(BackupFormat::PgDumpall);
        let text = "--\n-- PostgreSQL database cluster dump\n--\n\n--\n-- PostgreSQL database \
            cluster dump complete\n--\n\n";
        assert_eq!(judged(&all, &[text.as_bytes()]), None);
        let mysql = format(BackupFormat::Mysqldump);
        let text = "-- MariaDB dump 10.19\n\n-- Dump completed on 2026-01-01\n";
        assert_eq!(judged(&mysql, &[text.as_bytes()]), None);
        assert_eq!(judged(&format(BackupFormat::PgDumpCustom), &[b"PGDMP\x01"]), None);
        let own = Expected {
            begins: Some("<a>".into()),
            ends: Some("</a>".into()),
            ..Expected::default()
        };
        for (text, problem) in [
            ("<a>1</a>", None),
            ("<a>1</a>\n\n", None),
            ("<a>1</", Some("truncated")),
            ("1</a>", Some("wrong_format")),
        ] {
            assert_eq!(judged(&own, &[text.as_bytes()]), problem, "{text}");
        }
        assert_eq!(judged(&Expected::default(), &[b""]), Some("truncated"));
    }
}
