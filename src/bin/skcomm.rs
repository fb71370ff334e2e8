//! The command line.

fn main() -> std::process::ExitCode {
    skcomm_tui::use_small_pages();
    skcomm_tui::cli::main()
}
