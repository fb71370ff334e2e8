//! The screen: what skcomm-tui is to the person in front of it.
//!
//! Everything the person can do is a command of one table ([`command`]); keymaps bind keys to it, the
//! palette, the help and `docs/keys.md` are made from it. Nothing here does I/O or cryptography on the
//! drawing task.

pub mod app;
pub mod command;
mod dispatch;
mod files;
pub mod fuzzy;
pub mod keymap;
pub mod model;
pub mod panes;
pub mod patch;
pub mod term;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
pub mod wizard;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
