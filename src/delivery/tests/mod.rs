//! The machine as a driver sees it: inputs in, actions out, time by hand.

mod acks;
mod failover;
mod holding;
mod policies;
mod pressure;
mod properties;
mod queues;
mod waiting;
mod windows;

use std::time::Duration;

use super::*;
use crate::wire::{EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency};

pub(super) const START_MS: i64 = 1_800_000_000_000;

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn id(n: u64) -> EnvelopeId {
    let mut raw = [7; 16];
    // Bits of the seventh and the ninth byte are the UUID's own.
    raw[..6].copy_from_slice(&n.to_be_bytes()[2..]);
    EnvelopeId::from_random(raw)
}

pub(super) fn peer(n: u8) -> Fingerprint {
    Fingerprint::from_bytes(&[n; 20]).unwrap()
}

pub(super) fn via(name: &str) -> TransportId {
    name.parse().unwrap()
}

pub(super) fn reason(kind: ReasonKind) -> Reason {
    Reason::new(kind, format!("test: {kind:?}"))
}

/// A direct connection, as tcp is.
pub(super) fn direct() -> Capabilities {
    Capabilities {
        duplex: true,
        offline: false,
        next_hop_stores: false,
        latency: LatencyClass::Instant,
        max_frame: 1 << 20,
        leaks: vec![Leak::AddressToPeer],
        per_peer: None,
        guarantee: Guarantee::Confirmed,
        cost: Cost::Free,
    }
}

/// A relay that stores and learns who talks to whom.
pub(super) fn relay() -> Capabilities {
    Capabilities {
        offline: true,
        next_hop_stores: true,
        latency: LatencyClass::Fast,
        leaks: vec![Leak::BothEndsToServer],
        guarantee: Guarantee::Durable,
        cost: Cost::Shared,
        ..direct()
    }
}

/// A message to peer 1, composed `n` seconds after the start.
pub(super) fn message(n: u64) -> Outgoing {
    Outgoing {
        envelope_id: id(n),
        peer: peer(1),
        kind: PayloadType::Message,
        mode: Mode::Failover,
        policy: Policy::default(),
        urgency: Urgency::Normal,
        size: 1_000,
        composed: Timestamp::from_unix_ms(START_MS),
        ttl_seconds: 86_400,
        max_retries: 5,
        prefer: Vec::new(),
        fallback: Vec::new(),
        wants_ack: true,
    }
}

pub(super) fn ack_message(n: u64) -> Outgoing {
    Outgoing { kind: PayloadType::Ack, wants_ack: false, ..message(n) }
}

/// One send the machine asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) at: Duration,
    pub(super) attempt: AttemptId,
    pub(super) id: EnvelopeId,
    pub(super) via: String,
}

/// A machine, its clock, and everything it said.
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) mono: Duration,
    /// How far the wall clock was set away from the truth, in milliseconds.
    pub(super) skew_ms: i64,
    pub(super) said: Vec<(Duration, Action)>,
}

impl Bench {
    /// Peer 1 with routes over these transports, all up, priorities in this order.
    pub(super) fn new(transports: &[(&str, Capabilities)]) -> Self {
        Self::with(Config { jitter: 0.0, ..Config::default() }, transports)
    }

    pub(super) fn with(config: Config, transports: &[(&str, Capabilities)]) -> Self {
        let mut bench = Self { machine: Machine::new(config, 1), mono: secs(1_000), skew_ms: 0, said: Vec::new() };
        for (priority, (name, capabilities)) in (1..).zip(transports) {
            let (id, capabilities) = (via(name), capabilities.clone());
            bench.give(Input::Transport { id: id.clone(), capabilities, priority, enabled: true });
            bench.give(Input::TransportUp { id });
        }
        bench.routes(1, &transports.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        bench.said.clear();
        bench
    }

    pub(super) fn routes(&mut self, n: u8, names: &[&str]) {
        let routes = names.iter().map(|name| (via(name), format!("{name}-{n}"))).collect();
        self.give(Input::Peer { peer: peer(n), routes });
    }

    pub(super) fn now(&self) -> Now {
        let ms = i64::try_from(self.mono.as_millis()).unwrap() - 1_000_000;
        Now { mono: self.mono, wall: Timestamp::from_unix_ms(START_MS + ms + self.skew_ms) }
    }

    pub(super) fn give(&mut self, input: Input) -> Vec<Action> {
        let actions = self.machine.handle(self.now(), input);
        self.said.extend(actions.iter().map(|action| (self.mono, action.clone())));
        actions
    }

    /// Lets time pass, waking the machine whenever it asks to be.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.mono + time;
        let mut wakes = 0;
        while let Some(at) = self.machine.next_wake().filter(|at| *at <= end) {
            self.mono = self.mono.max(at);
            self.give(Input::Wake);
            wakes += 1;
            assert!(wakes < 100_000, "the machine does not let its driver sleep");
        }
        self.mono = end;
    }

