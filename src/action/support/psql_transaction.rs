//! A restore as one transaction of PostgreSQL, of which it can be found out afterwards whether it
//! was committed.
//!
//! `psql --single-transaction` commits at the end of its input, also where the input was cut off:
//! half of a file would be committed. So the transaction is ended here, by a `COMMIT` that is sent
//! only after all of the file was sent and executed, and its identity is recorded before. Without
//! that record no `COMMIT` was sent; with it, `txid_status` says what came of it.

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

impl Fate {
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
