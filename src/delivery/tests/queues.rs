//! Bounds, lanes and windows.

use super::*;

fn small() -> Config {
    Config { queued_per_peer: 10, queued_total: 15, jitter: 0.0, ..Config::default() }
}

fn low(n: u64, to: u8) -> Outgoing {
    let composed = Timestamp::from_unix_ms(START_MS + i64::try_from(n).unwrap());
    Outgoing { urgency: Urgency::Low, peer: peer(to), composed, ..message(n) }
}

#[test]
fn a_full_queue_gives_up_its_oldest_low_urgency_message_or_refuses() {
    let mut bench = Bench::with(small(), &[("tcp", direct())]);
    bench.down("tcp");
    bench.submit(low(2, 1));
    bench.submit(low(1, 1));
    (10..18).for_each(|n| drop(bench.submit(message(n))));
    bench.submit(message(20));
    assert_eq!(bench.states(id(1)).last().unwrap(), "failed QueueFull");
    assert!(bench.forgotten(id(1)));
    bench.submit(message(21));
    assert_eq!(bench.states(id(2)).last().unwrap(), "failed QueueFull");
    bench.submit(message(22));
    assert_eq!(bench.states(id(22)), ["failed QueueFull"]);
    assert!(bench.forgotten(id(22)) && bench.machine.state(&id(22)).is_none());
    bench.submit(ack_message(30));
    assert!(bench.states(id(30)).is_empty(), "acks do not count and are not refused");
    assert_eq!(bench.machine.queued(), QueueCounts { queued: 10, control: 1, ..QueueCounts::default() });
}

#[test]
fn the_total_bound_takes_from_whoever_has_low_urgency() {
    let mut bench = Bench::with(small(), &[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    bench.down("tcp");
    bench.submit(low(1, 2));
    (10..19).for_each(|n| drop(bench.submit(message(n))));
    (20..25).for_each(|n| drop(bench.submit(Outgoing { peer: peer(2), ..message(n) })));
    assert_eq!(bench.machine.queued().pending(), 15);
    bench.submit(message(30));
    assert_eq!(bench.states(id(1)).last().unwrap(), "failed QueueFull");
    assert_eq!(bench.machine.queued().pending(), 15);
    bench.submit(Outgoing { peer: peer(3), ..message(31) });
    assert_eq!(bench.states(id(31)), ["failed QueueFull"]);
}

#[test]
fn acks_pass_a_full_window_and_urgent_ones_pass_the_line() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent: Vec<Sent> = (1..=100).flat_map(|n| bench.submit(message(n))).collect();
    assert_eq!(sent.len(), 16, "the window of a new path");
    assert_eq!(bench.submit(ack_message(200)).len(), 1);
    bench.submit(Outgoing { urgency: Urgency::High, ..message(201) });
    let before = bench.sent().len();
    bench.accept(&sent[0]);
    bench.ack(&sent[0]);
    assert_eq!(bench.sent()[before].id, id(201));
    assert!(bench.sent().len() > before + 1, "the window grows with what gets through");
}

/// Sixty messages over a transport that hands over one after the other to a server that takes half a second for each; how many were
/// in its hands for longer than they may be.
fn late_in_turn(per_peer: Option<u32>) -> usize {
    let mut bench = Bench::new(&[("matrix", Capabilities { per_peer, ..relay() })]);
    (1..=60).for_each(|n| drop(bench.submit(message(n))));
    let (mut done, mut late) = (0, 0);
    while done < 60 {
        bench.pass(Duration::from_millis(500));
        let next = bench.sent()[done].clone();
        late += usize::from(bench.mono.saturating_sub(next.at) > secs(15));
        bench.accept(&next);
        bench.ack(&next);
        done += 1;
    }
    late
}

#[test]
fn what_would_only_wait_for_its_turn_in_a_transports_hands_waits_here() {
    assert_eq!(late_in_turn(Some(4)), 0);
    assert!(late_in_turn(None) > 0, "else this shows nothing");
    let mut bench = Bench::new(&[("matrix", Capabilities { per_peer: Some(4), ..relay() })]);
    bench.routes(2, &["matrix"]);
    (1..=20).for_each(|n| drop(bench.submit(message(n))));
    assert_eq!(bench.sent().len(), 4);
    assert_eq!(bench.submit(ack_message(100)).len(), 1, "acks do not wait");
    assert_eq!(bench.submit(Outgoing { peer: peer(2), ..message(50) }).len(), 1, "nor do other peers");
    let first = bench.sent().remove(0);
    bench.accept(&first);
    assert_eq!(bench.last_sent().id, id(5), "accepted makes room");
}

#[test]
fn one_transports_bound_is_shared_fairly_and_kept() {
    let config = Config { transport_window: 4, jitter: 0.0, ..Config::default() };
    let mut bench = Bench::with(config, &[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    (1..=6).for_each(|n| drop(bench.submit(message(n))));
    assert_eq!(bench.submit(Outgoing { peer: peer(2), ..message(50) }), []);
    let first = bench.sent();
    assert_eq!(first.len(), 4);
    // Peer 1 was stalled first; the next place is peer 2's.
    bench.accept(&first[0]);
    bench.accept(&first[1]);
    let then: Vec<EnvelopeId> = bench.sent()[4..].iter().map(|sent| sent.id).collect();
    assert!(then.contains(&id(50)) && then.len() == 2, "{then:?}");
}

#[test]
fn a_returning_peer_is_not_flooded_but_gets_everything_in_order() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    let first = bench.submit(message(0)).remove(0);
    bench.fail(&first, ReasonKind::Unreachable);
    (1..=2_000).for_each(|n| drop(bench.submit(message(n))));
    assert_eq!(bench.sent().len(), 1);
    bench.pass(secs(5));
    assert_eq!(bench.sent().len(), 2, "one goes ahead");
    let mut done = 1;
    while done < bench.sent().len() {
        let sent = bench.sent();
        assert!(sent.len() - done <= 64);
        for sent in &sent[done..] {
            bench.accept(sent);
            bench.ack(sent);
        }
        done = sent.len();
    }
    let order: Vec<EnvelopeId> = bench.sent()[1..].iter().map(|sent| sent.id).collect();
    assert_eq!(order, (0..=2_000).map(id).collect::<Vec<_>>());
}

#[test]
fn memory_is_bounded_by_what_waits_and_what_is_remembered() {
    let config = Config { remember: 100, ledger: 5, jitter: 0.0, ..Config::default() };
    let mut bench = Bench::with(config, &[("tcp", direct())]);
    for n in 0..3_000 {
        let sent = bench.submit(message(n)).remove(0);
        bench.accept(&sent);
        bench.ack(&sent);
        bench.said.clear();
    }
    assert_eq!(bench.machine.messages.len(), 100);
    assert!(bench.machine.attempts.is_empty() && bench.machine.low.is_empty());
    assert!(bench.machine.timers.len() <= 1, "{:?}", bench.machine.timers);
    bench.routes(2, &["tcp"]);
    bench.submit(message(9_999));
    for _ in 0..20 {
        let sent = bench.last_sent();
        bench.fail(&sent, ReasonKind::Unreachable);
        bench.give(Input::RetryNow { envelope_id: Some(id(9_999)), peer: None });
        bench.pass(secs(700));
    }
    let ledger = bench.machine.attempts(&id(9_999));
    assert_eq!(ledger.len(), 5);
    assert!(ledger.last().unwrap().number >= 20);
}

#[test]
fn ten_thousand_messages_to_one_peer_cost_each_event_only_its_own_work() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    bench.down("tcp");
    bench.down("relay");
    (0..10_000).for_each(|n| drop(bench.submit(message(n))));
    bench.said.clear();
    let mut most = 0;
    bench.up("tcp");
    let mut open: std::collections::VecDeque<Sent> = bench.sent().into();
    let mut done = 0;
    while let Some(sent) = open.pop_front() {
        for input in [
            Input::AttemptAccepted { attempt: sent.attempt, accepted_by: None, bytes: 1_000 },
            Input::Acked { envelope_id: sent.id, via: Some(via("tcp")), ack_via: via("tcp") },
        ] {
            bench.said.clear();
            let actions = bench.give(input);
            most = most.max(actions.len());
            open.extend(bench.sent());
        }
        done += 1;
    }
    assert_eq!(done, 10_000);
    assert!(most < 40, "{most} actions from one event");
}

#[test]
fn a_new_message_does_not_overtake_those_that_wait_for_the_path_it_wakes() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    let mut sent = bench.submit(message(1)).remove(0);
    for wait in [5, 15] {
        bench.fail(&sent, ReasonKind::Unreachable);
        bench.pass(secs(wait));
        sent = bench.last_sent();
    }
    bench.fail(&sent, ReasonKind::Unreachable);
    // The path rests for a minute, and is new to rest: these wait.
    (2..=100).for_each(|n| assert_eq!(bench.submit(message(n)), []));
    bench.pass(secs(6));
    let before = bench.sent().len();
    let woken = bench.submit(message(101));
    assert_eq!(woken.len(), 1, "a path that is tried again gets one");
    assert_eq!(woken[0].id, id(1), "the oldest goes first");
    let order = bench.all_arrive(before, 101);
    assert_eq!(order, (1..=101).map(id).collect::<Vec<_>>());
}

