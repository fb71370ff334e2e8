//! A relay whose disk has no room for a while: what it cannot keep it refuses, and it goes on by itself when there is room.
//! A limit on the size of files, set from outside on a process of its own, fails its writes as a full disk does.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::{
    crash::{Relayed, message, spawn},
    keepers::ask,
    *,
};
use crate::transport::websocket::protocol::RefusalKind;

/// Lets a running relay make no file larger than this.
fn limit_files(relay: &Relayed, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, ..getrlimit(Resource::Fsize) };
    prlimit(Some(Pid::from_child(&relay.0)), Resource::Fsize, limit).unwrap();
}

fn is_refused(answer: Option<FromRelay>) -> bool {
    matches!(answer, Some(FromRelay::Refused { refusal, .. }) if refusal.kind == RefusalKind::StorageFailed)
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_next_is_stored_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, address) = spawn(dir.path()).await;
    let mut alice = Raw::logged_in(address, &ALICE, SEND_ONLY).await;
    assert_eq!(alice.put(1, &BOB, &message(1)).await, STORED(1));
    limit_files(&relay, Some(4096));
    for seq in [2, 3, 4] {
        assert!(is_refused(alice.put(seq, &BOB, &message(seq)).await), "{seq}");
    }
    // What is there can be fetched meanwhile.
    let mut bob = Raw::logged_in(address, &BOB, WINDOW).await;
    assert!(bob.take().await == message(1));
    limit_files(&relay, None);
    assert_eq!(alice.put(5, &BOB, &message(5)).await, STORED(5));
    drop(bob);
    drop(relay);
    let (_relay, address) = spawn(dir.path()).await;
    let mut bob = Raw::logged_in(address, &BOB, WINDOW).await;
    assert!(bob.take().await == message(5), "what was taken is gone, and what was refused does not come");
}

/// There is room for the journal, whose files are small, and none for the database behind it.
#[tokio::test]
async fn a_database_without_room_loses_nothing_and_is_used_again_when_there_is_some() {
    let large = |seq: u64| [seq.to_be_bytes().as_slice(), &vec![seq as u8; 1 << 20]].concat();
    let dir = tempfile::tempdir().unwrap();
    let (relay, address) = spawn(dir.path()).await;
    // His mailbox has its full size from here on.
    drop(Raw::logged_in(address, &BOB, WINDOW).await);
    let mut alice = Raw::logged_in(address, &ALICE, SEND_ONLY).await;
    limit_files(&relay, Some(14 << 20));
    let mut stored = 0;
    loop {
        match alice.put(stored, &BOB, &large(stored)).await {
            answer if answer == STORED(stored) => stored += 1,
            answer if is_refused(answer.clone()) => break,
            answer => panic!("{answer:?}"),
        }
        assert!(stored < 100, "memory is bounded");
    }
    limit_files(&relay, None);
    let sender = tokio::sync::Mutex::new(alice);
    let last = ask(|| async { (sender.lock().await.put(999, &BOB, &message(999)).await == STORED(999)).then_some(()) });
    within("the database to take it", last).await;
    drop(relay);
    let (_relay, address) = spawn(dir.path()).await;
    let mut bob = Raw::logged_in(address, &BOB, WINDOW).await;
    for seq in 0..stored {
        assert!(bob.take().await == large(seq), "{seq} of {stored}");
    }
    assert!(bob.take().await == message(999));
}
