//! The `runbook` program.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> runbook::cli::Exit {
    runbook::cli::main()
}
