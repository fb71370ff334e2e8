use proptest::prelude::*;

use super::{line::split, *};

/// A word that the argument accepts, and one that it does not.
fn samples(kind: ArgKind) -> (&'static str, &'static str) {
    match kind {
        ArgKind::Peer => ("\"Lumina of the \\\"Sea\\\"\"", "\"\""),
        ArgKind::Thread => ("\"blue print\"", "\"\""),
        ArgKind::Transport => ("relay-home", "Relay"),
        ArgKind::Choice(words) => (words[0], "nonsense"),
        ArgKind::Theme | ArgKind::Keymap => ("mine_2", "../../etc/passwd"),
        ArgKind::Date => ("2026-11-20", "2026-02-30"),
        ArgKind::Path => ("\"/home/me/the notes.txt\"", "\"\""),
        ArgKind::Query => ("red door", "\"\""),
    }
}

#[test]
fn every_command_survives_being_written_and_read() {
    for spec in table() {
        let full = spec.args.iter().fold(spec.name.to_owned(), |line, arg| line + " " + samples(arg.kind).0);
        for line in [full.as_str(), if spec.runs_bare() { spec.name } else { &full }] {
            let cmd = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(cmd.name(), spec.name);
            assert_eq!(parse(&cmd.to_string()), Ok(cmd), "{line}");
        }
    }
}

#[test]
fn every_argument_is_checked_and_explained() {
    for spec in table().iter().filter(|spec| !spec.args.is_empty()) {
        let (good, bad) = samples(spec.args[0].kind);
        let error = parse(&format!("{} {bad}", spec.name)).unwrap_err();
        assert!(error.to_string().contains(&spec.args[0].kind.expected()), "{error}");
        if !spec.runs_bare() {
            assert!(matches!(parse(spec.name), Err(CommandError::Missing { .. })), "{}", spec.name);
        }
        if spec.args.iter().all(|arg| arg.kind != ArgKind::Query) {
            let all = spec.args.iter().map(|arg| samples(arg.kind).0).collect::<Vec<_>>().join(" ");
            let many = parse(&format!("{} {all} more", spec.name)).unwrap_err();
            assert!(matches!(many, CommandError::TooMany { .. }), "{good}: {many}");
        }
    }
}

#[test]
fn names_are_unique_dotted_and_documented() {
    let mut names: Vec<_> = table().iter().map(|spec| spec.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table().len());
    for spec in table() {
        assert!(spec.name.split('.').count() == 2, "{}", spec.name);
        assert!(!spec.doc.is_empty() && spec.doc.len() <= 72 && !spec.doc.ends_with('.'), "{}", spec.name);
        let first_optional = spec.args.iter().position(|arg| !arg.required).unwrap_or(spec.args.len());
        assert!(spec.args[first_optional..].iter().all(|arg| !arg.required), "{}", spec.name);
    }
}

#[test]
fn errors_name_the_nearest_commands() {
    let cases = [
        ("unread.nxt", "unread.next"),
        ("mesage.reply", "message.reply"),
        ("quit", "app.quit"),
        ("transport", "transport."),
        ("compose.send", "composer.send"),
    ];
    for (typed, wanted) in cases {
        let error = parse(typed).unwrap_err().to_string();
        assert!(error.contains(wanted), "{typed}: {error}");
    }
    assert_eq!(parse("  \t "), Err(CommandError::Empty));
    assert_eq!(parse("thread.new \"open"), Err(CommandError::OpenQuote));
    assert_eq!(
        parse("mode.set fast").unwrap_err().to_string(),
        "mode.set <mode>: \"fast\" is not a mode: one of failover, broadcast, stealth, speed"
    );
}

proptest! {
    #[test]
    fn any_word_survives_quoting(words in prop::collection::vec(any::<String>(), 0..5)) {
        let mut line = String::new();
        words.iter().for_each(|word| line::push_word(&mut line, word));
        prop_assert_eq!(split(&line).unwrap(), words);
    }

    #[test]
    fn any_line_is_read_or_refused_and_what_is_read_round_trips(line in ".{0,80}") {
        if let Ok(cmd) = parse(&line) {
            prop_assert_eq!(parse(&cmd.to_string()), Ok(cmd));
        }
    }

    #[test]
    fn any_query_round_trips(text in "[^\\x00-\\x1f]{1,40}") {
        if let Some(query) = Query::new(&text) {
            let cmd = Cmd::SearchOpen(Some(query));
            prop_assert_eq!(parse(&cmd.to_string()), Ok(cmd));
        }
    }
}
