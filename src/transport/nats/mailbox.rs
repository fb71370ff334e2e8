//! What a delivery of the server is to this node. Decides without any I/O, so that it can be tried with whatever a hostile server
//! sends.

use super::names::{Addressing, Names};
use crate::wire::Fingerprint;

/// Acks go to subjects that begin so, and nowhere else whatever a server asks for.
const ACK_SUBJECT: &str = "$JS.ACK.";
/// Longest subject that is answered to, in bytes; a server's own have less than 200.
const SUBJECT_BYTES: usize = 1024;

/// Whose deliveries these are, and how large they may be.
#[derive(Clone)]
pub struct Mailbox {
    names: Names,
    addressing: Addressing,
    owner: Fingerprint,
    max_frame: usize,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A frame for this node.
    Frame,
    /// A frame of the realm's common subject for somebody else.
    Foreign,
    /// Empty, or larger than a frame may be: the server need not bring it again.
    NoFrame,
    /// Nothing that the server waits to hear about.
    Unackable,
}

impl Mailbox {
    /// The mailbox of `owner` in the realm with this word, where a frame has at most `max_frame` bytes. On a realm's common subject
    /// a tag says for whom a frame is, in a subject of the owner's own it is not looked at.
    pub fn new(realm: &str, common: bool, owner: Fingerprint, max_frame: usize) -> Self {
        let addressing = if common { Addressing::Realm } else { Addressing::Mailbox };
        Self::of(Names::new(realm), addressing, owner, max_frame)
    }

    pub(super) fn of(names: Names, addressing: Addressing, owner: Fingerprint, max_frame: usize) -> Self {
        Self { names, addressing, owner, max_frame }
    }

    /// Judges a delivery by the subject for its answer, its tag and its size in bytes.
    pub fn judge(&self, reply: Option<&str>, tag: Option<&str>, size: usize) -> Verdict {
        if !reply.is_some_and(|reply| reply.starts_with(ACK_SUBJECT) && reply.len() <= SUBJECT_BYTES) {
            return Verdict::Unackable;
        }
        if size == 0 || size > self.max_frame {
            return Verdict::NoFrame;
        }
        let ours = || tag.is_some_and(|tag| self.names.is_for(self.owner, tag));
        match self.addressing {
            Addressing::Realm if !ours() => Verdict::Foreign,
            _ => Verdict::Frame,
        }
    }

    /// The tag that a sender with these random bytes puts on a frame for the owner.
    pub fn tag(&self, random: [u8; 16]) -> String {
        self.names.tag(self.owner, random)
    }

    pub(super) fn max_frame(&self) -> usize {
        self.max_frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::testing::fingerprint;

    #[test]
    fn only_what_can_be_acked_is_looked_at() {
        let mailbox = Mailbox::new("agents", false, fingerprint(1), 10);
        let ack = Some("$JS.ACK.stream.consumer.1.2.3.4.5");
        assert_eq!(mailbox.judge(ack, None, 10), Verdict::Frame);
        assert_eq!((mailbox.judge(ack, None, 0), mailbox.judge(ack, None, 11)), (Verdict::NoFrame, Verdict::NoFrame));
        let long = format!("$JS.ACK.{}", "x".repeat(2000));
        for reply in [None, Some(""), Some("$JS.API.STREAM.DELETE.x"), Some("inbox.$JS.ACK.x"), Some(long.as_str())] {
            assert_eq!(mailbox.judge(reply, None, 10), Verdict::Unackable, "{reply:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_admits_its_recipient_alone(random in any::<[u8; 16]>(), foreign in "\\PC{0,80}", at in 0..64_usize) {
            let ack = Some("$JS.ACK.x");
            let ours = Mailbox::new("agents", true, fingerprint(1), 10);
            let tag = ours.tag(random);
            prop_assert_eq!(ours.judge(ack, Some(&tag), 1), Verdict::Frame);
            for other in [Mailbox::new("agents", true, fingerprint(2), 10), Mailbox::new("others", true, fingerprint(1), 10)] {
                prop_assert_eq!(other.judge(ack, Some(&tag), 1), Verdict::Foreign);
            }
            prop_assert_eq!(ours.judge(ack, Some(&foreign), 1), Verdict::Foreign);
            prop_assert_eq!(ours.judge(ack, None, 1), Verdict::Foreign);
            let mut changed = tag.into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(ours.judge(ack, Some(&changed), 1), Verdict::Foreign);
        }
    }
}
