//! What is made from the definition of the command line.

use clap::CommandFactory as _;

use crate::cli::args::Cli;

/// The completion script for `shell`.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "skcomm", &mut script);
    script
}

/// The manual page in roff, with a section for every subcommand.
///
/// # Errors
/// When it cannot be rendered.
pub fn man() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let whole = clap_mangen::Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for sub in leaves(&command) {
        command_section(&sub, &mut page)?;
    }
    whole.render_extra_section(&mut page)?;
    Ok(page)
}

/// All commands that do something, in the order of the help.
fn leaves(command: &clap::Command) -> Vec<clap::Command> {
    let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    subs.flat_map(|sub| if sub.has_subcommands() { leaves(sub) } else { vec![sub.clone()] }).collect()
}

fn command_section(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    page.extend_from_slice(format!(".SS {}\n", name.replace('-', "\\-")).as_bytes());
    // Options of every command stand at the top.
    let own = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let own = clap_mangen::Man::new(own);
    let mut section = Vec::new();
    own.render_description_section(&mut section)?;
    own.render_options_section(&mut section)?;
    own.render_extra_section(&mut section)?;
    let text = String::from_utf8_lossy(&section);
    for line in text.lines() {
        match line {
            ".SH DESCRIPTION" => {}
            // Each part begins with the same definition of an apostrophe; the title has it already.
            line if line.starts_with(".ie ") || line.starts_with(".el ") => {}
            line if line.starts_with(".SH ") => page.extend_from_slice(b".PP\n"),
            line => {
                page.extend_from_slice(line.as_bytes());
                page.push(b'\n');
            }
        }
    }
    Ok(())
}
