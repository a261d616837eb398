//! The last runs in the text format of Prometheus, for the textfile collector of node_exporter.
//! Pure.

use crate::history::LastRun;
use jiff::Timestamp;
use std::fmt::Write;

/// A family of samples, and what each run gives to it.
struct Family {
    name: &'static str,
    help: &'static str,
    value: fn(&LastRun) -> Option<String>,
}

const FAMILIES: &[Family] = &[
    Family {
        name: "runbook_last_run_start_timestamp_seconds",
        help: "Time at which the last run began.",
        value: |run| Some(seconds(run.started)),
    },
    Family {
        name: "runbook_last_run_end_timestamp_seconds",
        help: "Time at which the last run ended or paused; absent while it is in progress.",
        value: |run| run.ended.map(seconds),
    },
    Family {
        name: "runbook_last_run_duration_seconds",
        help: "Time between the beginning and the end of the last run.",
        value: |run| {
            let ended = run.ended?;
            Some(thousandths(ended.as_millisecond().saturating_sub(run.started.as_millisecond())))
        },
    },
    Family {
        name: "runbook_last_run_exit_code",
        help: "Exit code of the last run; absent while it is in progress, and after a crash.",
        value: |run| run.exit_code.map(|code| code.to_string()),
    },
    Family {
        name: "runbook_last_run_verdict",
        help: "1 for the verdict of the last run, which is in a label.",
        value: |_| Some("1".to_owned()),
    },
    Family {
        name: "runbook_last_passed_timestamp_seconds",
        help: "Time at which the last run that passed ended.",
        value: |run| run.passed.map(seconds),
    },
];

/// The family whose samples have the verdict as a label.
const VERDICT: &str = "runbook_last_run_verdict";

/// The text of these runs.
pub fn prometheus(runs: &[LastRun]) -> String {
    let mut text = String::new();
    for Family { name, help, value } in FAMILIES {
        let samples: Vec<(&LastRun, String)> =
            runs.iter().filter_map(|run| Some((run, value(run)?))).collect();
        if samples.is_empty() {
            continue;
        }
        // writing to a string does not fail
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (run, value) in samples {
            let verdict = (*name == VERDICT).then(|| run.standing.as_str());
            let _ = writeln!(text, "{name}{{{}}} {value}", labels(run, verdict));
        }
    }
    text
}

fn labels(run: &LastRun, verdict: Option<&str>) -> String {
    let LastRun { runbook, context, namespace, sandbox, .. } = run;
    let all = [
        ("runbook", runbook.as_str()),
        ("context", context),
        ("namespace", namespace),
        ("sandbox", sandbox),
        ("verdict", verdict.unwrap_or_default()),
    ];
    // a label without a value is the same as none
    let given = all.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs = given.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

fn seconds(time: Timestamp) -> String {
    thousandths(time.as_millisecond())
}

fn thousandths(milliseconds: i64) -> String {
    format!("{}.{:03}", milliseconds / 1000, (milliseconds % 1000).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verdict;
    use crate::history::Standing;

    fn run(runbook: &str, standing: Standing) -> LastRun {
        LastRun {
            runbook: runbook.to_owned(),
            context: "prod".to_owned(),
            namespace: "shop".to_owned(),
            sandbox: String::new(),
            standing,
            exit_code: None,
            started: "2026-11-20T03:12:07Z".parse().unwrap(),
            ended: None,
            passed: None,
        }
    }

    #[test]
    fn the_text_format() {
        let failed = LastRun {
            exit_code: Some(1),
            ended: "2026-11-20T03:12:09.250Z".parse().ok(),
            passed: "2026-11-19T03:12:09Z".parse().ok(),
            ..run("shop/backup", Standing::Ended(Verdict::Failed))
        };
        let odd = LastRun { context: "a\"b\\c\nd".to_owned(), ..run("x", Standing::Running) };
        let text = prometheus(&[failed, odd]);
        let labels = r#"runbook="shop/backup",context="prod",namespace="shop""#;
        for line in [
            "# TYPE runbook_last_run_verdict gauge".to_owned(),
            format!("runbook_last_run_verdict{{{labels},verdict=\"failed\"}} 1"),
            format!("runbook_last_run_duration_seconds{{{labels}}} 2.250"),
            format!("runbook_last_run_exit_code{{{labels}}} 1"),
            format!("runbook_last_passed_timestamp_seconds{{{labels}}} 1795057929.000"),
            r#"runbook_last_run_verdict{runbook="x",context="a\"b\\c\nd",namespace="shop",verdict="running"} 1"#.to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // the samples of a family stand together, below its help and type
        let mut told = std::collections::BTreeSet::new();
        let mut current = "";
        for line in text.lines() {
            let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
            let name = name.split([' ', '{']).next().unwrap();
            if name != current {
                assert!(line.starts_with("# HELP ") && told.insert(name), "{line}");
                current = name;
            }
        }
        assert_eq!(prometheus(&[]), "");
    }
}
