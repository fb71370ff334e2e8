//! Conversations: counters, read marks, drafts.

use super::{
    ConversationRecord, MARK_READ_MAX, Store, StoreError, ThreadKey, Writing,
    codec::{StoredConversation, StoredDraft, decode, encode},
    engine::Batch,
    layout::{POSITION_BITS, Table, after_prefix, position_of, thread_key},
    messages::bound,
    value::ReadError,
};
use crate::wire::{Conversation, EnvelopeId, limits};

impl Store {
    /// A conversation's counters: those at hand, those stored, or fresh ones.
    pub(super) fn counters(
        &self,
        writing: &Writing,
        thread: &ThreadKey,
        conversation: &Conversation,
    ) -> Result<StoredConversation, StoreError> {
        if let Some(counters) = writing.conversations.get(thread) {
            return Ok(counters.clone());
        }
        match self.stored_counters(thread) {
            Ok(Some(counters)) => Ok(counters),
            Ok(None) => Ok(StoredConversation::new(conversation)),
            Err(ReadError::Value) => Ok(self.recount(thread, conversation)?),
            Err(ReadError::Engine(error)) => Err(error.into()),
        }
    }

    /// The counters as stored.
    pub(super) fn stored_counters(&self, thread: &ThreadKey) -> Result<Option<StoredConversation>, ReadError> {
        let key = Table::Conversations.key(&[thread]);
        Ok(self.vault.get(&key)?.map(|plain| decode(&plain)).transpose()?)
    }

    /// Counts a conversation anew from its messages; the read mark is lost, so all of it counts as read.
    pub(super) fn recount(
        &self,
        thread: &ThreadKey,
        conversation: &Conversation,
    ) -> Result<StoredConversation, StoreError> {
        let mut counters = StoredConversation::new(conversation);
        for position in self.thread_positions(thread, None, None, false) {
            counters.messages += 1;
            counters.last_position = position?;
        }
        if counters.messages > 0 {
            counters.last_at = i64::try_from(counters.last_position >> POSITION_BITS).unwrap_or(i64::MAX);
            counters.read_up_to = Some(counters.last_position);
        }
        Ok(counters)
    }

    /// The positions of a conversation between `after` and `before`, both exclusive, ascending or backwards.
    pub(super) fn thread_positions(
        &self,
        thread: &ThreadKey,
        after: Option<u64>,
        before: Option<u64>,
        backwards: bool,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let prefix = Table::Threads.key(&[thread]);
        let start = match after {
            Some(position) => Table::Threads.key(&[thread, &position.saturating_add(1).to_be_bytes()]),
            None => prefix.clone(),
        };
        let end = match before {
            Some(position) => Table::Threads.key(&[thread, &position.to_be_bytes()]),
            None => after_prefix(&prefix).unwrap_or_default(),
        };
        // An empty range must not reach the engine the wrong way round.
        let end = if end < start { start.clone() } else { end };
        self.vault.engine.scan(&start, &end, backwards).filter_map(|entry| match entry {
            Ok((key, _)) => position_of(&key).map(Ok),
            Err(error) => Some(Err(error.into())),
        })
    }

