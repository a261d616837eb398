//! `wait_for_time`: waits for a time of the clock, however far away it is.

use super::Construct;
use crate::action::{Action, Duration, VerbName};
use crate::diagnosis::schedule::Schedule;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

/// Waits for a time: `{for: 24h}`, `{at: "2026-12-01T02:00:00Z"}`, `{at: "02:30", time_zone:
/// Europe/Berlin}` (the next time that the clock shows this), or `{cronjob: NAME, plus: 2m}` (the
/// next time that this CronJob is due). The time is determined and recorded once, when the step
/// starts for the first time: a resume neither computes it again nor restarts the wait. Up to
/// `attended`, the run waits for it; if it is further away, the run pauses (exit code 4) and
/// releases its locks. `runbook resume --due` continues all runs whose time has come; `runbook
/// resume RUN` refuses until then, unless the step is skipped (`--skip STEP --reason …`). The output
/// is `{from, due}`: when the wait began, and until when it lasted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitForTime {
    /// How long to wait, counted from the first start of the step.
    pub r#for: Option<Duration>,
    /// Time to wait for: RFC 3339, or `HH:MM`. A time that has passed is not waited for.
    pub at: Option<String>,
    /// Time zone of `HH:MM`, from the IANA database; default: UTC.
    pub time_zone: Option<String>,
    /// Name of a CronJob: waits until it is due. A suspended one is not due.
    pub cronjob: Option<String>,
    /// How long to wait beyond that time.
    pub plus: Option<Duration>,
    /// How far away the time may be for the run to wait instead of pausing.
    #[serde(default = "ten_minutes")]
    pub attended: Duration,
}

/// The furthest time that is waited for.
const FURTHEST: SignedDuration = SignedDuration::from_hours(31 * 24);

fn ten_minutes() -> Duration {
    Duration(std::time::Duration::from_secs(600))
}

impl Construct for WaitForTime {
    const NAME: &'static str = "wait_for_time";

    fn check(&self) -> Result<(), String> {
        let named = [self.r#for.is_some(), self.at.is_some(), self.cronjob.is_some()];
        if named.into_iter().filter(|is| *is).count() != 1 {
            return Err("use exactly one of `for`, `at` and `cronjob`".to_owned());
        }
        if self.time_zone.is_some() && self.at.is_none() {
            return Err("`time_zone` is that of `at`: HH:MM".to_owned());
        }
        if let Some(at) = &self.at {
            moment_at(at, self.time_zone.as_deref(), Timestamp::UNIX_EPOCH)?;
        }
        match &self.r#for {
            Some(delay) => near(signed(*delay)),
            None => Ok(()),
        }
    }

    fn manual_commands(&self) -> Vec<String> {
        let plus = self.plus.map(|plus| format!(" plus {plus}")).unwrap_or_default();
        let until = match (&self.r#for, &self.at, &self.cronjob) {
            (Some(delay), ..) => format!("for {delay}"),
            (_, Some(at), _) => format!("until {at}"),
            (.., cronjob) => {
                format!("until CronJob {} is due", cronjob.as_deref().unwrap_or_default())
            }
        };
        vec![format!("# wait {until}{plus}")]
    }
}

impl WaitForTime {
    /// What must be read to know the time: the CronJob.
    pub fn look(&self) -> Option<Action> {
        let arguments = json!({"kind": "CronJob", "name": self.cronjob.as_ref()?});
        VerbName("get").deserialize(arguments).ok()
    }

    /// The time that is waited for, as of now. `cronjob` is what [`Self::look`] has read.
    ///
    /// # Errors
    /// Why there is none, or why it is not waited for.
    pub fn due(&self, cronjob: &Value, now: Timestamp) -> Result<Timestamp, String> {
        let base = match (&self.r#for, &self.at) {
            (Some(delay), _) => now.checked_add(signed(*delay)).map_err(|_| too_far())?,
            (None, Some(at)) => moment_at(at, self.time_zone.as_deref(), now)?,
            (None, None) => next_due(cronjob, now)?,
        };
        let plus = self.plus.map_or(SignedDuration::ZERO, signed);
        let due = base.checked_add(plus).map_err(|_| too_far())?;
        near(due.duration_since(now)).map(|()| whole(due))
    }
}

/// The first whole second that is not before: what a person reads is what is waited for.
fn whole(time: Timestamp) -> Timestamp {
    let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(seconds).unwrap_or(time)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration.0).unwrap_or(SignedDuration::MAX)
}

