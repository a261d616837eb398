//! The fields of a status that hold errors.

use super::entry::Entry;
use super::told::told;
use super::word::affirmed;
use super::{ERROR, Fails, Part, Said, Sign, Sure};
use jiff::Timestamp;
use serde_json::Value;

/// Words for no error.
const NONE: [&str; 8] = ["none", "null", "nil", "<nil>", "n/a", "na", "ok", "false"];

/// The errors that a status reports.
pub(super) fn errors(entries: &[Entry<'_>], status: &Value) -> Vec<Said> {
    let has_recovered = has_recovered(entries);
    let is_usable = status["readyToUse"] == true;
    let fields = entries.iter().filter(|entry| entry.key.error && !entry.above.error);
    let said = fields.filter_map(|entry| {
        let says = told(entry.value).filter(|text| is_error(text))?;
        let hint = match entry.is_last() {
            // it is over
            true if has_recovered => return None,
            true => Sure(Sign::Open),
            false if entry.is_part() => Part,
            false if is_usable => Sure(Sign::Warning),
            // a list may hold old ones
            false if entry.value.is_array() => Fails,
            false => Sure(Sign::Bad),
        };
        Some(Said { id: ERROR, at: entry.at.clone(), says, hint, is_whole: false })
    });
    said.collect()
}

fn is_error(text: &str) -> bool {
    let affirmed = affirmed(text);
    let text = affirmed.trim().to_ascii_lowercase();
    !(text.is_empty() || text == "0" || NONE.contains(&text.as_str()))
}

/// Whether the last success is newer than the last failure.
fn has_recovered(entries: &[Entry<'_>]) -> bool {
    let newest = |is_of: fn(&Entry<'_>) -> bool| {
        let times = entries.iter().filter(|entry| is_of(entry));
        times.filter_map(|entry| entry.value.as_str()?.parse::<Timestamp>().ok()).max()
    };
    let failed = newest(|entry| entry.key.failed || entry.above.failed);
    let succeeded = newest(|entry| entry.key.succeeded || entry.above.succeeded);
    failed.is_some_and(|failed| succeeded.is_some_and(|succeeded| succeeded >= failed))
}