    /// All conversations, in no particular order.
    ///
    /// # Errors
    /// When the store fails. A conversation whose counters are damaged is counted anew from its messages.
    pub fn conversations(&self) -> Result<Vec<ConversationRecord>, StoreError> {
        let mut found = Vec::new();
        for entry in self.vault.engine.scan(&Table::Conversations.start(), &Table::Conversations.end(), false) {
            let (key, stored) = entry?;
            let plain = self.vault.unseal(&key, &stored);
            let record = plain.and_then(|plain| Ok(decode::<StoredConversation>(&plain)?.into_record()?));
            match record {
                Ok(record) => found.push(record),
                Err(ReadError::Value) => found.extend(self.recover_conversation(&key)?),
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// A conversation whose counters are damaged, from its newest readable message.
    fn recover_conversation(&self, key: &[u8]) -> Result<Option<ConversationRecord>, StoreError> {
        self.vault.report(key);
        let Some(thread) = key.last_chunk::<16>() else { return Ok(None) };
        for position in self.thread_positions(thread, None, None, true) {
            match self.message_at(position?) {
                Ok(Some(record)) => {
                    let counters = self.recount(thread, &record.conversation)?;
                    return Ok(counters.into_record().ok());
                }
                Ok(None) | Err(ReadError::Value) => {}
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// One conversation at a glance; none when it has no message.
    ///
    /// # Errors
    /// When the store fails.
    pub fn conversation(&self, conversation: &Conversation) -> Result<Option<ConversationRecord>, StoreError> {
        let thread = thread_key(&self.vault.keys, conversation);
        let counters = self.counters(&self.writing(), &thread, conversation)?;
        if counters.messages == 0 {
            return Ok(None);
        }
        Ok(Some(counters.into_record().map_err(ReadError::from)?))
    }

    /// Everything up to and including position `up_to` was seen. Returns the incoming messages that were not
    /// seen before, newest first, at most the newest [`MARK_READ_MAX`]. The mark never goes back.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mark_read(&self, conversation: &Conversation, up_to: u64) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut writing = self.writing();
        let thread = thread_key(&self.vault.keys, conversation);
        let mut counters = self.counters(&writing, &thread, conversation)?;
        let up_to = up_to.min(counters.last_position);
        if counters.messages == 0 || counters.read_up_to.is_some_and(|read| read >= up_to) {
            return Ok(Vec::new());
        }
        let all = up_to >= counters.last_position;
        let (mut read, mut ids) = (0, Vec::new());
        for position in self.thread_positions(&thread, counters.read_up_to, up_to.checked_add(1), true) {
            // Nothing unread is left, or the rest is neither counted one by one nor reported.
            if read >= counters.unread || (all && ids.len() >= MARK_READ_MAX) {
                break;
            }
            match self.message_at(position?) {
                Ok(Some(record)) if record.incoming => {
                    read += 1;
                    if ids.len() < MARK_READ_MAX {
                        ids.push(record.envelope_id);
                    }
                }
                Ok(_) | Err(ReadError::Value) => {}
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        counters.unread = if all { 0 } else { counters.unread.saturating_sub(read) };
        counters.read_up_to = Some(up_to);
        let mut batch = Batch::default();
        let plain = encode("a conversation", &counters)?;
        self.vault.put(&mut batch, Table::Conversations.key(&[&thread]), &plain)?;
        self.vault.engine.apply(&batch)?;
        writing.remember(thread, counters);
        Ok(ids)
    }

    /// Keeps a draft; an empty text removes it.
    ///
    /// # Errors
    /// When it is longer than `wire::limits::TEXT_BYTES` or the store fails.
    pub fn save_draft(&self, conversation: &Conversation, text: &str) -> Result<(), StoreError> {
        bound("a draft", text.len(), limits::TEXT_BYTES)?;
        let _writing = self.writing();
        let key = Table::Drafts.key(&[&thread_key(&self.vault.keys, conversation)]);
        let mut batch = Batch::default();
        if text.is_empty() {
            self.vault.remove(&mut batch, key)?;
        } else {
            self.vault.replace(&mut batch, key, &encode("a draft", &StoredDraft::new(conversation, text))?)?;
        }
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// All drafts, ordered by conversation.
    ///
    /// # Errors
    /// When the store fails; damaged ones are skipped.
    pub fn drafts(&self) -> Result<Vec<(Conversation, String)>, StoreError> {
        let mut drafts = self.read_prefix(&Table::Drafts.start(), usize::MAX, |plain| {
            let draft: StoredDraft = decode(plain)?;
            Ok((draft.conversation()?, draft.text))
        })?;
        drafts.sort();
        Ok(drafts)
    }
}
