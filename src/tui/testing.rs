//! For tests: a screen in memory that is driven by key strings, over a node that answers from memory.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    command::Cmd,
    keymap::{Code, Key, Keymap, Named, parse_keys},
    model::Model,
    theme::Theme,
    update::{self, Effect, Effects, Msg},
    view,
};
use crate::{
    delivery::{
        AttemptOutcome, AttemptRecord, Capabilities, Cost, Guarantee, LatencyClass, Leak, MessageState, Reason,
        ReasonKind, TransportId,
    },
    identity::TrustLevel,
    node::{
        Breaker, Candidate, Command, ConversationSummary, Event, KeyEvent as KeyHistory, KeyInfo, Message, NodeError,
        NodeErrorKind, Peer, Reply, RoutePlan, SendRequest, Skipped, Status, Trace, TransportHealth,
    },
    transport::TransportState,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, SafeText, ThreadId, Timestamp, Urgency},
};

/// The instant at which the tests' clocks stand: 20 November 2026, 14:32:00 UTC.
pub(crate) const NOW: i64 = 1_795_185_120_000;

pub(crate) fn at(ms_ago: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW - ms_ago)
}

pub(crate) fn id(n: u64) -> EnvelopeId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes[0] = 0x3f;
    EnvelopeId::from_random(bytes)
}

pub(crate) fn transport(name: &str) -> TransportId {
    name.parse().unwrap()
}

pub(crate) fn fingerprint(n: u8) -> Fingerprint {
    Fingerprint::from_bytes(&[n; 20]).unwrap()
}

pub(crate) fn conversation(peer: u8, thread: &str) -> Conversation {
    Conversation { peer: fingerprint(peer), thread_id: thread.parse().unwrap() }
}

pub(crate) fn message(n: u64, conversation: &Conversation, text: &str) -> Message {
    Message {
        envelope_id: id(n),
        thread_id: conversation.thread_id.clone(),
        in_reply_to: None,
        peer: conversation.peer,
        from: SafeText::line("lumina"),
        to: SafeText::line("opus"),
        kind: PayloadType::Message,
        content_type: SafeText::line("text/plain"),
        content: SafeText::body(text),
        timestamp: at(0),
        position: n,
        state: MessageState::Received,
        paths: vec![transport("file")],
        attempts: None,
        urgency: Urgency::Normal,
        mode: Mode::Failover,
        late: false,
        trust: TrustLevel::Verified,
    }
}

pub(crate) fn own(n: u64, conversation: &Conversation, text: &str, state: MessageState) -> Message {
    let (from, to) = (SafeText::line("opus"), SafeText::line("lumina"));
    Message { from, to, state, paths: Vec::new(), ..message(n, conversation, text) }
}

pub(crate) fn peer(name: &str, key: u8, trust: TrustLevel) -> Peer {
    Peer {
        name: SafeText::line(name),
        fingerprint: Some(fingerprint(key)),
        fqid: Some(SafeText::line(&format!("{name}@chef.skworld"))),
        trust,
        routes: vec![(transport("tcp"), SafeText::line("127.0.0.1:9999"))],
        defaults: Default::default(),
        threads: Default::default(),
        last_seen: Some(at(5_000)),
        presence: Default::default(),
        conflict: None,
        blocked: false,
        muted: false,
        request: false,
        warning: None,
        key: Some(KeyInfo {
            algorithms: SafeText::line("Ed25519 + Curve25519"),
            version: 4,
            created: at(86_400_000 * 30),
            expires: None,
            user_ids: vec![SafeText::line(&format!("{name} <{name}@example.org>"))],
        }),
        history: vec![KeyHistory { at: at(86_400_000 * 20), what: SafeText::line("pinned on first use") }],
    }
}

