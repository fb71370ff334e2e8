//! Retries, time to live, clocks, restarts.

use super::*;

fn send_times(bench: &Bench) -> Vec<u64> {
    bench.sent().iter().map(|sent| (sent.at - secs(1_000)).as_secs()).collect()
}

#[test]
fn an_absent_peer_is_tried_by_the_schedule_until_the_message_expires() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    // A second peer, so that the absence of the first is not taken for a dead transport.
    bench.routes(2, &["tcp"]);
    let mut sent = bench.submit(message(1)).remove(0);
    for _ in 0..8 {
        bench.fail(&sent, ReasonKind::Unreachable);
        let Some(MessageState::Queued { next_try: Some(at), reason: Some(why) }) = bench.machine.state(&id(1)).cloned()
        else {
            panic!("not queued")
        };
        assert_eq!(why.kind, ReasonKind::Unreachable);
        let wait = at.ms_since(bench.now().wall);
        bench.pass(Duration::from_millis(u64::try_from(wait).unwrap()));
        sent = bench.last_sent();
    }
    assert_eq!(send_times(&bench), [0, 5, 20, 80, 380, 1_280, 4_880, 8_480, 12_080]);
    bench.fail(&sent, ReasonKind::Unreachable);
    bench.down("tcp");
    bench.pass(secs(86_400));
    assert_eq!(bench.states(id(1)).last().unwrap(), "expired");
    bench.up("tcp");
    bench.give(Input::RetryNow { envelope_id: Some(id(1)), peer: None });
    bench.pass(secs(86_400));
    assert_eq!(bench.sent().len(), 9, "what expired is never sent");
}

#[test]
fn refusals_use_up_retries() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let mut sent = bench.submit(Outgoing { max_retries: 2, ..message(1) }).remove(0);
    for _ in 0..2 {
        bench.fail(&sent, ReasonKind::NoSpace);
        bench.pass(secs(16));
        sent = bench.last_sent();
    }
    bench.fail(&sent, ReasonKind::NoSpace);
    assert_eq!(bench.states(id(1)).last().unwrap(), "failed RetriesUsedUp");
    assert_eq!(bench.sent().len(), 3);
    assert!(bench.forgotten(id(1)));
}

#[test]
fn absence_uses_up_retries_where_it_is_configured_to() {
    let config = Config { away_counts: true, jitter: 0.0, ..Config::default() };
    let mut bench = Bench::with(config, &[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    let mut sent = bench.submit(Outgoing { max_retries: 1, ..message(1) }).remove(0);
    bench.fail(&sent, ReasonKind::Unreachable);
    bench.pass(secs(6));
    sent = bench.last_sent();
    bench.fail(&sent, ReasonKind::Unreachable);
    assert_eq!(bench.states(id(1)).last().unwrap(), "failed RetriesUsedUp");
}

#[test]
fn what_waits_goes_in_order_when_a_transport_returns() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.down("tcp");
    for n in (1..=40).rev() {
        let composed = Timestamp::from_unix_ms(START_MS + i64::try_from(n).unwrap());
        assert_eq!(bench.submit(Outgoing { composed, ..message(n) }), []);
    }
    assert_eq!(bench.states(id(7)), ["queued Unreachable"]);
    assert_eq!(bench.machine.queued().queued, 40);
    bench.up("tcp");
    let order = bench.all_arrive(0, 40);
    assert_eq!(order, (1..=40).map(id).collect::<Vec<_>>());
}

#[test]
fn a_frame_from_the_peer_ends_the_wait() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    bench.routes(2, &["tcp"]);
    let mut sent = bench.submit(message(1)).remove(0);
    for wait in [5, 15, 60] {
        bench.fail(&sent, ReasonKind::Unreachable);
        bench.pass(secs(wait));
        sent = bench.last_sent();
    }
    bench.fail(&sent, ReasonKind::Unreachable);
    bench.pass(secs(30));
    let before = bench.sent().len();
    bench.give(Input::Heard { peer: peer(1), via: via("tcp") });
    assert_eq!(bench.sent().len(), before + 1);
    // It failed again: more frames do not make it a hammer.
    bench.fail(&bench.last_sent(), ReasonKind::Unreachable);
    for _ in 0..100 {
        bench.give(Input::Heard { peer: peer(1), via: via("tcp") });
        bench.pass(Duration::from_millis(10));
    }
    assert_eq!(bench.sent().len(), before + 1);
}

