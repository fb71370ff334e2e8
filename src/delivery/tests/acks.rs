//! Acks, early and late, and receipts.

use super::*;

#[test]
fn accepted_is_not_delivered() {
    let mut bench = Bench::new(&[("relay", relay())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    bench.pass(secs(3_000));
    assert_eq!(bench.machine.state(&id(1)).unwrap().name(), "accepted");
    assert_eq!(bench.sent().len(), 1, "what the next hop stores is not sent again and again");
    assert!(!bench.forgotten(id(1)));
}

#[test]
fn an_ack_that_overtakes_the_transports_answer_counts() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.ack(&sent);
    assert_eq!(bench.states(id(1)), ["in_flight tcp", "delivered tcp"]);
    assert!(!bench.forgotten(id(1)), "the transport still holds the bytes");
    bench.accept(&sent);
    assert!(bench.forgotten(id(1)));
    assert_eq!(bench.outcomes(id(1)), ["tcp acked"]);
    assert_eq!(bench.machine.next_wake().filter(|at| *at < bench.mono + secs(60)).into_iter().count(), 1, "health");
}

#[test]
fn a_late_ack_of_the_first_path_still_counts() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let first = bench.submit(message(1)).remove(0);
    bench.accept(&first);
    bench.pass(secs(4));
    assert_eq!(bench.last_sent().via, "relay");
    bench.ack(&first);
    let state = bench.machine.state(&id(1)).unwrap();
    assert_eq!(*state, MessageState::Delivered { via: via("tcp"), latency_ms: 4_000 });
    assert_eq!(bench.outcomes(id(1)), ["tcp acked", "relay cancelled"]);
}

#[test]
fn delivered_wins_over_expired_and_failed_and_nothing_wins_over_delivered() {
    let mut bench = Bench::new(&[("relay", relay())]);
    let sent = bench.submit(Outgoing { ttl_seconds: 60, ..message(1) }).remove(0);
    bench.accept(&sent);
    bench.pass(secs(61));
    assert_eq!(bench.machine.state(&id(1)), Some(&MessageState::Expired));
    bench.ack(&sent);
    bench.give(Input::Cancel { envelope_id: id(1) });
    bench.fail(&sent, ReasonKind::Io);
    bench.pass(secs(100_000));
    assert_eq!(bench.states(id(1)), ["in_flight relay", "accepted relay", "expired", "delivered relay"]);
    bench.give(Input::Read { envelope_id: id(1), at: Timestamp::from_unix_ms(5) });
    bench.ack(&sent);
    bench.give(Input::Read { envelope_id: id(1), at: Timestamp::from_unix_ms(6) });
    let Some(MessageState::Read { via: path, at, .. }) = bench.machine.state(&id(1)) else { panic!("not read") };
    assert_eq!((path, at.unix_ms()), (&via("relay"), 5));
    assert_eq!(bench.states(id(1)).len(), 5);
}

#[test]
fn a_read_receipt_alone_proves_delivery() {
    let mut bench = Bench::new(&[("relay", relay())]);
    bench.give(Input::Submit(Outgoing { peer: peer(9), ..message(2) }));
    bench.give(Input::Read { envelope_id: id(2), at: Timestamp::from_unix_ms(5) });
    assert_eq!(bench.machine.state(&id(2)).unwrap().name(), "held", "what was never sent cannot have been read");
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    bench.give(Input::Read { envelope_id: id(1), at: Timestamp::from_unix_ms(5) });
    assert_eq!(bench.machine.state(&id(1)).unwrap().name(), "read");
    bench.pass(secs(100_000));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_lost_ack_is_followed_by_a_resend_by_schedule() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    bench.pass(secs(9));
    let again = bench.last_sent();
    assert_ne!(again.attempt, sent.attempt);
    bench.accept(&again);
    bench.ack(&again);
    assert_eq!(bench.machine.state(&id(1)).unwrap().name(), "delivered");
    bench.pass(secs(10_000));
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn an_ack_that_names_no_path_of_ours_is_credited_to_the_only_attempt() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    bench.give(Input::Acked { envelope_id: id(1), via: None, ack_via: via("relay") });
    assert_eq!(bench.states(id(1)).last().unwrap(), "delivered tcp");
    assert_eq!(bench.outcomes(id(1)), ["tcp acked"]);
}

#[test]
fn the_ledger_keeps_the_path_of_the_first_ack() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.accept(&sent);
    for back in ["relay", "tcp"] {
        bench.give(Input::Acked { envelope_id: id(1), via: Some(via("tcp")), ack_via: via(back) });
    }
    let line = bench.machine.attempts(&id(1)).last().unwrap();
    assert_eq!(line.outcome, AttemptOutcome::Acked { after_ms: 0, ack_via: Some(via("relay")) });
    assert_eq!(line.ended(), Some(line.started));
}

#[test]
fn alarms_that_come_late_let_waiting_acks_in_first() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent: Vec<Sent> = (1..=3).map(|n| bench.submit(message(n)).remove(0)).collect();
    sent.iter().for_each(|sent| bench.accept(sent));
    // The program was stopped for a minute; the acks are in its socket buffers.
    bench.mono += secs(60);
    sent.iter().for_each(|sent| bench.ack(sent));
    assert_eq!(bench.sent().len(), 3);
    assert!(sent.iter().all(|sent| bench.machine.state(&sent.id).unwrap().name() == "delivered"));
}

#[test]
fn control_messages_are_done_when_accepted_and_never_shown() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(ack_message(1)).remove(0);
    bench.accept(&sent);
    assert!(bench.forgotten(id(1)));
    assert_eq!(bench.states(id(1)), [""; 0]);
    assert_eq!(bench.machine.state(&id(1)), None);
    bench.routes(2, &["tcp"]);
    let mut sent = bench.submit(ack_message(2)).remove(0);
    for _ in 0..3 {
        bench.fail(&sent, ReasonKind::Unreachable);
        bench.pass(secs(70));
        sent = bench.last_sent();
    }
    bench.fail(&sent, ReasonKind::Unreachable);
    assert_eq!(bench.states(id(2)), ["failed RetriesUsedUp"]);
    assert!(bench.forgotten(id(2)));
    assert_eq!(bench.machine.queued(), QueueCounts::default());
}

#[test]
fn health_is_measured_and_reported_within_bounds() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    for n in 1..=50 {
        let sent = bench.submit(message(n)).remove(0);
        bench.accept(&sent);
        bench.pass(Duration::from_millis(20));
        bench.ack(&sent);
    }
    bench.pass(secs(1));
    let health = bench.machine.health(bench.now()).remove(0);
    assert_eq!((health.sent, health.failed, health.in_flight), (50, 0, 0));
    assert_eq!(health.bytes_out, 50 * 1_100);
    assert!((health.latency_ms.unwrap() - 20.0).abs() < 0.1 && health.success > 0.99);
    assert_eq!(health.recent_ms.len(), 32);
    let reports = bench.said.iter().filter(|(_, action)| matches!(action, Action::Health { .. })).count();
    assert!((4..=7).contains(&reports), "{reports} in one second");
}
