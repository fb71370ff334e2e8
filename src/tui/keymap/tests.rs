use std::sync::LazyLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::*;
use crate::tui::command::{self, table};

fn keymap(name: &str) -> &'static Keymap {
    static READ: LazyLock<BTreeMap<&str, Keymap>> =
        LazyLock::new(|| PRESETS.map(|(name, _)| (name, Keymap::preset(name).unwrap())).into());
    &READ[name]
}

/// The event that a legacy terminal reports for a key.
fn event(key: Key) -> KeyEvent {
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::CONTROL, key.ctrl);
    modifiers.set(KeyModifiers::ALT, key.alt);
    modifiers.set(KeyModifiers::SHIFT, key.shift);
    let code = match key.code {
        Code::Char(c) => {
            modifiers.set(KeyModifiers::SHIFT, c.is_uppercase());
            KeyCode::Char(c)
        }
        Code::F(n) => KeyCode::F(n),
        Code::Named(Named::Tab) if key.shift => KeyCode::BackTab,
        Code::Named(named) => match named {
            Named::Enter => KeyCode::Enter,
            Named::Tab => KeyCode::Tab,
            Named::Esc => KeyCode::Esc,
            Named::Backspace => KeyCode::Backspace,
            Named::Delete => KeyCode::Delete,
            Named::Insert => KeyCode::Insert,
            Named::Up => KeyCode::Up,
            Named::Down => KeyCode::Down,
            Named::Left => KeyCode::Left,
            Named::Right => KeyCode::Right,
            Named::Home => KeyCode::Home,
            Named::End => KeyCode::End,
            Named::PageUp => KeyCode::PageUp,
            Named::PageDown => KeyCode::PageDown,
        },
    };
    KeyEvent::new(code, modifiers)
}

/// What a whole sequence leads to.
fn press(keymap: &Keymap, context: Context, keys: &str) -> Outcome {
    let mut pending = Vec::new();
    let mut outcome = Outcome::Ignored;
    for key in parse_keys(keys).unwrap() {
        outcome = keymap.feed(&mut pending, context, &event(key));
    }
    assert_eq!(pending.is_empty(), !matches!(outcome, Outcome::Pending(_)));
    outcome
}

fn run(line: &str) -> Outcome {
    Outcome::Run(command::parse(line).unwrap())
}

#[test]
fn presets_are_without_fault() {
    for (name, text) in PRESETS {
        let empty = Keymap { name: name.to_owned(), bindings: BTreeMap::new() };
        let (keymap, problems) = empty.patched(name, text, true);
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        for context in Context::ALL {
            assert!(keymap.bindings(context).count() > 0, "{name} has no [{}]", context.name());
            assert!(
                keymap.bindings(context).all(|binding| !binding.desc.is_empty() && binding.desc.len() <= 28),
                "{name}"
            );
        }
    }
}

#[test]
fn every_binding_of_every_preset_does_what_it_says() {
    for (name, _) in PRESETS {
        let keymap = keymap(name);
        for context in Context::ALL {
            for binding in keymap.bindings(context) {
                let keys = show_keys(&binding.keys);
                assert_eq!(
                    press(keymap, context, &keys),
                    Outcome::Run(binding.cmd.clone()),
                    "{name} [{}] {keys}",
                    context.name()
                );
            }
        }
    }
}