#[test]
fn a_rate_limit_is_kept_to_the_second() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    let retry = Retry::After(secs(45));
    bench.give(Input::AttemptFailed { attempt: sent.attempt, reason: reason(ReasonKind::RateLimited), retry });
    bench.pass(secs(200));
    assert_eq!(send_times(&bench)[..2], [0, 45]);
}

#[test]
fn a_time_that_a_server_named_is_ended_by_the_user_only() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    let retry = Retry::After(secs(45));
    bench.give(Input::AttemptFailed { attempt: sent.attempt, reason: reason(ReasonKind::RateLimited), retry });
    bench.pass(secs(10));
    bench.submit(message(2));
    bench.give(Input::Heard { peer: peer(1), via: via("tcp") });
    bench.down("tcp");
    bench.up("tcp");
    assert_eq!(send_times(&bench), [0]);
    bench.give(Input::RetryNow { envelope_id: None, peer: None });
    assert_eq!(send_times(&bench), [0, 10]);
}

#[test]
fn what_expires_while_the_machine_sleeps_is_not_sent_when_it_wakes() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent = bench.submit(Outgoing { ttl_seconds: 60, ..message(1) }).remove(0);
    bench.mono += secs(3_600);
    assert_eq!(bench.fail(&sent, ReasonKind::Unreachable), []);
    assert_eq!(bench.states(id(1)).last().unwrap(), "expired");
    assert!(bench.forgotten(id(1)));
}

#[test]
fn absurd_times_and_sizes_are_survived() {
    let huge = Capabilities { max_frame: usize::MAX, ..direct() };
    let mut bench = Bench::new(&[("tcp", huge)]);
    let sent = bench.submit(Outgoing { size: usize::MAX, ttl_seconds: u64::MAX, ..message(1) }).remove(0);
    let retry = Retry::After(Duration::MAX);
    bench.give(Input::AttemptFailed { attempt: sent.attempt, reason: reason(ReasonKind::RateLimited), retry });
    let down = Input::TransportDown { id: via("tcp"), reason: reason(ReasonKind::Io), retry_in: Some(Duration::MAX) };
    bench.give(down);
    bench.submit(message(2));
    bench.give(Input::Probed { id: via("tcp"), result: Ok(Duration::MAX) });
    bench.machine.plan(bench.now(), &PlanRequest::of(&message(3)));
    bench.pass(secs(29 * 86_400));
    assert_eq!(bench.machine.state(&id(1)), Some(&MessageState::Expired));
}

#[test]
fn what_a_path_refuses_for_good_is_not_offered_to_it_again() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    let sent = bench.submit(message(1)).remove(0);
    let refuse = |attempt| Input::AttemptFailed { attempt, reason: reason(ReasonKind::TooLarge), retry: Retry::Never };
    bench.give(refuse(sent.attempt));
    let other = bench.last_sent();
    assert_eq!(other.via, "relay");
    bench.give(refuse(other.attempt));
    assert_eq!(bench.states(id(1)).last().unwrap(), "held TooLarge");
    bench.pass(secs(5_000));
    assert_eq!(bench.sent().len(), 2);
    assert_eq!(bench.submit(message(2)).remove(0).via, "tcp", "others are not concerned");
}

