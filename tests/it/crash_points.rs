//! A node dies (SIGKILL) at every marked point between a message and its ack, is started again, and compared: nothing
//! acked is lost, nothing is shown twice, at most one send too many.

use skcomm_tui::{
    node::{Command, Reply},
    store::CrashPoint,
};

use crate::{
    mortal::{Death, Task, hurry, one_dies, pair},
    support::TestNode,
};

/// Who comes to the point when one message goes from a sender to a receiver, and its ack back.
fn comes_to(point: CrashPoint) -> (bool, bool) {
    use CrashPoint as P;
    match point {
        P::StoreWrite | P::FlushWritten | P::FlushSynced | P::FlushDone | P::Sending | P::Sent | P::ReceiveFrame => {
            (true, true)
        }
        P::SendKept | P::SendAnswered | P::MarkQueued | P::MarkDone | P::AckReceived => (true, false),
        P::ReceiveOpened | P::ReceiveDurable | P::ReceiveTold | P::AckReady => (false, true),
        // Those of files: tests/it/file_crashes.rs.
        _ => (false, false),
    }
}

/// Both are started again: whatever was promised holds.
async fn compare(alice: &mut TestNode, bob: &mut TestNode, text: &str, point: CrashPoint, told: &[String]) {
    alice.restart();
    bob.restart();
    let sent: Vec<_> = alice.messages().await.into_iter().filter(|message| message.content.as_str() == text).collect();
    assert!(sent.len() <= 1, "{point:?}: kept twice");
    let answered = told.contains(&format!("sent {text}"));
    assert!(!answered || sent.len() == 1, "{point:?}: answered as kept and gone");
    for message in &sent {
        hurry(alice).await;
        alice.delivered(message).await;
        let Reply::Trace(trace) = alice.call(Command::Trace { envelope_id: message.envelope_id }).await else {
            panic!()
        };
        assert!(trace.attempts.len() <= 2, "{point:?}: {:#?}", trace.attempts);
    }
    let received = bob.received().await.iter().filter(|received| *received == text).count();
    assert_eq!(received, sent.len(), "{point:?}: received as often as kept, and no more");
    let shown = told.iter().filter(|line| **line == format!("got {text}")).count();
    assert!(shown <= 1, "{point:?}: shown {shown} times");
    alice.stop().await;
    bob.stop().await;
}

async fn die_everywhere(sender_dies: bool) {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    alice.stop().await;
    bob.stop().await;
    for point in CrashPoint::OF_MESSAGES {
        let (sender, receiver) = comes_to(point);
        assert!(sender || receiver, "{point:?} is reached by nobody");
        if !(if sender_dies { sender } else { receiver }) {
            continue;
        }
        let text = format!("{point:?}, {}", if sender_dies { "sender" } else { "receiver" });
        let task = Task { text: &text, ..Task::default() };
        let told = one_dies(&alice, &bob, task, Death { at: point, spared: 0 }, sender_dies);
        compare(&mut alice, &mut bob, &text, point, &told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_dies_at_any_point_loses_and_repeats_nothing() {
    die_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_dies_at_any_point_loses_and_repeats_nothing() {
    die_everywhere(false).await;
}
