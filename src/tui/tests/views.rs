//! What lies over the panes: palette, switcher, search, help, log, trust, path, which-key; failover and time.

use crate::{
    delivery::{Reason, ReasonKind},
    node::{Command, Event},
    tui::{
        command,
        testing::{FakeNode, Harness, conversation, fingerprint, id, message, transport},
        update::{self, Effect, Msg},
    },
    wire::SafeText,
};

fn opened() -> Harness {
    let mut screen = Harness::new(120, 40, FakeNode::sample());
    screen.run("conversation.open lumina blueprint").press("Esc");
    screen
}

#[test]
fn every_command_is_carried_out() {
    for spec in command::table() {
        let line = match spec.name {
            "log.level" => "log.level debug",
            "conversation.open" => "conversation.open lumina",
            "mode.set" => "mode.set speed",
            "policy.set" => "policy.set cheapest",
            "urgency.set" => "urgency.set high",
            "peer.trust" => "peer.trust trusted",
            "theme.set" => "theme.set light",
            "keymap.set" => "keymap.set vim",
            name => name,
        };
        assert!(command::parse(line).is_ok(), "{line}");
        let mut screen = opened();
        screen.model.demo = true;
        screen.press("Up").run(line).misses("is not carried out");
        // Esc always leads back to the panes.
        screen.press("Esc Esc");
        assert!(screen.model.overlays.is_empty(), "{line} leaves something open: {:?}", screen.model.overlays);
    }
}

#[test]
fn the_palette_finds_by_purpose_and_shows_keys() {
    let mut screen = opened();
    screen.press("C-p").write("breaker nonsense").sees("Nothing fits");
    screen.press("C-u").write("help.sh").sees("what the keys do here");
    screen.press("C-u").write("theme.set ").sees("high-contrast").write("mo").press("Enter");
    assert!(screen.outside.contains(&Effect::LoadTheme("mono".to_owned())));
}

#[test]
fn the_switcher_goes_to_a_thread() {
    let mut screen = opened();
    screen.press("C-k").write("jar").press("Enter").sees("Ready when you are").sees("sovereign");
}

#[test]
fn search_streams_and_jumps() {
    let mut screen = opened();
    screen.press("/").write("new here");
    assert!(!screen.node.asked.iter().any(|c| matches!(c, Command::Search { .. })), "waits for a pause");
    screen.pass(200).sees("1 found").sees("Hi, I am new here").press("Enter").sees("unknown sender");
}

#[test]
fn help_names_the_keys_of_the_active_keymap() {
    let mut screen = opened();
    screen.press("F1").sees("Help").sees("Conversation").press("Esc").misses("Every command");
}

#[test]
fn a_prefix_shows_what_can_follow() {
    let mut screen = opened();
    screen.press("g").sees("Next unread").press("Esc").misses("Next unread");
}

#[test]
fn the_path_tells_the_whole_story() {
    let mut screen = opened();
    screen.press("Up Up p").sees("acked 212 ms over relay").sees("connection refused").sees("Plan, failover, as sent");
    screen.sees("broadcast 2/3");
}

#[test]
fn the_trust_panel_shows_what_to_compare() {
    let mut screen = opened();
    screen.press("t").sees("A1A1 A1A1").sees("pinned on first use").sees("Ed25519");
    screen.press("+").sees("trusted");
    assert!(screen.node.asked.iter().any(|c| matches!(c, Command::TrustSet { .. })));
}

#[test]
fn a_failover_is_seen_and_found_again_in_the_log() {
    let mut screen = opened();
    let reason = Reason::new(ReasonKind::Unreachable, "connection refused");
    let event = Event::Failover { envelope_id: id(15), from: transport("noise"), to: Some(transport("file")), reason };
    screen.feed(Msg::Event(Box::new(event)));
    screen.sees("noise -> file").sees("failed").sees("taken");
    screen.pass(1_600).misses("taken").pass(6_000).misses("noise -> file");
    screen.press("F10").sees("Failover to lumina: noise -> file");
}

#[test]
fn nothing_flashes_with_reduced_motion() {
    let mut screen = opened();
    screen.model.reduced_motion = true;
    let reason = Reason::new(ReasonKind::Timeout, "no answer");
    let event = Event::Failover { envelope_id: id(1), from: transport("noise"), to: None, reason };
    screen.feed(Msg::Event(Box::new(event)));
    screen.sees("no other path is left").misses("noise      0.8 ms failed");
}