pub(crate) fn health(name: &str, priority: u16, state: TransportState) -> TransportHealth {
    TransportHealth {
        transport: transport(name),
        kind: SafeText::line(name),
        state,
        address: None,
        opens: None,
        bulk_opens: None,
        max_bytes: None,
        priority,
        capabilities: Capabilities {
            duplex: true,
            offline: name == "file",
            next_hop_stores: name == "relay",
            latency: LatencyClass::Instant,
            max_frame: 16 * 1024 * 1024,
            leaks: vec![Leak::AddressToPeer],
            per_peer: None,
            guarantee: Guarantee::Confirmed,
            cost: Cost::Free,
        },
        latency_ms: Some(f64::from(priority) / 10.0),
        recent_ms: vec![1.0, 2.0, 1.0, 4.0, 1.5],
        success: 0.98,
        sent: 41,
        failed: 1,
        received: 12,
        bytes_out: 42_000,
        bytes_in: 12_000,
        in_flight: 0,
        breaker: Breaker::Closed,
        errors: vec![(at(60_000), Reason::new(ReasonKind::Timeout, "no answer in 5 s"))],
    }
}

fn down() -> TransportState {
    let reason = Reason::new(ReasonKind::RateLimited, "rate limited by the relay");
    TransportState::Down { reason, retry_in_ms: Some(42_000) }
}

/// A node that answers from memory.
#[derive(Clone)]
pub(crate) struct FakeNode {
    pub(crate) status: Status,
    pub(crate) peers: Vec<Peer>,
    pub(crate) messages: BTreeMap<Conversation, Vec<Message>>,
    pub(crate) drafts: BTreeMap<Conversation, String>,
    pub(crate) read: BTreeMap<Conversation, u64>,
    pub(crate) transports: Vec<TransportHealth>,
    pub(crate) traces: BTreeMap<EnvelopeId, (Option<RoutePlan>, Vec<AttemptRecord>)>,
    /// Every command that came, in order.
    pub(crate) asked: Vec<Command>,
    /// Refuse everything that sends with this.
    pub(crate) refuse_send: Option<NodeError>,
}

impl FakeNode {
    /// A node with a few peers and conversations.
    pub(crate) fn sample() -> Self {
        let (lumina, blueprint) = (conversation(0xA1, "general"), conversation(0xA1, "blueprint"));
        let jarvis = conversation(0xB2, "general");
        let stranger = conversation(0xEE, "general");
        let mut quote = own(14, &blueprint, "Sending the photos", delivered("noise", 3));
        quote.in_reply_to = Some(id(13));
        quote.timestamp = at(60_000);
        let mut urgent = own(15, &blueprint, "URGENT: leave the house", delivered("file", 1));
        (urgent.mode, urgent.urgency, urgent.timestamp) = (Mode::Broadcast, Urgency::Critical, at(55_000));
        let mut yesterday = message(12, &blueprint, "Shall I start the print?\nThe bed is warm.");
        yesterday.timestamp = at(86_400_000);
        let mut done = message(13, &blueprint, "The print is done! 🎉");
        (done.timestamp, done.late) = (at(120_000), true);
        let next_try = Some(at(-42_000));
        let reason = Some(Reason::new(ReasonKind::Unreachable, "connection refused"));
        let queued = own(16, &blueprint, "Are you there?", MessageState::Queued { next_try, reason });
        let messages = BTreeMap::from([
            (lumina.clone(), vec![message(1, &lumina, "Hello"), message(2, &lumina, "Anyone home?")]),
            (blueprint, vec![yesterday, done, quote, urgent, queued]),
            (jarvis.clone(), vec![message(30, &jarvis, "Ready when you are.")]),
            (
                stranger.clone(),
                vec![Message { from: SafeText::line("stranger"), ..message(40, &stranger, "Hi, I am new here") }],
            ),
        ]);
        let mut jarvis_peer = peer("jarvis", 0xB2, TrustLevel::Sovereign);
        jarvis_peer.last_seen = Some(at(3_600_000));
        Self {
            status: Status {
                name: SafeText::line("opus"),
                fqid: Some(SafeText::line("opus@chef.skworld")),
                fingerprint: fingerprint(0x0F),
                uptime_ms: 61_000,
                pid: 4242,
                queued: 1,
                held: 0,
                unread: 3,
                transports: transports(),
                refused: BTreeMap::from([("bad_signature".to_owned(), 2)]),
                duplicates: 3,
                defaults: Default::default(),
                warnings: Vec::new(),
            },
            peers: vec![peer("lumina", 0xA1, TrustLevel::Verified), jarvis_peer],
            read: BTreeMap::from([(lumina, 0), (jarvis, 30), (stranger, 0)]),
            messages,
            drafts: BTreeMap::new(),
            transports: transports(),
            traces: BTreeMap::from([(id(15), (Some(plan()), attempts()))]),
            asked: Vec::new(),
            refuse_send: None,
        }
    }

