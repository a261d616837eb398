//! When a CronJob is due: the schedules that Kubernetes accepts (the standard parser of
//! robfig/cron v3), and their times.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A schedule of a CronJob.
///
/// # Examples
/// ```
/// use kube_diagnosis::schedule::Schedule;
/// use jiff::{Timestamp, tz::TimeZone};
///
/// let schedule = Schedule::parse("30 2 * * mon-fri").unwrap();
/// let saturday: Timestamp = "2026-01-03T12:00:00Z".parse().unwrap();
/// let next = schedule.next_due(saturday, &TimeZone::UTC).unwrap();
/// assert_eq!(next.to_string(), "2026-01-05T02:30:00Z");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At times of the clock and the calendar.
    Times(Times),
    /// So long after the last run: `@every 90m`.
    Every(SignedDuration),
}

/// The times at which something is due; each field is a set of bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month and day of week are both restricted: then either is enough.
    either: bool,
}

/// How far a date is looked for: the 29th of February may be eight years away.
const DAYS: i32 = 366 * 8 + 1;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What the API server would refuse, too: other than five fields, a time zone, a number out of
    /// range.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(word) = text.strip_prefix('@') {
            return described(word);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("`{text}` has {} fields, not 5", fields.len()));
        };
        let (minutes, _) = field(minute, 0, 59, &[])?;
        let (hours, _) = field(hour, 0, 23, &[])?;
        let (days, any_day) = field(day, 1, 31, &[])?;
        let (months, _) = field(month, 1, 12, &MONTHS)?;
        let (weekdays, any_weekday) = field(weekday, 0, 6, &WEEKDAYS)?;
        let either = !any_day && !any_weekday;
        Ok(Self::Times(Times { minutes, hours, days, months, weekdays, either }))
    }

    /// The first time after this one at which it is due.
    pub fn next_due(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Every(delay) => after.checked_add(*delay).ok(),
            Self::Times(times) => {
                let from = after.to_zoned(zone.clone()).date();
                let mut dates = (0..DAYS).map_while(|day| from.checked_add(day.days()).ok());
                dates.find_map(|date| {
                    let mut all = times.on(date).filter_map(|time| instant(zone, time));
                    all.find(|time| *time > after)
                })
            }
        }
    }

    /// Every time after this one at which it is due, the first one first.
    pub fn times_after(
        &self,
        after: Timestamp,
        zone: &TimeZone,
    ) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_due(after, zone), |time| self.next_due(*time, zone))
    }

    /// The last time at which it was due, this one included; none where that depends on its last
    /// run.
    pub fn last_due(&self, before: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let Self::Times(times) = self else { return None };
        let from = before.to_zoned(zone.clone()).date();
        let mut dates = (0..DAYS).map_while(|day| from.checked_sub(day.days()).ok());
        dates.find_map(|date| {
            let all = times.on(date).filter_map(|time| instant(zone, time));
            all.filter(|time| *time <= before).last()
        })
    }
}

/// The words that stand for a schedule.
fn described(word: &str) -> Result<Schedule, String> {
    let fields = match word {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let delay = word.strip_prefix("every ").and_then(duration);
            return delay.map(Schedule::Every).ok_or_else(|| format!("`@{word}` is no schedule"));
        }
    };
    Schedule::parse(fields)
}

/// A duration as Go writes it, in whole seconds: `1h30m`.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut seconds = 0_i64;
    let mut digits = String::new();
    for letter in text.trim().chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let factor = match letter {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds += digits.parse::<i64>().ok()?.checked_mul(factor)?;
        digits.clear();
    }
    (digits.is_empty() && seconds > 0).then(|| SignedDuration::from_secs(seconds))
}

/// The bits of a field, and whether it allows everything: `*/2` does not.
fn field(text: &str, min: u32, max: u32, names: &[&str]) -> Result<(u64, bool), String> {
    let wrong = || format!("`{text}` is not within {min}-{max}");
    let number = |word: &str| {
        let lower = word.to_lowercase();
        match names.iter().position(|name| *name == lower) {
            // months count from one, weekdays from zero, as their field does
            Some(place) => u32::try_from(place).ok().map(|place| place + min),
            None => word.parse::<u32>().ok(),
        }
    };
    let (mut bits, mut any) = (0_u64, false);
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().map_err(|_| wrong())?)),
            None => (part, None),
        };
        let (from, to) = match range {
            "*" | "?" => {
                any |= step.is_none_or(|step| step == 1);
                (min, max)
            }
            _ => match range.split_once('-') {
                Some((from, to)) => {
                    (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?)
                }
                None => {
                    let from = number(range).ok_or_else(wrong)?;
                    // `5/15` goes on to the end
                    (from, if step.is_some() { max } else { from })
                }
            },
        };
        let step = step.unwrap_or(1);
        if from < min || to > max || from > to || step == 0 {
            return Err(wrong());
        }
        (from..=to).step_by(step as usize).for_each(|one| bits |= 1 << one);
    }
    Ok((bits, any))
}

