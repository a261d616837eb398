//! The script for zsh: that of clap puts a space behind `name=`, where the value is still to come.

use clap_complete::env::{EnvCompleter, Zsh as Candidates};
use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

/// zsh.
pub(super) struct Zsh;

impl EnvCompleter for Zsh {
    fn name(&self) -> &'static str {
        Candidates.name()
    }

    fn is(&self, name: &str) -> bool {
        Candidates.is(name)
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
            "#compdef {program} kubectl-{name}
_{name}() {{
    local one
    local -a found open whole
    found=(\"${{(@f)$(_CLAP_IFS=$'\\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) {variable}=zsh {completer} -- \"${{words[@]}}\" 2>/dev/null)}}\")
    for one in $found; do
        if [[ \"${{one%%:*}}\" == *[=/] ]]; then open+=(\"$one\"); else whole+=(\"$one\"); fi
    done
    (( $#open )) && _describe -V values open -S ''
    (( $#whole )) && _describe -V values whole
}}
compdef _{name} {program} kubectl-{name}"
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        current_dir: Option<&Path>,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        Candidates.write_complete(command, words, current_dir, script)
    }
}
