//! The six transports, each against its real server, all measured alike: a table with a column for each.
//!
//! What a transport needs to be measured is in `ways.rs`, one function each. All that comes after is the same for all:
//! two nodes with the transport and a *spare* path, which is switched on only where the transport's death is looked at.
//!
//! Speed is measured of one transport after the other. Outages are mostly waiting, so they are looked at together; nodes take turns
//! where milliseconds count. Every part has its time, so that the whole ends after a few minutes whatever is wrong.

mod outages;
mod ways;

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::join_all};
use skcomm_tui::{
    delivery::{MessageState, TransportId},
    node::{Command, Event, EventStream},
    transport::registry::TransportConfig,
    wire::EnvelopeId,
};
use tokio::sync::Semaphore;

use crate::{
    figures::{Figure, median, percentile, said},
    paths::{BUSY, Run, exchange, request, runtime},
    servers::free_port,
    world::{Inhabitant, text},
};
use ways::{User, Way};

/// Pairs of nodes that meet for the first time.
const MEETINGS: usize = 3;
/// The other path, a tcp transport of its own.
const SPARE: &str = "spare";
/// Bytes of a message, but where its bytes are counted.
const CONTENT: usize = 1024;
/// Messages one at a time: at least so many, and on until there are so many or so much time has passed.
const ALONE: (usize, usize, Duration) = (20, 400, Duration::from_secs(4));
/// How long many messages are under way, by what a first run lets expect, and how many at most.
const CROWDED: (f64, usize) = (3.0, 5_000);
/// Messages of so many bytes are counted on the wire …
const SMALL: usize = 100;
/// … so many of them, one at a time and with many under way.
const COUNTED: (usize, usize) = (30, 2 * BUSY);
/// No single message takes longer.
const LIMIT: Duration = Duration::from_secs(30);
/// No part takes longer.
const PART: Duration = Duration::from_secs(60);
/// No transport's outages take longer, with the waits for the others' turns.
const OUTAGES: Duration = Duration::from_secs(150);

/// `SKCOMM_BENCH_NETWORKS` chooses some, with commas between.
pub(crate) fn measure() -> Vec<Figure> {
    let chosen = std::env::var("SKCOMM_BENCH_NETWORKS").ok();
    let is_wanted = |name: &str| chosen.as_ref().is_none_or(|list| list.split(',').any(|one| one.trim() == name));
    runtime().block_on(async {
        let begun = Instant::now();
        let mut measured = Vec::new();
        for name in ways::NAMES.into_iter().filter(|name| is_wanted(name)) {
            measured.push(Measured::at_work(name).await);
        }
        let turn = Semaphore::new(1);
        join_all(measured.iter_mut().map(|one| one.in_outages(&turn))).await;
        eprintln!("  all of them: {:.0} s", begun.elapsed().as_secs_f64());
        measured.into_iter().flat_map(|one| one.figures.into_iter().map(move |figure| figure.of(one.name))).collect()
    })
}

/// A transport and what was found out of it so far.
struct Measured {
    name: &'static str,
    figures: Vec<Figure>,
    /// None where nothing more can be found out.
    subject: Option<(Way, Pair)>,
}

impl Measured {
    /// Sets everything up, and measures how fast it is.
    async fn at_work(name: &'static str) -> Self {
        let mut this = Self { name, figures: Vec::new(), subject: None };
        let set_up = bounded("everything", PART, ways::set_up(name)).await;
        let mut way = match set_up {
            Ok(Ok(way)) => way,
            Ok(Err(why)) => {
                this.figures.push(Figure::not_measured("everything", why));
                return this;
            }
            Err(figure) => {
                this.figures.push(figure);
                return this;
            }
        };
        let mut pair = None;
        this.part("set-up", PART, meetings(&mut way, &mut pair)).await;
        let Some(pair) = pair else { return this };
        this.part("send to delivered", PART, pace(&pair)).await;
        this.part("bytes on the wire", PART, bytes(&way, &pair)).await;
        this.subject = Some((way, pair));
        this
    }