#[test]
fn every_preset_binds_what_one_cannot_do_without() {
    use Context::{Composer, Confirm, Conversation, Files, Health, Path, Peers, Picker, Trust};
    let everywhere = [
        "app.quit",
        "app.redraw",
        "app.suspend",
        "help.show",
        "palette.open",
        "nav.back",
        "log.open",
        "demo.knock",
        "demo.revive",
    ];
    let panes = [Peers, Conversation, Composer, Health, Path];
    let mut needed: Vec<(Context, &str)> = Vec::new();
    for context in panes {
        needed.extend(everywhere.map(|cmd| (context, cmd)));
        needed.extend(
            ["switcher.open", "search.open", "pane.next", "pane.prev", "pane.split", "pane.close", "pane.zoom"]
                .map(|cmd| (context, cmd)),
        );
        needed.extend(
            [
                "mode.cycle",
                "policy.cycle",
                "file.send",
                "urgency.cycle",
                "unread.next",
                "focus.peers",
                "focus.conversation",
                "trust.open",
            ]
            .map(|cmd| (context, cmd)),
        );
        needed.extend(
            ["focus.health", "focus.path", "thread.new", "identity.show", "queue.open"].map(|cmd| (context, cmd)),
        );
    }
    for context in [Peers, Health, Path, Trust] {
        needed.extend(
            ["list.up", "list.down", "list.page-up", "list.page-down", "list.first", "list.last"]
                .map(|cmd| (context, cmd)),
        );
        needed.push((context, "focus.composer"));
    }
    needed.extend(["list.up", "list.down", "list.accept", "nav.back"].map(|cmd| (Picker, cmd)));
    needed.extend(
        ["composer.send", "composer.newline", "composer.editor", "composer.history-prev", "composer.complete"]
            .map(|cmd| (Composer, cmd)),
    );
    needed.extend(
        ["composer.clear", "composer.cancel-reply", "message.page-up", "message.page-down"].map(|cmd| (Composer, cmd)),
    );
    needed.extend(
        ["message.up", "message.down", "message.first", "message.last", "message.reply", "message.copy"]
            .map(|cmd| (Conversation, cmd)),
    );
    needed.extend(
        ["message.path", "message.retry", "message.cancel", "message.jump-quoted", "message.goto-date"]
            .map(|cmd| (Conversation, cmd)),
    );
    needed.extend(
        ["transport.toggle", "transport.probe", "transport.raise", "transport.lower", "transport.details"]
            .map(|cmd| (Health, cmd)),
    );
    needed.extend(
        ["peer.verify", "trust.raise", "trust.lower", "conflict.accept", "conflict.reject", "peer.block"]
            .map(|cmd| (Trust, cmd)),
    );
    needed.extend(
        ["file.accept", "file.cancel", "file.pause", "file.resume", "list.up", "list.accept"].map(|cmd| (Files, cmd)),
    );
    needed.extend(["file.list", "file.accept", "file.cancel"].map(|cmd| (Conversation, cmd)));
    needed.extend(["confirm.yes", "confirm.no"].map(|cmd| (Confirm, cmd)));
    for (name, _) in PRESETS {
        let keymap = keymap(name);
        for (context, line) in &needed {
            // In the composer Esc is what leaves, whatever the command is called.
            let back = *line == "nav.back" && *context == Composer && name == "vim";
            let found = keymap.key_in(*context, &command::parse(line).unwrap());
            assert!(found.is_some() || back, "{name}: nothing runs {line} in [{}]", context.name());
        }
    }
}

#[test]
fn characters_type_where_text_is_written() {
    for (name, _) in PRESETS {
        let keymap = keymap(name);
        for context in [Context::Composer, Context::Picker] {
            for c in (' '..='~').chain(['ä', '漢', '🙂']) {
                assert_eq!(
                    keymap.feed(&mut Vec::new(), context, &event(Key::char(c))),
                    Outcome::Unbound(vec![Key::char(c)]),
                    "{name}: {c}"
                );
            }
        }
    }
}

#[test]
fn sequences_wait_show_hints_and_end() {
    let keymap = keymap("default");
    let mut pending = Vec::new();
    let Outcome::Pending(hints) = keymap.feed(&mut pending, Context::Conversation, &event(Key::char('g'))) else {
        panic!("g is a prefix")
    };
    let hint = |keys: &str, desc: &str| Hint { keys: keys.to_owned(), desc: desc.to_owned() };
    assert!(hints.contains(&hint("u", "Next unread")), "{hints:?}");
    assert!(hints.contains(&hint("d", "Day")), "what the conversation adds: {hints:?}");
    assert_eq!(keymap.feed(&mut pending, Context::Conversation, &event(Key::char('u'))), run("unread.next"));
    assert_eq!(press(keymap, Context::Conversation, "g Z"), Outcome::Unbound(parse_keys("g Z").unwrap()));
    assert_eq!(press(keymap, Context::Conversation, "g Esc"), Outcome::Ignored);
    assert_eq!(press(keymap, Context::Peers, "g g"), run("list.first"));
    assert_eq!(press(keymap, Context::Conversation, "g g"), run("message.first"));
    let mut release = event(Key::char('x'));
    release.kind = crossterm::event::KeyEventKind::Release;
    assert_eq!(keymap.feed(&mut Vec::new(), Context::Peers, &release), Outcome::Ignored);
}

