//! Which way messages go: mode and policy of a conversation, and paths that are closed or carry small messages only.

use crate::{
    delivery::{MessageState, Policy, Reason, ReasonKind},
    identity::RoutingDefaults,
    node::{Command, Event, RoutePlan, Skipped, TransportHealth},
    transport::TransportState,
    tui::{
        testing::{FakeNode, Harness, at, conversation, health, own, transport},
        update::{self, Msg},
    },
    wire::{Mode, SafeText},
};

const HOUR: i64 = 3_600_000;

/// `night` is closed until 22:00 (it is 14:32), `weekend` until Saturday, `radio` carries 4 KiB, `relay` keeps bulk back.
fn ruled() -> FakeNode {
    let mut node = FakeNode::sample();
    let rules = |name: &str, priority, change: fn(TransportHealth) -> TransportHealth| {
        change(health(name, priority, TransportState::Up))
    };
    let until_22 = at(-(7 * 60 + 28) * 60_000);
    assert_eq!(until_22.to_string().get(11..16), Some("22:00"));
    node.transports = vec![
        TransportHealth { opens: Some(until_22), ..health("night", 1, TransportState::Up) },
        rules("weekend", 2, |h| TransportHealth { opens: Some(at(-(9 * HOUR + 28 * 60_000))), ..h }),
        rules("radio", 3, |h| TransportHealth { max_bytes: Some(4096), ..h }),
        TransportHealth { bulk_opens: Some(until_22), ..health("relay", 4, TransportState::Up) },
    ];
    node.status.transports = node.transports.clone();
    node
}

fn opened(node: FakeNode, width: u16) -> Harness {
    let mut screen = Harness::new(width, 30, node);
    screen.run("conversation.open lumina general");
    screen
}

#[test]
fn the_policy_is_switched_by_a_key_shown_and_sent() {
    let mut screen = opened(FakeNode::sample(), 120);
    screen.press("M-p").sees(" failover, fastest ").press("M-p").sees(" failover, cheapest ");
    screen.press("M-p").sees(" failover, most private ").press("M-p").sees(" failover, surest ");
    screen.press("M-p").misses("surest").sees(" failover ").run("policy.set cheapest").press("F4");
    screen.sees(" broadcast, cheapest ").write("hello").press("Enter");
    let sent = screen.node.asked.iter().find_map(|command| match command {
        Command::Send(request) => Some((request.mode, request.policy)),
        _ => None,
    });
    assert_eq!(sent, Some((Some(Mode::Broadcast), Some(Policy::Cheapest))));
    screen.press("M-e");
    let asked = screen.node.asked.iter().find_map(|command| match command {
        Command::RouteExplain(question) => Some((question.mode, question.policy)),
        _ => None,
    });
    assert_eq!(asked, Some((Some(Mode::Broadcast), Some(Policy::Cheapest))));
}

#[test]
fn what_nobody_chose_here_is_what_thread_peer_and_node_say() {
    let mut node = FakeNode::sample();
    node.status.defaults =
        RoutingDefaults { mode: Some(Mode::Stealth), policy: Some(Policy::Surest), ..Default::default() };
    let mut screen = opened(node.clone(), 120);
    screen.sees(" stealth, surest ");
    node.peers[0].defaults.policy = Some(Policy::Fastest);
    opened(node.clone(), 120).sees(" stealth, fastest ");
    let of_thread = RoutingDefaults { mode: Some(Mode::Speed), ..Default::default() };
    node.peers[0].threads.insert("general".parse().unwrap(), of_thread);
    opened(node, 120).sees(" speed, fastest ");
}

#[test]
fn closed_and_small_paths_say_so_in_the_panel() {
    let mut screen = opened(ruled(), 120);
    insta::assert_snapshot!("closed_paths_wide", screen.screen());
    screen.sees("closed until 22:00").sees("opens Sat 00:00").sees("≤4.0 KiB");
    screen.run("transport.details radio").sees("only up to 4.0 KiB").press("Esc");
    screen.run("transport.details relay").sees("bulk waits until 22:00").press("Esc");
    screen.run("transport.details weekend").sees("closed until Sat 00:00").press("Esc");
    let mut strip = opened(ruled(), 100);
    strip.sees("- night closed until 22:00").sees("- weekend closed until Sat 00:00");
}