    /// Sees what becomes of it when it dies.
    async fn in_outages(&mut self, turn: &Semaphore) {
        let Some((way, mut pair)) = self.subject.take() else { return };
        let mut restarts = Vec::new();
        self.part("cut", OUTAGES, outages::cut(&way, &mut pair, turn, &mut restarts)).await;
        self.part("silent", OUTAGES, outages::silence(&way, &mut pair, turn, &mut restarts)).await;
        self.part("return without another path", OUTAGES, outages::wait(&way, &mut pair, turn, &mut restarts)).await;
        self.figures.extend(summary("both nodes started again to first delivered", &mut restarts));
        let stopping = async {
            pair.alice.stop().await;
            pair.bob.stop().await;
            Vec::new()
        };
        self.part("stopping the nodes", PART, stopping).await;
    }

    /// What cannot be measured costs the rest nothing.
    async fn part(&mut self, what: &str, limit: Duration, work: impl Future<Output = Vec<Figure>>) {
        let begun = Instant::now();
        match bounded(what, limit, work).await {
            Ok(figures) => self.figures.extend(figures),
            Err(figure) => self.figures.push(figure),
        }
        eprintln!("  {}, {what}: {:.1} s", self.name, begun.elapsed().as_secs_f64());
    }
}

/// The outcome of a measurement, or that there is none and why.
async fn bounded<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> Result<T, Figure> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(why)) => Err(Figure::not_measured(what, said(&*why))),
        Err(_) => Err(Figure::not_measured(what, format!("it was not done within {limit:?}"))),
    }
}

/// The median and the slowest of a few.
fn summary(name: &str, samples: &mut [Duration]) -> Vec<Figure> {
    let Some(slowest) = percentile(samples, 100) else { return Vec::new() };
    let note = format!("{} times", samples.len());
    vec![
        Figure::ms(format!("{name}, median"), median(samples)).note(note),
        Figure::ms(format!("{name}, slowest"), slowest),
    ]
}

/// Two nodes that know each other's address on the transport.
struct Pair {
    alice: Inhabitant,
    bob: Inhabitant,
}

impl Pair {
    /// Two new nodes, which take nothing but the transport.
    async fn meet(way: &Way, users: &[User; 2]) -> Self {
        let new = |name, user: &User| {
            let spare = TransportConfig::new("tcp").with("listen", format!("127.0.0.1:{}", free_port()));
            // By priority the spare is the last choice, however slow the other one is.
            let spare = TransportConfig { enabled: false, priority: 1000, ..spare };
            let measured = TransportConfig { priority: 0, ..user.config.clone() };
            Inhabitant::start_with(name, [(way.name, measured), (SPARE, spare)])
        };
        let pair = Self { alice: new("alice", &users[0]), bob: new("bob", &users[1]) };
        for (from, to, user) in [(&pair.alice, &pair.bob, &users[1]), (&pair.bob, &pair.alice, &users[0])] {
            let address = match &user.address {
                Some(address) => address.clone(),
                None => to.address(way.name).await,
            };
            from.befriend(to, way.name, address).await;
        }
        pair
    }

    fn both(&self) -> [&Inhabitant; 2] {
        [&self.alice, &self.bob]
    }

    /// Sends a message from Alice to Bob.
    async fn send(&self) -> Sent {
        let events = self.alice.handle().subscribe();
        let envelope_id = EnvelopeId::from_random(rand::random());
        let sent = Sent { envelope_id, events, begun: Instant::now() };
        let send = Command::Send(request(self.bob.name, text(CONTENT, 1), envelope_id));
        self.alice.handle().call(send).await.unwrap();
        sent
    }

    /// Sends a message and waits until it is delivered over the transport.
    async fn deliver(&self, way: &Way) {
        let (via, _) = self.send().await.delivered().await;
        assert_eq!(via.as_str(), way.name, "another path was taken");
    }
}

/// A message on its way.
struct Sent {
    envelope_id: EnvelopeId,
    events: EventStream,
    begun: Instant,
}

impl Sent {
    /// Waits for an event that fits; says how long after the send it came.
    async fn wait<T>(&mut self, what: &str, mut fits: impl FnMut(&Event) -> Option<T>) -> (T, Duration) {
        let looking = async {
            loop {
                let event = self.events.next().await.expect("the node runs");
                if let Event::Lagged(missed) = event {
                    panic!("{missed} events were missed");
                }
                if let Some(found) = fits(&event) {
                    return (found, self.begun.elapsed());
                }
            }
        };
        let found = tokio::time::timeout(LIMIT, looking).await;
        found.unwrap_or_else(|_| panic!("a message was not {what} within {LIMIT:?}"))
    }

