//! What relays say (NIP-01, NIP-42), and what their refusals mean to the delivery.

use std::time::Duration;

use nostr_sdk::{JsonUtil as _, RelayMessage, message::MachineReadablePrefix};

use crate::{
    delivery::{Reason, ReasonKind, Retry},
    transport::SendError,
    wire::SafeText,
};

/// Largest message that is read, in bytes: the largest wrap of NIP-44 has less than 90 KiB.
pub(super) const MESSAGE_BYTES: usize = 128 * 1024;
/// When to try again at a relay that limits the rate and does not say how long.
const RATE_WAIT: Duration = Duration::from_secs(15);
/// When to try again at a relay that lets in only some, or wants what we do not do.
const CLOSED_WAIT: Duration = Duration::from_secs(600);

/// Reads what a relay says.
///
/// # Errors
/// When it is too large or no message of a relay; says what.
pub fn decode(text: &str) -> Result<RelayMessage<'static>, String> {
    if text.len() > MESSAGE_BYTES {
        return Err(format!("a message of {} bytes; at most {MESSAGE_BYTES} are read", text.len()));
    }
    RelayMessage::from_json(text).map_err(|_| "a message that is none of NIP-01".to_owned())
}

/// The reason in an `OK` that refuses an event with an empty id, as nostr-relay sends it.
pub(super) fn nameless_refusal(text: &str) -> Option<String> {
    if text.len() > MESSAGE_BYTES {
        return None;
    }
    let (kind, id, ok, why): (String, String, bool, String) = serde_json::from_str(text).ok()?;
    (kind == "OK" && id.is_empty() && !ok).then_some(why)
}

/// Whether a refusal (of an event or a subscription) asks for a login.
pub(super) fn wants_login(message: &str) -> bool {
    MachineReadablePrefix::parse(message) == Some(MachineReadablePrefix::AuthRequired)
}

/// Whether a refusal is about who we are.
pub(super) fn refuses_access(message: &str) -> bool {
    use MachineReadablePrefix as Prefix;
    matches!(MachineReadablePrefix::parse(message), Some(Prefix::AuthRequired | Prefix::Restricted))
}

/// Whether a relay "refuses" an event because it has it already.
pub(super) fn has_it_already(message: &str) -> bool {
    MachineReadablePrefix::parse(message) == Some(MachineReadablePrefix::Duplicate)
}

/// What `message`, the reason a relay gives, means.
pub(super) fn refusal(relay: &SafeText, message: &str) -> SendError {
    use MachineReadablePrefix as Prefix;
    let (kind, retry) = match MachineReadablePrefix::parse(message) {
        Some(Prefix::RateLimited) => (ReasonKind::RateLimited, Retry::After(RATE_WAIT)),
        Some(Prefix::AuthRequired | Prefix::Restricted | Prefix::Blocked) => {
            (ReasonKind::AuthRefused, Retry::After(CLOSED_WAIT))
        }
        Some(Prefix::Pow | Prefix::Unsupported) => (ReasonKind::NotConfigured, Retry::After(CLOSED_WAIT)),
        Some(Prefix::Invalid) if names_size(message) => (ReasonKind::TooLarge, Retry::After(CLOSED_WAIT)),
        Some(Prefix::Invalid) => (ReasonKind::Protocol, Retry::Later),
        Some(Prefix::Error | Prefix::Duplicate) => (ReasonKind::Other, Retry::Later),
        None if names_size(message) => (ReasonKind::TooLarge, Retry::After(CLOSED_WAIT)),
        None => (ReasonKind::Other, Retry::Later),
    };
    let hint = match MachineReadablePrefix::parse(message) {
        Some(Prefix::Pow) => " (this transport does no proof of work)",
        _ if kind == ReasonKind::TooLarge => " (a smaller max_event_bytes may help)",
        _ => "",
    };
    let said = if message.trim().is_empty() { SafeText::line("no reason given") } else { SafeText::line(message) };
    SendError { reason: Reason::new(kind, format!("{relay} refuses: {said}{hint}")), retry }
}

/// There is no prefix for events that are too large; relays say so in words.
fn names_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["too large", "too long", "too big", "max event size", "exceeds"].iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refusals_get_a_kind_and_a_time() {
        let relay = SafeText::line("relay.example:443");
        for (message, kind, retry) in [
            ("rate-limited: slow down", ReasonKind::RateLimited, Retry::After(RATE_WAIT)),
            ("auth-required: log in", ReasonKind::AuthRefused, Retry::After(CLOSED_WAIT)),
            ("restricted: members only", ReasonKind::AuthRefused, Retry::After(CLOSED_WAIT)),
            ("blocked: go away", ReasonKind::AuthRefused, Retry::After(CLOSED_WAIT)),
            ("pow: 28 bits wanted", ReasonKind::NotConfigured, Retry::After(CLOSED_WAIT)),
            ("invalid: bad signature", ReasonKind::Protocol, Retry::Later),
            ("invalid: event too large", ReasonKind::TooLarge, Retry::After(CLOSED_WAIT)),
            ("error: disk", ReasonKind::Other, Retry::Later),
            ("", ReasonKind::Other, Retry::Later),
        ] {
            let error = refusal(&relay, message);
            assert_eq!((error.reason.kind, error.retry), (kind, retry), "{message}");
            assert!(error.reason.to_string().starts_with("relay.example:443 refuses: "), "{error}");
        }
        let told = refusal(&relay, "blocked: \u{1b}[2J\u{202e}x").reason.to_string();
        assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told:?}");
        assert!(wants_login("auth-required: x") && !wants_login("restricted: x"));
        assert!(has_it_already("duplicate: have it"));
        assert_eq!(nameless_refusal("[\"OK\",\"\",false,\"why\"]").as_deref(), Some("why"));
        assert_eq!(nameless_refusal("[\"OK\",\"x\",false,\"why\"]"), None);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["", "[]", "{}", "[\"EVENT\"]", "[\"WHAT\",1]", "[\"OK\",\"x\",true,\"\"]", "\u{0}"] {
            assert!(decode(text).is_err(), "{text}");
        }
        let deep = format!("[\"EVENT\",\"s\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
        assert!(decode(&deep).is_err());
        let long = format!("[\"NOTICE\",\"{}\"]", "x".repeat(MESSAGE_BYTES));
        assert!(decode(&long).unwrap_err().contains("at most"));
        assert!(matches!(decode("[\"NOTICE\",\"hello\"]"), Ok(RelayMessage::Notice(_))));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,200}", kind in "(EVENT|OK|EOSE|CLOSED|AUTH|NOTICE)") {
            let _ = decode(&text);
            let _ = decode(&format!("[\"{kind}\",{text}]"));
            let _ = refusal(&SafeText::line("r"), &text);
        }
    }
}
