//! Every window over the panes: at the three sizes, in every theme, with the keys of every keymap.

use super::files::offered;
use crate::{
    node::{Event, Transfer, TransferState},
    tui::{
        keymap::Keymap,
        testing::{FakeNode, Harness, at, conversation, fingerprint, message},
        theme::{ColorDepth, Theme},
        update::Msg,
    },
    wire::SafeText,
};

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (40, 12)];

/// Name and command of every window; the command is run in a conversation whose broadcast is selected.
const WINDOWS: [(&str, &str); 15] = [
    ("switcher", "switcher.open"),
    ("search", "search.open"),
    ("help", "help.show"),
    ("keys", "help.keys"),
    ("log", "log.open"),
    ("trust", "trust.open lumina"),
    ("card", "identity.show"),
    ("queue", "queue.open"),
    ("files", "file.list"),
    ("node", "status.show"),
    ("transport", "transport.details relay"),
    ("path", "message.path"),
    ("plan", "route.explain"),
    ("peer_form", "peer.add"),
    ("confirm", "peer.block"),
];

/// One that comes, one that is offered, one that went.
fn files() -> [Transfer; 3] {
    let coming = offered(TransferState::Running, 430);
    let named = |n: u64, name: &str| {
        let transfer = message(9_000 + n, &conversation(0xA1, "blueprint"), "").envelope_id;
        Transfer {
            transfer,
            name: SafeText::line(name),
            since: at(60_000 * i64::try_from(n).unwrap()),
            ..coming.clone()
        }
    };
    let long = "a report with a very long name that must be cut somewhere in the middle.pdf";
    [
        named(1, long),
        Transfer { state: TransferState::Offered, bytes: 0, via: None, rate: None, ..named(2, "漢字.png") },
        Transfer { incoming: false, bytes: 1000, state: TransferState::Done { path: None }, ..named(3, "plan.txt") },
    ]
}

fn opened(size: (u16, u16)) -> Harness {
    let mut screen = Harness::new(size.0, size.1, FakeNode::sample());
    screen.run("conversation.open lumina blueprint").press("Esc Up Up");
    for transfer in files() {
        screen.feed(Msg::Event(Box::new(Event::Transfer(Box::new(transfer)))));
    }
    screen.model.notices.dismiss();
    screen
}

fn window(size: (u16, u16), command: &str) -> Harness {
    let mut screen = opened(size);
    screen.run(command);
    screen
}

#[test]
fn windows_look_like_this() {
    for (name, command) in WINDOWS {
        let pictures = SIZES[1..].iter().map(|size| window(*size, command).screen()).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(format!("window_{name}"), pictures);
    }
    let palette = SIZES[1..].iter().map(|size| opened(*size).press("C-p").write("trans").screen());
    insta::assert_snapshot!("window_palette", palette.collect::<Vec<_>>().join("\n"));
    let hints = SIZES[1..].iter().map(|size| opened(*size).press("g").screen());
    insta::assert_snapshot!("window_which_key", hints.collect::<Vec<_>>().join("\n"));
    let banners = SIZES.iter().map(|size| {
        let mut node = FakeNode::sample();
        node.peers[0].conflict = Some(fingerprint(0x66));
        let mut screen = Harness::new(size.0, size.1, node);
        screen.run("conversation.open lumina blueprint").screen()
    });
    insta::assert_snapshot!("window_banner", banners.collect::<Vec<_>>().join("\n"));
}

/// The key that the foot of the topmost window names for this.
fn key_for(screen: &Harness, word: &str) -> String {
    let text = screen.screen();
    let at = text.rfind(&format!(" {word} ")).unwrap_or_else(|| panic!("no {word:?} in\n{text}"));
    text[..at].rsplit([' ', '─']).next().unwrap().to_owned()
}

