//! The `caravan` program: arguments in, text or JSON out.

mod cli;

/// Batches are thousands of small values made by one thread and dropped by another, which costs the
/// system's allocator a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
