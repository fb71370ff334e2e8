//! Floods: what comes in at whatever rate, the person can still type, and what is kept is bounded.

use bytes::Bytes;
use skcomm_tui::{
    node::{Command, HistoryQuery, Reply, Status},
    pgp::{Certificate, Identity, SecretKey, generate},
    wire::{Envelope, Fingerprint},
};

use crate::{
    letters::{Author, WINDOW, id, now, pour},
    screen::{Prepared, quit_anyway},
};

/// Messages of the flood in the ordinary suite; `SKCOMM_FLOOD` sets another number, such as 100000.
const MESSAGES: usize = 4_000;
/// As the node bounds it (`node/strangers.rs`).
const STRANGERS_MAX: usize = 100;
/// The same, of one stranger.
const MESSAGES_EACH: usize = 50;

fn key(name: &str) -> SecretKey {
    let identity = Identity { name: name.to_owned(), email: format!("{name}@example.org"), fqid: None };
    generate(identity, None, now()).unwrap().secret
}

/// The messages: of one key first, of as many as may wait and some more then, and then of ever new ones. Only as many
/// are authentic as the bounds let in: the others must not even be looked at.
fn flood(to: &Certificate, number: usize) -> Vec<Bytes> {
    let letter = |key: &SecretKey, name: &str, number| {
        Author { key, name, to, introduces: true }.letter(number, &format!("buy {number}"))
    };
    let one = key("one");
    let mut letters: Vec<Envelope> = (0..MESSAGES_EACH + 10).map(|n| letter(&one, "one", n)).collect();
    letters.extend((0..STRANGERS_MAX + 10).map(|n| {
        let name = format!("many{n}");
        letter(&key(&name), &name, 1_000 + n)
    }));
    let template = letters[0].clone();
    let mut frames: Vec<Bytes> = letters.iter().map(|letter| letter.encode().into()).collect();
    for n in frames.len()..number {
        let mut forged = template.clone();
        forged.envelope_id = id(10_000 + n);
        if n % 2 == 0 {
            let mut fingerprint = [0xAB; 20];
            fingerprint[..8].copy_from_slice(&(n as u64).to_be_bytes());
            forged.from.fingerprint = Fingerprint::from_bytes(&fingerprint).unwrap();
        }
        frames.push(forged.encode().into());
    }
    frames
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn status(home: &Prepared) -> Status {
    match home.runtime.block_on(home.node().call(Command::Status)) {
        Ok(Reply::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_of_strangers_and_a_storm_of_sizes_leave_the_screen_alive() {
    let number = std::env::var("SKCOMM_FLOOD").ok().map_or(MESSAGES, |n| n.parse().expect("a number"));
    let home = Prepared::listening();
    let mut screen = home.start_writing();
    let (address, own) = home.reachable();
    let frames = flood(&own, number);
    let before = memory_kib(status(&home).pid);
    let pouring = home.runtime.spawn(pour(address, frames, None));
    // While it pours: keys are drawn, questions answered, sizes changed.
    let mut rounds = 0;
    while !pouring.is_finished() || rounds < 5 {
        for size in [(80, 24), (40, 12), (20, 5), (200, 60), (120, 40)] {
            screen.resize(size);
        }
        let word = format!("word{rounds}");
        screen.keys(&format!("{word} "));
        screen.wait_for(&[&word]);
        status(&home);
        rounds += 1;
        if rounds % 8 == 0 {
            screen.keys("\r");
            screen.wait_for(&["Type a message"]);
        }
    }
    let (taken, refused) = home.runtime.block_on(pouring).unwrap();
    let after = status(&home);
    eprintln!("{number} messages, {taken} taken, {refused} refused, {rounds} rounds of keys, {:?}", after.refused);
    // Each is answered, each that was not kept is counted by its reason.
    assert_eq!(taken + refused, number);
    assert!(taken <= MESSAGES_EACH + STRANGERS_MAX, "{taken} were taken");
    assert!(taken >= STRANGERS_MAX, "{taken} were taken");
    assert_eq!(after.refused.values().sum::<u64>(), refused as u64, "{:?}", after.refused);
    // Those that were being opened while the bounds were reached are refused as the forgeries they are.
    let unread = after.refused.get("too_many_strangers").copied().unwrap_or(0);
    assert!(unread + WINDOW as u64 >= refused as u64, "{:?}", after.refused);
    let known = ["bad_introduction", "bad_signature_or_sealing", "too_many_strangers"];
    assert!(after.refused.keys().all(|kind| known.contains(&kind.as_str())), "{:?}", after.refused);
    let node = home.node();
    let kept = home.runtime.block_on(async {
        let everything = HistoryQuery { incoming: Some(true), limit: 10_000, ..HistoryQuery::default() };
        let Ok(Reply::Messages(kept)) = node.call(Command::History(everything)).await else { panic!() };
        let Ok(Reply::Peers(peers)) = node.call(Command::Peers).await else { panic!() };
        let requests = peers.iter().filter(|peer| peer.request).count();
        assert!(requests <= STRANGERS_MAX, "{requests} requests");
        kept.len()
    });
    assert_eq!(kept, taken);
    let grown = memory_kib(after.pid).saturating_sub(before);
    assert!(grown < 150 * 1024, "{grown} KiB more than before");
    screen.resize((120, 40));
    screen.wait_until("the requests are listed", |grid| grid.has("Requests: 100") && grid.has("lumina"));
    quit_anyway(&home, screen);
}
