//! Full queues and messages that are held from the beginning.

use super::*;

fn small() -> Config {
    Config { jitter: 0.0, queued_per_peer: 4, queued_total: 6, ..Config::default() }
}

#[test]
fn room_is_told_before_anything_is_submitted() {
    let mut bench = Bench::with(small(), &[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    bench.routes(3, &["tcp"]);
    bench.down("tcp");
    let room = |bench: &Bench, to: u8, of_peer, in_all| bench.machine.room_for(&peer(to), of_peer, in_all).is_ok();
    assert!(room(&bench, 1, 3, 5) && !room(&bench, 1, 4, 4) && !room(&bench, 1, 0, 6));
    (0..4).for_each(|n| drop(bench.submit(message(n))));
    assert_eq!(bench.machine.room_for(&peer(1), 0, 0).unwrap_err().kind, ReasonKind::QueueFull);
    assert!(room(&bench, 2, 0, 0) && !room(&bench, 2, 0, 2));
    (4..6).for_each(|n| drop(bench.submit(Outgoing { peer: peer(2), ..message(n) })));
    assert!(bench.machine.room_for(&peer(3), 0, 0).unwrap_err().detail.as_str().contains("6 messages wait in all"));
    // Acks pass all the same.
    bench.up("tcp");
    let before = bench.said.len();
    bench.give(Input::Submit(Outgoing { peer: peer(3), ..ack_message(9) }));
    assert_eq!(bench.sent_since(before).len(), 1);
}

#[test]
fn what_is_unimportant_makes_room() {
    let mut bench = Bench::with(small(), &[("tcp", direct())]);
    bench.down("tcp");
    (0..4).for_each(|n| drop(bench.submit(Outgoing { urgency: Urgency::Low, ..message(n) })));
    assert!(bench.machine.room_for(&peer(1), 0, 0).is_ok());
    bench.submit(message(5));
    assert_eq!(bench.states(id(0)), ["queued Unreachable", "failed QueueFull"]);
}

#[test]
fn acks_never_starve_behind_ten_thousand_messages() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    (0..10_000).for_each(|n| drop(bench.submit(message(n))));
    for n in 10_000..10_050 {
        let before = bench.said.len();
        bench.give(Input::Submit(ack_message(n)));
        assert_eq!(bench.sent_since(before).iter().map(|sent| sent.id).collect::<Vec<_>>(), [id(n)]);
    }
}

#[test]
fn what_is_held_as_a_loop_needs_a_word_of_its_own() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let looped = reason(ReasonKind::Loop);
    bench.give(Input::SubmitHeld { outgoing: message(1), reason: looped.clone() });
    bench.give(Input::SubmitHeld { outgoing: message(2), reason: looped });
    assert_eq!(bench.machine.held_for(ReasonKind::Loop), [(id(1), peer(1)), (id(2), peer(1))]);
    bench.give(Input::HoldPeer { peer: peer(1), reason: reason(ReasonKind::KeyConflict) });
    bench.give(Input::ReleasePeer { peer: peer(1) });
    bench.pass(secs(3_600));
    assert_eq!(bench.sent(), []);
    // Let go while the whole peer is held, it waits for the peer.
    bench.give(Input::HoldPeer { peer: peer(1), reason: reason(ReasonKind::KeyConflict) });
    bench.give(Input::Release { envelope_id: id(1) });
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.states(id(1)), ["held Loop", "queued", "held KeyConflict"]);
    bench.give(Input::ReleasePeer { peer: peer(1) });
    assert_eq!(bench.last_sent().id, id(1));
    bench.give(Input::Release { envelope_id: id(2) });
    assert_eq!(bench.last_sent().id, id(2));
    assert_eq!(bench.sent().len(), 2);
}
