//! Whether the log of a program that runs shows that it gets on, or that it does the same again and
//! again: by the shape of its lines and by what they count.

use super::reason::{mentions, without_digits};

/// Words of a program that waits for something, or tries to reach it.
const WAITING: &[&str] = &[
    "attempt",
    "attempts",
    "connect",
    "connecting",
    "connection",
    "down",
    "intento",
    "poging",
    "reconnecting",
    "retries",
    "retry",
    "retrying",
    "sleep",
    "sleeping",
    "still",
    "tentativa",
    "tentative",
    "tentativo",
    "trying",
    "unavailable",
    "unreachable",
    "versuch",
    "wait",
    "waiting",
    "waits",
];
const NOT_YET: &[&str] =
    &["not ready", "no response", "no answer", "not yet", "noch nicht", "pas encore"];
/// Units of time: what has one says how long something takes.
const TIMES: &[&str] =
    &["h", "m", "min", "mins", "minute", "minutes", "ms", "s", "sec", "seconds", "second", "secs"];
/// A number as large as that is a time.
const EPOCH: i64 = 1_000_000_000;
/// How far the number of elapsed seconds in the last line may be from those that have passed: it is
/// as old as the pause of the loop that writes it.
const PAUSE: i64 = 15;

/// Whether lines, all in lower case, show progress: the last one is of a kind that was not there
/// before and speaks of nothing for which it waits, or it counts something since the last one of its
/// kind. `age` is how long the program runs, in seconds.
pub(super) fn gets_on(lines: &[&str], age: i64) -> bool {
    let [earlier @ .., last] = lines else { return false };
    if earlier.is_empty() || mentions(last) {
        return false;
    }
    let shape = without_digits(last);
    match earlier.iter().rev().find(|line| without_digits(line) == shape) {
        Some(before) => counts(before, last, age),
        None => !waits(last),
    }
}

fn waits(line: &str) -> bool {
    let mut words = line.split(|one: char| !one.is_alphanumeric());
    words.any(|word| WAITING.contains(&word))
        || NOT_YET.iter().any(|words| line.contains(words))
        || line.split_whitespace().any(is_address)
}

/// `db:5432`, also within `tcp://db:5432`.
fn is_address(word: &str) -> bool {
    let word = word.trim_matches(|one: char| !one.is_alphanumeric());
    word.rsplit_once(':').is_some_and(|(host, port)| {
        host.ends_with(|one: char| one.is_ascii_lowercase())
            && (2..=5).contains(&port.len())
            && port.bytes().all(|one| one.is_ascii_digit())
    })
}

/// Whether a line counts something since one of its kind. What grows by one alone may be an attempt
/// of a program that waits, and what grows as the clock does is a time.
fn counts(before: &str, line: &str, age: i64) -> bool {
    let waits = waits(line);
    let is_elapsed =
        |number: &Number| !number.has_unit && (number.value - age).abs() <= PAUSE.max(age / 10);
    numbers(before).into_iter().zip(numbers(line)).any(|(from, to)| {
        let Some((from, to)) = from.zip(to).filter(|(from, to)| to.value > from.value) else {
            return false;
        };
        // in a line that waits only what is counted in something is no attempt and no process
        let is_counted = to.value > from.value + 1 && to.has_unit;
        if waits { is_counted } else { !is_elapsed(&to) || to.value == from.value + 1 }
    })
}

struct Number {
    value: i64,
    /// What is counted follows it: `2590 rows`.
    has_unit: bool,
}

/// The numbers of a line in their order; none in the place of a time, an address or a version. The
/// first of `57/60` counts, and `1,670` is one number.
fn numbers(line: &str) -> Vec<Option<Number>> {
    let bytes = line.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_digit(at) {
            at += 1;
            continue;
        }
        let start = at;
        let joins = |at: usize| b",._:-t/".contains(&bytes[at]) && is_digit(at + 1);
        while at < bytes.len() && (is_digit(at) || joins(at)) {
            at += 1;
        }
        found.push(number(&line[start..at], &line[at..]));
    }
    found
}

