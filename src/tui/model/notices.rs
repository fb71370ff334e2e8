//! Toasts and the log: every toast can be found again in the log.

use std::collections::VecDeque;

use crate::{
    node::NoticeLevel,
    wire::{SafeText, Timestamp},
};

/// Most lines kept for the log view.
pub const LOG_MOST: usize = 5_000;
/// Most toasts on the screen at once.
const TOASTS_MOST: usize = 4;
/// How long a toast stays, in milliseconds; warnings stay twice as long.
const TOAST_MS: u64 = 5_000;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// How bad.
    pub level: LogRank,
    /// What.
    pub text: SafeText,
}

/// How much a line of the log matters; security events stand apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogRank {
    /// Helps to find a fault.
    Debug,
    /// Of the node's notice levels.
    Notice(NoticeLevel),
}

/// A short message over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// How bad.
    pub level: NoticeLevel,
    /// One line.
    pub text: SafeText,
    /// When it goes, in milliseconds of the model's clock.
    pub until: u64,
}

/// Toasts and the log.
#[derive(Debug, Default)]
pub struct Notices {
    log: VecDeque<LogEntry>,
    toasts: VecDeque<Toast>,
}

impl Notices {
    /// Writes a line to the log only.
    pub fn record(&mut self, at: Timestamp, level: LogRank, text: impl AsRef<str>) {
        if self.log.len() == LOG_MOST {
            self.log.pop_front();
        }
        self.log.push_back(LogEntry { at, level, text: SafeText::line(text.as_ref()) });
    }

    /// Shows a toast and writes it to the log.
    pub fn show(&mut self, at: Timestamp, clock: u64, level: NoticeLevel, text: impl AsRef<str>) {
        self.record(at, LogRank::Notice(level), text.as_ref());
        let stay = if level >= NoticeLevel::Warning { 2 * TOAST_MS } else { TOAST_MS };
        let toast = Toast { level, text: SafeText::line(text.as_ref()), until: clock.saturating_add(stay) };
        self.toasts.retain(|t| t.text != toast.text);
        if self.toasts.len() == TOASTS_MOST {
            self.toasts.pop_front();
        }
        self.toasts.push_back(toast);
    }

    /// The log, oldest first.
    pub fn log(&self) -> &VecDeque<LogEntry> {
        &self.log
    }

    /// What is on the screen, oldest first.
    pub fn toasts(&self) -> &VecDeque<Toast> {
        &self.toasts
    }

    /// Takes the newest toast off the screen; whether there was one.
    pub fn dismiss(&mut self) -> bool {
        self.toasts.pop_back().is_some()
    }

    /// Takes the toasts off whose time is over; whether any was.
    pub fn expire(&mut self, clock: u64) -> bool {
        let before = self.toasts.len();
        self.toasts.retain(|toast| toast.until > clock);
        before != self.toasts.len()
    }

    /// When the next toast goes.
    pub fn next_expiry(&self) -> Option<u64> {
        self.toasts.iter().map(|toast| toast.until).min()
    }
}