impl Times {
    /// All times of a day at which it is due.
    fn on(&self, date: Date) -> impl Iterator<Item = DateTime> + '_ {
        let has = |bits: u64, number: i8| bits >> number & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = if self.either { day || weekday } else { day && weekday };
        let hours = if fits && has(self.months, date.month()) { 0..24 } else { 0..0 };
        hours.filter(move |hour| has(self.hours, *hour)).flat_map(move |hour| {
            let minutes = (0..60).filter(move |minute| has(self.minutes, *minute));
            minutes.map(move |minute| date.at(hour, minute, 0, 0))
        })
    }
}

/// A time of the clock in a zone; none if the clock is set forward over it, as nothing runs then.
fn instant(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(time);
    match found.offset() {
        jiff::tz::AmbiguousOffset::Gap { .. } => None,
        _ => found.compatible().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shown(time: Option<Timestamp>) -> String {
        time.map_or_else(String::new, |time| time.strftime("%F %H:%M").to_string())
    }

    /// 2026-01-01 was a Thursday.
    #[test]
    fn what_is_due_before_and_after_a_time() {
        for (schedule, last, next) in [
            ("* * * * *", "2026-01-15 12:00", "2026-01-15 12:01"),
            ("*/7 * * * *", "2026-01-15 12:00", "2026-01-15 12:07"),
            ("5/20 * * * *", "2026-01-15 11:45", "2026-01-15 12:05"),
            ("0 2 * * *", "2026-01-15 02:00", "2026-01-16 02:00"),
            ("30 8-10/2,22 ? * *", "2026-01-15 10:30", "2026-01-15 22:30"),
            ("0 0 1 * *", "2026-01-01 00:00", "2026-02-01 00:00"),
            ("0 0 * JAN sun", "2026-01-11 00:00", "2026-01-18 00:00"),
            ("0 0 31 * *", "2025-12-31 00:00", "2026-01-31 00:00"),
            ("0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"),
            // both restricted: either is enough
            ("0 0 13 * fri", "2026-01-13 00:00", "2026-01-16 00:00"),
            ("0 0 */2 * 5", "2026-01-15 00:00", "2026-01-16 00:00"),
            // one is free: the other decides
            ("0 0 */1 * 5", "2026-01-09 00:00", "2026-01-16 00:00"),
            ("@hourly", "2026-01-15 12:00", "2026-01-15 13:00"),
            ("@weekly", "2026-01-11 00:00", "2026-01-18 00:00"),
            ("@every 90m", "", "2026-01-15 13:30"),
        ] {
            let parsed = Schedule::parse(schedule).unwrap();
            let now = at("2026-01-15T12:00:00Z");
            assert_eq!(shown(parsed.last_due(now, &TimeZone::UTC)), last, "{schedule}");
            assert_eq!(shown(parsed.next_due(now, &TimeZone::UTC)), next, "{schedule}");
        }
    }

    #[test]
    fn what_the_api_server_refuses() {
        for schedule in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "TZ=UTC 0 2 * * *",
            "CRON_TZ=UTC 0 2 * * *",
            "@reboot",
            "@every soon",
            "0 0 L * *",
            "1,, * * * *",
        ] {
            assert!(Schedule::parse(schedule).is_err(), "{schedule}");
        }
    }

    /// In Berlin the clocks went forward at 2026-03-29 02:00 and back at 2026-10-25 03:00.
    #[test]
    fn a_time_zone_with_its_changes() {
        let Ok(berlin) = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3") else { unreachable!() };
        let schedule = Schedule::parse("30 2 * * *").unwrap();
        for (now, next) in [
            ("2026-01-15T12:00:00Z", "2026-01-16 01:30"),
            ("2026-07-15T12:00:00Z", "2026-07-16 00:30"),
            ("2026-03-28T12:00:00Z", "2026-03-30 00:30"),
            ("2026-10-24T12:00:00Z", "2026-10-25 00:30"),
        ] {
            assert_eq!(shown(schedule.next_due(at(now), &berlin)), next, "{now}");
        }
    }
}
