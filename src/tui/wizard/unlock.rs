//! The prompt for the passphrase of a locked identity.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Passphrase, field::Field};
use crate::wire::SafeText;

/// How often a passphrase may be wrong.
const TRIES: u8 = 3;

/// What can happen to the prompt.
#[derive(Clone)]
pub enum UnlockInput {
    /// A key was pressed.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The passphrase was wrong.
    Wrong,
}

/// What the integrator must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlockEffect {
    /// Try this passphrase, away from the drawing task; answer [`UnlockInput::Wrong`], or go on when it is right.
    Try(Passphrase),
    /// The user gave up, or it was wrong three times: leave the program.
    GiveUp,
}

/// The prompt for the passphrase of a locked identity: three tries.
#[derive(Debug)]
pub struct Unlock {
    /// Whose key it is.
    pub(super) name: SafeText,
    pub(super) field: Field,
    pub(super) wrong: u8,
    /// A passphrase is being tried.
    pub(super) trying: bool,
}

impl Unlock {
    /// A prompt for the identity called `name`.
    pub fn new(name: SafeText) -> Self {
        Self { name, field: Field::secret(1024), wrong: 0, trying: false }
    }

    /// Tries that are left.
    pub fn tries_left(&self) -> u8 {
        TRIES - self.wrong
    }

    /// Takes what happened; says what the integrator must do, if anything.
    pub fn update(&mut self, input: UnlockInput) -> Option<UnlockEffect> {
        match input {
            UnlockInput::Wrong => {
                self.trying = false;
                self.field.clear();
                self.wrong = (self.wrong + 1).min(TRIES);
                (self.wrong == TRIES).then_some(UnlockEffect::GiveUp)
            }
            UnlockInput::Paste(text) => {
                if !self.trying {
                    self.field.insert(&text);
                }
                None
            }
            UnlockInput::Key(key) if key.kind == KeyEventKind::Release => None,
            UnlockInput::Key(key) => self.key(&key),
        }
    }

    fn key(&mut self, key: &KeyEvent) -> Option<UnlockEffect> {
        let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => Some(UnlockEffect::GiveUp),
            _ if ctrl_c => Some(UnlockEffect::GiveUp),
            _ if self.trying => None,
            KeyCode::Enter if self.field.text().is_empty() => None,
            KeyCode::Enter => {
                self.trying = true;
                Some(UnlockEffect::Try(self.field.take_secret()))
            }
            _ => {
                self.field.key(key);
                None
            }
        }
    }
}