#[test]
fn a_message_written_while_a_long_line_goes_out_joins_its_end() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.down("tcp");
    (1..=500).for_each(|n| drop(bench.submit(message(n))));
    bench.up("tcp");
    bench.submit(message(501));
    let order = bench.all_arrive(0, 501);
    assert_eq!(order, (1..=501).map(id).collect::<Vec<_>>());
}

#[test]
fn what_is_too_large_for_the_open_path_lets_others_pass() {
    let narrow = Capabilities { max_frame: 2_000, ..direct() };
    let mut bench = Bench::new(&[("tcp", narrow), ("relay", relay())]);
    bench.down("relay");
    assert_eq!(bench.submit(Outgoing { size: 9_000, ..message(1) }), []);
    assert_eq!(bench.submit(message(2)).len(), 1);
    let then = bench.up("relay");
    assert_eq!(then.iter().map(|sent| (sent.id, sent.via.as_str())).collect::<Vec<_>>(), [(id(1), "relay")]);
}

#[test]
fn rounds_that_others_begin_use_up_no_retries() {
    let config = Config { breaker_failures: 1_000, breaker_rate: 2.0, jitter: 0.0, ..Config::default() };
    let mut bench = Bench::with(config, &[("tcp", direct())]);
    let mut sent = bench.submit(Outgoing { max_retries: 2, ..message(1) }).remove(0);
    for _ in 0..30 {
        bench.fail(&sent, ReasonKind::Protocol);
        bench.give(Input::RetryNow { envelope_id: None, peer: None });
        bench.pass(Duration::from_millis(100));
        sent = bench.last_sent();
    }
    assert!(bench.sent().len() > 5, "{:?}", bench.sent().len());
    assert!(!bench.machine.state(&id(1)).unwrap().is_final(), "{:?}", bench.machine.state(&id(1)));
}
