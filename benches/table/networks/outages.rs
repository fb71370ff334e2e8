//! A transport dies, and returns. Each time the two nodes are started again before, so that nothing is left of the outage
//! before: neither what was learned of the path, nor an open breaker.
//!
//! All transports do so at the same time. Whoever holds the *turn* measures something short, or starts nodes, and the others only
//! wait.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use skcomm_tui::{
    delivery::TransportId,
    node::{Command, Event, Reply, RouteQuestion},
    wire::EnvelopeId,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    LIMIT, Pair, SPARE, is_delivered, summary, warm,
    ways::{Way, enable},
};
use crate::{
    figures::Figure,
    gate::Passage,
    paths::request,
    world::{Inhabitant, text},
};

/// How often it dies with its connections, …
const CUTS: usize = 3;
/// … how often it falls silent, …
const SILENCES: usize = 3;
/// … and how often there is no other path.
const WAITS: usize = 3;
/// How long it is dead. The longer, the longer a transport waits between two tries to come back.
const OUTAGE: Duration = Duration::from_secs(5);
/// How often a message is sent to see which path is taken.
const PROBE: Duration = Duration::from_millis(100);

/// Connections end, and new ones end at once; with another path to turn to.
pub(super) async fn cut(way: &Way, pair: &mut Pair, turn: &Semaphore, restarts: &mut Vec<Duration>) -> Vec<Figure> {
    let (mut tried, mut delivered, mut back, mut never) = (vec![], vec![], vec![], vec![]);
    for _ in 0..CUTS {
        let ours = begin(way, pair, turn, restarts).await;
        let outage = fail_over(way, pair, Passage::Shut).await;
        drop(ours);
        tried.push(outage.tried);
        delivered.push(outage.delivered);
        tokio::time::sleep_until((outage.begun + OUTAGE).into()).await;
        way.line.set(Passage::Open, &pair.bob).await;
        match until_used(way, pair).await {
            Some(took) => back.push(took),
            None => never.push(why_not(way, pair).await),
        }
    }
    let mut figures = summary("cut, until the other path is tried", &mut tried);
    figures.extend(summary("cut, until delivered over it", &mut delivered));
    figures.extend(summary("returned after 5 s, until used again", &mut back));
    if let Some(last) = never.last() {
        let why = format!("{} of {CUTS} times not within {LIMIT:?}; the last time: {last}", never.len());
        figures.push(Figure::not_measured("returned after 5 s, not used again", why));
    }
    figures
}

/// Everything is taken, and nothing comes of it; with another path to turn to.
pub(super) async fn silence(way: &Way, pair: &mut Pair, turn: &Semaphore, restarts: &mut Vec<Duration>) -> Vec<Figure> {
    let (mut tried, mut delivered) = (vec![], vec![]);
    for _ in 0..SILENCES {
        drop(begin(way, pair, turn, restarts).await);
        let outage = fail_over(way, pair, Passage::Swallow).await;
        tried.push(outage.tried);
        delivered.push(outage.delivered);
        way.line.set(Passage::Open, &pair.bob).await;
    }
    let mut figures = summary("silent, until the other path is tried", &mut tried);
    figures.extend(summary("silent, until delivered over it", &mut delivered));
    figures
}

/// Connections end, and a message is sent that has no other path: it waits for the return.
pub(super) async fn wait(way: &Way, pair: &mut Pair, turn: &Semaphore, restarts: &mut Vec<Duration>) -> Vec<Figure> {
    let mut took = Vec::new();
    for _ in 0..WAITS {
        drop(begin(way, pair, turn, restarts).await);
        way.line.set(Passage::Shut, &pair.bob).await;
        let begun = Instant::now();
        let mut waiting = pair.send().await;
        tokio::time::sleep_until((begun + OUTAGE).into()).await;
        way.line.set(Passage::Open, &pair.bob).await;
        waiting.begun = Instant::now();
        took.push(waiting.delivered().await.1);
    }
    summary("returned after 5 s, until what waited is delivered", &mut took)
}

