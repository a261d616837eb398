//! What stands around the message of an exception: the calls that led to it, which say where, and
//! never why.

/// What begins a trace or stands between its frames, of PHP, Rust, Lua, Julia, Haskell, OCaml, .NET
/// and Node.
const BETWEEN: &[&str] = &[
    "Stack trace:",
    "stack backtrace:",
    "Stack backtrace:",
    "stack traceback:",
    "Stacktrace:",
    "CallStack (from ",
    "HasCallStack backtrace:",
    "*** Check failure stack trace",
    "----- Native stack trace",
    "Raised at ",
    "Re-raised at ",
    "Raised by ",
    "Called from ",
    "--- End of ",
    "Emitted '",
    "Thrown at:",
    "<asynchronous suspension>",
    "Did you mean?",
    "Tasks: TOP",
];

/// A frame of a trace, without its indentation, and what stands between frames.
pub(super) fn is_frame(line: &str, indent: bool) -> bool {
    let begins = |with: &[&str]| with.iter().any(|begin| line.starts_with(begin));
    let left_out = begins(&["... "])
        && [" more", " common frames omitted"].iter().any(|end| line.ends_with(end));
    let indented = begins(&["at ", "from ", "[C]: ", "@ "])
        || begins(&["thrown in "])
        || line.contains(" called at ")
        || line.contains(", called at ")
        || is_numbered(line)
        || is_place(line);
    left_out
        || begins(BETWEEN)
        || is_hash(line)
        || is_ruby(line)
        || is_next(line)
        || indent && indented
}

/// `#0 /app/db.php(3): …`, `#1      main (file:///app/main.dart:3:5)`.
fn is_hash(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| {
        let after = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        after.len() < rest.len() && after.starts_with([' ', '\t'])
    })
}

/// `/app/boot.rb:3:in 'Hash#fetch'`; one that is raised goes on with a message.
fn is_ruby(line: &str) -> bool {
    line.ends_with('\'') && [":in `", ":in '"].iter().any(|inside| line.contains(inside))
}

/// PHP prints the exception that was first, and then those that wrap it.
fn is_next(line: &str) -> bool {
    line.starts_with("Next ") && line.contains(" in /")
}

/// `0: core::panicking::panic_fmt`, `[1] error(s::String)`, `0 0x000055f4c1b2a3f4 main + 84`, `@
/// 0x7f1c2c3f1a1d  main`; `0: No such file` is a message.
fn is_numbered(line: &str) -> bool {
    let Some((first, rest)) = line.split_once(' ') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    let rest = rest.trim_start();
    if let Some(number) = first.strip_suffix(':') {
        return is_number(number)
            && (rest.contains("::") || rest.starts_with("0x") || !rest.contains(' '));
    }
    let julia = first.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    julia.is_some_and(is_number) || (first == "@" || is_number(first)) && rest.contains("0x")
}

/// `(stdlib 4.3) erl_eval.erl:748: :erl_eval.do_apply/7`, `/app/runtime.exs:29: (file)`, `app.lua:3:
/// in function 'boot'`.
fn is_place(line: &str) -> bool {
    let of_app = line.starts_with('(').then(|| line.split_once(") ")).flatten();
    let (place, said) = of_app.map_or(line, |(_, rest)| rest).split_once(": ").unwrap_or_default();
    let number = place.rsplit_once(':').map(|(_, number)| number);
    let is_number =
        number.is_some_and(|text| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit()));
    let arity = said.rsplit_once('/').map_or("", |(_, arity)| arity);
    let is_call = said.starts_with("(file)")
        || said.starts_with("in ")
        || arity.len() == 1 && arity.bytes().all(|one| one.is_ascii_digit());
    is_number && (of_app.is_some() || is_call)
}

/// What Go says of its goroutines after a panic: `goroutine 1 [running]:`, a function, and its
/// place.
pub(super) fn is_goroutine(line: &str, indent: bool) -> bool {
    let begins = |with: &[&str]| with.iter().any(|begin| line.starts_with(begin));
    let place = line.contains(".go:") && (indent || line.contains(" +0x"));
    let call = line.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')).is_some_and(
        |(function, arguments)| {
            let is_address = |one: char| one.is_ascii_hexdigit() || "x{}?, ._".contains(one);
            !function.is_empty() && !function.contains(' ') && arguments.chars().all(is_address)
        },
    );
    begins(&["goroutine ", "created by ", "[signal SIG", "exit status "]) || place || call
}

/// A line of the source, as it is shown below an error: `829▕ throw new X(`, and what points at it:
/// `--> src/main.rs:1:1`.
pub(super) fn is_source(line: &str, boxed: bool) -> bool {
    let line = line.trim_start_matches(['➜', '>', ' ']);
    let rest = line.trim_start_matches(|one: char| one.is_ascii_digit());
    let marks: &[&str] = if boxed { &["▕", ": "] } else { &["▕", " | "] };
    rest.len() < line.len() && marks.iter().any(|mark| rest.starts_with(mark))
        || line.starts_with("--> ")
}

/// A property of an error as Node shows it: `code: 'ECONNREFUSED',`, `errno: -111,`.
pub(super) fn is_property(line: &str) -> bool {
    let Some((name, value)) = line.split_once(": ") else { return false };
    let is_name = !name.is_empty() && name.bytes().all(|one| one.is_ascii_alphanumeric());
    let value = value.trim_end_matches(',');
    let is_word = matches!(value, "true" | "false" | "undefined" | "null" | "[" | "{");
    let is_text = ['\'', '`'].iter().any(|quote| value.starts_with(*quote));
    is_name && (is_word || is_text || value.parse::<f64>().is_ok() || value.starts_with("[ '"))
}
