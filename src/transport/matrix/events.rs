//! What an event in a room with a peer is to us.

use bytes::Bytes;
use matrix_sdk::{
    deserialized_responses::{TimelineEvent, TimelineEventKind},
    ruma::{
        OwnedUserId, UserId,
        events::{AnySyncTimelineEvent, room::encrypted::OriginalSyncRoomEncryptedEvent},
        serde::Raw,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{Content, ContentError, Stored};
use crate::delivery::{Reason, ReasonKind};

/// Largest event that is looked at, in bytes: the specification's 65 536 and what the homeserver adds for us.
const EVENT_BYTES: usize = 256 * 1024;

/// What an event is.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Not for us: state, our own words.
    Nothing,
    /// A frame, or the way to one.
    Arrived(What),
    /// What should not be in the room.
    Refused(Reason),
}

/// A frame, as far as we have it.
#[derive(Debug)]
pub(super) enum What {
    /// The frame.
    Frame(Bytes),
    /// It lies in the media repository.
    Stored(Stored),
    /// Its key has not come yet.
    Sealed(Raw<OriginalSyncRoomEncryptedEvent>),
}

#[derive(Deserialize)]
struct Clear<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    state_key: Option<&'a RawValue>,
}

/// Judges an event of the room with `peer`.
pub(super) fn judge(event: &TimelineEvent, peer: &UserId, me: &UserId) -> Verdict {
    let refuse = |detail: String| Verdict::Refused(Reason::new(ReasonKind::Protocol, detail));
    let raw: &Raw<AnySyncTimelineEvent> = event.raw();
    let size = raw.json().get().len();
    if size > EVENT_BYTES {
        let told = format!("an event of {size} bytes; at most {EVENT_BYTES} are looked at");
        return Verdict::Refused(Reason::new(ReasonKind::TooLarge, told));
    }
    let sender: Option<OwnedUserId> = event.sender();
    let Some(sender) = sender else { return refuse("an event without a sender".to_owned()) };
    if sender == me {
        return Verdict::Nothing;
    }
    let clear: Option<Clear<'_>> = serde_json::from_str(raw.json().get()).ok();
    if clear.as_ref().is_some_and(|clear| clear.state_key.is_some()) {
        return Verdict::Nothing;
    }
    if sender != peer {
        return refuse(format!("{sender} writes into the room with {peer}"));
    }
    match (&event.kind, clear) {
        (TimelineEventKind::UnableToDecrypt { event, .. }, _) => {
            Verdict::Arrived(What::Sealed(event.clone().cast_unchecked()))
        }
        (TimelineEventKind::Decrypted(_), Some(Clear { kind: "m.room.message", content: Some(content), .. })) => {
            match Content::read(content.get()) {
                Ok(Content::Inline(frame)) => Verdict::Arrived(What::Frame(frame)),
                Ok(Content::Stored(stored)) => Verdict::Arrived(What::Stored(stored)),
                Err(error @ ContentError::TooLarge(_)) => {
                    Verdict::Refused(Reason::new(ReasonKind::TooLarge, format!("{peer} sent {error}")))
                }
                Err(error) => refuse(format!("{peer} sent {error}")),
            }
        }
        (TimelineEventKind::PlainText { .. }, Some(Clear { kind: "m.room.message", .. })) => {
            refuse(format!("{peer} sent a message that is not encrypted"))
        }
        // Reactions, redactions, receipts of other clients: harmless.
        (_, Some(_)) => Verdict::Nothing,
        (_, None) => refuse(format!("{peer} sent an event that cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(json: serde_json::Value) -> TimelineEvent {
        TimelineEvent::from_plaintext(Raw::from_json(serde_json::value::to_raw_value(&json).unwrap()))
    }

    fn told(json: serde_json::Value) -> String {
        let (peer, me) = (UserId::parse("@b:x").unwrap(), UserId::parse("@a:x").unwrap());
        match judge(&plain(json), &peer, &me) {
            Verdict::Refused(reason) => reason.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_unencrypted_frame_is_never_taken() {
        let frame = Content::Inline(Bytes::from_static(b"frame")).write().unwrap();
        let event = |sender: &str| serde_json::json!({"type": "m.room.message", "sender": sender, "content": frame});
        assert_eq!(told(event("@b:x")), "@b:x sent a message that is not encrypted");
        assert_eq!(told(event("@c:x")), "@c:x writes into the room with @b:x");
        assert_eq!(told(event("@a:x")), "Nothing", "our own");
    }

    #[test]
    fn what_is_odd_is_refused_and_what_is_harmless_passed_over() {
        assert_eq!(told(serde_json::json!({"type": "m.room.message"})), "an event without a sender");
        assert_eq!(told(serde_json::json!([1, 2])), "an event without a sender");
        let state = serde_json::json!({"type": "m.room.name", "sender": "@c:x", "state_key": "", "content": {}});
        assert_eq!(told(state), "Nothing");
        assert_eq!(told(serde_json::json!({"type": "m.reaction", "sender": "@b:x", "content": {}})), "Nothing");
        assert_eq!(told(serde_json::json!({"type": 5, "sender": "@b:x"})), "@b:x sent an event that cannot be read");
        let huge = serde_json::json!({"type": "m.room.message", "sender": "@b:x", "content": "x".repeat(EVENT_BYTES)});
        assert!(told(huge).ends_with("at most 262144 are looked at"));
    }

    /// Any JSON, a few levels deep.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let word = prop_oneof![Just("m.room.message".to_owned()), Just("@b:x".to_owned()), ".{0,20}"];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            word.prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name = prop_oneof![Just("skcomm.frame".to_owned()), Just("msgtype".to_owned()), "[a-z_]{0,8}"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::vec((name, inner), 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_event_is_fatal_and_none_in_the_clear_is_taken(
            kind in json(), sender in json(), content in json(), more in json(), state in proptest::option::of(json()),
        ) {
            let (peer, me) = (UserId::parse("@b:x").unwrap(), UserId::parse("@a:x").unwrap());
            let mut event = serde_json::json!({"type": kind, "sender": sender, "content": content, "unsigned": more});
            if let Some(state) = state {
                event["state_key"] = state;
            }
            for event in [event, more] {
                prop_assert!(!matches!(judge(&plain(event), &peer, &me), Verdict::Arrived(_)));
            }
        }
    }
}
