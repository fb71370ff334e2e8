//! `docs/keys.md`, made from the command table and the default keymap, so that it is never wrong.

use std::fmt::Write as _;

use super::{Context, Keymap};
use crate::tui::command::table;

/// The whole of `docs/keys.md`.
pub fn render_markdown() -> String {
    let keymap = Keymap::default();
    let mut page = String::from(
        "# Keys and commands\n\n\
         Made from the command table and `keymaps/default.toml`; a test keeps it up to date.\n\n\
         `C-` is Control, `M-` is Alt, `S-` is Shift; keys parted by a blank are pressed one after the other.\n\
         Every command runs from the palette as well. A keymap of your own is a patch:\n\n\
         ```toml\n\
         inherits = \"default\"   # or \"vim\", or \"emacs\"\n\
         [global]\n\
         unbind = [\"C-q\"]\n\
         keys = [{ on = \"F9\", run = \"mode.set broadcast\", desc = \"Send everywhere\" }]\n\
         ```\n\n\
         ## Keys of the default keymap\n",
    );
    for context in Context::ALL {
        let _ = write!(
            page,
            "\n### {} (`[{}]`)\n\n| keys | does | command |\n|---|---|---|\n",
            context.title(),
            context.name()
        );
        for binding in keymap.bindings(context) {
            let keys = code(&super::show_keys(&binding.keys));
            let _ = writeln!(page, "| {keys} | {} | {} |", escape(&binding.desc), code(&binding.cmd.to_string()));
        }
    }
    page.push_str("\n## All commands\n\n| command | does | keys |\n|---|---|---|\n");
    for spec in table() {
        let mut keys: Vec<String> = Vec::new();
        for binding in Context::ALL.into_iter().flat_map(|context| keymap.bindings(context)) {
            let shown = code(&super::show_keys(&binding.keys));
            if binding.cmd.name() == spec.name && !keys.contains(&shown) {
                keys.push(shown);
            }
        }
        let asks = if spec.destructive { " (asks first)" } else { "" };
        let _ = writeln!(page, "| {} | {}{asks} | {} |", code(&spec.usage()), escape(spec.doc), keys.join(" "));
    }
    page
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", escape(text))
}