    pub(super) fn submit(&mut self, out: Outgoing) -> Vec<Sent> {
        let before = self.said.len();
        self.give(Input::Submit(out));
        self.sent_since(before)
    }

    pub(super) fn accept(&mut self, sent: &Sent) {
        self.give(Input::AttemptAccepted { attempt: sent.attempt, accepted_by: None, bytes: 1_100 });
    }

    pub(super) fn fail(&mut self, sent: &Sent, kind: ReasonKind) -> Vec<Sent> {
        let before = self.said.len();
        self.give(Input::AttemptFailed { attempt: sent.attempt, reason: reason(kind), retry: Retry::Later });
        self.sent_since(before)
    }

    pub(super) fn ack(&mut self, sent: &Sent) {
        let path = via(&sent.via);
        self.give(Input::Acked { envelope_id: sent.id, via: Some(path.clone()), ack_via: path });
    }

    pub(super) fn down(&mut self, name: &str) {
        self.give(Input::TransportDown { id: via(name), reason: reason(ReasonKind::Unreachable), retry_in: None });
    }

    pub(super) fn up(&mut self, name: &str) -> Vec<Sent> {
        let before = self.said.len();
        self.give(Input::TransportUp { id: via(name) });
        self.sent_since(before)
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent_since(0)
    }

    pub(super) fn sent_since(&self, from: usize) -> Vec<Sent> {
        let sends = self.said[from..].iter().filter_map(|(at, action)| match action {
            Action::Send { attempt, envelope_id, via, .. } => {
                Some(Sent { at: *at, attempt: *attempt, id: *envelope_id, via: via.to_string() })
            }
            _ => None,
        });
        sends.collect()
    }

    pub(super) fn last_sent(&self) -> Sent {
        self.sent().pop().expect("something was sent")
    }

    /// Accepts and acks what was sent after the first `from`, until there are `count` of them; in which order they went.
    pub(super) fn all_arrive(&mut self, from: usize, count: usize) -> Vec<EnvelopeId> {
        let mut done = from;
        while done < from + count {
            let sent = self.sent();
            assert!(sent.len() > done, "stuck after {done}");
            for sent in &sent[done..] {
                self.accept(sent);
                self.ack(sent);
            }
            done = sent.len();
        }
        self.sent()[from..].iter().map(|sent| sent.id).collect()
    }

    /// The names of the states a message went through, with paths.
    pub(super) fn states(&self, of: EnvelopeId) -> Vec<String> {
        let states = self.said.iter().filter_map(|(_, action)| match action {
            Action::State { envelope_id, state, .. } if *envelope_id == of => Some(match state {
                MessageState::InFlight { via }
                | MessageState::Accepted { via, .. }
                | MessageState::Delivered { via, .. } => format!("{} {via}", state.name()),
                MessageState::Queued { reason: Some(reason), .. }
                | MessageState::Held { reason }
                | MessageState::Failed { reason } => format!("{} {:?}", state.name(), reason.kind),
                _ => state.name().to_owned(),
            }),
            _ => None,
        });
        states.collect()
    }

    pub(super) fn outcomes(&self, of: EnvelopeId) -> Vec<String> {
        let lines = self.machine.attempts(&of).iter().map(|record| {
            let outcome = match &record.outcome {
                AttemptOutcome::Running => "running",
                AttemptOutcome::Accepted => "accepted",
                AttemptOutcome::Acked { .. } => "acked",
                AttemptOutcome::Silent { .. } => "silent",
                AttemptOutcome::Failed { .. } => "failed",
                AttemptOutcome::Cancelled => "cancelled",
            };
            format!("{} {outcome}", record.via)
        });
        lines.collect()
    }

    pub(super) fn forgotten(&self, of: EnvelopeId) -> bool {
        self.said.iter().any(|(_, action)| *action == Action::Forget { envelope_id: of })
    }

    pub(super) fn breaker(&self, name: &str) -> Breaker {
        let health = self.machine.health(self.now());
        health.into_iter().find(|health| health.transport == via(name)).unwrap().breaker
    }
}
