//! Paths that take a message and stay silent, over real transports: what the ledger tells of them, late acks, and what
//! waits when a path is back.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use skcomm_tui::{
    delivery::{AttemptOutcome, AttemptRecord, MessageState},
    node::{Command, Event, EventStream, HistoryQuery, Message, Reply},
    transport::{TransportState, registry::TransportConfig},
    wire::EnvelopeId,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    gate::{Gate, Passage},
    support::{TestNode, event, folder, tcp, until},
};

/// The longest time-out of a path of the class `instant`, the second that a late alarm is given, and one for a busy machine.
const PATIENCE_MAX_MS: i64 = 12_000;

/// A folder whose readers are quick: the time-out for its acks is that of a direct connection.
fn quick(path: &std::path::Path) -> TransportConfig {
    folder(path).with("latency", "instant")
}

/// Alice, who reaches Bob over tcp through a gate and over a folder, in the order she is told; Bob reaches her over both.
struct Pair {
    alice: TestNode,
    bob: TestNode,
    gate: Gate,
    shared: PathBuf,
    _dir: TempDir,
}

impl Pair {
    async fn start(order: &[&str]) -> Self {
        Self::start_before(order, None).await
    }

    /// The same, with another way's end in place of the gate before Bob.
    async fn start_before(order: &[&str], end: Option<SocketAddr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let paths = || [("tcp", tcp()), ("file", quick(&shared))];
        let alice = TestNode::start("alice", &paths()).await;
        let bob = TestNode::start("bob", &paths()).await;
        let end = match end {
            Some(end) => end,
            None => bob.address("tcp").await.parse().unwrap(),
        };
        let gate = Gate::before(end).await;
        let (folder, door) = (shared.display().to_string(), gate.address().to_string());
        let address = |id: &str| if id == "tcp" { door.clone() } else { folder.clone() };
        let routes: Vec<(&str, String)> = order.iter().map(|id| (*id, address(id))).collect();
        let routes: Vec<(&str, &str)> = routes.iter().map(|(id, address)| (*id, address.as_str())).collect();
        alice.know(&bob, &routes).await;
        bob.know(&alice, &[("tcp", &alice.address("tcp").await), ("file", &folder)]).await;
        for (priority, id) in (1..).zip(order) {
            alice.call(Command::TransportPriority { transport: id.parse().unwrap(), priority }).await;
        }
        Self { alice, bob, gate, shared, _dir: dir }
    }

    /// A few messages over the first path, so that its round trip is known.
    async fn learn(&self, via: &str) {
        for n in 0..4 {
            let sent = self.alice.send("bob", &format!("{n}")).await;
            assert_eq!(path_of(&self.alice.delivered(&sent).await), via);
        }
    }
}

fn path_of(state: &MessageState) -> &str {
    match state {
        MessageState::Delivered { via, .. } | MessageState::Read { via, .. } => via.as_str(),
        other => panic!("{other:?}"),
    }
}

async fn attempts(node: &TestNode, id: EnvelopeId) -> Vec<AttemptRecord> {
    match node.call(Command::Trace { envelope_id: id }).await {
        Reply::Trace(trace) => trace.attempts,
        other => panic!("{other:?}"),
    }
}

fn ack_path(attempt: &AttemptRecord) -> Option<&str> {
    match &attempt.outcome {
        AttemptOutcome::Acked { ack_via, .. } => ack_via.as_ref().map(|via| via.as_str()),
        _ => None,
    }
}

/// Waits until an attempt has this outcome.
async fn outcome(node: &TestNode, sent: &Message, via: &str, fits: impl Fn(&AttemptOutcome) -> bool) -> AttemptRecord {
    until(&format!("the attempt over {via} ends as expected"), || async {
        let all = attempts(node, sent.envelope_id).await;
        all.into_iter().find(|attempt| attempt.via.as_str() == via && fits(&attempt.outcome))
    })
    .await
}

