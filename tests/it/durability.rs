//! Restarts, lost time and SIGKILL.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use skcomm_tui::{
    delivery::MessageState,
    node::{Command, Event, SendRequest},
    transport::registry::TransportConfig,
};

use crate::{
    mortal::{Mortal, Task, hurry, pair},
    support::{TestNode, event, folder, request, until},
};

async fn switch(node: &TestNode, enabled: bool) {
    node.call(Command::TransportEnable { transport: "file".parse().unwrap(), enabled }).await;
}

fn switched_on(shared: &Path) -> TransportConfig {
    TransportConfig { enabled: true, ..folder(shared) }
}

#[tokio::test]
async fn what_was_queued_goes_out_promptly_after_a_restart() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    switch(&alice, false).await;
    let waiting = [alice.send("bob", "one").await, alice.send("bob", "two").await];
    alice.stop().await;
    alice.home.save_transport(&"file".parse().unwrap(), &switched_on(shared.path())).unwrap();
    let started = Instant::now();
    alice.restart();
    for message in &waiting {
        alice.wait_for_state(message, "on its way", |s| s.rank() >= 1).await;
    }
    // The first rest between two tries is five seconds.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    alice.delivered(&waiting[1]).await;
    assert_eq!(bob.received().await, ["one", "two"]);
}

#[tokio::test]
async fn what_expired_while_we_were_away_is_told_and_never_sent() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, bob) = pair(shared.path()).await;
    switch(&alice, false).await;
    let short = alice.send_as(SendRequest { ttl_seconds: Some(1), ..request("bob", "too late") }).await;
    alice.stop().await;
    let ends = short.timestamp.plus_ms(1100).unix_ms();
    until("its time has passed", || async {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        (i64::try_from(now).unwrap() > ends).then_some(())
    })
    .await;
    alice.home.save_transport(&"file".parse().unwrap(), &switched_on(shared.path())).unwrap();
    alice.restart();
    let mut events = alice.handle().subscribe();
    event(&mut events, "the word that it expired", |e| match e {
        Event::State { envelope_id, state: MessageState::Expired, .. } => {
            (envelope_id == short.envelope_id).then_some(())
        }
        _ => None,
    })
    .await;
    let next = alice.send("bob", "in time").await;
    alice.delivered(&next).await;
    assert_eq!(bob.received().await, ["in time"]);
}

#[tokio::test]
async fn an_ack_for_a_message_that_was_given_up_and_forgotten_still_counts() {
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    bob.stop().await;
    let sent = alice.send_as(SendRequest { ttl_seconds: Some(1), ..request("bob", "in the folder") }).await;
    alice.wait_for_state(&sent, "expired", |s| matches!(s, MessageState::Expired)).await;
    alice.stop().await;
    alice.restart();
    let mut events = alice.handle().subscribe();
    bob.restart();
    event(&mut events, "the late ack", |e| match e {
        Event::State { envelope_id, state: MessageState::Delivered { via, .. }, .. } => {
            (envelope_id == sent.envelope_id && via.as_str() == "file").then_some(())
        }
        _ => None,
    })
    .await;
    alice.delivered(&sent).await;
    let got = bob.messages().await.remove(0);
    bob.call(Command::MarkRead { conversation: got.conversation(), up_to: got.envelope_id }).await;
    alice.wait_for_state(&sent, "read", |s| matches!(s, MessageState::Read { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_is_lost_and_nothing_shown_twice() {
    let seed = std::env::var("SKCOMM_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SKCOMM_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let shared = tempfile::tempdir().unwrap();
    let (mut alice, mut bob) = pair(shared.path()).await;
    alice.stop().await;
    bob.stop().await;
    let (mut answered, mut shown) = (Vec::new(), BTreeMap::<String, u32>::new());
    for round in 0..4 {
        let prefix = format!("r{round}");
        let sender = Mortal::start(&alice.home, Task { prefix: &prefix, ..Task::default() }, None);
        let receiver = Mortal::start(&bob.home, Task::default(), None);
        // The moment is what this test is about; nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        let (first, second) = if random.random() { (receiver, sender) } else { (sender, receiver) };
        let mut told = first.kill();
        std::thread::sleep(Duration::from_millis(random.random_range(0..50)));
        told.extend(second.kill());
        answered.extend(told.iter().filter_map(|line| Some(line.strip_prefix("sent ")?.to_owned())));
        for text in told.iter().filter_map(|line| line.strip_prefix("got ")) {
            *shown.entry(text.to_owned()).or_default() += 1;
        }
    }
    alice.restart();
    bob.restart();
    let all = alice.messages().await;
    assert!(!all.is_empty(), "nothing was sent");
    hurry(&alice).await;
    for message in &all {
        alice.delivered(message).await;
    }
    let mut sent: Vec<String> = all.iter().map(|message| message.content.to_string()).collect();
    let mut received = bob.received().await;
    for text in &answered {
        assert!(sent.contains(text), "{text} was answered as kept and is gone");
    }
    sent.sort();
    received.sort();
    assert_eq!(received, sent, "each once");
    for (text, times) in shown {
        assert_eq!(times, 1, "{text} was shown more than once");
    }
}