    /// Waits until it is delivered; says over which path, and how long after the send.
    async fn delivered(&mut self) -> (TransportId, Duration) {
        let id = self.envelope_id;
        self.wait("delivered", |event| is_delivered(event).filter(|(of, _)| *of == id).map(|(_, via)| via)).await
    }
}

/// Which message was delivered over which path, if that is what the event says.
fn is_delivered(event: &Event) -> Option<(EnvelopeId, TransportId)> {
    match event {
        Event::State { envelope_id, state: MessageState::Delivered { via, .. }, .. } => {
            Some((*envelope_id, via.clone()))
        }
        _ => None,
    }
}

/// From the start of two new nodes until the first message is delivered. The last two go on.
async fn meetings(way: &mut Way, last: &mut Option<Pair>) -> Vec<Figure> {
    let mut took = Vec::new();
    for users in std::mem::take(&mut way.users) {
        if let Some(Pair { mut alice, mut bob }) = last.take() {
            alice.stop().await;
            bob.stop().await;
        }
        let begun = Instant::now();
        let pair = Pair::meet(way, &users).await;
        pair.deliver(way).await;
        took.push(begun.elapsed());
        *last = Some(pair);
    }
    summary("two new nodes started to first delivered", &mut took)
}

/// Fills caches and ends all introductions.
async fn warm(pair: &Pair) {
    let content = text(CONTENT, 2);
    exchange(&pair.bob, &pair.alice, &content, 8, 4).await;
    exchange(&pair.alice, &pair.bob, &content, 8, 4).await;
}

/// How long a message takes, and how many there are a second.
async fn pace(pair: &Pair) -> Vec<Figure> {
    warm(pair).await;
    let content = text(CONTENT, 1);
    let (least, most, time) = ALONE;
    let (begun, mut alone) = (Instant::now(), Vec::new());
    while alone.len() < least || (alone.len() < most && begun.elapsed() < time) {
        alone.extend(exchange(&pair.alice, &pair.bob, &content, least / 2, 1).await.took);
    }
    let mut busy = crowd(pair, &content).await;
    let ms = |name: &str, percent, took: &mut [Duration]| {
        Figure::ms(format!("send to delivered, {name}, p{percent}"), percentile(took, percent).unwrap())
    };
    let crowded = format!("{BUSY} under way");
    vec![
        ms("one at a time", 50, &mut alone).note(format!("{} messages", alone.len())),
        ms("one at a time", 99, &mut alone),
        ms(&crowded, 50, &mut busy.took).note(format!("{} messages", busy.took.len())),
        ms(&crowded, 99, &mut busy.took),
        Figure::new(format!("messages a second, {crowded}"), busy.per_second, "/s"),
        Figure::new(format!("processor time a message, {crowded}"), busy.cpu_us, "µs"),
    ]
}

/// Many messages at once, for about as long as wanted. A transport that is kept busy so long by the first of them is done with these.
async fn crowd(pair: &Pair, content: &str) -> Run {
    let (seconds, most) = CROWDED;
    let first = exchange(&pair.alice, &pair.bob, content, BUSY, BUSY).await;
    let count = ((first.per_second * seconds) as usize).min(most);
    if count <= BUSY { first } else { exchange(&pair.alice, &pair.bob, content, count, BUSY).await }
}

/// All that moves for a small message, acks and the server's own talk with both included.
async fn bytes(way: &Way, pair: &Pair) -> Vec<Figure> {
    let content = text(SMALL, 1);
    let (alone, together) = COUNTED;
    let mut figures = Vec::new();
    for (messages, at_once, how) in
        [(alone, 1, "one at a time".to_owned()), (together, BUSY, format!("{BUSY} under way"))]
    {
        let before = way.line.moved().await;
        exchange(&pair.alice, &pair.bob, &content, messages, at_once).await;
        let each = (way.line.moved().await - before) as f64 / messages as f64;
        assert!(each > SMALL as f64, "not all was counted");
        let name = format!("on the wire for a message of {SMALL} bytes, {how}");
        figures.push(Figure::new(name, each, "bytes").note(format!("{messages} messages")));
    }
    figures
}