    /// A node with one conversation of so many messages.
    pub(crate) fn long(count: u64) -> Self {
        let general = conversation(0xA1, "general");
        let text = |n: u64| format!("Message number {n}{}", " and more words to wrap".repeat((n % 7) as usize));
        let of = |n: u64| match n % 5 {
            0 => own(n, &general, &text(n), delivered("tcp", n % 90)),
            _ => message(n, &general, &text(n)),
        };
        let mut list: Vec<Message> = (1..=count).map(of).collect();
        for (n, message) in list.iter_mut().enumerate() {
            message.timestamp = at((count as i64 - n as i64) * 60_000);
        }
        let mut node = Self::sample();
        node.messages = BTreeMap::from([(general.clone(), list)]);
        node.read = BTreeMap::from([(general, count)]);
        node
    }

    pub(crate) fn summaries(&self) -> Vec<ConversationSummary> {
        let summary = |(c, list): (&Conversation, &Vec<Message>)| {
            let read = self.read.get(c).copied();
            let unread = list.iter().filter(|m| m.incoming() && m.position > read.unwrap_or(u64::MAX)).count();
            let last = list.last()?;
            Some(ConversationSummary {
                conversation: c.clone(),
                peer_name: last.from.clone(),
                messages: list.len() as u64,
                unread: unread as u64,
                read_up_to: read,
                last_position: last.position,
                last_at: last.timestamp,
            })
        };
        self.messages.iter().filter_map(summary).collect()
    }

    fn find(&self, id: &EnvelopeId) -> Option<&Message> {
        self.messages.values().flatten().find(|m| m.envelope_id == *id)
    }

    /// Answers a command, with the events that follow from it.
    pub(crate) fn answer(&mut self, command: Command) -> (Result<Reply, NodeError>, Vec<Event>) {
        self.asked.push(command.clone());
        let missing = || NodeError::new(NodeErrorKind::NotFound, "No such message");
        let reply = match command {
            Command::Status => Ok(Reply::Status(Box::new(self.status.clone()))),
            Command::Peers => Ok(Reply::Peers(self.peers.clone())),
            Command::Conversations => Ok(Reply::Conversations(self.summaries())),
            Command::Drafts => Ok(Reply::Drafts(self.drafts.clone().into_iter().collect())),
            Command::Transports => Ok(Reply::Transports(self.transports.clone())),
            Command::History(query) => {
                let key: Fingerprint = query.peer.as_ref().unwrap().parse().unwrap();
                let thread = query.thread_id.clone().unwrap_or_else(ThreadId::general);
                let list = self.messages.get(&Conversation { peer: key, thread_id: thread });
                let list = list.map(Vec::as_slice).unwrap_or_default();
                let from = query.after.map_or(0, |after| list.partition_point(|m| m.position <= after));
                let to = query.before.map_or(list.len(), |before| list.partition_point(|m| m.position < before));
                let range = if query.after.is_some() {
                    from..to.min(from + query.limit)
                } else {
                    to.saturating_sub(query.limit)..to
                };
                Ok(Reply::Messages(list[range].to_vec()))
            }
            Command::Trace { envelope_id } => match self.find(&envelope_id).cloned() {
                Some(message) => {
                    let (plan, attempts) = self.traces.get(&envelope_id).cloned().unwrap_or_default();
                    Ok(Reply::Trace(Box::new(Trace { message, plan, attempts })))
                }
                None => Err(missing()),
            },
            Command::MarkRead { conversation, up_to } => {
                let position = self.find(&up_to).map_or(0, |m| m.position);
                self.read.insert(conversation.clone(), position);
                let summary = self.summaries().into_iter().find(|s| s.conversation == conversation);
                let events = summary.into_iter().map(|s| Event::Conversation(Box::new(s))).collect();
                return (Ok(Reply::Done), events);
            }
            Command::SaveDraft { conversation, text } => {
                self.drafts.insert(conversation, text);
                Ok(Reply::Done)
            }
            Command::Send(request) => return self.send(request),
            Command::Search { search_id, text, .. } => {
                let found = self.messages.values().flatten().filter(|m| m.content.as_str().contains(&text));
                let events: Vec<Event> =
                    found.map(|m| Event::SearchHit { search_id, message: Box::new(m.clone()) }).collect();
                return (Ok(Reply::SearchDone { search_id, hits: events.len(), more: false }), events);
            }
            Command::QueueList { .. } => {
                let waiting = self.messages.values().flatten().filter(|m| !m.state.is_final() && !m.incoming());
                Ok(Reply::Messages(waiting.cloned().collect()))
            }
            Command::RouteExplain(_) => Ok(Reply::Plan(plan())),
            Command::KeyExport { .. } => Ok(Reply::Certificate("-----BEGIN PGP".to_owned())),
            Command::TrustSet { peer, level } => {
                let found = self.peers.iter_mut().find(|p| p.name.as_str() == peer).unwrap();
                found.trust = level;
                Ok(Reply::Peer(Box::new(found.clone())))
            }
            Command::ConflictResolve { peer, .. } => {
                let found = self.peers.iter_mut().find(|p| p.name.as_str() == peer).unwrap();
                found.conflict = None;
                Ok(Reply::Peer(Box::new(found.clone())))
            }
            Command::QueueRetry { .. } | Command::QueuePurge { .. } => Ok(Reply::Count(1)),
            _ => Ok(Reply::Done),
        };
        (reply, Vec::new())
    }