fn near(left: SignedDuration) -> Result<(), String> {
    if left > FURTHEST { Err(too_far()) } else { Ok(()) }
}

fn too_far() -> String {
    "the time is more than 31 days away".to_owned()
}

fn zone_of(name: Option<&str>) -> Result<TimeZone, String> {
    match name.filter(|name| !name.is_empty()) {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| format!("`{name}` is not a time zone")),
    }
}

/// A time of the clock, or the next one at which a clock shows it.
fn moment_at(text: &str, zone: Option<&str>, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return match zone {
            Some(_) => Err("`time_zone` is that of `at`: HH:MM".to_owned()),
            None => Ok(time),
        };
    }
    let wrong = || format!("`at`: `{text}` is neither a time (2026-12-01T02:00:00Z) nor HH:MM");
    let time = Time::strptime("%H:%M", text).map_err(|_| wrong())?;
    let zone = zone_of(zone)?;
    let today = now.to_zoned(zone.clone()).date();
    let days = (0..3).filter_map(|days| today.checked_add(days.days()).ok());
    // a time that the clock is set over is the one after it
    let mut times = days.filter_map(|date| {
        let time = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(time.timestamp())
    });
    times.find(|time| *time > now).ok_or_else(too_far)
}

/// When a CronJob is due next.
fn next_due(cronjob: &Value, now: Timestamp) -> Result<Timestamp, String> {
    let spec = &cronjob["spec"];
    let name = cronjob["metadata"]["name"].as_str().unwrap_or_default();
    if spec["suspend"] == true {
        return Err(format!("CronJob {name} is suspended: it is not due"));
    }
    let schedule = Schedule::parse(spec["schedule"].as_str().unwrap_or_default())
        .map_err(|error| format!("CronJob {name}: {error}"))?;
    let zone = zone_of(spec["timeZone"].as_str())?;
    schedule.next_due(now, &zone).ok_or_else(|| format!("CronJob {name} is never due"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-10T09:30:00Z";

    fn due(arguments: Value, cronjob: Value) -> String {
        let wait: WaitForTime = match serde_json::from_value(arguments) {
            Ok(wait) => wait,
            Err(error) => return error.to_string(),
        };
        let now = NOW.parse().unwrap();
        let due = wait.check().and_then(|()| wait.due(&cronjob, now));
        due.map_or_else(|error| error, |due| due.to_string())
    }

    #[test]
    fn the_time_that_is_waited_for() {
        let cron = |spec: Value| json!({"metadata": {"name": "job"}, "spec": spec});
        let none = || Value::Null;
        for (arguments, cronjob, wanted) in [
            (json!({"for": "24h"}), none(), "2026-03-11T09:30:00Z"),
            (json!({"for": "30d", "plus": "1m"}), none(), "2026-04-09T09:31:00Z"),
            (json!({"for": "32d"}), none(), "the time is more than 31 days away"),
            (json!({"at": "2026-03-10T12:00:00Z"}), none(), "2026-03-10T12:00:00Z"),
            (json!({"at": "2026-03-09T12:00:00Z"}), none(), "2026-03-09T12:00:00Z"),
            (json!({"at": "2027-03-09T12:00:00Z"}), none(), "the time is more than 31 days away"),
            (json!({"at": "09:31"}), none(), "2026-03-10T09:31:00Z"),
            (json!({"at": "09:30"}), none(), "2026-03-11T09:30:00Z"),
            (
                json!({"at": "tomorrow"}),
                none(),
                "`at`: `tomorrow` is neither a time (2026-12-01T02:00:00Z) nor HH:MM",
            ),
            (json!({"at": "09:31", "time_zone": "Mars"}), none(), "`Mars` is not a time zone"),
            (
                json!({"cronjob": "job", "plus": "2m"}),
                cron(json!({"schedule": "0 2 * * *"})),
                "2026-03-11T02:02:00Z",
            ),
            (
                json!({"cronjob": "job"}),
                cron(json!({"schedule": "0 2 * * *", "suspend": true})),
                "CronJob job is suspended: it is not due",
            ),
            (json!({}), none(), "use exactly one of `for`, `at` and `cronjob`"),
            (
                json!({"for": "1h", "at": "09:31"}),
                none(),
                "use exactly one of `for`, `at` and `cronjob`",
            ),
            (
                json!({"for": "1h", "time_zone": "UTC"}),
                none(),
                "`time_zone` is that of `at`: HH:MM",
            ),
        ] {
            assert_eq!(due(arguments.clone(), cronjob), wanted, "{arguments}");
        }
    }
}
