//! The first-run wizard: who one is, a passphrase, a first transport, and the card at the end.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Card, FirstTransport, WizardResult, check, field::Field};
use crate::wire::{SafeText, limits};

/// What can happen to the wizard.
#[derive(Clone)]
pub enum WizardInput {
    /// A key was pressed.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The integrator makes the identity and says how far it is.
    Progress {
        /// Percent, 0 to 100.
        percent: u8,
        /// What is being done.
        what: SafeText,
    },
    /// The identity is made.
    Created(Card),
    /// It could not be made; the line says what to do. The wizard goes back to its questions.
    Failed(SafeText),
}

/// What the integrator must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WizardEffect {
    /// Make the identity, away from the drawing task, and report with [`WizardInput::Progress`],
    /// [`WizardInput::Created`] or [`WizardInput::Failed`].
    Create(Box<WizardResult>),
    /// The wizard is done: go on to the main screen.
    Finish,
    /// The user wants to leave the program; nothing was made.
    Quit,
}

/// Where the wizard is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Identity,
    Passphrase,
    Transport,
    Creating { percent: u8, what: SafeText },
    Summary(Box<Card>),
}

/// The first-run wizard.
#[derive(Debug)]
pub struct Wizard {
    pub(super) step: Step,
    /// The question whether to skip is on the screen.
    pub(super) asks_skip: bool,
    /// Which field of the step has the focus.
    pub(super) focus: usize,
    pub(super) name: Field,
    pub(super) fqid: Field,
    pub(super) email: Field,
    pub(super) passphrase: [Field; 2],
    pub(super) no_passphrase: bool,
    pub(super) transport: usize,
    pub(super) addresses: [Field; 3],
    /// What is wrong, below the fields.
    pub(super) problem: Option<SafeText>,
    default_name: String,
}

/// The transports to choose from, with what they are good for.
pub(super) const TRANSPORTS: [(&str, &str); 4] = [
    ("Shared folder", "NFS, Syncthing, Nextcloud, a USB stick"),
    ("TCP listener", "others connect to this machine"),
    ("Relay", "a WebSocket server keeps messages for you"),
    ("None for now", "add one later"),
];

const ADDRESS_BYTES: usize = 1024;
const PASSPHRASE_BYTES: usize = 1024;

impl Wizard {
    /// A wizard; `default_name` (the login name) is what one is called when the questions are skipped, `folder`
    /// the shared folder that is proposed.
    pub fn new(default_name: &str, folder: &str) -> Self {
        let secret = || Field::secret(PASSPHRASE_BYTES);
        let usable = !default_name.is_empty() && check::name(default_name).is_ok();
        Self {
            step: Step::Identity,
            asks_skip: false,
            focus: 0,
            name: Field::new("", limits::NAME_BYTES),
            fqid: Field::new("", limits::NAME_BYTES),
            email: Field::new("", limits::NAME_BYTES),
            passphrase: [secret(), secret()],
            no_passphrase: false,
            transport: 0,
            addresses: [folder, "127.0.0.1:9999", "wss://"].map(|text| Field::new(text, ADDRESS_BYTES)),
            problem: None,
            default_name: if usable { default_name.to_owned() } else { "me".to_owned() },
        }
    }

    /// Takes what happened; says what the integrator must do, if anything.
    pub fn update(&mut self, input: WizardInput) -> Option<WizardEffect> {
        match input {
            WizardInput::Key(key) if key.kind == KeyEventKind::Release => None,
            WizardInput::Key(key) => self.key(&key),
            WizardInput::Paste(text) => {
                if let Some(field) = self.field() {
                    field.insert(&text);
                    self.problem = None;
                }
                None
            }
            WizardInput::Progress { percent, what } => {
                if let Step::Creating { .. } = self.step {
                    self.step = Step::Creating { percent: percent.min(100), what };
                }
                None
            }
            WizardInput::Created(card) => {
                self.passphrase.iter_mut().for_each(Field::clear);
                self.step = Step::Summary(Box::new(card));
                None
            }
            WizardInput::Failed(problem) => {
                self.enter(Step::Identity);
                self.problem = Some(problem);
                None
            }
        }
    }

    /// The name that skipping gives.
    pub(super) fn default_name(&self) -> &str {
        &self.default_name
    }

    fn key(&mut self, key: &KeyEvent) -> Option<WizardEffect> {
        if self.asks_skip {
            return self.answer_skip(key);
        }
        match &self.step {
            // What is begun is finished: a half-made identity helps nobody.
            Step::Creating { .. } => None,
            Step::Summary(_) => matches!(key.code, KeyCode::Enter | KeyCode::Esc).then_some(WizardEffect::Finish),
            _ => self.question_key(key),
        }
    }

    fn answer_skip(&mut self, key: &KeyEvent) -> Option<WizardEffect> {
        match key.code {
            KeyCode::Char('y') => {
                self.asks_skip = false;
                Some(self.create(WizardResult {
                    name: self.default_name.clone(),
                    email: None,
                    fqid: None,
                    passphrase: None,
                    transport: FirstTransport::None,
                }))
            }
            KeyCode::Char('q') => Some(WizardEffect::Quit),
            KeyCode::Char('n') | KeyCode::Esc => {
                self.asks_skip = false;
                None
            }
            _ => None,
        }
    }