#[test]
fn a_clock_that_jumps_expires_nothing() {
    for day in [86_400_000, -86_400_000] {
        let mut bench = Bench::new(&[("tcp", direct())]);
        bench.down("tcp");
        bench.submit(message(1));
        bench.pass(secs(100));
        bench.skew_ms = day;
        let actions = bench.give(Input::Wake);
        let jump = actions.iter().find_map(|action| match action {
            Action::ClockJump { by_ms } => Some(*by_ms),
            _ => None,
        });
        assert_eq!(jump, Some(day));
        bench.pass(secs(86_200));
        assert_eq!(bench.machine.state(&id(1)).unwrap().name(), "queued");
        bench.pass(secs(200));
        assert_eq!(bench.machine.state(&id(1)), Some(&MessageState::Expired));
    }
}

#[test]
fn monotonic_time_that_runs_backwards_stands_still() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let sent = bench.submit(message(1)).remove(0);
    bench.fail(&sent, ReasonKind::Unreachable);
    bench.mono -= secs(500);
    bench.give(Input::Wake);
    bench.mono += secs(504);
    bench.give(Input::Wake);
    assert_eq!(bench.sent().len(), 1);
    bench.mono += secs(2);
    bench.give(Input::Wake);
    assert_eq!(bench.sent().len(), 2);
}

fn restore(outgoing: Outgoing, state: MessageState, attempts: Vec<AttemptRecord>) -> Input {
    Input::Restore { outgoing, state, attempts, retries: 1 }
}

fn line(outcome: AttemptOutcome) -> AttemptRecord {
    let started = Timestamp::from_unix_ms(START_MS - 10_000);
    AttemptRecord { number: 1, via: via("tcp"), started, took_ms: None, bytes: 0, outcome }
}

#[test]
fn after_a_restart_everything_goes_on() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let old = |n| Outgoing { composed: Timestamp::from_unix_ms(START_MS - 10_000), ..message(n) };
    bench.give(restore(old(1), MessageState::InFlight { via: via("tcp") }, vec![line(AttemptOutcome::Running)]));
    assert_eq!(bench.outcomes(id(1)), ["tcp failed", "tcp running"]);
    let accepted = MessageState::Accepted { via: via("tcp"), stored_by: None };
    bench.give(restore(old(2), accepted, vec![line(AttemptOutcome::Accepted)]));
    assert_eq!(bench.sent().len(), 1, "its ack may be on its way");
    bench.pass(secs(4));
    assert_eq!(bench.last_sent().id, id(2));
    bench.give(Input::Acked { envelope_id: id(2), via: Some(via("tcp")), ack_via: via("tcp") });
    assert_eq!(*bench.machine.state(&id(2)).unwrap(), MessageState::Delivered { via: via("tcp"), latency_ms: 14_000 });
    let held = MessageState::Held { reason: reason(ReasonKind::NoKey) };
    bench.give(restore(old(3), held, Vec::new()));
    bench.give(Input::RetryNow { envelope_id: Some(id(3)), peer: None });
    assert!(bench.sent().iter().all(|sent| sent.id != id(3)));
    let short = Outgoing { ttl_seconds: 5, ..old(4) };
    bench.give(restore(short, MessageState::Queued { next_try: None, reason: None }, Vec::new()));
    assert_eq!(bench.states(id(4)), ["expired"]);
    let delivered = MessageState::Delivered { via: via("tcp"), latency_ms: 3 };
    bench.give(restore(Outgoing { ttl_seconds: 5, ..old(5) }, delivered, Vec::new()));
    assert_eq!(bench.states(id(5)), [""; 0]);
    assert!(bench.forgotten(id(5)));
}

#[test]
fn a_clock_set_back_over_a_restart_does_not_make_a_message_immortal() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    let future = Outgoing { composed: Timestamp::from_unix_ms(START_MS + 1_000_000_000), ..message(1) };
    bench.give(restore(future, MessageState::Queued { next_try: None, reason: None }, Vec::new()));
    bench.down("tcp");
    bench.pass(secs(86_401));
    assert_eq!(bench.machine.state(&id(1)), Some(&MessageState::Expired));
}
