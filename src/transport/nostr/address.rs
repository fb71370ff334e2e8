//! The route of a peer: its Nostr key, and the relays where it reads its mail.

use std::fmt;

use nostr_sdk::{FromBech32, PublicKey, ToBech32};

use crate::transport::{ConfigError, settings::problem, websocket::address::RelayAddress};

/// Longest address, in bytes; as long as a reply route may be (`limits::ADDRESS_BYTES`).
const ADDRESS_BYTES: usize = 1024;
/// Most relays in one address, and of a list that was fetched.
pub(super) const RELAYS: usize = 8;
const WANTED: &str = "an address looks like npub1…@wss://relay.example,wss://other.example, or npub1… alone when the \
                      peer's list of relays is to be looked up";

/// Where a peer is reached: `npub1…[@RELAY[,RELAY]…]`, the key in the form of NIP-19.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// The peer's Nostr key.
    pub(super) key: PublicKey,
    /// Where it reads; when there are none, its list (NIP-17, kind 10050) is looked up.
    pub(super) relays: Vec<RelayAddress>,
}

impl PeerAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// Says what is wrong and what a right one looks like.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| problem("address", format!("{why}; {WANTED}"));
        if text.len() > ADDRESS_BYTES {
            return Err(wrong("it is too long"));
        }
        let (key, relays) = match text.split_once('@') {
            Some((key, relays)) => (key, Some(relays)),
            None => (text, None),
        };
        if key.starts_with("nsec1") {
            return Err(wrong("this is a secret key, which nobody else may ever see"));
        }
        if !key.starts_with("npub1") {
            return Err(wrong("it does not begin with npub1"));
        }
        let key = PublicKey::from_bech32(key).map_err(|_| wrong("the npub has a wrong digit or is incomplete"))?;
        // Half of all 32 bytes are no point of the curve; such a key could never be encrypted to.
        key.xonly().map_err(|_| wrong("the npub is no valid key"))?;
        let mut addresses: Vec<RelayAddress> = Vec::new();
        for relay in relays.into_iter().flat_map(|relays| relays.split(',')) {
            let address = RelayAddress::parse("address", relay.trim())?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
            if addresses.len() > RELAYS {
                return Err(wrong(&format!("it names more than {RELAYS} relays")));
            }
        }
        Ok(Self { key, relays: addresses })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.to_bech32() {
            Ok(npub) => f.write_str(&npub)?,
            Err(never) => match never {},
        }
        for (n, relay) in self.relays.iter().enumerate() {
            write!(f, "{}{relay}", if n == 0 { '@' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nostr_sdk::Keys;
    use proptest::prelude::*;

    use super::*;

    fn npub() -> String {
        Keys::generate().public_key().to_bech32().unwrap()
    }

    #[test]
    fn addresses_are_read_and_written_in_one_form() {
        let npub = npub();
        let check = |text: String, expected: String| {
            let read = PeerAddress::parse(&text).unwrap();
            assert_eq!(read.to_string(), expected);
            assert_eq!(PeerAddress::parse(&expected).unwrap(), read);
        };
        check(npub.clone(), npub.clone());
        check(format!("{npub}@wss://A.example"), format!("{npub}@wss://a.example:443/"));
        check(
            format!("{npub}@ws://127.0.0.1:1, wss://b.example,wss://B.example:443"),
            format!("{npub}@ws://127.0.0.1:1/,wss://b.example:443/"),
        );
    }

    #[test]
    fn what_is_no_address_says_what_would_be_one() {
        let npub = npub();
        let mut broken = npub.clone();
        let last = if broken.pop() == Some('q') { 'p' } else { 'q' };
        broken.push(last);
        let many: Vec<String> = (0..9).map(|n| format!("wss://r{n}.example")).collect();
        for text in [
            String::new(),
            "wss://relay.example".to_owned(),
            broken,
            Keys::generate().secret_key().to_bech32().unwrap(),
            format!("{npub}@"),
            format!("{npub}@https://relay.example"),
            format!("{npub}@wss://a.example,"),
            format!("{npub}@{}", many.join(",")),
            format!("{npub}@wss://{}", "a".repeat(2000)),
            npub.to_uppercase(),
            format!("{npub}\n"),
        ] {
            let error = PeerAddress::parse(&text).unwrap_err();
            assert!(error.problem.contains("wss://relay.example"), "{text}: {error}");
            assert!(!error.problem.contains("nsec1"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = PeerAddress::parse(&text);
            let _ = PeerAddress::parse(&format!("npub1{text}"));
        }
    }
}