    fn question_key(&mut self, key: &KeyEvent) -> Option<WizardEffect> {
        let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => self.asks_skip = true,
            _ if ctrl_c => self.asks_skip = true,
            KeyCode::Enter => return self.forward(),
            KeyCode::Tab => self.focus = (self.focus + 1) % self.fields(),
            KeyCode::BackTab => self.back(),
            KeyCode::Down => self.down(),
            KeyCode::Up => self.up(),
            KeyCode::Char(' ') if self.on_no_passphrase() => {
                self.no_passphrase = !self.no_passphrase;
                self.problem = None;
            }
            _ => {
                if self.field().is_some_and(|field| field.key(key)) {
                    self.problem = None;
                }
            }
        }
        None
    }

    pub(super) fn on_no_passphrase(&self) -> bool {
        matches!(self.step, Step::Passphrase) && self.focus == 2
    }

    /// Fields of the step.
    fn fields(&self) -> usize {
        match self.step {
            Step::Identity | Step::Passphrase => 3,
            Step::Transport if self.transport < 3 => 2,
            _ => 1,
        }
    }

    fn down(&mut self) {
        if matches!(self.step, Step::Transport) && self.focus == 0 {
            self.transport = (self.transport + 1).min(TRANSPORTS.len() - 1);
        } else {
            self.focus = (self.focus + 1).min(self.fields() - 1);
        }
    }

    fn up(&mut self) {
        if matches!(self.step, Step::Transport) && self.focus == 0 {
            self.transport = self.transport.saturating_sub(1);
        } else {
            self.focus = self.focus.saturating_sub(1);
        }
    }

    /// One field back, from the first one to the step before.
    fn back(&mut self) {
        match (&self.step, self.focus) {
            (_, focus) if focus > 0 => self.focus = focus - 1,
            (Step::Passphrase, _) => self.enter(Step::Identity),
            (Step::Transport, _) => self.enter(Step::Passphrase),
            _ => {}
        }
    }

    fn enter(&mut self, step: Step) {
        self.step = step;
        self.focus = 0;
        self.problem = None;
    }

    /// The text field that has the focus.
    fn field(&mut self) -> Option<&mut Field> {
        if self.asks_skip {
            return None;
        }
        match (&self.step, self.focus) {
            (Step::Identity, 0) => Some(&mut self.name),
            (Step::Identity, 1) => Some(&mut self.fqid),
            (Step::Identity, _) => Some(&mut self.email),
            (Step::Passphrase, n @ 0..2) => Some(&mut self.passphrase[n]),
            (Step::Transport, 1) => self.addresses.get_mut(self.transport),
            _ => None,
        }
    }

    /// Enter: the next field, or the next step when all is well.
    fn forward(&mut self) -> Option<WizardEffect> {
        let last = self.focus + 1 >= self.fields();
        let result = match self.step {
            Step::Identity => self.identity_problem(),
            Step::Passphrase => self.passphrase_problem(),
            _ => check::transport(self.transport, self.address()).err().map(|problem| (1, problem)),
        };
        // A field further down may still be empty: only what was passed is complained about.
        let due = result.filter(|(field, _)| last || *field <= self.focus);
        if let Some((field, problem)) = due {
            self.focus = field;
            self.problem = Some(SafeText::line(problem));
            return None;
        }
        self.problem = None;
        if !last && !(self.on_passphrases_done()) {
            self.focus += 1;
            return None;
        }
        match self.step {
            Step::Identity => self.enter(Step::Passphrase),
            Step::Passphrase => self.enter(Step::Transport),
            _ => return self.finished().map(|result| self.create(result)),
        }
        None
    }

    /// Enter in the second passphrase field goes on without a stop at the mark for none.
    fn on_passphrases_done(&self) -> bool {
        matches!(self.step, Step::Passphrase) && self.focus == 1 && self.passphrase_problem().is_none()
    }

    fn identity_problem(&self) -> Option<(usize, &'static str)> {
        let checks = [check::name(self.name.text()), check::fqid(self.fqid.text()), check::email(self.email.text())];
        checks.into_iter().enumerate().find_map(|(field, check)| check.err().map(|problem| (field, problem)))
    }

    fn passphrase_problem(&self) -> Option<(usize, &'static str)> {
        let [first, second] = &self.passphrase;
        let problem = check::passphrase(first.text(), second.text(), self.no_passphrase).err()?;
        let field = usize::from(first.text().chars().count() >= check::PASSPHRASE_CHARS && !self.no_passphrase);
        Some((field, problem))
    }

    fn address(&self) -> &str {
        self.addresses.get(self.transport).map_or("", Field::text)
    }

    fn finished(&self) -> Option<WizardResult> {
        let given = |field: &Field| Some(field.text().to_owned()).filter(|text| !text.is_empty());
        Some(WizardResult {
            name: self.name.text().to_owned(),
            email: given(&self.email),
            fqid: given(&self.fqid),
            passphrase: (!self.no_passphrase).then(|| self.passphrase[0].take_secret()),
            transport: check::transport(self.transport, self.address()).ok()?,
        })
    }

    fn create(&mut self, result: WizardResult) -> WizardEffect {
        self.enter(Step::Creating { percent: 0, what: SafeText::line("Making the key") });
        WizardEffect::Create(Box::new(result))
    }
}