/// Milliseconds between the starts of the first two attempts.
fn failover_ms(attempts: &[AttemptRecord]) -> i64 {
    attempts[1].started.ms_since(attempts[0].started)
}

#[tokio::test]
async fn a_half_open_connection_costs_no_more_than_the_learned_time_out() {
    let pair = Pair::start(&["tcp", "file"]).await;
    pair.learn("tcp").await;
    pair.gate.set(Passage::Swallow);
    let sent = pair.alice.send("bob", "into a half-open connection").await;
    assert_eq!(path_of(&pair.alice.delivered(&sent).await), "file");
    let tried = attempts(&pair.alice, sent.envelope_id).await;
    assert_eq!((tried[0].via.as_str(), tried[1].via.as_str()), ("tcp", "file"), "{tried:#?}");
    // A second is the least that a path of this class is given.
    assert!((950..PATIENCE_MAX_MS).contains(&failover_ms(&tried)), "{tried:#?}");
    println!("half open: the next path after {} ms", failover_ms(&tried));
    pair.gate.set(Passage::Open);
    outcome(&pair.alice, &sent, "tcp", |outcome| *outcome != AttemptOutcome::Running).await;
    assert_eq!(pair.bob.received().await.last().unwrap(), "into a half-open connection");
    assert_eq!(pair.bob.received().await.len(), 5);
}

#[tokio::test]
async fn a_listener_that_accepts_and_never_answers_is_passed_by() {
    let mut held = Vec::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute: SocketAddr = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let pair = Pair::start_before(&["tcp", "file"], Some(mute)).await;
    let sent = pair.alice.send("bob", "is anybody there?").await;
    assert_eq!(path_of(&pair.alice.delivered(&sent).await), "file");
    let tried = attempts(&pair.alice, sent.envelope_id).await;
    assert_eq!((tried[0].via.as_str(), tried[1].via.as_str()), ("tcp", "file"), "{tried:#?}");
    assert!(!matches!(tried[0].outcome, AttemptOutcome::Accepted | AttemptOutcome::Acked { .. }), "{tried:#?}");
    assert!(failover_ms(&tried) < PATIENCE_MAX_MS, "{tried:#?}");
    println!("mute listener: the next path after {} ms", failover_ms(&tried));
    assert_eq!(pair.bob.received().await, ["is anybody there?"]);
    accepting.abort();
}

#[tokio::test]
async fn what_nobody_reads_in_a_folder_goes_another_way_and_its_late_ack_counts() {
    let pair = Pair::start(&["file", "tcp"]).await;
    pair.learn("file").await;
    let switch = |enabled| Command::TransportEnable { transport: "file".parse().unwrap(), enabled };
    pair.bob.call(switch(false)).await;
    let mut events = pair.alice.handle().subscribe();
    let sent = pair.alice.send("bob", "who reads this?").await;
    assert_eq!(path_of(&pair.alice.delivered(&sent).await), "tcp");
    let states = states_until_delivered(&mut events, &sent).await;
    assert!(states.contains(&"accepted".to_owned()), "{states:?}");
    let tried = attempts(&pair.alice, sent.envelope_id).await;
    assert_eq!((tried[0].via.as_str(), tried[1].via.as_str()), ("file", "tcp"), "{tried:#?}");
    let AttemptOutcome::Silent { after_ms } = tried[0].outcome else { panic!("{tried:#?}") };
    assert!((950..PATIENCE_MAX_MS).contains(&i64::try_from(after_ms).unwrap()), "{tried:#?}");
    assert_eq!(ack_path(&tried[1]), Some("tcp"), "{tried:#?}");

    // The copy in the folder is found later: a duplicate there, an ack here, which takes nothing back.
    pair.bob.call(switch(true)).await;
    let late = outcome(&pair.alice, &sent, "file", |outcome| matches!(outcome, AttemptOutcome::Acked { .. })).await;
    assert!(late.ended() > Some(late.started.plus_ms(i64::try_from(after_ms).unwrap())), "{late:?}");
    assert!(ack_path(&late).is_some(), "{late:?}");
    assert_eq!(path_of(&pair.alice.delivered(&sent).await), "tcp");
    assert_eq!(pair.bob.received().await, ["0", "1", "2", "3", "who reads this?"]);
}

