//! Identifiers and times.
#![no_main]

use std::{fmt::Debug, fmt::Display, str::FromStr};

use libfuzzer_sys::fuzz_target;
use skcomm_tui::wire::{Digest, EnvelopeId, Fingerprint, ThreadId, Timestamp};

fn round_trip<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("what was written can be read"), value);
    }
}

fuzz_target!(|text: &str| {
    round_trip::<Timestamp>(text);
    round_trip::<EnvelopeId>(text);
    round_trip::<ThreadId>(text);
    round_trip::<Fingerprint>(text);
    round_trip::<Digest>(text);
});
