//! The `caravan` program: arguments in, text or JSON out.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
