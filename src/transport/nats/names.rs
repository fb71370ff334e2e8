//! What things are called on the server. Every name is made from the realm's word and, for a mailbox, the owner's
//! fingerprint with a keyed hash: who knows neither learns neither.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use crate::wire::Fingerprint;

/// Separates our hashes from those of other programs.
const CONTEXT: &[u8] = b"skcomm nats realm 1\0";
/// Bytes of a realm's name, and of a mailbox's: long enough that no two meet by chance.
const REALM_BYTES: usize = 10;
const MAILBOX_BYTES: usize = 16;
/// Bytes of a sender's tag in one mailbox.
const SENDER_BYTES: usize = 8;
/// Bytes of a tag's random part, and of the hash over it.
const TAG_PART: usize = 16;

/// How frames find their recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressing {
    /// A subject for each recipient; the server delivers to one node only.
    Mailbox,
    /// One subject for the whole realm; every node of it takes every frame and keeps what is its own.
    Realm,
}

/// The names of one realm.
#[derive(Clone)]
pub(crate) struct Names {
    key: Hmac<Sha256>,
    realm: String,
}

impl Names {
    /// The names of the realm with this word.
    pub(crate) fn new(word: &str) -> Self {
        let secret = Sha512::new().chain_update(CONTEXT).chain_update(word.as_bytes()).finalize();
        // A key as long as the hash's block: no other length fits this constructor, so it cannot fail.
        let key = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&secret);
        let realm = hex(&hash(&key, &[b"realm"])[..REALM_BYTES]);
        Self { key, realm }
    }

    /// The stream that holds what was sent.
    pub(super) fn stream(&self, addressing: Addressing) -> String {
        match addressing {
            Addressing::Mailbox => format!("SKC_{}", self.realm),
            Addressing::Realm => format!("SKC_{}_ALL", self.realm),
        }
    }

    /// The subjects that the stream takes.
    pub(super) fn subjects(&self, addressing: Addressing) -> String {
        match addressing {
            Addressing::Mailbox => format!("skc.{}.to.*", self.realm),
            Addressing::Realm => format!("skc.{}.all", self.realm),
        }
    }

    /// The subject under which a frame for `recipient` is published.
    pub(super) fn subject(&self, addressing: Addressing, recipient: Fingerprint) -> String {
        match addressing {
            Addressing::Mailbox => format!("skc.{}.to.{}", self.realm, self.mailbox(recipient)),
            Addressing::Realm => self.subjects(addressing),
        }
    }

    /// The name of a node's mailbox and consumer.
    pub(crate) fn mailbox(&self, owner: Fingerprint) -> String {
        hex(&hash(&self.key, &[b"mailbox", owner.as_bytes()])[..MAILBOX_BYTES])
    }

    /// What names of servers and subjects begin with in this realm.
    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// Names a sender inside one mailbox of a relay's store: other in every mailbox, so that it does not tell who writes
    /// to several.
    pub(crate) fn sender(&self, recipient: Fingerprint, sender: Fingerprint) -> [u8; SENDER_BYTES] {
        let mac = hash(&self.key, &[b"sender", recipient.as_bytes(), b"/", sender.as_bytes()]);
        let mut tag = [0; SENDER_BYTES];
        tag.copy_from_slice(&mac[..SENDER_BYTES]);
        tag
    }

    /// Marks a frame of the realm's common subject for `recipient`: to everybody else two tags of one recipient look
    /// as different as those of two.
    pub(super) fn tag(&self, recipient: Fingerprint, random: [u8; TAG_PART]) -> String {
        let proof = hash(&self.key, &[b"tag", &random, recipient.as_bytes()]);
        format!("{}{}", hex(&random), hex(&proof[..TAG_PART]))
    }

    /// Whether `tag` marks a frame for `owner`.
    pub(super) fn is_for(&self, owner: Fingerprint, tag: &str) -> bool {
        let Some((random, _)) = tag.split_at_checked(2 * TAG_PART) else { return false };
        unhex(random).is_some_and(|random| self.tag(owner, random) == tag)
    }
}

/// What the server tells one frame from another by: the same frame to the same subject is stored once.
pub(crate) fn message_id(subject: &str, frame: &[u8]) -> String {
    hex(&Sha256::new().chain_update(subject.as_bytes()).chain_update([0]).chain_update(frame).finalize())
}

fn hash(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that [`hex`] wrote; none when it is anything else, or of another length.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::testing::fingerprint;

    #[test]
    fn names_follow_from_realm_and_fingerprint_and_show_neither() {
        let (ours, theirs) = (Names::new("agents"), Names::new("others"));
        let subject = ours.subject(Addressing::Mailbox, fingerprint(1));
        assert_eq!(subject, Names::new("agents").subject(Addressing::Mailbox, fingerprint(1)));
        assert_ne!(subject, ours.subject(Addressing::Mailbox, fingerprint(2)));
        assert_ne!(ours.mailbox(fingerprint(1)), theirs.mailbox(fingerprint(1)));
        assert_ne!(ours.stream(Addressing::Mailbox), ours.stream(Addressing::Realm));
        let digits = fingerprint(1).to_string().to_lowercase();
        assert!(!subject.contains(&digits[..8]) && !subject.contains("agents"), "{subject}");
        assert!(subject.starts_with(ours.subjects(Addressing::Mailbox).trim_end_matches('*')));
    }

    #[test]
    fn a_tag_is_known_by_its_recipient_alone() {
        let names = Names::new("agents");
        let (one, two) = (names.tag(fingerprint(1), [7; 16]), names.tag(fingerprint(1), [8; 16]));
        assert!(names.is_for(fingerprint(1), &one) && names.is_for(fingerprint(1), &two));
        assert!(!names.is_for(fingerprint(2), &one));
        assert!(!Names::new("others").is_for(fingerprint(1), &one));
        assert_ne!(one, two);
    }

    #[test]
    fn the_same_frame_to_another_is_another_message() {
        assert_eq!(message_id("a", b"frame"), message_id("a", b"frame"));
        assert_ne!(message_id("a", b"frame"), message_id("b", b"frame"));
        assert_ne!(message_id("a", b"frame"), message_id("a", b"frames"));
    }

    proptest! {
        #[test]
        fn foreign_tags_are_refused_without_a_crash(tag in "\\PC{0,80}") {
            prop_assert!(!Names::new("agents").is_for(fingerprint(1), &tag));
        }
    }
}
