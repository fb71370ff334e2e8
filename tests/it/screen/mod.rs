//! The program as its user sees it: keys go into a pseudo-terminal, the grid is looked at.

mod demo;
mod endings;
mod faults;
mod first_run;
mod hostile;
mod prepared;
mod speed;
mod writing;

pub(crate) use prepared::Prepared;

use crate::terminal::Terminal;

const WIDE: (u16, u16) = (120, 40);

/// Quits with the key for it.
pub(crate) fn quit(mut terminal: Terminal) {
    terminal.keys("\x11");
    terminal.ended_well();
}

/// Quits, with or without messages that wait.
pub(crate) fn quit_anyway(home: &Prepared, terminal: Terminal) {
    if home.waiting() == 0 { quit(terminal) } else { quit_with_waiting(terminal) }
}

/// Quits although messages wait, which the program asks about.
pub(crate) fn quit_with_waiting(mut terminal: Terminal) {
    terminal.keys("\x11");
    terminal.wait_for(&["Quit now?"]);
    terminal.keys("y");
    terminal.ended_well();
}