#[test]
fn a_path_that_opens_is_drawn_as_open_without_a_word_of_the_node() {
    let mut screen = opened(ruled(), 120);
    screen.model.peers.iter_mut().for_each(|peer| peer.last_seen = None);
    screen.pass(60_000).sees("closed until 22:00");
    let wake = update::next_wakeup(&screen.model).unwrap();
    assert_eq!(wake - screen.model.clock, (7 * 60 + 27) * 60_000, "it sleeps until then");
    screen.model.dirty = false;
    screen.pass((7 * 60 + 27) * 60_000).misses("closed until 22:00").sees("o night");
}

#[test]
fn the_plan_says_why_a_path_is_not_taken() {
    let mut screen = opened(ruled(), 120);
    screen.press("M-e");
    let skip = |name: &str, kind, told: &str| Skipped { transport: transport(name), reason: Reason::new(kind, told) };
    let plan = RoutePlan {
        policy: Policy::MostPrivate,
        decided: vec![(SafeText::line("policy"), SafeText::line("thread"))],
        skipped: vec![
            skip("night", ReasonKind::OutsideWindow, "outside its call windows; opens Fri 22:00 (next try in 26880 s)"),
            skip("radio", ReasonKind::TooLarge, "carries at most 4096 bytes"),
            skip("relay", ReasonKind::OutsideWindow, "bulk waits for its hours; opens Fri 22:00 (next try in 26880 s)"),
            skip("gone", ReasonKind::OutsideWindow, "outside its call windows; opens Fri 22:00"),
        ],
        ..RoutePlan::default()
    };
    let answer = Ok(crate::node::Reply::Plan(plan));
    screen.feed(Msg::Reply(update::Tag::Plan("lumina".to_owned()), Box::new(answer)));
    insta::assert_snapshot!("plan_with_closed_paths", screen.screen());
    screen.sees("Plan, failover, most private").sees("policy by thread");
    screen
        .sees("- night: closed until 22:00")
        .sees("- radio: only up to 4.0 KiB")
        .sees("- relay: bulk waits until 22:00");
    screen.sees("- gone: outside its call windows; opens Fri 22:00");
}

#[test]
fn a_window_that_closes_is_told_by_the_node_and_drawn() {
    let mut screen = opened(ruled(), 120);
    let closed = TransportHealth { opens: Some(at(-24 * HOUR * 9)), ..health("radio", 3, TransportState::Up) };
    screen.feed(Msg::Event(Box::new(Event::Transport(Box::new(closed)))));
    screen.sees("- radio").sees("29 Nov 14:32");
}

#[test]
fn a_message_that_waits_for_the_hours_of_a_path_says_until_when() {
    let mut node = ruled();
    let place = conversation(0xA1, "general");
    let reason = Reason::new(ReasonKind::OutsideWindow, "outside its call windows; opens Fri 22:00");
    let state = MessageState::Queued { next_try: node.transports[0].opens, reason: Some(reason.clone()) };
    let waiting = own(9_000, &place, "not before tonight", state);
    let plan = RoutePlan { skipped: vec![Skipped { transport: transport("night"), reason }], ..RoutePlan::default() };
    node.traces.insert(waiting.envelope_id, (Some(plan), Vec::new()));
    node.messages.entry(place).or_default().push(waiting);
    let mut screen = opened(node, 120);
    screen.sees("queued until 22:00, when a path opens").misses("opens Fri");
    // So does its path view, and names the path.
    screen.press("Esc Up").run("message.path").sees("queued until 22:00").sees("- night: closed until 22:00");
}

#[test]
fn a_report_is_not_undone_by_an_answer_that_was_given_before_it() {
    let mut screen = opened(ruled(), 120);
    let radio = |state| TransportHealth { opens: None, ..health("radio", 3, state) };
    let shown = |screen: &Harness| screen.model.health.get(&transport("radio")).unwrap().health.state.clone();
    let answer = |state| {
        let reply = crate::node::Reply::Transports(vec![radio(state)]);
        Msg::Reply(update::Tag::Transports, Box::new(Ok(reply)))
    };
    let _asked = update::start(&mut screen.model);
    screen.feed(Msg::Event(Box::new(Event::Transport(Box::new(radio(TransportState::Up))))));
    screen.feed(answer(TransportState::Starting));
    assert_eq!(shown(&screen), TransportState::Up);
    // The other four questions of the start.
    (0..5).for_each(|_| screen.model.reported.answered());
    let _asked = update::start(&mut screen.model);
    screen.feed(answer(TransportState::Starting));
    assert_eq!(shown(&screen), TransportState::Starting);
}
