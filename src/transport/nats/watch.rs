//! Watches what a server sends. The client library reads a message of whatever size the server announces; this ends
//! a connection on which more comes than a message may have.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{Client, Statistics};
use tokio::time::{MissedTickBehavior, interval};

use super::connect::Hearing;
use crate::delivery::{Reason, ReasonKind};

/// How often it looks. What a server can send meanwhile is the rest of what memory can be spent.
const EVERY: Duration = Duration::from_millis(100);
/// Bytes around and between messages, generously: command lines, pings, the server's news of itself.
const AROUND: u64 = 64 * 1024;

/// Watches `client` until it ends; `most` is the largest message, in bytes.
pub(super) fn watch(client: &Client, hearing: Arc<Hearing>, server: String, most: usize) {
    // Only the counters: a clone of the client would keep its connection open.
    let counters = client.statistics();
    tokio::spawn(async move {
        let reason = tokio::select! {
            _ = hearing.ended() => return,
            reason = look(&counters, &server, most) => reason,
        };
        hearing.end(reason);
    });
}

async fn look(counters: &Statistics, server: &str, most: usize) -> Reason {
    let mut gauge = Gauge { most: most as u64 + AROUND, ..Gauge::default() };
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        let messages = counters.in_messages.load(Ordering::Relaxed);
        let bytes = counters.in_bytes.load(Ordering::Relaxed);
        if gauge.exceeded(messages, bytes) {
            return Reason::new(ReasonKind::Protocol, format!("{server}: sends a message of more than {most} bytes"));
        }
    }
}

/// Tells messages from a flood by the counters alone.
#[derive(Debug, Default)]
struct Gauge {
    most: u64,
    messages: u64,
    bytes: u64,
}

impl Gauge {
    /// Whether more bytes came than the messages since the last whole one can have had, with one under way.
    fn exceeded(&mut self, messages: u64, bytes: u64) -> bool {
        let whole = messages.saturating_sub(self.messages);
        let came = bytes.saturating_sub(self.bytes);
        if came > self.most.saturating_mul(whole.saturating_add(1)) {
            return true;
        }
        if whole > 0 {
            (self.messages, self.bytes) = (messages, bytes);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_pass_and_an_endless_one_does_not() {
        let mut gauge = Gauge { most: 1000, ..Gauge::default() };
        for n in 1..100 {
            assert!(!gauge.exceeded(n, n * 1000));
        }
        assert!(!gauge.exceeded(99, 99 * 1000 + 999), "one is under way");
        assert!(gauge.exceeded(99, 100 * 1000 + 1), "it does not end");
    }
}
