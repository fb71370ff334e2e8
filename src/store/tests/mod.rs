//! Tests of the store through its public interface, except where files are damaged on purpose.

mod behaviour;
mod crash;
mod damage;
mod migration;

use std::path::Path;

use super::*;
use crate::{
    delivery::{MessageState, TransportId},
    identity::TrustLevel,
    wire::{Conversation, EnvelopeId, Fingerprint, Mode, PayloadType, Timestamp, Urgency},
};

/// A moment the tests start at, in Unix milliseconds.
const T0: i64 = 1_790_000_000_000;

fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(T0 + ms)
}

fn open(dir: &Path) -> Store {
    let opened = Store::open(dir, &key(), at(0)).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    opened.store
}

fn id(number: u64) -> EnvelopeId {
    let mut random = [0; 16];
    random[8..].copy_from_slice(&number.to_be_bytes());
    EnvelopeId::from_random(random)
}

fn talk(peer: u8, thread: &str) -> Conversation {
    Conversation { peer: Fingerprint::from_bytes(&[peer; 20]).unwrap(), thread_id: thread.parse().unwrap() }
}

fn path(name: &str) -> TransportId {
    name.parse().unwrap()
}

/// An incoming message composed and stored at `ms` after the start.
fn incoming(number: u64, conversation: &Conversation, ms: i64) -> MessageRecord {
    MessageRecord {
        envelope_id: id(number),
        conversation: conversation.clone(),
        incoming: true,
        from_name: "Lumina".to_owned(),
        kind: PayloadType::Message,
        content_type: "text/plain".to_owned(),
        content: format!("message number {number}"),
        in_reply_to: None,
        composed: at(ms),
        stored: at(ms),
        state: MessageState::Received,
        paths: vec![path("file")],
        urgency: Urgency::Normal,
        mode: Mode::Failover,
        late: false,
        trust: TrustLevel::Verified,
        digest: Some([number as u8; 32]),
    }
}

/// An outgoing message with its outbox entry.
fn outgoing(number: u64, conversation: &Conversation, ms: i64) -> (MessageRecord, OutboxEntry) {
    let state = MessageState::Queued { next_try: None, reason: None };
    let record = MessageRecord {
        incoming: false,
        state: state.clone(),
        paths: Vec::new(),
        digest: None,
        ..incoming(number, conversation, ms)
    };
    let entry = OutboxEntry {
        envelope_id: record.envelope_id,
        to: conversation.peer,
        kind: PayloadType::Message,
        composed: record.composed,
        expires: record.composed.plus_ms(86_400_000),
        mode: Mode::Failover,
        urgency: Urgency::Normal,
        state,
        retries: 0,
        max_retries: 5,
        size: 0,
        facts: b"facts".to_vec(),
    };
    (record, entry)
}
