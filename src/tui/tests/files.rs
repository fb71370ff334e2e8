//! Files on their way, on the screen.

use crate::{
    node::{Command, Event, FileSend, Transfer, TransferState},
    tui::{
        testing::{FakeNode, Harness, at, conversation, fingerprint, message, transport},
        update::{Effect, Msg},
    },
    wire::{PayloadType, SafeText},
};

pub(super) fn offered(state: TransferState, bytes: u64) -> Transfer {
    let place = conversation(0xA1, "blueprint");
    Transfer {
        transfer: message(9_000, &place, "").envelope_id,
        peer: fingerprint(0xA1),
        peer_name: SafeText::line("lumina"),
        thread_id: place.thread_id,
        incoming: true,
        name: SafeText::line("photo.jpg"),
        size: 1000,
        bytes,
        rate: Some(2048),
        state,
        via: Some(transport("tcp")),
        chunks_out: 0,
        since: at(60_000),
    }
}

/// A conversation in which a file is offered.
fn screen() -> Harness {
    let mut screen = Harness::new(120, 40, FakeNode::sample());
    screen.run("conversation.open lumina blueprint");
    let mut offer = message(9_000, &conversation(0xA1, "blueprint"), "photo.jpg (1000 B)");
    (offer.kind, offer.position) = (PayloadType::File, 9_000);
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(offer)))));
    screen
}

fn tell(screen: &mut Harness, transfer: Transfer) {
    screen.feed(Msg::Event(Box::new(Event::Transfer(Box::new(transfer)))));
}

#[test]
fn a_file_shows_how_far_it_came_and_how_it_ended() {
    let mut screen = screen();
    tell(&mut screen, offered(TransferState::Offered, 0));
    screen.sees("photo.jpg (1000 B)").sees("waits for you: file.accept");
    tell(&mut screen, offered(TransferState::Running, 430));
    screen.sees("43 % 2.0 KiB/s tcp");
    tell(&mut screen, offered(TransferState::Paused { by_peer: true, reason: None }, 430));
    screen.sees("43 % paused by peer");
    tell(&mut screen, offered(TransferState::Done { path: Some(SafeText::line("/d/photo.jpg")) }, 1000));
    screen.sees("done: /d/photo.jpg");
}

#[test]
fn commands_ask_the_node_and_giving_up_asks_first() {
    let mut screen = screen();
    tell(&mut screen, offered(TransferState::Offered, 0));
    let transfer = offered(TransferState::Offered, 0).transfer;
    screen.run("file.accept");
    assert!(screen.node.asked.contains(&Command::FileAccept { transfer }));
    tell(&mut screen, offered(TransferState::Running, 10));
    screen.run("file.pause");
    screen.run("file.resume");
    assert!(screen.node.asked.contains(&Command::FilePause { transfer }));
    assert!(screen.node.asked.contains(&Command::FileResume { transfer }));
    screen.run("file.cancel");
    screen.sees("Give up photo.jpg?");
    assert!(!screen.node.asked.contains(&Command::FileCancel { transfer }));
    screen.press("y");
    assert!(screen.node.asked.contains(&Command::FileCancel { transfer }));
}

#[test]
fn a_path_is_completed_from_its_folder_and_sent() {
    let mut screen = screen();
    screen.run("file.send");
    screen.write("~/ph");
    assert!(screen.outside.contains(&Effect::ListFolder("~/".to_owned())));
    let entries = vec!["notes.txt".to_owned(), "photos/".to_owned(), "phone bill.pdf".to_owned()];
    screen.feed(Msg::FolderListed("~/".to_owned(), entries));
    screen.sees("~/photos/").sees("~/phone bill.pdf");
    screen.write("one").press("Enter");
    let sent = |effect: &Effect| match effect {
        Effect::OfferFile(FileSend { path, .. }) => Some(path.clone()),
        _ => None,
    };
    assert_eq!(screen.outside.iter().find_map(sent).as_deref(), Some("~/phone bill.pdf"));
}

#[test]
fn the_list_keeps_its_selection_and_acts_on_it() {
    let mut screen = screen();
    let older = Transfer { since: at(120_000), ..offered(TransferState::Offered, 0) };
    let newer = Transfer {
        transfer: message(9_001, &conversation(0xA1, "blueprint"), "").envelope_id,
        name: SafeText::line("a report with a very long name that must be cut somewhere in the middle.pdf"),
        since: at(60_000),
        incoming: false,
        ..offered(TransferState::Running, 430)
    };
    let ended = Transfer {
        transfer: message(9_002, &conversation(0xB2, "general"), "").envelope_id,
        peer: fingerprint(0xB2),
        name: SafeText::line("old.txt"),
        ..offered(TransferState::Done { path: Some(SafeText::line("/d/old.txt")) }, 1000)
    };
    tell(&mut screen, older.clone());
    tell(&mut screen, newer.clone());
    tell(&mut screen, ended);
    screen.press("Esc f f").sees("Files, 2 under way").sees("middle.pdf").sees("done: /d/old.txt");
    insta::assert_snapshot!(screen.screen());
    screen.press("Down a");
    assert!(screen.node.asked.contains(&Command::FileAccept { transfer: older.transfer }));
    screen.press("X").sees("Refuse photo.jpg?").sees("its sender is told");
    // While the question stands another file comes, which is listed before it.
    let third = Transfer {
        transfer: message(9_003, &conversation(0xA1, "blueprint"), "").envelope_id,
        since: at(0),
        ..older.clone()
    };
    tell(&mut screen, third.clone());
    screen.press("y");
    assert!(screen.node.asked.contains(&Command::FileCancel { transfer: older.transfer }));
    screen.press("a");
    let accepted = screen.node.asked.iter().filter(|c| **c == Command::FileAccept { transfer: older.transfer }).count();
    assert_eq!(accepted, 2, "the selection stayed where it was");
    screen.press("Home Up X y");
    assert!(screen.node.asked.contains(&Command::FileCancel { transfer: third.transfer }));
}

#[test]
fn an_empty_list_says_so_and_asks_for_nothing() {
    let mut screen = screen();
    screen.press("Esc f f").sees("No file was sent or offered yet").press("a X p r");
    assert!(!screen.node.asked.iter().any(|c| matches!(c, Command::FileAccept { .. } | Command::FileCancel { .. })));
    tell(&mut screen, offered(TransferState::Offered, 0));
    screen.sees("waits for you").press("X").sees("Refuse photo.jpg?");
}

#[test]
fn a_file_goes_the_way_that_was_chosen_for_the_conversation() {
    let mut screen = screen();
    screen.run("mode.set stealth").run("policy.set surest").run("file.send /tmp/a.txt");
    let sent = |effect: &Effect| match effect {
        Effect::OfferFile(request) => Some((request.mode, request.policy)),
        _ => None,
    };
    let wanted = (Some(crate::wire::Mode::Stealth), Some(crate::delivery::Policy::Surest));
    assert_eq!(screen.outside.iter().find_map(sent), Some(wanted));
}