#[test]
fn seconds_count_down_and_then_nothing_wakes_the_screen() {
    let mut screen = opened();
    screen.sees("retry 42 s").sees("next try in 42 s");
    screen.pass(1_000).sees("retry 41 s").sees("next try in 41 s");
    assert!(update::next_wakeup(&screen.model).is_some());
    screen.pass(200_000);
    screen.pass(1);
    // But for the time since somebody was heard of, which reads differently once a minute at most.
    let next = update::next_wakeup(&screen.model).unwrap() - screen.model.clock;
    assert!((30_000..=60_000).contains(&next), "an idle screen sleeps: {next}");
    screen.model.peers.iter_mut().for_each(|peer| peer.last_seen = None);
    assert_eq!(update::next_wakeup(&screen.model), None, "an idle screen sleeps");
    screen.model.dirty = false;
    screen.feed(Msg::Tick);
    assert!(!screen.model.dirty, "time alone changes nothing");
}

#[test]
fn what_is_looked_at_is_read_and_the_rest_is_counted() {
    let mut screen = opened();
    let general = conversation(0xA1, "general");
    screen.sees("3 new");
    screen.run("conversation.open lumina general");
    assert_eq!(screen.node.read[&general], 2);
    screen.model.attended = false;
    let new = message(3, &general, "psst");
    screen.node.messages.get_mut(&general).unwrap().push(new.clone());
    screen.feed(Msg::Event(Box::new(Event::Message(Box::new(new)))));
    assert_eq!(screen.node.read[&general], 2, "nobody looked");
    let told = Effect::Notify { title: SafeText::line("lumina"), body: SafeText::line("psst") };
    assert!(screen.outside.contains(&told), "{:?}", screen.outside);
}

#[test]
fn panes_are_split_zoomed_and_remembered() {
    let mut screen = opened();
    screen.press("M-s").write("jarvis").press("Enter").sees("Ready when you are").sees("blueprint");
    screen.press("M-z").misses("Transports").press("M-z").sees("Transports");
    let saved = screen.outside.iter().rev().find_map(|effect| match effect {
        Effect::SaveLayout(layout) => Some(layout.clone()),
        _ => None,
    });
    let text = toml::to_string(&saved.unwrap()).unwrap();
    let read: crate::tui::model::Layout = toml::from_str(&text).unwrap();
    assert_eq!(read.sane().panes.len(), 2, "{text}");
    screen.press("M-w").misses("Ready when you are");
}

#[test]
fn health_switches_a_transport_and_shows_its_details() {
    let mut screen = opened();
    screen.press("M-4 Down Enter").sees("Transport file").sees("largest frame").press("Esc Space");
    let off = Command::TransportEnable { transport: transport("file"), enabled: false };
    assert!(screen.node.asked.contains(&off));
}

#[test]
fn the_demonstration_knocks_the_first_path_out() {
    let mut screen = opened();
    screen.press("F8");
    assert!(!screen.outside.iter().any(|e| matches!(e, Effect::Knock(_))), "only in the demonstration");
    screen.model.demo = true;
    screen.press("F8").sees("out: noise").press("F9").misses("out: noise");
    assert!(screen.outside.contains(&Effect::Knock(Some(transport("noise")))));
}

#[test]
fn a_new_conflict_is_a_banner_and_a_line_in_the_log() {
    let mut screen = opened();
    let mut changed = screen.model.peers[1].clone();
    changed.conflict = Some(fingerprint(0x66));
    screen.feed(Msg::Event(Box::new(Event::Peer(Box::new(changed)))));
    screen.sees("KEY CHANGED").press("F10 s").sees("nothing is sent until you decide");
}

#[test]
fn the_peer_form_says_what_is_wrong_and_adds_the_peer() {
    let mut screen = opened();
    screen.run("peer.add").write("Ada").press("Enter Enter Enter").write("tcp").press("Enter").sees("is no route");
    screen.press("C-u").write("tcp=127.0.0.1:9").press("Enter").sees("Peer added");
    assert!(screen.node.asked.iter().any(|c| matches!(c, Command::PeerAdd(add) if add.name == "Ada")));
}
