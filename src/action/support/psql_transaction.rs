//! A restore as one transaction of PostgreSQL, of which it can be found out afterwards whether it
//! was committed.
//!
//! `psql --single-transaction` commits at the end of its input, also where the input was cut off:
//! half of a file would be committed. So the transaction is ended here, by a `COMMIT` that is sent
//! only after all of the file was sent and executed. Its identity is recorded before the file is
//! sent, and again before the `COMMIT`: `txid_status` says what came of it, also where the file
//! ended it by a `COMMIT` of its own.

/// Begins the transaction. psql stops at the first error, and whatever happens then rolls back.
pub(in crate::action) const BEGIN: &str = "\\set ON_ERROR_STOP on\nBEGIN;\n";
/// After the file, which may have changed the setting.
pub(in crate::action) const AFTER_FILE: &str = "\n\\set ON_ERROR_STOP on\n";
/// Ends the transaction.
pub(in crate::action) const COMMIT: &str = "COMMIT;\n";
/// What the server answers begins with it.
const IDENTITY: &str = "runbook-transaction:";
const OUTCOME: &str = "runbook-outcome:";

/// Asks for the identity of the transaction.
pub(in crate::action) const IDENTIFY: &str = "SELECT 'runbook-transaction:' || \
    s.system_identifier || '/' || c.timeline_id || '/' || txid_current() FROM pg_control_system() \
    s, pg_control_checkpoint() c;\n";

/// Identifies a transaction: of which cluster of databases, on which timeline, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) struct Transaction {
    system: u64,
    timeline: u64,
    number: u64,
}

/// What is recorded of a transaction before something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Noted {
    /// It began, and the file is sent.
    Begun(Transaction),
    /// All of the file was executed, and its `COMMIT` is sent.
    Committing(Transaction),
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Fate {
    Committed,
    RolledBack,
    InProgress,
    /// Why it is not known.
    Unknown(String),
}

impl Transaction {
    /// From its record.
    pub(in crate::action) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('/').map(|part| part.parse().ok());
        let [system, timeline, number] = std::array::from_fn(|_| numbers.next().flatten());
        let all = Self { system: system?, timeline: timeline?, number: number? };
        numbers.next().is_none().then_some(all)
    }

    /// The identities in what psql has printed so far.
    pub(in crate::action) fn all_in(printed: &str) -> Vec<Self> {
        answers(printed, IDENTITY).filter_map(Self::parse).collect()
    }

    /// Asks what became of it.
    pub(in crate::action) fn question(&self) -> String {
        let Self { system, timeline, number } = self;
        format!(
            "\\set ON_ERROR_STOP on\nSELECT '{OUTCOME}' || CASE WHEN s.system_identifier = \
                {system} AND c.timeline_id = {timeline} THEN coalesce(txid_status({number}), \
                'forgotten') ELSE 'elsewhere' END || '/' FROM pg_control_system() s, \
                pg_control_checkpoint() c;\n"
        )
    }
}

impl std::fmt::Display for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.system, self.timeline, self.number)
    }
}

const BEGUN: &str = "begun ";

impl Noted {
    /// From its record.
    pub(in crate::action) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(BEGUN) {
            Some(begun) => Transaction::parse(begun).map(Self::Begun),
            None => Transaction::parse(text).map(Self::Committing),
        }
    }
}

impl std::fmt::Display for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begun(transaction) => write!(f, "{BEGUN}{transaction}"),
            Self::Committing(transaction) => transaction.fmt(f),
        }
    }
}

