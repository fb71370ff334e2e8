//! Call windows, size limits and bulk, as the machine keeps them.

use super::*;

fn rules(windows: &[&str]) -> Schedule {
    Schedule { windows: windows.iter().map(|text| text.parse().unwrap()).collect(), ..Schedule::default() }
}

fn bulk(larger_than: Option<usize>, urgency: Option<Urgency>, window: &str) -> Schedule {
    let bulk = Bulk { larger_than, urgency, windows: vec![window.parse().unwrap()] };
    Schedule { bulk: Some(bulk), ..Schedule::default() }
}

/// What `START_MS` is in UTC: Friday, 2027-01-15, 08:00.
fn set(bench: &mut Bench, name: &str, schedule: Schedule) {
    bench.give(Input::Schedule { id: via(name), schedule });
}

fn hours(n: u64) -> Duration {
    secs(n * 3_600)
}

#[test]
fn outside_its_windows_a_path_is_left_alone_and_says_when_it_opens() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", rules(&["12:00-13:00"]));
    assert_eq!(bench.submit(message(1)), []);
    assert_eq!(bench.submit(ack_message(2)), [], "a closed link is closed for acks too");
    assert_eq!(bench.states(id(1)), ["queued OutsideWindow"]);
    let Some(MessageState::Queued { next_try: Some(next), .. }) = bench.machine.state(&id(1)) else { panic!() };
    assert_eq!(next.unix_ms(), START_MS + 4 * 3_600_000);
    let plan = bench.machine.plan(bench.now(), &PlanRequest::of(&message(3)));
    assert_eq!(plan.skipped[0].reason.kind, ReasonKind::OutsideWindow);
    assert!(plan.skipped[0].reason.detail.as_str().contains("opens Fri 12:00 (next try in 14401 s)"), "{plan:?}");
    assert!(bench.machine.health(bench.now())[0].opens.is_some());
    bench.pass(hours(4) - secs(1));
    assert_eq!(bench.sent(), []);
    bench.pass(secs(2));
    let sent = bench.sent();
    assert_eq!(sent.iter().map(|sent| sent.id).collect::<Vec<_>>(), [id(2), id(1)]);
    assert_eq!(sent[0].at, secs(1_000) + hours(4));
}

#[test]
fn while_one_path_is_closed_the_other_is_used() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    set(&mut bench, "tcp", rules(&["sat"]));
    assert_eq!(bench.submit(message(1)).remove(0).via, "relay");
    bench.pass(hours(16) + secs(1));
    assert_eq!(bench.submit(message(2)).remove(0).via, "tcp");
}

#[test]
fn only_small_messages_take_a_link_with_a_limit() {
    let mut bench = Bench::new(&[("radio", direct()), ("tcp", direct())]);
    set(&mut bench, "radio", Schedule { max_bytes: Some(5_000), ..Schedule::default() });
    assert_eq!(bench.submit(message(1)).remove(0).via, "radio");
    assert_eq!(bench.submit(Outgoing { size: 5_001, ..message(2) }).remove(0).via, "tcp");
    bench.routes(1, &["radio"]);
    bench.submit(Outgoing { size: 5_001, ..message(3) });
    assert_eq!(bench.states(id(3)), ["held TooLarge"]);
    // Lifted, it goes.
    set(&mut bench, "radio", Schedule::default());
    assert_eq!(bench.last_sent().id, id(3));
}

#[test]
fn bulk_waits_for_the_night_and_others_pass_it() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", bulk(Some(10_000), Some(Urgency::Low), "22:00-06:00"));
    assert_eq!(bench.submit(Outgoing { size: 10_001, ..message(1) }), []);
    assert_eq!(bench.submit(Outgoing { urgency: Urgency::Low, ..message(2) }), []);
    let small = bench.submit(message(3)).remove(0);
    bench.accept(&small);
    bench.ack(&small);
    assert_eq!(bench.states(id(1)), ["queued OutsideWindow"]);
    let woken = bench.said.len();
    bench.pass(hours(13));
    assert_eq!(bench.sent().len(), 1);
    assert!(bench.said.len() - woken < 10, "nobody is woken for what waits: {:?}", &bench.said[woken..]);
    bench.pass(hours(1) + secs(1));
    assert_eq!(bench.sent()[1..].iter().map(|sent| sent.id).collect::<Vec<_>>(), [id(1), id(2)]);
}

#[test]
fn bulk_takes_another_path_as_soon_as_one_comes_up() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay())]);
    set(&mut bench, "tcp", bulk(Some(10_000), None, "22:00-06:00"));
    bench.down("relay");
    let large = |n| Outgoing { size: 20_000, ..message(n) };
    (0..100).for_each(|n| assert_eq!(bench.submit(large(n)), []));
    let mut open = bench.up("relay");
    let mut order = Vec::new();
    // As these get through, the others follow, in order.
    while let Some(sent) = open.first().cloned() {
        open.remove(0);
        assert_eq!(sent.via, "relay");
        order.push(sent.id);
        let before = bench.said.len();
        bench.accept(&sent);
        open.extend(bench.sent_since(before));
    }
    assert_eq!(order, (0..100).map(id).collect::<Vec<_>>());
}

#[test]
fn a_clock_that_is_set_moves_the_windows_with_it() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", bulk(Some(10_000), None, "22:00-06:00"));
    bench.submit(Outgoing { size: 20_000, ..message(1) });
    bench.skew_ms = 15 * 3_600_000;
    bench.give(Input::Wake);
    assert_eq!(bench.last_sent().id, id(1), "by the clock it is night now");
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", rules(&["12:00-13:00"]));
    bench.submit(message(2));
    // Set back by two hours: the alarm of the old reckoning must not send.
    bench.skew_ms = -2 * 3_600_000;
    bench.give(Input::Wake);
    bench.pass(hours(6) - secs(1));
    assert_eq!(bench.sent(), []);
    bench.pass(secs(2));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_window_that_the_user_changes_counts_at_once() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", rules(&["12:00-13:00"]));
    bench.submit(message(1));
    set(&mut bench, "tcp", rules(&["07:00-09:00"]));
    assert_eq!(bench.sent().len(), 1);
    bench.pass(hours(3));
    bench.give(Input::TransportGone { id: via("tcp") });
    let capabilities = direct();
    bench.give(Input::Transport { id: via("tcp"), capabilities, priority: 1, enabled: true });
    assert_eq!(bench.up("tcp").len(), 1, "the rules of what was removed are gone with it");
}

#[test]
fn faces_are_told_when_a_window_opens_and_when_it_closes() {
    let mut bench = Bench::new(&[("tcp", direct())]);
    set(&mut bench, "tcp", rules(&["12:00-13:00"]));
    let told = |bench: &Bench| {
        let reports = bench.said.iter().filter(|(_, action)| matches!(action, Action::Health { .. }));
        reports.map(|(at, _)| *at - secs(1_000)).collect::<Vec<_>>()
    };
    bench.pass(secs(1));
    bench.said.clear();
    bench.pass(hours(24));
    assert_eq!(told(&bench), [hours(4), hours(5)]);
    assert!(bench.machine.health(bench.now())[0].opens.is_some());
    // The clock is set to half past eleven: the alarm is reckoned anew.
    bench.skew_ms = 3 * 3_600_000 + 1_800_000;
    bench.give(Input::Wake);
    bench.said.clear();
    bench.pass(secs(1_801));
    assert_eq!(told(&bench).len(), 1, "{:?}", bench.said);
    bench.give(Input::TransportGone { id: via("tcp") });
    assert_eq!(bench.machine.next_wake(), None);
}
