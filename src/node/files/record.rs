//! What the store keeps of a transfer.

use serde::{Deserialize, Serialize};

use super::{Transfer, TransferState, bitmap::Bitmap, source::SourceFacts};
use crate::{
    delivery::Policy,
    store::{Store, StoreError},
    wire::{Digest, EnvelopeId, FileManifest, Fingerprint, Mode, SafeText, ThreadId, Timestamp},
};

/// The store's name for transfers.
pub(super) const NAMESPACE: &str = "transfers";
/// The store's name for the sums of the chunks of files we send.
pub(super) const SUMS: &str = "transfer-sums";
/// Most transfers that are remembered after their end.
const ENDED_MAX: usize = 1000;

/// Names a transfer here: the other end, and the envelope that offered the file. What another peer offers under the
/// same id is another transfer.
pub(super) type Key = (Fingerprint, EnvelopeId);

/// A transfer as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::node) struct Record {
    pub(super) peer: Fingerprint,
    pub(super) id: EnvelopeId,
    pub(super) thread_id: ThreadId,
    pub(super) incoming: bool,
    pub(super) mode: Mode,
    pub(super) policy: Policy,
    /// As its sender calls it.
    pub(super) name: String,
    pub(super) size: u64,
    #[serde(with = "hex")]
    pub(super) sha256: Digest,
    pub(super) chunk_bytes: u64,
    /// Durable at the recipient, as far as this end knows.
    pub(super) have: Bitmap,
    pub(super) state: TransferState,
    /// The other end wants a pause.
    pub(super) paused_there: bool,
    /// Our words on it so far, and the latest of the other end.
    pub(super) turn_here: u64,
    pub(super) turn_there: u64,
    /// Whether the other end has not acked our latest word.
    pub(super) untold: bool,
    /// Outgoing: the file as it was when it was offered.
    pub(super) source: Option<SourceFacts>,
    /// Incoming: the peer's folder in the downloads folder, and the name the file will get.
    pub(super) folder: String,
    pub(super) safe_name: String,
    pub(super) since: Timestamp,
}

impl Record {
    pub(super) fn key(&self) -> Key {
        (self.peer, self.id)
    }

    pub(super) fn manifest(&self) -> FileManifest {
        FileManifest {
            name: self.name.clone(),
            size: self.size,
            sha256: self.sha256,
            chunk_bytes: self.chunk_bytes,
            media_type: None,
        }
    }

    pub(super) fn chunks(&self) -> u64 {
        self.manifest().chunks()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.have.count() >= self.chunks()
    }

    /// Bytes that are durable at the recipient.
    pub(super) fn bytes(&self) -> u64 {
        let chunks = self.chunks();
        let (count, last) = (self.have.count(), chunks.saturating_sub(1));
        let missing_of_last = chunks * self.chunk_bytes - self.size;
        let has_last = u32::try_from(last).is_ok_and(|last| chunks > 0 && self.have.has(last));
        (count * self.chunk_bytes).saturating_sub(if has_last { missing_of_last } else { 0 })
    }

    /// Its name, safe to show.
    pub(super) fn view_name(&self) -> SafeText {
        SafeText::line(&self.name)
    }

    /// Whether chunks may be on their way.
    pub(super) fn is_running(&self) -> bool {
        self.state == TransferState::Running && !self.paused_there
    }

    /// As faces see it.
    pub(super) fn view(
        &self,
        peer_name: SafeText,
        rate: Option<u64>,
        via: Option<crate::delivery::TransportId>,
    ) -> Transfer {
        let state = match &self.state {
            TransferState::Running if self.paused_there => TransferState::Paused { by_peer: true, reason: None },
            state => state.clone(),
        };
        Transfer {
            transfer: self.id,
            peer: self.peer,
            peer_name,
            thread_id: self.thread_id.clone(),
            incoming: self.incoming,
            name: self.view_name(),
            size: self.size,
            bytes: self.bytes(),
            rate: rate.filter(|_| state == TransferState::Running),
            state,
            via,
            chunks_out: 0,
            since: self.since,
        }
    }

    /// Writes it. Runs on the store's writer.
    pub(super) fn put(&self, store: &Store) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        store.put_blob(NAMESPACE, &blob_name(&self.key()), &bytes)
    }

    /// Writes it unless there is one: an offer that comes again does not undo what came since.
    pub(in crate::node) fn put_new(&self, store: &Store) -> Result<(), StoreError> {
        match store.blob(NAMESPACE, &blob_name(&self.key()))? {
            Some(_) => Ok(()),
            None => self.put(store),
        }
    }
}

/// What is read at the start.
#[derive(Debug, Default)]
pub(in crate::node) struct Loaded(pub(super) Vec<(Record, Option<Vec<u8>>)>);

impl Loaded {
    /// Reads all transfers, with the sums of those that go out; forgets the oldest that ended, and those whose offer
    /// was never written because the program died in between.
    pub(in crate::node) fn read(store: &Store, warnings: &mut Vec<SafeText>) -> Result<Self, StoreError> {
        let mut all: Vec<Record> = Vec::new();
        for (name, bytes) in store.blobs(NAMESPACE)? {
            match serde_json::from_slice(&bytes) {
                Ok(record) => all.push(record),
                Err(error) => warnings.push(SafeText::line(&format!("file transfer {name} cannot be read: {error}"))),
            }
        }
        all.sort_by_key(|record| std::cmp::Reverse(record.since));
        let (mut ended, mut kept) = (0, Vec::new());
        for record in all {
            ended += usize::from(record.state.is_final());
            let offered = record.incoming || store.outgoing(&record.id)?.is_some();
            if !offered || (record.state.is_final() && ended > ENDED_MAX) {
                store.remove_blob(NAMESPACE, &blob_name(&record.key()))?;
                store.remove_blob(SUMS, &blob_name(&record.key()))?;
                continue;
            }
            let sums = match record.incoming || record.state.is_final() {
                true => None,
                false => store.blob(SUMS, &blob_name(&record.key()))?,
            };
            kept.push((record, sums));
        }
        Ok(Self(kept))
    }
}

/// The store's name for one transfer.
pub(super) fn blob_name(key: &Key) -> String {
    format!("{}/{}", key.0, key.1)
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::wire::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Digest, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}
