//! The script for bash. It breaks words at `=` and `:`, so that `--set name=value` and
//! `--sandbox=name` are several words for it: the line is passed as it is, and of a candidate what
//! bash has not taken for another word is given back.

use super::typed::{LINE, Typed};
use crate::action::shell_word;
use clap_complete::engine::complete;
use clap_complete::env::EnvCompleter;
use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

/// The variable with the word that bash completes.
const PIECE: &str = "RUNBOOK_PIECE";

/// bash.
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        writeln!(
            script,
            "_{name}() {{
    local IFS=$'\\n'
    COMPREPLY=( $({LINE}=\"${{COMP_LINE:0:COMP_POINT}}\" {PIECE}=\"$2\" {variable}=bash {completer} -- {name} 2>/dev/null) )
    if [[ \"${{COMPREPLY-}}\" =~ [=/:]$ ]]; then compopt -o nospace 2>/dev/null; fi
}}
complete -o bashdefault -o nosort -F _{name} {program} kubectl-{name} 2>/dev/null ||
    complete -o bashdefault -F _{name} {program} kubectl-{name}"
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        _words: Vec<OsString>,
        current_dir: Option<&Path>,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        let typed = Typed::read();
        let words: Vec<OsString> = typed.words().iter().map(OsString::from).collect();
        let word = typed.words().last().cloned().unwrap_or_default();
        let piece = std::env::var(PIECE).unwrap_or_default();
        let taken = taken(&word, &piece);
        let last = words.len().saturating_sub(1);
        let candidates = complete(command, words, last, current_dir)?;
        let candidates: Vec<_> =
            candidates.iter().map(|one| one.get_value().to_string_lossy()).collect();
        // where names are wanted, options only bury them, until a dash is typed
        let hides_options = word.is_empty() && candidates.iter().any(|one| !one.starts_with('-'));
        let offered = candidates.iter().filter(|one| !(hides_options && one.starts_with('-')));
        for rest in offered.filter_map(|one| one.strip_prefix(taken)) {
            writeln!(script, "{}", replacement(rest))?;
        }
        Ok(())
    }
}

/// What of a word bash takes for earlier words, when this piece is the one that it completes.
fn taken<'a>(word: &'a str, piece: &str) -> &'a str {
    let piece = piece.trim_start_matches(['\'', '"']);
    // the sign at which the word is broken is a piece of its own
    if matches!(piece, "=" | ":") { word } else { word.strip_suffix(piece).unwrap_or_default() }
}

/// A candidate as a word of the shell; one that goes on, such as `name=`, is none yet.
fn replacement(text: &str) -> String {
    if text.is_empty() || text.ends_with(['=', '/']) { text.to_owned() } else { shell_word(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_has_broken_off_is_not_given_back() {
        let table = [
            ("ta", "ta", ""),
            ("namespace=", "", "namespace="),
            ("namespace=", "=", "namespace="),
            ("namespace=sh", "sh", "namespace="),
            ("--sandbox=plain/a", "plain/a", "--sandbox="),
            ("reason=it is", "'it is", "reason="),
            ("", "", ""),
        ];
        for (word, piece, wanted) in table {
            assert_eq!(taken(word, piece), wanted, "{word} {piece}");
        }
        assert_eq!(replacement("manual rollback"), "'manual rollback'");
        assert_eq!(replacement("name="), "name=");
    }
}
