use crossterm::event::KeyEvent;
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::tui::{keymap::Key, theme::Theme};

/// The event of a key in keymap notation.
fn event(key: &str) -> KeyEvent {
    use crate::tui::keymap::{Code, Named};
    use crossterm::event::{KeyCode, KeyModifiers};
    let key: Key = key.parse().unwrap();
    let code = match key.code {
        Code::Char(c) => KeyCode::Char(c),
        Code::Named(Named::Tab) if key.shift => KeyCode::BackTab,
        Code::Named(Named::Tab) => KeyCode::Tab,
        Code::Named(Named::Enter) => KeyCode::Enter,
        Code::Named(Named::Esc) => KeyCode::Esc,
        Code::Named(Named::Up) => KeyCode::Up,
        Code::Named(Named::Down) => KeyCode::Down,
        Code::Named(Named::Left) => KeyCode::Left,
        Code::Named(Named::Backspace) => KeyCode::Backspace,
        other => panic!("{other:?}"),
    };
    KeyEvent::new(code, if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
}

/// Presses keys parted by blanks; a word that is no key is typed. Returns the last effect.
fn press(wizard: &mut Wizard, keys: &str) -> Option<WizardEffect> {
    let mut effect = None;
    for word in keys.split(' ') {
        if word.parse::<Key>().is_ok() {
            effect = wizard.update(WizardInput::Key(event(word)));
        } else {
            for c in word.chars() {
                effect = wizard.update(WizardInput::Key(event(&c.to_string())));
            }
        }
    }
    effect
}

fn draw(width: u16, height: u16, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(view).unwrap();
    terminal.backend().clone()
}

fn grid(width: u16, height: u16, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> String {
    draw(width, height, view).to_string()
}

fn snapshot(name: &str, wizard: &Wizard) {
    let theme = Theme::default();
    for (width, height, ascii) in [(80, 24, false), (40, 12, true)] {
        let grid = grid(width, height, |frame| wizard.view(frame, &theme, ascii));
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), grid);
    }
}

fn wizard() -> Wizard {
    Wizard::new("chef", "~/skcomm-shared")
}

fn card() -> Card {
    Card {
        name: SafeText::line("Opus"),
        fqid: Some(SafeText::line("opus@casey.douno")),
        fingerprint: "9F3AC2D1E0B4A5968778695A4B3C2D1E0F001122".parse().unwrap(),
        words: SafeText::line("anchor birch canyon delta ember falcon garnet harbor"),
        qr: "OPENPGP4FPR:9F3AC2D1E0B4A5968778695A4B3C2D1E0F001122".to_owned(),
    }
}

#[test]
fn the_whole_way_gives_what_was_typed() {
    let mut wizard = wizard();
    press(&mut wizard, "Opus Enter opus@casey.douno");
    snapshot("identity", &wizard);
    press(&mut wizard, "Enter Enter correct_horse Enter");
    snapshot("passphrase", &wizard);
    press(&mut wizard, "correct_horse Enter");
    snapshot("transport", &wizard);
    let Some(WizardEffect::Create(result)) = press(&mut wizard, "Down Enter Enter") else { panic!("not created") };
    assert_eq!(result.name, "Opus");
    assert_eq!(result.fqid.as_deref(), Some("opus@casey.douno"));
    assert_eq!(result.email, None);
    assert_eq!(result.passphrase.as_ref().map(Passphrase::as_str), Some("correct_horse"));
    assert_eq!(result.transport, FirstTransport::Tcp("127.0.0.1:9999".to_owned()));
    assert!(!format!("{result:?} {wizard:?}").contains("correct"), "a secret is never shown");
    wizard.update(WizardInput::Progress { percent: 60, what: SafeText::line("Making the key") });
    snapshot("creating", &wizard);
    assert_eq!(press(&mut wizard, "Esc Enter"), None, "what is begun is finished");
    wizard.update(WizardInput::Created(card()));
    snapshot("summary", &wizard);
    assert_eq!(press(&mut wizard, "Enter"), Some(WizardEffect::Finish));
}

#[test]
fn skipping_asks_and_says_what_one_gets() {
    let mut wizard = wizard();
    assert_eq!(press(&mut wizard, "Opus Esc"), None);
    snapshot("skip", &wizard);
    assert_eq!(press(&mut wizard, "n x Esc q"), Some(WizardEffect::Quit));
    assert_eq!(wizard.name.text(), "Opusx", "n went on where one was");
    let Some(WizardEffect::Create(result)) = press(&mut wizard, "y") else { panic!("not created") };
    let none = WizardResult {
        name: "chef".to_owned(),
        email: None,
        fqid: None,
        passphrase: None,
        transport: FirstTransport::None,
    };
    assert_eq!(*result, none);
}

