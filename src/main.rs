//! Maps the command line to an exit code; everything else is in the library.

fn main() -> std::process::ExitCode {
    slewd::cli::main()
}