#[test]
fn vim_and_emacs_feel_like_themselves() {
    let vim = keymap("vim");
    assert_eq!(press(vim, Context::Composer, "Esc"), run("focus.conversation"));
    assert_eq!(press(vim, Context::Conversation, "G"), run("message.last"));
    assert_eq!(press(vim, Context::Conversation, "C-w v"), run("pane.split"));
    assert_eq!(press(vim, Context::Composer, "C-w h"), run("pane.left"));
    assert_eq!(press(vim, Context::Conversation, "i"), run("focus.composer"));
    let emacs = keymap("emacs");
    assert_eq!(press(emacs, Context::Composer, "C-x C-c"), run("app.quit"));
    assert_eq!(press(emacs, Context::Composer, "C-x o"), run("pane.next"));
    assert_eq!(press(emacs, Context::Composer, "M-x"), run("palette.open"));
    assert_eq!(press(emacs, Context::Conversation, "C-n"), run("message.down"));
    assert_eq!(press(emacs, Context::Composer, "C-c C-c"), run("composer.send"));
    // The text field's own.
    for key in ["C-a", "C-e", "C-k", "C-y", "C-p", "C-n", "M-f", "M-b", "M-d", "C-w"] {
        assert!(matches!(press(emacs, Context::Composer, key), Outcome::Unbound(_)), "{key}");
    }
}

#[test]
fn shortest_finds_the_shortest_and_key_in_what_works_there() {
    let keymap = keymap("default");
    let unread = command::parse("unread.next").unwrap();
    assert_eq!(keymap.shortest()[&unread].keys.len(), 1);
    assert!(keymap.bindings(Context::Global).any(|bound| bound.cmd == unread && show_keys(&bound.keys) == "g u"));
    assert_eq!(keymap.key_in(Context::Composer, &unread), Some("M-u".to_owned()));
    assert_eq!(keymap.key_in(Context::Conversation, &unread), Some("n".to_owned()));
    // C-p moves in a picker, so it is not a way to the palette there.
    assert_eq!(keymap.key_in(Context::Picker, &Cmd::PaletteOpen), Some("F2".to_owned()));
}

/// A user's file and what must be said about it, as `line: part of the message`.
fn check(text: &str, expected: &[&str]) -> Keymap {
    let (keymap, problems) = Keymap::from_user("mine", "keys.toml", text);
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (problem, expected) in shown.iter().zip(expected) {
        let (line, part) = expected.split_once(": ").unwrap();
        assert!(problem.starts_with(&format!("keys.toml:{line}: ")), "{problem}");
        assert!(problem.contains(part), "{problem} <- {part}");
    }
    keymap
}

#[test]
fn a_users_file_is_a_patch() {
    let keymap = check(
        "inherits = \"vim\"\n[global]\nunbind = [\"g\", \"C-q\"]\nkeys = [\n  { on = \"g\", run = \"help.keys\" },\n  { on = \"F9\", run = \"mode.set broadcast\", desc = \"All\\u001b ways\" },\n]\n",
        &[],
    );
    assert_eq!(keymap.name(), "mine");
    assert_eq!(press(&keymap, Context::Health, "F9"), run("mode.set broadcast"));
    let broadcast = command::parse("mode.set broadcast").unwrap();
    let desc = &keymap.bindings(Context::Global).find(|binding| binding.cmd == broadcast).unwrap().desc;
    assert!(desc.starts_with("All") && desc.ends_with("ways") && !desc.contains(char::is_control), "{desc:?}");
    assert!(matches!(press(&keymap, Context::Composer, "C-q"), Outcome::Unbound(_)));
    assert_eq!(press(&keymap, Context::Composer, "Esc"), run("focus.conversation"), "the rest is vim's");
    // The nearer context's prefix still wins over the shorter global key.
    assert_eq!(press(&keymap, Context::Conversation, "g g"), run("message.first"));
    assert_eq!(press(&keymap, Context::Log, "F12"), run("identity.show"));
}

#[test]
fn a_shorter_key_of_the_user_takes_the_place_of_inherited_sequences() {
    let keymap = check("[global]\nkeys = [{ on = \"g\", run = \"help.keys\" }]\n", &[]);
    assert_eq!(
        press(&keymap, Context::Health, "g"),
        Outcome::Pending(keymap.hints(Context::Health, &[Key::char('g')]))
    );
    assert_eq!(press(&keymap, Context::Confirm, "g"), Outcome::Unbound(vec![Key::char('g')]));
    assert_eq!(press(&keymap, Context::Global, "g"), run("help.keys"));
}

