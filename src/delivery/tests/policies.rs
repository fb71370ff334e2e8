//! What the user asked for, from the first path to the last.

use super::*;

/// A folder that others can look into, free of charge and slow.
fn folder() -> Capabilities {
    Capabilities {
        offline: true,
        next_hop_stores: true,
        latency: LatencyClass::Slow,
        leaks: vec![Leak::RecipientToMedium],
        guarantee: Guarantee::Durable,
        ..direct()
    }
}

/// A phone line: quick, paid by the byte.
fn phone() -> Capabilities {
    Capabilities { cost: Cost::Metered, leaks: vec![Leak::BothEndsToNetwork], ..direct() }
}

fn order(bench: &Bench, policy: Policy) -> Vec<String> {
    let ask = PlanRequest { policy, ..PlanRequest::of(&message(9)) };
    let plan = bench.machine.plan(bench.now(), &ask);
    assert_eq!(plan.policy, policy);
    plan.candidates.iter().map(|path| path.transport.to_string()).collect()
}

#[test]
fn each_policy_orders_the_same_paths_otherwise() {
    let bench = Bench::new(&[("relay", relay()), ("phone", phone()), ("folder", folder()), ("tcp", direct())]);
    assert_eq!(order(&bench, Policy::Balanced), ["relay", "phone", "folder", "tcp"]);
    assert_eq!(order(&bench, Policy::Fastest)[..2], ["phone", "tcp"]);
    assert_eq!(order(&bench, Policy::Cheapest), ["tcp", "folder", "relay", "phone"]);
    assert_eq!(order(&bench, Policy::MostPrivate), ["folder", "tcp", "relay", "phone"]);
    assert_eq!(order(&bench, Policy::Surest)[..2], ["relay", "folder"]);
}

#[test]
fn a_policy_shows_as_a_part_of_the_score() {
    let bench = Bench::new(&[("relay", relay()), ("phone", phone())]);
    for (policy, part) in [
        (Policy::Cheapest, "cost"),
        (Policy::MostPrivate, "discretion"),
        (Policy::Surest, "assurance"),
        (Policy::Fastest, "latency"),
    ] {
        let ask = PlanRequest { policy, ..PlanRequest::of(&message(9)) };
        let plan = bench.machine.plan(bench.now(), &ask);
        for path in &plan.candidates {
            assert!(path.parts.iter().any(|(name, _)| name.as_str() == part), "{policy}: {path:?}");
        }
    }
}

#[test]
fn messages_of_two_policies_do_not_wait_for_each_others_paths() {
    let config = Config { jitter: 0.0, window_start: 1, window: 1, ..Config::default() };
    let mut bench = Bench::with(config, &[("tcp", direct()), ("folder", folder())]);
    assert_eq!(bench.submit(message(1)).remove(0).via, "tcp");
    // The window of tcp is full: the next one waits for it, but not the one that wants the other path.
    assert_eq!(bench.submit(message(2)), []);
    let sure = Outgoing { policy: Policy::Surest, ..message(3) };
    assert_eq!(bench.submit(sure).remove(0).via, "folder");
}

#[test]
fn an_unsure_peer_learns_our_address_only_in_need() {
    let mut bench = Bench::new(&[("tcp", direct()), ("relay", relay()), ("folder", folder())]);
    bench.give(Input::Wary { peer: peer(1), wary: true });
    assert_eq!(order(&bench, Policy::Balanced), ["relay", "folder", "tcp"]);
    let sent = bench.submit(message(1)).remove(0);
    assert_eq!(sent.via, "relay");
    // Where only a slow path is left besides, minutes are not traded for it, unless privacy is what counts.
    bench.down("relay");
    assert_eq!(order(&bench, Policy::Balanced), ["tcp", "folder"]);
    assert_eq!(order(&bench, Policy::MostPrivate), ["folder", "tcp"]);
    bench.give(Input::Wary { peer: peer(1), wary: false });
    bench.up("relay");
    assert_eq!(order(&bench, Policy::Balanced)[0], "tcp");
}
