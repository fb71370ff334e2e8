//! Gift wraps (NIP-59) around pieces of frames, encrypted by NIP-44.
//!
//! The rumor inside has a kind of its own, 1407: a kind 14 of NIP-17 is a text for people, and a client that is not ours
//! would show them base64. Clients leave out kinds that they do not know, and relays never see it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use nostr_sdk::{
    Event, EventBuilder, JsonUtil as _, Keys, Kind, PublicKey, Tag, Timestamp, UnsignedEvent,
    nips::{nip44, nip59::RANGE_RANDOM_TIMESTAMP_TWEAK},
};

use super::chunk::{Part, Piece};

/// The rumor that carries a frame or a piece of one.
pub(super) const FRAME_KIND: Kind = Kind::Custom(1407);
/// The tag of a piece: digest of the whole frame, index, count and size of the whole.
const PART_TAG: &str = "part";

/// Largest plaintext of NIP-44, in bytes.
const NIP44_BYTES: usize = 65_535;
/// JSON around the content of a rumor, a seal and the `EVENT` message of a wrap, in bytes; at most.
const RUMOR_BYTES: usize = 381;
const SEAL_BYTES: usize = 343;
const WRAP_BYTES: usize = 427;

/// Why a wrap holds nothing for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Its id or signature is wrong: whoever passed it on did not look, or made it up.
    Forged,
    /// It is not encrypted to our key, or damaged.
    NotForUs,
    /// What is inside is not a seal or rumor of the one who signed it.
    Seal(&'static str),
    /// A rumor that is no frame, of this kind.
    NoFrame(u16),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forged => f.write_str("an event with a wrong id or signature"),
            Self::NotForUs => f.write_str("a gift wrap that our key does not open"),
            Self::Seal(why) => write!(f, "a gift wrap with {why}"),
            Self::NoFrame(14) => {
                f.write_str("a chat message of another Nostr program (kind 14), which is not read here")
            }
            Self::NoFrame(kind) => write!(f, "a gift wrap with something of kind {kind}, which is not read here"),
        }
    }
}

/// Wraps a piece for `to` with a one-time key; seal and wrap are dated back by up to two days, each on its own.
///
/// # Errors
/// When the piece is larger than [`piece_bytes`] allows, or no key can be agreed on.
pub(super) fn wrap(keys: &Keys, to: &PublicKey, piece: &Piece) -> Result<Event, String> {
    let mut tags = vec![Tag::public_key(*to)];
    if let Some(part) = &piece.part {
        let tag = [PART_TAG.to_owned()].into_iter().chain(part.values());
        tags.push(Tag::parse(tag).map_err(|error| error.to_string())?);
    }
    let content = BASE64.encode(&piece.bytes);
    let mut rumor = UnsignedEvent::new(keys.public_key(), Timestamp::now(), FRAME_KIND, tags, content);
    rumor.ensure_id();
    let rumor = rumor.try_as_json().map_err(|error| error.to_string())?;
    let sealed = nip44::encrypt(keys.secret_key(), to, rumor, nip44::Version::V2).map_err(|error| error.to_string())?;
    let seal = EventBuilder::new(Kind::Seal, sealed)
        .custom_created_at(Timestamp::tweaked(RANGE_RANDOM_TIMESTAMP_TWEAK))
        .sign_with_keys(keys)
        .map_err(|error| error.to_string())?;
    EventBuilder::gift_wrap_from_seal(to, &seal, []).map_err(|error| error.to_string())
}

