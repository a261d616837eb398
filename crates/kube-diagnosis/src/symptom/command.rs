//! Commands that cannot be executed, by the words of container runtimes, shells and loaders.

/// Whether a container runtime says that a command is not there: runc, crun, gVisor and hcsshim.
pub(super) fn is_absent(message: &str) -> bool {
    let lower = message.to_lowercase();
    let has = |part: &str| lower.contains(part);
    has("executable file") && has("not found")
        || has("exec: \"") && has("no such file or directory")
        || has("error finding executable")
        || has("the system cannot find the file specified")
}

/// Whether a shell says so of a command that it is to run: `/bin/sh: 1: curl: not found`, `/d/ok.sh:
/// line 2: curl: not found`, `bash: line 1: curl: command not found`. What else is not found may be
/// anything.
pub(super) fn is_unknown_to_shell(said: &str) -> bool {
    said.lines().any(|line| {
        let first = line.split(": ").next().unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or_default();
        let of_shell = SHELLS.contains(&name) || line.contains(": line ");
        line.ends_with(": command not found") || of_shell && line.ends_with(": not found")
    })
}

const SHELLS: &[&str] = &["sh", "ash", "bash", "dash", "ksh", "zsh"];

pub(super) const FORMAT: &str = "use an image that is built for the architecture of the node; if it \
    is, the file is no program: a script needs an interpreter (#!) in its first line";
const INTERPRETER: &str = "the file is in the image, and what it needs to start is not: check the \
    interpreter in the first line of the script, or the loader of the program (one that is linked to \
    glibc does not start in an image with musl, such as Alpine)";
const ABSENT: &str = "check command and args, and the interpreter in the first line of the script: one \
    of them is not in the image";
const LINES: &str = "save the script with LF at the end of its lines: with CRLF the name of its \
    interpreter ends with a carriage return";
const LIBRARY: &str = "add the named library to the image: the program is linked to it";
const LIBC: &str = "build the program with the libc of the image, or use an image with the libc that it \
    was built with: glibc is too old, or it is musl, such as in Alpine";

/// How a container runtime says that a file which is there cannot be executed: runc writes `exec /x:
/// no such file or directory` into the log, before 1.1 `exec user process caused`, and crun `exec
/// container process`.
const EXECS: &[&str] = &["exec /", "exec container process"];
/// How something says so that looks for the command itself.
const SEEKERS: &[&str] = &["[fatal tini", "[dumb-init]", "can't execute '", "bin/env: "];
/// A carriage return at the end of the name of an interpreter, as shells and `env` show it.
const RETURNS: &[&str] = &["\\r'", "\\r\"", "\\r’", "^m", "\r"];
/// The C libraries and their loaders.
const LIBCS: &[&str] = &["ld-linux", "ld-musl", "libc.so.6", "libc.musl"];

/// What to do about a program that could not be loaded, by the line of the log that says why it
/// ended: the kernel, the dynamic loader, or what starts the program writes it.
pub(crate) fn unloadable(line: &str) -> Option<&'static str> {
    let lower = line.trim().to_lowercase();
    let has = |part: &str| lower.contains(part);
    let any = |parts: &[&str]| parts.iter().any(|part| has(part));
    if any(&["exec format error", "enoexec", "cannot execute binary file"]) {
        return Some(FORMAT);
    }
    let is_executed = EXECS.iter().any(|exec| lower.starts_with(exec));
    if any(&["error while loading shared libraries", "error loading shared library"]) {
        return Some(if any(LIBCS) { LIBC } else { LIBRARY });
    }
    if has("version `glibc_") || has("error relocating /") {
        return Some(LIBC);
    }
    if !any(&["no such file or directory", "not found"]) {
        return None;
    }
    let seeks = any(SEEKERS) || lower.starts_with("env: ");
    if any(RETURNS) {
        Some(LINES)
    } else if any(&["bad interpreter", "required file not found", "exec user process caused"])
        || is_executed
    {
        Some(INTERPRETER)
    } else {
        seeks.then_some(ABSENT)
    }
}