/// Whether psql would connect anew while it executes this: `\\connect`, at the beginning of a line
/// that begins in it. What was sent before is then rolled back, and what follows is not part of the
/// transaction. (`pg_dump` writes no other line that begins so: it doubles each backslash of data.)
pub(in crate::action) fn connects(text: &[u8], is_start: bool) -> bool {
    let lines = text.split(|byte| *byte == b'\n').skip(usize::from(!is_start));
    lines
        .filter_map(|line| line.strip_prefix(b"\\c"))
        .any(|rest| rest.starts_with(b"onnect") || rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// How much of this can be judged by [`connects`]: a line of which too little is there is left for
/// what follows.
pub(in crate::action) fn judged(text: &[u8]) -> usize {
    let line = text.iter().rposition(|byte| *byte == b'\n');
    line.filter(|at| text.len() - at <= "\n\\connect".len()).unwrap_or(text.len())
}

impl Fate {
    /// Whether it has ended.
    pub(in crate::action) fn is_end(&self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack)
    }

    /// From what psql printed.
    pub(in crate::action) fn read(printed: &str) -> Self {
        let unknown = |text: &str| Self::Unknown(text.to_owned());
        let said = printed.find(OUTCOME).map(|place| &printed[place + OUTCOME.len()..]);
        match said.and_then(|rest| rest.split_once('/')).map(|(word, _)| word) {
            Some("committed") => Self::Committed,
            Some("aborted") => Self::RolledBack,
            Some("in progress") => Self::InProgress,
            Some("elsewhere") => unknown("the database server is not the one of the transaction"),
            Some("forgotten") => unknown("the transaction is too old for the server to know it"),
            Some(_) | None => unknown("the server did not say what became of the transaction"),
        }
    }
}

/// What follows each mark, as far as it consists of digits and slashes, where the line has ended.
fn answers<'a>(printed: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    printed.match_indices(mark).filter_map(move |(place, _)| {
        let rest = &printed[place + mark.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '/'))?;
        Some(&rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_in_every_format_of_psql() {
        let one = Transaction { system: 7_411_222_333_444_555_666, timeline: 1, number: 812 };
        let text = one.to_string();
        assert_eq!(Transaction::parse(&text), Some(one));
        for printed in [
            format!("BEGIN\n   ?column?  \n-----\n runbook-transaction:{text}\n(1 row)\n"),
            format!("runbook-transaction:{text}\n"),
            format!("?column?\nrunbook-transaction:{text}\n"),
        ] {
            assert_eq!(Transaction::all_in(&printed), [one], "{printed}");
        }
        // it is not all there yet
        assert_eq!(Transaction::all_in(&format!("runbook-transaction:{text}")), []);
        for wrong in ["", "1/2", "1/2/3/4", "a/b/c", "1/2/"] {
            assert_eq!(Transaction::parse(wrong), None, "{wrong}");
        }
        assert!(one.question().contains("txid_status(812)"));
        for noted in [Noted::Begun(one), Noted::Committing(one)] {
            assert_eq!(Noted::parse(&noted.to_string()), Some(noted));
        }
    }

    #[test]
    fn a_line_that_connects_anew_is_seen_however_it_is_cut() {
        let file = "SELECT 1;\n\\connect shop\nSELECT 2;\n";
        for size in 1..file.len() {
            let (mut seen, mut held, mut is_start) = (false, Vec::new(), true);
            for part in file.as_bytes().chunks(size) {
                held.extend_from_slice(part);
                let rest = held.split_off(judged(&held));
                seen |= connects(&held, is_start);
                is_start &= held.is_empty();
                held = rest;
            }
            assert!(seen || connects(&held, is_start), "{size}");
        }
        assert!(connects(b"\\c shop\n", true) && connects(b"x\n\\c", false));
        for other in ["\\copy t from stdin", "a \\connect b", "C:\\\\connect", "\\.\n\\N\n"] {
            assert!(!connects(other.as_bytes(), true), "{other}");
        }
        // it does not begin in it
        assert!(!connects(b"\\connect shop\n", false));
    }

    #[test]
    fn only_the_word_of_the_server_says_what_became_of_it() {
        let read = |word: &str| Fate::read(&format!(" x\n runbook-outcome:{word}/\n(1 row)\n"));
        assert_eq!(read("committed"), Fate::Committed);
        assert_eq!(read("aborted"), Fate::RolledBack);
        assert_eq!(read("in progress"), Fate::InProgress);
        for word in ["elsewhere", "forgotten", "", "x"] {
            assert!(matches!(read(word), Fate::Unknown(_)), "{word}");
        }
        assert!(matches!(Fate::read("runbook-outcome:committed"), Fate::Unknown(_)));
    }
}