/// Types into the fields of one step and presses Enter; what is said must contain `expected`.
fn complains(prepare: &str, keys: &str, expected: &str) {
    let mut wizard = wizard();
    press(&mut wizard, prepare);
    assert_eq!(press(&mut wizard, keys), None);
    let problem = wizard.problem.clone().unwrap_or_default();
    assert!(problem.as_str().contains(expected), "{keys}: {problem:?}");
}

#[test]
fn wrong_answers_say_what_would_be_right() {
    complains("Tab", "Enter", "A name is needed");
    complains("Opus Enter", "opus Enter", "opus@casey.douno");
    complains("Opus Enter", "opus@douno Enter", "opus@casey.douno");
    complains("Opus Enter Enter", "o@ Enter", "mail address");
    complains("Opus Enter Enter Enter", "Enter", "mark that you want none");
    complains("Opus Enter Enter Enter", "short Enter", "At least 8");
    complains("Opus Enter Enter Enter", "longenough Enter different Enter", "not the same");
    complains("Opus Enter Enter Enter", "longenough Tab Tab Space Enter", "take the mark away");
    let to_transport = "Opus Enter Enter Enter longenough Enter longenough Enter";
    complains(to_transport, "Enter C-u relative Enter", "begins with /");
    complains(to_transport, "Enter C-u /srv/../etc Enter", "no ..");
    complains(to_transport, "Down Enter C-u nonsense Enter", "127.0.0.1:9999");
    complains(to_transport, "Down Down Enter Enter", "wss://relay.example.org");
}

#[test]
fn an_explicit_none_and_no_transport_are_possible() {
    let mut wizard = wizard();
    press(&mut wizard, "Opus Enter Enter Enter Tab Tab Space");
    snapshot("no_passphrase", &wizard);
    let Some(WizardEffect::Create(result)) = press(&mut wizard, "Enter Down Down Down Enter") else {
        panic!("not created")
    };
    assert_eq!(result.passphrase, None);
    assert_eq!(result.transport, FirstTransport::None);
    wizard.update(WizardInput::Failed(SafeText::line("The disk is full: make room and press Enter")));
    snapshot("failed", &wizard);
}

#[test]
fn one_can_go_back_and_paste() {
    let mut wizard = wizard();
    wizard.update(WizardInput::Paste("Opus\u{1b}[31m\r\nEnter".to_owned()));
    assert_eq!(wizard.name.text(), "Opus[31m", "a paste never presses Enter");
    press(&mut wizard, "Enter Enter Enter S-Tab");
    assert!(matches!(wizard.step, welcome::Step::Identity));
    wizard.update(WizardInput::Paste("x".repeat(100_000)));
    assert!(wizard.name.text().len() <= crate::wire::limits::NAME_BYTES);
}

#[test]
fn any_size_is_drawn() {
    let theme = Theme::default();
    let mut wizard = wizard();
    for keys in ["Opus", "Enter Enter Enter longenough", "Enter longenough Enter", "Esc"] {
        press(&mut wizard, keys);
        for (width, height) in (0..50).flat_map(|width| [0, 1, 2, 3, 7, 30].map(|height| (width, height))) {
            draw(width, height, |frame| wizard.view(frame, &theme, width % 2 == 0));
        }
    }
    wizard.update(WizardInput::Created(card()));
    for width in 0..90 {
        draw(width, 24, |frame| wizard.view(frame, &theme, false));
        draw(width, 24, |frame| Unlock::new(SafeText::line("Opus")).view(frame, &theme, false));
    }
}

#[test]
fn unlocking_has_three_tries() {
    let theme = Theme::default();
    let mut unlock = Unlock::new(SafeText::line("Opus"));
    let type_in = |unlock: &mut Unlock, text: &str| {
        unlock.update(UnlockInput::Paste(text.to_owned()));
        unlock.update(UnlockInput::Key(event("Enter")))
    };
    assert_eq!(unlock.update(UnlockInput::Key(event("Enter"))), None, "nothing typed, nothing tried");
    for left in [2, 1] {
        let tried = type_in(&mut unlock, "guess");
        assert!(matches!(&tried, Some(UnlockEffect::Try(text)) if text.as_str() == "guess"));
        assert!(!format!("{tried:?}").contains("guess"));
        assert_eq!(type_in(&mut unlock, "more"), None, "one at a time");
        assert_eq!(unlock.update(UnlockInput::Wrong), None);
        assert_eq!(unlock.tries_left(), left);
    }
    for (width, height, ascii) in [(80, 24, false), (40, 12, true)] {
        insta::assert_snapshot!(
            format!("unlock_{width}x{height}"),
            grid(width, height, |frame| unlock.view(frame, &theme, ascii))
        );
    }
    type_in(&mut unlock, "guess");
    assert_eq!(unlock.update(UnlockInput::Wrong), Some(UnlockEffect::GiveUp));
    assert_eq!(unlock.update(UnlockInput::Key(event("Esc"))), Some(UnlockEffect::GiveUp));
}