#[test]
fn faults_name_line_and_remedy_and_spare_the_rest() {
    let keymap = check(
        r#"inherits = "vi"
[globl]
keys = []
[global]
unbind = ["F11"]
keys = [
  { on = "C-Foo", run = "app.quit" },
  { on = "F11", run = "app.qit" },
  { on = "C-Enter", run = "app.redraw" },
  { on = "x y", run = "help.keys" },
  { on = "x", run = "help.show" },
  { on = "F8" },
  { on = 5, run = "help.show" },
  { on = "F7", run = "mode.set fast" },
  { on = "F6", run = "log.open", dsc = "Log" },
]
[composer]
keys = [{ on = "a", run = "composer.send" }]
bind = []
"#,
        &[
            "1: inherits is one of default, vim, emacs",
            "2: did you mean [global]?",
            "5: nothing is bound to F11 in [global]",
            "7: \"C-Foo\" is no key",
            "8: did you mean app.quit?",
            "9: may never arrive",
            "11: x conflicts with x y in line 10",
            "12: needs on",
            "13: text in quotation marks, not a",
            "14: one of failover",
            "15: not \"dsc\"",
            "18: a character types there",
            "19: not \"bind\"",
        ],
    );
    assert_eq!(press(&keymap, Context::Health, "F6"), run("log.open"));
    assert_eq!(
        press(&keymap, Context::Health, "x y").clone(),
        Outcome::Unbound(vec![Key::char('y')]),
        "x is the transports' own"
    );
    assert_eq!(press(&keymap, Context::Log, "x y"), run("help.keys"));
    assert_eq!(press(&keymap, Context::Composer, "Enter"), run("composer.send"));
}

#[test]
fn broken_toml_is_reported_with_its_line_and_the_rest_counts() {
    let keymap = check("[global]\nkeys = [{ on = \"F9\", run = \"log.open\" }]\n[list\n", &["3: not TOML"]);
    assert_eq!(press(&keymap, Context::Composer, "F9"), run("log.open"));
    let (_, problems) = Keymap::from_user("big", "big.toml", &"#".repeat(300_000));
    assert!(problems[0].to_string().contains("larger than"));
}

#[test]
fn notation_round_trips_and_knows_its_synonyms() {
    for text in [
        "C-x", "M-x", "S-Tab", "F1", "Space", "C-Space", "Enter", "<", "C-M-a", "-", "M--", "S-Up", "PageDown", "ä",
        "G", "C-_",
    ] {
        assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
    }
    for (text, same) in [
        ("A-x", "M-x"),
        ("pgdn", "PageDown"),
        ("return", "Enter"),
        ("S-a", "A"),
        ("C-X", "C-x"),
        ("C-/", "C-_"),
        ("f5", "F5"),
    ] {
        assert_eq!(text.parse::<Key>(), same.parse::<Key>(), "{text}");
    }
    for text in ["", "C-", "X-a", "F0", "F25", "ab", "Fnord", "\u{1b}", "C-M-"] {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
    for text in ["C-Enter", "S-Enter", "C-Tab", "C-i", "C-m", "C-1", "C-,", "F13"] {
        assert!(text.parse::<Key>().unwrap().unsendable().is_some(), "{text}");
    }
}

#[test]
fn the_palette_finds_every_command_by_its_name() {
    let mut fuzzy = crate::tui::fuzzy::Fuzzy::new();
    for (index, spec) in table().iter().enumerate() {
        let found = fuzzy.rank(spec.name, table().iter().map(|spec| spec.name), 1);
        assert_eq!(found.first().map(|hit| hit.index), Some(index), "{}", spec.name);
    }
}

#[test]
fn docs_keys_md_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md");
    let rendered = render_markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == rendered, "docs/keys.md is out of date: run the tests once with UPDATE_DOCS=1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_key_is_written_as_it_is_read(text in "\\PC{0,6}") {
        if let Ok(key) = text.parse::<Key>() {
            prop_assert_eq!(key.to_string().parse::<Key>(), Ok(key));
        }
    }

    #[test]
    fn any_file_is_read_or_reported(text in "(\\[(global|composer|x)\\]\n|keys = |unbind = |\\[|\\]|\\{|\\}|on = |run = |\"g u\"|\"app.quit\"|,|\n){0,24}") {
        let (_, problems) = Keymap::from_user("any", "any.toml", &text);
        let lines = text.matches('\n').count() + 1;
        prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
    }

    #[test]
    fn feeding_anything_never_leaves_a_dead_end(keys in prop::collection::vec("[a-zA-Z:/?]|C-[a-z]|M-[a-z]|F[1-9]|Esc|Tab|Enter", 0..30)) {
        for (name, _) in PRESETS {
            let keymap = keymap(name);
            let mut pending = Vec::new();
            for key in &keys {
                let outcome = keymap.feed(&mut pending, Context::Conversation, &event(key.parse().unwrap()));
                prop_assert_eq!(pending.is_empty(), !matches!(outcome, Outcome::Pending(_)));
            }
        }
    }
}
