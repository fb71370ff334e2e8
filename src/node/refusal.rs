//! Why an inbound frame is not accepted.

use thiserror::Error;

use crate::{
    delivery::{Reason, ReasonKind},
    pgp::PgpError,
    store::StoreError,
    wire::{BodyError, DecodeError, Fingerprint, HeaderMismatch},
};

/// Why an inbound frame is not accepted. Every one is counted by [`Refusal::kind`] in `status`.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("no envelope: {0}")]
    Decode(#[from] DecodeError),
    #[error("addressed to {0}, not to us")]
    NotForUs(Fingerprint),
    #[error("its time to live has passed")]
    Expired,
    #[error("a heartbeat that was too long under way")]
    StaleHeartbeat,
    #[error("older than the time duplicates are remembered: a replay cannot be told from a new message")]
    TooOld,
    #[error("its time lies more than a day in the future")]
    FromTheFuture,
    #[error("the envelope id was used before for another content")]
    ReusedId,
    #[error("signed by {0}, whose certificate we do not hold")]
    UnknownSender(Fingerprint),
    #[error("no good certificate came with it: {0}")]
    BadIntroduction(String),
    #[error("not signed")]
    Unsigned,
    #[error("{0}")]
    Pgp(#[from] PgpError),
    #[error("sealed content: {0}")]
    Body(#[from] BodyError),
    #[error("{0}")]
    Headers(#[from] HeaderMismatch),
    #[error("{0} is blocked")]
    Blocked(String),
    #[error("{0} is known with another key; compare the fingerprints and decide")]
    KeyConflict(String),
    #[error("{0} is known with another key, and this is not the one in question")]
    OtherKey(String),
    #[error("too large for somebody you have not accepted")]
    TooLargeForAStranger,
    #[error("it claims to come from ourselves")]
    FromOurselves,
    #[error("opening it hit a defect of this program; please report it")]
    Crashed,
    #[error("too many strangers or messages of strangers wait to be looked at")]
    TooManyStrangers,
    #[error("files of people you have not accepted are not taken")]
    FileOfAStranger,
    #[error("too many offered files wait to be taken")]
    TooManyOffers,
    #[error("it belongs to a file that is not known here")]
    UnknownTransfer,
    #[error("{0}")]
    BadChunk(String),
    #[error("a chunk of a file that was not asked for")]
    ChunkNotAskedFor,
    #[error("chunks come faster than the disk takes them")]
    ChunkTooSoon,
    #[error("{0} sends more than you take at once; the rest is taken later")]
    TooFast(String),
    #[error("{0}")]
    BadContent(String),
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The stable name it is counted under.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Decode(error) => return error.kind().to_owned(),
            Self::Body(error) => error.kind(),
            Self::Pgp(_) => "bad_signature_or_sealing",
            Self::NotForUs(_) => "not_for_us",
            Self::Expired => "expired",
            Self::StaleHeartbeat => "stale_heartbeat",
            Self::TooOld => "too_old",
            Self::FromTheFuture => "from_the_future",
            Self::ReusedId => "reused_id",
            Self::UnknownSender(_) => "unknown_sender",
            Self::BadIntroduction(_) => "bad_introduction",
            Self::Unsigned => "unsigned",
            Self::Headers(_) => "header_mismatch",
            Self::Blocked(_) => "blocked",
            Self::KeyConflict(_) => "key_conflict",
            Self::OtherKey(_) => "other_key",
            Self::TooManyStrangers => "too_many_strangers",
            Self::TooLargeForAStranger => "too_large_for_a_stranger",
            Self::FromOurselves => "from_ourselves",
            Self::Crashed => "crashed",
            Self::FileOfAStranger => "file_of_a_stranger",
            Self::TooManyOffers => "too_many_offers",
            Self::UnknownTransfer => "unknown_transfer",
            Self::BadChunk(_) => "bad_chunk",
            Self::ChunkNotAskedFor => "chunk_not_asked_for",
            Self::ChunkTooSoon => "chunk_too_soon",
            Self::TooFast(_) => "too_fast",
            Self::BadContent(_) => "bad_content",
            Self::Store(_) => "store",
        }
        .to_owned()
    }

    /// Whether the same frame may be accepted later, so that a transport that can should keep it.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::UnknownSender(_) | Self::KeyConflict(_) | Self::ChunkTooSoon | Self::TooFast(_)
        )
    }

    /// Whether it is counted and not told of: nothing is lost, and nobody did anything wrong.
    pub(super) fn is_of_no_interest(&self) -> bool {
        matches!(self, Self::StaleHeartbeat)
    }

    /// Whether it is a matter of forgery, which the user should hear of. A key conflict is told once, when it is raised.
    pub(super) fn concerns_security(&self) -> bool {
        matches!(
            self,
            Self::ReusedId
                | Self::Unsigned
                | Self::Pgp(_)
                | Self::Headers(_)
                | Self::OtherKey(_)
                | Self::FromOurselves
                | Self::Crashed
        )
    }

    /// The reason for the transport, which may tell the sender: so nothing of what the user decided about it.
    pub(super) fn reason(&self) -> Reason {
        let kind = match self {
            Self::Expired | Self::StaleHeartbeat | Self::TooOld => ReasonKind::Expired,
            Self::UnknownSender(_) => ReasonKind::NoKey,
            Self::KeyConflict(_) | Self::OtherKey(_) | Self::Blocked(_) | Self::FileOfAStranger => {
                return Reason::new(ReasonKind::AuthRefused, "not accepted by the recipient");
            }
            Self::TooManyStrangers
            | Self::TooLargeForAStranger
            | Self::TooManyOffers
            | Self::ChunkTooSoon
            | Self::TooFast(_) => ReasonKind::RateLimited,
            Self::Store(_) => ReasonKind::Io,
            _ => ReasonKind::Protocol,
        };
        Reason::new(kind, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    /// The kinds are literals behind `=>` in these files; whoever adds one, adds it to the guide.
    #[test]
    fn the_guide_explains_every_kind() {
        let file = |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let page = file("docs/troubleshooting.md");
        let mut kinds = Vec::new();
        for name in ["src/node/refusal.rs", "src/wire/codec.rs", "src/wire/json.rs", "src/wire/body.rs"] {
            let source = file(name);
            let code = source.split("#[cfg(test)]").next().unwrap();
            let behind =
                code.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \"")).map(|(_, k)| k);
            kinds.extend(behind.filter_map(|kind| Some(kind.split_once("\",")?.0.to_owned())));
        }
        assert!(kinds.len() > 30, "{kinds:?}");
        for kind in kinds {
            let told = page.contains(&format!("`{kind}`")) || kind.contains(' ');
            assert!(told, "docs/troubleshooting.md does not explain {kind}");
        }
    }
}
