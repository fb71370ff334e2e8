//! The command line.

fn main() -> std::process::ExitCode {
    skcomm_tui::cli::main()
}
