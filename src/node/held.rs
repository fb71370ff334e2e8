//! Messages to peers whose certificate is not known yet. They cannot be sealed, so they never leave; they wait,
//! encrypted in the store, until the key comes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Message, NodeError, NodeErrorKind, Reply, SendRequest, compose::Draft, core::Core, handle::Answer};
use crate::{
    delivery::{MessageState, Reason, ReasonKind},
    identity::{PeerName, PeerProfile, TrustLevel},
    wire::{Content, EnvelopeId, Fingerprint, SafeText, ThreadId, Timestamp, limits},
};

/// The store's name for them.
const NAMESPACE: &str = "held-without-key";

/// Most bytes of content that wait; they are kept in memory, too.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Messages that wait for a key, in the order they were written.
#[derive(Default)]
pub(super) struct HeldDrafts(BTreeMap<(Timestamp, EnvelopeId), HeldDraft>);

/// A message that waits for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldDraft {
    peer: PeerName,
    at: Timestamp,
    envelope_id: EnvelopeId,
    request: SendRequest,
}

impl HeldDrafts {
    /// Reads what waits from the store.
    pub(super) fn load(
        store: &crate::store::Store,
        warnings: &mut Vec<SafeText>,
    ) -> Result<Self, crate::store::StoreError> {
        let mut held = BTreeMap::new();
        for (name, bytes) in store.blobs(NAMESPACE)? {
            match serde_json::from_slice::<HeldDraft>(&bytes) {
                Ok(draft) => drop(held.insert((draft.at, draft.envelope_id), draft)),
                Err(error) => {
                    warnings
                        .push(SafeText::line(&format!("message {name}, which waits for a key, is broken: {error}")));
                }
            }
        }
        Ok(Self(held))
    }

    /// Bytes of content that wait.
    fn bytes(&self) -> usize {
        self.0.values().map(|held| held.request.content.len()).sum()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that wait, as faces see them; only for one peer when named.
    pub(super) fn messages(&self, own_name: &str, peer: Option<&PeerName>) -> Vec<Message> {
        self.0.values().filter(|held| peer.is_none_or(|peer| held.peer == *peer)).map(|h| h.view(own_name)).collect()
    }
}

impl HeldDraft {
    fn expired(&self, now: Timestamp, default_ttl: u64) -> bool {
        let ttl_ms = self.request.ttl_seconds.unwrap_or(default_ttl).saturating_mul(1000);
        now.ms_since(self.at) > i64::try_from(ttl_ms).unwrap_or(i64::MAX)
    }

