//! Whether the log of a program that runs shows that it gets on, or that it does the same again and
//! again. Only the shape of the lines and their numbers tell, in whatever language they are.

use super::reason::mentions;

/// What a program writes that waits for something, or tries to reach it.
const WAITING: &[&str] = &[
    "wait",
    "retry",
    "not ready",
    "no response",
    "not yet",
    "trying",
    "attempt",
    "unavailable",
    "connect",
];
/// A number as large as that is a time.
const TIME: i64 = 1_000_000_000;
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
    let waits = WAITING.iter().any(|word| last.contains(word));
    let shape = without_digits(last);
    match earlier.iter().rev().find(|line| without_digits(line) == shape) {
        Some(before) => counts(before, last, waits, age),
        None => !waits,
    }
}

fn without_digits(line: &str) -> String {
    line.chars().filter(|one| !one.is_ascii_digit()).collect()
}

/// Whether a line counts something since one of its kind: `applied 243 of 400`, `20%`, `row 1200`
/// after `row 1100`, `part-71.dat`. What grows by one alone may be an attempt, and what grows as the
/// clock does is a time.
fn counts(before: &str, line: &str, waits: bool, age: i64) -> bool {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_whitespace().collect(), line.split_whitespace().collect());
    if old.len() != new.len() {
        return !waits;
    }
    let is_share = |at: usize| {
        new[at].contains(['%', '/']) && !new[at].contains(':')
            || new.get(at + 1).is_some_and(|next| matches!(*next, "of" | "von"))
    };
    let steps = |at: usize| {
        let (from, to) = (number(old[at]), number(new[at]));
        from.zip(to).is_some_and(|(from, to)| to > from + 1 && !is_elapsed(to, age))
    };
    let is_other = |at: &usize| old[*at] != new[*at];
    (0..new.len())
        .filter(is_other)
        .any(|at| steps(at) || !waits && (is_share(at) || is_file(new[at])))
}

fn number(word: &str) -> Option<i64> {
    let bare = word.trim_matches(|one: char| !one.is_alphanumeric());
    bare.parse().ok().filter(|number| *number < TIME)
}

fn is_elapsed(number: i64, age: i64) -> bool {
    (number - age).abs() <= PAUSE.max(age / 10)
}

/// `part-71.dat`: a name with an extension, and no time or address.
fn is_file(word: &str) -> bool {
    let bare = word.trim_matches(|one: char| !one.is_alphanumeric());
    let starts = bare.starts_with(|one: char| one.is_alphabetic());
    starts
        && !bare.contains(':')
        && bare.rsplit_once('.').is_some_and(|(_, extension)| {
            (1..=5).contains(&extension.len())
                && extension.chars().any(|one| one.is_ascii_alphabetic())
        })
}

#[cfg(test)]
mod tests {
    use super::gets_on;

    #[test]
    fn a_log_gets_on_or_says_the_same_again() {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        for (log, wanted) in [
            ("migrated 19%\nmigrated 20%", true),
            ("applied 8 of 40\napplied 9 of 40", true),
            ("changeset 8/40\nchangeset 9/40", true),
            ("row 1100 copied\nrow 1200 copied", true),
            ("copied file part-70.dat\ncopied file part-71.dat", true),
            (
                "indexed 2553 rows, waiting for next batch\nindexed 2590 rows, waiting for next batch",
                true,
            ),
            ("creating table users\ncreating table orders", true),
            ("181403648 bytes copied\n191403648 bytes copied", true),
            ("versuch 6: noch nicht da\nversuch 7: noch nicht da", false),
            ("connecting to db:5432 (71/600)\nconnecting to db:5432 (72/600)", false),
            ("no answer from db, 205 s elapsed\nno answer from db, 210 s elapsed", false),
            ("checking database\nsleeping 5 seconds\nchecking database\nsleeping 5 seconds", false),
            ("waiting (attempt 7 of 60, 205 s)\nwaiting (attempt 8 of 60, 210 s)", false),
            ("11:08:10 probing db\n11:08:12 probing db", false),
            ("tick\ntick", false),
            ("starting\nwaiting for db", false),
            ("starting\nconnection refused", false),
            ("starting", false),
            ("", false),
        ] {
            assert_eq!(gets_on(&lines(log), 215), wanted, "{log}");
        }
    }
}
