//! Tests of the decoders: what is written is read, what is bent is refused, nothing panics.

mod ack;
mod body;
mod envelope;
mod file;
mod json;

use proptest::prelude::*;

use super::*;

/// An armor of the right shape.
fn armor(label: &str, inside: &str) -> String {
    format!("-----BEGIN PGP {label}-----\n\n{inside}\n-----END PGP {label}-----\n")
}

fn ids() -> impl Strategy<Value = EnvelopeId> {
    any::<[u8; 16]>().prop_map(EnvelopeId::from_random)
}

fn fingerprints() -> impl Strategy<Value = Fingerprint> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(|raw| Fingerprint::from_bytes(&raw).unwrap()),
        any::<[u8; 32]>().prop_map(|raw| Fingerprint::from_bytes(&raw).unwrap()),
    ]
}

fn times() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_unix_ms)
}

fn names() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[^\\x00]{1,20}|[\\x00-\\x20\"\\\\]{1,20}")
}

fn threads() -> impl Strategy<Value = Option<ThreadId>> {
    prop::option::of("[^\\pC]{1,40}".prop_map(|text| text.parse().unwrap()))
}

fn kinds() -> impl Strategy<Value = PayloadType> {
    prop_oneof![
        prop::sample::select(vec!["message", "file", "command", "ack", "read_receipt", "webrtc_signal", "peer_card"])
            .prop_map(str::to_owned),
        "[!-~]{1,64}",
    ]
    .prop_map(PayloadType::from)
}

fn urgencies() -> impl Strategy<Value = Urgency> {
    prop::sample::select(vec![Urgency::Low, Urgency::Normal, Urgency::High, Urgency::Critical])
}

fn modes() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Failover, Mode::Broadcast, Mode::Stealth, Mode::Speed])
}

/// Bends a valid encoding: cuts it, flips, inserts, repeats or removes bytes.
fn bent(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = valid.len();
    (prop::collection::vec((0u8..5, 0..len, any::<u8>(), 1usize..20), 1..6)).prop_map(move |changes| {
        let mut bytes = valid.clone();
        for (how, at, byte, count) in changes {
            let at = at.min(bytes.len());
            let end = (at + count).min(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes[at..end].iter_mut().for_each(|b| *b ^= byte),
                2 => bytes.insert(at, byte),
                3 => drop(bytes.drain(at..end)),
                _ => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        bytes
    })
}

/// Bytes that look like JSON more often than not.
fn jsonish() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(
            prop::sample::select(b"{}[]\",:0129-.eE \\u\n\tnulltruefalse\xC3\xA9\x78\x9C".to_vec()),
            0..200
        ),
    ]
}