    fn view(&self, own_name: &str) -> Message {
        let request = self.request.clone();
        Message {
            envelope_id: self.envelope_id,
            thread_id: request.thread_id.unwrap_or_else(ThreadId::general),
            in_reply_to: request.in_reply_to,
            peer: placeholder(&self.peer),
            from: SafeText::line(own_name),
            to: SafeText::line(self.peer.as_str()),
            kind: request.kind.unwrap_or(crate::wire::PayloadType::Message),
            content_type: SafeText::line(request.content_type.as_deref().unwrap_or("text/plain")),
            content: SafeText::body(&request.content),
            timestamp: self.at,
            position: 0,
            state: MessageState::Held { reason: reason(&self.peer) },
            paths: Vec::new(),
            attempts: None,
            urgency: request.urgency.unwrap_or_default(),
            mode: request.mode.unwrap_or_default(),
            late: false,
            trust: TrustLevel::Untrusted,
        }
    }
}

fn reason(peer: &PeerName) -> Reason {
    let text = format!("no certificate of {peer}; add it with `skcomm peer add --name {peer} --pubkey FILE`");
    Reason::new(ReasonKind::NoKey, text)
}

/// Stands where the fingerprint of a peer without a key would stand; no certificate can have it.
fn placeholder(peer: &PeerName) -> Fingerprint {
    let mut bytes = [0; 20];
    let name = peer.folded();
    let kept = name.len().min(bytes.len());
    bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    Fingerprint::from_bytes(&bytes).unwrap_or_else(|_| unreachable!("20 bytes make a fingerprint"))
}

impl Core {
    /// Keeps a message that cannot be sealed.
    pub(super) fn hold_without_key(&mut self, peer: &PeerProfile, draft: Draft, answer: Answer) {
        if self.held.len() >= limits::QUEUED_PER_PEER || self.held.bytes() >= BYTES_MAX {
            let text = "too many messages wait for certificates; add the certificates or purge the queue";
            return answer.give(Err(NodeError::new(NodeErrorKind::Full, text)));
        }
        let Content::Text(content) = draft.content else {
            return answer.give(Err(NodeError::new(NodeErrorKind::Internal, "only texts can wait for a key")));
        };
        let held = HeldDraft {
            peer: peer.name.clone(),
            at: draft.composed,
            envelope_id: draft.envelope_id,
            request: SendRequest {
                to: peer.name.to_string(),
                kind: Some(draft.kind),
                content,
                content_type: Some(draft.content_type),
                thread_id: draft.thread_id,
                in_reply_to: draft.in_reply_to,
                mode: Some(draft.mode),
                policy: Some(draft.policy),
                urgency: Some(draft.urgency),
                ttl_seconds: Some(draft.ttl_seconds),
                envelope_id: Some(draft.envelope_id),
                // It went once without a person waiting: what answers by program does not wait for keys.
                by_person: true,
                wait_for_room: true,
            },
        };
        let bytes = match serde_json::to_vec(&held) {
            Ok(bytes) => bytes,
            Err(error) => return answer.give(Err(NodeError::new(NodeErrorKind::Internal, error.to_string()))),
        };
        let name = held.envelope_id.to_string();
        self.write(
            move |store| store.put_blob(NAMESPACE, &name, &bytes),
            move |core, written| match written {
                Ok(()) => {
                    let message = held.view(core.me.name());
                    core.held.0.insert((held.at, held.envelope_id), held);
                    core.emit(Event::Message(Box::new(message.clone())));
                    answer.give(Ok(Reply::Sent(Box::new(message))));
                }
                Err(error) => answer.give(Err(NodeError::new(NodeErrorKind::Storage, error.to_string()))),
            },
        );
    }

    /// What waits for keys that are here by now: a certificate file was added by hand, or an earlier run was killed.
    pub(super) fn release_all_held(&mut self) {
        let pinned = self.people.book.iter().filter_map(|peer| peer.fingerprint);
        let keys: Vec<Fingerprint> = pinned.filter(|key| self.keys.get(key).is_some()).collect();
        for key in keys {
            self.release_held(key);
        }
    }

    /// A peer's key came: what waited for it goes out, in the order it was written.
    pub(super) fn release_held(&mut self, key: Fingerprint) {
        let Some(peer) = self.people.book.by_key(&key).map(|peer| peer.name.clone()) else { return };
        let waiting: Vec<HeldDraft> = self.held.0.values().filter(|held| held.peer == peer).cloned().collect();
        for held in waiting {
            let id = (held.at, held.envelope_id);
            if held.expired(self.clock.now().wall, self.config.defaults.ttl_seconds) {
                let text = format!("a message to {peer} expired while it waited for the certificate; it is not sent");
                self.notice(super::NoticeLevel::Warning, text);
                let conversation = held.view(self.me.name()).conversation();
                self.emit(Event::State { envelope_id: held.envelope_id, conversation, state: MessageState::Expired });
                self.drop_held(id);
                continue;
            }
            let (handle, answered) = Answer::new();
            self.send(held.request, handle);
            self.later(answered, move |core, sent| match sent {
                Some(Ok(_)) => core.drop_held(id),
                Some(Err(error)) => core.notice(super::NoticeLevel::Error, error.message.as_str()),
                None => {}
            });
        }
    }

    fn drop_held(&mut self, id: (Timestamp, EnvelopeId)) {
        self.held.0.remove(&id);
        let name = id.1.to_string();
        self.write(
            move |store| store.remove_blob(NAMESPACE, &name),
            |core, removed| {
                if let Err(error) = removed {
                    core.storage_failed("a released message", &error);
                }
            },
        );
    }

    /// Gives up what waits for keys; says how many.
    pub(super) fn purge_held(&mut self, only: Option<EnvelopeId>, peer: Option<&PeerName>) -> usize {
        let fits = |held: &HeldDraft| {
            only.is_none_or(|id| held.envelope_id == id) && peer.is_none_or(|peer| held.peer == *peer)
        };
        let doomed: Vec<_> = self.held.0.iter().filter(|(_, held)| fits(held)).map(|(id, _)| *id).collect();
        for id in &doomed {
            self.drop_held(*id);
        }
        doomed.len()
    }
}