/// The states a message went through.
async fn states_until_delivered(events: &mut EventStream, sent: &Message) -> Vec<String> {
    let mut states = Vec::new();
    event(events, "it is delivered", |event| match event {
        Event::State { envelope_id, state, .. } if envelope_id == sent.envelope_id => {
            states.push(state.name().to_owned());
            (state.name() == "delivered").then_some(())
        }
        _ => None,
    })
    .await;
    states
}

#[tokio::test]
async fn a_late_ack_over_the_only_path_ends_the_silence() {
    let dir = tempfile::tempdir().unwrap();
    let alice = TestNode::start("alice", &[("file", quick(dir.path()))]).await;
    let mut bob = TestNode::start("bob", &[("file", quick(dir.path()))]).await;
    let route = dir.path().display().to_string();
    alice.know(&bob, &[("file", &route)]).await;
    bob.know(&alice, &[("file", &route)]).await;
    bob.stop().await;
    let sent = alice.send("bob", "take your time").await;
    let silent = outcome(&alice, &sent, "file", |outcome| matches!(outcome, AttemptOutcome::Silent { .. })).await;
    let state = alice.wait_for_state(&sent, "accepted", |state| state.rank() == 1).await;
    assert_eq!(state.name(), "accepted", "the folder keeps it");
    bob.restart();
    alice.delivered(&sent).await;
    let tried = attempts(&alice, sent.envelope_id).await;
    assert_eq!(tried.len(), 1, "what a folder keeps is not sent again and again: {tried:#?}");
    assert!(tried[0].ended() > silent.ended() && ack_path(&tried[0]) == Some("file"), "{tried:#?}");
    assert_eq!(bob.received().await, ["take your time"]);
}

#[tokio::test]
async fn an_ack_names_the_path_it_came_back_by_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = || ("file", folder(dir.path()));
    // There one way, back another: Alice can dial, and listens nowhere.
    let mut alice = TestNode::start("alice", &[("tcp", TransportConfig::new("tcp")), file()]).await;
    let bob = TestNode::start("bob", &[("tcp", tcp()), file()]).await;
    alice.know(&bob, &[("tcp", &bob.address("tcp").await)]).await;
    bob.know(&alice, &[("file", &dir.path().display().to_string())]).await;
    let sent = alice.send("bob", "answer me by letter").await;
    alice.delivered(&sent).await;
    let tried = until("the transport has answered as well", || async {
        let tried = attempts(&alice, sent.envelope_id).await;
        tried[0].took_ms.is_some().then_some(tried)
    })
    .await;
    assert_eq!((tried.len(), tried[0].via.as_str(), ack_path(&tried[0])), (1, "tcp", Some("file")), "{tried:#?}");
    assert!(tried[0].bytes > 0 && tried[0].ended() >= Some(tried[0].started), "{tried:#?}");
    alice.stop().await;
    alice.restart();
    let query = |attempts| Command::History(HistoryQuery { attempts, limit: 10, ..HistoryQuery::default() });
    let Reply::Messages(with) = alice.call(query(true)).await else { panic!() };
    assert_eq!(with[0].attempts.as_ref(), Some(&tried));
    let Reply::Messages(without) = alice.call(query(false)).await else { panic!() };
    assert_eq!(without[0].attempts, None);
    let Reply::Messages(got) = bob.call(query(true)).await else { panic!() };
    assert_eq!(got[0].attempts.as_deref(), Some(&[][..]), "its sender made them");
}