#[test]
fn every_window_names_the_key_that_leaves_it_and_the_key_does() {
    let mut themes = ["dark", "light", "high-contrast", "mono"].into_iter().cycle();
    for keymap in ["default", "vim", "emacs"] {
        for size in SIZES {
            for (name, command) in WINDOWS.iter().filter(|(name, _)| *name != "confirm") {
                let theme = themes.next().unwrap();
                let mut screen = opened(size);
                screen.model.theme = Theme::preset(theme).unwrap();
                screen.model.keymap = Keymap::preset(keymap).unwrap();
                let before = screen.model.overlays.len();
                screen.run(command);
                if screen.model.overlays.len() == before {
                    // The path has a pane of its own where there is room.
                    assert_eq!((*name, size), ("path", SIZES[0]), "{keymap}: {name} did not open");
                    continue;
                }
                let back = key_for(&screen, "back");
                screen.press(&back);
                assert_eq!(screen.model.overlays.len(), before, "{keymap} {size:?}: {back} does not leave {name}");
            }
        }
    }
}

#[test]
fn what_is_scrolled_to_its_end_comes_back_with_one_key() {
    for size in SIZES {
        for command in ["help.show", "trust.open lumina", "status.show", "transport.details relay", "log.open"] {
            let mut screen = window(size, command);
            for n in 0..40 {
                screen.model.notice(crate::node::NoticeLevel::Info, format!("line {n} of the log"));
            }
            screen.press("Home");
            let first = screen.screen();
            screen.press("Down");
            let scrolls = screen.screen() != first;
            screen.press("End PageDown PageDown");
            let last = screen.screen();
            screen.press("Up");
            assert_eq!(screen.screen() != last, scrolls, "{command} at {size:?}:\n{last}");
        }
    }
}

#[test]
fn without_colour_the_focus_and_the_selection_are_still_seen() {
    use ratatui::style::Modifier;
    let mut screen = opened(SIZES[0]);
    screen.model.theme = Theme::preset("mono").unwrap().adapted(ColorDepth::Mono);
    for (keys, title) in [("M-1", "Peers"), ("M-2", "lumina / blueprint"), ("M-4", "Transports")] {
        screen.press(keys);
        let buffer = screen.terminal.backend().buffer();
        let row: String = (0..buffer.area.width).map(|x| buffer[(x, 0)].symbol()).collect();
        for (name, focused) in [("Peers", title == "Peers"), ("Transports", title == "Transports")] {
            let at = row.chars().collect::<String>().find(name).unwrap();
            let x = row[..at].chars().count() as u16;
            let reversed = buffer[(x, 0)].modifier.contains(Modifier::REVERSED);
            assert_eq!(reversed, focused, "{name} while {title} has the focus");
        }
        let selected = (0..buffer.area.height).any(|y| {
            (0..buffer.area.width).filter(|x| buffer[(*x, y)].modifier.contains(Modifier::REVERSED)).count() > 15
        });
        assert!(selected, "nothing is seen to be selected in {title}");
    }
}

#[test]
fn hostile_names_break_no_border() {
    let names = [
        "\u{202e}evil",
        "e\u{301}\u{301}\u{301}\u{301}",
        "漢字漢字漢字漢字漢字",
        "\u{200b}\u{200b}",
        "👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
        "שלום مرحبا",
    ];
    for size in SIZES {
        for name in names {
            let mut node = FakeNode::sample();
            node.peers[0].name = crate::wire::SafeText::line(name);
            let mut screen = Harness::new(size.0, size.1, node);
            screen.press("M-1");
            let buffer = screen.terminal.backend().buffer();
            let edge = (1..buffer.area.width).find(|x| buffer[(*x, 0)].symbol() == "┐").unwrap();
            let bottom = (1..buffer.area.height).find(|y| buffer[(edge, *y)].symbol() == "┘").unwrap();
            for y in 1..bottom {
                assert_eq!(buffer[(edge, y)].symbol(), "│", "{name:?} at {size:?}, row {y}:\n{}", screen.screen());
            }
            let drawn = screen.screen();
            assert!(!drawn.contains(['\u{202e}', '\u{200b}']), "{drawn}");
        }
    }
}