/// Opens a wrap: who sealed it, and the piece. Everything is checked, the wrap's own signature first.
pub(super) fn unwrap(keys: &Keys, wrap: &Event) -> Result<(PublicKey, Piece), Unreadable> {
    wrap.verify().map_err(|_| Unreadable::Forged)?;
    let open = |by: &PublicKey, content: &str| nip44::decrypt_to_bytes(keys.secret_key(), by, content);
    let seal = open(&wrap.pubkey, &wrap.content).map_err(|_| Unreadable::NotForUs)?;
    let seal = Event::from_json(seal).map_err(|_| Unreadable::Seal("no seal in it"))?;
    if seal.kind != Kind::Seal {
        return Err(Unreadable::Seal("no seal in it"));
    }
    seal.verify().map_err(|_| Unreadable::Seal("a forged seal"))?;
    let rumor = open(&seal.pubkey, &seal.content).map_err(|_| Unreadable::Seal("a seal that our key does not open"))?;
    let rumor = UnsignedEvent::from_json(rumor).map_err(|_| Unreadable::Seal("no message in its seal"))?;
    if rumor.pubkey != seal.pubkey {
        return Err(Unreadable::Seal("a message in the name of somebody else"));
    }
    if rumor.kind != FRAME_KIND {
        return Err(Unreadable::NoFrame(rumor.kind.as_u16()));
    }
    let bytes = BASE64.decode(&rumor.content).map_err(|_| Unreadable::Seal("a frame that is not base64"))?;
    let tag = rumor.tags.iter().map(|tag| tag.as_slice()).find(|tag| tag.first().is_some_and(|name| name == PART_TAG));
    let part = tag.and_then(|tag| tag.get(1..)).map(Part::parse).transpose().map_err(Unreadable::Seal)?;
    if bytes.is_empty() {
        return Err(Unreadable::Seal("an empty frame"));
    }
    Ok((seal.pubkey, Piece { part, bytes: Bytes::from(bytes) }))
}

/// Largest piece, in bytes, whose wrap and the message that publishes it are at most `event_bytes` long; none when not even
/// one byte fits.
pub(super) fn piece_bytes(event_bytes: usize) -> Option<usize> {
    let fits = |bytes: &usize| wrapped_bytes(*bytes).is_some_and(|size| size <= event_bytes);
    let (mut fine, mut too_much) = (0, NIP44_BYTES);
    while too_much - fine > 1 {
        let middle = fine.midpoint(too_much);
        if fits(&middle) { fine = middle } else { too_much = middle }
    }
    (fine > 0).then_some(fine)
}

/// How long the message that publishes the wrap of so many bytes becomes, at most; none when NIP-44 does not take it.
fn wrapped_bytes(bytes: usize) -> Option<usize> {
    let rumor = RUMOR_BYTES + base64_bytes(bytes);
    let seal = SEAL_BYTES + encrypted_bytes(rumor)?;
    Some(WRAP_BYTES + encrypted_bytes(seal)?)
}

/// NIP-44: version, nonce, length, padded plaintext, code; in base64.
fn encrypted_bytes(plain: usize) -> Option<usize> {
    (plain <= NIP44_BYTES).then(|| base64_bytes(1 + 32 + 2 + padded(plain) + 32))
}

/// The padding of NIP-44.
fn padded(plain: usize) -> usize {
    if plain <= 32 {
        return 32;
    }
    let next_power = 1_usize << ((plain - 1).ilog2() + 1);
    let step = if next_power <= 256 { 32 } else { next_power / 8 };
    step * ((plain - 1) / step + 1)
}

fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use nostr_sdk::ClientMessage;

    use super::*;

    fn piece(bytes: usize) -> Piece {
        // As long as the numbers in the tag can become.
        let part = Part { digest: [0xaa; 32], index: 4094, count: 4095, total: 16 * 1024 * 1024 };
        Piece { part: Some(part), bytes: Bytes::from(vec![7; bytes]) }
    }

    fn published(piece: &Piece) -> usize {
        let (from, to) = (Keys::generate(), Keys::generate());
        let event = wrap(&from, &to.public_key(), piece).unwrap();
        ClientMessage::event(event).as_json().len()
    }

    #[test]
    fn what_is_wrapped_is_unwrapped_by_the_recipient_only() {
        let (from, to, other) = (Keys::generate(), Keys::generate(), Keys::generate());
        for piece in [piece(1), piece(5000), Piece { part: None, bytes: Bytes::from_static(b"frame") }] {
            let event = wrap(&from, &to.public_key(), &piece).unwrap();
            assert_eq!(unwrap(&to, &event).unwrap(), (from.public_key(), piece));
            assert_eq!(unwrap(&other, &event).unwrap_err(), Unreadable::NotForUs);
            assert_eq!(event.kind, Kind::GiftWrap);
            assert_ne!(event.pubkey, from.public_key(), "a one-time key");
            assert!(!event.as_json().contains(&from.public_key().to_hex()), "the sender is not to be seen");
            let now = Timestamp::now().as_secs();
            assert!((now - 172_800..=now).contains(&event.created_at.as_secs()));
        }
    }

    #[test]
    fn the_budget_of_an_event_is_kept_and_used_up() {
        for event_bytes in [4096, 16_384, 65_536, 88_000] {
            let most = piece_bytes(event_bytes).unwrap();
            let size = published(&piece(most));
            assert!(size <= event_bytes, "{most} bytes become {size}, more than {event_bytes}");
            assert_eq!(wrapped_bytes(most), Some(size), "{most} bytes, with the longest numbers in the tag");
            let more = wrapped_bytes(most + 1);
            assert!(more.is_none_or(|more| more > event_bytes), "one byte more would fit");
        }
        assert_eq!(piece_bytes(65_536), Some(21_216), "docs/transports/nostr.md says so");
        assert_eq!(piece_bytes(1000), None);
        let (from, to) = (Keys::generate(), Keys::generate());
        assert!(wrap(&from, &to.public_key(), &piece(40_000)).is_err(), "NIP-44 takes no more");
    }

    #[test]
    fn forged_and_foreign_gifts_are_told_apart() {
        let (from, to, other) = (Keys::generate(), Keys::generate(), Keys::generate());
        let good = wrap(&from, &to.public_key(), &piece(10)).unwrap();
        let mut forged = good.clone();
        forged.content.push('A');
        assert_eq!(unwrap(&to, &forged).unwrap_err(), Unreadable::Forged);
        let mut forged = good.clone();
        forged.sig = wrap(&from, &to.public_key(), &piece(10)).unwrap().sig;
        assert_eq!(unwrap(&to, &forged).unwrap_err(), Unreadable::Forged);
        let rumor = |author: &Keys, kind: u16, content: &str| {
            let kind = Kind::Custom(kind);
            UnsignedEvent::new(author.public_key(), Timestamp::now(), kind, [], content).as_json()
        };
        let gift = |rumor: String, kind: Kind| {
            let sealed = nip44::encrypt(from.secret_key(), &to.public_key(), rumor, nip44::Version::V2).unwrap();
            let seal = EventBuilder::new(kind, sealed).sign_with_keys(&from).unwrap();
            let once = Keys::generate();
            let content =
                nip44::encrypt(once.secret_key(), &to.public_key(), seal.as_json(), nip44::Version::V2).unwrap();
            EventBuilder::new(Kind::GiftWrap, content).sign_with_keys(&once).unwrap()
        };
        for (event, why) in [
            (gift(rumor(&other, 1407, "AAAA"), Kind::Seal), Unreadable::Seal("a message in the name of somebody else")),
            (gift(rumor(&from, 1407, "AAAA"), Kind::TextNote), Unreadable::Seal("no seal in it")),
            (gift(rumor(&from, 1407, "not base64"), Kind::Seal), Unreadable::Seal("a frame that is not base64")),
            (gift(rumor(&from, 1407, ""), Kind::Seal), Unreadable::Seal("an empty frame")),
            (gift(rumor(&from, 14, "hello"), Kind::Seal), Unreadable::NoFrame(14)),
            (gift("{}".to_owned(), Kind::Seal), Unreadable::Seal("no message in its seal")),
        ] {
            assert_eq!(unwrap(&to, &event).unwrap_err(), why);
        }
    }
}