/// A number, by what follows it.
fn number(written: &str, rest: &str) -> Option<Number> {
    let is_apart = rest.starts_with(' ');
    let rest = rest.trim_start();
    let unit = rest.split(|one: char| !one.is_alphabetic()).next().unwrap_or_default();
    let first = written.split('/').next().unwrap_or_default();
    let is_other = first.contains([':', '-', 't']) || first.matches('.').count() > 1;
    let digits: String = first.chars().filter(char::is_ascii_digit).collect();
    let value = digits.parse().ok().filter(|value| *value < EPOCH || first.contains([',', '.']))?;
    let has_unit = is_apart && !unit.is_empty() && !matches!(unit, "of" | "von" | "sur" | "de");
    (!is_other && !TIMES.contains(&unit)).then_some(Number { value, has_unit })
}

#[cfg(test)]
mod tests {
    use super::gets_on;

    #[test]
    fn a_log_that_gets_on() {
        for log in [
            "migrated 19%\nmigrated 20%",
            "applied 8 of 40\napplied 9 of 40",
            "changeset 8/40\nchangeset 9/40",
            "migration 8 applied\nmigration 9 applied",
            "row 1100 copied\nrow 1200 copied",
            "level=info msg=copied rows=1600\nlevel=info msg=copied rows=1700",
            "{\"time\":\"11:08:10\",\"rows\":1600}\n{\"time\":\"11:08:13\",\"rows\":1700}",
            "copied 1,660 rows\ncopied 1,670 rows",
            "copied 1.660 gib\ncopied 1.670 gib",
            "181403648 bytes copied\n191403648 bytes copied",
            "copied file part-70.dat\ncopied file part-71.dat",
            "indexed 2553 rows, waiting for next batch\nindexed 2590 rows, waiting for next batch",
            "creating table users\ncreating table orders",
            "installing connector a\ninstalling connector b",
            "downloading 8%\ndownloading 9%",
            "imported 210 files\nimported 215 files",
        ] {
            assert!(gets_on(&log.lines().collect::<Vec<_>>(), 215), "{log}");
        }
    }

    #[test]
    fn a_log_that_says_the_same_again() {
        for log in [
            "versuch 6: noch nicht da\nversuch 7: noch nicht da",
            "versuch 6 von 60: datenbank noch nicht da\nversuch 7 von 60: datenbank noch nicht da",
            "tentative 6/60 : base absente\ntentative 7/60 : base absente",
            "connecting to db:5432 (71/600)\nconnecting to db:5432 (72/600)",
            "probe 71 of db:5432\nprobe 72 of db:5432",
            "no answer from db, 205 s elapsed\nno answer from db, 210 s elapsed",
            "no answer from db since 205\nno answer from db since 210",
            "db is down, sleeping 4 seconds\ndb is down, sleeping 8 seconds",
            "nc pid 235: db is down\nnc pid 239: db is down",
            "db is down, next probe in 60 seconds\ndb is down, next probe in 70 seconds",
            "db is down, 4000 ms elapsed\ndb is down, 8000 ms elapsed",
            "checking database\nsleeping 5 seconds\nchecking database\nsleeping 5 seconds",
            "waiting (attempt 7 of 60, 205 s)\nwaiting (attempt 8 of 60, 210 s)",
            "11:08:10 probing db\n11:08:12 probing db",
            "2026-01-15t11:08:10.123z probing\n2026-01-15t11:08:12.456z probing",
            "10.0.0.1:5432 no route\n10.0.0.2:5432 no route",
            "tick\ntick",
            "starting\nwaiting for db",
            "starting\nconnection refused",
            "starting",
            "",
        ] {
            assert!(!gets_on(&log.lines().collect::<Vec<_>>(), 215), "{log}");
        }
    }
}
