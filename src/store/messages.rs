//! Messages in and out: insertion, the unique index, what changes about them later.

use super::{
    Insert, MessageRecord, OutboxEntry, Progress, ReceiptKind, ReceiptRecord, Seen, Store, StoreError, Writing,
    codec::{Standing, StoredConversation, StoredId, StoredMessage, StoredReceipt, decode, encode, from_json, to_json},
    engine::Batch,
    layout::{IndexName, POSITION_BITS, Table, after_prefix, id_key, index_key, position_of, thread_key},
    value::ReadError,
};
use crate::{
    delivery::{AttemptRecord, MessageState, TransportId},
    wire::{EnvelopeId, Fingerprint, Timestamp, limits},
};

/// How far a sender's clock may be ahead before its messages are placed by arrival, in milliseconds.
pub const SKEW_MS: i64 = 60_000;
/// A message composed so much before the newest of its conversation is late, in milliseconds.
pub const LATE_AFTER_MS: i64 = 5 * 60_000;
/// How long marks of envelopes that are not messages are kept, in milliseconds (28 days). Messages are
/// remembered for as long as they are kept.
pub const DEDUP_KEEP_MS: i64 = 28 * 24 * 3600 * 1000;
/// Most ids [`Store::mark_read`] returns.
pub const MARK_READ_MAX: usize = 1000;
/// Most paths kept of a message.
const PATHS_MAX: usize = limits::PATHS_PER_PEER;
/// Most attempts [`Store::attempts`] returns, the latest.
const ATTEMPTS_MAX: usize = 1000;
/// Most marks removed in one call of [`Store::prune`].
const PRUNE_MAX: usize = 10_000;

