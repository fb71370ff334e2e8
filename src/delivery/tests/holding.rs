//! What must not go, and what the user takes back.

use super::*;

#[test]
fn a_held_peer_gets_nothing_until_it_is_released() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let first = bench.submit(message(1)).remove(0);
    bench.give(Input::HoldPeer { peer: peer(1), reason: reason(ReasonKind::KeyConflict) });
    assert!(bench.said.iter().any(|(_, action)| *action == Action::Abort { attempt: first.attempt }));
    assert_eq!(bench.submit(message(2)), []);
    let ack = bench.submit(ack_message(3)).remove(0);
    bench.accept(&ack);
    for input in [
        Input::RetryNow { envelope_id: Some(id(1)), peer: None },
        Input::RetryNow { envelope_id: None, peer: None },
        Input::Heard { peer: peer(1), via: via("tcp") },
        Input::TransportUp { id: via("tcp") },
    ] {
        bench.give(input);
    }
    bench.routes(1, &["tcp"]);
    bench.pass(secs(4_000));
    assert_eq!(bench.sent().iter().filter(|sent| sent.id != id(3)).count(), 1);
    assert_eq!(bench.states(id(2)), ["held KeyConflict"]);
    assert_eq!(bench.machine.queued().held, 2);
    bench.give(Input::ReleasePeer { peer: peer(1) });
    let mut sent: Vec<EnvelopeId> = bench.sent().iter().map(|sent| sent.id).collect();
    sent.sort();
    assert_eq!(sent.iter().filter(|sent| **sent == id(2)).count(), 1);
    assert_eq!(bench.machine.queued().held, 0);
}

#[test]
fn a_peer_that_was_held_before_a_restart_is_held_after_it() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.give(Input::HoldPeer { peer: peer(1), reason: reason(ReasonKind::Blocked) });
    let state = MessageState::Accepted { via: via("tcp"), stored_by: None };
    bench.give(Input::Restore { outgoing: message(1), state, attempts: Vec::new(), retries: 0 });
    bench.pass(secs(4_000));
    assert_eq!(bench.sent(), []);
    bench.give(Input::ReleasePeer { peer: peer(1) });
    bench.pass(secs(4));
    assert_eq!(bench.last_sent().id, id(1));
}

#[test]
fn what_a_next_hop_has_stays_accepted_while_the_peer_is_held() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    bench.give(Input::HoldPeer { peer: peer(1), reason: reason(ReasonKind::KeyConflict) });
    bench.pass(secs(1_000));
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(bench.machine.state(&id(1)).unwrap().name(), "accepted");
    bench.give(Input::ReleasePeer { peer: peer(1) });
    bench.pass(secs(10));
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn no_route_holds_until_there_is_one() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    assert_eq!(bench.submit(Outgoing { peer: peer(7), ..message(1) }), []);
    assert_eq!(bench.states(id(1)), ["held NoRoute"]);
    bench.routes(7, &["tcp"]);
    assert_eq!(bench.last_sent().id, id(1));
}

#[test]
fn cancelled_is_never_sent_again() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.give(Input::Cancel { envelope_id: id(1) });
    assert_eq!(bench.states(id(1)), ["in_flight tcp", "failed Cancelled"]);
    assert!(bench.forgotten(id(1)));
    bench.fail(&sent, ReasonKind::Io);
    bench.give(Input::RetryNow { envelope_id: Some(id(1)), peer: None });
    bench.give(Input::Submit(message(1)));
    bench.pass(secs(10_000));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_removed_peers_messages_fail_and_leave_nothing() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.down("tcp");
    (1..=3).for_each(|n| drop(bench.submit(message(n))));
    bench.give(Input::PeerGone { peer: peer(1) });
    assert!((1..=3).all(|n| bench.states(id(n)).last().unwrap() == "failed NoRoute"));
    assert_eq!(bench.machine.queued(), QueueCounts::default());
    assert!(bench.machine.peers.is_empty() && bench.machine.routed.is_empty());
}

#[test]
fn a_removed_transport_is_left_and_its_messages_wait() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.submit(message(1));
    bench.give(Input::TransportGone { id: via("tcp") });
    assert_eq!(bench.states(id(1)).last().unwrap(), "queued NotConfigured");
    assert_eq!(bench.machine.health(bench.now()), []);
    bench.give(Input::Transport { id: via("tcp"), capabilities: direct(), priority: 1, enabled: true });
    bench.give(Input::TransportUp { id: via("tcp") });
    assert_eq!(bench.sent().len(), 2);
}
