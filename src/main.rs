//! The `skeys` program.

fn main() -> std::process::ExitCode {
    skeys::main()
}
