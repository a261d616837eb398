//! The `runbook` program.

fn main() -> runbook::cli::Exit {
    runbook::cli::main()
}
