//! From what is stored to what faces see.

use super::{ConversationSummary, Message, people::Names};
use crate::{
    store::{ConversationRecord, MessageRecord},
    wire::{Content, Fingerprint, PayloadType, SafeText},
};

/// A stored message as faces see it. This is where foreign text becomes [`SafeText`].
pub(super) fn message(position: u64, record: MessageRecord, names: &Names, own_name: &str) -> Message {
    let peer = peer_name(names, &record.conversation.peer, &record.from_name, record.incoming);
    let own = SafeText::line(own_name);
    let content = match record.kind {
        PayloadType::File => SafeText::line(&super::files::message_text(&record.content).unwrap_or(record.content)),
        _ => SafeText::body(&record.content),
    };
    let (from, to) = if record.incoming { (peer, own) } else { (own, peer) };
    Message {
        envelope_id: record.envelope_id,
        thread_id: record.conversation.thread_id,
        in_reply_to: record.in_reply_to,
        peer: record.conversation.peer,
        from,
        to,
        kind: record.kind,
        content_type: SafeText::line(&record.content_type),
        content,
        timestamp: record.composed,
        position,
        state: record.state,
        paths: record.paths,
        attempts: None,
        urgency: record.urgency,
        mode: record.mode,
        late: record.late,
        trust: record.trust,
    }
}

/// The name the user gave; what the peer called itself when the user has removed it; else its key.
fn peer_name(names: &Names, key: &Fingerprint, claimed: &str, incoming: bool) -> SafeText {
    match names.get(key) {
        Some(name) => name.clone(),
        None if incoming && !claimed.is_empty() => SafeText::line(claimed),
        None => SafeText::line(&key.short()),
    }
}

/// A stored conversation as faces see it.
pub(super) fn conversation(record: ConversationRecord, names: &Names) -> ConversationSummary {
    ConversationSummary {
        peer_name: peer_name(names, &record.conversation.peer, "", false),
        conversation: record.conversation,
        messages: record.messages,
        unread: record.unread,
        read_up_to: record.read_up_to,
        last_position: record.last_position,
        last_at: record.last_at,
    }
}

/// The content as text: objects as indented JSON.
pub(super) fn content_text(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Object(object) => serde_json::to_string_pretty(object).unwrap_or_default(),
    }
}