/// Has a path rest for minutes: each try that the user asks for makes its rest longer.
async fn wear_out(alice: &TestNode, waiting: &Message) {
    let tries = |all: &[AttemptRecord]| {
        all.iter().filter(|attempt| matches!(attempt.outcome, AttemptOutcome::Failed { .. })).count()
    };
    for n in 1..=4 {
        alice.call(Command::QueueRetry { envelope_id: None }).await;
        until(&format!("try {n} has failed"), || async {
            (tries(&attempts(alice, waiting.envelope_id).await) >= n).then_some(())
        })
        .await;
    }
}

/// None of them is under way.
async fn all_queued(alice: &TestNode, waiting: &[Message]) {
    for message in waiting {
        let queued = |state: &MessageState| matches!(state, MessageState::Queued { .. });
        alice.wait_for_state(message, "queued", queued).await;
    }
}

/// Gives a sign of life every second.
async fn keep_calling(bob: &TestNode) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        bob.send("alice", "I am back").await;
    }
}

/// The messages whose attempts begin, in the order in which they do, until each had one.
async fn order_of_sending(events: &mut EventStream, waiting: &[Message]) -> Vec<EnvelopeId> {
    let mut begun = Vec::new();
    event(events, "all are sent", |event| {
        if let Event::Attempt { envelope_id, attempt } = event
            && attempt.outcome == AttemptOutcome::Running
            && waiting.iter().any(|message| message.envelope_id == envelope_id)
            && !begun.contains(&envelope_id)
        {
            begun.push(envelope_id);
        }
        (begun.len() == waiting.len()).then_some(())
    })
    .await;
    begun
}

async fn all_wait(alice: &TestNode, count: usize) -> Vec<Message> {
    let mut waiting = Vec::new();
    for n in 0..count {
        waiting.push(alice.send("bob", &n.to_string()).await);
    }
    waiting
}

/// All of them were sent in order, soon, and are shown in order.
async fn go_out(pair: &Pair, events: &mut EventStream, waiting: &[Message]) {
    let begun = order_of_sending(events, waiting).await;
    let expected: Vec<EnvelopeId> = waiting.iter().map(|message| message.envelope_id).collect();
    assert_eq!(begun, expected, "sent in order");
    for message in waiting {
        pair.alice.delivered(message).await;
    }
    let texts: Vec<String> = waiting.iter().map(|message| message.content.to_string()).collect();
    assert_eq!(pair.bob.received().await, texts);
}

#[tokio::test]
async fn a_peer_that_is_heard_again_gets_what_waits_at_once_and_in_order() {
    let pair = Pair::start(&["tcp"]).await;
    pair.gate.set(Passage::Shut);
    let waiting = all_wait(&pair.alice, 20).await;
    wear_out(&pair.alice, &waiting[0]).await;
    all_queued(&pair.alice, &waiting).await;
    let mut events = pair.alice.handle().subscribe();
    pair.gate.set(Passage::Open);
    // The path rests for minutes: without a sign of life nothing would be sent within the limit of this test.
    tokio::select! {
        () = go_out(&pair, &mut events, &waiting) => {}
        () = keep_calling(&pair.bob) => {}
    }
}

#[tokio::test]
async fn a_folder_that_is_mounted_again_gets_what_waits_at_once_and_in_order() {
    let pair = Pair::start(&["file"]).await;
    let away = pair.shared.with_extension("away");
    std::fs::rename(&pair.shared, &away).unwrap();
    let waiting = all_wait(&pair.alice, 20).await;
    until("the transport says that the folder is gone", || async {
        let Reply::Transports(all) = pair.alice.call(Command::Transports).await else { panic!() };
        all.iter().any(|one| one.transport.as_str() == "file" && one.state != TransportState::Up).then_some(())
    })
    .await;
    all_queued(&pair.alice, &waiting).await;
    let mut events = pair.alice.handle().subscribe();
    std::fs::rename(&away, &pair.shared).unwrap();
    // The transport sees that it is there again, and whoever waits for it goes on.
    go_out(&pair, &mut events, &waiting).await;
}
