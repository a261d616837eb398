//! What a person can do next, as a value; and the line that is typed for it.

use super::StepMark;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// What a person can do next. `options` are words of the command line that say where and how, such
/// as `--sandbox=healthy`, as they are typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Next {
    /// Run a runbook: a remedy.
    Run {
        /// Its name.
        runbook: String,
        /// Parameters that are not as by default.
        with: Map<String, Value>,
        /// The namespace, if one has to be named.
        namespace: Option<String>,
        /// See above.
        options: Vec<String>,
    },
    /// Go on with this run.
    Resume {
        /// End of the run's id.
        run: String,
        /// What a person says of a step in doubt.
        mark: Option<Mark>,
        /// Names of the parameters that are in no record and have to be given again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        withheld: Vec<String>,
        /// See above.
        options: Vec<String>,
    },
    /// Allow the changes of a step of this run, or answer its question.
    Approve {
        /// End of the run's id.
        run: String,
        /// Path of the step.
        step: String,
        /// The word that must be typed.
        typed: Option<String>,
        /// See above.
        options: Vec<String>,
    },
    /// See how this run stands.
    Status {
        /// End of the run's id.
        run: String,
    },
    /// Take back what this run has changed.
    Undo {
        /// End of the run's id.
        run: String,
        /// See above; empty in records of earlier versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
}

/// What a person says of a step, when the run is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Path of the step.
    pub step: String,
    /// What is said.
    pub mark: StepMark,
}

impl fmt::Display for Next {
    /// The line that is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = match self {
            Self::Run { runbook, with, namespace, options } => {
                write!(f, "runbook run {runbook}")?;
                for (name, value) in with {
                    let pair = format!("{name}={}", typed_value(value));
                    write!(f, " --set {}", shell_word(&pair))?;
                }
                if let Some(namespace) = namespace {
                    write!(f, " --namespace {namespace}")?;
                }
                options
            }
            Self::Resume { run, mark, withheld, options } => {
                for name in withheld {
                    write!(f, "{} ", assignment(name))?;
                }
                write!(f, "runbook resume {run}")?;
                for option in options {
                    write!(f, " {option}")?;
                }
                if let Some(Mark { step, mark }) = mark {
                    let option = match mark {
                        StepMark::Done => "--mark-done",
                        StepMark::NotDone => "--mark-not-done",
                        StepMark::Skip => "--skip",
                    };
                    write!(f, " {option} {} --reason 'seen by hand'", shell_word(step))?;
                }
                return Ok(());
            }
            Self::Approve { run, step, typed, options } => {
                write!(f, "runbook approve {run} --step {}", shell_word(step))?;
                if let Some(word) = typed {
                    write!(f, " --typed {}", shell_word(word))?;
                }
                options
            }
            Self::Status { run } => return write!(f, "runbook status {run}"),
            Self::Undo { run, options } => {
                write!(f, "runbook undo {run}")?;
                options
            }
        };
        options.iter().try_for_each(|option| write!(f, " {option}"))
    }
}

/// The environment variable that sets a parameter. A secret is no argument, which other users of
/// the machine can see.
pub fn variable(param: &str) -> String {
    format!("RUNBOOK_PARAM_{}", in_capitals(param))
}

/// The variable with a word in the place of the value that a person knows.
pub fn assignment(param: &str) -> String {
    format!("{}={}", variable(param), in_capitals(param))
}

fn in_capitals(param: &str) -> String {
    param.to_uppercase().replace('-', "_")
}

/// A value as it is typed after `--set NAME=`: words with commas between them, and as JSON a list
/// that would be read as another one.
pub fn typed_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let is_word = |word: &str| {
                !word.is_empty() && word.trim() == word && !word.contains([',', '[', ']'])
            };
            let words: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|word| is_word(word))).collect();
            match words {
                Some(words) if !words.is_empty() => words.join(","),
                _ => value.to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// The end of a run id that people type and read: its last eight characters, which are random.
pub fn short_id(run: &str) -> &str {
    let start =
        run.len().checked_sub(8).filter(|start| *start >= 8 && run.is_char_boundary(*start));
    start.map_or(run, |start| &run[start..])
}

/// A word for a POSIX shell, quoted if it must be.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::RUN;
    use serde_json::json;

    #[test]
    fn a_list_is_typed_so_that_it_is_read_as_the_same_one() {
        for (value, typed) in [
            (json!(["a", "b"]), "a,b"),
            (json!([]), "[]"),
            (json!(["a,b"]), r#"["a,b"]"#),
            (json!([" a"]), r#"[" a"]"#),
            (json!(["[a"]), r#"["[a"]"#),
            (json!([8080, 9090]), "[8080,9090]"),
            (json!([{"name": "a"}]), r#"[{"name":"a"}]"#),
        ] {
            assert_eq!(typed_value(&value), typed);
        }
    }

    #[test]
    fn the_line_is_what_is_typed() {
        let (run, step) = (|| "LEADER42".to_owned(), || "fix/scale it".to_owned());
        let options = || vec!["--sandbox=healthy".to_owned()];
        let with = json!({"reason": "it's late", "pods": ["a", "b"]}).as_object().unwrap().clone();
        let marked = |mark| Next::Resume {
            run: run(),
            mark: Some(Mark { step: step(), mark }),
            withheld: Vec::new(),
            options: options(),
        };
        for (next, line) in [
            (
                Next::Run {
                    runbook: "ta-bot/restart".to_owned(),
                    with,
                    namespace: Some("staging".to_owned()),
                    options: options(),
                },
                r"runbook run ta-bot/restart --set 'reason=it'\''s late' --set pods=a,b --namespace staging --sandbox=healthy",
            ),
            (
                Next::Resume { run: run(), mark: None, withheld: Vec::new(), options: options() },
                "runbook resume LEADER42 --sandbox=healthy",
            ),
            (
                Next::Resume {
                    run: run(),
                    mark: None,
                    withheld: vec!["db-pin".to_owned()],
                    options: options(),
                },
                "RUNBOOK_PARAM_DB_PIN=DB_PIN runbook resume LEADER42 --sandbox=healthy",
            ),
            (
                marked(StepMark::Done),
                "runbook resume LEADER42 --sandbox=healthy --mark-done 'fix/scale it' --reason 'seen by hand'",
            ),
            (
                Next::Approve {
                    run: run(),
                    step: step(),
                    typed: Some("x y".to_owned()),
                    options: options(),
                },
                "runbook approve LEADER42 --step 'fix/scale it' --typed 'x y' --sandbox=healthy",
            ),
            (Next::Status { run: run() }, "runbook status LEADER42"),
            (
                Next::Undo { run: run(), options: options() },
                "runbook undo LEADER42 --sandbox=healthy",
            ),
        ] {
            assert_eq!(next.to_string(), line);
        }
    }

    #[test]
    fn short_ids() {
        for (run, expected) in
            [(RUN, "LEADER42"), ("run-1", "run-1"), ("0123456789", "0123456789"), ("", "")]
        {
            assert_eq!(short_id(run), expected);
        }
    }
}
