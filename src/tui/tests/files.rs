//! Files on their way, on the screen.

use crate::{
    node::{Command, Event, FileSend, Transfer, TransferState},
    tui::{
        testing::{FakeNode, Harness, conversation, fingerprint, message, transport},
        update::{Effect, Msg},
    },
    wire::{PayloadType, SafeText},
};

fn offered(state: TransferState, bytes: u64) -> Transfer {
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
