//! What things are called in the store, and what is read out of messages that may be anybody's.

use super::index::{Entry, Mailbox};
use crate::{
    serve::usage::SenderTag,
    transport::nats::names::{Names, hex, unhex},
    wire::{Fingerprint, Timestamp},
};

/// The header with the tag of the sender.
const SENDER_HEADER: &str = "Skc-From";
/// The header in which the server says how many bytes it left out.
const SIZE_HEADER: &str = "Nats-Msg-Size";
/// Most deletions in one notice.
pub(super) const NOTICE: usize = 64;

/// The names of one realm's store. The realm's word and the fingerprints do not show in them.
#[derive(Clone)]
pub(super) struct StoreNames(Names);

impl StoreNames {
    /// The names of the realm with this word.
    pub(super) fn new(realm: &str) -> Self {
        Self(Names::new(realm))
    }

    /// The stream of the frames.
    pub(super) fn boxes(&self) -> String {
        format!("SKC_{}_RELAY", self.0.realm())
    }

    /// The stream that remembers whose owner has been here.
    pub(super) fn owners(&self) -> String {
        format!("SKC_{}_RELAY_OWNERS", self.0.realm())
    }

    /// The subject of a mailbox; `*` for all.
    pub(super) fn to(&self, mailbox: Option<&Mailbox>) -> String {
        format!("skc.{}.relay.to.{}", self.0.realm(), mailbox.map_or_else(|| "*".to_owned(), |name| hex(name)))
    }

    /// The subject of the owner of a mailbox; `*` for all.
    pub(super) fn owner(&self, mailbox: Option<&Mailbox>) -> String {
        format!("skc.{}.relay.owner.{}", self.0.realm(), mailbox.map_or_else(|| "*".to_owned(), |name| hex(name)))
    }

    /// The subject on which a relay tells the others what it has deleted. No stream keeps it.
    pub(super) fn gone(&self) -> String {
        format!("skc.{}.relay.gone", self.0.realm())
    }

    /// The mailbox of `owner`.
    pub(super) fn mailbox(&self, owner: Fingerprint) -> Mailbox {
        // The hash has this length.
        unhex(&self.0.mailbox(owner)).unwrap_or_default()
    }

    /// What names `sender` in the mailbox of `recipient`.
    pub(super) fn tag(&self, recipient: Fingerprint, sender: Fingerprint) -> SenderTag {
        self.0.sender(recipient, sender)
    }

    /// The mailbox at the end of a subject that begins with `prefix`.
    fn mailbox_of(subject: &str) -> Option<Mailbox> {
        unhex(subject.rsplit_once('.')?.1)
    }
}

/// The headers of a frame from `sender`, besides its id.
pub(super) fn sender_header(sender: &SenderTag) -> (&'static str, String) {
    (SENDER_HEADER, hex(sender))
}

/// What a message of the frames' stream that came without its payload tells, with `header` for the value of a header; none when no
/// relay wrote it.
pub fn read_entry<'a>(subject: &str, header: impl Fn(&str) -> Option<&'a str>, stored: Timestamp) -> Option<Entry> {
    Some(Entry {
        mailbox: StoreNames::mailbox_of(subject)?,
        sender: unhex(header(SENDER_HEADER)?)?,
        bytes: header(SIZE_HEADER)?.parse().ok().filter(|bytes| *bytes > 0)?,
        stored_ms: stored.unix_ms(),
    })
}

/// The mailbox whose owner a message of the owners' stream names.
pub fn read_owner(subject: &str) -> Option<Mailbox> {
    StoreNames::mailbox_of(subject)
}

/// A notice that these are deleted.
pub fn write_notice(gone: &[u64]) -> Vec<u8> {
    gone.iter().flat_map(|sequence| sequence.to_be_bytes()).collect()
}

/// What a notice says is deleted; none when it is no notice.
pub fn read_notice(raw: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = raw.as_chunks::<8>();
    (rest.is_empty() && numbers.len() <= NOTICE).then(|| numbers.iter().map(|raw| u64::from_be_bytes(*raw)).collect())
}

/// When the server stored a message.
pub(super) fn stored(published_ns: i128) -> Timestamp {
    Timestamp::from_unix_ms(i64::try_from(published_ns / 1_000_000).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fingerprint(who: u8) -> Fingerprint {
        Fingerprint::from_bytes(&[who; 20]).unwrap()
    }

    #[test]
    fn names_hide_who_and_realms_do_not_meet() {
        let (ours, theirs) = (StoreNames::new("ours"), StoreNames::new("theirs"));
        let mailbox = ours.mailbox(fingerprint(1));
        assert_ne!(mailbox, ours.mailbox(fingerprint(2)));
        assert_ne!(mailbox, theirs.mailbox(fingerprint(1)));
        assert_ne!(mailbox, Mailbox::default());
        assert_ne!(ours.boxes(), theirs.boxes());
        let subject = ours.to(Some(&mailbox));
        assert!(!subject.contains("ours") && !subject.contains(&hex(&[1; 20])), "{subject}");
        assert_ne!(ours.tag(fingerprint(1), fingerprint(3)), ours.tag(fingerprint(2), fingerprint(3)));
    }

    #[test]
    fn only_what_a_relay_wrote_is_an_entry() {
        let names = StoreNames::new("ours");
        let (mailbox, sender) = (names.mailbox(fingerprint(1)), names.tag(fingerprint(1), fingerprint(2)));
        let read = |subject: &str, size: &str, sender: &str| {
            let headers = [(SIZE_HEADER, size), (SENDER_HEADER, sender)];
            let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            read_entry(subject, header, Timestamp::from_unix_ms(7))
        };
        let (subject, tag) = (names.to(Some(&mailbox)), hex(&sender));
        assert_eq!(read(&subject, "5", &tag), Some(Entry { mailbox, sender, bytes: 5, stored_ms: 7 }));
        assert_eq!(read_entry(&subject, |_| None, Timestamp::from_unix_ms(7)), None);
        for (subject, size, sender) in [
            ("skc.x.relay.to.nobody", "5", tag.as_str()),
            ("nothing", "5", &tag),
            (&subject, "0", &tag),
            (&subject, "-5", &tag),
            (&subject, "99999999999999999999", &tag),
            (&subject, "5", "me"),
        ] {
            assert_eq!(read(subject, size, sender), None, "{subject} {size} {sender}");
        }
    }

    proptest! {
        #[test]
        fn notices_come_back_and_nothing_else_is_one(raw in proptest::collection::vec(any::<u8>(), 0..600),
                                                     gone in proptest::collection::vec(any::<u64>(), 0..=NOTICE)) {
            prop_assert_eq!(read_notice(&write_notice(&gone)), Some(gone));
            let read = read_notice(&raw);
            prop_assert_eq!(read.is_some(), raw.len() % 8 == 0 && raw.len() / 8 <= NOTICE);
            if let Some(read) = read {
                prop_assert_eq!(write_notice(&read), raw);
            }
        }

        #[test]
        fn any_subject_is_read_without_harm(subject in "\\PC{0,80}") {
            if let Some(mailbox) = read_owner(&subject) {
                prop_assert!(subject.ends_with(&hex(&mailbox)));
            }
        }
    }
}