    fn send(&mut self, request: SendRequest) -> (Result<Reply, NodeError>, Vec<Event>) {
        if let Some(error) = self.refuse_send.clone() {
            return (Err(error), Vec::new());
        }
        let peer = request.to.parse().unwrap();
        let conversation = Conversation { peer, thread_id: request.thread_id.clone().unwrap() };
        let list = self.messages.entry(conversation.clone()).or_default();
        let position = list.last().map_or(1_000, |m| m.position + 1);
        let state = MessageState::Queued { next_try: None, reason: None };
        let mut sent = own(position, &conversation, &request.content, state);
        sent.envelope_id = request.envelope_id.unwrap();
        sent.in_reply_to = request.in_reply_to;
        list.push(sent.clone());
        let state = delivered("tcp", 3);
        let event = Event::State { envelope_id: sent.envelope_id, conversation, state };
        (Ok(Reply::Sent(Box::new(sent.clone()))), vec![Event::Message(Box::new(sent)), event])
    }
}

fn transports() -> Vec<TransportHealth> {
    vec![health("noise", 8, TransportState::Up), health("file", 11, TransportState::Up), health("relay", 30, down())]
}

pub(crate) fn delivered(via: &str, latency_ms: u64) -> MessageState {
    MessageState::Delivered { via: transport(via), latency_ms }
}

fn attempts() -> Vec<AttemptRecord> {
    let record = |number, via: &str, outcome| AttemptRecord {
        number,
        via: transport(via),
        started: at(55_000),
        took_ms: Some(2),
        bytes: 900,
        outcome,
    };
    let refused = Reason::new(ReasonKind::Unreachable, "connection refused");
    vec![
        record(1, "noise", AttemptOutcome::Failed { reason: refused }),
        record(2, "file", AttemptOutcome::Acked { after_ms: 212, ack_via: Some(transport("relay")) }),
        record(3, "relay", AttemptOutcome::Accepted),
    ]
}

fn plan() -> RoutePlan {
    let candidate = |name: &str, score| Candidate {
        transport: transport(name),
        address: SafeText::line("127.0.0.1:9999"),
        score,
        parts: vec![(SafeText::line("priority"), 80.0), (SafeText::line("latency"), score - 80.0)],
    };
    let reason = Reason::new(ReasonKind::BreakerOpen, "breaker open, probed in 42 s");
    let skipped = vec![Skipped { transport: transport("relay"), reason }];
    let candidates = vec![candidate("noise", 92.5), candidate("file", 71.0)];
    RoutePlan { candidates, skipped, ..RoutePlan::default() }
}

/// A screen in memory over a node in memory.
pub(crate) struct Harness {
    pub(crate) model: Model,
    pub(crate) node: FakeNode,
    pub(crate) terminal: Terminal<TestBackend>,
    /// What was to be done outside, apart from calls.
    pub(crate) outside: Vec<Effect>,
}