/// Refuses what is too large before anything is done with it.
pub(super) fn bound(what: &'static str, bytes: usize, limit: usize) -> Result<(), StoreError> {
    if bytes > limit { Err(StoreError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

impl Store {
    /// Stores a message that the peer of its conversation sent: the message, its dedup mark, the thread index and the unread count, all or
    /// nothing. Decides its position and whether it is late.
    ///
    /// A message is placed by its time of composition. It is placed by arrival when that time is more than
    /// [`SKEW_MS`] ahead of our clock, or when newer ones were shown already: it was composed more than
    /// [`LATE_AFTER_MS`] before the newest, or would come before the read mark.
    ///
    /// # Errors
    /// When a value is too large or the store fails.
    pub fn insert_incoming(&self, record: &MessageRecord) -> Result<Insert, StoreError> {
        check(record)?;
        let mut writing = self.writing();
        if let Some(known) = self.id_entry(&record.conversation.peer, &record.envelope_id)? {
            let same = known.digest.is_some() && known.digest == record.digest;
            return Ok(if same { Insert::Duplicate } else { Insert::Forgery });
        }
        let mut batch = Batch::default();
        let (position, late) = self.place(&mut writing, record, &mut batch)?;
        Ok(Insert::New { position, late })
    }

    /// Stores a message of ours together with the envelope that waits to be sent, all or nothing. Its position
    /// comes after all that was in the conversation.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when we used the id before, or the recipient did; else when a value is too large or the store fails.
    pub fn insert_outgoing(
        &self,
        record: &MessageRecord,
        entry: &OutboxEntry,
        envelope: &[u8],
    ) -> Result<u64, StoreError> {
        check(record)?;
        let mut writing = self.writing();
        if self.is_used(&record.conversation.peer, &record.envelope_id)? {
            return Err(StoreError::Exists(record.envelope_id));
        }
        let mut batch = Batch::default();
        self.add_outbox(&mut batch, entry, envelope)?;
        Ok(self.place(&mut writing, record, &mut batch)?.0)
    }

    /// Whether we used the id before, with anybody, or `peer` did.
    fn is_used(&self, peer: &Fingerprint, id: &EnvelopeId) -> Result<bool, StoreError> {
        let with_peer = index_key(&self.vault.keys, peer, id);
        let prefix = Table::Ids.key(&[&id_key(&self.vault.keys, id)]);
        let end = after_prefix(&prefix).unwrap_or_default();
        // One look at the index answers nearly always: nobody used it.
        match self.vault.engine.scan(&prefix, &end, false).next().transpose()? {
            None => Ok(false),
            Some((key, _)) if *key == *with_peer.as_slice() => Ok(true),
            Some(_) => Ok(self.id_entry(peer, id)?.is_some() || self.outgoing(id)?.is_some()),
        }
    }

    /// Adds a message at its place to the batch, applies the batch and remembers the counters.
    fn place(
        &self,
        writing: &mut Writing,
        record: &MessageRecord,
        batch: &mut Batch,
    ) -> Result<(u64, bool), StoreError> {
        let keys = &self.vault.keys;
        let thread = thread_key(keys, &record.conversation);
        let mut counters = self.counters(writing, &thread, &record.conversation)?;
        let (ms, late) = placement(record, &counters);
        let position = self.free_position(writing, ms)?;

        let record = MessageRecord { late, ..record.clone() };
        let stored = encode("a message", &StoredMessage::of(&record)?)?;
        self.vault.put(batch, Table::Messages.key(&[&position.to_be_bytes()]), &stored)?;
        batch.put(Table::Threads.key(&[&thread, &position.to_be_bytes()]), Vec::new());
        let id = StoredId { position: Some(position), digest: record.digest, at: record.stored.unix_ms() };
        let id_at = index_key(keys, &record.conversation.peer, &record.envelope_id);
        self.vault.put(batch, id_at, &encode("an id", &id)?)?;

        counters.messages += 1;
        if record.incoming {
            counters.unread += 1;
        }
        if position >= counters.last_position {
            counters.last_position = position;
            counters.last_at = ms;
        }
        let counted = encode("a conversation", &counters)?;
        self.vault.put(batch, Table::Conversations.key(&[&thread]), &counted)?;

        self.vault.engine.apply(batch)?;
        writing.last_position = writing.last_position.max(position);
        writing.remember(thread, counters);
        Ok((position, late))
    }

    /// A position of the millisecond `ms` (or shortly after) that no message has.
    fn free_position(&self, writing: &Writing, ms: i64) -> Result<u64, StoreError> {
        let mut slot = u64::try_from(ms).unwrap_or(0);
        loop {
            let (first, end) = (slot << POSITION_BITS, (slot + 1) << POSITION_BITS);
            if first > writing.last_position {
                return Ok(first);
            }
            // The newest of all is of this millisecond, as in any burst: nothing to look for.
            if writing.last_position + 1 < end {
                return Ok(writing.last_position + 1);
            }
            let (from, to) = (Table::Messages.key(&[&first.to_be_bytes()]), Table::Messages.key(&[&end.to_be_bytes()]));
            let taken = self.vault.engine.scan(&from, &to, true).next().transpose()?;
            match taken.and_then(|(key, _)| position_of(&key)) {
                None => return Ok(first),
                Some(last) if last + 1 < end => return Ok(last + 1),
                Some(_) => slot += 1,
            }
        }
    }

    fn id_entry(&self, peer: &Fingerprint, id: &EnvelopeId) -> Result<Option<StoredId>, StoreError> {
        let key = index_key(&self.vault.keys, peer, id);
        Ok(self.vault.get(&key)?.map(|plain| decode(&plain).map_err(ReadError::from)).transpose()?)
    }

    /// Whether an envelope with this id was exchanged with `peer` before, and whether it was this one. What others
    /// did with the same id says nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn seen(&self, peer: &Fingerprint, id: &EnvelopeId, digest: &[u8; 32]) -> Result<Seen, StoreError> {
        Ok(match self.id_entry(peer, id)? {
            None => Seen::No,
            Some(entry) if entry.digest.as_ref() == Some(digest) => Seen::Same,
            Some(_) => Seen::Different,
        })
    }

    /// Marks an envelope of `peer` that is not a message (an ack, a receipt) as seen at `at`. Kept for [`DEDUP_KEEP_MS`].
    /// Marking a known one again changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mark_seen(
        &self,
        peer: &Fingerprint,
        id: &EnvelopeId,
        digest: &[u8; 32],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let _writing = self.writing();
        if self.id_entry(peer, id)?.is_some() {
            return Ok(());
        }
        let key = index_key(&self.vault.keys, peer, id);
        let mut batch = Batch::default();
        let entry = StoredId { position: None, digest: Some(*digest), at: at.unix_ms() };
        batch.put(Table::Marks.key(&[&marked_at(at), key.get(1..).unwrap_or_default()]), Vec::new());
        self.vault.put(&mut batch, key, &encode("an id", &entry)?)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// Forgets marks older than [`DEDUP_KEEP_MS`], at most 10 000 a call. Returns how many; the caller may call
    /// again while that is not 0.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune(&self, now: Timestamp) -> Result<usize, StoreError> {
        let _writing = self.writing();
        let end = Table::Marks.key(&[&marked_at(now.plus_ms(-DEDUP_KEEP_MS))]);
        let mut batch = Batch::default();
        let mut count = 0;
        for entry in self.vault.engine.scan(&Table::Marks.start(), &end, false).take(PRUNE_MAX) {
            let (key, _) = entry?;
            if let Some(name) = key.last_chunk::<{ size_of::<IndexName>() }>() {
                batch.remove(Table::Ids.key(&[name]));
            }
            batch.remove(key.to_vec());
            count += 1;
        }
        self.vault.engine.apply(&batch)?;
        Ok(count)
    }

    /// The message with this id that was exchanged with `peer`, and its position.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there but cannot be read; else when the store fails.
    pub fn message_with(
        &self,
        peer: &Fingerprint,
        id: &EnvelopeId,
    ) -> Result<Option<(u64, MessageRecord)>, StoreError> {
        let entry = self.id_entry(peer, id)?;
        entry.and_then(|entry| entry.position).map_or(Ok(None), |position| self.indexed_message(position, id))
    }

    /// The message of ours with this id, and its position.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when one with this id cannot be read; else when the store fails.
    pub fn outgoing(&self, id: &EnvelopeId) -> Result<Option<(u64, MessageRecord)>, StoreError> {
        Ok(self.messages_with_id(id)?.into_iter().find(|(_, record)| !record.incoming))
    }

    /// The message with this id and its position, when the peer is not known. When several peers used the id: ours,
    /// else the one that came first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when one with this id cannot be read; else when the store fails.
    pub fn message(&self, id: &EnvelopeId) -> Result<Option<(u64, MessageRecord)>, StoreError> {
        let found = self.messages_with_id(id)?;
        Ok(found.into_iter().min_by_key(|(position, record)| (record.incoming, record.stored, *position)))
    }

    fn messages_with_id(&self, id: &EnvelopeId) -> Result<Vec<(u64, MessageRecord)>, StoreError> {
        let prefix = Table::Ids.key(&[&id_key(&self.vault.keys, id)]);
        let end = after_prefix(&prefix).unwrap_or_default();
        let mut found = Vec::new();
        for entry in self.vault.engine.scan(&prefix, &end, false) {
            let (key, stored) = entry?;
            let plain = self.vault.unseal(&key, &stored)?;
            let entry: StoredId = decode(&plain).map_err(ReadError::from)?;
            if let Some(position) = entry.position {
                found.extend(self.indexed_message(position, id)?);
            }
        }
        Ok(found)
    }

    /// The message that the index says is at `position`.
    fn indexed_message(&self, position: u64, id: &EnvelopeId) -> Result<Option<(u64, MessageRecord)>, StoreError> {
        match self.message_at(position)? {
            Some(record) => Ok(Some((position, record))),
            None => Err(StoreError::Damaged(format!("message {id} is missing"))),
        }
    }

    /// The message at a position.
    pub(super) fn message_at(&self, position: u64) -> Result<Option<MessageRecord>, ReadError> {
        let key = Table::Messages.key(&[&position.to_be_bytes()]);
        match self.vault.engine.get(&key)? {
            Some(stored) => self.open_message(&key, &stored).map(Some),
            None => Ok(None),
        }
    }

    /// The message the engine holds under `key`, with what changed since.
    pub(super) fn open_message(&self, key: &[u8], stored: &[u8]) -> Result<MessageRecord, ReadError> {
        let plain = self.vault.unseal(key, stored)?;
        let message: StoredMessage = decode(&plain)?;
        let changed = self.standing(key)?;
        let record = message.into_record(changed.as_ref());
        if record.is_err() {
            self.vault.report(key);
        }
        Ok(record?)
    }

    /// What changed about the message with this key; none when nothing did.
    fn standing(&self, message_key: &[u8]) -> Result<Option<Standing>, ReadError> {
        let key = Table::Standing.key(&[message_key.get(1..).unwrap_or_default()]);
        Ok(self.vault.get(&key)?.map(|plain| decode(&plain)).transpose()?)
    }

    /// Sets how an outgoing message stands, in its conversation and in the outbox. A state never goes back: a
    /// lower rank than the one it has is ignored, and the answer is `false`.
    ///
    /// # Errors
    /// [`StoreError::NoMessage`] when the id is neither a message nor in the outbox; else when the store fails.
    pub fn set_state(&self, id: &EnvelopeId, state: &MessageState, retries: u32) -> Result<bool, StoreError> {
        let _writing = self.writing();
        let entry = self.outbox_entry(id)?;
        let message = match &entry {
            Some(entry) => self.message_with(&entry.to, id)?.filter(|(_, record)| !record.incoming),
            None => self.outgoing(id)?,
        };
        if message.is_none() && entry.is_none() {
            return Err(StoreError::NoMessage(*id));
        }
        let mut batch = Batch::default();
        if let Some((position, record)) = &message {
            if state.rank() < record.state.rank() {
                return Ok(false);
            }
            self.put_standing(&mut batch, *position, &Standing::new(state, &record.paths, retries)?)?;
        }
        if let Some(entry) = entry {
            if state.rank() < entry.state.rank() {
                return Ok(false);
            }
            let entry = OutboxEntry { state: state.clone(), retries, ..entry };
            self.put_outbox_facts(&mut batch, &entry, entry.size)?;
        }
        self.vault.engine.apply(&batch)?;
        Ok(true)
    }

    /// Brings a message that was stored with [`Store::insert_outgoing`] up to date, all or nothing. A state never goes back:
    /// one of a lower rank than the stored one is left out, the rest of the progress is kept.
    ///
    /// # Errors
    /// When a value is too large or the store fails.
    pub fn record_progress(&self, id: &EnvelopeId, progress: &Progress) -> Result<(), StoreError> {
        let _writing = self.writing();
        let mut batch = Batch::default();
        for attempt in progress.attempts.values() {
            self.put_attempt(&mut batch, id, attempt)?;
        }
        if let Some((state, retries)) = &progress.state
            && self.put_progress(&mut batch, progress.position, state, *retries)?
            && !progress.done
            && let Some(entry) = self.outbox_entry(id)?
        {
            let entry = OutboxEntry { state: state.clone(), retries: *retries, ..entry };
            self.put_outbox_facts(&mut batch, &entry, entry.size)?;
        }
        if progress.done {
            self.drop_envelope(&mut batch, id)?;
        }
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// Notes the state of the message of ours at `position`, and whether it was: one of a lower rank than the noted one is not.
    /// Where nothing is noted the message was queued; what cannot be read is written anew.
    fn put_progress(
        &self,
        batch: &mut Batch,
        position: u64,
        state: &MessageState,
        retries: u32,
    ) -> Result<bool, StoreError> {
        let noted = match self.standing(&Table::Messages.key(&[&position.to_be_bytes()])) {
            Err(ReadError::Engine(error)) => return Err(error.into()),
            noted => noted,
        };
        if let Ok(Some(noted)) = &noted
            && noted.state().is_ok_and(|noted| state.rank() < noted.rank())
        {
            return Ok(false);
        }
        // A message of ours came by no path.
        let standing = Standing::new(state, &[], retries)?;
        if let Ok(None) = noted {
            let key = Table::Standing.key(&[&position.to_be_bytes()]);
            self.vault.put(batch, key, &encode("a state", &standing)?)?;
        } else {
            self.put_standing(batch, position, &standing)?;
        }
        Ok(true)
    }

    fn put_standing(&self, batch: &mut Batch, position: u64, standing: &Standing) -> Result<(), StoreError> {
        let key = Table::Standing.key(&[&position.to_be_bytes()]);
        self.vault.replace(batch, key, &encode("a state", standing)?)
    }

    /// Notes that a message exchanged with `peer` came over one more path. Returns whether the path is new for it.
    ///
    /// # Errors
    /// [`StoreError::NoMessage`] when there is no such message; else when the store fails.
    pub fn add_path(&self, peer: &Fingerprint, id: &EnvelopeId, path: &TransportId) -> Result<bool, StoreError> {
        let _writing = self.writing();
        let (position, mut record) = self.message_with(peer, id)?.ok_or(StoreError::NoMessage(*id))?;
        if record.paths.contains(path) || record.paths.len() >= PATHS_MAX {
            return Ok(false);
        }
        record.paths.push(path.clone());
        let key = Table::Messages.key(&[&position.to_be_bytes()]);
        let retries = self.standing(&key)?.map_or(0, |standing| standing.retries);
        let mut batch = Batch::default();
        self.put_standing(&mut batch, position, &Standing::new(&record.state, &record.paths, retries)?)?;
        self.vault.engine.apply(&batch)?;
        Ok(true)
    }

    /// Writes a line of the message's ledger; the same number again replaces the line.
    ///
    /// # Errors
    /// When the store fails.
    pub fn record_attempt(&self, id: &EnvelopeId, attempt: &AttemptRecord) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.put_attempt(&mut batch, id, attempt)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    fn put_attempt(&self, batch: &mut Batch, id: &EnvelopeId, attempt: &AttemptRecord) -> Result<(), StoreError> {
        let key = Table::Attempts.key(&[&id_key(&self.vault.keys, id), &attempt.number.to_be_bytes()]);
        self.vault.put(batch, key, &to_json("an attempt", attempt)?)
    }

    /// The message's ledger in order, at most the latest 1000 lines.
    ///
    /// # Errors
    /// When the store fails; damaged lines are skipped.
    pub fn attempts(&self, id: &EnvelopeId) -> Result<Vec<AttemptRecord>, StoreError> {
        let prefix = Table::Attempts.key(&[&id_key(&self.vault.keys, id)]);
        let mut attempts = self.read_prefix(&prefix, ATTEMPTS_MAX, from_json::<AttemptRecord>)?;
        attempts.reverse();
        Ok(attempts)
    }

    /// Keeps a receipt; the same kind over the same path replaces the older one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn record_receipt(&self, id: &EnvelopeId, receipt: &ReceiptRecord) -> Result<(), StoreError> {
        let keys = &self.vault.keys;
        let via = receipt.via.as_ref().map(|via| via.as_str().to_owned());
        let path = keys.hide(3, &[via.as_deref().unwrap_or_default().as_bytes()]);
        let kind = receipt_number(receipt.kind);
        let key = Table::Receipts.key(&[&id_key(keys, id), &[kind], &path]);
        let stored = StoredReceipt { kind, via, at: receipt.at.unix_ms() };
        let mut batch = Batch::default();
        self.vault.put(&mut batch, key, &encode("a receipt", &stored)?)?;
        Ok(self.vault.engine.apply(&batch)?)
    }

    /// The receipts of a message, ordered by time.
    ///
    /// # Errors
    /// When the store fails; damaged ones are skipped.
    pub fn receipts(&self, id: &EnvelopeId) -> Result<Vec<ReceiptRecord>, StoreError> {
        let prefix = Table::Receipts.key(&[&id_key(&self.vault.keys, id)]);
        let mut receipts = self.read_prefix(&prefix, usize::MAX, |plain| {
            let stored: StoredReceipt = decode(plain)?;
            let via = stored.via.map(|via| via.parse().map_err(|_| super::codec::Malformed)).transpose()?;
            Ok(ReceiptRecord { kind: receipt_kind(stored.kind)?, via, at: Timestamp::from_unix_ms(stored.at) })
        })?;
        receipts.sort_by(|a, b| (a.at, a.kind, &a.via).cmp(&(b.at, b.kind, &b.via)));
        Ok(receipts)
    }

    /// The readable values under a prefix, the last `limit` in descending order of keys.
    pub(super) fn read_prefix<T>(
        &self,
        prefix: &[u8],
        limit: usize,
        read: impl Fn(&[u8]) -> Result<T, super::codec::Malformed>,
    ) -> Result<Vec<T>, StoreError> {
        let end = after_prefix(prefix).unwrap_or_default();
        let mut found = Vec::new();
        for entry in self.vault.engine.scan(prefix, &end, true).take(limit) {
            let (key, stored) = entry?;
            match self.vault.unseal(&key, &stored).and_then(|plain| Ok(read(&plain)?)) {
                Ok(value) => found.push(value),
                Err(ReadError::Value) => self.vault.report(&key),
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

impl Writing {
    /// Keeps a conversation's counters at hand. Bounded: a flood of threads must not fill the memory.
    pub(super) fn remember(&mut self, thread: super::ThreadKey, counters: StoredConversation) {
        if self.conversations.len() >= 4096 && !self.conversations.contains_key(&thread) {
            self.conversations.clear();
        }
        self.conversations.insert(thread, counters);
    }
}

/// The millisecond a message is placed at, and whether it is late.
fn placement(record: &MessageRecord, counters: &StoredConversation) -> (i64, bool) {
    let (composed, stored) = (record.composed.unix_ms(), record.stored.unix_ms());
    let by_time = if composed > stored.saturating_add(SKEW_MS) { stored } else { composed };
    let newest = if counters.messages == 0 { i64::MIN } else { counters.last_at };
    if !record.incoming {
        // An answer never stands before what it answers, whatever the peer's clock says.
        return (by_time.max(newest), false);
    }
    let shown = counters.read_up_to.map_or(i64::MIN, |read| i64::try_from(read >> POSITION_BITS).unwrap_or(i64::MAX));
    let late = by_time < newest.saturating_sub(LATE_AFTER_MS) || by_time < shown;
    if late { (stored.max(newest), true) } else { (by_time, false) }
}

fn check(record: &MessageRecord) -> Result<(), StoreError> {
    bound("a message", record.content.len(), limits::BODY_BYTES)?;
    bound("a name", record.from_name.len(), 4 * limits::NAME_BYTES)?;
    bound("a media type", record.content_type.len(), 1024)?;
    bound("a payload type", record.kind.as_str().len(), 1024)?;
    bound("a list of paths", record.paths.len(), PATHS_MAX)
}

/// Milliseconds as a key that orders by time.
fn marked_at(at: Timestamp) -> [u8; 8] {
    u64::try_from(at.unix_ms()).unwrap_or(0).to_be_bytes()
}

fn receipt_number(kind: ReceiptKind) -> u8 {
    match kind {
        ReceiptKind::AckSent => 0,
        ReceiptKind::ReadSent => 1,
        ReceiptKind::Acked => 2,
        ReceiptKind::Read => 3,
    }
}

fn receipt_kind(number: u8) -> Result<ReceiptKind, super::codec::Malformed> {
    match number {
        0 => Ok(ReceiptKind::AckSent),
        1 => Ok(ReceiptKind::ReadSent),
        2 => Ok(ReceiptKind::Acked),
        3 => Ok(ReceiptKind::Read),
        _ => Err(super::codec::Malformed),
    }
}
