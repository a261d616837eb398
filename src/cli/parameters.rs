//! Parameters that were not given: asked for at a terminal, and named with a command to complete
//! where nobody is there to be asked.

use super::exit::CommandError;
use super::keyboard::{self, Hidden, hidden_line, line};
use super::prompt::{TRIES, write};
use crate::action::shell_word;
use crate::diagnostic::nearest;
use crate::document::Param;
use crate::engine::Stop;
use crate::event::assignment;
use crate::plan::ParamError;
use crate::report::wrap;
use crate::session::{Session, SessionError, Start, Workspace, load, start};
use console::Term;

/// Begins a run. What is missing is asked for, if somebody is there and may be asked.
pub(super) fn begin(
    workspace: &Workspace,
    mut options: Start,
    may_ask: bool,
) -> Result<Session, CommandError> {
    let errors = match start(workspace, options.clone()) {
        Err(SessionError::Params(errors)) => errors,
        other => return Ok(other?),
    };
    let only_missing = errors.iter().all(|error| error.missing.is_some());
    if !may_ask || !only_missing || !keyboard::is_attended() {
        return Err(incomplete(workspace, &options.runbook, errors, &[]));
    }
    let given = given(workspace, &options.runbook);
    let mut answers = Vec::new();
    if ask(&options.runbook, &errors, &given, &mut answers).is_none() {
        return Err(incomplete(workspace, &options.runbook, errors, &answers));
    }
    options.params.texts.extend(answers);
    Ok(start(workspace, options)?)
}

/// The error that names everything that is wrong and was not answered, and the command that lacks
/// only values.
pub(super) fn incomplete(
    workspace: &Workspace,
    runbook: &str,
    mut errors: Vec<ParamError>,
    answers: &[(String, String)],
) -> CommandError {
    let given = given(workspace, runbook);
    let answer = |name: &str| answers.iter().find(|(known, _)| known == name);
    let value =
        |name: &str| answer(name).map_or_else(|| name.to_uppercase(), |(_, value)| value.clone());
    let missing: Vec<_> = errors
        .iter()
        .filter_map(|error| Some((error.name.as_str(), error.missing.as_deref()?)))
        .map(|(name, param)| (name, param, value(name)))
        .collect();
    let command = (!missing.is_empty()).then(|| command(&given, &missing));
    errors.retain(|error| answer(&error.name).is_none());
    CommandError::Params { errors, command }
}

/// The words of the command line as they may be shown.
fn given(workspace: &Workspace, runbook: &str) -> Vec<String> {
    let mut words = typed(std::env::args().skip(1).collect(), runbook);
    let (name, loaded) = load(&workspace.catalogue(), runbook).unwrap_or_default();
    let Some(declared) = loaded.get(&name).map(|runbook| &runbook.params) else { return words };
    // a mistyped name may be that of a secret
    let instead = |name: &str, value: &str| {
        let hidden = |name: &str| Some(format!("{name}={}", name.to_uppercase()));
        if let Some(param) = declared.get(name) {
            return hidden(name).filter(|_| param.secret);
        }
        match nearest(name, declared.keys().map(String::as_str)) {
            Some(near) if declared.get(near).is_some_and(|param| !param.secret) => {
                Some(format!("{near}={value}"))
            }
            near => hidden(near.unwrap_or(name)),
        }
    };
    hide(&mut words, &instead);
    words
}

/// The words of the command line; the name of a runbook that was picked stands where it is typed.
fn typed(mut words: Vec<String>, runbook: &str) -> Vec<String> {
    if let (false, Some(at)) =
        (words.iter().any(|word| word == runbook), words.iter().position(|word| word == "run"))
    {
        words.insert(at + 1, runbook.to_owned());
    }
    words
}