impl Harness {
    /// A screen of that size, started and settled.
    pub(crate) fn new(width: u16, height: u16, node: FakeNode) -> Self {
        let mut model = Model::new(Theme::default(), Keymap::default());
        model.set_time(0, at(0));
        model.size = (width, height);
        let mut counter = 1_000_000u64;
        model.random = Box::new(move || {
            counter += 1;
            u128::from(counter).to_be_bytes()
        });
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut harness = Self { model, node, terminal, outside: Vec::new() };
        let effects = update::start(&mut harness.model);
        harness.carry_out(effects);
        harness
    }

    /// Feeds one thing and everything that follows from it, and draws.
    pub(crate) fn feed(&mut self, msg: Msg) {
        let effects = update::update(&mut self.model, msg);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        let mut queue: std::collections::VecDeque<Effect> = effects.into();
        for _ in 0..2_000 {
            let Some(effect) = queue.pop_front() else {
                let more = self.draw();
                if more.is_empty() {
                    return;
                }
                queue.extend(more);
                continue;
            };
            let Effect::Call(tag, command) = effect else {
                self.outside.push(effect);
                continue;
            };
            let (reply, events) = self.node.answer(command);
            for event in events {
                queue.extend(update::update(&mut self.model, Msg::Event(Box::new(event))));
            }
            queue.extend(update::update(&mut self.model, Msg::Reply(tag, Box::new(reply))));
        }
        panic!("the screen does not settle");
    }

    fn draw(&mut self) -> Effects {
        let size = self.model.size;
        self.terminal.backend_mut().resize(size.0, size.1);
        let effects = view::prepare(&mut self.model);
        let model = &self.model;
        self.terminal.draw(|frame| view::draw(model, frame)).unwrap();
        effects
    }

    /// Presses keys, in the notation of the keymaps.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for key in parse_keys(keys).unwrap() {
            self.feed(Msg::Key(event(key)));
        }
        self
    }

    /// Types a text.
    pub(crate) fn write(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.feed(Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self
    }

    /// Runs a command by its name, through the palette.
    pub(crate) fn run(&mut self, line: &str) -> &mut Self {
        let open = self.model.keymap.key_in(update::context(&self.model), &Cmd::PaletteOpen).unwrap();
        self.press(&open);
        // Pasted, because ranking after each letter is slow without optimisation.
        self.feed(Msg::Paste(line.to_owned()));
        self.press("Enter")
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) -> &mut Self {
        self.feed(Msg::Resize(width, height));
        self
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, ms: u64) -> &mut Self {
        let clock = self.model.clock + ms;
        self.model.set_time(clock, self.model.now.plus_ms(ms as i64));
        self.feed(Msg::Tick);
        self
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut skip = 0;
            let mut row = String::new();
            for x in 0..buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                if skip == 0 {
                    row.push_str(symbol);
                    skip = super::text::width(symbol).max(1);
                }
                skip -= 1;
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) -> &mut Self {
        assert!(self.screen().contains(text), "{text:?} is not on the screen:\n{}", self.screen());
        self
    }

    #[track_caller]
    pub(crate) fn misses(&mut self, text: &str) -> &mut Self {
        assert!(!self.screen().contains(text), "{text:?} is on the screen:\n{}", self.screen());
        self
    }
}

pub(crate) fn event(key: Key) -> KeyEvent {
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::CONTROL, key.ctrl);
    modifiers.set(KeyModifiers::ALT, key.alt);
    modifiers.set(KeyModifiers::SHIFT, key.shift);
    let code = match key.code {
        Code::Char(c) => KeyCode::Char(c),
        Code::F(n) => KeyCode::F(n),
        Code::Named(named) => match named {
            Named::Enter => KeyCode::Enter,
            Named::Tab => KeyCode::Tab,
            Named::Esc => KeyCode::Esc,
            Named::Backspace => KeyCode::Backspace,
            Named::Delete => KeyCode::Delete,
            Named::Insert => KeyCode::Insert,
            Named::Up => KeyCode::Up,
            Named::Down => KeyCode::Down,
            Named::Left => KeyCode::Left,
            Named::Right => KeyCode::Right,
            Named::Home => KeyCode::Home,
            Named::End => KeyCode::End,
            Named::PageUp => KeyCode::PageUp,
            Named::PageDown => KeyCode::PageDown,
        },
    };
    KeyEvent::new(code, modifiers)
}