/// Starts both nodes again, without the spare path, and lets them talk until the path is known. The turn is the caller's from then on.
async fn begin<'a>(
    way: &Way,
    pair: &mut Pair,
    turn: &'a Semaphore,
    restarts: &mut Vec<Duration>,
) -> SemaphorePermit<'a> {
    // A measurement that was given up may have left it dead.
    way.line.set(Passage::Open, &pair.bob).await;
    let ours = turn.acquire().await.unwrap();
    for node in [&mut pair.alice, &mut pair.bob] {
        enable(node, SPARE, false).await;
        node.stop().await;
    }
    let begun = Instant::now();
    pair.alice.restart();
    pair.bob.restart();
    pair.deliver(way).await;
    restarts.push(begun.elapsed());
    warm(pair).await;
    ours
}

/// What came of a message that was sent when the transport died.
struct Outage {
    begun: Instant,
    tried: Duration,
    delivered: Duration,
}

async fn fail_over(way: &Way, pair: &Pair, passage: Passage) -> Outage {
    for node in pair.both() {
        enable(node, SPARE, true).await;
    }
    meet_over_spare(&pair.alice, &pair.bob).await;
    meet_over_spare(&pair.bob, &pair.alice).await;
    pair.deliver(way).await;
    way.line.set(passage, &pair.bob).await;
    let begun = Instant::now();
    let mut sent = pair.send().await;
    sent.begun = begun;
    let id = sent.envelope_id;
    let over_spare = |event: &Event| match event {
        Event::Attempt { envelope_id, attempt } if *envelope_id == id && attempt.via.as_str() == SPARE => Some(()),
        event if is_delivered(event).is_some_and(|(of, _)| of == id) => panic!("it was delivered over the dead path"),
        _ => None,
    };
    let ((), tried) = sent.wait("tried over the other path", over_spare).await;
    let (_, delivered) = sent.delivered().await;
    Outage { begun, tried, delivered }
}

async fn meet_over_spare(from: &Inhabitant, to: &Inhabitant) {
    from.befriend(to, SPARE, to.address(SPARE).await).await;
}

/// What the router has against the transport.
async fn why_not(way: &Way, pair: &Pair) -> String {
    let question = RouteQuestion { peer: pair.bob.name.to_owned(), ..RouteQuestion::default() };
    let Reply::Plan(plan) = pair.alice.handle().call(Command::RouteExplain(question)).await.unwrap() else { panic!() };
    let skipped = plan.skipped.iter().find(|skipped| skipped.transport.as_str() == way.name);
    let scores = || plan.candidates.iter().map(|path| format!("{} {:.2} {:?}", path.transport, path.score, path.parts));
    skipped.map_or_else(|| scores().collect::<Vec<_>>().join(", "), |skipped| skipped.reason.to_string())
}

/// From now until a message is delivered over the transport, of those that are sent every so often.
async fn until_used(way: &Way, pair: &Pair) -> Option<Duration> {
    let (begun, mut probes) = (Instant::now(), HashSet::new());
    let mut events = pair.alice.handle().subscribe();
    let mut step = tokio::time::interval(PROBE);
    let over_it = |via: &TransportId| via.as_str() == way.name;
    while begun.elapsed() < LIMIT {
        tokio::select! {
            _ = step.tick() => {
                let id = EnvelopeId::from_random(rand::random());
                probes.insert(id);
                let probe = request(pair.bob.name, text(100, 3), id);
                pair.alice.handle().call(Command::Send(probe)).await.unwrap();
            }
            event = events.next() => {
                let event = event.expect("the node runs");
                if is_delivered(&event).is_some_and(|(id, via)| probes.contains(&id) && over_it(&via)) {
                    return Some(begun.elapsed());
                }
            }
        }
    }
    None
}