/// Replaces the parameters by what stands `instead` of them, and the URLs of channels: whoever knows
/// one can write there.
fn hide(words: &mut [String], instead: &dyn Fn(&str, &str) -> Option<String>) {
    let mut previous = String::new();
    for word in words {
        let (option, own, pair) = match word.split_once('=') {
            Some((option @ ("--set" | "--notify"), pair)) => (option, format!("{option}="), pair),
            _ => (previous.as_str(), String::new(), word.as_str()),
        };
        let shown = match (option, pair.split_once('=')) {
            ("--notify", Some((kind, _))) => Some(format!("{own}{kind}=URL")),
            ("--set", Some((name, value))) => {
                instead(name, value).map(|pair| format!("{own}{pair}"))
            }
            _ => None,
        };
        previous.clone_from(word);
        if let Some(shown) = shown {
            *word = shown;
        }
    }
}

/// The command as it was typed, with these values. A secret is no argument, which other users of
/// the machine can see.
fn command(given: &[String], values: &[(&str, &Param, String)]) -> String {
    let (secret, open): (Vec<_>, Vec<_>) = values.iter().partition(|(_, param, _)| param.secret);
    let is_given = |name: &str| {
        let pair = format!("{name}=");
        given.iter().any(|word| word.trim_start_matches("--set=").starts_with(&pair))
    };
    let set = open
        .iter()
        .filter(|(name, ..)| !is_given(name))
        .map(|(name, _, value)| format!("--set {}", shell_word(&format!("{name}={value}"))));
    let words = given.iter().map(|word| shell_word(word));
    secret
        .iter()
        .map(|(name, _, _)| assignment(name))
        .chain(std::iter::once("runbook".to_owned()))
        .chain(words)
        .chain(set)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Asks for everything that is missing. None: something was not answered.
fn ask(
    runbook: &str,
    errors: &[ParamError],
    given: &[String],
    answers: &mut Vec<(String, String)>,
) -> Option<()> {
    let _tidily = keyboard::LeavesTidily::new();
    let mut terminal = Terminal::new();
    let count = match errors.len() {
        1 => "a parameter that has no default".to_owned(),
        count => format!("{count} parameters that have no default"),
    };
    terminal.say(&format!("  {runbook} needs {count}.\n"))?;
    let mut values = Vec::new();
    for error in errors {
        let param = error.missing.as_deref()?;
        let value = asked(&mut terminal, &error.name, param)?;
        answers.push((error.name.clone(), value.clone()));
        values.push((error.name.as_str(), param, value));
    }
    let again = command(given, &values);
    terminal.say(&format!("\n  To run it without questions: {again}\n\n"))
}

/// Who is asked, and how wide it may be.
trait Asked {
    fn say(&mut self, text: &str) -> Option<()>;
    fn answer(&mut self, is_secret: bool) -> Option<String>;
    fn columns(&self) -> usize;
}

struct Terminal {
    columns: usize,
}

impl Terminal {
    fn new() -> Self {
        let columns = Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
        Self { columns: columns.unwrap_or(80).clamp(40, 160) }
    }
}

impl Asked for Terminal {
    fn say(&mut self, text: &str) -> Option<()> {
        write(text)
    }

    fn answer(&mut self, is_secret: bool) -> Option<String> {
        keyboard::forget()?;
        if !is_secret {
            return line(&Stop::new());
        }
        let end = hidden_line();
        self.say("\n")?;
        match end {
            Hidden::Line(line) => Some(line),
            Hidden::End => None,
            Hidden::Interrupted => keyboard::leave(),
        }
    }

    fn columns(&self) -> usize {
        self.columns
    }
}

/// Asks for one parameter until the answer is one, a few times.
fn asked(terminal: &mut impl Asked, name: &str, param: &Param) -> Option<String> {
    let purpose = param.purpose();
    let about =
        if purpose.is_empty() { param.wanted() } else { format!("{purpose} ({})", param.wanted()) };
    let room = terminal.columns().saturating_sub(4 + name.len()).max(20);
    for (index, part) in wrap(&about, room).into_iter().enumerate() {
        let label = if index == 0 { name } else { "" };
        terminal.say(&format!(
            "{}  {label:<width$}  {}\n",
            if index == 0 { "\n" } else { "" },
            crate::secret::sanitize(&part),
            width = name.len()
        ))?;
    }
    for left in (0..TRIES).rev() {
        terminal.say(&format!("  {name}: "))?;
        let text = terminal.answer(param.secret)?;
        let wrong = match param.parse(&text) {
            _ if text.is_empty() => "A value is required.".to_owned(),
            Ok(_) => return Some(text),
            Err(_) if param.secret => "That is not a valid value.".to_owned(),
            Err(message) => format!("{}.", crate::secret::sanitize(&message)),
        };
        let end = if left == 0 { " No valid value was given." } else { "" };
        terminal.say(&format!("  {wrong}{end}\n"))?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    struct Script {
        answers: Vec<&'static str>,
        said: String,
        columns: usize,
    }

    impl Asked for Script {
        fn say(&mut self, text: &str) -> Option<()> {
            self.said.push_str(text);
            Some(())
        }

        fn answer(&mut self, is_secret: bool) -> Option<String> {
            let answer = (!self.answers.is_empty()).then(|| self.answers.remove(0).to_owned())?;
            self.say(if is_secret { "" } else { &answer })?;
            self.say("\n")?;
            Some(answer)
        }

        fn columns(&self) -> usize {
            self.columns
        }
    }

    fn param(fields: Value) -> Param {
        serde_json::from_value(fields).unwrap()
    }

    fn conversation(param: &Param, answers: &[&'static str]) -> (Option<String>, String) {
        let mut script = Script { answers: answers.to_vec(), said: String::new(), columns: 40 };
        (asked(&mut script, "replicas", param), script.said)
    }

    #[test]
    fn a_wrong_value_is_explained_and_asked_for_again() {
        let replicas = param(json!({"type": "int", "min": 0, "max": 5, "description":
            "How many pods are to run\nafter the change."}));
        let (answer, said) = conversation(&replicas, &["9", "", "3"]);
        assert_eq!(answer.as_deref(), Some("3"));
        assert_eq!(
            said,
            "\n  replicas  How many pods are to run
            after the change (whole
            number from 0 to 5)
  replicas: 9
  9 exceeds the maximum of 5.
  replicas: 
  A value is required.
  replicas: 3\n"
        );
        let (answer, said) = conversation(&replicas, &["9", "9", "9", "3"]);
        let end = "9 exceeds the maximum of 5. No valid value was given.\n";
        assert!(answer.is_none() && said.ends_with(end), "{said}");
        assert_eq!(conversation(&replicas, &[]).0, None);
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let pin = param(json!({"type": "int", "secret": true}));
        let (answer, said) = conversation(&pin, &["hunter2", "4711"]);
        assert_eq!(answer.as_deref(), Some("4711"));
        assert!(!said.contains("hunter2") && said.contains("That is not a valid value."), "{said}");
    }

    #[test]
    fn a_runbook_that_was_picked_stands_in_the_command() {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let picked = typed(text(&["-v", "run", "--sandbox"]), "a/b");
        assert_eq!(picked, text(&["-v", "run", "a/b", "--sandbox"]));
        assert_eq!(typed(text(&["run", "a/b"]), "a/b"), text(&["run", "a/b"]));
    }

    #[test]
    fn the_command_to_complete_is_the_one_that_was_typed_without_its_secrets() {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut given =
            text(&["run", "a/b", "--set", "token=hunter2", "--set=tokn=x", "--set", "note=a b"]);
        hide(&mut given, &|name, _| name.starts_with("tok").then(|| "token=TOKEN".to_owned()));
        let mut channels =
            text(&["--notify", "slack=https://h/x?a=b", "--notify=webhook=https://h/y", "a=b"]);
        hide(&mut channels, &|_, _| None);
        assert_eq!(channels, text(&["--notify", "slack=URL", "--notify=webhook=URL", "a=b"]));
        let (open, secret) = (
            param(json!({"type": "int"})),
            param(json!({"type": "string",
            "secret": true})),
        );
        let missing =
            [("replicas", &open, "REPLICAS".to_owned()), ("db-pin", &secret, String::new())];
        assert_eq!(
            command(&given, &missing),
            "RUNBOOK_PARAM_DB_PIN=DB_PIN runbook run a/b --set token=TOKEN --set=token=TOKEN \
            --set 'note=a b' --set replicas=REPLICAS"
        );
    }
}
